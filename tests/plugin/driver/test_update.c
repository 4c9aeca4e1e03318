/* SPDX-License-Identifier: Apache-2.0
 *
 * Image updates: the measured sequence, its failures, lost events.
 */
#include "rig.h"

static const trl_label OLD_MARKS[] = {{{"wasmcloud.dev/managed-by", 24}, {"wadm", 4}},
                                      {{"wasmcloud.dev/scaler", 20}, {"old", 3}}};
static const trl_str OLD_CONFIGS[] = {{"cfg-old", 7}};

static trl_action update(uint32_t flags) {
    trl_action a = action(TRL_DO_UPDATE, "H1", "web", "reg/web:2", 4);
    a.image_old = trl_cstr("reg/web:1");
    a.count_old = 3;
    a.annotations_old = OLD_MARKS;
    a.n_annotations_old = 2;
    a.config_names_old = OLD_CONFIGS;
    a.n_config_names_old = 1;
    a.flags = flags;
    return a;
}

static void open(struct rig *r, const char *config) {
    rig_open(r, config);
    host_run_component(r->h1, "web", "reg/web:1", 3, "app");
    core_resync(r->c, "default");
    core_run(r->c, 1500);
    core_forget(r->c);
    world_forget_requests(r->w);
}

static const char *image_now(const struct rig *r, const char *id) {
    const json_t *e = host_component(r->h1, id);
    const char *s = json_string_value(json_object_get(e, "image_ref"));
    return s ? s : "none";
}

static void stop_wait_start_wait(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{}");
    r.h1->start_ms = 300;
    trl_action a = update(0);
    struct core_op *op = core_apply(r.c, &a);
    core_run(r.c, 100);
    SEEN(&r, "report default H1 DELTA * [comp web reg/web:1 x0", 1); /* as it happens */
    assert_false(op->done);
    core_run(r.c, 300);
    ENDED(op, TRL_OK);
    SENT(&r, "", 2);
    assert_ptr_equal(world_request(r.w,
                                   "component.scale.H1 {\"component_ref\":\"\",\"component_id\":"
                                   "\"web\",\"count\":0",
                                   0),
                     world_request(r.w, "", 0));
    assert_ptr_equal(
        world_request(
            r.w,
            "component.scale.H1 {\"component_ref\":\"reg/web:2\",\"component_id\":\"web\","
            "\"count\":4,\"annotations\":{*new*},\"config\":[\"cfg-a\",\"cfg-b\"],"
            "\"allow_update\":false,\"host_id\":\"H1\"}",
            0),
        world_request(r.w, "", 1));
    SEEN(&r, "report default H1 DELTA * [comp web reg/web:2 x4", 2);
    SENT(&r, "component.update", 0);
    rig_close(&r);
}

static void a_trial_comes_first_and_is_never_reported(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{}");
    r.h1->start_ms = 200;
    trl_action a = update(TRL_ACT_PREFLIGHT);
    struct core_op *op = core_apply(r.c, &a);
    core_run(r.c, 150);
    host_beat(r.h1); /* an inventory in the middle shows nothing of it either */
    core_run(r.c, 60);
    host_beat(r.h1);
    core_run(r.c, 1000);
    ENDED(op, TRL_OK);
    SENT(&r,
         "component.scale.H1 {\"component_ref\":\"reg/web:2\",\"component_id\":\"web-preflight\","
         "\"count\":1,\"annotations\":{*wadm*},\"config\":[\"cfg-a\",\"cfg-b\"]",
         1);
    SENT(
        &r,
        "component.scale.H1 {\"component_ref\":\"\",\"component_id\":\"web-preflight\",\"count\":0",
        1);
    SENT(&r, "component.scale", 4);
    SEEN(&r, "preflight", 0);
    assert_null(host_component(r.h1, "web-preflight"));
    assert_string_equal(image_now(&r, "web"), "reg/web:2");
    rig_close(&r);
}

