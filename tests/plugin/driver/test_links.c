/* SPDX-License-Identifier: Apache-2.0
 *
 * Links: one request at a time per source, deletion keys without a target, time-outs.
 */
#include "rig.h"

static const trl_str STORE[] = {{"store", 5}}, ATOMICS[] = {{"atomics", 7}};
static const trl_str BOTH[] = {{"store", 5}, {"atomics", 7}};

static void a_put_is_reported_then_done(void **state) {
    struct rig r;
    static const trl_str cfg[] = {{"kv-cfg", 6}};
    (void)state;
    rig_synced(&r, "{}");
    trl_link l = link_of("a", "kv", BOTH, 2);
    l.target_config = cfg;
    l.n_target_config = 1;
    trl_action a = link_action(TRL_DO_LINK_PUT, &l);
    r.w->lose_link_events = 1; /* the reply is enough */
    ACT(&r, &a, 10, TRL_OK);
    SENT(&r,
         "link.put {\"source_id\":\"a\",\"name\":\"default\",\"wit_namespace\":\"wasi\","
         "\"wit_package\":\"keyvalue\",\"target\":\"kv\",\"interfaces\":[\"store\",\"atomics\"],"
         "\"source_config\":[],\"target_config\":[\"kv-cfg\"]}",
         1);
    SEEN(&r, "link default delta a -> kv default wasi:keyvalue [store,atomics] s() t(kv-cfg)", 1);
    rig_close(&r);
}

static void links_of_one_source_go_one_after_another(void **state) {
    struct rig r;
    char target[8][16], name[8][16];
    struct core_op *ops[8];
    (void)state;
    rig_synced(&r, "{}");
    r.w->link_ms = 20;
    for (int i = 0; i < 8; i++) {
        snprintf(target[i], sizeof(target[i]), "t%d", i);
        snprintf(name[i], sizeof(name[i]), "n%d", i);
        trl_link l = link_of("a", target[i], STORE, 1);
        l.name = trl_cstr(name[i]);
        trl_action a = link_action(TRL_DO_LINK_PUT, &l);
        ops[i] = core_apply(r.c, &a);
    }
    core_run(r.c, 500);
    for (int i = 0; i < 8; i++) {
        ENDED(ops[i], TRL_OK);
    }
    assert_int_equal(r.w->links_most, 1);
    assert_int_equal(json_array_size(r.w->links), 8);
    rig_close(&r);
}

static void different_sources_go_in_parallel(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    r.w->link_ms = 100;
    trl_link l = link_of("a", "kv", STORE, 1), m = link_of("b", "kv", STORE, 1);
    trl_action a = link_action(TRL_DO_LINK_PUT, &l), b = link_action(TRL_DO_LINK_PUT, &m);
    struct core_op *op1 = core_apply(r.c, &a), *op2 = core_apply(r.c, &b);
    core_run(r.c, 110);
    ENDED(op1, TRL_OK);
    ENDED(op2, TRL_OK);
    rig_close(&r);
}

static void seed(struct rig *r, const char *target, const trl_str *ifs, uint32_t n) {
    trl_link l = link_of("a", target, ifs, n);
    trl_action a = link_action(TRL_DO_LINK_PUT, &l);
    struct core_op *op = core_apply(r->c, &a);
    core_run(r->c, 100);
    ENDED(op, TRL_OK);
    core_forget(r->c);
    world_forget_requests(r->w);
}

static void a_conflict_deletes_then_puts(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    seed(&r, "old", STORE, 1);
    trl_link l = link_of("a", "new", STORE, 1);
    trl_action a = link_action(TRL_DO_LINK_PUT, &l);
    ACT(&r, &a, 100, TRL_OK);
    SENT(&r, "link.put", 2);
    SENT(&r,
         "link.del {\"source_id\":\"a\",\"name\":\"default\",\"wit_namespace\":\"wasi\","
         "\"wit_package\":\"keyvalue\"}",
         1);
    SEEN(&r, "linkgone default a -> old", 1);
    SEEN(&r, "link default delta a -> new", 1);
    SEEN(&r, "note", 0);
    rig_close(&r);
}

