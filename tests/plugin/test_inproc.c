/* SPDX-License-Identifier: Apache-2.0
 *
 * transport-inproc: the suite on both loops, slow consumers, determinism.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "suite_priv.h"

static void test_suite_uv(void **state) {
    (void)state;
    assert_int_equal(suite_transport("inproc", "{}", 0), 0);
}

static void test_suite_virtual(void **state) {
    (void)state;
    assert_int_equal(suite_transport("inproc", "{}", SUITE_VIRTUAL), 0);
}

static const trl_transport_v1 *table_of(struct suite *s) {
    return s->table;
}

static void pub(struct suite *s, const char *subject, uint64_t body) {
    trl_msg m = {.struct_size = sizeof(m), .subject = str_c(subject), .payload = {&body, 8}};
    table_of(s)->publish(s->raw, NULL, &m);
}

static uint64_t info_number(struct suite *s, const char *name) {
    struct call c;
    char key[64];
    const char *at;
    uint64_t v = UINT64_MAX;
    table_of(s)->info(s->raw, call_begin(s, &c, 0));
    call_wait(&c);
    snprintf(key, sizeof(key), "\"%s\":", name);
    at = c.text.ptr ? strstr(c.text.ptr, key) : NULL;
    if (at) {
        v = strtoull(at + strlen(key), NULL, 10);
    }
    call_free(&c);
    return v;
}

static uint64_t number(const struct got *g) {
    uint64_t v = 0;
    memcpy(&v, g->value.ptr, g->value.len < 8 ? g->value.len : 8);
    return v;
}

/* One subscriber is never given the time to take its messages: it loses the newest, the publisher
 * and the others lose nothing, and it is counted. */
static void slow(struct suite *s) {
    enum { MANY = 20000 };
    struct call c;
    uint32_t n;
    table_of(s)->subscribe(s->raw, call_begin(s, &c, 0), STR("slow.x"), STR_NONE);
    for (uint64_t i = 0; i < MANY; i++) {
        pub(s, "slow.x", i);
    }
    pub(s, "other.x", 1);
    suite_settle(s);
    call_wait_got(&c, 200);
    suite_settle(s);
    n = c.n_got;
    CHECK(s, n > 100 && n < MANY, "got %u of %d", n, MANY);
    for (uint32_t i = 0; i < n; i++) {
        CHECK(s, number(&c.got[i]) == i, "message %u", i);
    }
    CHECK_N(s, info_number(s, "dropped"), MANY - n);
    CHECK_N(s, info_number(s, "slow_consumers"), 1);
    pub(s, "slow.x", MANY);
    call_wait_got(&c, n + 1);
    CHECK_N(s, number(&c.got[n]), MANY);
    CHECK_N(s, info_number(s, "dropped"), MANY - n);
    call_cancel(&c);
    call_free(&c);
}

static void test_slow_consumer(void **state) {
    static void (*const cases[])(struct suite * s) = {slow};
    struct suite s = {.kind = TRL_KIND_TRANSPORT,
                      .component = "inproc",
                      .config = "{\"max_pending\":100}",
                      .flags = SUITE_VIRTUAL};
    (void)state;
    assert_int_equal(suite_run(&s, cases, 1), 0);
}

/* The same calls, the same deliveries in the same order. */
static void play(struct suite *s) {
    struct call subs[40];
    struct rng *r = loop_rng(s->loop);
    uint64_t h = TRL_HASH_INIT;
    for (int i = 0; i < 40; i++) {
        char subject[32];
        snprintf(subject, sizeof(subject), i % 5 ? "p.%d" : "p.*", (int)rng_below(r, 8));
        table_of(s)->subscribe(s->raw, call_begin(s, &subs[i], 0), str_c(subject),
                               i % 3 ? STR("q") : STR_NONE);
    }
    for (uint64_t i = 0; i < 3000; i++) {
        char subject[32];
        snprintf(subject, sizeof(subject), "p.%d", (int)rng_below(r, 8));
        pub(s, subject, i);
        if (rng_below(r, 10) == 0) {
            suite_settle(s);
        }
    }
    suite_settle(s);
    for (int i = 0; i < 40; i++) {
        for (uint32_t k = 0; k < subs[i].n_got; k++) {
            h = trl_hash_more(h, subs[i].got[k].value.ptr, subs[i].got[k].value.len);
        }
        h = trl_hash_more(h, &subs[i].n_got, sizeof(subs[i].n_got));
        call_cancel(&subs[i]);
        call_free(&subs[i]);
    }
    CHECK(s, h != TRL_HASH_INIT, "something was delivered");
    *(uint64_t *)s->user = h;
}

static void test_deterministic(void **state) {
    static void (*const cases[])(struct suite * s) = {play};
    uint64_t first = 0, hash = 0;
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct suite s = {.kind = TRL_KIND_TRANSPORT,
                          .component = "inproc",
                          .config = "",
                          .flags = SUITE_VIRTUAL,
                          .user = &hash};
        void *noise = mem_alloc(1000 + (size_t)i * 12345); /* other addresses */
        assert_int_equal(suite_run(&s, cases, 1), 0);
        mem_free(noise);
        first = i ? first : hash;
        assert_true(hash == first);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite_uv),
        cmocka_unit_test(test_suite_virtual),
        cmocka_unit_test(test_slow_consumer),
        cmocka_unit_test(test_deterministic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
