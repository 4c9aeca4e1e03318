/* SPDX-License-Identifier: Apache-2.0 */
#include "simtest.h"

#define START(id, ref)                                                                             \
    "{\"provider_id\":\"" id "\",\"provider_ref\":\"" ref "\",\"host_id\":\"NX\"}"

static void test_start_and_stop(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    (void)state;
    expect_reply(rig_ask(&g, "provider.start", h, START("kv", "oci://r/kv:1")), true,
                 "successfully started provider");
    expect_str(rig_event(&g, "provider_started", 0), "image_ref", "r/kv:1");
    expect_str(rig_event(&g, "provider_started", 0), "host_id", "NX");
    expect_reply(rig_ask(&g, "provider.start", h, START("kv", "oci://r/kv:1")), false,
                 "provider with that ID is already running");
    assert_null(rig_ask(&g, "provider.auction", NULL,
                        "{\"provider_ref\":\"r/kv:1\",\"provider_id\":\"kv\",\"constraints\":{}}"));
    struct buf stop = BUF_INIT;
    buf_addf(&stop, "{\"provider_id\":\"kv\",\"host_id\":\"%s\"}", vhost_id(h));
    expect_reply(rig_ask(&g, "provider.stop", h, stop.ptr), true, "successfully stopped provider");
    assert_true(strstr(g.said.at[g.from].subject, "provider_stopped") != NULL); /* event first */
    expect_reply(rig_ask(&g, "provider.stop", h, stop.ptr), false,
                 "provider with that ID is not running");
    buf_finish(&stop);
    rig_close(&g);
}

static void test_stop_meant_for_another_host_is_slow(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    (void)state;
    rig_ask(&g, "provider.start", h, START("kv", "r/kv:1"));
    const char *inbox = rig_send(&g, "provider.stop", h, "{\"provider_id\":\"kv\"}");
    rig_pass(&g, 299 * MS);
    assert_null(rig_nth(&g, inbox, 0));
    rig_pass(&g, MS);
    const struct said *late = rig_nth(&g, inbox, 0);
    expect_reply(late ? late->json : NULL, true, "successfully stopped provider");
    rig_close(&g);
}

static void test_two_starts_at_once(void **state) {
    struct rig g;
    struct sim_config c = sim_config_instant();
    (void)state;
    c.faults.start_provider = (struct sim_delay){50 * MS, 50 * MS};
    rig_open(&g, &c);
    world_start(g.w, g.now_ns);
    struct vhost *h = world_host(g.w, 0);
    rig_ask(&g, "provider.start", h, START("kv", "r/kv:1"));
    expect_reply(rig_ask(&g, "provider.start", h, START("kv", "r/kv:1")), true,
                 "successfully started provider");
    expect_reply(rig_ask(&g, "provider.stop", h, "{\"provider_id\":\"kv\"}"), false,
                 "provider with that ID is not running");
    rig_pass(&g, 50 * MS);
    expect_str(rig_event(&g, "provider_start_failed", 0), "error",
               "provider is already running with that ID");
    expect_str(rig_event(&g, "provider_start_failed", 0), "provider_ref", "r/kv:1");
    assert_int_equal(world_n_running(h), 1);
    rig_close(&g);
}

static void test_health(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    (void)state;
    rig_ask(&g, "provider.start", h, START("http", "wasmcloud+builtin://http-server"));
    rig_ask(&g, "provider.start", h, START("kv", "r/kv:1"));
    g.from = g.said.n;
    rig_pass(&g, 5 * S);
    assert_int_equal(rig_events(&g, "health_check_passed"), 1); /* builtins are not probed */
    expect_str(rig_event(&g, "health_check_passed", 0), "provider_id", "kv");
    rig_pass(&g, 30 * S);
    assert_int_equal(rig_events(&g, "health_check_status"), 1);
    assert_true(world_provider_health(h, STR("kv"), 'u'));
    rig_pass(&g, 60 * S);
    assert_int_equal(rig_events(&g, "health_check_failed"), 1);
    assert_int_equal(rig_events(&g, "health_check_status"), 2); /* says nothing about healthy */
    world_provider_health(h, STR("kv"), 's');
    rig_pass(&g, 60 * S);
    assert_int_equal(rig_events(&g, "health_check_status"), 2);
    world_provider_health(h, STR("kv"), 'h');
    rig_pass(&g, 30 * S);
    assert_int_equal(rig_events(&g, "health_check_passed"), 2);
    rig_ask(&g, "provider.stop", h, "{\"provider_id\":\"kv\"}");
    rig_pass(&g, 100 * S);
    assert_int_equal(rig_events(&g, "health_check_status"), 0);
    assert_false(world_provider_health(h, STR("kv"), 'h'));
    rig_close(&g);
}

static void test_failures(void **state) {
    struct rig g;
    struct sim_config c = sim_config_instant();
    (void)state;
    c.builtins = false;
    rig_open(&g, &c);
    world_start(g.w, g.now_ns);
    struct vhost *h = world_host(g.w, 0);
    assert_null(rig_ask(&g, "provider.start", h, START("a", "wasmcloud+builtin://http-server")));
    rig_ask(&g, "provider.start", h, START("a", "wasmcloud+builtin://nope"));
    expect_str(rig_event(&g, "provider_start_failed", 0), "error", "unknown builtin name: nope");
    rig_ask(&g, "provider.start", h, START("a", "file:///p.par.gz"));
    assert_int_equal(rig_events(&g, "provider_started"), 1);
    rig_ask(&g, "provider.start", h, START("b", "file:///p.par.gz"));
    const struct node *e = rig_event(&g, "provider_start_failed", 0);
    assert_true(
        str_ends(node_text(e, "error", STR_NONE), STR("_p_par_gz]: Text file busy (os error 26)")));
    rig_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_and_stop),
        cmocka_unit_test(test_stop_meant_for_another_host_is_slow),
        cmocka_unit_test(test_two_starts_at_once),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
