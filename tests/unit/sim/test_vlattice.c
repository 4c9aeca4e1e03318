/* SPDX-License-Identifier: Apache-2.0 */
#include "simtest.h"

#define PUT(source, target, name, ifs)                                                             \
    "{\"source_id\":\"" source "\",\"target\":\"" target "\",\"name\":\"" name                     \
    "\",\"wit_namespace\":\"wasi\",\"wit_package\":\"kv\",\"interfaces\":[" ifs "]}"
#define DEL(source, name)                                                                          \
    "{\"source_id\":\"" source "\",\"name\":\"" name                                               \
    "\",\"wit_namespace\":\"wasi\",\"wit_package\":\"kv\"}"

static uint32_t links(struct rig *g) {
    return node_get(rig_ask(g, "link.get", NULL, ""), "response")->n;
}

static void test_put_rules(void **state) {
    struct rig g;
    rig_instant(&g);
    (void)state;
    expect_reply(rig_ask(&g, "link.put", NULL, PUT("a", "t", "default", "\"store\"")), true,
                 "successfully set link");
    assert_true(strstr(g.said.at[g.from].subject, "linkdef_set") != NULL); /* event first */
    rig_ask(&g, "link.put", NULL, PUT("a", "t", "default", "\"store\",\"batch\"")); /* replaced */
    assert_int_equal(links(&g), 1);
    expect_reply(
        rig_ask(&g, "link.put", NULL, PUT("a", "t2", "default", "\"batch\"")), false,
        "link already exists with different target, consider deleting the existing link or "
        "using a different link name");
    assert_int_equal(rig_events(&g, "linkdef_set_failed"), 1);
    rig_ask(&g, "link.put", NULL, PUT("a", "t2", "default", "\"other\""));
    rig_ask(&g, "link.put", NULL, PUT("a", "t", "second", "\"store\""));
    assert_int_equal(links(&g), 3);
    rig_close(&g);
}

static void test_del_rules(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    (void)state;
    expect_reply(rig_ask(&g, "link.del", NULL, DEL("a", "x")), true,
                 "successfully deleted link (spec doesn't exist)");
    assert_int_equal(rig_events(&g, "linkdef_deleted"), 0);
    rig_ask(&g, "component.scale", h,
            "{\"component_id\":\"a\",\"component_ref\":\"r/a:1\",\"count\":1}");
    expect_reply(rig_ask(&g, "link.del", NULL, DEL("a", "x")), true, "successfully deleted link");
    assert_null(node_get(rig_event(&g, "linkdef_deleted", 0), "target"));
    rig_ask(&g, "link.put", NULL, PUT("a", "t", "x", "\"store\""));
    rig_ask(&g, "link.del", NULL, DEL("a", "x"));
    expect_str(rig_event(&g, "linkdef_deleted", 0), "target", "t");
    assert_int_equal(links(&g), 0);
    rig_close(&g);
}

static void open_slow(struct rig *g, int64_t link_ns, int64_t lag_ns) {
    struct sim_config c = sim_config_instant();
    c.hosts = 3;
    c.faults.link = (struct sim_delay){link_ns, link_ns};
    c.link_lag_ns = lag_ns;
    rig_open(g, &c);
    world_start(g->w, g->now_ns);
}

static void test_concurrent_puts_of_one_source_keep_one(void **state) {
    struct rig g;
    (void)state;
    open_slow(&g, 2 * MS, 0);
    g.from = g.said.n;
    rig_send(&g, "link.put", NULL, PUT("a", "t1", "n1", "\"store\""));
    rig_send(&g, "link.put", NULL, PUT("a", "t2", "n2", "\"store\""));
    rig_send(&g, "link.put", NULL, PUT("a", "t3", "n3", "\"store\""));
    rig_send(&g, "link.put", NULL, PUT("b", "t1", "n1", "\"store\""));
    rig_pass(&g, 2 * MS);
    assert_int_equal(rig_events(&g, "linkdef_set"), 4); /* all are announced */
    assert_int_equal(links(&g), 2);
    assert_int_equal(world_lattice(g.w, 0)->count.links_lost, 2);
    for (int i = 0; i < 3; i++) { /* one after another, all stay */
        static const char *const puts[] = {PUT("c", "t1", "n1", "\"store\""),
                                           PUT("c", "t2", "n2", "\"store\""),
                                           PUT("c", "t3", "n3", "\"store\"")};
        rig_send(&g, "link.put", NULL, puts[i]);
        rig_pass(&g, 2 * MS);
    }
    assert_int_equal(links(&g), 5);
    rig_close(&g);
}

static void test_readers_may_lag(void **state) {
    struct rig g;
    (void)state;
    open_slow(&g, 0, 500 * MS);
    rig_ask(&g, "link.put", NULL, PUT("a", "t1", "n1", "\"store\""));
    assert_int_equal(links(&g), 0);
    rig_pass(&g, 500 * MS);
    assert_int_equal(links(&g), 1);
    rig_close(&g);
}

static void test_put_names_missing_configs(void **state) {
    struct rig g;
    rig_instant(&g);
    (void)state;
    rig_ask(&g, "config.put.there", NULL, "{}");
    expect_reply(
        rig_ask(
            &g, "link.put", NULL,
            "{\"source_id\":\"a\",\"target\":\"t\",\"wit_namespace\":\"w\",\"wit_package\":\"p\","
            "\"interfaces\":[],\"source_config\":[\"there\",\"x\"],"
            "\"target_config\":[\"SECRET_y\"]}"),
        false,
        "Failed to validate configuration and secrets. Configuration x not found in config store. "
        "Secret reference SECRET_y not found in config store. ");
    rig_close(&g);
}

static void test_configs(void **state) {
    struct rig g;
    rig_instant(&g);
    (void)state;
    expect_reply(rig_ask(&g, "config.get.c", NULL, ""), true, "Configuration not found");
    expect_reply(rig_ask(&g, "config.put.c", NULL, "{\"a\":\"1\"}"), true,
                 "successfully put config");
    expect_str(node_get(rig_ask(&g, "config.get.c", NULL, ""), "response"), "a", "1");
    expect_reply(rig_ask(&g, "config.put.c", NULL, "{\"a\":1}"), false,
                 "config data should be a map of string -> string");
    expect_reply(rig_ask(&g, "config.del.c", NULL, ""), true, "successfully deleted config");
    expect_reply(rig_ask(&g, "config.del.c", NULL, ""), true, "successfully deleted config");
    assert_int_equal(rig_events(&g, "config_deleted"), 1);
    rig_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_rules),
        cmocka_unit_test(test_del_rules),
        cmocka_unit_test(test_concurrent_puts_of_one_source_keep_one),
        cmocka_unit_test(test_readers_may_lag),
        cmocka_unit_test(test_put_names_missing_configs),
        cmocka_unit_test(test_configs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