/* A trellis agent: it starts the new image beside the old one, and goes back by itself. */
static void an_agent_does_it_in_one_step(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "{}");
    json_object_set_new(r.h1->labels, "hostcore.driver", json_string("process"));
    host_run_component(r.h1, "web", "reg/web:1", 3, "app");
    core_resync(r.c, "default");
    core_run(r.c, 1500);
    core_forget(r.c);
    world_forget_requests(r.w);
    trl_action a = update(TRL_ACT_PREFLIGHT);
    struct core_op *op = core_apply(r.c, &a);
    core_run(r.c, 1000);
    ENDED(op, TRL_OK);
    SENT(&r, "component.scale", 1);
    SENT(&r, "component.scale.H1 {\"component_ref\":\"reg/web:2\",\"component_id\":\"web\"", 1);
    assert_string_equal(image_now(&r, "web"), "reg/web:2");
    a = update(0);
    a.image = trl_cstr("reg/web:3");
    a.image_old = trl_cstr("reg/web:2");
    world_forget_requests(r.w);
    r.h1->start_ms = 100;
    op = core_apply(r.c, &a);
    core_run(r.c, 10);
    json_t *why =
        json_pack("{s:s,s:s,s:s,s:i,s:{},s:s}", "component_id", "web", "image_ref", "reg/web:3",
                  "host_id", "H1", "max_instances", 4, "annotations", "error", "exit status 1");
    world_event(r.w, "H1", "component_scale_failed", why);
    core_run(r.c, 10);
    ENDED(op, TRL_E_DENIED);
    assert_string_equal(op->msg, "exit status 1");
    core_run(r.c, 1000);
    SENT(&r, "component.scale", 1); /* nothing is started again */
    rig_close(&r);
}

static void a_failed_trial_touches_nothing(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{}");
    r.w->fail_image = "web:2";
    trl_action a = update(TRL_ACT_PREFLIGHT);
    struct core_op *op = ACT(&r, &a, 1000, TRL_E_DENIED);
    assert_string_equal(op->msg, "failed to fetch component: no such image");
    SENT(&r, "component.scale", 1);
    SEEN(&r, "report", 0);
    SEEN(&r, "note", 0);
    assert_string_equal(image_now(&r, "web"), "reg/web:1");
    rig_close(&r);
}

static void a_trial_without_an_end_is_given_up_and_cleared(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{\"preflight_ms\":5000}");
    r.h1->start_ms = 20000;
    trl_action a = update(TRL_ACT_PREFLIGHT);
    ACT(&r, &a, 6000, TRL_E_TIMEOUT);
    assert_string_equal(image_now(&r, "web"), "reg/web:1");
    core_run(r.c, 20000); /* the start goes on at the host and ends */
    assert_non_null(host_component(r.h1, "web-preflight"));
    host_beat(r.h1);
    core_run(r.c, 100);
    assert_null(host_component(r.h1, "web-preflight"));
    SEEN(&r, "preflight", 0);
    rig_close(&r);
}

static void leftovers_are_removed_by_who_acts_here(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "{\"preflight_ms\":60000}");
    host_run_component(r.h1, "web-preflight", "i:1", 1, "app");
    json_array_append_new(r.h1->components,
                          json_pack("{s:s,s:s,s:i,s:{}}", "id", "their-preflight", "image_ref", "i",
                                    "max_instances", 1, "annotations"));
    core_resync(r.c, "default");
    core_run(r.c, 1500);
    SENT(&r, "component.scale", 0); /* another control plane may be trying something */
    SEEN(&r, "report default H1 FULL * [comp their-preflight i x1",
         1); /* no mark of ours: no trial */
    SEEN(&r, "web-preflight", 0);
    core_run(r.c, 121000);
    host_beat(r.h1);
    core_run(r.c, 10);
    SENT(
        &r,
        "component.scale.H1 {\"component_ref\":\"\",\"component_id\":\"web-preflight\",\"count\":0",
        1);
    core_run(r.c, 6000);
    host_run_component(r.h1, "api-preflight", "i:1", 1, "app");
    trl_action a = action(TRL_DO_SCALE, "H1", "x", "i:1", 1); /* we act: at once */
    core_apply(r.c, &a);
    core_run(r.c, 10);
    host_beat(r.h1);
    core_run(r.c, 10);
    SENT(&r, "\"component_id\":\"api-preflight\",\"count\":0", 1);
    rig_close(&r);
}

