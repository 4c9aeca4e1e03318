/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include "lattice/observed.h"

struct touches {
    uint32_t units, hosts, links, configs;
};

static void count(void *arg, enum obs_what what, uint32_t id, str key) {
    struct touches *t = arg;
    (void)id;
    (void)key;
    t->units += what == OBS_UNIT;
    t->hosts += what == OBS_HOSTS;
    t->links += what == OBS_LINK;
    t->configs += what == OBS_CONFIG;
}

static const trl_label marks[] = {{STR("wasmcloud.dev/appspec"), STR("shop")},
                                  {STR("wasmcloud.dev/managed-by"), STR("wadm")},
                                  {STR("wasmcloud.dev/scaler"), STR("aa")},
                                  {STR("wasmcloud.dev/spread_name"), STR("default")}};
static const trl_label zone_a[] = {{STR("zone"), STR("a")}};

static trl_running component(const char *id, uint32_t n) {
    return (trl_running){.struct_size = sizeof(trl_running),
                         .kind = TRL_RUN_COMPONENT,
                         .unit_id = str_c(id),
                         .image = STR("reg/web:1"),
                         .count = n,
                         .annotations = marks,
                         .n_annotations = 4};
}

static uint32_t report(struct observed *o, const char *host, uint32_t flags, const trl_running *e,
                       uint32_t n, int64_t at_ns) {
    trl_report r = {.struct_size = sizeof(r),
                    .flags = flags,
                    .host_id = str_c(host),
                    .host_name = STR("calm-sea"),
                    .version = STR("1.9.2"),
                    .seen_ns = at_ns,
                    .labels = zone_a,
                    .n_labels = 1,
                    .entries = e,
                    .entry_stride = sizeof(*e),
                    .n_entries = n};
    return observed_report(o, &r);
}

#define FULL (TRL_REPORT_FULL | TRL_REPORT_LABELS | TRL_REPORT_BEAT)

static void idle_heartbeat_touches_nothing(void **state) {
    (void)state;
    struct observed o;
    struct touches t = {0};
    trl_running e[2] = {component("web", 2), component("api", 1)};
    observed_init(&o, count, &t);
    uint32_t slot = report(&o, "N1", FULL, e, 2, 1000);
    assert_int_equal(t.units, 2);
    assert_int_equal(t.hosts, 1);
    t = (struct touches){0};
    for (int i = 0; i < 100; i++) {
        report(&o, "N1", FULL, e, 2, 2000 + i);
    }
    assert_int_equal(t.units + t.hosts, 0);
    assert_int_equal(o.hosts.at[slot].total, 3);
    assert_int_equal(o.hosts.at[slot].seen_ns, 2099);
    observed_finish(&o);
}

static void full_report_is_the_whole_truth(void **state) {
    (void)state;
    struct observed o;
    struct touches t = {0};
    trl_running e[2] = {component("web", 2), component("api", 1)};
    observed_init(&o, count, &t);
    uint32_t slot = report(&o, "N1", FULL, e, 2, 1);
    report(&o, "N1", FULL, e, 1, 2);
    assert_non_null(observed_entry(&o, slot, intern_find(&o.names, STR("web"))));
    assert_null(observed_entry(&o, slot, intern_find(&o.names, STR("api"))));
    trl_running gone = component("web", 0);
    report(&o, "N1", 0, &gone, 1, 3);
    assert_null(observed_entry(&o, slot, intern_find(&o.names, STR("web"))));
    assert_int_equal(o.hosts.at[slot].total, 0);
    observed_finish(&o);
}

static void a_host_that_starts_anew_is_empty(void **state) {
    (void)state;
    struct observed o;
    trl_running e = component("web", 2);
    observed_init(&o, NULL, NULL);
    uint32_t slot = report(&o, "N1", FULL, &e, 1, 1);
    report(&o, "N1", TRL_REPORT_STARTED | TRL_REPORT_LABELS, NULL, 0, 2);
    assert_null(observed_entry(&o, slot, intern_find(&o.names, STR("web"))));
    assert_int_equal(o.units.at[intern_find(&o.names, STR("web"))].slots.n, 0);
    observed_finish(&o);
}

