/* SPDX-License-Identifier: Apache-2.0 */
#include "simtest.h"

#define SCALE(id, n) "{\"component_id\":\"" id "\",\"component_ref\":\"r/x:1\",\"count\":" #n "}"

static void open_many(struct rig *g, uint32_t hosts, struct sim_config *c) {
    static const char *const labels[] = {"zone=a|b|c"};
    c->hosts = hosts;
    c->labels = labels;
    c->n_labels = 1;
    rig_open(g, c);
    world_start(g->w, g->now_ns);
    rig_pass(g, 0);
}

static void test_life(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    char name[60];
    (void)state;
    rig_ask(&g, "component.scale", h, SCALE("a", 2));
    snprintf(name, sizeof(name), "%s", vhost_name(h));
    g.from = g.said.n;
    world_host_stop(h, g.now_ns);
    assert_int_equal(rig_events(&g, "host_stopped"), 1);
    assert_int_equal(rig_events(&g, "component_scaled"), 0);
    assert_int_equal(world_n_running(h), 0);
    assert_false(world_request(g.w, STR("wasmbus.ctl.v1.default.host.ping"), STR("x"), STR(""),
                               g.now_ns)); /* nobody listens */
    rig_pass(&g, 100 * S);
    assert_int_equal(rig_events(&g, "host_heartbeat"), 0);
    world_host_start(h, g.now_ns);
    assert_int_equal(rig_events(&g, "host_started"), 1);
    assert_string_not_equal(name, vhost_name(h));
    g.from = g.said.n;
    world_host_crash(h, g.now_ns);
    assert_int_equal(g.said.n, g.from);
    rig_close(&g);
}

static void test_stop_request(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    (void)state;
    expect_reply(rig_ask(&g, "host.stop", h, "{\"host_id\":\"NOTHER\"}"), false,
                 "invalid host_id [NOTHER]");
    expect_reply(rig_ask(&g, "host.stop", h, ""), true, "successfully handled stop host");
    assert_int_equal(rig_events(&g, "host_stopped"), 1);
    assert_int_equal(vhost_state(h), VHOST_OFF);
    rig_close(&g);
}

static void test_heartbeats(void **state) {
    struct rig g;
    struct sim_config c = sim_config_instant();
    (void)state;
    c.jitter = 0.1;
    open_many(&g, 50, &c);
    g.from = g.said.n;
    rig_pass(&g, 26 * S);
    assert_int_equal(rig_events(&g, "host_heartbeat"), 0);
    rig_pass(&g, 30 * 100 * S - 26 * S + 4 * S);
    assert_int_equal(rig_events(&g, "host_heartbeat"), 50 * 100); /* off, but without drift */
    rig_close(&g);
}

static void test_frozen(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    (void)state;
    world_host_freeze(h, g.now_ns);
    g.from = g.said.n;
    const char *inbox = rig_send(&g, "component.scale", h, SCALE("a", 1));
    rig_pass(&g, 100 * S);
    assert_int_equal(g.said.n, g.from);
    world_host_unfreeze(h, g.now_ns);
    rig_pass(&g, 0);
    assert_non_null(rig_nth(&g, inbox, 0)); /* late, and done */
    assert_int_equal(world_n_running(h), 1);
    assert_int_equal(rig_events(&g, "host_heartbeat"), 1); /* no burst */
    rig_pass(&g, 30 * S);
    assert_int_equal(rig_events(&g, "host_heartbeat"), 2);
    rig_close(&g);
}

