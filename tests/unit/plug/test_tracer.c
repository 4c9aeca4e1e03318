/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include <string.h>

#include "base/mem.h"
#include "plug/tracer.h"

#define SECOND 1000000000ll

struct seen {
    uint32_t n;
    trl_span last;
    char name[64], text[200], unit[500];
};

static void copy(char *to, size_t cap, str s) {
    assert_true(s.len < cap);
    memcpy(to, s.len ? s.ptr : "", s.len);
    to[s.len] = '\0';
}

static void see(void *arg, const trl_span *s) {
    struct seen *x = arg;
    x->n++;
    x->last = *s;
    copy(x->name, sizeof(x->name), s->name);
    copy(x->text, sizeof(x->text), s->text);
    copy(x->unit, sizeof(x->unit), span_attribute(s, "unit"));
}

static void end(struct tracer *t, struct span *s, const char *name, str unit, str text) {
    trl_label a[] = {{STR("app"), STR("shop")}, {STR("unit"), unit}};
    span_end(t, s,
             &(struct span_end){.kind = TRL_SPAN_CLIENT,
                                .outcome = text.len ? TRL_SPAN_ERROR : TRL_SPAN_OK,
                                .name = str_c(name),
                                .text = text,
                                .attributes = a,
                                .n_attributes = 2});
}

static void spans_are_kept_with_their_times(void **state) {
    (void)state;
    struct loop *l = loop_create_virtual(5 * SECOND, 1700000000000, 1);
    struct tracer *t = tracer_create(l, 4);
    struct span root, child;
    struct seen x = {0};
    span_begin(t, NULL, &root);
    loop_advance(l, SECOND);
    span_begin(t, &root.ctx, &child);
    uint64_t of_root = root.ctx.span;
    loop_advance(l, SECOND / 2);
    end(t, &child, "scale", STR("shop-web"), STR("no memory"));
    assert_false(span_open(&child));
    assert_int_equal(tracer_next(t, 0, 10, see, &x), 1);
    assert_int_equal(x.n, 1);
    assert_string_equal(x.name, "scale");
    assert_string_equal(x.text, "no memory");
    assert_string_equal(x.unit, "shop-web");
    assert_int_equal(x.last.outcome, TRL_SPAN_ERROR);
    assert_true(x.last.start_wall_ns == 1700000001 * SECOND);
    assert_true(x.last.end_wall_ns == 1700000001 * SECOND + SECOND / 2);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(x.last.parent_id[i], (uint8_t)(of_root >> (56 - 8 * i)));
    }
    end(t, &root, "app.deploy", STR(""), STR_NONE);
    assert_int_equal(tracer_next(t, 1, 10, see, &x), 2);
    assert_null(span_attribute(&x.last, "host").ptr);
    assert_true(x.last.start_wall_ns == 1700000000 * SECOND);
    end(t, &root, "app.deploy", STR(""), STR_NONE); /* ended: nothing more */
    assert_int_equal(tracer_last(t), 2);
    tracer_destroy(t);
    loop_destroy(l);
}

static void count(void *arg) {
    ++*(uint32_t *)arg;
}

static void the_ring_is_bounded_and_texts_are_cut(void **state) {
    (void)state;
    struct loop *l = loop_create_virtual(0, 1700000000000, 1);
    struct tracer *t = tracer_create(l, 4);
    struct span s;
    struct seen x = {0};
    uint32_t told = 0;
    char longest[1200];
    tracer_watch(t, count, &told);
    for (int i = 0; i < 10; i++) {
        span_begin(t, NULL, &s);
        end(t, &s, "plan", STR("u"), STR_NONE);
    }
    assert_int_equal(told, 10);
    assert_int_equal(tracer_first(t), 7);
    assert_int_equal(tracer_next(t, 2, 100, see, &x), 10);
    assert_int_equal(x.n, 4);
    for (size_t i = 0; i < sizeof(longest); i += 2) { /* two bytes a character */
        memcpy(longest + i, "\xc3\xa4", 2);
    }
    span_begin(t, NULL, &s);
    end(t, &s, "n", str_n(longest, sizeof(longest)), str_n(longest, sizeof(longest)));
    tracer_next(t, 10, 100, see, &x);
    assert_true(strlen(x.text) > 100 && strlen(x.text) % 2 == 0);
    assert_true(strlen(x.unit) > 100 && strlen(x.unit) % 2 == 0);
    tracer_destroy(t);
    loop_destroy(l);
}

static void what_is_not_sampled_goes_on_but_is_not_kept(void **state) {
    (void)state;
    struct loop *l = loop_create_virtual(0, 1700000000000, 1);
    struct tracer *t = tracer_create(l, 4);
    struct trace_ctx from;
    struct span s;
    assert_true(trace_parse(STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"), &from));
    span_begin(t, &from, &s);
    assert_true(span_open(&s) && s.ctx.hi == from.hi && s.ctx.flags == 0);
    end(t, &s, "x", STR(""), STR_NONE);
    assert_int_equal(tracer_last(t), 0);
    span_begin(NULL, &from, &s);
    assert_false(span_open(&s));
    end(NULL, &s, "x", STR(""), STR_NONE);
    tracer_destroy(t);
    tracer_destroy(NULL);
    loop_destroy(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_kept_with_their_times),
        cmocka_unit_test(the_ring_is_bounded_and_texts_are_cut),
        cmocka_unit_test(what_is_not_sampled_goes_on_but_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
