/* SPDX-License-Identifier: Apache-2.0 */
#include "simtest.h"

#include "sim/config.h"

static void test_durations(void **state) {
    static const struct {
        const char *text;
        int64_t min_ns, max_ns; /* -1: refused */
    } cases[] = {
        {"250ms", 250 * MS, 250 * MS},
        {"1.5s", 1500 * MS, 1500 * MS},
        {"2m", 120 * S, 120 * S},
        {"0", 0, 0},
        {"50ms-2s", 50 * MS, 2 * S},
        {"100us", MS / 10, MS / 10},
        {"", -1, -1},
        {"5", -1, -1},
        {"-5s", -1, -1},
        {"2s-1s", -1, -1},
        {"1s-", -1, -1},
        {"1e300s", -1, -1},
        {"nan", -1, -1},
        {"5 s", -1, -1},
        {"1x", -1, -1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim_delay d = {-1, -1};
        struct err err = ERR_INIT;
        int rc = sim_delay_parse(str_c(cases[i].text), &d, &err);
        assert_int_equal(rc < 0, cases[i].min_ns < 0);
        assert_int_equal(d.min_ns, cases[i].min_ns);
        assert_int_equal(d.max_ns, cases[i].max_ns);
    }
}

static void test_rates(void **state) {
    double r = -1;
    (void)state;
    assert_int_equal(sim_rate_parse(STR("10%"), &r, NULL), 0);
    assert_true(r > 0.0999 && r < 0.1001);
    assert_int_equal(sim_rate_parse(STR("1"), &r, NULL), 0);
    assert_true(sim_rate_parse(STR("1.5"), &r, NULL) < 0);
    assert_true(sim_rate_parse(STR("101%"), &r, NULL) < 0);
    assert_true(sim_rate_parse(STR("-1"), &r, NULL) < 0);
    assert_true(sim_rate_parse(STR("x"), &r, NULL) < 0);
}

static void test_faults_by_name(void **state) {
    struct sim_faults f = sim_config_instant().faults;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(sim_faults_set(&f, STR("lose-events"), STR("0.25"), &err), 0);
    assert_true(f.event_lost > 0.2 && f.event_lost < 0.3);
    assert_int_equal(sim_faults_set(&f, STR("start-delay"), STR("1s-2s"), &err), 0);
    assert_int_equal(f.start_component.max_ns, 2 * S);
    assert_int_equal(sim_faults_set(&f, STR("nope"), STR("1"), &err), TRL_E_NOTFOUND);
}

static void label(const char *pattern, uint32_t index, const char *want) {
    struct buf b = BUF_INIT;
    struct err err = ERR_INIT;
    str key;
    buf_add(&b, "", 0);
    assert_int_equal(sim_label_value(str_c(pattern), index, &key, &b, &err), 0);
    if (strcmp(b.ptr, want) != 0) {
        fail_msg("%s for %u: %s", pattern, index, b.ptr);
    }
    buf_finish(&b);
}

static void test_labels(void **state) {
    struct buf b = BUF_INIT;
    str key;
    (void)state;
    label("zone=a|b|c", 0, "a");
    label("zone=a|b|c", 4, "b");
    label("rack=r{0..9}", 13, "r3");
    label("rack=r{5..6}x|y", 1, "r6x");
    label("rack=r{5..6}x|y", 2, "y");
    label("n=host-{i}", 41, "host-41");
    label("zone=a=b", 3, "a=b");
    label("empty=", 3, "");
    label("odd={0..x}", 3, "{0..x}");
    assert_true(sim_label_value(STR("zone"), 0, &key, &b, NULL) < 0);
    assert_true(sim_label_value(STR("=x"), 0, &key, &b, NULL) < 0);
    buf_finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_faults_by_name),
        cmocka_unit_test(test_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
