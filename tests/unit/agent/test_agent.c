/* SPDX-License-Identifier: Apache-2.0
 *
 * An agent as its lattice and its driver see it.
 */
#include "agenttest.h"

#define ON    "." HOST
#define A     "file:///opt/a"
#define B     "file:///opt/b"
#define MARKS "\"annotations\":{\"" MARK "\":\"app\"}"

static const struct node *ask_inventory(struct rig *g) {
    return node_get(rig_ask(g, "host.get" ON, ""), "response");
}

static void scale(struct rig *g, const char *image, unsigned count, const char *more) {
    struct buf b = BUF_INIT;
    buf_addf(&b,
             "{\"component_id\":\"web\",\"component_ref\":\"%s\",\"count\":%u,\"host_id\":\"" HOST
             "\"," MARKS "%s}",
             image, count, more);
    rig_must(g, "component.scale" ON, b.ptr, true, "");
    buf_finish(&b);
}

static void is_scaled(struct rig *g, uint32_t n, const char *image, uint64_t count) {
    const struct node *d = rig_event(g, "component_scaled", n);
    assert_non_null(d);
    assert_true(str_is(node_text(d, "component_id", STR("")), "web"));
    assert_true(str_is(node_text(d, "image_ref", STR("")), image));
    assert_int_equal(node_u64_or(d, "max_instances", 99), count);
    assert_true(str_is(node_text(d, "host_id", STR("")), HOST));
    assert_true(str_is(node_text(node_get(d, "annotations"), MARK, STR("")), "app"));
}

static void failed_with(struct rig *g, const char *text) {
    const struct node *d = rig_event(g, "component_scale_failed", 0);
    assert_non_null(d);
    assert_string_equal(arena_str(&g->a, node_text(d, "error", STR("?"))).ptr, text);
}

static void test_hello(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    assert_int_equal(rig_events(&g, "host_started"), 1);
    assert_int_equal(rig_events(&g, "host_heartbeat"), 1);
    const struct node *d = rig_event(&g, "host_started", 0);
    assert_true(str_is(node_text(d, "friendly_name", STR("")), "quiet-river-0042"));
    const struct node *labels = node_get(d, "labels");
    assert_true(str_is(node_text(labels, "zone", STR("")), "a"));
    assert_true(str_is(node_text(labels, "hostcore.driver", STR("")), "process"));
    assert_true(str_is(node_text(labels, "hostcore.os", STR("")), "linux"));
    const struct node *r = rig_must(&g, "host.ping", "", true, "");
    assert_true(str_is(node_text(r, "id", STR("")), HOST));
    assert_true(str_is(node_text(r, "lattice", STR("")), "default"));
    rig_pass(&g, 65 * SECOND);
    assert_int_equal(rig_events(&g, "host_heartbeat"), 2);
    r = ask_inventory(&g);
    assert_int_equal(node_u64_or(r, "uptime_seconds", 0), 65);
    assert_true(str_is(node_text(r, "uptime_human", STR("")), "1m 5s"));
    assert_int_equal(node_get(r, "components")->n, 0);
    rig_must(&g, "host.stop" ON, "{\"host_id\":\"NOTHER\"}", false, "invalid host_id [NOTHER]");
    assert_false(g.asked_to_stop);
    rig_must(&g, "host.stop" ON, "", true, "successfully handled stop host");
    assert_true(g.asked_to_stop);
    agent_leave(g.agent, true);
    rig_pass(&g, 1000000);
    assert_int_equal(rig_events(&g, "host_stopped"), 1);
    assert_null(rig_ask(&g, "host.ping", ""));
    rig_close(&g);
}

