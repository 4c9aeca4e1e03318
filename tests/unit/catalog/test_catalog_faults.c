/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fix.h"

static void test_store_failures(void **state) {
    struct fix f;
    struct got g;
    (void)state;
    setup(&f, false);
    put(&f, &f.a, "v1");
    f.a.kv->fail_put = TRL_E_UNAVAIL;
    f.a.kv->n_fail_put = 1;
    g = put(&f, &f.a, "v2");
    assert_int_equal(g.r.code, CATALOG_STORAGE);
    assert_int_equal(shop(&f.a)->n_versions, 1);
    /* A time-out that hid a success: the watch tells the truth. */
    f.a.kv->fail_put = TRL_E_TIMEOUT;
    f.a.kv->n_fail_put = 1;
    f.a.kv->fail_after = true;
    g = put(&f, &f.a, "v3");
    assert_int_equal(g.r.code, CATALOG_STORAGE);
    loop_advance(f.store.loop, 1);
    assert_int_equal(shop(&f.a)->n_versions, 2);
    assert_non_null(app_version(shop(&f.a), STR("v3"))->json.ptr);
    assert_int_equal(put(&f, &f.a, "v4").r.code, CATALOG_OK);
    teardown(&f);
}

static void test_watch_is_faster(void **state) {
    struct fix f;
    struct got g;
    uint32_t changes;
    (void)state;
    setup(&f, false);
    f.a.kv->late_ack = true;
    put(&f, &f.a, "v1");
    changes = f.a.changes;
    g = put(&f, &f.a, "v2");
    assert_true(g.r.code == CATALOG_OK && g.visible);
    assert_string_equal(g.previous, "v1");
    assert_string_equal(g.version, "v2");
    assert_int_equal(f.a.changes, changes + 1); /* told once */
    assert_int_equal(deploy(&f, &f.a, STR("v1")).r.n, 1);
    assert_int_equal(del(&f, &f.a, STR_NONE).r.code, CATALOG_OK);
    assert_null(shop(&f.a));
    teardown(&f);
}

/* Records of versions that a head no longer names go, whoever tells first that it was written. */
static void test_records_go_although_the_watch_is_faster(void **state) {
    struct fix f;
    (void)state;
    setup(&f, false);
    f.a.kv->late_ack = true;
    put(&f, &f.a, "v1");
    put(&f, &f.a, "v2");
    del(&f, &f.a, STR("v1"));
    loop_advance(f.store.loop, 1);
    assert_int_equal(fake_count(&f.store, ".ver."), 1);
    deploy(&f, &f.a, STR("v2"));
    del(&f, &f.a, STR_NONE);
    settle(&f, &f.a, catalog_find_any(f.a.c, T, L, STR("shop"))->generation, 2);
    loop_advance(f.store.loop, 1);
    assert_int_equal(fake_count(&f.store, ".app."), 0);
    assert_int_equal(fake_count(&f.store, ".ver."), 0);
    teardown(&f);
}

/* What another instance wrote between a put's record and its head is not overwritten. */
static void test_a_deploy_during_a_put_is_kept(void **state) {
    struct fix f;
    struct got g[2] = {{.n = 0}, {.n = 0}};
    (void)state;
    setup(&f, true);
    put(&f, &f.a, "v1");
    f.a.kv->mute = true;
    begin_put(&f.a, "shop", "v2", 1700000, &g[0]); /* a record and parts, one by one */
    catalog_deploy(f.b.c, T, L, STR("shop"), STR("v1"), NULL, 0, on_done, &g[1]);
    loop_advance(f.store.loop, 1);
    fake_unmute(f.a.kv); /* it is told of the deploy before its last part is written */
    loop_advance(f.store.loop, 1);
    assert_true(g[0].r.code == CATALOG_OK && g[1].r.code == CATALOG_OK);
    loop_advance(f.store.loop, 1);
    assert_int_equal(shop(&f.a)->n_versions, 2);
    assert_int_equal(shop(&f.a)->deployed, 1);
    assert_int_equal(shop(&f.b)->deployed, 1);
    teardown(&f);
}

