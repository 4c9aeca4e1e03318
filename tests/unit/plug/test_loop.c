/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "plug/loop.h"

struct trace {
    struct loop *loop;
    char text[256];
    size_t n;
    struct loop_timer a, b, c;
    uint32_t count;
};

struct note {
    struct trace *t;
    char c;
};

static void say(struct trace *t, char c) {
    if (t->n + 1 < sizeof(t->text)) {
        t->text[t->n++] = c;
    }
}

static void on_a(void *arg) {
    say(arg, 'a');
}

static void on_b(void *arg) {
    say(arg, 'b');
}

static void on_c(void *arg) {
    say(arg, 'c');
}

static struct loop *make(void **state) {
    return *state ? loop_create_virtual(1000, 5000, 1) : loop_create_uv(1);
}

static bool three(void *arg) {
    return ((struct trace *)arg)->n >= 3;
}

static bool five(void *arg) {
    return ((struct trace *)arg)->n >= 5;
}

static void posts_run_in_order_and_later(void **state) {
    struct trace t = {.loop = make(state)};
    loop_post(t.loop, on_a, &t);
    loop_post(t.loop, on_b, &t);
    loop_post(t.loop, on_c, &t);
    assert_int_equal(t.n, 0);
    assert_true(loop_run_until(t.loop, three, &t, 1000000000));
    assert_string_equal(t.text, "abc");
    loop_destroy(t.loop);
}

static void on_post_again(void *arg) {
    struct trace *t = arg;
    say(t, 'p');
    loop_post(t->loop, on_a, t);
    say(t, 'q');
}

static void a_post_from_a_post_has_its_own_turn(void **state) {
    struct trace t = {.loop = make(state)};
    loop_post(t.loop, on_post_again, &t);
    assert_true(loop_run_until(t.loop, three, &t, 1000000000));
    assert_string_equal(t.text, "pqa");
    loop_destroy(t.loop);
}

static void timers_fire_in_order(void **state) {
    struct trace t = {.loop = make(state)};
    int64_t start = loop_now_ns(t.loop);
    loop_timer_init(&t.a, t.loop, on_a, &t);
    loop_timer_init(&t.b, t.loop, on_b, &t);
    loop_timer_init(&t.c, t.loop, on_c, &t);
    loop_timer_start(&t.a, 3000000);
    loop_timer_start(&t.b, 1000000);
    loop_timer_start(&t.c, 2000000);
    assert_true(loop_timer_active(&t.a));
    assert_true(loop_run_until(t.loop, three, &t, 5000000000));
    assert_string_equal(t.text, "bca");
    assert_true(loop_now_ns(t.loop) - start >= 3000000);
    assert_false(loop_timer_active(&t.a));
    loop_destroy(t.loop);
}

static void stopped_and_restarted_timers(void **state) {
    struct trace t = {.loop = make(state)};
    loop_timer_init(&t.a, t.loop, on_a, &t);
    loop_timer_init(&t.b, t.loop, on_b, &t);
    loop_timer_start(&t.a, 1000000);
    loop_timer_start(&t.b, 1000000);
    loop_timer_stop(&t.a);
    loop_timer_stop(&t.a);
    loop_timer_start(&t.b, 2000000);
    assert_false(loop_run_until(t.loop, three, &t, 8000000));
    assert_string_equal(t.text, "b");
    loop_destroy(t.loop);
}

static void on_restart(void *arg) {
    struct trace *t = arg;
    say(t, 'r');
    if (t->n < 3) {
        loop_timer_start(&t->a, 0);
        loop_timer_start(&t->a, 0);
    }
}

static void a_timer_restarts_itself(void **state) {
    struct trace t = {.loop = make(state)};
    loop_timer_init(&t.a, t.loop, on_restart, &t);
    loop_timer_start(&t.a, 0);
    assert_true(loop_run_until(t.loop, three, &t, 1000000000));
    assert_string_equal(t.text, "rrr");
    loop_destroy(t.loop);
}

static void on_stop(void *arg) {
    struct trace *t = arg;
    say(t, 's');
    loop_stop(t->loop);
}

static void stop_leaves_the_rest_for_the_next_run(void **state) {
    struct trace t = {.loop = make(state)};
    loop_post(t.loop, on_a, &t);
    loop_post(t.loop, on_stop, &t);
    loop_post(t.loop, on_b, &t);
    loop_run(t.loop);
    assert_string_equal(t.text, "as");
    assert_true(loop_run_until(t.loop, three, &t, 1000000000));
    assert_string_equal(t.text, "asb");
    loop_destroy(t.loop);
}

static void on_count(void *arg) {
    ((struct trace *)arg)->count++;
}

static void *poster(void *arg) {
    struct trace *t = arg;
    for (int i = 0; i < 1000; i++) {
        loop_post(t->loop, on_count, t);
    }
    return NULL;
}

static bool eight_thousand(void *arg) {
    return ((struct trace *)arg)->count == 8000;
}

static void posts_from_many_threads(void **state) {
    (void)state;
    struct trace t = {.loop = loop_create_uv(1)};
    pthread_t th[8];
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&th[i], NULL, poster, &t), 0);
    }
    assert_true(loop_run_until(t.loop, eight_thousand, &t, 20000000000));
    for (int i = 0; i < 8; i++) {
        pthread_join(th[i], NULL);
    }
    loop_destroy(t.loop);
}