static void test_component(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    scale(&g, A, 2, ",\"trellis_process\":{\"listen\":\"8080\",\"args\":[]}");
    assert_string_equal(rig_act(&g, "scale"),
                        "scale web " A " x2 [] {\"listen\":\"8080\",\"args\":[]}");
    assert_int_equal(rig_events(&g, "component_scaled"), 1);
    is_scaled(&g, 0, A, 2);
    const struct node *c = node_get(ask_inventory(&g), "components")->items[0];
    assert_true(str_is(node_text(c, "image_ref", STR("")), A));
    assert_int_equal(node_u64_or(c, "max_instances", 0), 2);
    scale(&g, A, 2, ""); /* nothing changes, and is told */
    assert_int_equal(rig_events(&g, "component_scaled"), 1);
    is_scaled(&g, 0, A, 2);
    scale(&g, A, 0, "");
    is_scaled(&g, 0, A, 0);
    assert_int_equal(node_get(ask_inventory(&g), "components")->n, 0);
    scale(&g, B, 0, ""); /* not there: told all the same, without the driver */
    is_scaled(&g, 0, B, 0);
    assert_int_equal(rig_events(&g, "component_scaled"), 1);
    rig_close(&g);
}

static void test_update(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    map_set(&g.broken, STR(B), &g);
    scale(&g, A, 2, "");
    const struct node *n =
        rig_ask(&g, "component.scale" ON,
                "{\"component_id\":\"web\",\"component_ref\":\"" B "\",\"count\":2," MARKS "}");
    assert_true(node_bool_or(n, "success", false));
    assert_true(
        str_starts(node_text(n, "message", STR("")), STR("Requested to scale existing component")));
    assert_non_null(rig_act(&g, "update web " B " x2"));
    failed_with(&g, "it does not start");
    assert_int_equal(rig_events(&g, "component_scaled"), 0);
    const struct node *c = node_get(ask_inventory(&g), "components")->items[0];
    assert_true(str_is(node_text(c, "image_ref", STR("")), A));
    map_del(&g.broken, STR(B));
    rig_must(&g, "component.update" ON,
             "{\"component_id\":\"web\",\"new_component_ref\":\"" B "\"," MARKS "}", true,
             "component web updating from " A " to " B);
    is_scaled(&g, 0, B, 2);
    rig_must(&g, "component.update" ON,
             "{\"component_id\":\"web\",\"new_component_ref\":\"" B "\"}", true,
             "component web already updated to " B);
    rig_must(&g, "component.update" ON, "{\"component_id\":\"x\",\"new_component_ref\":\"" B "\"}",
             false, "component x not found");
    rig_close(&g);
}

/* Hosts know no "being changed". */
static void test_busy(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    g.hold = true;
    scale(&g, A, 3, "");
    assert_int_equal(g.held.n, 1);
    g.held.at[0].done(g.held.at[0].arg, TRL_OK, NULL);
    rig_runs(&g, TRL_RUN_COMPONENT, "web", A, 1, TRL_RUNNING_BUSY);
    rig_runs(&g, TRL_RUN_COMPONENT, "web", A, 2, TRL_RUNNING_BUSY);
    rig_pass(&g, 1000000);
    assert_int_equal(rig_events(&g, "component_scaled"), 0);
    rig_runs(&g, TRL_RUN_COMPONENT, "web", A, 3, 0);
    rig_pass(&g, 1000000);
    is_scaled(&g, 0, A, 3);
    rig_runs(&g, TRL_RUN_COMPONENT, "web", A, 2, TRL_RUNNING_BUSY); /* one fails */
    rig_pass(&g, 1000000);
    is_scaled(&g, 1, A, 2);
    agent_on_note(g.agent, STR("web"), TRL_NOTE_START_FAILED, STR("exit status 1"));
    rig_pass(&g, 1000000);
    failed_with(&g, "exit status 1");
    rig_runs(&g, TRL_RUN_COMPONENT, "web", A, 3, 0);
    rig_pass(&g, 1000000);
    is_scaled(&g, 2, A, 3);
    rig_report(&g, TRL_REPORT_FULL | TRL_REPORT_LABELS, NULL, 0); /* all gone */
    rig_pass(&g, 1000000);
    is_scaled(&g, 3, A, 0);
    assert_int_equal(rig_events(&g, "component_scaled"), 4);
    rig_close(&g);
}

