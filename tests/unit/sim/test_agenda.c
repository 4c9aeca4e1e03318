/* SPDX-License-Identifier: Apache-2.0 */
#include "simtest.h"

#include "sim/agenda.h"

struct item {
    struct task task;
    int64_t due_ns;
    uint32_t n;
};

static uint32_t *dropped_counter(struct task *t) {
    return (uint32_t *)(void *)t->host; /* borrowed as a plain pointer by this test */
}

static void drop(struct task *t) {
    ++*dropped_counter(t);
    mem_free(t);
}

static struct item *item(int64_t due_ns, uint32_t n, uint32_t *counter) {
    struct item *i = mem_zalloc(sizeof(*i));
    i->task.drop = drop;
    i->task.host = (struct vhost *)(void *)counter;
    i->due_ns = due_ns;
    i->n = n;
    return i;
}

static void test_order(void **state) {
    struct agenda a = AGENDA_INIT;
    struct rng r;
    uint32_t dropped = 0, n = 0;
    int64_t last = 0, due;
    uint32_t last_n = 0;
    (void)state;
    rng_seed(&r, 3);
    for (uint32_t i = 0; i < 5000; i++) {
        struct item *x = item((int64_t)rng_below(&r, 100), i, &dropped);
        agenda_add(&a, &x->task, x->due_ns);
    }
    assert_true(agenda_next(&a, &due) && due == 0);
    assert_null(agenda_pop(&a, -1));
    for (int64_t now = 0; now < 90; now += 7) {
        struct task *t;
        while ((t = agenda_pop(&a, now)) != NULL) {
            struct item *x = (struct item *)t;
            assert_true(x->due_ns <= now && x->due_ns >= last);
            assert_true(x->due_ns > last || x->n >= last_n); /* in order of adding */
            last = x->due_ns;
            last_n = x->n;
            n++;
            mem_free(x);
        }
    }
    agenda_finish(&a);
    assert_int_equal(n + dropped, 5000);
    assert_true(dropped > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