static void hosts_are_kept_in_order_of_id(void **state) {
    (void)state;
    struct observed o;
    observed_init(&o, NULL, NULL);
    report(&o, "N3", FULL, NULL, 0, 1);
    report(&o, "N1", FULL, NULL, 0, 1);
    uint32_t two = report(&o, "N2", FULL, NULL, 0, 1);
    assert_true(str_is(o.hosts.at[o.order.at[0]].id, "N1"));
    assert_true(str_is(o.hosts.at[o.order.at[2]].id, "N3"));
    observed_host_gone(&o, two);
    assert_int_equal(observed_n_hosts(&o), 2);
    assert_int_equal(o.hosts.at[o.order.at[1]].position, 1);
    assert_int_equal(report(&o, "N0", FULL, NULL, 0, 1), two); /* the slot is used again */
    observed_finish(&o);
}

static void the_interval_is_measured_and_a_missed_beat_does_not_stretch_it(void **state) {
    (void)state;
    struct observed o;
    int64_t s = 1000000000;
    observed_init(&o, NULL, NULL);
    uint32_t slot = report(&o, "N1", FULL, NULL, 0, 0 + s);
    report(&o, "N1", FULL, NULL, 0, 31 * s);
    assert_int_equal(o.hosts.at[slot].interval_ns, 30 * s);
    report(&o, "N1", FULL, NULL, 0, 91 * s);
    assert_int_equal(o.hosts.at[slot].interval_ns, 30 * s);
    observed_finish(&o);
}

static trl_link link_to(const char *target, const str *interfaces, uint32_t n) {
    return (trl_link){.struct_size = sizeof(trl_link),
                      .source = STR("web"),
                      .target = str_c(target),
                      .name = STR("default"),
                      .ns = STR("wasi"),
                      .package = STR("keyvalue"),
                      .interfaces = interfaces,
                      .n_interfaces = n};
}

static void links_are_compared_by_identity_and_content(void **state) {
    (void)state;
    struct observed o;
    struct touches t = {0};
    const str both[] = {STR("store"), STR("atomics")}, turned[] = {STR("atomics"), STR("store")};
    struct arena a = ARENA_INIT;
    observed_init(&o, count, &t);
    trl_link l = link_to("kv", both, 2);
    observed_links(&o, &l, 1, sizeof(l), true);
    assert_true(o.links_known);
    t = (struct touches){0};
    l = link_to("kv", turned, 2); /* interfaces are a set */
    observed_links(&o, &l, 1, sizeof(l), true);
    assert_int_equal(t.links, 0);
    l = link_to("kv", both, 1);
    observed_links(&o, &l, 1, sizeof(l), false);
    assert_int_equal(t.links, 1);
    str key = link_key(&a, STR("web"), STR("kv"), STR("default"), STR("wasi"), STR("keyvalue"));
    assert_non_null(observed_link(&o, key));
    l.target = STR("");
    observed_link_gone(&o, &l);
    assert_null(observed_link(&o, key));
    arena_finish(&a);
    observed_finish(&o);
}

static uint32_t alike(const struct observed *o, str key, char *ret_targets) {
    uint32_t n = 0;
    *ret_targets = '\0';
    for (const struct seen_link *l = observed_links_alike(o, key); l; l = l->alike) {
        strncat(ret_targets, l->target.ptr, l->target.len);
        n++;
    }
    return n;
}