/* A start that failed leaves nothing that the driver would go on trying. */
static void test_given_up(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    g.hold = true;
    scale(&g, A, 1, "");
    g.held.at[0].done(g.held.at[0].arg, TRL_OK, NULL);
    agent_on_note(g.agent, STR("web"), TRL_NOTE_START_FAILED, STR("no such program"));
    rig_pass(&g, 1000000);
    failed_with(&g, "no such program");
    assert_string_equal(rig_act(&g, "scale"), "scale web  x0 []");
    g.held.at[1].done(g.held.at[1].arg, TRL_OK, NULL);
    scale(&g, A, 1, "");
    rig_runs(&g, TRL_RUN_COMPONENT, "web", A, 1, 0);
    rig_pass(&g, 1000000);
    is_scaled(&g, 0, A, 1);
    g.held.at[2].done(g.held.at[2].arg, TRL_OK, NULL);
    rig_must(&g, "provider.start" ON, "{\"provider_id\":\"store\",\"provider_ref\":\"" B "\"}",
             true, "successfully started provider");
    g.held.at[3].done(g.held.at[3].arg, TRL_OK, NULL);
    agent_on_note(g.agent, STR("store"), TRL_NOTE_START_FAILED, STR("no such program"));
    rig_pass(&g, 1000000);
    assert_int_equal(rig_events(&g, "provider_start_failed"), 1);
    assert_string_equal(rig_act(&g, "stop"), "stop store  x0 []");
    g.held.at[4].done(g.held.at[4].arg, TRL_OK, NULL);
    rig_close(&g);
}

/* A request that comes while an earlier one still looks for its configs is the one that counts. */
static void test_later_wins(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    struct bus_msg start = {.subject = STR("wasmbus.ctl.v1.default.component.scale" ON),
                            .body = STR("{\"component_id\":\"web\",\"component_ref\":\"" A
                                        "\",\"count\":1,\"config\":[\"none\"]}")};
    struct bus_msg stop = {.subject = start.subject,
                           .body = STR("{\"component_id\":\"web\",\"count\":0}")};
    bus_publish(g.bus, &start);
    bus_publish(g.bus, &stop);
    rig_pass(&g, SECOND);
    assert_null(rig_act(&g, "scale web " A));
    assert_int_equal(rig_events(&g, "component_scale_failed"), 0);
    const struct node *d = rig_event(&g, "component_scaled", 0);
    assert_int_equal(node_u64_or(d, "max_instances", 9), 0);
    assert_int_equal(node_get(ask_inventory(&g), "components")->n, 0);
    rig_close(&g);
}

/* A stop overtakes an update that is under way: its end is nobody's business, later starts are. */
static void test_overtaken(void **state) {
    trl_err err = {.struct_size = sizeof(err)};
    struct rig g;
    (void)state;
    rig_up(&g);
    scale(&g, A, 1, "");
    g.hold = true;
    rig_ask(&g, "component.scale" ON,
            "{\"component_id\":\"web\",\"component_ref\":\"" B "\",\"count\":1," MARKS "}");
    assert_int_equal(g.held.n, 1);
    scale(&g, A, 0, "");
    trl_errf(&err, TRL_E_CONFLICT, "another request for it came meanwhile");
    g.held.at[0].done(g.held.at[0].arg, TRL_E_CONFLICT, &err);
    g.held.at[1].done(g.held.at[1].arg, TRL_OK, NULL);
    rig_runs(&g, TRL_RUN_COMPONENT, "web", A, 0, 0);
    rig_pass(&g, 1000000);
    assert_int_equal(rig_events(&g, "component_scale_failed"), 0);
    is_scaled(&g, 0, A, 0);
    g.hold = false;
    scale(&g, B, 1, "");
    is_scaled(&g, 0, B, 1);
    rig_close(&g);
}

