/* SPDX-License-Identifier: Apache-2.0
 *
 * Links and configs: in the buckets as hosts keep them, at the driver what its units need.
 */
#include "agenttest.h"

#define ON "." HOST
#define LINK(source, target, name, configs)                                                        \
    "{\"source_id\":\"" source "\",\"target\":\"" target "\",\"name\":\"" name                     \
    "\",\"wit_namespace\":\"wasi\",\"wit_package\":\"keyvalue\",\"interfaces\":[\"store\"],"       \
    "\"source_config\":[" configs "],\"target_config\":[]}"
#define KEY(source, name)                                                                          \
    "{\"source_id\":\"" source "\",\"name\":\"" name                                               \
    "\",\"wit_namespace\":\"wasi\",\"wit_package\":\"keyvalue\"}"

struct got {
    bool over;
    char *value; /* NULL: absent */
};

static void on_got(void *arg, trl_status st, const struct kv_entry *e) {
    struct got *g = arg;
    g->over = true;
    g->value = st == TRL_OK ? str_dup(e->value) : NULL;
}

static bool is_over(void *arg) {
    return ((struct got *)arg)->over;
}

/* What a bucket holds; owned by the rig. */
static const char *stored(struct rig *g, struct kv *kv, const char *key) {
    struct got got = {.over = false};
    kv_get(kv, str_c(key), on_got, &got);
    assert_true(loop_run_until(g->loop, is_over, &got, SECOND));
    const char *text = got.value ? arena_str(&g->a, str_c(got.value)).ptr : NULL;
    mem_free(got.value);
    return text;
}

static void on_put(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    (void)revision;
    (void)err;
    assert_int_equal(st, TRL_OK);
    *(bool *)arg = true;
}

/* Somebody else writes: a real host, or another agent. */
static void store(struct rig *g, struct kv *kv, const char *key, const char *value) {
    bool done = false;
    if (value) {
        kv_put(kv, str_c(key), str_c(value), TRL_REV_ANY, on_put, &done);
    } else {
        kv_del(kv, str_c(key), TRL_REV_ANY, on_put, &done);
    }
    assert_true(loop_run_until(g->loop, rig_is_set, &done, SECOND));
    rig_pass(g, 1000000);
}

static void scale(struct rig *g, const char *id, const char *config) {
    struct buf b = BUF_INIT;
    buf_addf(
        &b, "{\"component_id\":\"%s\",\"component_ref\":\"file:///a\",\"count\":1,\"config\":[%s]}",
        id, config);
    rig_must(g, "component.scale" ON, b.ptr, true, "");
    buf_finish(&b);
}

static void test_configs(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    rig_must(&g, "config.get.words", "", true, "Configuration not found");
    rig_must(&g, "config.put.words", "{\"b\":\"2\",\"a\":\"1\"}", true, "successfully put config");
    const struct node *d = rig_event(&g, "config_set", 0);
    assert_true(str_is(node_text(d, "config_name", STR("")), "words"));
    assert_string_equal(stored(&g, g.kv_configs, "words"), "{\"a\":\"1\",\"b\":\"2\"}");
    const struct node *r = rig_must(&g, "config.get.words", "", true, "");
    assert_true(str_is(node_text(r, "b", STR("")), "2"));
    assert_null(rig_act(&g, "config_put")); /* nobody here needs it */
    scale(&g, "web", "\"words\"");
    assert_string_equal(rig_act(&g, "config_put"), "config_put words {\"a\":\"1\",\"b\":\"2\"}");
    store(&g, g.kv_configs, "words", "{\"a\":\"3\"}");
    assert_string_equal(rig_act(&g, "config_put"), "config_put words {\"a\":\"3\"}");
    store(&g, g.kv_configs, "other", "{\"a\":\"3\"}");
    store(&g, g.kv_configs, "odd", "[1]"); /* told in the log, and left alone */
    assert_string_equal(rig_act(&g, "config_put"), "config_put words {\"a\":\"3\"}");
    rig_must(&g, "config.get.odd", "", false, "config data should be a map of string -> string");
    rig_must(&g, "config.del.words", "", true, "successfully deleted config");
    assert_int_equal(rig_events(&g, "config_deleted"), 1);
    assert_null(stored(&g, g.kv_configs, "words"));
    assert_string_equal(rig_act(&g, "config_del"), "config_del words");
    rig_must(&g, "config.del.words", "", true, "successfully deleted config");
    rig_close(&g);
}