static void test_reload_and_garbage(void **state) {
    struct fix f;
    uint64_t rev;
    (void)state;
    setup(&f, false);
    put(&f, &f.a, "v1");
    fake_write(
        &f.store, STR("1._.default.ver.shop.01OLD-1"),
        STR("{\"format\":1,\"n\":1,\"version\":\"x\",\"created\":1,\"size\":2,\"manifest\":{}}"),
        TRL_REV_ANY, &rev);
    fake_write(&f.store, STR("1._.default.ver.shop.01NEW-1"),
               STR("{\"format\":1,\"n\":1,\"version\":\"x\",\"created\":1700000000000,\"size\":2,"
                   "\"manifest\":{}}"),
               TRL_REV_ANY, &rev);
    start(&f, &f.b);
    loop_advance(f.store.loop, 1);
    assert_int_equal(fake_count(&f.store, "01OLD"), 0);
    assert_int_equal(fake_count(&f.store, "01NEW"), 1); /* its head may yet come */
    assert_int_equal(shop(&f.b)->n_versions, 1);
    assert_non_null(app_current(shop(&f.b))->json.ptr);
    teardown(&f);
}

static void test_unreadable_head(void **state) {
    struct fix f;
    uint64_t rev;
    struct got g = {0};
    (void)state;
    setup(&f, false);
    fake_write(&f.store, STR("1._.default.app.shop"), STR("{\"format\":2}"), TRL_REV_ANY, &rev);
    fake_write(&f.store, STR("1._.default.app.other"), STR("nonsense"), TRL_REV_ANY, &rev);
    loop_advance(f.store.loop, 1);
    assert_null(shop(&f.a));
    assert_int_equal(put(&f, &f.a, "v1").r.code, CATALOG_STORAGE); /* it is not overwritten */
    assert_int_equal(deploy(&f, &f.a, STR_NONE).r.code, CATALOG_STORAGE);
    assert_int_equal(del(&f, &f.a, STR_NONE).r.code, CATALOG_OK);
    assert_int_equal(put(&f, &f.a, "v1").r.code, CATALOG_OK);
    catalog_undeploy(f.a.c, T, L, STR("other"), NULL, on_done, &g);
    loop_advance(f.store.loop, 1);
    assert_int_equal(g.r.code, CATALOG_STORAGE);
    teardown(&f);
}

static void test_broken_watch(void **state) {
    struct fix f;
    uint32_t before;
    (void)state;
    setup(&f, true);
    put(&f, &f.a, "v1");
    fake_break(f.b.kv);
    loop_advance(f.store.loop, 1);
    put(&f, &f.a, "v2");
    assert_int_equal(shop(&f.b)->n_versions, 1); /* deaf for the moment */
    /* What it believes is no obstacle to writing. */
    assert_int_equal(put(&f, &f.b, "v3").r.code, CATALOG_OK);
    assert_int_equal(shop(&f.b)->n_versions, 3);
    del(&f, &f.a, STR_NONE);
    assert_non_null(shop(&f.b));
    loop_advance(f.store.loop, S);
    assert_null(shop(&f.b)); /* deleted meanwhile, and nothing told of it: found out */
    before = f.a.changes;
    put(&f, &f.a, "v1");
    fake_resync(f.a.kv); /* everything is told twice */
    fake_resync(f.b.kv);
    loop_advance(f.store.loop, S);
    assert_int_equal(f.a.changes, before + 1);
    assert_non_null(shop(&f.b));
    assert_int_equal(f.b.loads, 1);
    teardown(&f);
}

static void test_before_load(void **state) {
    struct fix f;
    struct got g = {0};
    (void)state;
    setup(&f, false);
    put(&f, &f.a, "v1");
    struct catalog_env env = {.loop = f.store.loop,
                              .kv = f.b.kv = fake_kv(&f.store),
                              .on_change = on_change,
                              .on_loaded = on_loaded,
                              .arg = &f.b};
    f.b.c = catalog_create(&env); /* asked before it has read anything */
    catalog_deploy(f.b.c, T, L, STR("shop"), STR_NONE, NULL, 0, on_done, &g);
    loop_advance(f.store.loop, 1);
    assert_int_equal(g.r.code, CATALOG_OK);
    teardown(&f);
}

static void test_destroyed_while_writing(void **state) {
    struct fix f;
    struct got g[3];
    (void)state;
    setup(&f, false);
    for (unsigned i = 0; i < 3; i++) {
        begin_put(&f.a, i ? "shop" : "other", i == 2 ? "v2" : "v1", 0, &g[i]);
    }
    teardown(&f);
    assert_int_equal(g[0].n + g[1].n + g[2].n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_failures),
        cmocka_unit_test(test_watch_is_faster),
        cmocka_unit_test(test_records_go_although_the_watch_is_faster),
        cmocka_unit_test(test_a_deploy_during_a_put_is_kept),
        cmocka_unit_test(test_reload_and_garbage),
        cmocka_unit_test(test_unreadable_head),
        cmocka_unit_test(test_broken_watch),
        cmocka_unit_test(test_before_load),
        cmocka_unit_test(test_destroyed_while_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