static void a_failed_start_goes_back_to_the_old_image(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{}");
    r.w->fail_image = "web:2";
    trl_action a = update(0);
    struct core_op *op = ACT(&r, &a, 1000, TRL_E_DENIED);
    assert_string_equal(op->msg,
                        "failed to fetch component: no such image; the old image runs again");
    SENT(&r,
         "component.scale.H1 {\"component_ref\":\"reg/web:1\",\"component_id\":\"web\",\"count\":3,"
         "\"annotations\":{*old*},\"config\":[\"cfg-old\"]",
         1);
    assert_string_equal(image_now(&r, "web"), "reg/web:1");
    SEEN(&r, "report default H1 DELTA * [comp web reg/web:1 x3", 2);
    SEEN(&r, "note", 0); /* the op says it */
    rig_close(&r);
}

static void an_echo_of_another_stop_does_not_count(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{}");
    r.h1->lose_events = 1; /* the real one is lost */
    trl_action a = update(0);
    struct core_op *op = core_apply(r.c, &a);
    json_t *d = json_pack("{s:s,s:s,s:{},s:i}", "component_id", "web", "image_ref", "reg/web:0",
                          "annotations", "max_instances", 0);
    world_event(r.w, "H1", "component_scaled", d); /* it still runs */
    core_run(r.c, 1);
    SENT(&r, "component.scale", 1);
    SENT(&r, "host.get", 1); /* the inventory decides */
    core_run(r.c, 15000);
    ENDED(op, TRL_OK);
    rig_close(&r);
}

static void a_failure_told_twice_counts_once(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{}");
    r.w->fail_image = "web:2";
    r.h1->start_ms = 50;
    trl_action a = update(0);
    struct core_op *op = core_apply(r.c, &a);
    core_run(r.c, 60); /* the new one failed, the old one is being started */
    json_t *d = json_pack("{s:s,s:s,s:{},s:i,s:s}", "component_id", "web", "image_ref", "reg/web:2",
                          "annotations", "max_instances", 4, "error", "failed to fetch");
    world_event(r.w, "H1", "component_scale_failed", d);
    core_run(r.c, 20);
    assert_false(op->done);
    core_run(r.c, 1000);
    ENDED(op, TRL_E_DENIED);
    assert_string_equal(image_now(&r, "web"), "reg/web:1");
    assert_non_null(strstr(op->msg, "the old image runs again"));
    rig_close(&r);
}

static void when_the_old_image_fails_too_both_are_told(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{}");
    r.w->fail_image = "web:";
    trl_action a = update(0);
    struct core_op *op = ACT(&r, &a, 1000, TRL_E_DENIED);
    assert_non_null(strstr(op->msg, "the old image did not start again"));
    rig_close(&r);
}

static void lost_events_are_replaced_by_inventories(void **state) {
    struct rig r;
    (void)state;
    for (int lost = 1; lost < 8; lost++) { /* of: trial x2, trial end, stop, start x2 */
        open(&r, "{\"preflight_ms\":5000}");
        r.h1->lose_events = lost;
        trl_action a = update(TRL_ACT_PREFLIGHT);
        ACT(&r, &a, 60000, TRL_OK);
        assert_string_equal(image_now(&r, "web"), "reg/web:2");
        SEEN(&r, "preflight", 0);
        rig_close(&r);
    }
}

static void lost_replies_do_not_matter(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{}");
    r.h1->mute_replies = 4;
    trl_action a = update(TRL_ACT_PREFLIGHT);
    ACT(&r, &a, 1000, TRL_OK);
    rig_close(&r);
}

static void a_host_that_freezes_is_a_time_out(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{}");
    r.h1->frozen = 1;
    trl_action a = update(0);
    ACT(&r, &a, 20000, TRL_E_TIMEOUT);
    rig_close(&r);
}

static void a_host_that_dies_ends_the_update(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{}");
    r.h1->start_ms = 1000;
    trl_action a = update(0);
    struct core_op *op = core_apply(r.c, &a);
    core_run(r.c, 100);
    world_event(r.w, "H1", "host_stopped", json_pack("{s:{}}", "labels"));
    core_run(r.c, 10);
    ENDED(op, TRL_E_UNAVAIL);
    core_run(r.c, 2000);
    rig_close(&r);
    open(&r, "{}"); /* restarted with the same id */
    r.h1->start_ms = 1000;
    op = core_apply(r.c, &a);
    core_run(r.c, 100);
    host_restart(r.h1);
    host_start_event(r.h1);
    core_run(r.c, 10);
    ENDED(op, TRL_E_UNAVAIL);
    rig_close(&r);
}

