/* SPDX-License-Identifier: Apache-2.0
 *
 * Up to two catalogs over one fake store, and short ways to write. Included once by a test program.
 */
#ifndef TRELLIS_TESTS_CATALOG_FIX_H
#define TRELLIS_TESTS_CATALOG_FIX_H

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
    bool names_shop;
    char version[128], previous[128];
    uint32_t n;
    struct side *side;
    bool visible; /* was the write in memory when the callback ran? */
};

static inline void on_change(void *arg, const struct app *a) {
    struct side *s = arg;
    s->changes++;
    snprintf(s->last, sizeof(s->last), "%.*s", PSTR(a->name));
}

static inline void on_loaded(void *arg) {
    ((struct side *)arg)->loads++;
}

static inline void start(struct fix *f, struct side *s) {
    struct catalog_env env = {.loop = f->store.loop,
                              .kv = s->kv = fake_kv(&f->store),
                              .on_change = on_change,
                              .on_loaded = on_loaded,
                              .arg = s};
    s->c = catalog_create(&env);
    loop_advance(f->store.loop, 1);
}

static inline void stop(struct side *s) {
    catalog_destroy(s->c);
    if (s->kv) {
        kv_destroy(s->kv);
    }
    *s = (struct side){0};
}

static inline void setup(struct fix *f, bool both) {
    *f = (struct fix){0};
    f->store.loop = loop_create_virtual(0, 1700000000000, 1);
    start(f, &f->a);
    if (both) {
        start(f, &f->b);
    }
}

static inline void teardown(struct fix *f) {
    stop(&f->a);
    stop(&f->b);
    loop_run(f->store.loop);
    loop_destroy(f->store.loop);
    fake_store_finish(&f->store);
}

static inline void on_done(void *arg, const struct catalog_result *r) {
    struct got *g = arg;
    g->r = *r;
    g->n++;
    g->names_shop = str_eq(r->app, STR("shop"));
    snprintf(g->version, sizeof(g->version), "%.*s", PSTR(r->version));
    snprintf(g->previous, sizeof(g->previous), "%.*s", PSTR(r->previous));
    if (g->side) {
        const struct app *a = catalog_find(g->side->c, T, L, STR("shop"));
        g->visible = a && app_version(a, r->version) && app_version(a, r->version)->json.ptr;
    }
}

static inline struct manifest *manifest(const char *name, const char *version, size_t padding) {
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

static inline void begin_put(struct side *s, const char *name, const char *version, size_t padding,
                             struct got *g) {
    struct manifest *m = manifest(name, version, padding);
    *g = (struct got){.side = s};
    catalog_put(s->c, T, L, m, str_c(version), false, on_done, g);
    manifest_destroy(m);
    assert_int_equal(g->n, 0);
}

static inline struct got put(struct fix *f, struct side *s, const char *version) {
    struct got g;
    begin_put(s, "shop", version, 0, &g);
    loop_advance(f->store.loop, 1);
    assert_int_equal(g.n, 1);
    g.side = NULL;
    return g;
}

static inline struct got deploy(struct fix *f, struct side *s, str version) {
    struct got g = {0};
    catalog_deploy(s->c, T, L, STR("shop"), version, NULL, 0, on_done, &g);
    loop_advance(f->store.loop, 1);
    assert_int_equal(g.n, 1);
    return g;
}

static inline struct got del(struct fix *f, struct side *s, str version) {
    struct got g = {0};
    catalog_delete(s->c, T, L, STR("shop"), version, NULL, on_done, &g);
    loop_advance(f->store.loop, 1);
    assert_int_equal(g.n, 1);
    return g;
}

static inline struct got settle(struct fix *f, struct side *s, uint64_t generation, uint32_t gone) {
    struct got g = {0};
    catalog_settle(s->c, T, L, STR("shop"), generation, &gone, 1, NULL, 0, on_done, &g);
    loop_advance(f->store.loop, 1);
    assert_int_equal(g.n, 1);
    assert_true(g.names_shop);
    return g;
}

static inline const struct app *shop(struct side *s) {
    return catalog_find(s->c, T, L, STR("shop"));
}

static inline void count(void *arg, const struct app *a) {
    (void)a;
    ++*(uint32_t *)arg;
}

#endif
