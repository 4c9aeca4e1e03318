/* SPDX-License-Identifier: Apache-2.0 */
#include "simtest.h"

static struct sim_running running(struct vhost *h, const char *id) {
    struct sim_running x;
    world_running(h, str_c(id), &x);
    return x;
}

static void test_start_says_it_twice(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    (void)state;
    rig_ask(&g, "config.put.cfg", NULL, "{\"a\":\"1\"}");
    expect_reply(rig_ask(&g, "component.scale", h,
                         "{\"component_id\":\"web\",\"component_ref\":\"r/web:1\",\"count\":2,"
                         "\"annotations\":{\"k\":\"v\"},\"config\":[\"cfg\"],\"host_id\":\"NX\"}"),
                 true, "");
    assert_int_equal(rig_events(&g, "component_scaled"), 2);
    expect_str(rig_event(&g, "component_scaled", 0), "host_id", vhost_id(h));
    expect_str(rig_event(&g, "component_scaled", 1), "host_id", "NX");
    /* the reply goes out before the work is done */
    assert_true(strncmp(g.said.at[g.from].subject, "_INBOX", 6) == 0);
    struct sim_running x = running(h, "web");
    assert_int_equal(x.count, 2);
    assert_true(str_is(x.code, "r/web:1"));
    assert_true(pairs_get(x.annotations, STR("k"), NULL));
    assert_int_equal(strs_n(x.config), 1);
    rig_close(&g);
}

static void test_old_code_under_new_label(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    (void)state;
    rig_ask(&g, "component.scale", h,
            "{\"component_id\":\"web\",\"component_ref\":\"r/web:1\",\"count\":2,"
            "\"annotations\":{\"rev\":\"1\"}}");
    const struct node *reply =
        rig_ask(&g, "component.scale", h,
                "{\"component_id\":\"web\",\"component_ref\":\"r/web:2\",\"count\":3,"
                "\"annotations\":{\"rev\":\"2\"}}");
    assert_true(str_starts(node_text(reply, "message", STR_NONE),
                           STR("Requested to scale existing component to a different image")));
    expect_str(rig_event(&g, "component_scaled", 0), "image_ref", "r/web:1");
    expect_str(node_get(rig_event(&g, "component_scaled", 0), "annotations"), "rev", "1");
    struct sim_running x = running(h, "web");
    assert_true(str_is(x.image, "r/web:2") && str_is(x.code, "r/web:1"));
    rig_close(&g);
}

static void test_update_leaves_old_code_serving(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    (void)state;
    rig_ask(&g, "component.scale", h,
            "{\"component_id\":\"web\",\"component_ref\":\"r/web:1\",\"count\":2}");
    expect_reply(rig_ask(&g, "component.update", h,
                         "{\"component_id\":\"web\",\"new_component_ref\":\"r/web:2\"}"),
                 true, "component web updating from r/web:1 to r/web:2");
    expect_u64(rig_event(&g, "component_scaled", 0), "max_instances", 2);
    expect_u64(rig_event(&g, "component_scaled", 1), "max_instances", 0);
    struct sim_running x = running(h, "web");
    assert_true(str_is(x.code, "r/web:2") && str_is(x.stale, "r/web:1"));
    assert_int_equal(x.count, 2);
    rig_ask(&g, "component.scale", h, "{\"component_id\":\"web\"}");
    rig_ask(&g, "component.scale", h,
            "{\"component_id\":\"web\",\"component_ref\":\"r/web:2\",\"count\":1}");
    assert_true(str_is(running(h, "web").stale, "r/web:1"));
    world_host_restart(h, g.now_ns); /* only the end of the host ends it */
    rig_ask(&g, "component.scale", h,
            "{\"component_id\":\"web\",\"component_ref\":\"r/web:2\",\"count\":1}");
    assert_int_equal(running(h, "web").stale.len, 0);
    rig_close(&g);
}

static void test_failures(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    (void)state;
    world_image_fault(g.w, STR("*:bad"), "failed to fetch component: no");
    rig_ask(&g, "component.scale", h,
            "{\"component_id\":\"web\",\"component_ref\":\"r/web:bad\",\"count\":1}");
    expect_str(rig_event(&g, "component_scale_failed", 0), "error",
               "failed to fetch component: no");
    rig_ask(&g, "component.scale", h,
            "{\"component_id\":\"web\",\"component_ref\":\"r/web:bad\",\"count\":0}");
    assert_int_equal(rig_events(&g, "component_scale_failed"), 0);
    expect_u64(rig_event(&g, "component_scaled", 0), "max_instances", 0);
    world_image_fault(g.w, STR("*:bad"), NULL);
    rig_ask(&g, "component.scale", h,
            "{\"component_id\":\"web\",\"component_ref\":\"r/web:bad\",\"count\":1,"
            "\"config\":[\"nope\"]}");
    expect_str(rig_event(&g, "component_scale_failed", 0), "error",
               "Unable to fetch requested config: Config nope does not exist");
    assert_int_equal(world_n_running(h), 0);
    rig_close(&g);
}

static void test_deleted_config_is_remembered(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    const char *start = "{\"component_id\":\"web\",\"component_ref\":\"r/web:1\",\"count\":1,"
                        "\"config\":[\"cfg\"]}";
    (void)state;
    rig_ask(&g, "config.put.cfg", NULL, "{}");
    rig_ask(&g, "component.scale", h, start);
    rig_ask(&g, "config.del.cfg", NULL, "");
    rig_ask(&g, "component.scale", h, "{\"component_id\":\"web\"}");
    rig_ask(&g, "component.scale", h, start);
    assert_int_equal(rig_events(&g, "component_scaled"), 2);
    world_host_restart(h, g.now_ns);
    rig_ask(&g, "component.scale", h, start);
    assert_int_equal(rig_events(&g, "component_scale_failed"), 1);
    rig_close(&g);
}

