/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "catalog/catalog_priv.h"

static void lattice_key(str tenant, str lattice, struct buf *out) {
    buf_clear(out);
    key_escape(out, key_tenant(tenant));
    buf_add_c(out, '.');
    key_escape(out, lattice);
}

/* Mostly it is the one and only. */
static struct lattice_apps *find_lattice(const struct catalog *c, str tenant, str lattice) {
    struct lattice_apps *only = c->lattices.n == 1 ? c->lattices.at[0].value : NULL;
    if (only && str_eq(only->lattice, lattice) &&
        str_eq(key_tenant(only->tenant), key_tenant(tenant))) {
        return only;
    }
    struct buf key = BUF_INIT;
    lattice_key(tenant, lattice, &key);
    struct lattice_apps *l = map_get(&c->lattices, buf_str(&key));
    buf_finish(&key);
    return l;
}

/* Where name is, or belongs. */
static uint32_t position(const struct lattice_apps *l, str name) {
    uint32_t lo = 0, hi = l->at.n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (str_cmp(l->at.at[mid]->name, name) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void index_add(struct catalog *c, struct entry *e) {
    struct buf key = BUF_INIT;
    struct lattice_apps *l;
    lattice_key(e->tenant, e->lattice, &key);
    l = map_get(&c->lattices, buf_str(&key));
    if (!l) {
        l = mem_zalloc(sizeof(*l));
        l->tenant = str_n(str_dup(e->tenant), e->tenant.len);
        l->lattice = str_n(str_dup(e->lattice), e->lattice.len);
        map_set(&c->lattices, buf_str(&key), l);
    }
    buf_finish(&key);
    uint32_t i = position(l, e->name);
    if (i < l->at.n && l->at.at[i] == e) {
        return;
    }
    (void)VEC_ADD(&l->at);
    memmove(&l->at.at[i + 1], &l->at.at[i], (l->at.n - 1 - i) * sizeof(*l->at.at));
    l->at.at[i] = e;
}

static void lattice_destroy(struct lattice_apps *l) {
    mem_free((void *)(uintptr_t)l->tenant.ptr);
    mem_free((void *)(uintptr_t)l->lattice.ptr);
    VEC_FREE(&l->at);
    mem_free(l);
}

static void index_remove(struct catalog *c, struct entry *e) {
    struct lattice_apps *l = find_lattice(c, e->tenant, e->lattice);
    uint32_t i = l ? position(l, e->name) : 0;
    if (!l || i >= l->at.n || l->at.at[i] != e) {
        return;
    }
    memmove(&l->at.at[i], &l->at.at[i + 1], (l->at.n - 1 - i) * sizeof(*l->at.at));
    if (--l->at.n == 0) {
        struct buf key = BUF_INIT;
        lattice_key(e->tenant, e->lattice, &key);
        map_del(&c->lattices, buf_str(&key));
        buf_finish(&key);
        lattice_destroy(l);
    }
}

struct entry *memory_entry(struct catalog *c, const char *key, const struct key *k) {
    struct entry *e = map_get(&c->entries, str_c(key));
    if (!e) {
        e = mem_zalloc(sizeof(*e));
        e->c = c;
        e->key = mem_strdup(key);
        str tenant = key_tenant(k->tenant);
        e->tenant = str_n(str_dup(tenant), tenant.len);
        e->lattice = str_n(str_dup(k->lattice), k->lattice.len);
        e->name = str_n(str_dup(k->app), k->app.len);
        map_set(&c->entries, str_c(key), e);
    }
    return e;
}

static void entry_destroy(struct entry *e) {
    head_destroy(e->head);
    mem_free(e->key);
    mem_free((void *)(uintptr_t)e->tenant.ptr);
    mem_free((void *)(uintptr_t)e->lattice.ptr);
    mem_free((void *)(uintptr_t)e->name.ptr);
    mem_free(e);
}

void memory_drop_if_idle(struct catalog *c, struct entry *e) {
    bool late_news = e->revision && !e->told; /* would raise it from the dead */
    if (!e->head && !e->first && !e->queued && !e->damaged && !late_news) {
        map_del(&c->entries, str_c(e->key));
        entry_destroy(e);
    }
}

static void record_key(const struct app *a, uint32_t n, struct buf *out) {
    struct key k = {KEY_VERSION, a->tenant, a->lattice, a->name, a->uid, n, 0};
    if (!key_format(&k, out)) {
        buf_clear(out);
    }
}

static struct record *find_record(const struct catalog *c, const struct app *a, uint32_t n) {
    struct buf key = BUF_INIT;
    record_key(a, n, &key);
    struct record *r = map_get(&c->records, buf_str(&key));
    buf_finish(&key);
    return r;
}

const struct record *memory_find_record(const struct catalog *c, const struct app *a, uint32_t n) {
    return find_record(c, a, n);
}

void memory_announce(struct catalog *c, struct entry *e) {
    if (!c->loaded || !c->env.on_change) {
        return;
    }
    if (e->head) {
        c->env.on_change(c->env.arg, &e->head->app);
    } else {
        struct app gone = {.tenant = e->tenant,
                           .lattice = e->lattice,
                           .name = e->name,
                           .uid = STR(""),
                           .revision = e->revision};
        c->env.on_change(c->env.arg, &gone);
    }
}

void memory_take_head(struct catalog *c, struct entry *e, struct head *h, uint64_t revision) {
    struct head *old = e->head;
    e->head = h;
    e->told = e->told && e->revision == revision;
    e->revision = revision;
    e->damaged = false;
    e->lost = false;
    if (h) {
        h->app.tenant = e->tenant;
        h->app.lattice = e->lattice;
        h->app.name = e->name;
        h->app.revision = revision;
        for (uint32_t i = 0; i < h->app.n_versions; i++) {
            const struct record *r = find_record(c, &h->app, h->app.versions[i].n);
            h->app.versions[i].json = r ? r->json : STR_NONE;
        }
        index_add(c, e);
    } else if (old) {
        index_remove(c, e);
    }
    if (h || old) {
        memory_announce(c, e);
    }
    head_destroy(old);
}

void memory_head(struct catalog *c, struct entry *e, str value, uint64_t revision) {
    struct head *h = NULL;
    struct err err = ERR_INIT;
    if (revision == e->revision) { /* twice: the whole state is being told again */
        e->seen = e->told ? c->round : e->seen;
        e->told = true;
    }
    if (revision <= e->revision) {
        return;
    }
    h = value.ptr ? write_told(e, value) : NULL;
    if (value.ptr && !h && head_parse(value, &h, &err) < 0) {
        /* What was readable before goes on being wanted: forgetting it would take an app down. */
        log_error(
            c->env.log,
            "catalog: the head of app %.*s in lattice %.*s (key %s) cannot be read: %s; it is "
            "skipped, delete the app or repair the record",
            PSTR(e->name), PSTR(e->lattice), e->key, err.msg);
        e->damaged = true;
        e->revision = revision;
        e->told = true;
        return;
    }
    if (e->lost && h && restore_keeps(e, h)) { /* an older copy came back */
        head_destroy(h);
        e->revision = revision;
        e->told = true;
        return;
    }
    memory_take_head(c, e, h, revision);
    e->told = true;
}

/* Somebody asks for it, or it goes. */
static void not_ahead(struct catalog *c, struct record *r) {
    for (uint32_t i = 0; r->ahead && i < READ_AHEAD; i++) {
        c->ahead[i] = c->ahead[i] == r ? NULL : c->ahead[i];
    }
    r->ahead = false;
}

static void record_destroy(struct catalog *c, struct record *r) {
    not_ahead(c, r);
    for (uint32_t i = 0; i < r->n_parts; i++) {
        mem_free((void *)(uintptr_t)r->parts[i].ptr);
    }
    mem_free(r->parts);
    mem_free(r->joined);
    mem_free(r->value);
    mem_free(r->key);
    manifest_destroy(r->manifest);
    mem_free(r);
}

static void join_parts(struct record *r, uint64_t size, uint32_t n) {
    struct buf all = BUF_INIT;
    for (uint32_t i = 0; i < n; i++) {
        if (i >= r->n_parts || !r->parts[i].ptr) {
            buf_finish(&all);
            return;
        }
        buf_add_str(&all, r->parts[i]);
    }
    if (all.len != size) {
        buf_finish(&all);
        r->damaged = true;
        return;
    }
    size_t len = all.len;
    r->joined = buf_take(&all);
    r->json = str_n(r->joined, len);
}

static void read_record(struct catalog *c, struct record *r) {
    struct arena a = ARENA_INIT;
    struct version_record v;
    struct err err = ERR_INIT;
    if (version_parse(str_n(r->value, r->len), &a, &v, &err) < 0) {
        r->damaged = true;
        log_error(c->env.log, "catalog: %s cannot be read: %s; that version is skipped", r->key,
                  err.msg);
    } else {
        r->created_ms = v.created_ms;
        r->json = v.manifest;
        if (v.parts) {
            join_parts(r, v.size, v.parts);
        }
    }
    arena_finish(&a);
}

/* A head that came before the record gets its text now, and is announced again. */
static void fill_head(struct catalog *c, const struct key *k, const struct record *r) {
    struct buf key = BUF_INIT;
    struct key hk = {KEY_HEAD, k->tenant, k->lattice, k->app, STR_NONE, 0, 0};
    struct entry *e = key_format(&hk, &key) ? map_get(&c->entries, buf_str(&key)) : NULL;
    buf_finish(&key);
    if (!e || !e->head || !str_eq(e->head->app.uid, k->uid)) {
        return;
    }
    bool was_missing = false;
    for (uint32_t i = 0; i < e->head->app.n_versions; i++) {
        struct version *v = &e->head->app.versions[i];
        if (v->n == k->n) {
            was_missing = !v->json.ptr && r->json.ptr;
            v->json = r->json;
        }
    }
    if (was_missing || (r->json.ptr && head_applied(&e->head->app, k->n))) {
        memory_announce(c, e);
    }
}

static void take_part(struct record *r, uint32_t k, str value) {
    if (k > VERSION_MAX_PARTS || (k <= r->n_parts && r->parts[k - 1].ptr)) {
        return; /* parts never change */
    }
    if (k > r->n_parts) {
        r->parts = mem_realloc(r->parts, k * sizeof(*r->parts));
        memset(r->parts + r->n_parts, 0, (k - r->n_parts) * sizeof(*r->parts));
        r->n_parts = k;
    }
    r->parts[k - 1] = str_n(str_dup(value), value.len);
}

static void take_record(struct catalog *c, struct record *r, str value) {
    if (!r->value) {
        r->value = str_dup(value);
        r->len = value.len;
    } else if (r->len != value.len || memcmp(r->value, value.ptr, value.len) != 0) {
        log_warn(c->env.log,
                 "catalog: %s was written twice; versions never change, the first one stays until "
                 "a restart",
                 r->key);
    }
}

void memory_record(struct catalog *c, const struct key *k, str value, bool by_watch) {
    struct key base = *k;
    struct buf text = BUF_INIT;
    struct record *r;
    base.kind = KEY_VERSION;
    if (!key_format(&base, &text)) {
        buf_finish(&text);
        return;
    }
    r = map_get(&c->records, buf_str(&text));
    if (!r) {
        r = mem_zalloc(sizeof(*r));
        r->key = str_dup(buf_str(&text));
        map_set(&c->records, buf_str(&text), r);
    }
    buf_finish(&text);
    if (k->kind == KEY_PART) {
        take_part(r, k->part, value);
    } else {
        take_record(c, r, value);
        r->seen = by_watch && r->told ? c->round : r->seen;
        r->told = r->told || by_watch;
        r->lost = r->lost && !by_watch;
    }
    if (r->value && !r->json.ptr && !r->damaged) {
        read_record(c, r);
        if (r->json.ptr) {
            fill_head(c, k, r);
        }
    }
}

void memory_record_gone(struct catalog *c, str key, const struct key *k) {
    struct record *r, none = {0};
    if (k->kind != KEY_VERSION) {
        return; /* a part goes with its record */
    }
    r = map_del(&c->records, key);
    if (r) {
        fill_head(c, k, &none);
        record_destroy(c, r);
    }
}

void memory_finish(struct catalog *c) {
    for (uint32_t i = 0; i < c->entries.n; i++) {
        entry_destroy(c->entries.at[i].value);
    }
    for (uint32_t i = 0; i < c->records.n; i++) {
        record_destroy(c, c->records.at[i].value);
    }
    for (uint32_t i = 0; i < c->lattices.n; i++) {
        lattice_destroy(c->lattices.at[i].value);
    }
    map_finish(&c->entries);
    map_finish(&c->records);
    map_finish(&c->lattices);
}

const struct app *catalog_find_any(const struct catalog *c, str tenant, str lattice, str name) {
    struct lattice_apps *l = find_lattice(c, tenant, lattice);
    uint32_t i = l ? position(l, name) : 0;
    bool there = l && i < l->at.n && str_eq(l->at.at[i]->name, name);
    return there ? &l->at.at[i]->head->app : NULL;
}

const struct app *catalog_find(const struct catalog *c, str tenant, str lattice, str name) {
    const struct app *a = catalog_find_any(c, tenant, lattice, name);
    return a && !a->deleting ? a : NULL;
}

void catalog_each(const struct catalog *c, str tenant, str lattice,
                  void (*fn)(void *arg, const struct app *a), void *arg) {
    struct lattice_apps *l = find_lattice(c, tenant, lattice);
    for (uint32_t i = 0; l && i < l->at.n; i++) {
        fn(arg, &l->at.at[i]->head->app);
    }
}

void catalog_list(const struct catalog *c, str tenant, str lattice,
                  void (*fn)(void *arg, const struct app *a), void *arg) {
    struct lattice_apps *l = find_lattice(c, tenant, lattice);
    for (uint32_t i = 0; l && i < l->at.n; i++) {
        const struct app *a = &l->at.at[i]->head->app;
        if (!a->deleting && a->n_versions) {
            fn(arg, a);
        }
    }
}

void catalog_lattices(const struct catalog *c, void (*fn)(void *arg, str tenant, str lattice),
                      void *arg) {
    for (uint32_t i = 0; i < c->lattices.n; i++) {
        const struct lattice_apps *l = c->lattices.at[i].value;
        fn(arg, l->tenant, l->lattice);
    }
}

/* At most READ_AHEAD of them are kept before they are asked for. */
void memory_read_ahead(struct catalog *c, const struct entry *e, const struct app *a, uint32_t n) {
    struct app named = *a;
    named.tenant = e->tenant;
    named.lattice = e->lattice;
    named.name = e->name;
    struct record *r = find_record(c, &named, n), **at = &c->ahead[c->n_ahead % READ_AHEAD];
    if (!r || r->manifest || !catalog_manifest(c, &named, n)) {
        return;
    }
    if (*at) {
        manifest_destroy((*at)->manifest);
        (*at)->manifest = NULL;
        (*at)->ahead = false;
    }
    r->ahead = true;
    *at = r;
    c->n_ahead++;
}

const struct manifest *catalog_manifest(struct catalog *c, const struct app *a, uint32_t n) {
    struct record *r = find_record(c, a, n);
    struct findings f;
    if (!r || !r->json.ptr || r->unreadable || r->manifest) {
        if (r) {
            not_ahead(c, r);
        }
        return r ? r->manifest : NULL;
    }
    findings_init(&f);
    if (manifest_parse(r->json, MANIFEST_JSON, &r->manifest, &f) < 0) {
        const struct finding *x = findings_first_error(&f);
        r->unreadable = true;
        log_error(c->env.log, "catalog: version record %s holds no readable manifest: %.*s", r->key,
                  x ? (int)x->message.len : 0, x ? x->message.ptr : "");
    }
    findings_finish(&f);
    return r->manifest;
}
