/* SPDX-License-Identifier: Apache-2.0
 *
 * Scaling, providers, labels, configs: requests, what is reported, when the op ends.
 */
#include "rig.h"

static void a_start_is_acked_then_told_by_its_event(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    r.h1->start_ms = 500;
    trl_action a = action(TRL_DO_SCALE, "H1", "web", "reg/web:1", 4);
    struct core_op *op = core_apply(r.c, &a);
    core_run(r.c, 10);
    ENDED(op, TRL_OK); /* an ack settles nothing */
    SEEN(&r, "report", 0);
    core_run(r.c, 500);
    SEEN(&r,
         "report default H1 DELTA * [comp web reg/web:1 x4 h0 wasmcloud.dev/appspec=app "
         "wasmcloud.dev/managed-by=wadm wasmcloud.dev/scaler=new]",
         2); /* hosts say it twice */
    SENT(&r,
         "component.scale.H1 {\"component_ref\":\"reg/web:1\",\"component_id\":\"web\","
         "\"count\":4,\"annotations\":{\"wasmcloud.dev/appspec\":\"app\","
         "\"wasmcloud.dev/managed-by\":\"wadm\",\"wasmcloud.dev/scaler\":\"new\"},"
         "\"config\":[\"cfg-a\",\"cfg-b\"],\"allow_update\":false,\"host_id\":\"H1\"}",
         1);
    SENT(&r, "host.get", 0);
    rig_close(&r);
}

static void limits_are_sent_as_text(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_action a = action(TRL_DO_SCALE, "H1", "web", "i:1", 1);
    a.body = trl_cstr("{\"max_memory_limit\":1000,\"max_execution_time\":\"5\"}");
    core_apply(r.c, &a);
    a.body = trl_cstr("{\"max_memory_limit\":[]}");
    struct core_op *bad = core_apply(r.c, &a);
    core_run(r.c, 10);
    SENT(&r, "\"component_limits\":{\"max_memory_limit\":\"1000\",\"max_execution_time\":\"5\"}",
         1);
    ENDED(bad, TRL_E_INVALID);
    rig_close(&r);
}

/* For agents: what a file is run with. Hosts of wasmCloud ignore it. */
static void settings_of_a_process_go_along(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_action a = action(TRL_DO_SCALE, "H1", "web", "file:///opt/web", 1);
    a.body = trl_cstr("{\"listen\":\"8080\",\"health\":{\"http\":\"/\"}}");
    core_apply(r.c, &a);
    a.verb = TRL_DO_PROVIDER_START;
    a.unit_id = trl_cstr("db");
    core_apply(r.c, &a);
    a.body = trl_cstr("[1]");
    a.unit_id = trl_cstr("odd");
    struct core_op *bad = core_apply(r.c, &a);
    core_run(r.c, 10);
    SENT(&r, "\"trellis_process\":{\"listen\":\"8080\",\"health\":{\"http\":\"/\"}}", 2);
    SENT(&r, "component_limits", 0);
    ENDED(bad, TRL_E_INVALID);
    rig_close(&r);
}

static void a_stop_sends_no_reference(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    host_run_component(r.h1, "web", "reg/web:1", 4, "app");
    trl_action a = action(TRL_DO_SCALE, "H1", "web", "reg/web:1", 0);
    ACT(&r, &a, 10, TRL_OK);
    SENT(&r, "component.scale.H1 {\"component_ref\":\"\",\"component_id\":\"web\",\"count\":0,", 1);
    SEEN(&r, "report default H1 DELTA * [comp web reg/web:1 x0", 1);
    rig_close(&r);
}

static void with_a_policy_service_a_stop_names_the_image(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{\"stop_with_ref\":true}");
    trl_action a = action(TRL_DO_SCALE, "H1", "web", "reg/web:1", 0);
    core_apply(r.c, &a);
    core_run(r.c, 10);
    SENT(&r, "\"component_ref\":\"reg/web:1\"*\"count\":0", 1);
    rig_close(&r);
}