static void a_conflict_keeps_siblings_that_do_not_clash(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    seed(&r, "sibling", ATOMICS, 1);
    seed(&r, "old", STORE, 1);
    trl_link l = link_of("a", "new", STORE, 1);
    trl_action a = link_action(TRL_DO_LINK_PUT, &l);
    ACT(&r, &a, 100, TRL_OK);
    assert_int_equal(json_array_size(r.w->links), 2);
    SEEN(&r, "linkgone default a -> old", 1);
    SEEN(&r, "linkgone default a -> sibling", 0);
    rig_close(&r);
}

static void a_conflict_with_a_link_we_did_not_know(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    r.w->lose_link_events = 1;
    json_array_append_new(
        r.w->links, json_pack("{s:s,s:s,s:s,s:s,s:s,s:[s],s:[],s:[]}", "source_id", "a", "target",
                              "hidden", "name", "default", "wit_namespace", "wasi", "wit_package",
                              "keyvalue", "interfaces", "store", "source_config", "target_config"));
    trl_link l = link_of("a", "new", STORE, 1);
    trl_action a = link_action(TRL_DO_LINK_PUT, &l);
    ACT(&r, &a, 100, TRL_OK);
    assert_int_equal(json_array_size(r.w->links), 1);
    rig_close(&r);
}

static void a_deletion_puts_the_siblings_back(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    seed(&r, "first", STORE, 1); /* the host deletes the first match: the wrong one */
    seed(&r, "second", ATOMICS, 1);
    trl_link l = link_of("a", "second", ATOMICS, 1);
    trl_action a = link_action(TRL_DO_LINK_DEL, &l);
    ACT(&r, &a, 100, TRL_OK);
    assert_int_equal(json_array_size(r.w->links), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(r.w->links, 0), "target")),
                        "first");
    SEEN(&r, "linkgone default a -> second", 1);
    SEEN(&r, "first", 0); /* never told that it was away for a moment */
    rig_close(&r);
}

static void a_single_deletion_is_one_request(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    seed(&r, "kv", STORE, 1);
    trl_link l = link_of("a", "kv", STORE, 1);
    trl_action a = link_action(TRL_DO_LINK_DEL, &l);
    ACT(&r, &a, 100, TRL_OK);
    SENT(&r, "", 1);
    SEEN(&r, "linkgone default a -> kv", 2); /* by its event and by the reply: the same news */
    assert_int_equal(json_array_size(r.w->links), 0);
    rig_close(&r);
}

static void renew_deletes_and_puts(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    seed(&r, "kv", STORE, 1);
    trl_link l = link_of("a", "kv", STORE, 1);
    trl_action a = link_action(TRL_DO_LINK_RENEW, &l);
    ACT(&r, &a, 100, TRL_OK);
    SENT(&r, "link.del", 1);
    SENT(&r, "link.put", 1);
    SEEN(&r, "linkgone", 0);
    SEEN(&r, "link default delta a -> kv", 1);
    rig_close(&r);
}

static void after_a_time_out_it_looks_a_second_later(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    r.w->mute_links = 1; /* done, but the reply is lost */
    trl_link l = link_of("a", "kv", STORE, 1);
    trl_action a = link_action(TRL_DO_LINK_PUT, &l);
    struct core_op *op = core_apply(r.c, &a);
    core_run(r.c, 2500);
    SENT(&r, "link.get", 0);
    core_run(r.c, 1000);
    ENDED(op, TRL_OK);
    SENT(&r, "link.put", 1);
    SENT(&r, "link.get", 1);
    rig_close(&r);
}

static void after_a_time_out_it_is_repeated_once(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_link l = link_of("a", "kv", STORE, 1);
    trl_action a = link_action(TRL_DO_LINK_PUT, &l);
    r.w->drop_links = 1;
    ACT(&r, &a, 3100, TRL_OK);
    SENT(&r, "link.put", 2);
    trl_action del = link_action(TRL_DO_LINK_DEL, &l);
    r.w->drop_links = 2;
    ACT(&r, &del, 6000, TRL_E_TIMEOUT);
    SENT(&r, "link.del", 2);
    core_run(r.c, 3000); /* unclear what is left: all links are read */
    SEEN(&r, "links default full n=1", 1);
    rig_close(&r);
}