static void test_links(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    rig_must(&g, "link.put", LINK("web", "db", "default", "\"c\""), false,
             "Failed to validate configuration and secrets. Configuration c not found in config "
             "store. ");
    assert_int_equal(rig_events(&g, "linkdef_set_failed"), 1);
    rig_must(&g, "config.put.c", "{}", true, "successfully put config");
    rig_must(&g, "link.put", LINK("web", "db", "default", "\"c\""), true, "successfully set link");
    assert_int_equal(rig_events(&g, "linkdef_set"), 1);
    assert_string_equal(stored(&g, g.kv_links, "COMPONENT_web"),
                        "{\"url\":\"\",\"links\":[" LINK("web", "db", "default", "\"c\"") "]}");
    assert_null(rig_act(&g, "link_put")); /* neither end is here */
    scale(&g, "db", "");
    assert_string_equal(rig_act(&g, "link_put"), "link_put web default db");
    assert_string_equal(rig_act(&g, "config_put"), "config_put c {}");
    rig_must(&g, "link.put", LINK("web", "other", "default", ""), false,
             "link already exists with different target, consider deleting the existing link or "
             "using a different link name");
    rig_must(&g, "link.put", LINK("web", "db", "second", ""), true, "successfully set link");
    assert_string_equal(rig_act(&g, "link_put"), "link_put web second db");
    assert_int_equal(rig_must(&g, "link.get", "", true, "")->n, 2);
    rig_must(&g, "link.del", KEY("web", "default"), true, "successfully deleted link");
    const struct node *d = rig_event(&g, "linkdef_deleted", 0);
    assert_true(str_is(node_text(d, "target", STR("")), "db"));
    assert_string_equal(rig_act(&g, "link_del"), "link_del web default db");
    rig_must(&g, "link.del", KEY("web", "default"), true, "successfully deleted link");
    assert_null(node_get(rig_event(&g, "linkdef_deleted", 0), "target"));
    rig_must(&g, "link.del", KEY("nobody", "default"), true,
             "successfully deleted link (spec doesn't exist)");
    assert_int_equal(rig_events(&g, "linkdef_deleted"), 0);
    rig_must(&g, "link.put", LINK("a b", "db", "default", ""), false,
             "failed to get component spec");
    rig_close(&g);
}

static uint32_t count(const char *text, const char *part) {
    uint32_t n = 0;
    for (; text && (text = strstr(text, part)); text++) {
        n++;
    }
    return n;
}

/* Hosts of wasmCloud lose all but one of them. */
static void test_links_at_once(void **state) {
    static const char *const bodies[] = {LINK("web", "db", "l1", ""), LINK("web", "db", "l2", ""),
                                         LINK("web", "db", "l3", ""), LINK("web", "db", "l4", ""),
                                         LINK("web", "db", "l5", ""), LINK("web", "db", "l6", ""),
                                         LINK("web", "db", "l7", ""), LINK("web", "db", "l8", "")};
    struct rig g;
    (void)state;
    rig_up(&g);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct bus_msg m = {.subject = STR("wasmbus.ctl.v1.default.link.put"),
                            .body = str_c(bodies[i])};
        bus_publish(g.bus, &m);
    }
    rig_pass(&g, SECOND);
    assert_int_equal(rig_events(&g, "linkdef_set"), 8);
    assert_int_equal(count(stored(&g, g.kv_links, "COMPONENT_web"), "\"source_id\""), 8);
    rig_close(&g);
}