static void test_subjects(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    static const struct {
        const char *subject;
        bool heard;
    } cases[] = {
        {"wasmbus.ctl.v1.default.host.ping", true},
        {"wasmbus.ctl.v1.default.host.get.NUNKNOWN", false},
        {"wasmbus.ctl.v1.default.host.get", false},
        {"wasmbus.ctl.v1.default.link.foo", true},
        {"wasmbus.ctl.v1.default.link.put.x", false},
        {"wasmbus.ctl.v1.default.claims.foo", false},
        {"wasmbus.ctl.v1.default.config.get.a.b", true},
        {"wasmbus.ctl.v1.default.config", false},
        {"wasmbus.ctl.v1.default", false},
        {"wasmbus.ctl.v1.other.host.ping", false},
        {"wasmbus.ctl.v2.default.host.ping", false},
        {"wasmbus.evt.default.host_started", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (world_request(g.w, str_c(cases[i].subject), STR("in"), STR(""), g.now_ns) !=
            cases[i].heard) {
            fail_msg("%s", cases[i].subject);
        }
    }
    expect_reply(rig_ask(&g, "link.foo", NULL, ""), false, "unsupported subject");
    expect_reply(rig_ask(&g, "config.get.a.b", NULL, ""), false, "unsupported subject");
    expect_reply(rig_ask(&g, "host.ping", h, ""), false, "unsupported subject");
    expect_reply(rig_ask(&g, "component.auction", h, ""), false, "unsupported subject");
    rig_close(&g);
}

static void test_scatter_and_labels(void **state) {
    struct rig g;
    struct sim_config c = sim_config_instant();
    (void)state;
    open_many(&g, 7, &c);
    g.from = g.said.n;
    const char *inbox = rig_send(&g, "host.ping", NULL, "");
    assert_int_equal(rig_count(&g, inbox), 7);
    inbox = rig_send(&g, "provider.auction", NULL,
                     "{\"provider_id\":\"p\",\"constraints\":{\"zone\":\"a\"}}");
    assert_int_equal(rig_count(&g, inbox), 3);
    world_host_label(world_host(g.w, 1), STR("zone"), STR("a"), g.now_ns);
    assert_int_equal(rig_events(&g, "labels_changed"), 1);
    inbox = rig_send(&g, "provider.auction", NULL,
                     "{\"provider_id\":\"p\",\"constraints\":{\"zone\":\"a\"}}");
    assert_int_equal(rig_count(&g, inbox), 4);
    rig_close(&g);
}

static void test_events_lost_doubled_late(void **state) {
    struct rig g;
    struct sim_config c = sim_config_instant();
    (void)state;
    open_many(&g, 1, &c);
    struct vhost *h = world_host(g.w, 0);
    struct sim_faults f = *world_faults(g.w);
    f.event_lost = 1;
    world_set_faults(g.w, &f);
    expect_reply(rig_ask(&g, "config.put.c", NULL, "{}"), true, "successfully put config");
    assert_int_equal(rig_events(&g, "config_set"), 0);
    f.event_lost = 0;
    f.event_dup = 1;
    world_set_faults(g.w, &f);
    rig_ask(&g, "config.put.c", NULL, "{}");
    assert_int_equal(rig_events(&g, "config_set"), 2);
    f.event_dup = 0;
    f.event_reordered = 1;
    world_host_faults(h, &f); /* of one host */
    rig_ask(&g, "config.put.c", NULL, "{}");
    assert_int_equal(rig_events(&g, "config_set"), 0);
    world_host_crash(h, g.now_ns); /* what is under way still comes */
    rig_pass(&g, S);
    assert_int_equal(rig_events(&g, "config_set"), 1);
    rig_close(&g);
}

static void test_refusals_and_silence(void **state) {
    struct rig g;
    struct vhost *h = rig_instant(&g);
    struct sim_faults f = *world_faults(g.w);
    (void)state;
    f.nack = 1;
    world_set_faults(g.w, &f);
    const struct node *r = rig_ask(&g, "component.scale", h, SCALE("a", 1));
    assert_false(node_bool_or(r, "success", true));
    assert_int_equal(world_n_running(h), 0);
    assert_non_null(rig_ask(&g, "host.get", h, ""));
    f.nack = 0;
    f.no_reply = 1;
    world_set_faults(g.w, &f);
    assert_null(rig_ask(&g, "component.scale", h, SCALE("a", 1)));
    assert_int_equal(world_n_running(h), 1); /* done all the same */
    f.no_reply = 0;
    f.request_lost = 1;
    world_set_faults(g.w, &f);
    assert_null(rig_ask(&g, "component.scale", h, SCALE("b", 1)));
    assert_int_equal(world_n_running(h), 1);
    f.request_lost = 0;
    f.die_after_ack = 1;
    world_set_faults(g.w, &f);
    expect_reply(rig_ask(&g, "component.scale", h, SCALE("b", 1)), true, "");
    assert_int_equal(vhost_state(h), VHOST_OFF);
    assert_int_equal(rig_events(&g, "component_scaled"), 0);
    rig_close(&g);
}

static void test_truth(void **state) {
    struct rig g;
    struct sim_config c = sim_config_instant();
    (void)state;
    open_many(&g, 3, &c);
    for (uint32_t i = 0; i < 3; i++) {
        rig_ask(&g, "component.scale", world_host(g.w, i), SCALE("a", 2));
    }
    rig_ask(&g, "component.scale", world_host(g.w, 0), SCALE("a", 0));
    const struct truth_id *t = truth_find(&world_lattice(g.w, 0)->truth.components, STR("a"));
    assert_int_equal(t->count, 4);
    assert_int_equal(t->max_count, 6);
    world_host_crash(world_host(g.w, 1), g.now_ns);
    world_host_crash(world_host(g.w, 2), g.now_ns);
    assert_int_equal(t->gaps, 1);
    rig_pass(&g, 3 * S);
    rig_ask(&g, "component.scale", world_host(g.w, 0), SCALE("a", 1));
    assert_int_equal(truth_zero_ns(t, g.now_ns), 3 * S);
    assert_int_equal(world_lattice(g.w, 0)->count.ops[SIM_OP_SCALE], 5);
    rig_close(&g);
}

static char *transcript(uint64_t seed) {
    struct rig g;
    struct sim_config c = sim_config_default();
    struct buf b = BUF_INIT;
    c.seed = seed;
    c.jitter = 0.2;
    c.faults.event_lost = 0.1;
    c.faults.event_reordered = 0.2;
    c.faults.start_fail = 0.2;
    open_many(&g, 5, &c);
    for (uint32_t i = 0; i < 40; i++) {
        rig_send(&g, "component.scale", world_host(g.w, i % 5), SCALE("a", 2));
        rig_pass(&g, S);
        rig_send(&g, "component.scale", world_host(g.w, i % 5), SCALE("a", 0));
    }
    for (uint32_t i = 0; i < g.said.n; i++) {
        buf_addf(&b, "%s %s\n", g.said.at[i].subject, g.said.at[i].body);
    }
    rig_close(&g);
    return buf_take(&b);
}

static void test_a_seed_decides_everything(void **state) {
    char *a = transcript(5), *b = transcript(5), *c = transcript(6);
    (void)state;
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    mem_free(a);
    mem_free(b);
    mem_free(c);
}

static void test_lattices_and_errors(void **state) {
    static const char *const two[] = {"one", "two"}, *const dot[] = {"a.b"},
                             *const twice[] = {"one", "one"}, *const bad[] = {"zone"};
    struct sim_config c = sim_config_instant();
    struct rig g = {.now_ns = 0};
    struct world_out out = rig_out(&g);
    struct world *w;
    struct err err = ERR_INIT;
    (void)state;
    c.lattices = dot;
    c.n_lattices = 1;
    assert_int_equal(world_create(&c, &out, 0, 0, &w, &err), TRL_E_INVALID);
    c.lattices = twice;
    c.n_lattices = 2;
    assert_int_equal(world_create(&c, &out, 0, 0, &w, &err), TRL_E_INVALID);
    c.lattices = two;
    c.labels = bad;
    c.n_labels = 1;
    assert_int_equal(world_create(&c, &out, 0, 0, &w, &err), TRL_E_INVALID);
    c.n_labels = 0;
    assert_int_equal(world_create(&c, &out, 0, 0, &w, &err), 0);
    world_start(w, 0);
    assert_int_equal(world_n_hosts(w), 2);
    assert_ptr_equal(vhost_lattice(world_host(w, 1)), world_find_lattice(w, STR("two")));
    assert_null(world_find(w, STR("NOPE")));
    world_shutdown(w, 0);
    world_destroy(w);
    for (uint32_t i = 0; i < g.said.n; i++) {
        mem_free(g.said.at[i].subject);
        mem_free(g.said.at[i].body);
    }
    VEC_FREE(&g.said);
    arena_finish(&g.a);
}

static void test_shutdown_while_starting(void **state) {
    struct rig g;
    struct sim_config c = sim_config_instant();
    (void)state;
    c.start_spread_ns = 10 * S;
    open_many(&g, 20, &c);
    rig_pass(&g, 5 * S);
    world_shutdown(g.w, g.now_ns);
    g.from = g.said.n;
    rig_pass(&g, 100 * S);
    assert_int_equal(g.said.n, g.from);
    rig_close(&g);
}

/* Damaged and well-formed requests in any order, with everything going wrong: what is counted must
 * be what runs. */
static void storm_request(struct rig *g, struct rng *r) {
    static const char *const what[] = {
        "component.scale", "component.update", "provider.start", "provider.stop",    "host.get",
        "host.stop",       "label.put",        "link.put",       "link.del",         "config.put.c",
        "config.del.c",    "host.ping",        "link.get",       "component.auction"};
    static const char *const bodies[] = {
        SCALE("a", 1),
        SCALE("a", 0),
        SCALE("b", 3),
        "{\"component_id\":\"a\",\"component_ref\":\"r/x:2\",\"count\":2,\"allow_update\":true,"
        "\"config\":[\"c\"]}",
        "{\"component_id\":\"a\",\"new_component_ref\":\"r/x:3\"}",
        "{\"provider_id\":\"p\",\"provider_ref\":\"r/p:1\",\"config\":[\"c\"]}",
        "{\"provider_id\":\"p\"}",
        "{\"key\":\"k\",\"value\":\"v\"}",
        "{\"source_id\":\"a\",\"target\":\"t\",\"wit_namespace\":\"w\",\"wit_package\":\"p\","
        "\"interfaces\":[\"i\"],\"target_config\":[\"c\"]}",
        "{\"component_ref\":\"r\",\"component_id\":\"a\",\"constraints\":{}}",
        "{}"};
    const char *w = what[rng_below(r, ARRAY_LEN(what))];
    char body[400];
    snprintf(body, sizeof(body), "%s", bodies[rng_below(r, ARRAY_LEN(bodies))]);
    if (rng_chance(r, 0.2)) {
        body[rng_below(r, strlen(body))] = (char)(1 + rng_below(r, 255));
    }
    bool alone = strncmp(w, "link", 4) == 0 || strncmp(w, "config", 6) == 0 ||
                 strcmp(w, "host.ping") == 0 || strcmp(w, "component.auction") == 0;
    rig_send(g, w, alone ? NULL : world_host(g->w, (uint32_t)rng_below(r, 4)), body);
}

static void storm_life(struct rig *g, struct rng *r) {
    static void (*const all[])(struct vhost * h, int64_t now_ns) = {
        world_host_start,  world_host_stop,     world_host_crash,
        world_host_freeze, world_host_unfreeze, world_host_restart};
    all[rng_below(r, ARRAY_LEN(all))](world_host(g->w, (uint32_t)rng_below(r, 4)), g->now_ns);
}

static void check_truth(struct rig *g) {
    const struct truth *t = &world_lattice(g->w, 0)->truth;
    int64_t components = 0, providers = 0;
    for (uint32_t i = 0; i < t->components.n; i++) {
        components += ((const struct truth_id *)t->components.at[i].value)->count;
    }
    for (uint32_t i = 0; i < t->providers.n; i++) {
        providers += ((const struct truth_id *)t->providers.at[i].value)->count;
    }
    for (uint32_t i = 0; i < world_n_hosts(g->w); i++) {
        struct sim_running x;
        for (uint32_t k = 0; world_running_at(world_host(g->w, i), k, &x); k++) {
            *(x.provider ? &providers : &components) -= x.count;
        }
    }
    assert_int_equal(components, 0);
    assert_int_equal(providers, 0);
}

static void test_storm(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct rig g;
        struct rng r;
        struct sim_config c = sim_config_default();
        rng_seed(&r, seed);
        c.seed = seed;
        c.table_lock = seed % 2;
        c.faults.fetch = (struct sim_delay){0, S};
        c.faults.event_lost = c.faults.event_dup = c.faults.event_reordered = 0.1;
        c.faults.nack = c.faults.no_reply = c.faults.request_lost = 0.05;
        c.faults.start_fail = 0.1;
        c.faults.die_after_ack = 0.01;
        open_many(&g, 4, &c);
        for (int i = 0; i < 1000; i++) {
            storm_request(&g, &r);
            if (rng_chance(&r, 0.05)) {
                storm_life(&g, &r);
            }
            if (rng_chance(&r, 0.5)) {
                rig_pass(&g, (int64_t)rng_below(&r, S));
            }
            check_truth(&g);
        }
        rig_close(&g);
    }
}