static void a_rebuild_is_read_from_the_inventory(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    host_run_component(r.h1, "web", "reg/web:1", 4, "app");
    trl_action a = action(TRL_DO_SCALE, "H1", "web", "reg/web:1", 6);
    a.flags = TRL_ACT_RUNNING;
    core_apply(r.c, &a);
    core_run(r.c, 50);
    SEEN(&r, "DELTA", 0); /* the event echoes the old marks */
    SEEN(&r,
         "report default H1 FULL * [comp web reg/web:1 x6 h0 wasmcloud.dev/appspec=app "
         "wasmcloud.dev/managed-by=wadm wasmcloud.dev/scaler=new]",
         1);
    rig_close(&r);
}

static void a_start_that_finds_it_running_is_read_from_the_inventory(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    host_run_component(r.h1, "web", "reg/web:0", 4, "app");
    trl_action a = action(TRL_DO_SCALE, "H1", "web", "reg/web:1", 4);
    core_apply(r.c, &a); /* the core thought it does not run there */
    core_run(r.c, 50);
    SEEN(&r, "DELTA", 0);
    SEEN(&r, "report default H1 FULL * [comp web reg/web:1 x4", 1);
    rig_close(&r);
}

static void errors_say_why(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    r.w->nack = "failed to deserialize\ncomponent scale command";
    trl_action a = action(TRL_DO_SCALE, "H1", "web", "i:1", 1);
    struct core_op *nack = core_apply(r.c, &a);
    core_run(r.c, 10);
    ENDED(nack, TRL_E_DENIED);
    assert_string_equal(nack->msg, "failed to deserialize component scale command");
    trl_action dead = action(TRL_DO_SCALE, "H9", "web", "i:1", 1);
    struct core_op *no = core_apply(r.c, &dead);
    core_run(r.c, 10);
    ENDED(no, TRL_E_NORESPONDER);
    assert_non_null(strstr(no->msg, "component.scale.H9 in lattice default"));
    r.h1->frozen = 1;
    struct core_op *slow = core_apply(r.c, &a);
    core_run(r.c, 1990);
    assert_false(slow->done);
    core_run(r.c, 20);
    ENDED(slow, TRL_E_TIMEOUT);
    rig_close(&r);
}

static void nonsense_is_refused(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_action bad_utf8 = action(TRL_DO_SCALE, "H1", "we\xff", "i:1", 1);
    trl_action no_host = action(TRL_DO_SCALE, "H.1", "web", "i:1", 1);
    trl_action no_unit = action(TRL_DO_PROVIDER_STOP, "H1", "", "i:1", 1);
    trl_action no_verb = action(99, "H1", "web", "i:1", 1);
    trl_action no_lattice = action(TRL_DO_SCALE, "H1", "web", "i:1", 1);
    trl_action tenant = no_lattice;
    trl_action no_link = link_action(TRL_DO_LINK_PUT, NULL);
    no_lattice.lattice = trl_cstr("a.b");
    tenant.lattice = trl_cstr("acc/default");
    ENDED(core_apply(r.c, &bad_utf8), TRL_E_INVALID);
    ENDED(core_apply(r.c, &no_host), TRL_E_INVALID);
    ENDED(core_apply(r.c, &no_unit), TRL_E_INVALID);
    ENDED(core_apply(r.c, &no_verb), TRL_E_UNSUPP);
    ENDED(core_apply(r.c, &no_lattice), TRL_E_INVALID);
    ENDED(core_apply(r.c, &tenant), TRL_E_INVALID);
    ENDED(core_apply(r.c, &no_link), TRL_E_INVALID);
    core_run(r.c, 10);
    SENT(&r, "", 0);
    rig_close(&r);
}

static void a_cancelled_op_ends_at_once(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_action a = action(TRL_DO_SCALE, "H1", "web", "i:1", 1);
    struct core_op *op = core_apply(r.c, &a);
    core_cancel(r.c, op);
    ENDED(op, TRL_E_CANCELLED);
    core_run(r.c, 100);
    SEEN(&r, "report default H1 DELTA * [comp web i:1 x1",
         2); /* what happened is told all the same */
    rig_close(&r);
}

