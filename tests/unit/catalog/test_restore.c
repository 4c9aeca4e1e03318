/* SPDX-License-Identifier: Apache-2.0
 *
 * A store that was emptied or set back: what is in memory is written back, of two states the later
 * counts, and nothing that was deleted comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fix.h"

#define PARTS_BYTES (3 * 512 * 1024)

static void put_large(struct fix *f, struct side *s, const char *version) {
    struct got g;
    begin_put(s, "shop", version, PARTS_BYTES, &g);
    loop_advance(f->store.loop, 1);
    assert_int_equal(g.r.code, CATALOG_OK);
}

/* A head is never there before the versions it names. */
static void versions_are_there(void *arg, str key) {
    struct fix *f = arg;
    if (strstr(key.ptr, ".app.")) {
        assert_int_equal(fake_count(&f->store, "-1"), 1);
        assert_int_equal(fake_count(&f->store, "-2"), 1 + 4); /* and its parts */
    }
}

static void test_wiped(void **state) {
    struct fix f;
    (void)state;
    setup(&f, false);
    put(&f, &f.a, "v1");
    put_large(&f, &f.a, "v2");
    deploy(&f, &f.a, STR("v1"));
    uint32_t changes = f.a.changes, n = f.store.at.n;
    f.a.kv->before_put = versions_are_there;
    f.a.kv->arg = &f;
    fake_lose(&f.store, NULL);
    assert_int_equal(f.store.at.n, 0);
    loop_advance(f.store.loop, 1);
    assert_int_equal(f.store.at.n, n);
    assert_int_equal(f.a.changes, changes); /* nobody is told to stop anything */
    f.a.kv->before_put = NULL;
    start(&f, &f.b); /* what was written back is whole */
    assert_int_equal(shop(&f.b)->deployed, 1);
    assert_int_equal(shop(&f.b)->n_versions, 2);
    for (uint32_t v = 1; v <= 2; v++) {
        assert_true(str_eq(app_version_n(shop(&f.a), v)->json, app_version_n(shop(&f.b), v)->json));
    }
    assert_int_equal(shop(&f.a)->revision, shop(&f.b)->revision);
    assert_int_equal(deploy(&f, &f.b, STR("v2")).r.code, CATALOG_OK); /* life goes on */
    assert_int_equal(shop(&f.a)->deployed, 2);
    teardown(&f);
}

static void test_set_back(void **state) {
    struct fix f;
    struct fake_store copy = {0};
    (void)state;
    setup(&f, false);
    put(&f, &f.a, "v1");
    deploy(&f, &f.a, STR("v1"));
    fake_copy(&copy, &f.store);
    put(&f, &f.a, "v2");
    deploy(&f, &f.a, STR("v2"));
    fake_lose(&f.store, &copy);
    loop_advance(f.store.loop, 1);
    assert_int_equal(shop(&f.a)->deployed, 2);
    start(&f, &f.b);
    assert_int_equal(shop(&f.b)->deployed, 2);
    assert_non_null(app_version(shop(&f.b), STR("v2"))->json.ptr);
    /* A copy that knows more than memory does: another instance's. */
    fake_copy(&copy, &f.store);
    fake_lose(&f.store, &copy);
    loop_advance(f.store.loop, 1);
    assert_int_equal(shop(&f.a)->revision, shop(&f.b)->revision);
    fake_clear(&copy);
    teardown(&f);
}

static void test_the_later_counts(void **state) {
    struct fix f;
    (void)state;
    setup(&f, true);
    put(&f, &f.a, "v1");
    deploy(&f, &f.a, STR("v1"));
    f.b.kv->deaf = true;
    put(&f, &f.a, "v2");
    deploy(&f, &f.a, STR("v2"));
    assert_int_equal(shop(&f.b)->deployed, 1); /* behind */
    fake_lose(&f.store, NULL);
    loop_advance(f.store.loop, 1); /* a writes back */
    fake_unmute(f.b.kv);           /* b hears of it all, in order: news of before, then the loss */
    loop_advance(f.store.loop, S);
    assert_int_equal(shop(&f.a)->deployed, 2);
    assert_int_equal(shop(&f.b)->deployed, 2);
    assert_int_equal(shop(&f.a)->revision, shop(&f.b)->revision);
    teardown(&f);
}

static void test_both_at_once(void **state) {
    struct fix f;
    (void)state;
    setup(&f, true);
    for (unsigned i = 0; i < 5; i++) {
        struct got g;
        char name[8];
        snprintf(name, sizeof(name), "app%u", i);
        begin_put(&f.a, name, "v1", 0, &g);
        loop_advance(f.store.loop, 1);
    }
    fake_lose(&f.store, NULL);
    loop_advance(f.store.loop, S);
    assert_int_equal(fake_count(&f.store, ".app."), 5);
    assert_int_equal(fake_count(&f.store, ".ver."), 5);
    uint32_t n[2] = {0};
    catalog_list(f.a.c, T, L, count, &n[0]);
    catalog_list(f.b.c, T, L, count, &n[1]);
    assert_true(n[0] == 5 && n[1] == 5);
    assert_int_equal(put(&f, &f.a, "v1").r.code, CATALOG_OK);
    assert_non_null(shop(&f.b));
    teardown(&f);
}

static void test_failures(void **state) {
    struct fix f;
    (void)state;
    setup(&f, false);
    put(&f, &f.a, "v1");
    f.a.kv->fail_put = TRL_E_UNAVAIL;
    f.a.kv->n_fail_put = 2;
    fake_lose(&f.store, NULL);
    loop_advance(f.store.loop, S / 2);
    assert_int_equal(fake_count(&f.store, ".app."), 0);
    assert_non_null(shop(&f.a));
    loop_advance(f.store.loop, 3 * S); /* tried again every second */
    assert_int_equal(fake_count(&f.store, ".app."), 1);
    assert_int_equal(put(&f, &f.a, "v2").r.code, CATALOG_OK);
    teardown(&f);
}

static void test_deleted_stays_deleted(void **state) {
    struct fix f;
    (void)state;
    setup(&f, true);
    put(&f, &f.a, "v1");
    del(&f, &f.a, STR_NONE);
    fake_lose(&f.store, NULL);
    loop_advance(f.store.loop, S);
    assert_int_equal(f.store.at.n, 0);
    assert_null(shop(&f.a));
    assert_null(shop(&f.b));
    teardown(&f);
}

/* What is asked while the store is being written back holds. */
static void test_writes_meanwhile(void **state) {
    struct fix f;
    struct got g;
    (void)state;
    setup(&f, false);
    put(&f, &f.a, "v1");
    fake_lose(&f.store, NULL);
    begin_put(&f.a, "shop", "v2", 0, &g);
    loop_advance(f.store.loop, 2 * S);
    assert_int_equal(g.r.code, CATALOG_OK);
    start(&f, &f.b);
    assert_int_equal(shop(&f.b)->n_versions, 2);
    assert_non_null(app_version(shop(&f.b), STR("v1"))->json.ptr);
    assert_non_null(app_version(shop(&f.b), STR("v2"))->json.ptr);
    fake_lose(&f.store, NULL); /* and an end in the middle leaves nothing behind */
    loop_advance(f.store.loop, 0);
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wiped),
        cmocka_unit_test(test_set_back),
        cmocka_unit_test(test_the_later_counts),
        cmocka_unit_test(test_both_at_once),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_deleted_stays_deleted),
        cmocka_unit_test(test_writes_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
