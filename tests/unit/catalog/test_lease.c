/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "catalog/lease.h"
#include "fake_kv.h"

#define S   1000000000ll
#define TTL (15 * S)

struct side {
    struct kv *kv;
    struct lease *l;
    bool held;
    uint64_t epoch;
    uint32_t changes;
};

struct fix {
    struct fake_store store;
    struct side a, b;
};

static void on_change(void *arg, bool held, uint64_t epoch) {
    struct side *s = arg;
    s->held = held;
    s->epoch = epoch;
    s->changes++;
}

static void start(struct fix *f, struct side *s, const char *holder) {
    s->kv = s->kv ? s->kv : fake_kv(&f->store);
    s->l = lease_create(f->store.loop, s->kv, NULL, STR("_"), STR("default"), str_c(holder), TTL,
                        on_change, s);
}

static void setup(struct fix *f, uint32_t flags) {
    *f = (struct fix){0};
    f->store.loop = loop_create_virtual(0, 1000, 1);
    f->store.flags = flags;
}

static void teardown(struct fix *f) {
    lease_destroy(f->a.l);
    lease_destroy(f->b.l);
    loop_run(f->store.loop);
    if (f->a.kv) {
        kv_destroy(f->a.kv);
    }
    if (f->b.kv) {
        kv_destroy(f->b.kv);
    }
    loop_destroy(f->store.loop);
    fake_store_finish(&f->store);
}

static void test_one_holds(void **state) {
    struct fix f;
    (void)state;
    setup(&f, 0);
    start(&f, &f.a, "a");
    start(&f, &f.b, "b");
    loop_advance(f.store.loop, 300 * S);
    assert_true(f.a.held != f.b.held);
    assert_int_equal(f.a.changes + f.b.changes, 1); /* renewed all the time, never lost */
    assert_true(lease_held(f.a.l) == f.a.held);
    teardown(&f);
}

static void test_given_back(void **state) {
    struct fix f;
    (void)state;
    setup(&f, 0);
    start(&f, &f.a, "a");
    loop_advance(f.store.loop, S);
    start(&f, &f.b, "b");
    loop_advance(f.store.loop, 30 * S);
    assert_true(f.a.held && !f.b.held);
    lease_destroy(f.a.l);
    f.a.l = NULL;
    loop_advance(f.store.loop, 5 * S + 1);
    assert_true(f.b.held);
    assert_true(f.b.epoch > f.a.epoch);
    teardown(&f);
}

/* The holder dies without a word: the other waits a whole ttl of its own clock. */
static void test_expiry(void **state) {
    struct fix f;
    uint64_t rev = 0;
    (void)state;
    setup(&f, 0);
    fake_write(&f.store, STR("1._.default.lease"),
               STR("{\"format\":1,\"holder\":\"x\",\"epoch\":41}"), TRL_REV_ANY, &rev);
    start(&f, &f.b, "b");
    loop_advance(f.store.loop, 14 * S);
    assert_false(f.b.held);
    loop_advance(f.store.loop, 6 * S);
    assert_true(f.b.held);
    assert_int_equal(f.b.epoch, 42);
    teardown(&f);
}

/* The store does not answer the holder: it stops before anybody else may begin. */
static void test_store_silent(void **state) {
    struct fix f;
    (void)state;
    setup(&f, 0);
    start(&f, &f.a, "a");
    loop_advance(f.store.loop, S);
    assert_true(f.a.held);
    start(&f, &f.b, "b");
    f.a.kv->mute = true; /* answers nothing any more */
    for (int64_t t = 0; t < 40 * S && !f.b.held; t += S / 10) {
        loop_advance(f.store.loop, S / 10);
        assert_false(f.a.held && f.b.held);
    }
    assert_true(!f.a.held && f.b.held);
    fake_unmute(f.a.kv);
    teardown(&f);
}

static void test_stolen(void **state) {
    struct fix f;
    uint64_t rev = 0;
    (void)state;
    setup(&f, 0);
    start(&f, &f.a, "a");
    loop_advance(f.store.loop, S);
    fake_write(&f.store, STR("1._.default.lease"),
               STR("{\"format\":1,\"holder\":\"x\",\"epoch\":9}"), TRL_REV_ANY, &rev);
    loop_advance(f.store.loop, 6 * S);
    assert_false(f.a.held);
    loop_advance(f.store.loop, 30 * S); /* x never renews */
    assert_true(f.a.held);
    assert_int_equal(f.a.epoch, 10);
    teardown(&f);
}

static void test_exclusive_store(void **state) {
    struct fix f;
    uint64_t rev = 0;
    (void)state;
    setup(&f, TRL_S_EXCLUSIVE);
    fake_write(&f.store, STR("1._.default.lease"),
               STR("{\"format\":1,\"holder\":\"x\",\"epoch\":3}"), TRL_REV_ANY, &rev);
    start(&f, &f.a, "a");
    loop_advance(f.store.loop, 1);
    assert_true(f.a.held);
    assert_int_equal(f.a.epoch, 4);
    loop_advance(f.store.loop, 1000 * S);
    assert_int_equal(f.a.kv->puts, 1);
    teardown(&f);
}

static void test_unreadable_record(void **state) {
    struct fix f;
    uint64_t rev = 0;
    (void)state;
    setup(&f, 0);
    fake_write(&f.store, STR("1._.default.lease"), STR("garbage"), TRL_REV_ANY, &rev);
    start(&f, &f.a, "a");
    loop_advance(f.store.loop, S);
    assert_true(f.a.held);
    teardown(&f);
}

static void test_destroyed_at_once(void **state) {
    struct fix f;
    (void)state;
    setup(&f, 0);
    start(&f, &f.a, "a");
    lease_destroy(f.a.l); /* the store still owes it an answer */
    f.a.l = NULL;
    loop_advance(f.store.loop, S);
    assert_int_equal(f.a.changes, 0);
    start(&f, &f.b, "b");
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_holds),
        cmocka_unit_test(test_given_back),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_store_silent),
        cmocka_unit_test(test_stolen),
        cmocka_unit_test(test_exclusive_store),
        cmocka_unit_test(test_unreadable_record),
        cmocka_unit_test(test_destroyed_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