static void test_refusals(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    scale(&g, A, 1, ",\"config\":[\"words\"]");
    failed_with(&g, "Unable to fetch requested config: Config words does not exist");
    assert_null(rig_act(&g, "scale"));
    rig_must(&g, "config.put.words", "{\"a\":\"b\"}", true, "successfully put config");
    scale(&g, A, 1, ",\"config\":[\"words\"]");
    is_scaled(&g, 0, A, 1);
    assert_string_equal(rig_act(&g, "config_put"), "config_put words {\"a\":\"b\"}");
    g.refuse = "image ghcr.io/x: the process driver runs files of this machine only";
    rig_ask(&g, "component.scale" ON,
            "{\"component_id\":\"db\",\"component_ref\":\"ghcr.io/x\","
            "\"count\":1}");
    failed_with(&g, g.refuse);
    g.refuse = NULL;
    rig_must(&g, "provider.start" ON, "{\"provider_id\":\"web\",\"provider_ref\":\"" A "\"}", true,
             "successfully started provider");
    const struct node *d = rig_event(&g, "provider_start_failed", 0);
    assert_true(str_is(node_text(d, "error", STR("")), "a component of that ID runs here"));
    rig_ask(&g, "component.scale" ON, "{\"component_id\":\"a b\",\"count\":1}");
    failed_with(&g, "failed to get component spec: key cannot be empty or start/end with `.`");
    rig_close(&g);
}

/* What wadm does when an image changes: start the new one, stop the old one, delete the config. */
static void test_deleted_config(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    rig_must(&g, "config.put.words", "{\"a\":\"b\"}", true, "successfully put config");
    rig_must(&g, "config.put.other", "{\"a\":\"b\"}", true, "successfully put config");
    scale(&g, A, 1, ",\"config\":[\"words\"]");
    is_scaled(&g, 0, A, 1);
    scale(&g, A, 0, "");
    rig_must(&g, "config.del.words", "", true, "successfully deleted config");
    rig_must(&g, "config.del.other", "", true, "successfully deleted config");
    assert_string_equal(rig_act(&g, "config_del"), "config_del words");
    scale(&g, B, 1, ",\"config\":[\"words\"]"); /* was used here: empty from now on */
    is_scaled(&g, 0, B, 1);
    assert_string_equal(rig_act(&g, "config_put"), "config_put words {}");
    scale(&g, B, 1, ",\"config\":[\"other\"]");
    failed_with(&g, "Unable to fetch requested config: Config other does not exist");
    rig_must(&g, "config.put.words", "{\"a\":\"c\"}", true, "successfully put config");
    assert_string_equal(rig_act(&g, "config_put"), "config_put words {\"a\":\"c\"}");
    rig_close(&g);
}

static void test_provider(void **state) {
    struct rig g;
    const char *start =
        "{\"provider_id\":\"db\",\"provider_ref\":\"" A "\"," MARKS ",\"host_id\":\"" HOST "\"}";
    (void)state;
    rig_up(&g);
    rig_must(&g, "provider.stop" ON, "{\"provider_id\":\"db\"}", false,
             "provider with that ID is not running");
    rig_must(&g, "provider.start" ON, start, true, "successfully started provider");
    const struct node *d = rig_event(&g, "provider_started", 0);
    assert_true(str_is(node_text(d, "image_ref", STR("")), "/opt/a"));
    assert_int_equal(rig_events(&g, "health_check_passed"), 1);
    rig_must(&g, "provider.start" ON, start, false, "provider with that ID is already running");
    const struct node *p = node_get(ask_inventory(&g), "providers")->items[0];
    assert_true(str_is(node_text(p, "image_ref", STR("")), "/opt/a"));
    trl_running bad = {.struct_size = sizeof(bad),
                       .kind = TRL_RUN_PROVIDER,
                       .unit_id = STR("db"),
                       .count = 1,
                       .health = TRL_HEALTH_FAILING,
                       .flags = TRL_RUNNING_HEALTH_ONLY};
    rig_report(&g, 0, &bad, 1);
    rig_pass(&g, 31 * SECOND);
    assert_int_equal(rig_events(&g, "health_check_failed"), 1);
    assert_int_equal(rig_events(&g, "health_check_status"), 1); /* with the heartbeat */
    rig_must(&g, "provider.stop" ON, "{\"provider_ref\":\"db\"}", true,
             "successfully stopped provider");
    d = rig_event(&g, "provider_stopped", 0);
    assert_true(str_is(node_text(d, "reason", STR("")), "stop"));
    assert_true(str_is(node_text(node_get(d, "annotations"), MARK, STR("")), "app"));
    assert_int_equal(rig_events(&g, "health_check_failed"), 0);
    assert_int_equal(node_get(ask_inventory(&g), "providers")->n, 0);
    map_set(&g.broken, STR(A), &g);
    g.refuse = "no";
    rig_must(&g, "provider.start" ON, start, true, "successfully started provider");
    d = rig_event(&g, "provider_start_failed", 0);
    assert_true(str_is(node_text(d, "error", STR("")), "no"));
    assert_true(str_is(node_text(d, "provider_ref", STR("")), A));
    rig_close(&g);
}

