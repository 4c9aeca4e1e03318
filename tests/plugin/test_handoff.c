/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs between two threads: each arrives once, whatever the pause before it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "../../plugins/store-file/handoff.h"

#define JOBS 3000
#define LAST (JOBS + 1)

struct pair {
    struct handoff there, back;
    int got[LAST + 1], lingers[LAST + 1];
};

static void *taker(void *arg) {
    struct pair *p = arg;
    for (int job = 0; job != LAST;) {
        job = handoff_take(&p->there);
        p->got[job]++;
        p->lingers[job] = p->there.lingers;
        handoff_give(&p->back, job);
    }
    return NULL;
}

static pthread_t begin(struct pair *p) {
    pthread_t t;
    handoff_init(&p->there);
    handoff_init(&p->back);
    assert_int_equal(pthread_create(&t, NULL, taker, p), 0);
    return t;
}

static void hand_over(struct pair *p, int job) {
    handoff_give(&p->there, job);
    assert_int_equal(handoff_take(&p->back), job);
}

static void end(struct pair *p, pthread_t t) {
    hand_over(p, LAST);
    pthread_join(t, NULL);
    handoff_finish(&p->there);
    handoff_finish(&p->back);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void pass_time(int64_t ns) {
    int64_t until = now_ns() + ns;
    while (now_ns() < until) {
    }
}

static void every_job_arrives_once(void **state) {
    static struct pair p;
    pthread_t t = begin(&p);
    (void)state;
    for (int i = 1; i <= JOBS; i++) {
        if (i % 16 < 3) { /* about as long as the other side lingers */
            pass_time(HANDOFF_LINGER_NS / 2 * (i % 16 + 1));
        }
        hand_over(&p, i);
    }
    end(&p, t);
    for (int i = 1; i <= JOBS; i++) {
        assert_int_equal(p.got[i], 1);
    }
}

/* Of ten, because the other thread may come late to its waiting. */
static void after_a_job_that_came_late_nobody_lingers(void **state) {
    static struct pair p;
    pthread_t t = begin(&p);
    int slept = 0;
    (void)state;
    for (int i = 1; i <= 10; i++) {
        pass_time(100ll * HANDOFF_LINGER_NS);
        hand_over(&p, i);
        slept += !p.lingers[i];
    }
    end(&p, t);
    assert_true(slept > 0);
}

static void a_job_given_first_is_taken_at_once(void **state) {
    struct handoff h;
    (void)state;
    handoff_init(&h);
    handoff_give(&h, 7);
    assert_int_equal(handoff_take(&h), 7);
    assert_int_equal(h.job, 0);
    handoff_finish(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_arrives_once),
        cmocka_unit_test(after_a_job_that_came_late_nobody_lingers),
        cmocka_unit_test(a_job_given_first_is_taken_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
