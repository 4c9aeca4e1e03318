/* SPDX-License-Identifier: Apache-2.0
 *
 * Following lattices: discovery, resync, the life of hosts, audits.
 */
#include "rig.h"

static void resync_reports_every_host_and_all_links(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "{}");
    host_run_component(r.h1, "web", "img:1", 3, "app");
    host_run_provider(r.h2, "http", "http-server", "app");
    json_array_append_new(r.w->links,
                          json_pack("{s:s,s:s,s:s,s:s,s:s,s:[s],s:[],s:[s]}", "source_id", "http",
                                    "target", "web", "name", "default", "wit_namespace", "wasi",
                                    "wit_package", "http", "interfaces", "incoming-handler",
                                    "source_config", "target_config", "cfg"));
    struct core_op *op = core_resync(r.c, "default");
    core_run(r.c, 900);
    assert_false(op->done); /* a late answer to the ping may still come */
    core_run(r.c, 200);
    ENDED(op, TRL_OK);
    SEEN(&r,
         "report default H1 FULL LABELS name=shy-fish-0001 version=1.9.2 up=0 "
         "{ hostcore.arch=x86_64 zone=a } [comp web img:1 x3 h0 wasmcloud.dev/managed-by=wadm "
         "wasmcloud.dev/appspec=app]",
         1);
    SEEN(&r, "report default H2 FULL LABELS * } [prov http http-server x1 h0", 1);
    SEEN(&r, "links default full n=1", 1);
    SEEN(&r, "link default full http -> web default wasi:http [incoming-handler] s() t(cfg)", 1);
    rig_close(&r);
}

static void resync_without_hosts_is_done_at_once(void **state) {
    struct core *c = core_create("{}");
    (void)state;
    struct core_op *op = core_resync(c, "empty");
    core_run(c, 10);
    ENDED(op, TRL_OK);
    assert_int_equal(core_count(c, "links"), 0); /* unknown is not "none" */
    core_destroy(c);
}

static void a_malformed_answer_hides_no_other(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "{}");
    r.w->pong_garbage = 1;
    struct core_op *op = core_resync(r.c, "default");
    core_run(r.c, 1500);
    ENDED(op, TRL_OK);
    SEEN(&r, "report default H1 FULL", 1);
    SEEN(&r, "report default H2 FULL", 1);
    SEEN(&r, "log 1 skipped a message", 1);
    rig_close(&r);
}

static void resync_ends_when_a_host_is_frozen(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    r.h2->frozen = 1; /* known from before: asked although it does not answer the ping */
    struct core_op *op = core_resync(r.c, "default");
    core_run(r.c, 4000);
    ENDED(op, TRL_OK);
    SEEN(&r, "report default H1 FULL", 1);
    SEEN(&r, "report default H2", 0);
    r.h2->frozen = 0;
    core_run(r.c, 4000); /* the inventory is asked for again */
    SEEN(&r, "report default H2 FULL", 1);
    rig_close(&r);
}

static void many_hosts_are_asked_at_most_64_at_a_time(void **state) {
    struct rig r;
    char id[16];
    (void)state;
    rig_open(&r, "{}");
    for (int i = 0; i < 118; i++) {
        snprintf(id, sizeof(id), "X%d", i);
        world_host(r.w, id)->frozen = 0;
    }
    for (size_t i = 0; i < r.w->n_hosts; i++) {
        r.w->hosts[i].mute_replies = 1; /* so that they stay in flight */
    }
    struct core_op *op = core_resync(r.c, "default");
    core_run(r.c, 1500);
    SENT(&r, "host.get", 64);
    core_run(r.c, 60000);
    ENDED(op, TRL_OK);
    SEEN(&r, "FULL LABELS", 120);
    rig_close(&r);
}

static void a_lattice_is_discovered_by_any_host_event(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "{}");
    world_event(r.w, "H1", "config_set", json_pack("{s:s}", "config_name", "x"));
    world_event(r.w, "H1", "config_set", json_pack("{s:s}", "config_name", "x"));
    core_publish(r.c, "wasmbus.evt.bad name.host_started", "{}");
    core_publish(r.c, "wasmbus.evt.deep.er.host_started", "{}");
    core_publish(r.c, "wasmbus.evt.wh\303\244t.host_started", "{}");
    core_publish(r.c, "wasmbus.evt.other.no_such_event", "{}");
    core_run(r.c, 10);
    SEEN(&r, "seen default", 1);
    SEEN(&r, "seen", 1);
    SEEN(&r, "report", 0); /* nobody asked to follow it yet */
    rig_close(&r);
}

static void only_the_lattices_listed_are_watched(void **state) {
    struct core *c = core_create("{\"lattices\":[\"one\"]}");
    struct fworld *w = world_create(c, "two", "wasmbus.ctl", "wasmbus.evt");
    struct fhost *h = world_host(w, "H9");
    (void)state;
    host_start_event(h);
    core_run(c, 10);
    assert_int_equal(core_count(c, "seen"), 0);
    assert_int_equal(core_subscriptions(c), 1);
    core_resync(c, "two"); /* asked for: followed from now on */
    core_resync(c, "one");
    core_run(c, 1500);
    assert_int_equal(core_subscriptions(c), 2);
    host_beat(h);
    core_run(c, 10);
    assert_int_equal(core_count(c, "report two H9 FULL LABELS BEAT"), 1);
    core_destroy(c);
    world_destroy(w);
}

