/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "catalog/import.h"
#include "fake_kv.h"

#define T STR("_")
#define L STR("default")

struct fix {
    struct fake_store store;
    struct kv *kv;
    struct catalog *c;
    struct import_result r;
    uint32_t done;
};

static void setup(struct fix *f) {
    *f = (struct fix){0};
    f->store.loop = loop_create_virtual(0, 1700000000000, 1);
    f->kv = fake_kv(&f->store);
    struct catalog_env env = {.loop = f->store.loop, .kv = f->kv};
    f->c = catalog_create(&env);
    loop_advance(f->store.loop, 1);
}

static void teardown(struct fix *f) {
    catalog_destroy(f->c);
    kv_destroy(f->kv);
    loop_run(f->store.loop);
    loop_destroy(f->store.loop);
    fake_store_finish(&f->store);
}

static void on_done(void *arg, const struct import_result *r) {
    struct fix *f = arg;
    f->r = *r;
    f->done++;
}

static void import(struct fix *f, bool multitenant) {
    f->done = 0;
    catalog_import_wadm(f->c, f->kv, f->kv, NULL, multitenant, on_done, f);
    loop_advance(f->store.loop, 1);
    assert_int_equal(f->done, 1);
}

static void seed(struct fix *f, const char *key, const char *value) {
    uint64_t rev;
    fake_write(&f->store, str_c(key), str_c(value), TRL_REV_ANY, &rev);
}

#define MODEL(name, version)                                                                       \
    "{\"apiVersion\":\"core.oam.dev/"                                                              \
    "v1beta1\",\"kind\":\"Application\",\"metadata\":{\"name\":\"" name                            \
    "\",\"annotations\":{\"version\":\"" version "\"}},\"spec\":{\"components\":[{\"name\":"       \
    "\"web\",\"type\":\"component\",\"properties\":{\"image\":\"reg/web:" version "\"}}]}}"

static void seed_all(struct fix *f) {
    seed(f, "default", "[\"my-shop\",\"site\"]");
    seed(f, "default-my-shop",
         "{\"manifests\":{\"v2\":" MODEL("my-shop", "v2") ",\"v1\":" MODEL(
             "my-shop", "v1") "},\"deployed_version\":\"v2\"}");
    seed(f, "default-site",
         "{\"manifests\":{\"v1\":" MODEL("site", "v1") "},\"deployed_version\":null}");
    seed(f, "a-lattice-site", "{\"manifests\":{\"\":" MODEL("site", "") "}}");
    seed(f, "default-broken", "{\"manifests\":{\"v1\":{\"metadata\":{\"name\":\"broken\"}}}}");
    seed(f, "default-empty", "{\"manifests\":{}}");
    seed(f, "default-junk", "{junk");
    seed(f, "default-other", "{\"manifests\":{\"v1\":" MODEL("nosuch", "v1") "}}");
}

static void test_import(void **state) {
    struct fix f;
    const struct app *a;
    (void)state;
    setup(&f);
    seed_all(&f);
    import(&f, false);
    assert_null(f.r.err);
    assert_int_equal(f.r.apps, 3);
    assert_int_equal(f.r.versions, 4);
    assert_int_equal(f.r.deployed, 1);
    assert_int_equal(f.r.skipped, 4);
    a = catalog_find(f.c, T, L, STR("my-shop"));
    assert_int_equal(a->n_versions, 2);
    assert_true(str_is(a->versions[0].version, "v2") && str_is(a->versions[1].version, "v1"));
    assert_true(a->deployed == 1 && a->n_applied == 1);
    assert_int_equal(catalog_find(f.c, T, L, STR("site"))->deployed, 0);
    assert_non_null(catalog_find(f.c, T, STR("a-lattice"), STR("site")));
    teardown(&f);
}

static void on_write(void *arg, const struct catalog_result *r) {
    (void)arg, (void)r;
}

static void test_only_once(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    seed_all(&f);
    import(&f, false);
    catalog_delete(f.c, T, L, STR("site"), STR_NONE, NULL, on_write, NULL);
    loop_advance(f.store.loop, 1);
    import(&f, false);
    assert_int_equal(f.r.apps, 0);
    assert_null(catalog_find(f.c, T, L, STR("site")));
    assert_int_equal(fake_count(&f.store, ".imported"), 2);
    teardown(&f);
}

/* A store that fails in the middle: the next import completes what the first left. */
static void test_interrupted(void **state) {
    struct fix f;
    const struct app *a;
    (void)state;
    setup(&f);
    seed(&f, "default-my-shop",
         "{\"manifests\":{\"v2\":" MODEL("my-shop", "v2") ",\"v1\":" MODEL(
             "my-shop", "v1") "},\"deployed_version\":\"v2\"}");
    f.kv->fail_put = TRL_E_UNAVAIL;
    f.kv->n_fail_put = 1;
    f.kv->fail_after = true; /* written, but nobody was told */
    import(&f, false);
    assert_non_null(f.r.err);
    import(&f, false);
    assert_null(f.r.err);
    a = catalog_find(f.c, T, L, STR("my-shop"));
    assert_true(a->n_versions == 2 && a->deployed == 1);
    teardown(&f);
}

static void test_multitenant(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    seed(&f, "ACME-my-lattice-site",
         "{\"manifests\":{\"v1\":" MODEL("site", "v1") "},\"deployed_version\":\"v1\"}");
    import(&f, true);
    assert_int_equal(f.r.deployed, 1);
    assert_non_null(catalog_find(f.c, STR("ACME"), STR("my-lattice"), STR("site")));
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_import),
        cmocka_unit_test(test_only_once),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_multitenant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
