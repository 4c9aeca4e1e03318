/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/import.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "catalog/key.h"
#include "codec/json.h"

/* One model of wadm's, read and named. */
struct model {
    struct arena arena;
    str tenant, lattice, name;
    struct node *manifests; /* object: version -> manifest, in order */
    str deployed;           /* ptr NULL: none */
};

struct import {
    struct catalog *c;
    struct kv *source, *kv;
    const struct log *log;
    bool multitenant;
    void (*done)(void *arg, const struct import_result *r);
    void *arg;
    struct import_result result;
    VEC(struct model *) models;
    struct map lattices; /* marker key -> itself; imported before: value is im */
    uint32_t at;         /* model under way */
    uint32_t version;    /* its version under way */
    uint32_t marker;     /* lattice whose marker is under way */
    struct manifest *m;  /* being put; owned */
    char err[200];
};

static void model_destroy(struct model *x) {
    arena_finish(&x->arena);
    mem_free(x);
}

void catalog_import_cancel(struct import *im) {
    if (!im) {
        return;
    }
    kv_forget(im->source, im);
    kv_forget(im->kv, im);
    for (uint32_t i = 0; i < im->models.n; i++) {
        model_destroy(im->models.at[i]);
    }
    VEC_FREE(&im->models);
    map_finish(&im->lattices);
    manifest_destroy(im->m);
    mem_free(im);
}

static void finish(struct import *im, const char *err) {
    im->result.err = err;
    im->done(im->arg, &im->result);
    catalog_import_cancel(im);
}

/* The app's name is in the manifests; the key only ends with it, and dashes are legal everywhere.
 */
static bool split_key(const struct import *im, str key, struct model *x) {
    const struct node *first = x->manifests->n ? x->manifests->members[0].value : NULL;
    str rest = key;
    x->name = node_text(node_get(first, "metadata"), "name", STR(""));
    x->tenant = STR("_");
    if (im->multitenant) {
        x->tenant = str_cut(key, '-', &rest);
    }
    if (!x->name.len || rest.len < x->name.len + 2 || !str_ends(rest, x->name) ||
        rest.ptr[rest.len - x->name.len - 1] != '-') {
        return false;
    }
    x->lattice = arena_str(&x->arena, str_n(rest.ptr, rest.len - x->name.len - 1));
    x->tenant = arena_str(&x->arena, x->tenant);
    return true;
}

static void on_entry(void *arg, const struct kv_entry *e) {
    struct import *im = arg;
    struct model *x;
    struct node *root = NULL;
    struct err err = ERR_INIT;
    str value = str_trim(e->value);
    /* Keys with dots are ours or nobody's; arrays are wadm's sets of names. */
    if (memchr(e->key.ptr, '.', e->key.len) || !value.len || value.ptr[0] != '{') {
        return;
    }
    x = mem_zalloc(sizeof(*x));
    bool ok = json_parse(arena_str(&x->arena, value), &x->arena, &root, &err) == 0;
    x->manifests = ok ? node_get(root, "manifests") : NULL;
    if (!x->manifests || x->manifests->type != NODE_OBJECT || x->manifests->n == 0 ||
        !split_key(im, e->key, x)) {
        log_warn(im->log, "import: %.*s is no model that can be read%s%s; it is left out",
                 PSTR(e->key), err.msg[0] ? ": " : "", err.msg);
        im->result.skipped++;
        model_destroy(x);
        return;
    }
    x->deployed = node_text(root, "deployed_version", STR_NONE);
    *VEC_ADD(&im->models) = x;
}

static void next(struct import *im);

static void marker_key(const struct model *x, struct buf *out) {
    buf_addf(out, "1.");
    key_escape(out, x->tenant);
    buf_add_c(out, '.');
    key_escape(out, x->lattice);
    buf_addf(out, ".imported");
}

static void on_marked(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    struct import *im = arg;
    (void)revision, (void)err;
    if (st != TRL_OK) {
        finish(im, "the store could not note that the import is done; it is tried again next time");
        return;
    }
    im->marker++;
    next(im);
}

/* Last: every lattice that was imported now is marked. */
static void mark(struct import *im) {
    while (im->marker < im->lattices.n && im->lattices.at[im->marker].value == im) {
        im->marker++;
    }
    if (im->marker == im->lattices.n) {
        finish(im, NULL);
        return;
    }
    kv_put(im->kv, im->lattices.at[im->marker].key, STR("{\"format\":1}"), TRL_REV_ANY, on_marked,
           im);
}

static void on_deployed(void *arg, const struct catalog_result *r) {
    struct import *im = arg;
    if (r->code == CATALOG_STORAGE) {
        snprintf(im->err, sizeof(im->err), "%s", r->err ? r->err : "");
        finish(im, im->err);
        return;
    }
    im->result.deployed += r->code == CATALOG_OK;
    im->at++;
    im->version = 0;
    next(im);
}