static void a_provider_starts_and_stops(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_action a = action(TRL_DO_PROVIDER_START, "H1", "http", "oci://reg/http:1", 1);
    ACT(&r, &a, 50, TRL_OK);
    SENT(&r,
         "provider.start.H1 {\"provider_ref\":\"oci://reg/http:1\",\"provider_id\":\"http\","
         "\"annotations\":{*},\"config\":[\"cfg-a\",\"cfg-b\"],\"host_id\":\"H1\"}",
         1);
    SEEN(&r, "report default H1 DELTA * [prov http reg/http:1 x1", 1);
    trl_action stop = action(TRL_DO_PROVIDER_STOP, "H1", "http", "", 0);
    ACT(&r, &stop, 10, TRL_OK);
    SENT(&r, "provider.stop.H1 {\"provider_id\":\"http\",\"host_id\":\"H1\"}", 1);
    SEEN(&r, "report default H1 DELTA * [prov http  x0", 2); /* by its event, and by the reply */
    rig_close(&r);
}

static void a_provider_stop_is_reported_without_its_event(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    host_run_provider(r.h1, "http", "reg/http:1", "app");
    r.h1->lose_events = 1;
    trl_action stop = action(TRL_DO_PROVIDER_STOP, "H1", "http", "", 0);
    ACT(&r, &stop, 10, TRL_OK);
    SEEN(&r, "report default H1 DELTA * [prov http  x0", 1);
    rig_close(&r);
}

static void already_running_and_not_running_are_news(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    host_run_provider(r.h1, "http", "reg/http:1", "app");
    trl_action a = action(TRL_DO_PROVIDER_START, "H1", "http", "reg/http:2", 1);
    ACT(&r, &a, 10, TRL_OK);
    SEEN(&r, "report default H1 FULL * [prov http reg/http:1 x1", 1);
    trl_action stop = action(TRL_DO_PROVIDER_STOP, "H2", "http", "", 0);
    ACT(&r, &stop, 10, TRL_OK);
    SEEN(&r, "report default H2 FULL", 1);
    rig_close(&r);
}

static void a_lost_start_event_is_told_by_the_next_heartbeat(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    r.h1->lose_events = 2;
    trl_action a = action(TRL_DO_SCALE, "H1", "web", "i:1", 1);
    core_apply(r.c, &a);
    core_run(r.c, 1000);
    SEEN(&r, "report", 0);
    host_beat(r.h1);
    core_run(r.c, 10);
    SEEN(&r, "report default H1 FULL LABELS BEAT * [comp web i:1 x1", 1);
    rig_close(&r);
}

static void labels_are_reported_before_the_op_ends(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_action a = action(TRL_DO_LABEL_PUT, "H1", "", "", 0);
    a.name = trl_cstr("zone");
    a.body = trl_cstr("b");
    ACT(&r, &a, 10, TRL_OK);
    SENT(&r, "label.put.H1 {\"key\":\"zone\",\"value\":\"b\"}", 1);
    SEEN(&r, "report default H1 DELTA LABELS * zone=b }", 1);
    SEEN(&r, "report default H1 FULL LABELS * zone=b }", 1);
    a.verb = TRL_DO_LABEL_DEL;
    ACT(&r, &a, 10, TRL_OK);
    SENT(&r, "label.del.H1 {\"key\":\"zone\"}", 1);
    rig_close(&r);
}

static void a_host_is_stopped(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_action a = action(TRL_DO_HOST_STOP, "H1", "", "", 0);
    ACT(&r, &a, 10, TRL_OK);
    SENT(&r, "host.stop.H1 {\"host_id\":\"H1\"}", 1);
    SEEN(&r, "gone default H1 1", 1);
    rig_close(&r);
}

/* Configs */