static void test_secrets(void **state) {
    struct rig g;
    struct sim_config c = sim_config_instant();
    const char *start = "{\"component_id\":\"web\",\"component_ref\":\"r/web:1\",\"count\":1,"
                        "\"config\":[\"SECRET_x\"]}";
    (void)state;
    c.secrets = SIM_SECRETS_OK;
    rig_open(&g, &c);
    world_start(g.w, g.now_ns);
    struct vhost *h = world_host(g.w, 0);
    rig_ask(&g, "component.scale", h, start);
    expect_str(rig_event(&g, "component_scale_failed", 0), "error",
               "Unable to fetch requested secrets: Secret config SECRET_x not found in config "
               "store, could not create secret request");
    rig_ask(&g, "config.put.SECRET_x", NULL, "{\"name\":\"x\"}");
    rig_ask(&g, "component.scale", h, start);
    assert_int_equal(rig_events(&g, "component_scaled"), 2);
    uint64_t before = world_lattice(g.w, 0)->count.rebuilds;
    rig_ask(&g, "component.scale", h, start); /* always looks changed */
    assert_int_equal(world_lattice(g.w, 0)->count.rebuilds, before + 1);
    rig_close(&g);
}

static void test_table_is_locked_while_starting(void **state) {
    struct rig g;
    struct sim_config c = sim_config_instant();
    (void)state;
    c.faults.start_component = (struct sim_delay){100 * MS, 100 * MS};
    rig_open(&g, &c);
    world_start(g.w, g.now_ns);
    struct vhost *h = world_host(g.w, 0);
    rig_ask(&g, "component.scale", h,
            "{\"component_id\":\"a\",\"component_ref\":\"r/a:1\",\"count\":1}");
    const char *get = rig_send(&g, "host.get", h, "");
    const char *scale =
        rig_send(&g, "component.scale", h,
                 "{\"component_id\":\"b\",\"component_ref\":\"r/b:1\",\"count\":1}");
    const char *ping = rig_send(&g, "host.ping", NULL, "");
    rig_pass(&g, 99 * MS);
    assert_non_null(rig_nth(&g, ping, 0));
    assert_null(rig_nth(&g, get, 0));
    assert_null(rig_nth(&g, scale, 0));
    rig_pass(&g, MS);
    const struct said *s = rig_nth(&g, get, 0);
    const struct node *list = s ? node_get(node_get(s->json, "response"), "components") : NULL;
    assert_true(list && list->n == 1);
    assert_non_null(rig_nth(&g, scale, 0));
    rig_pass(&g, 100 * MS);
    assert_int_equal(world_n_running(h), 2);
    rig_close(&g);
}

static void test_crash_while_starting(void **state) {
    struct rig g;
    struct sim_config c = sim_config_instant();
    (void)state;
    c.faults.start_component = (struct sim_delay){100 * MS, 100 * MS};
    rig_open(&g, &c);
    world_start(g.w, g.now_ns);
    struct vhost *h = world_host(g.w, 0);
    rig_ask(&g, "component.scale", h,
            "{\"component_id\":\"a\",\"component_ref\":\"r/a:1\",\"count\":1}");
    world_host_crash(h, g.now_ns);
    world_host_start(h, g.now_ns);
    rig_pass(&g, S);
    assert_int_equal(rig_events(&g, "component_scaled"), 0);
    assert_int_equal(world_n_running(h), 0);
    rig_close(&g);
}

static void test_freezes_at_rebuild(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    (void)state;
    world_image_fault(g.w, STR("r/empty:*"), SIM_FREEZE_ON_REBUILD);
    rig_ask(&g, "component.scale", h,
            "{\"component_id\":\"a\",\"component_ref\":\"r/empty:1\",\"count\":1}");
    assert_int_equal(vhost_state(h), VHOST_UP);
    rig_ask(&g, "component.scale", h,
            "{\"component_id\":\"a\",\"component_ref\":\"r/empty:1\",\"count\":2}");
    assert_int_equal(rig_events(&g, "component_scaled"), 1);
    assert_int_equal(vhost_state(h), VHOST_FROZEN);
    assert_null(rig_ask(&g, "host.get", h, ""));
    rig_close(&g);
}

static void test_auction(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    (void)state;
    const struct node *bid = rig_ask(&g, "component.auction", NULL,
                                     "{\"component_ref\":\"r/a:1\",\"component_id\":\"a\","
                                     "\"constraints\":{\"hostcore.os\":\"linux\"}}");
    expect_str(node_get(bid, "response"), "component_id", "r/a:1"); /* as real hosts do */
    expect_str(node_get(bid, "response"), "host_id", vhost_id(h));
    assert_null(rig_ask(&g, "component.auction", NULL,
                        "{\"component_ref\":\"r/a:1\",\"component_id\":\"a\","
                        "\"constraints\":{\"zone\":\"b\"}}"));
    rig_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_says_it_twice),
        cmocka_unit_test(test_old_code_under_new_label),
        cmocka_unit_test(test_update_leaves_old_code_serving),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_deleted_config_is_remembered),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_table_is_locked_while_starting),
        cmocka_unit_test(test_crash_while_starting),
        cmocka_unit_test(test_freezes_at_rebuild),
        cmocka_unit_test(test_auction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
