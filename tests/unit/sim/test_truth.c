/* SPDX-License-Identifier: Apache-2.0 */
#include "simtest.h"

#include "sim/truth.h"

static void test_counts_and_gaps(void **state) {
    struct truth t = TRUTH_INIT;
    struct map *m = &t.components;
    const struct truth_id *x;
    (void)state;
    assert_null(truth_find(m, STR("a")));
    truth_change(m, STR("a"), 3, 1, 10);
    truth_change(m, STR("a"), 4, 1, 20);
    truth_change(m, STR("a"), -1, 0, 25);
    truth_change(m, STR("a"), -3, -1, 30);
    x = truth_find(m, STR("a"));
    assert_int_equal(x->count, 3);
    assert_int_equal(x->max_count, 7);
    assert_int_equal(x->max_hosts, 2);
    assert_int_equal(x->gaps, 0);
    truth_change(m, STR("a"), -3, -1, 40);
    assert_int_equal(x->gaps, 1);
    assert_int_equal(truth_zero_ns(x, 45), 5);
    truth_change(m, STR("a"), 1, 1, 50);
    assert_int_equal(truth_zero_ns(x, 60), 10);
    assert_int_equal(x->starts, 3);
    assert_int_equal(x->stops, 2);
    truth_reset(&t, 70);
    assert_int_equal(x->count, 1);
    assert_int_equal(x->max_count, 1);
    assert_int_equal(x->gaps, 0);
    truth_change(m, STR("a"), -1, -1, 80);
    assert_int_equal(truth_zero_ns(x, 90), 10);
    truth_finish(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts_and_gaps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
