/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of hosts into reports.
 */
#include "fakelog.h"
#include "rig.h"

static void labels_changed_is_a_labels_delta(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    world_event(r.w, "H1", "labels_changed",
                json_pack("{s:s,s:{s:s,s:s}}", "host_id", "H1", "labels", "zone", "b", "a", "1"));
    core_run(r.c, 10);
    SEEN(&r, "report default H1 DELTA LABELS name=shy-fish-0001 version=1.9.2 up=0 { a=1 zone=b }",
         1);
    SENT(&r, "", 0);
    rig_close(&r);
}

static json_t *scaled(const char *host, const char *id, const char *image, int count) {
    return json_pack("{s:s,s:s,s:{},s:i,s:s}", "component_id", id, "image_ref", image,
                     "annotations", "max_instances", count, "host_id", host);
}

static void a_zero_event_counts_for_source_and_id(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    /* data.host_id is whatever a request said: only the source counts */
    world_event(r.w, "H1", "component_scaled", scaled("H2", "web", "whatever", 0));
    core_run(r.c, 10);
    SEEN(&r, "report default H1 DELTA * [comp web whatever x0", 1);
    SEEN(&r, "report default H2", 0);
    rig_close(&r);
}

static void a_scale_of_somebody_else_is_read_from_the_inventory(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    host_run_component(r.h1, "web", "img:2", 7, "new");
    world_event(r.w, "H1", "component_scaled", scaled("H1", "web", "img:1", 7));
    core_run(r.c, 10);
    SEEN(&r, "DELTA", 0); /* the event may echo the old image and marks */
    SEEN(&r, "report default H1 FULL * [comp web img:2 x7", 1);
    rig_close(&r);
}

static void an_event_of_an_unknown_host_asks_for_its_inventory(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    struct fhost *h3 = world_host(r.w, "H3");
    world_event(r.w, h3->id, "component_scaled", scaled("H3", "web", "img:1", 0));
    core_run(r.c, 10);
    SEEN(&r, "DELTA", 0);
    SEEN(&r, "report default H3 FULL", 1);
    rig_close(&r);
}

static void an_echo_of_a_host_that_is_gone_is_forgotten(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    world_event(r.w, "GHOST", "component_scaled", scaled("GHOST", "web", "img:1", 1));
    core_run(r.c, 60000);
    SEEN(&r, "GHOST", 0);
    struct core_op *op = core_resync(r.c, "default");
    core_run(r.c, 1500);
    ENDED(op, TRL_OK);
    rig_close(&r);
}

static void an_inventory_raced_by_an_event_is_read_again(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    host_start_event(r.h1); /* asks for the inventory … */
    world_event(r.w, "H1", "component_scaled", scaled("H1", "web", "img:1", 0)); /* … meanwhile */
    core_run(r.c, 10);
    SENT(&r, "host.get.H1", 2);
    SEEN(&r, "report default H1 FULL", 1);
    rig_close(&r);
}

static json_t *health(const char *host) {
    return json_pack("{s:s,s:s}", "host_id", host, "provider_id", "http");
}

static void health_status_does_not_change_failing(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    world_event(r.w, "X", "health_check_passed", health("H1")); /* here data.host_id counts */
    world_event(r.w, "X", "health_check_status", health("H1"));
    core_run(r.c, 1);
    SEEN(&r, "report default H1 DELTA * [prov http  x1 HEALTH h1]", 2);
    world_event(r.w, "X", "health_check_failed", health("H1"));
    core_run(r.c, 1);
    SEEN(&r, "report default H1 DELTA * [prov http  x1 HEALTH h2]", 1);
    world_event(r.w, "X", "health_check_status", health("H1"));
    core_run(r.c, 1);
    SEEN(&r, "report", 3);
    world_event(r.w, "X", "health_check_passed", health("H1"));
    core_run(r.c, 1);
    SEEN(&r, "h1]", 3);
    world_event(r.w, "X", "health_check_passed", health("NOBODY"));
    core_run(r.c, 1);
    SEEN(&r, "NOBODY", 0);
    rig_close(&r);
}

static void a_provider_that_stops_is_a_delta(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    world_event(r.w, "H1", "provider_stopped",
                json_pack("{s:s,s:s,s:{},s:s}", "provider_id", "http", "host_id", "", "annotations",
                          "reason", "stop"));
    core_run(r.c, 10);
    SEEN(&r, "report default H1 DELTA * [prov http  x0", 1);
    SENT(&r, "", 0);
    rig_close(&r);
}

static void a_provider_start_of_somebody_else_is_read_from_the_inventory(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    host_run_provider(r.h1, "http", "http-server", "app");
    world_event(r.w, "H1", "provider_started",
                json_pack("{s:s,s:s,s:{s:s},s:s}", "provider_id", "http", "image_ref",
                          "wasmcloud+builtin://http-server", "annotations", "k", "v", "host_id",
                          ""));
    core_run(r.c, 10);
    SEEN(&r, "report default H1 FULL * [prov http http-server x1 h0", 1);
    SEEN(&r, "DELTA", 0);
    rig_close(&r);
}