static void configs_are_read_pipelined_with_their_hash(void **state) {
    struct rig r;
    static const char *const names[] = {"there", "absent", "odd", "il$legal", "a.b", "", "sec ret"};
    static const trl_label sorted[] = {{{"a", 1}, {"1", 1}}, {{"b", 1}, {"2", 1}}};
    char line[128];
    (void)state;
    rig_synced(&r, "{}");
    json_object_set_new(r.w->configs, "there", json_pack("{s:s,s:s}", "b", "2", "a", "1"));
    json_object_set_new(r.w->configs, "odd", json_string("text"));
    struct core_op *op = core_read(r.c, "default", names, 7);
    core_run(r.c, 10);
    ENDED(op, TRL_OK);
    snprintf(line, sizeof(line), "config default there hash=%016llx",
             (unsigned long long)trl_config_hash(sorted, 2));
    SEEN(&r, line, 1);
    SEEN(&r, "config default absent ABSENT", 1);
    SEEN(&r, "config default odd hash=0000000000000000", 1);
    SEEN(&r, "config default il$legal ABSENT", 1);
    SEEN(&r, "config default a.b ABSENT", 1);
    SEEN(&r, "config default  ABSENT", 1);
    SEEN(&r, "config default sec ret ABSENT", 1);
    SENT(&r, "config.get", 4);
    ENDED(core_read(r.c, "default", NULL, 0), TRL_OK);
    rig_close(&r);
}

static void a_config_that_cannot_be_read_is_an_error(void **state) {
    struct rig r;
    static const char *const names[] = {"x", "y"};
    (void)state;
    rig_synced(&r, "{}");
    r.w->mute_configs = 1;
    struct core_op *op = core_read(r.c, "default", names, 2);
    core_run(r.c, 2100);
    ENDED(op, TRL_E_TIMEOUT);
    SEEN(&r, "config default y ABSENT", 1);
    SEEN(&r, "config default x", 0); /* unknown is not absent */
    rig_close(&r);
}

static void a_config_put_is_verbatim_and_reported_before_it_ends(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_action a = config_action(TRL_DO_CONFIG_PUT, "cfg", "{\"b\":\"2\", \"a\":\"1\"}");
    ACT(&r, &a, 10, TRL_OK);
    SENT(&r, "config.put.cfg {\"b\":\"2\", \"a\":\"1\"}", 1);
    SENT(&r, "config.get", 0); /* its own event is no news */
    SEEN(&r, "config default cfg hash=", 1);
    trl_action del = config_action(TRL_DO_CONFIG_DEL, "cfg", "");
    ACT(&r, &del, 10, TRL_OK);
    SEEN(&r, "config default cfg ABSENT", 1);
    rig_close(&r);
}

static void puts_of_one_name_go_one_after_another(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_action a = config_action(TRL_DO_CONFIG_PUT, "cfg", "{\"v\":\"1\"}");
    trl_action b = config_action(TRL_DO_CONFIG_PUT, "cfg", "{\"v\":\"2\"}");
    trl_action other = config_action(TRL_DO_CONFIG_PUT, "other", "{}");
    r.w->mute_configs = 1;
    struct core_op *op1 = core_apply(r.c, &a), *op2 = core_apply(r.c, &b),
                   *op3 = core_apply(r.c, &a);
    struct core_op *op4 = core_apply(r.c, &other);
    core_cancel(r.c, op3); /* before its turn: never sent */
    core_run(r.c, 100);
    SENT(&r, "config.put.cfg", 1);
    ENDED(op4, TRL_OK);
    core_run(r.c, 2000);
    ENDED(op1, TRL_E_TIMEOUT);
    ENDED(op2, TRL_OK);
    ENDED(op3, TRL_E_CANCELLED);
    SENT(&r, "config.put.cfg", 2);
    rig_close(&r);
}

static void a_config_body_must_be_a_map_of_strings(void **state) {
    struct rig r;
    static const char *const bad[] = {"", "[]", "{\"secret\":1}", "{"};
    (void)state;
    rig_synced(&r, "{}");
    for (size_t i = 0; i < 4; i++) {
        trl_action a = config_action(TRL_DO_CONFIG_PUT, "cfg", bad[i]);
        struct core_op *op = core_apply(r.c, &a);
        ENDED(op, TRL_E_INVALID);
        assert_null(strstr(op->msg, "secret"));
    }
    trl_action dot = config_action(TRL_DO_CONFIG_PUT, "a.b", "{}");
    ENDED(core_apply(r.c, &dot), TRL_E_INVALID);
    rig_close(&r);
}