static void several_lattices_do_not_mix(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    struct fworld *w2 = world_create(r.c, "other", "wasmbus.ctl", "wasmbus.evt");
    struct fhost *same = world_host(w2, "H1");
    core_resync(r.c, "other");
    core_run(r.c, 1500);
    SEEN(&r, "report other H1", 1);
    SEEN(&r, "report default", 0);
    host_run_component(same, "web", "img:1", 1, "app");
    host_beat(same);
    core_run(r.c, 10);
    SEEN(&r, "report other H1 FULL LABELS BEAT", 1);
    SEEN(&r, "report default", 0);
    core_destroy(r.c);
    world_destroy(r.w);
    world_destroy(w2);
}

static void tenants_have_their_own_subjects(void **state) {
    struct core *c = core_create("{\"multitenant\":true}");
    struct fworld *w = world_create(c, "default", "ACC1.wasmbus.ctl", "ACC1.wasmbus.evt");
    struct fworld *v = world_create(c, "default", "ACC2.wasmbus.ctl", "ACC2.wasmbus.evt");
    struct fhost *h = world_host(w, "H1");
    (void)state;
    host_start_event(h);
    core_run(c, 10);
    assert_int_equal(core_count(c, "seen ACC1/default"), 1);
    ENDED(core_resync(c, "default"), TRL_E_INVALID);
    struct core_op *op = core_resync(c, "ACC1/default");
    core_run(c, 1500);
    ENDED(op, TRL_OK);
    assert_int_equal(core_count(c, "report ACC1/default H1 FULL"), 1);
    host_beat(world_host(v, "H1"));
    core_run(c, 10);
    assert_int_equal(core_count(c, "seen ACC2/default"), 1);
    assert_int_equal(core_count(c, "report ACC2"), 0);
    core_destroy(c);
    world_destroy(w);
    world_destroy(v);
}

static void a_heartbeat_is_a_full_report_with_beat(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    host_run_component(r.h1, "web", "img:1", 2, "app");
    core_run(r.c, 30000);
    host_beat(r.h1);
    core_run(r.c, 10);
    SEEN(&r,
         "report default H1 FULL LABELS BEAT name=shy-fish-0001 version=1.9.2 up=31 { "
         "hostcore.arch=x86_64 zone=a } [comp web img:1 x2",
         1);
    SENT(&r, "", 0);
    rig_close(&r);
}

static void a_heartbeat_of_an_unknown_host_makes_it_known(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    struct fhost *h3 = world_host(r.w, "H3");
    host_beat(h3);
    core_run(r.c, 10);
    SEEN(&r, "report default H3 FULL LABELS BEAT", 1);
    rig_close(&r);
}

static void uptime_that_went_back_is_a_new_start(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    core_run(r.c, 60000);
    host_beat(r.h1);
    core_run(r.c, 1000);
    SEEN(&r, "STARTED", 0);
    host_restart(r.h1);
    core_run(r.c, 30000);
    host_beat(r.h1);
    core_run(r.c, 10);
    SEEN(&r, "report default H1 FULL STARTED LABELS BEAT", 1);
    rig_close(&r);
}

static void host_started_empties_it_and_asks_at_once(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    host_start_event(r.h1);
    core_run(r.c, 10);
    SEEN(&r,
         "report default H1 DELTA STARTED LABELS name=shy-fish-0001 version=1.9.2 up=0 { "
         "hostcore.arch=x86_64 zone=a }",
         1);
    SEEN(&r, "report default H1 FULL LABELS", 1);
    SENT(&r, "host.get.H1", 1);
    rig_close(&r);
}

static void host_stopped_is_gone(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    world_event(r.w, "H1", "host_stopped", json_pack("{s:{}}", "labels"));
    world_event(r.w, "H1", "host_stopped", json_pack("{s:{}}", "labels"));
    core_run(r.c, 10);
    SEEN(&r, "gone default H1 1", 2);
    rig_close(&r);
}

static void a_probe_tells_dead_from_frozen(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    struct core_op *fine = core_probe(r.c, "default", "H1");
    r.h2->frozen = 1;
    struct core_op *frozen = core_probe(r.c, "default", "H2");
    struct core_op *dead = core_probe(r.c, "default", "H3");
    core_run(r.c, 10);
    ENDED(fine, TRL_OK);
    SEEN(&r, "report default H1 FULL", 1);
    ENDED(dead, TRL_E_NORESPONDER);
    assert_false(frozen->done);
    core_run(r.c, 1500);
    ENDED(frozen, TRL_E_TIMEOUT);
    ENDED(core_probe(r.c, "default", "not a host"), TRL_E_INVALID);
    rig_close(&r);
}