/* The host's delete names no target: what it may mean is found by the rest of the key. */
static void links_that_a_delete_may_mean_are_listed(void **state) {
    static const char *const targets[] = {"a", "b", "c"};
    struct touches t = {0};
    struct observed o;
    struct arena a = ARENA_INIT;
    const str store[] = {STR("store")}, other[] = {STR("atomics")};
    char seen[8];
    (void)state;
    observed_init(&o, count, &t);
    str key = link_delete_key(&a, STR("web"), STR("default"), STR("wasi"), STR("keyvalue"));
    for (int i = 0; i < 3; i++) {
        trl_link l = link_to(targets[i], store, 1);
        observed_links(&o, &l, 1, sizeof(l), false);
    }
    assert_int_equal(alike(&o, key, seen), 3);
    trl_link l = link_to("b", other, 1); /* other content: listed once, as the last that came */
    observed_links(&o, &l, 1, sizeof(l), false);
    assert_int_equal(alike(&o, key, seen), 3);
    assert_string_equal(seen, "bca");
    l = link_to("c", store, 1); /* out of the middle */
    observed_link_gone(&o, &l);
    assert_int_equal(alike(&o, key, seen), 2);
    assert_string_equal(seen, "ba");
    l = link_to("nobody", store, 1);
    observed_link_gone(&o, &l);
    assert_int_equal(alike(&o, key, seen), 2);
    l = link_to("", NULL, 0); /* whichever is first */
    observed_link_gone(&o, &l);
    assert_int_equal(alike(&o, key, seen), 1);
    observed_links(&o, NULL, 0, sizeof(l), true); /* none is left */
    assert_int_equal(alike(&o, key, seen), 0);
    assert_int_equal(o.alike.n, 0);
    arena_finish(&a);
    observed_finish(&o);
}

static void a_config_is_unknown_present_or_absent(void **state) {
    (void)state;
    struct observed o;
    struct touches t = {0};
    observed_init(&o, count, &t);
    assert_false(observed_get_config(&o, STR("cfg")).known);
    observed_config(&o, STR("cfg"), true, 5);
    observed_config(&o, STR("cfg"), true, 5);
    assert_int_equal(t.configs, 1);
    observed_config(&o, STR("cfg"), false, 0);
    assert_int_equal(t.configs, 2);
    assert_true(observed_get_config(&o, STR("cfg")).known);
    assert_false(observed_get_config(&o, STR("cfg")).present);
    observed_forget_configs(&o);
    assert_false(observed_get_config(&o, STR("cfg")).known);
    observed_finish(&o);
}

static void health_alone_changes_no_entry(void **state) {
    (void)state;
    struct observed o;
    trl_running e = component("kv", 1);
    e.kind = TRL_RUN_PROVIDER;
    observed_init(&o, NULL, NULL);
    uint32_t slot = report(&o, "N1", FULL, &e, 1, 1);
    trl_running sick = {.struct_size = sizeof(sick),
                        .kind = TRL_RUN_PROVIDER,
                        .unit_id = STR("kv"),
                        .health = TRL_HEALTH_FAILING,
                        .flags = TRL_RUNNING_HEALTH_ONLY};
    report(&o, "N1", 0, &sick, 1, 2);
    const struct seen_entry *x = observed_entry(&o, slot, intern_find(&o.names, STR("kv")));
    assert_int_equal(x->health, TRL_HEALTH_FAILING);
    assert_int_equal(x->count, 1);
    report(&o, "N1", FULL, &e, 1, 3); /* an inventory says nothing about health */
    x = observed_entry(&o, slot, intern_find(&o.names, STR("kv")));
    assert_int_equal(x->health, TRL_HEALTH_FAILING);
    observed_finish(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_heartbeat_touches_nothing),
        cmocka_unit_test(full_report_is_the_whole_truth),
        cmocka_unit_test(a_host_that_starts_anew_is_empty),
        cmocka_unit_test(hosts_are_kept_in_order_of_id),
        cmocka_unit_test(the_interval_is_measured_and_a_missed_beat_does_not_stretch_it),
        cmocka_unit_test(links_are_compared_by_identity_and_content),
        cmocka_unit_test(links_that_a_delete_may_mean_are_listed),
        cmocka_unit_test(a_config_is_unknown_present_or_absent),
        cmocka_unit_test(health_alone_changes_no_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