static void count_only(void *arg, str subject, str body) {
    (void)subject;
    (void)body;
    ++*(uint64_t *)arg;
}

static void test_ten_thousand_hosts(void **state) {
    struct sim_config c = sim_config_instant();
    uint64_t n = 0;
    struct world_out out = {.publish = count_only, .arg = &n};
    struct world *w;
    (void)state;
    c.hosts = 10000;
    c.start_spread_ns = 30 * S;
    assert_int_equal(world_create(&c, &out, 0, 0, &w, NULL), 0);
    world_start(w, 0);
    for (int64_t t = 0; t <= 90; t++) {
        world_advance(w, t * S);
    }
    assert_int_equal(world_lattice(w, 0)->up.n, 10000);
    assert_true(n >= 10000 + 2 * 10000);
    world_request(w, STR("wasmbus.ctl.v1.default.host.ping"), STR("in"), STR(""), 90 * S);
    assert_true(n >= 40000);
    world_destroy(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_stop_request),
        cmocka_unit_test(test_heartbeats),
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_scatter_and_labels),
        cmocka_unit_test(test_events_lost_doubled_late),
        cmocka_unit_test(test_refusals_and_silence),
        cmocka_unit_test(test_truth),
        cmocka_unit_test(test_a_seed_decides_everything),
        cmocka_unit_test(test_lattices_and_errors),
        cmocka_unit_test(test_shutdown_while_starting),
        cmocka_unit_test(test_storm),
        cmocka_unit_test(test_ten_thousand_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