static void test_labels(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    rig_must(&g, "label.put" ON, "{\"key\":\"rack\",\"value\":\"7\"}", true,
             "successfully put label");
    assert_string_equal(rig_act(&g, "label_put"), "label_put rack 7");
    assert_int_equal(rig_events(&g, "labels_changed"), 1);
    rig_must(&g, "label.put" ON, "{\"key\":\"HostCore.driver\",\"value\":\"x\"}", false,
             "hostcore.* labels cannot be set dynamically");
    rig_must(&g, "label.del" ON, "{\"key\":\"zone\"}", true, "successfully deleted label");
    const struct node *d = rig_event(&g, "labels_changed", 0);
    assert_null(node_get(node_get(d, "labels"), "zone"));
    rig_must(&g, "label.del" ON, "{\"key\":\"zone\"}", true,
             "successfully deleted label (no such label)");
    assert_int_equal(rig_events(&g, "labels_changed"), 0);
    rig_close(&g);
}

static void test_auctions(void **state) {
    struct rig g;
    (void)state;
    rig_up(&g);
    const struct node *r =
        rig_must(&g, "component.auction",
                 "{\"component_ref\":\"" A "\",\"component_id\":\"web\",\"constraints\":"
                 "{\"zone\":\"a\",\"driver\":\"process\"}}",
                 true, "");
    assert_true(str_is(node_text(r, "host_id", STR("")), HOST));
    assert_null(rig_ask(&g, "component.auction",
                        "{\"component_ref\":\"" A "\",\"component_id\":\"web\",\"constraints\":"
                        "{\"zone\":\"b\"}}"));
    assert_null(rig_ask(&g, "component.auction",
                        "{\"component_ref\":\"ghcr.io/a/b:1\",\"component_id\":\"web\","
                        "\"constraints\":{}}")); /* others may be able to */
    const char *provider = "{\"provider_ref\":\"" A "\",\"provider_id\":\"db\",\"constraints\":{}}";
    assert_non_null(rig_ask(&g, "provider.auction", provider));
    rig_ask(&g, "provider.start" ON, "{\"provider_id\":\"db\",\"provider_ref\":\"" A "\"}");
    assert_null(rig_ask(&g, "provider.auction", provider));
    rig_close(&g);
}