static void a_refusal_is_the_hosts_text(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    r.h1->alive = r.h2->alive = 0;
    trl_link l = link_of("a", "kv", STORE, 1), m = link_of("a", "kv2", STORE, 1);
    trl_action a = link_action(TRL_DO_LINK_PUT, &l), b = link_action(TRL_DO_LINK_PUT, &m);
    struct core_op *op = core_apply(r.c, &a), *next = core_apply(r.c, &b);
    core_run(r.c, 8000);
    ENDED(op, TRL_E_TIMEOUT);
    assert_false(next->done);
    core_cancel(r.c, next);
    ENDED(next, TRL_E_CANCELLED);
    core_run(r.c, 20000);
    rig_close(&r);
}

static void no_read_within_a_second_of_a_put(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    seed(&r, "kv", STORE, 1);
    struct core_op *op = core_resync(r.c, "default");
    core_run(r.c, 500);
    SENT(&r, "link.get", 0);
    core_run(r.c, 1000);
    ENDED(op, TRL_OK);
    SENT(&r, "link.get", 1);
    SEEN(&r, "links default full n=1", 1);
    rig_close(&r);
}

static json_t *link_data(const char *target) {
    json_t *d =
        json_pack("{s:s,s:s,s:s,s:s,s:[s]}", "source_id", "b", "name", "default", "wit_namespace",
                  "wasi", "wit_package", "keyvalue", "interfaces", "store");
    if (target) {
        json_object_set_new(d, "target", json_string(target));
    }
    return d;
}

static void events_of_others_are_told(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    world_event(r.w, "H1", "linkdef_set", link_data("kv"));
    core_run(r.c, 10);
    SEEN(&r, "link default delta b -> kv default wasi:keyvalue [store] s() t()", 1);
    world_event(r.w, "H1", "linkdef_deleted", link_data("kv"));
    core_run(r.c, 10);
    SEEN(&r, "linkgone default b -> kv", 1);
    world_event(r.w, "H1", "linkdef_set", link_data("kv"));
    world_event(r.w, "H1", "linkdef_deleted", link_data(NULL)); /* nothing matched: none is left */
    core_run(r.c, 10);
    SEEN(&r, "linkgone default b -> kv", 2);
    json_t *d = link_data("kv");
    json_object_set_new(d, "error", json_string("no config"));
    world_event(r.w, "H1", "linkdef_set_failed", d);
    core_run(r.c, 10);
    SEEN(&r, "note default  b code=2 no config", 1);
    rig_close(&r);
}

static void a_read_raced_by_an_event_is_read_again(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    struct core_op *op = core_resync(r.c, "default");       /* link.get is out … */
    world_event(r.w, "H1", "linkdef_set", link_data("kv")); /* … meanwhile */
    core_run(r.c, 500);
    SENT(&r, "link.get", 1);
    SEEN(&r, "links default full", 0);
    core_run(r.c, 1500);
    ENDED(op, TRL_OK);
    SENT(&r, "link.get", 2);
    SEEN(&r, "links default full", 1);
    rig_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_is_reported_then_done),
        cmocka_unit_test(links_of_one_source_go_one_after_another),
        cmocka_unit_test(different_sources_go_in_parallel),
        cmocka_unit_test(a_conflict_deletes_then_puts),
        cmocka_unit_test(a_conflict_keeps_siblings_that_do_not_clash),
        cmocka_unit_test(a_conflict_with_a_link_we_did_not_know),
        cmocka_unit_test(a_deletion_puts_the_siblings_back),
        cmocka_unit_test(a_single_deletion_is_one_request),
        cmocka_unit_test(renew_deletes_and_puts),
        cmocka_unit_test(after_a_time_out_it_looks_a_second_later),
        cmocka_unit_test(after_a_time_out_it_is_repeated_once),
        cmocka_unit_test(a_refusal_is_the_hosts_text),
        cmocka_unit_test(no_read_within_a_second_of_a_put),
        cmocka_unit_test(events_of_others_are_told),
        cmocka_unit_test(a_read_raced_by_an_event_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