static void one_update_per_unit_and_host(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{}");
    trl_action a = update(TRL_ACT_PREFLIGHT);
    struct core_op *op = core_apply(r.c, &a);
    ENDED(core_apply(r.c, &a), TRL_E_BUSY);
    core_run(r.c, 1000);
    ENDED(op, TRL_OK);
    rig_close(&r);
}

static void a_cancelled_update_is_finished_in_the_background(void **state) {
    struct rig r;
    (void)state;
    open(&r, "{}");
    r.h1->start_ms = 300;
    trl_action a = update(0);
    struct core_op *op = core_apply(r.c, &a);
    core_run(r.c, 100); /* the old one is stopped */
    core_cancel(r.c, op);
    ENDED(op, TRL_E_CANCELLED);
    core_run(r.c, 1000);
    assert_string_equal(image_now(&r, "web"), "reg/web:2");
    trl_action b = update(TRL_ACT_PREFLIGHT); /* cancelled while nothing is touched: nothing is */
    b.image = trl_cstr("reg/web:3");
    op = core_apply(r.c, &b);
    core_run(r.c, 100);
    core_cancel(r.c, op);
    core_run(r.c, 1000);
    assert_string_equal(image_now(&r, "web"), "reg/web:2");
    assert_null(host_component(r.h1, "web-preflight"));
    rig_close(&r);
}

static trl_action provider_update(void) {
    trl_action a = update(TRL_ACT_PROVIDER | TRL_ACT_PREFLIGHT);
    a.unit_id = trl_cstr("http");
    a.image = trl_cstr("oci://reg/http:2");
    a.image_old = trl_cstr("oci://reg/http:1");
    a.count = a.count_old = 1;
    return a;
}

static void a_provider_is_stopped_replied_started(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "{}");
    host_run_provider(r.h1, "http", "reg/http:1", "app");
    core_resync(r.c, "default");
    core_run(r.c, 1500);
    trl_action a = provider_update();
    struct core_op *op = ACT(&r, &a, 1000, TRL_OK);
    SENT(&r, "provider.stop.H1", 1);
    SENT(&r, "provider.start.H1 {\"provider_ref\":\"oci://reg/http:2\"", 1);
    SEEN(&r, "report default H1 DELTA * [prov http reg/http:2 x1", 1);
    r.w->fail_image = "http:3";
    a.image_old = a.image;
    a.image = trl_cstr("oci://reg/http:3");
    op = ACT(&r, &a, 1000, TRL_E_DENIED);
    assert_string_equal(op->msg,
                        "failed to fetch provider: no such image; the old image runs again");
    assert_string_equal(
        json_string_value(json_object_get(host_provider(r.h1, "http"), "image_ref")), "reg/http:2");
    rig_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_wait_start_wait),
        cmocka_unit_test(a_trial_comes_first_and_is_never_reported),
        cmocka_unit_test(an_agent_does_it_in_one_step),
        cmocka_unit_test(a_failed_trial_touches_nothing),
        cmocka_unit_test(a_trial_without_an_end_is_given_up_and_cleared),
        cmocka_unit_test(leftovers_are_removed_by_who_acts_here),
        cmocka_unit_test(a_failed_start_goes_back_to_the_old_image),
        cmocka_unit_test(an_echo_of_another_stop_does_not_count),
        cmocka_unit_test(a_failure_told_twice_counts_once),
        cmocka_unit_test(when_the_old_image_fails_too_both_are_told),
        cmocka_unit_test(lost_events_are_replaced_by_inventories),
        cmocka_unit_test(lost_replies_do_not_matter),
        cmocka_unit_test(a_host_that_freezes_is_a_time_out),
        cmocka_unit_test(a_host_that_dies_ends_the_update),
        cmocka_unit_test(one_update_per_unit_and_host),
        cmocka_unit_test(a_cancelled_update_is_finished_in_the_background),
        cmocka_unit_test(a_provider_is_stopped_replied_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