/* As real hosts refuse what makes no sense. */
static void test_malformed(void **state) {
    static const struct {
        const char *what, *body, *message;
    } all[] = {
        {"component.auction", "{}", "failed to deserialize component auction command"},
        {"provider.auction", "[]", "failed to deserialize provider auction command"},
        {"component.scale" ON, "{\"component_id\":1}",
         "failed to deserialize component scale command"},
        {"component.scale" ON, "{\"component_id\":\"a\",\"count\":-1}",
         "failed to deserialize component scale command"},
        {"component.scale" ON, "{\"component_id\":\"a\",\"component_id\":\"a\"}",
         "failed to deserialize component scale command"},
        {"component.update" ON, "", "failed to deserialize component update command"},
        {"provider.start" ON, "{\"provider_ref\":\"x\"}",
         "failed to deserialize provider start command"},
        {"provider.stop" ON, "{\"provider_id\":\"a\",\"provider_ref\":\"a\"}",
         "failed to deserialize provider stop command"},
        {"host.stop" ON, "{", "failed to deserialize stop command"},
        {"label.put" ON, "{\"key\":\"a\"}", "failed to deserialize put label request"},
        {"label.del" ON, "null", "failed to deserialize delete label request"},
        {"link.put", "{\"source_id\":\"a\"}", "failed to deserialize wrpc link definition"},
        {"link.del", "x", "failed to deserialize wrpc link definition"},
        {"registry.put", "{\"a\":1}", "failed to deserialize registries put command"},
        {"config.put.x", "{\"a\":1}", "config data should be a map of string -> string"},
        {"config.put.a b", "{}", "unable to store config data"},
        {"config.get.a.b", "", "unsupported subject"},
        {"config.foo.a", "", "unsupported subject"},
        {"link.foo", "", "unsupported subject"},
        {"component.stop" ON, "{}", "unsupported subject"},
        {"host.ping" ON, "", "unsupported subject"},
    };
    struct rig g;
    (void)state;
    rig_up(&g);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (strcmp(all[i].what, "config.put.a b") != 0) { /* no subject for this transport */
            rig_must(&g, all[i].what, all[i].body, false, all[i].message);
        }
    }
    rig_must(&g, "claims.get", "", true, "");
    rig_must(&g, "registry.put", "{\"ghcr.io\":{\"username\":\"u\",\"password\":\"p\"}}", true,
             "successfully put registries");
    assert_int_equal(g.acts.n, 0);
    rig_close(&g);
}

/* Bytes that nobody would send: an answer to each, and the host is there afterwards. */
static void test_garbage(void **state) {
    static const char *const what[] = {
        "component.auction", "provider.auction", "component.scale" ON, "component.update" ON,
        "provider.start" ON, "provider.stop" ON, "label.put" ON,       "label.del" ON,
        "link.put",          "link.del",         "registry.put",       "config.put.x",
        "config.get.x",      "config.del.x",     "claims.get",         "link.get"};
    static const char sane[] =
        "{\"component_id\":\"web\",\"component_ref\":\"file:///a\",\"count\":1,"
        "\"provider_id\":\"db\",\"key\":\"k\",\"value\":\"v\","
        "\"constraints\":{},\"source_id\":\"a\",\"target\":\"b\","
        "\"wit_namespace\":\"n\",\"wit_package\":\"p\",\"interfaces\":[\"i\"],"
        "\"config\":[\"x\"],\"annotations\":{\"a\":\"b\"},"
        "\"trellis_process\":{\"a\":[1,{}]}}";
    struct rig g;
    (void)state;
    rig_up(&g);
    for (uint32_t i = 0; i < 1500; i++) {
        char body[sizeof(sane)];
        size_t n = 1 + rng_below(loop_rng(g.loop), sizeof(sane) - 1);
        memcpy(body, sane, sizeof(sane) - 1);
        n = i % 3 ? sizeof(sane) - 1 : n;
        for (uint64_t k = rng_below(loop_rng(g.loop), 6); k > 0; k--) {
            body[rng_below(loop_rng(g.loop), n)] = (char)rng_below(loop_rng(g.loop), 256);
        }
        const char *to = what[i % ARRAY_LEN(what)];
        const struct node *r = rig_ask_bytes(&g, to, str_n(body, n));
        if (!strstr(to, "auction")) {
            assert_non_null(r);
            assert_true(node_text(r, "message", STR_NONE).ptr != NULL);
        }
    }
    assert_non_null(ask_inventory(&g));
    rig_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),     cmocka_unit_test(test_component),
        cmocka_unit_test(test_update),    cmocka_unit_test(test_busy),
        cmocka_unit_test(test_given_up),  cmocka_unit_test(test_later_wins),
        cmocka_unit_test(test_overtaken), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_provider),  cmocka_unit_test(test_labels),
        cmocka_unit_test(test_auctions),  cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_garbage),   cmocka_unit_test(test_deleted_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