static void config_events_matter_for_names_the_core_knows(void **state) {
    struct rig r;
    static const char *const names[] = {"mine"};
    (void)state;
    rig_synced(&r, "{}");
    core_read(r.c, "default", names, 1);
    core_run(r.c, 10);
    core_forget(r.c);
    world_forget_requests(r.w);
    json_object_set_new(r.w->configs, "mine", json_pack("{s:s}", "a", "b"));
    world_event(r.w, "H1", "config_set", json_pack("{s:s}", "config_name", "mine"));
    world_event(r.w, "H1", "config_set", json_pack("{s:s}", "config_name", "theirs"));
    world_event(r.w, "H1", "config_deleted", json_pack("{s:s}", "config_name", "theirs"));
    core_run(r.c, 10);
    SENT(&r, "config.get", 1);
    SEEN(&r, "config default mine hash=", 1);
    SEEN(&r, "theirs", 0);
    world_event(r.w, "H1", "config_deleted", json_pack("{s:s}", "config_name", "mine"));
    core_run(r.c, 10);
    SEEN(&r, "config default mine ABSENT", 1);
    rig_close(&r);
}

static void a_foreign_put_during_ours_is_noticed(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_action a = config_action(TRL_DO_CONFIG_PUT, "cfg", "{\"v\":\"1\"}");
    world_event(r.w, "H2", "config_set", json_pack("{s:s}", "config_name", "cfg"));
    core_apply(r.c, &a);
    core_run(r.c, 10);
    SENT(&r, "config.get.cfg", 1);
    rig_close(&r);
}

static void a_config_that_changes_while_it_is_read_is_read_again(void **state) {
    struct rig r;
    static const char *const names[] = {"cfg"};
    (void)state;
    rig_synced(&r, "{}");
    struct core_op *op = core_read(r.c, "default", names, 1);
    world_event(r.w, "H1", "config_set", json_pack("{s:s}", "config_name", "cfg"));
    core_run(r.c, 10);
    ENDED(op, TRL_OK);
    SENT(&r, "config.get", 2);
    SEEN(&r, "config default cfg", 1); /* the stale answer is never told */
    rig_close(&r);
}

static void a_rebuild_with_equal_marks_is_read_as_well(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_action a = action(TRL_DO_SCALE, "H1", "web", "reg/web:1", 4);
    core_apply(r.c, &a);
    core_run(r.c, 50);
    core_forget(r.c);
    a.count = 6;
    a.flags = TRL_ACT_RUNNING;
    core_apply(r.c, &a);
    core_run(r.c, 50);
    SEEN(&r, "DELTA", 0);
    SEEN(&r, "report default H1 FULL * [comp web reg/web:1 x6", 1);
    rig_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_is_acked_then_told_by_its_event),
        cmocka_unit_test(limits_are_sent_as_text),
        cmocka_unit_test(settings_of_a_process_go_along),
        cmocka_unit_test(a_stop_sends_no_reference),
        cmocka_unit_test(with_a_policy_service_a_stop_names_the_image),
        cmocka_unit_test(a_rebuild_is_read_from_the_inventory),
        cmocka_unit_test(a_start_that_finds_it_running_is_read_from_the_inventory),
        cmocka_unit_test(errors_say_why),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_cancelled_op_ends_at_once),
        cmocka_unit_test(a_provider_starts_and_stops),
        cmocka_unit_test(a_provider_stop_is_reported_without_its_event),
        cmocka_unit_test(already_running_and_not_running_are_news),
        cmocka_unit_test(a_lost_start_event_is_told_by_the_next_heartbeat),
        cmocka_unit_test(labels_are_reported_before_the_op_ends),
        cmocka_unit_test(a_host_is_stopped),
        cmocka_unit_test(configs_are_read_pipelined_with_their_hash),
        cmocka_unit_test(a_config_that_cannot_be_read_is_an_error),
        cmocka_unit_test(a_config_put_is_verbatim_and_reported_before_it_ends),
        cmocka_unit_test(puts_of_one_name_go_one_after_another),
        cmocka_unit_test(a_config_body_must_be_a_map_of_strings),
        cmocka_unit_test(config_events_matter_for_names_the_core_knows),
        cmocka_unit_test(a_foreign_put_during_ours_is_noticed),
        cmocka_unit_test(a_config_that_changes_while_it_is_read_is_read_again),
        cmocka_unit_test(a_rebuild_with_equal_marks_is_read_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
