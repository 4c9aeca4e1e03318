/* SPDX-License-Identifier: Apache-2.0
 *
 * Two instances, one of which the watch has not reached yet: nothing is refused, or left as it is,
 * for what it does not know.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fix.h"

static struct got look(struct fix *f, struct side *s) {
    struct got g = {0};
    assert_true(catalog_look(s->c, T, L, STR("shop"), on_done, &g));
    assert_int_equal(g.n, 0);
    loop_advance(f->store.loop, 1);
    assert_int_equal(g.n, 1);
    return g;
}

static struct got undeploy(struct fix *f, struct side *s) {
    struct got g = {0};
    catalog_undeploy(s->c, T, L, STR("shop"), NULL, on_done, &g);
    loop_advance(f->store.loop, 1);
    assert_int_equal(g.n, 1);
    return g;
}

static void test_look(void **state) {
    struct fix f;
    struct got g;
    (void)state;
    setup(&f, true);
    f.b.kv->deaf = true;
    assert_int_equal(look(&f, &f.b).r.code, CATALOG_NOT_FOUND);
    put(&f, &f.a, "v1");
    begin_put(&f.a, "shop", "v2", 3 * 512 * 1024, &g); /* in parts */
    loop_advance(f.store.loop, 1);
    assert_null(shop(&f.b));
    assert_int_equal(look(&f, &f.b).r.code, CATALOG_OK);
    assert_int_equal(shop(&f.b)->n_versions, 2);
    for (uint32_t n = 1; n <= 2; n++) {
        const struct version *here = app_version_n(shop(&f.a), n);
        const struct version *there = app_version_n(shop(&f.b), n);
        assert_true(there->json.ptr && str_eq(here->json, there->json));
        assert_non_null(catalog_manifest(f.b.c, shop(&f.b), n));
    }
    uint32_t gets = f.b.kv->gets;
    look(&f, &f.b); /* what is known is not read again */
    assert_int_equal(f.b.kv->gets, gets + 1);
    uint32_t changes = f.b.changes;
    fake_unmute(f.b.kv); /* the watch tells of it all: no news */
    loop_advance(f.store.loop, 1);
    assert_int_equal(f.b.changes, changes);
    teardown(&f);
}

static void test_look_fails(void **state) {
    struct fix f;
    struct got g = {0};
    (void)state;
    setup(&f, false);
    put(&f, &f.a, "v1");
    f.a.kv->fail_get = TRL_E_TIMEOUT;
    catalog_look(f.a.c, T, L, STR("nosuch"), on_done, &g);
    loop_advance(f.store.loop, 1);
    assert_int_equal(g.r.code, CATALOG_STORAGE); /* not: not found */
    g = deploy(&f, &f.a, STR("v9"));
    assert_int_equal(g.r.code, CATALOG_STORAGE);
    assert_int_equal(deploy(&f, &f.a, STR("v1")).r.code, CATALOG_OK); /* needs no look */
    assert_false(catalog_look(f.a.c, T, L, STR(""), on_done, &g));    /* makes no key */
    g = (struct got){0};
    catalog_look(f.a.c, T, L, STR("shop"), on_done, &g);
    catalog_look(f.a.c, T, L, STR("nosuch"), on_done, &g);
    teardown(&f);
    assert_int_equal(g.n, 0);
}

static void test_writes_by_the_late_one(void **state) {
    struct fix f;
    struct got g;
    (void)state;
    setup(&f, true);
    f.b.kv->deaf = true;
    put(&f, &f.a, "v1");
    g = deploy(&f, &f.b, STR("v1"));
    assert_int_equal(g.r.code, CATALOG_OK);
    put(&f, &f.a, "v2");
    g = deploy(&f, &f.b, STR("v2"));
    assert_int_equal(g.r.code, CATALOG_OK);
    assert_int_equal(g.r.n, 2);
    assert_true(undeploy(&f, &f.b).r.was_deployed);
    deploy(&f, &f.a, STR("v1"));
    g = undeploy(&f, &f.b); /* its memory says that nothing is deployed */
    assert_true(g.r.code == CATALOG_OK && g.r.was_deployed);
    g = put(&f, &f.a, "v3");
    g = put(&f, &f.b, "v3");
    assert_int_equal(g.r.code, CATALOG_EXISTS);
    del(&f, &f.a, STR("v3"));
    assert_int_equal(put(&f, &f.b, "v3").r.code, CATALOG_OK);
    assert_int_equal(del(&f, &f.b, STR("v9")).r.code, CATALOG_NO_VERSION);
    fake_unmute(f.b.kv);
    loop_advance(f.store.loop, 1);
    assert_int_equal(shop(&f.a)->revision, shop(&f.b)->revision);
    assert_int_equal(shop(&f.b)->n_versions, 3);
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_look_fails),
        cmocka_unit_test(test_writes_by_the_late_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