static void the_link_state_is_passed_on(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "{}");
    core_link(r.c, 0);
    core_link(r.c, 1);
    SEEN(&r, "up 0", 1);
    SEEN(&r, "up 1", 1);
    rig_close(&r);
}

static void the_first_host_makes_links_and_configs_readable(void **state) {
    struct core *c = core_create("{}");
    static const char *const names[] = {"cfg"};
    (void)state;
    struct core_op *op = core_read(c, "default", names, 1);
    core_run(c, 10);
    ENDED(op, TRL_E_NORESPONDER);
    struct fworld *w = world_create(c, "default", "wasmbus.ctl", "wasmbus.evt");
    host_start_event(world_host(w, "H1"));
    core_run(c, 10);
    assert_int_equal(core_count(c, "links default full n=0"), 1);
    assert_int_equal(core_count(c, "config default cfg ABSENT"), 1);
    core_destroy(c);
    world_destroy(w);
}

static void an_audit_reads_links_and_configs_again(void **state) {
    struct rig r;
    static const char *const names[] = {"cfg"};
    (void)state;
    rig_synced(&r, "{\"audit_ms\":300000}");
    core_read(r.c, "default", names, 1);
    core_run(r.c, 10);
    core_forget(r.c);
    json_object_set_new(r.w->configs, "cfg", json_pack("{s:s}", "a", "b")); /* unannounced */
    core_run(r.c, 331000);
    SEEN(&r, "links default full", 1);
    SEEN(&r, "config default cfg hash=", 1);
    core_run(r.c, 331000);
    SEEN(&r, "links default full", 2);
    rig_close(&r);
}

static void stop_ends_everything_under_way(void **state) {
    struct rig r;
    static const char *const names[] = {"cfg"};
    static const trl_str ifs[] = {{"store", 5}};
    (void)state;
    rig_synced(&r, "{}");
    r.h1->frozen = r.h2->frozen = 1;
    trl_link l = link_of("a", "kv", ifs, 1);
    trl_action acts[] = {action(TRL_DO_SCALE, "H1", "web", "i:1", 1),
                         action(TRL_DO_UPDATE, "H1", "web", "i:1", 1),
                         action(TRL_DO_PROVIDER_STOP, "H1", "http", "", 0),
                         link_action(TRL_DO_LINK_PUT, &l),
                         link_action(TRL_DO_LINK_DEL, &l),
                         config_action(TRL_DO_CONFIG_PUT, "c", "{}"),
                         config_action(TRL_DO_CONFIG_DEL, "c", "")};
    struct core_op *ops[10];
    size_t n = sizeof(acts) / sizeof(acts[0]);
    for (size_t i = 0; i < n; i++) {
        ops[i] = core_apply(r.c, &acts[i]);
    }
    ops[n++] = core_resync(r.c, "default");
    ops[n++] = core_read(r.c, "default", names, 1);
    ops[n++] = core_probe(r.c, "default", "H1");
    core_run(r.c, 100);
    core_stop(r.c);
    for (size_t i = 0; i < n; i++) {
        ENDED(ops[i], TRL_E_CANCELLED);
    }
    rig_close(&r);
}

static void who_asks_later_gets_a_later_answer(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{\"ping_ms\":50}");
    r.h1->mute_replies = 1; /* the first inventory is out for two seconds */
    struct core_op *one = core_resync(r.c, "default");
    core_run(r.c, 1000);
    struct core_op *two = core_resync(r.c, "default");
    core_run(r.c, 500);
    SENT(&r, "host.get.H1", 1);
    core_run(r.c, 1000);
    ENDED(one, TRL_OK);
    ENDED(two, TRL_OK);
    SENT(&r, "host.get.H1", 2);
    rig_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resync_reports_every_host_and_all_links),
        cmocka_unit_test(resync_without_hosts_is_done_at_once),
        cmocka_unit_test(a_malformed_answer_hides_no_other),
        cmocka_unit_test(resync_ends_when_a_host_is_frozen),
        cmocka_unit_test(many_hosts_are_asked_at_most_64_at_a_time),
        cmocka_unit_test(a_lattice_is_discovered_by_any_host_event),
        cmocka_unit_test(only_the_lattices_listed_are_watched),
        cmocka_unit_test(several_lattices_do_not_mix),
        cmocka_unit_test(tenants_have_their_own_subjects),
        cmocka_unit_test(a_heartbeat_is_a_full_report_with_beat),
        cmocka_unit_test(a_heartbeat_of_an_unknown_host_makes_it_known),
        cmocka_unit_test(uptime_that_went_back_is_a_new_start),
        cmocka_unit_test(host_started_empties_it_and_asks_at_once),
        cmocka_unit_test(host_stopped_is_gone),
        cmocka_unit_test(a_probe_tells_dead_from_frozen),
        cmocka_unit_test(the_link_state_is_passed_on),
        cmocka_unit_test(the_first_host_makes_links_and_configs_readable),
        cmocka_unit_test(an_audit_reads_links_and_configs_again),
        cmocka_unit_test(stop_ends_everything_under_way),
        cmocka_unit_test(who_asks_later_gets_a_later_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
