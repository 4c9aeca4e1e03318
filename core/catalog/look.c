/* SPDX-License-Identifier: Apache-2.0
 *
 * One app read from the store now: what another instance wrote a moment ago, and the watch has not
 * told of yet. The head, then the records of its versions that memory lacks, then their parts.
 */
#include "catalog/catalog_priv.h"

struct look {
    struct catalog *c;
    struct look *prev, *next;
    char *key; /* of the head; owned */
    struct arena arena;
    struct key k;  /* its strings live in the arena */
    uint32_t gets; /* not answered yet */
    trl_status st; /* the first failure */
    const char *what;
    catalog_done_fn done;
    void *arg;
};

static void look_destroy(struct look *l) {
    struct catalog *c = l->c;
    if (l->prev) {
        l->prev->next = l->next;
    } else {
        c->looks = l->next;
    }
    if (l->next) {
        l->next->prev = l->prev;
    }
    arena_finish(&l->arena);
    mem_free(l->key);
    mem_free(l);
}

static void tell(struct look *l) {
    struct catalog_result r = {.code = CATALOG_OK};
    if (l->st != TRL_OK) {
        r.code = CATALOG_STORAGE;
        r.err = arena_printf(&l->arena, "the store could not read %s: %s", l->what, err_name(l->st))
                    .ptr;
    } else if (!catalog_find(l->c, l->k.tenant, l->k.lattice, l->k.app)) {
        r.code = CATALOG_NOT_FOUND;
    }
    l->done(l->arg, &r);
    look_destroy(l);
}

static void answered(struct look *l, trl_status st, const char *what) {
    if (st != TRL_OK && st != TRL_E_NOTFOUND && l->st == TRL_OK) {
        l->st = st;
        l->what = what;
    }
    if (--l->gets == 0) {
        tell(l);
    }
}

static void on_record(void *arg, trl_status st, const struct kv_entry *x);

static void get_record(struct look *l, const struct key *k) {
    struct buf text = BUF_INIT;
    l->gets++;
    key_format(k, &text); /* legal: the head's key with the same tokens is one */
    kv_get(l->c->env.kv, buf_str(&text), on_record, l);
    buf_finish(&text);
}

static void get_parts(struct look *l, struct key *k, str record) {
    struct version_record v;
    struct err err = ERR_INIT;
    if (version_parse(record, &l->arena, &v, &err) < 0) {
        return; /* memory said so already */
    }
    k->kind = KEY_PART;
    for (k->part = 1; k->part <= v.parts; k->part++) {
        get_record(l, k);
    }
}

static void on_record(void *arg, trl_status st, const struct kv_entry *x) {
    struct look *l = arg;
    struct key k;
    if (st == TRL_OK && key_parse(x->key, &l->arena, &k)) {
        memory_record(l->c, &k, x->value, false);
        if (k.kind == KEY_VERSION) {
            get_parts(l, &k, x->value);
        }
    }
    answered(l, st, "a version");
}

static void get_records(struct look *l) {
    const struct app *a = catalog_find(l->c, l->k.tenant, l->k.lattice, l->k.app);
    for (uint32_t i = 0; a && i < a->n_versions; i++) {
        if (!a->versions[i].json.ptr) {
            struct key k = l->k;
            k.kind = KEY_VERSION;
            k.uid = arena_str(&l->arena, a->uid);
            k.n = a->versions[i].n;
            get_record(l, &k);
        }
    }
}

static void on_head(void *arg, trl_status st, const struct kv_entry *x) {
    struct look *l = arg;
    struct catalog *c = l->c;
    if (st == TRL_OK) {
        struct entry *e = memory_entry(c, l->key, &l->k);
        memory_head(c, e, x->value.ptr ? x->value : STR(""), x->revision);
        memory_drop_if_idle(c, e);
        get_records(l);
    }
    answered(l, st, "the app's head");
}

bool catalog_look(struct catalog *c, str tenant, str lattice, str name, catalog_done_fn done,
                  void *arg) {
    struct look *l;
    struct buf text = BUF_INIT;
    struct key k = {KEY_HEAD, tenant, lattice, name, STR_NONE, 0, 0};
    if (!key_format(&k, &text)) {
        buf_finish(&text);
        return false;
    }
    l = mem_zalloc(sizeof(*l));
    l->c = c;
    l->k = k;
    l->k.tenant = arena_str(&l->arena, key_tenant(tenant));
    l->k.lattice = arena_str(&l->arena, lattice);
    l->k.app = arena_str(&l->arena, name);
    l->key = buf_take(&text);
    l->done = done;
    l->arg = arg;
    l->gets = 1;
    l->next = c->looks;
    if (l->next) {
        l->next->prev = l;
    }
    c->looks = l;
    kv_get(c->env.kv, str_c(l->key), on_head, l);
    return true;
}

void look_finish(struct catalog *c) {
    while (c->looks) {
        struct look *l = c->looks;
        kv_forget(c->env.kv, l);
        look_destroy(l);
    }
}