static void on_are_there_more(void *arg) {
    struct trace *t = arg;
    say(t, loop_has_posts(t->loop) ? 'y' : 'n');
}

static void what_is_posted_behind_is_known(void **state) {
    struct trace t = {.loop = make(state)};
    assert_false(loop_has_posts(t.loop));
    loop_post(t.loop, on_are_there_more, &t);
    loop_post(t.loop, on_post_again, &t); /* posts one more: "pqa" */
    loop_post(t.loop, on_are_there_more, &t);
    assert_true(loop_has_posts(t.loop));
    assert_true(loop_run_until(t.loop, five, &t, 1000000000));
    assert_string_equal(t.text, "ypqya");
    assert_false(loop_has_posts(t.loop));
    loop_destroy(t.loop);
}

/* Awake or not, it serves timers and posts of other threads, and its time-outs hold. */
static void a_loop_that_expects_something_goes_on(void **state) {
    struct trace t = {.loop = make(state)};
    loop_timer_init(&t.a, t.loop, on_a, &t);
    loop_timer_start(&t.a, 2000000);
    loop_expect(t.loop, 1000000);
    assert_false(loop_run_until(t.loop, three, &t, 5000000));
    assert_string_equal(t.text, "a");
    loop_expect(t.loop, 1000000000);
    loop_post(t.loop, on_b, &t);
    loop_post(t.loop, on_c, &t);
    assert_true(loop_run_until(t.loop, three, &t, 20000000000));
    loop_expect(t.loop, 0);
    assert_string_equal(t.text, "abc");
    loop_destroy(t.loop);
}

static void the_virtual_clock_jumps(void **state) {
    (void)state;
    struct trace t = {.loop = loop_create_virtual(0, 1700000000000, 1)};
    loop_timer_init(&t.a, t.loop, on_a, &t);
    loop_timer_start(&t.a, 3600 * 1000000000ll);
    loop_run(t.loop);
    assert_string_equal(t.text, "a");
    assert_int_equal(loop_now_ns(t.loop), 3600 * 1000000000ll);
    assert_int_equal(loop_wall_ms(t.loop), 1700000000000 + 3600000);
    loop_advance(t.loop, 500);
    assert_int_equal(loop_now_ns(t.loop), 3600 * 1000000000ll + 500);
    assert_null(loop_uv(t.loop));
    loop_timer_start(&t.a, 1000);
    loop_advance(t.loop, 999);
    assert_int_equal(t.n, 1);
    loop_advance(t.loop, 1);
    assert_int_equal(t.n, 2);
    loop_destroy(t.loop);
}

static void same_seed_same_numbers(void **state) {
    (void)state;
    struct loop *a = loop_create_virtual(0, 0, 42), *b = loop_create_uv(42);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rng_next(loop_rng(a)), rng_next(loop_rng(b)));
    }
    loop_destroy(a);
    loop_destroy(b);
}

#define N_MANY 2000
struct many {
    struct loop *loop;
    struct loop_timer t[N_MANY];
    int64_t last_ns;
    uint32_t fired, disorder;
};

static void on_many(void *arg) {
    struct many *m = arg;
    int64_t now = loop_now_ns(m->loop);
    m->disorder += now < m->last_ns;
    m->last_ns = now;
    m->fired++;
}

static void a_heap_of_many(void **state) {
    (void)state;
    struct many *m = mem_zalloc(sizeof(*m));
    struct rng r;
    uint32_t left = 0;
    m->loop = loop_create_virtual(0, 0, 1);
    rng_seed(&r, 7);
    for (int i = 0; i < N_MANY; i++) {
        loop_timer_init(&m->t[i], m->loop, on_many, m);
        loop_timer_start(&m->t[i], (int64_t)rng_below(&r, 1000));
    }
    for (int i = 0; i < N_MANY; i++) {
        if (rng_below(&r, 2)) {
            loop_timer_stop(&m->t[i]);
        } else if (rng_below(&r, 2)) {
            loop_timer_start(&m->t[i], (int64_t)rng_below(&r, 1000));
        }
        left += loop_timer_active(&m->t[i]);
    }
    loop_run(m->loop);
    assert_int_equal(m->fired, left);
    assert_int_equal(m->disorder, 0);
    loop_destroy(m->loop);
    mem_free(m);
}

#define BOTH(f)                                                                                    \
    {#f " (uv)", f, NULL, NULL, NULL}, {                                                           \
#f " (virtual)", f, NULL, NULL, &virtual_kind                                              \
    }

int main(void) {
    static int virtual_kind;
    const struct CMUnitTest tests[] = {
        BOTH(posts_run_in_order_and_later),
        BOTH(a_post_from_a_post_has_its_own_turn),
        BOTH(timers_fire_in_order),
        BOTH(stopped_and_restarted_timers),
        BOTH(a_timer_restarts_itself),
        BOTH(stop_leaves_the_rest_for_the_next_run),
        BOTH(what_is_posted_behind_is_known),
        BOTH(a_loop_that_expects_something_goes_on),
        cmocka_unit_test(posts_from_many_threads),
        cmocka_unit_test(the_virtual_clock_jumps),
        cmocka_unit_test(same_seed_same_numbers),
        cmocka_unit_test(a_heap_of_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