/* False: there is nothing to deploy. */
static bool deploy(struct import *im, const struct model *x) {
    const struct app *a = catalog_find(im->c, x->tenant, x->lattice, x->name);
    im->result.apps += a != NULL;
    if (!a || !x->deployed.ptr || !app_version(a, x->deployed)) {
        return false;
    }
    catalog_deploy(im->c, x->tenant, x->lattice, x->name, x->deployed, NULL, 0, on_deployed, im);
    return true;
}

static void on_put(void *arg, const struct catalog_result *r) {
    struct import *im = arg;
    manifest_destroy(im->m);
    im->m = NULL;
    if (r->code == CATALOG_STORAGE) {
        snprintf(im->err, sizeof(im->err), "%s", r->err ? r->err : "");
        finish(im, im->err);
        return;
    }
    im->result.versions += r->code == CATALOG_OK;
    im->result.skipped += r->code == CATALOG_TOO_LONG;
    im->version++;
    next(im);
}

/* False: unreadable, logged. */
static bool put(struct import *im, const struct model *x) {
    const struct node_member *v = &x->manifests->members[im->version];
    struct buf text = BUF_INIT;
    struct findings f;
    struct jw w;
    jw_init(&w, &text, false);
    jw_node(&w, v->value);
    findings_init(&f);
    bool ok = manifest_parse(buf_str(&text), MANIFEST_JSON, &im->m, &f) == 0;
    if (ok) {
        catalog_put(im->c, x->tenant, x->lattice, im->m, v->key, false, on_put, im);
    } else {
        const struct finding *e = findings_first_error(&f);
        log_warn(im->log, "import: version %.*s of app %.*s in lattice %.*s cannot be read: %.*s",
                 PSTR(v->key), PSTR(x->name), PSTR(x->lattice),
                 PSTR(e ? e->message : STR("no reason given")));
        im->result.skipped++;
    }
    findings_finish(&f);
    buf_finish(&text);
    return ok;
}

static void on_marker(void *arg, trl_status st, const struct kv_entry *e) {
    struct import *im = arg;
    const struct model *x = im->models.at[im->at];
    struct buf key = BUF_INIT;
    (void)e;
    if (st != TRL_OK && st != TRL_E_NOTFOUND) {
        finish(im, "the store cannot be read");
        return;
    }
    marker_key(x, &key);
    map_set(&im->lattices, buf_str(&key), st == TRL_OK ? im : NULL);
    buf_finish(&key);
    next(im);
}

/* A model is left alone when its lattice was imported before, or the app lives here already. */
static bool wanted(struct import *im, const struct model *x, bool *ret_asked) {
    const struct app *a = catalog_find_any(im->c, x->tenant, x->lattice, x->name);
    struct buf key = BUF_INIT;
    marker_key(x, &key);
    *ret_asked = !map_has(&im->lattices, buf_str(&key));
    if (*ret_asked) {
        kv_get(im->kv, buf_str(&key), on_marker, im);
    }
    bool done = map_get(&im->lattices, buf_str(&key)) == im;
    buf_finish(&key);
    /* Without a generation it may be what an interrupted import left: it is completed. */
    return !*ret_asked && !done && !(a && (a->generation > 0 || a->deleting));
}

static void next(struct import *im) {
    while (im->at < im->models.n) {
        const struct model *x = im->models.at[im->at];
        bool asked = false;
        if (im->version == 0 && !wanted(im, x, &asked)) {
            if (asked) {
                return;
            }
            im->at++;
            continue;
        }
        while (im->version < x->manifests->n) {
            if (put(im, x)) {
                return;
            }
            im->version++;
        }
        if (deploy(im, x)) {
            return;
        }
        im->at++;
        im->version = 0;
    }
    mark(im);
}

static void on_list_done(void *arg, trl_status st, const trl_err *err) {
    struct import *im = arg;
    if (st != TRL_OK) {
        snprintf(im->err, sizeof(im->err), "wadm's bucket cannot be read: %s %.*s", err_name(st),
                 err ? (int)err->msg_len : 0, err ? err->msg : "");
        finish(im, im->err);
        return;
    }
    next(im);
}

struct import *catalog_import_wadm(struct catalog *c, struct kv *source, struct kv *kv,
                                   const struct log *log, bool multitenant,
                                   void (*done)(void *arg, const struct import_result *r),
                                   void *arg) {
    struct import *im = mem_zalloc(sizeof(*im));
    im->c = c;
    im->source = source;
    im->kv = kv;
    im->log = log;
    im->multitenant = multitenant;
    im->done = done;
    im->arg = arg;
    kv_list(source, STR(""), STR(""), 0, on_entry, on_list_done, im);
    return im;
}
