/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fix.h"

static void test_life_of_an_app(void **state) {
    struct fix f;
    struct got g;
    (void)state;
    setup(&f, true);
    assert_true(catalog_loaded(f.a.c) && f.a.loads == 1);
    g = put(&f, &f.a, "v1");
    assert_true(g.r.code == CATALOG_OK && g.r.first && g.visible);
    assert_string_equal(g.previous, "");
    g = put(&f, &f.b, "v2"); /* the other instance knows at once */
    assert_true(g.r.code == CATALOG_OK && !g.r.first && g.r.total == 2);
    assert_string_equal(g.previous, "v1");
    assert_int_equal(put(&f, &f.a, "v1").r.code, CATALOG_EXISTS);
    assert_int_equal(deploy(&f, &f.a, STR("v1")).r.code, CATALOG_OK);
    assert_int_equal(deploy(&f, &f.b, STR("v7")).r.code, CATALOG_NO_VERSION);
    assert_true(shop(&f.b)->deployed == 1 && shop(&f.b)->generation == 1);
    assert_non_null(catalog_manifest(f.b.c, shop(&f.b), 1));
    assert_ptr_equal(catalog_manifest(f.b.c, shop(&f.b), 1),
                     catalog_manifest(f.b.c, shop(&f.b), 1));
    g = del(&f, &f.b, STR("v1"));
    assert_true(g.r.was_deployed && !g.r.last);
    assert_non_null(catalog_manifest(f.a.c, shop(&f.a), 1)); /* applied: still needed */
    assert_int_equal(fake_count(&f.store, ".ver."), 2);
    assert_int_equal(settle(&f, &f.a, 2, 1).r.code, CATALOG_OK);
    assert_int_equal(fake_count(&f.store, ".ver."), 1);
    g = del(&f, &f.a, STR_NONE);
    assert_int_equal(g.r.code, CATALOG_OK);
    assert_null(catalog_find_any(f.a.c, T, L, STR("shop")));
    loop_advance(f.store.loop, 1);
    assert_null(catalog_find_any(f.b.c, T, L, STR("shop")));
    assert_int_equal(fake_count(&f.store, ""), 0);
    assert_true(catalog_idle(f.a.c));
    g = put(&f, &f.b, "v1"); /* the tombstone is no obstacle */
    assert_true(g.r.code == CATALOG_OK && g.r.first);
    teardown(&f);
}

static void test_deleting(void **state) {
    struct fix f;
    uint32_t n = 0;
    (void)state;
    setup(&f, true);
    put(&f, &f.a, "v1");
    deploy(&f, &f.a, STR_NONE);
    del(&f, &f.a, STR_NONE);
    loop_advance(f.store.loop, 1);
    for (struct side *s = &f.a; s; s = s == &f.a ? &f.b : NULL) {
        assert_null(shop(s));
        assert_true(catalog_find_any(s->c, T, L, STR("shop"))->deleting);
    }
    catalog_list(f.b.c, T, L, count, &n);
    assert_int_equal(n, 0);
    catalog_each(f.b.c, T, L, count, &n);
    assert_int_equal(n, 1);
    assert_int_equal(deploy(&f, &f.b, STR_NONE).r.code, CATALOG_NOT_FOUND);
    assert_true(put(&f, &f.b, "v1").r.first); /* a new life keeps what is to be cleaned up */
    assert_int_equal(shop(&f.b)->n_applied, 1);
    teardown(&f);
}

struct intruder {
    struct fix *f;
    uint32_t times;
    struct got g[8];
};

static void intrude(void *arg, str key) {
    struct intruder *x = arg;
    if (x->times > 0 && memmem(key.ptr, key.len, ".app.", 5)) {
        struct fake_store *s = &x->f->store;
        uint32_t i;
        struct fake_entry *e = fake_find(s, key, &i);
        uint64_t rev;
        char *copy = e ? mem_strndup(e->value, e->len) : NULL;
        if (copy) {
            fake_write(s, key, str_c(copy), TRL_REV_ANY, &rev);
            mem_free(copy);
        }
        x->times--;
    }
}

static void test_conflicts(void **state) {
    struct fix f;
    struct intruder x = {.f = &f, .times = 3};
    (void)state;
    setup(&f, false);
    put(&f, &f.a, "v1");
    f.a.kv->before_put = intrude;
    f.a.kv->arg = &x;
    assert_int_equal(put(&f, &f.a, "v2").r.code, CATALOG_OK);
    assert_int_equal(x.times, 0);
    assert_int_equal(fake_count(&f.store, ".ver."),
                     2); /* one record, whatever the number of tries */
    x.times = 100;
    struct got g = put(&f, &f.a, "v3");
    assert_int_equal(g.r.code, CATALOG_STORAGE);
    assert_int_equal(x.times, 95);
    f.a.kv->before_put = NULL;
    loop_advance(f.store.loop, 1);
    assert_int_equal(fake_count(&f.store, ".ver."), 2); /* its record is gone again */
    assert_int_equal(shop(&f.a)->n_versions, 2);
    teardown(&f);
}