static void late_provider_events_do_not_mislead(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    r.h1->echo_ms = 500;
    trl_action a = action(TRL_DO_PROVIDER_START, "H1", "http", "reg/http:1", 1);
    core_apply(r.c, &a);
    core_run(r.c, 100);
    a.verb = TRL_DO_PROVIDER_STOP;
    core_apply(r.c, &a);
    core_run(r.c, 100);
    a.verb = TRL_DO_PROVIDER_START;
    core_apply(r.c, &a);
    core_run(r.c, 2000);
    assert_string_equal(json_string_value(json_object_get(core_log(r.c)->seen.units, "H1 http")),
                        "reg/http:1 x1");
    a.verb = TRL_DO_PROVIDER_STOP;
    core_apply(r.c, &a);
    core_run(r.c, 2000);
    assert_null(json_object_get(core_log(r.c)->seen.units, "H1 http"));
    rig_close(&r);
}

static void start_failures_are_notes(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    json_t *d = scaled("H1", "web", "img:1", 1);
    json_object_set_new(d, "error", json_string("cannot fetch: 404"));
    world_event(r.w, "H1", "component_scale_failed", d);
    world_event(
        r.w, "H2", "provider_start_failed",
        json_pack("{s:s,s:s,s:s}", "provider_id", "http", "provider_ref", "x", "error", "boom"));
    core_run(r.c, 10);
    SEEN(&r, "note default H1 web code=1 cannot fetch: 404", 1);
    SEEN(&r, "note default H2 http code=1 boom", 1);
    rig_close(&r);
}

static void already_running_is_news_not_a_failure(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    world_event(r.w, "H2", "provider_start_failed",
                json_pack("{s:s,s:s,s:s}", "provider_id", "http", "provider_ref", "x", "error",
                          "provider is already running with that ID"));
    core_run(r.c, 10);
    SEEN(&r, "note", 0);
    SEEN(&r, "report default H2 FULL", 1);
    rig_close(&r);
}

static void garbage_is_skipped_and_counted(void **state) {
    struct rig r;
    static const char *const junk[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"source\":\"H1\"}",
        "{\"source\":\"H1\",\"data\":7}",
        "{\"source\":\"H1\",\"data\":{\"components\":[{}],\"providers\":[]}}",
        "{\"source\":\"H1\",\"data\":{\"components\":{},\"providers\":[]}}",
        "{\"source\":\"H1\",\"data\":{\"components\":[]}}",
        "{\"source\":\"H 1\",\"data\":{\"components\":[],\"providers\":[]}}",
        "{\"source\":\"H1\",\"data\":{\"components\":[{\"id\":\"a\",\"max_instances\":\"3\"}],"
        "\"providers\":[]}}"};
    static const char *const events[] = {
        "host_heartbeat", "component_scaled", "linkdef_set",         "provider_stopped",
        "config_set",     "linkdef_deleted",  "health_check_failed", "component_scale_failed"};
    (void)state;
    rig_synced(&r, "{}");
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        for (size_t k = 0; k < sizeof(events) / sizeof(events[0]); k++) {
            char subject[128];
            snprintf(subject, sizeof(subject), "wasmbus.evt.default.%s", events[k]);
            core_publish(r.c, subject, junk[i]);
        }
    }
    core_run(r.c, 10);
    SEEN(&r, "log 1 skipped a message", 1); /* once a minute at most */
    assert_int_equal(core_log_lines(r.c), 1);
    core_run(r.c, 61000);
    core_publish(r.c, "wasmbus.evt.default.host_heartbeat", "{");
    core_run(r.c, 10);
    SEEN(&r, "89 so far", 1);
    rig_close(&r);
}

static void a_late_zero_event_does_not_hide_a_start(void **state) {
    struct rig r;
    (void)state;
    rig_synced(&r, "{}");
    trl_action a = action(TRL_DO_SCALE, "H1", "web", "i:1", 2);
    core_apply(r.c, &a);
    core_run(r.c, 100);
    core_forget(r.c);
    world_event(r.w, "H1", "component_scaled",
                scaled("H1", "web", "i:0", 0)); /* of an earlier stop */
    core_run(r.c, 10);
    SEEN(&r, "DELTA", 0);
    SEEN(&r, "report default H1 FULL * [comp web i:1 x2", 1);
    a.count = 0; /* but ours counts at once */
    core_apply(r.c, &a);
    core_run(r.c, 10);
    SEEN(&r, "report default H1 DELTA * [comp web i:1 x0", 1);
    rig_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_changed_is_a_labels_delta),
        cmocka_unit_test(a_zero_event_counts_for_source_and_id),
        cmocka_unit_test(a_late_zero_event_does_not_hide_a_start),
        cmocka_unit_test(a_scale_of_somebody_else_is_read_from_the_inventory),
        cmocka_unit_test(an_event_of_an_unknown_host_asks_for_its_inventory),
        cmocka_unit_test(an_echo_of_a_host_that_is_gone_is_forgotten),
        cmocka_unit_test(an_inventory_raced_by_an_event_is_read_again),
        cmocka_unit_test(health_status_does_not_change_failing),
        cmocka_unit_test(a_provider_that_stops_is_a_delta),
        cmocka_unit_test(a_provider_start_of_somebody_else_is_read_from_the_inventory),
        cmocka_unit_test(late_provider_events_do_not_mislead),
        cmocka_unit_test(start_failures_are_notes),
        cmocka_unit_test(already_running_is_news_not_a_failure),
        cmocka_unit_test(garbage_is_skipped_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