/* The first start writes the record of a unit; one that is there stays. */
static void test_specs(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    scale(&g, "web", "");
    assert_string_equal(stored(&g, g.kv_links, "COMPONENT_web"),
                        "{\"url\":\"file:///a\",\"links\":[]}");
    rig_must(&g, "link.del", KEY("web", "default"), true, "successfully deleted link");
    assert_int_equal(rig_events(&g, "linkdef_deleted"), 1);
    store(&g, g.kv_links, "COMPONENT_db",
          "{\"url\":\"x\",\"links\":[" LINK("db", "web", "default", "") "]}");
    assert_string_equal(rig_act(&g, "link_put"), "link_put db default web");
    scale(&g, "db", "");
    assert_non_null(strstr(stored(&g, g.kv_links, "COMPONENT_db"), "\"url\":\"x\""));
    store(&g, g.kv_links, "COMPONENT_db",
          "{\"url\":\"x\",\"links\":[1]}"); /* no sense: as before */
    assert_null(rig_act(&g, "link_del"));
    store(&g, g.kv_links, "COMPONENT_db", "{\"url\":\"x\"}");
    assert_string_equal(rig_act(&g, "link_del"), "link_del db default web");
    store(&g, g.kv_links, "CLAIMS_MABC", "{}");
    rig_close(&g);
}

/* What runs is what an earlier life of the agent left; the buckets have changed meanwhile. */
static void test_adoption(void **state) {
    const trl_str c1 = STR("c1");
    trl_running runs = {.struct_size = sizeof(runs),
                        .kind = TRL_RUN_COMPONENT,
                        .unit_id = STR("web"),
                        .image = STR("file:///a"),
                        .count = 2};
    trl_link has[] = {{.struct_size = sizeof(has[0]),
                       .source = STR("web"),
                       .target = STR("db"),
                       .name = STR("gone"),
                       .ns = STR("wasi"),
                       .package = STR("keyvalue")},
                      {.struct_size = sizeof(has[0]),
                       .source = STR("web"),
                       .target = STR("db"),
                       .name = STR("kept"),
                       .ns = STR("wasi"),
                       .package = STR("keyvalue"),
                       .source_config = &c1,
                       .n_source_config = 1}};
    struct rig g;
    (void)state;
    rig_open(&g);
    store(&g, g.kv_configs, "c1", "{\"a\":\"new\"}");
    store(&g, g.kv_configs, "c2", "{\"a\":\"same\"}");
    store(&g, g.kv_configs, "c3", "{}");
    store(&g, g.kv_links, "COMPONENT_web",
          "{\"url\":\"\",\"links\":[" LINK("web", "db", "kept", "\"c2\"") "]}");
    map_set(&g.has_configs, STR("c1"), (void *)(uintptr_t) "{\"a\":\"old\"}");
    map_set(&g.has_configs, STR("c2"), (void *)(uintptr_t) "{\"a\":\"same\"}");
    rig_agent(&g);
    rig_report(&g, TRL_REPORT_FULL | TRL_REPORT_LABELS, &runs, 1);
    agent_on_links(g.agent, has, 2, sizeof(has[0]), true);
    agent_driver_known(g.agent);
    assert_true(loop_run_until(g.loop, rig_is_set, &g.ready, SECOND));
    rig_pass(&g, 1000000);
    assert_string_equal(rig_act(&g, "config_put"), "config_put c1 {\"a\":\"new\"}");
    assert_string_equal(rig_act(&g, "link_del"), "link_del web gone db");
    assert_string_equal(rig_act(&g, "link_put"), "link_put web kept db");
    assert_int_equal(g.acts.n, 3);
    assert_int_equal(rig_events(&g, "host_started"), 0); /* it would mean: all gone */
    const struct node *c = node_get(rig_event(&g, "host_heartbeat", 0), "components");
    assert_int_equal(c->n, 1);
    assert_int_equal(node_u64_or(c->items[0], "max_instances", 0), 2);
    assert_int_equal(rig_events(&g, "component_scaled"), 0);
    rig_must(&g, "component.scale" ON,
             "{\"component_id\":\"web\",\"component_ref\":\"file:///a\",\"count\":2}", true, "");
    assert_int_equal(rig_events(&g, "component_scaled"), 1);
    agent_leave(g.agent, true);
    agent_clear(g.agent);
    rig_pass(&g, 1000000);
    assert_string_equal(rig_act(&g, "scale"), "scale web  x0 []");
    assert_true(agent_is_clear(g.agent));
    rig_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configs),       cmocka_unit_test(test_links),
        cmocka_unit_test(test_links_at_once), cmocka_unit_test(test_specs),
        cmocka_unit_test(test_adoption),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