static void test_two_first_puts(void **state) {
    struct fix f;
    struct got g[2];
    (void)state;
    setup(&f, true);
    begin_put(&f.a, "shop", "v1", 0, &g[0]);
    begin_put(&f.b, "shop", "v2", 0, &g[1]);
    loop_advance(f.store.loop, 1);
    assert_true(g[0].r.code == CATALOG_OK && g[1].r.code == CATALOG_OK);
    assert_true(g[0].r.first != g[1].r.first);
    loop_advance(f.store.loop, 1);
    assert_int_equal(shop(&f.a)->n_versions, 2);
    assert_int_equal(shop(&f.b)->n_versions, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_non_null(shop(&f.a)->versions[i].json.ptr);
        assert_non_null(shop(&f.b)->versions[i].json.ptr);
    }
    begin_put(&f.a, "shop", "v3", 0, &g[0]); /* the same number is claimed by both */
    begin_put(&f.b, "shop", "v4", 0, &g[1]);
    loop_advance(f.store.loop, 1);
    assert_true(g[0].r.code == CATALOG_OK && g[1].r.code == CATALOG_OK);
    loop_advance(f.store.loop, 1);
    assert_int_equal(shop(&f.a)->n_versions, 4);
    assert_int_equal(fake_count(&f.store, ".ver."), 4);
    teardown(&f);
}

static void test_queue_keeps_order(void **state) {
    struct fix f;
    struct got g[20];
    char version[8];
    (void)state;
    setup(&f, false);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(version, sizeof(version), "v%02u", i);
        begin_put(&f.a, "shop", version, 0, &g[i]);
    }
    assert_false(catalog_idle(f.a.c));
    loop_advance(f.store.loop, 1);
    assert_int_equal(shop(&f.a)->n_versions, 20);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(version, sizeof(version), "v%02u", i);
        assert_true(str_is(shop(&f.a)->versions[i].version, version));
        assert_int_equal(g[i].r.n, i + 1);
        assert_true(g[i].visible);
    }
    teardown(&f);
}

static void test_large_manifest(void **state) {
    struct fix f;
    struct got g;
    const struct version *v;
    (void)state;
    setup(&f, true);
    begin_put(&f.a, "shop", "v1", 1700000, &g);
    loop_advance(f.store.loop, 1);
    assert_int_equal(g.r.code, CATALOG_OK);
    assert_true(g.visible);
    assert_int_equal(fake_count(&f.store, ".p"), 4);
    loop_advance(f.store.loop, 1);
    v = app_current(shop(&f.b));
    assert_true(v->json.len > 1700000);
    assert_true(str_eq(v->json, app_current(shop(&f.a))->json));
    assert_non_null(catalog_manifest(f.b.c, shop(&f.b), 1));
    stop(&f.b); /* and after a restart */
    start(&f, &f.b);
    assert_true(app_current(shop(&f.b))->json.len > 1700000);
    del(&f, &f.b, STR_NONE);
    loop_advance(f.store.loop, 1);
    assert_int_equal(fake_count(&f.store, ""), 0);
    teardown(&f);
}

/* Manifests are read ahead of being asked for, but only the last few are kept. */
static void test_read_ahead(void **state) {
    struct fix f;
    char name[16];
    (void)state;
    setup(&f, false);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 40; i++) {
            struct got g;
            snprintf(name, sizeof(name), "app-%d", i);
            begin_put(&f.a, name, round ? "v2" : "v1", 0, &g);
            loop_advance(f.store.loop, 1);
            assert_int_equal(g.r.code, round == 2 && i % 3 ? CATALOG_EXISTS : CATALOG_OK);
        }
        for (int i = 0; i < 40; i++) {
            snprintf(name, sizeof(name), "app-%d", i);
            const struct app *a = catalog_find(f.a.c, T, L, str_c(name));
            const struct manifest *m = catalog_manifest(f.a.c, a, app_current(a)->n);
            assert_true(str_is(m->name, name));
            assert_true(str_is(manifest_version(m), round ? "v2" : "v1"));
            if (round == 1 && i % 3 == 0) { /* some were read, some not; all of it goes */
                struct got g = {0};
                catalog_delete(f.a.c, T, L, str_c(name), STR_NONE, NULL, on_done, &g);
                loop_advance(f.store.loop, 1);
                assert_int_equal(g.r.code, CATALOG_OK);
            }
        }
    }
    teardown(&f);
}

static void test_names(void **state) {
    struct fix f;
    struct got g = {0};
    char longest[CATALOG_APP_MAX + 2];
    (void)state;
    setup(&f, false);
    memset(longest, 'x', sizeof(longest));
    longest[CATALOG_APP_MAX + 1] = '\0';
    begin_put(&f.a, longest, "v1", 0, &g);
    g.side = NULL;
    loop_advance(f.store.loop, 1);
    assert_int_equal(g.r.code, CATALOG_TOO_LONG);
    assert_true(catalog_idle(f.a.c));
    longest[CATALOG_APP_MAX] = '\0';
    begin_put(&f.a, longest, "v1", 0, &g);
    loop_advance(f.store.loop, 1);
    assert_int_equal(g.r.code, CATALOG_OK);
    assert_true(catalog_lattice_ok(STR("a-B_9")));
    assert_false(catalog_lattice_ok(STR("a.b")));
    assert_false(catalog_lattice_ok(STR("")));
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_of_an_app),
        cmocka_unit_test(test_deleting),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_two_first_puts),
        cmocka_unit_test(test_queue_keeps_order),
        cmocka_unit_test(test_large_manifest),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_read_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
