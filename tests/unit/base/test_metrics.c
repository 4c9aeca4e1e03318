/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/metrics.h"

/* Every series as one line of text. */
static void add_line(void *arg, const trl_metric *x) {
    struct buf *out = arg;
    buf_addf(out, "%.*s{", PSTR(x->name));
    for (uint32_t i = 0; i < x->n_labels; i++) {
        buf_addf(out, "%.*s=%.*s;", PSTR(x->labels[i].key), PSTR(x->labels[i].value));
    }
    buf_addf(out, "} %g", x->value);
    for (uint32_t i = 0; i < x->n_buckets; i++) {
        buf_addf(out, " <=%g:%llu", x->bounds[i], (unsigned long long)x->counts[i]);
    }
    if (x->type == TRL_METRIC_HISTOGRAM) {
        buf_addf(out, " n=%llu", (unsigned long long)x->count);
    }
    buf_add_c(out, '\n');
}

static void three_types(void **state) {
    static const double bounds[] = {0.5, 1, 2};
    struct metrics *m = metrics_create();
    struct metric_family *c =
        metrics_declare(m, TRL_METRIC_COUNTER, "done", "", "verb,ok", NULL, 0);
    struct metric_family *g = metrics_declare(m, TRL_METRIC_GAUGE, "depth", "", "", NULL, 0);
    struct metric_family *h = metrics_declare(m, TRL_METRIC_HISTOGRAM, "took", "", "", bounds, 3);
    str scale_yes[] = {STR("scale"), STR("yes")}, scale_no[] = {STR("scale"), STR("no")};
    struct buf out = BUF_INIT;
    (void)state;
    metric_add(c, scale_yes, 1);
    metric_add(c, scale_no, 1);
    metric_add(c, scale_yes, 2);
    metric_set(g, NULL, 7);
    metric_set(g, NULL, 5);
    metric_observe(h, NULL, 0.5);
    metric_observe(h, NULL, 1.5);
    metric_observe(h, NULL, 9);
    metrics_each(m, add_line, &out);
    assert_string_equal(out.ptr, "done{verb=scale;ok=yes;} 3\n"
                                 "done{verb=scale;ok=no;} 1\n"
                                 "depth{} 5\n"
                                 "took{} 11 <=0.5:1 <=1:1 <=2:2 n=3\n");
    buf_clear(&out);
    metric_clear(c);
    metric_clear(g);
    metric_clear(h);
    metrics_each(m, add_line, &out);
    assert_int_equal(out.len, 0);
    buf_finish(&out);
    metrics_destroy(m);
}

static void count_line(void *arg, const trl_metric *x) {
    (void)x;
    ++*(uint32_t *)arg;
}

/* Labels that somebody else chooses the values of do not eat the memory. */
static void bounded(void **state) {
    struct metrics *m = metrics_create();
    struct metric_family *c = metrics_declare(m, TRL_METRIC_COUNTER, "x", "", "app", NULL, 0);
    uint32_t n = 0;
    (void)state;
    for (uint32_t i = 0; i < METRIC_SERIES_MAX + 10; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%u", i);
        str value = str_c(name);
        metric_add(c, &value, 1);
    }
    metrics_each(m, count_line, &n);
    assert_int_equal(n, METRIC_SERIES_MAX);
    assert_int_equal(metrics_dropped(m), 10);
    metrics_destroy(m);
    metrics_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_types),
        cmocka_unit_test(bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
