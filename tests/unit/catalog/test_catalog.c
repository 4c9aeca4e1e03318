/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "catalog/catalog.h"
#include "fake_kv.h"

#define S 1000000000ll
#define T STR("_")
#define L STR("default")

/* One instance: its catalog, and what it was told. */
struct side {
    struct kv *kv;
    struct catalog *c;
    uint32_t changes, loads;
    char last[64]; /* app of the last change */
};

struct fix {
    struct fake_store store;
    struct side a, b;
};

struct got {
    struct catalog_result r;
    char version[128], previous[128];
    uint32_t n;
    struct side *side;
    bool visible; /* was the write in memory when the callback ran? */
};

static void on_change(void *arg, const struct app *a) {
    struct side *s = arg;
    s->changes++;
    snprintf(s->last, sizeof(s->last), "%.*s", PSTR(a->name));
}

static void on_loaded(void *arg) {
    ((struct side *)arg)->loads++;
}

static void start(struct fix *f, struct side *s) {
    struct catalog_env env = {.loop = f->store.loop,
                              .kv = s->kv = fake_kv(&f->store),
                              .on_change = on_change,
                              .on_loaded = on_loaded,
                              .arg = s};
    s->c = catalog_create(&env);
    loop_advance(f->store.loop, 1);
}

static void stop(struct side *s) {
    catalog_destroy(s->c);
    if (s->kv) {
        kv_destroy(s->kv);
    }
    *s = (struct side){0};
}

static void setup(struct fix *f, bool both) {
    *f = (struct fix){0};
    f->store.loop = loop_create_virtual(0, 1700000000000, 1);
    start(f, &f->a);
    if (both) {
        start(f, &f->b);
    }
}

static void teardown(struct fix *f) {
    stop(&f->a);
    stop(&f->b);
    loop_run(f->store.loop);
    loop_destroy(f->store.loop);
    fake_store_finish(&f->store);
}

static void on_done(void *arg, const struct catalog_result *r) {
    struct got *g = arg;
    g->r = *r;
    g->n++;
    snprintf(g->version, sizeof(g->version), "%.*s", PSTR(r->version));
    snprintf(g->previous, sizeof(g->previous), "%.*s", PSTR(r->previous));
    if (g->side) {
        const struct app *a = catalog_find(g->side->c, T, L, STR("shop"));
        g->visible = a && app_version(a, r->version) && app_version(a, r->version)->json.ptr;
    }
}

static struct manifest *manifest(const char *name, const char *version, size_t padding) {
    struct buf text = BUF_INIT;
    struct manifest *m = NULL;
    struct findings f;
    findings_init(&f);
    buf_addf(&text,
             "{\"apiVersion\":\"core.oam.dev/v1beta1\",\"kind\":\"Application\",\"metadata\":{"
             "\"name\":\"%s\",\"annotations\":{\"version\":\"%s\",\"description\":\"",
             name, version);
    for (size_t i = 0; i < padding; i++) {
        buf_add_c(&text, (char)('a' + i % 26));
    }
    buf_addf(&text,
             "\"}},\"spec\":{\"components\":[{\"name\":\"web\",\"type\":\"component\","
             "\"properties\":{\"image\":\"reg/web:%s\"}}]}}",
             version);
    assert_int_equal(manifest_parse(buf_str(&text), MANIFEST_JSON, &m, &f), 0);
    findings_finish(&f);
    buf_finish(&text);
    return m;
}

static void begin_put(struct side *s, const char *name, const char *version, size_t padding,
                      struct got *g) {
    struct manifest *m = manifest(name, version, padding);
    *g = (struct got){.side = s};
    catalog_put(s->c, T, L, m, str_c(version), false, on_done, g);
    manifest_destroy(m);
    assert_int_equal(g->n, 0);
}

static struct got put(struct fix *f, struct side *s, const char *version) {
    struct got g;
    begin_put(s, "shop", version, 0, &g);
    loop_advance(f->store.loop, 1);
    assert_int_equal(g.n, 1);
    g.side = NULL;
    return g;
}

static struct got deploy(struct fix *f, struct side *s, str version) {
    struct got g = {0};
    catalog_deploy(s->c, T, L, STR("shop"), version, NULL, 0, on_done, &g);
    loop_advance(f->store.loop, 1);
    assert_int_equal(g.n, 1);
    return g;
}

static struct got del(struct fix *f, struct side *s, str version) {
    struct got g = {0};
    catalog_delete(s->c, T, L, STR("shop"), version, on_done, &g);
    loop_advance(f->store.loop, 1);
    assert_int_equal(g.n, 1);
    return g;
}

static struct got settle(struct fix *f, struct side *s, uint64_t generation, uint32_t gone) {
    struct got g = {0};
    catalog_settle(s->c, T, L, STR("shop"), generation, &gone, 1, NULL, 0, on_done, &g);
    loop_advance(f->store.loop, 1);
    assert_int_equal(g.n, 1);
    return g;
}

static const struct app *shop(struct side *s) {
    return catalog_find(s->c, T, L, STR("shop"));
}

static void count(void *arg, const struct app *a) {
    (void)a;
    ++*(uint32_t *)arg;
}

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

/* Another instance writes the app between our reading and our writing. */
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

/* Two instances, each with memory that knows nothing of the other's write under way. */
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

/* The head that a result points into is replaced before the write is acknowledged. */
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
    catalog_undeploy(f.a.c, T, L, STR("other"), on_done, &g);
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

static void test_names(void **state) {
    struct fix f;
    struct got g = {0};
    char longest[90];
    (void)state;
    setup(&f, false);
    memset(longest, 'x', sizeof(longest));
    longest[81] = '\0';
    begin_put(&f.a, longest, "v1", 0, &g);
    g.side = NULL;
    loop_advance(f.store.loop, 1);
    assert_int_equal(g.r.code, CATALOG_TOO_LONG);
    assert_true(catalog_idle(f.a.c));
    longest[80] = '\0';
    begin_put(&f.a, longest, "v1", 0, &g);
    loop_advance(f.store.loop, 1);
    assert_int_equal(g.r.code, CATALOG_OK);
    assert_true(catalog_lattice_ok(STR("a-B_9")));
    assert_false(catalog_lattice_ok(STR("a.b")));
    assert_false(catalog_lattice_ok(STR("")));
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
        cmocka_unit_test(test_life_of_an_app),
        cmocka_unit_test(test_deleting),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_two_first_puts),
        cmocka_unit_test(test_queue_keeps_order),
        cmocka_unit_test(test_store_failures),
        cmocka_unit_test(test_watch_is_faster),
        cmocka_unit_test(test_large_manifest),
        cmocka_unit_test(test_reload_and_garbage),
        cmocka_unit_test(test_unreadable_head),
        cmocka_unit_test(test_broken_watch),
        cmocka_unit_test(test_before_load),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_destroyed_while_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
