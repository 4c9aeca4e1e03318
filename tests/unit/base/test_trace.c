/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include <string.h>

#include "base/ring.h"
#include "base/trace.h"

#define GOOD "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static void a_header_is_read_and_written(void **state) {
    (void)state;
    struct trace_ctx t;
    char text[TRACE_LEN + 1], id[TRACE_LEN + 1], span[17];
    assert_true(trace_parse(STR(GOOD), &t));
    assert_true(t.hi == 0x4bf92f3577b34da6ull && t.lo == 0xa3ce929d0e0e4736ull);
    assert_true(t.span == 0x00f067aa0ba902b7ull && t.flags == TRACE_SAMPLED);
    assert_true(str_is(trace_text(&t, text), GOOD));
    assert_true(str_is(trace_id_text(&t, id), "4bf92f3577b34da6a3ce929d0e0e4736"));
    trace_span_text(t.span, span);
    assert_string_equal(span, "00f067aa0ba902b7");
    assert_true(trace_parse(STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"), &t));
    assert_int_equal(t.flags, 0);
    assert_true(trace_parse(STR("00-0123456789abcdef9876543210fedcba-00000000000000af-01"), &t));
    assert_true(
        str_is(trace_text(&t, text), "00-0123456789abcdef9876543210fedcba-00000000000000af-01"));
    memset(&t, 0, sizeof(t));
    assert_int_equal(trace_text(&t, text).len, 0);
    assert_int_equal(trace_id_text(&t, id).len, 0);
    assert_false(trace_known(&t));
    assert_false(trace_known(NULL));
}

/* A later version may say more behind a dash, and other flags; this one is exact. */
static void only_what_the_format_allows_is_taken(void **state) {
    (void)state;
    static const char *const good[] = {
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-what-comes",
        "00-00000000000000000000000000000001-0000000000000001-ff"};
    static const char *const bad[] = {
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x"};
    struct trace_ctx t;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_true(trace_parse(str_c(good[i]), &t));
        assert_int_equal(t.flags, TRACE_SAMPLED);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        t.hi = 7;
        assert_false(trace_parse(str_c(bad[i]), &t));
        assert_false(trace_known(&t));
    }
    char zero[TRACE_LEN] = GOOD;
    zero[10] = '\0';
    assert_false(trace_parse(str_n(zero, TRACE_LEN), &t));
    assert_true(trace_id_parse(STR("4bf92f3577b34da6a3ce929d0e0e4736"), &t));
    assert_false(trace_id_parse(STR("4bf92f3577b34da6a3ce929d0e0e473"), &t));
    assert_false(trace_id_parse(STR("00000000000000000000000000000000"), &t));
}

static void the_header_is_found_whatever_its_case(void **state) {
    (void)state;
    trl_label h[] = {{STR("Content-Type"), STR("x")}, {STR("TraceParent"), STR(" " GOOD " ")}};
    struct trace_ctx t;
    assert_true(trace_of_headers(h, 2, &t));
    assert_false(trace_of_headers(h, 1, &t));
    assert_false(trace_known(&t));
    h[1].value = STR("nonsense");
    assert_false(trace_of_headers(h, 2, &t));
}

static void a_child_stays_in_the_trace(void **state) {
    (void)state;
    struct rng rng;
    struct trace_ctx root, child, parent;
    rng_seed(&rng, 1);
    trace_child(&rng, NULL, &root);
    assert_true(trace_known(&root) && root.span && root.flags == TRACE_SAMPLED);
    trace_child(&rng, &root, &child);
    assert_true(child.hi == root.hi && child.lo == root.lo && child.span != root.span);
    trace_parse(STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"), &parent);
    trace_child(&rng, &parent, &child);
    assert_int_equal(child.flags, 0); /* not sampled there: not here either */
}

static void a_ring_keeps_the_newest(void **state) {
    (void)state;
    struct ring r;
    ring_init(&r, 3, sizeof(uint64_t));
    assert_int_equal(ring_first(&r), 0);
    assert_null(ring_at(&r, 0));
    assert_null(ring_at(&r, 1));
    for (uint64_t i = 1; i <= 7; i++) {
        *(uint64_t *)ring_add(&r) = i;
        assert_int_equal(r.last, i);
        assert_int_equal(ring_first(&r), i > 3 ? i - 2 : 1);
        assert_int_equal(*(uint64_t *)ring_at(&r, i), i);
        assert_int_equal(*(uint64_t *)ring_at(&r, ring_first(&r)), ring_first(&r));
    }
    assert_null(ring_at(&r, 4));
    assert_null(ring_at(&r, 8));
    ring_finish(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_read_and_written),
        cmocka_unit_test(only_what_the_format_allows_is_taken),
        cmocka_unit_test(the_header_is_found_whatever_its_case),
        cmocka_unit_test(a_child_stays_in_the_trace),
        cmocka_unit_test(a_ring_keeps_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
