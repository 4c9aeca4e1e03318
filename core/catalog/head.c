/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/head.h"

#include <string.h>

#include "base/mem.h"
#include "codec/json.h"

static bool uid_ok(str uid) {
    for (size_t i = 0; i < uid.len; i++) {
        char c = uid.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) {
            return false;
        }
    }
    return uid.len > 0 && uid.len <= 26;
}

static bool get_u32(const struct node *n, uint32_t *ret) {
    uint64_t v;
    if (!n || !node_u64(n, &v) || v > UINT32_MAX) {
        return false;
    }
    *ret = (uint32_t)v;
    return true;
}

static int read_versions(const struct node *list, struct head *h, struct err *err) {
    struct app *a = &h->app;
    if (!list || list->type != NODE_ARRAY) {
        return err_set(err, TRL_E_INVALID, "head record: member versions is missing");
    }
    a->versions = ARENA_ARRAY(&h->arena, struct version, list->n + 1);
    for (uint32_t i = 0; i < list->n; i++) {
        const struct node *o = list->items[i];
        struct version *v = &a->versions[i];
        uint64_t created = node_u64_or(o, "created", 0);
        const struct node *text = node_get(o, "version");
        if (!get_u32(node_get(o, "n"), &v->n) || v->n == 0 || v->n >= a->next || !text ||
            text->type != NODE_STRING) {
            return err_set(err, TRL_E_INVALID, "head record: versions[%u] is damaged", i);
        }
        v->version = arena_str(&h->arena, text->text);
        v->hash = arena_str(&h->arena, node_text(o, "hash", STR("")));
        v->created_ms = created > INT64_MAX ? 0 : (int64_t)created;
    }
    a->n_versions = list->n;
    return TRL_OK;
}

static int read_lists(const struct node *root, struct head *h, struct err *err) {
    const struct node *applied = node_get(root, "applied"), *refresh = node_get(root, "refresh");
    struct app *a = &h->app;
    uint32_t n_applied = applied && applied->type == NODE_ARRAY ? applied->n : 0;
    uint32_t n_refresh = refresh && refresh->type == NODE_ARRAY ? refresh->n : 0;
    a->applied = ARENA_ARRAY(&h->arena, uint32_t, n_applied + 1);
    a->refresh = ARENA_ARRAY(&h->arena, str, n_refresh + 1);
    for (uint32_t i = 0; i < n_applied; i++) {
        if (!get_u32(applied->items[i], &a->applied[i]) || a->applied[i] == 0) {
            return err_set(err, TRL_E_INVALID, "head record: applied[%u] is damaged", i);
        }
    }
    for (uint32_t i = 0; i < n_refresh; i++) {
        if (refresh->items[i]->type != NODE_STRING) {
            return err_set(err, TRL_E_INVALID, "head record: refresh[%u] is damaged", i);
        }
        a->refresh[i] = arena_str(&h->arena, refresh->items[i]->text);
    }
    a->n_applied = n_applied;
    a->n_refresh = n_refresh;
    return TRL_OK;
}

/* What cannot be read is left out: the next deploy pins anew. */
static void read_pins(const struct node *pins, struct head *h) {
    struct app *a = &h->app;
    uint32_t n = pins && pins->type == NODE_ARRAY ? pins->n : 0;
    a->pins = ARENA_ARRAY(&h->arena, struct secret_pin, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const struct node *o = pins->items[i];
        struct secret_pin *p = &a->pins[a->n_pins];
        p->name = arena_str(&h->arena, node_text(o, "name", STR_NONE));
        p->version = arena_str(&h->arena, node_text(o, "version", STR_NONE));
        p->fixed = node_bool_or(o, "fixed", false);
        a->n_pins += get_u32(node_get(o, "n"), &p->n) && p->name.len && p->version.len;
    }
}

static int read_head(const struct node *root, struct head *h, struct err *err) {
    struct app *a = &h->app;
    int rc;
    if (node_u64_or(root, "format", 0) != 1) {
        return err_set(err, TRL_E_INVALID,
                       "head record: format is not 1; a newer release wrote it, or it is damaged");
    }
    a->uid = arena_str(&h->arena, node_text(root, "uid", STR("")));
    if (!uid_ok(a->uid) || !get_u32(node_get(root, "next"), &a->next) || a->next == 0) {
        return err_set(err, TRL_E_INVALID, "head record: uid or next is damaged");
    }
    a->generation = node_u64_or(root, "generation", 0);
    a->deleting = node_bool_or(root, "deleting", false);
    a->deployed = (uint32_t)node_u64_or(root, "deployed", 0);
    trace_parse(node_text(root, "trace", STR("")), &a->trace);
    rc = read_versions(node_get(root, "versions"), h, err);
    if (rc == 0) {
        rc = read_lists(root, h, err);
        read_pins(node_get(root, "pins"), h);
    }
    if (rc == 0 && a->deployed && !app_version_n(a, a->deployed)) {
        return err_set(err, TRL_E_INVALID, "head record: deployed names no version");
    }
    return rc;
}

int head_parse(str text, struct head **ret, struct err *err) {
    struct head *h = mem_zalloc(sizeof(*h));
    struct arena scratch = ARENA_INIT;
    struct node *root = NULL;
    int rc = json_parse_blind(text, &scratch, &root, err);
    if (rc == 0) {
        rc = read_head(root, h, err);
    }
    arena_finish(&scratch);
    if (rc < 0) {
        head_destroy(h);
        return rc;
    }
    *ret = h;
    return TRL_OK;
}

static void write_versions(struct jw *w, const struct app *a) {
    jw_key(w, "versions");
    jw_array(w);
    for (uint32_t i = 0; i < a->n_versions; i++) {
        const struct version *v = &a->versions[i];
        jw_object(w);
        jw_kv_u64(w, "n", v->n);
        jw_kv(w, "version", v->version);
        jw_kv(w, "hash", v->hash);
        jw_kv_u64(w, "created", v->created_ms < 0 ? 0 : (uint64_t)v->created_ms);
        jw_end_object(w);
    }
    jw_end_array(w);
}

static void write_pins(struct jw *w, const struct app *a) {
    jw_key(w, "pins");
    jw_array(w);
    for (uint32_t i = 0; i < a->n_pins; i++) {
        jw_object(w);
        jw_kv_u64(w, "n", a->pins[i].n);
        jw_kv(w, "name", a->pins[i].name);
        jw_kv(w, "version", a->pins[i].version);
        jw_kv_bool(w, "fixed", a->pins[i].fixed);
        jw_end_object(w);
    }
    jw_end_array(w);
}

void head_write(const struct app *a, struct buf *out) {
    char trace[TRACE_LEN + 1];
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv_u64(&w, "format", 1);
    jw_kv(&w, "uid", a->uid);
    jw_kv_u64(&w, "next", a->next);
    write_versions(&w, a);
    jw_kv_u64(&w, "deployed", a->deployed);
    jw_kv_u64(&w, "generation", a->generation);
    jw_key(&w, "applied");
    jw_array(&w);
    for (uint32_t i = 0; i < a->n_applied; i++) {
        jw_u64(&w, a->applied[i]);
    }
    jw_end_array(&w);
    jw_key(&w, "refresh");
    jw_array(&w);
    for (uint32_t i = 0; i < a->n_refresh; i++) {
        jw_str(&w, a->refresh[i]);
    }
    jw_end_array(&w);
    if (a->n_pins) {
        write_pins(&w, a);
    }
    if (trace_known(&a->trace)) {
        jw_kv(&w, "trace", trace_text(&a->trace, trace));
    }
    jw_kv_bool(&w, "deleting", a->deleting);
    jw_end_object(&w);
}

struct head *head_dup(const struct app *a) {
    struct head *h = mem_zalloc(sizeof(*h));
    h->app = *a;
    h->app.tenant = arena_str(&h->arena, a->tenant);
    h->app.lattice = arena_str(&h->arena, a->lattice);
    h->app.name = arena_str(&h->arena, a->name);
    h->app.uid = arena_str(&h->arena, a->uid);
    h->app.versions = ARENA_ARRAY(&h->arena, struct version, a->n_versions + 1);
    for (uint32_t i = 0; i < a->n_versions; i++) {
        h->app.versions[i] = a->versions[i];
        h->app.versions[i].version = arena_str(&h->arena, a->versions[i].version);
        h->app.versions[i].hash = arena_str(&h->arena, a->versions[i].hash);
    }
    h->app.applied = ARENA_ARRAY(&h->arena, uint32_t, a->n_applied + 1);
    for (uint32_t i = 0; i < a->n_applied; i++) {
        h->app.applied[i] = a->applied[i];
    }
    h->app.refresh = ARENA_ARRAY(&h->arena, str, a->n_refresh + 1);
    for (uint32_t i = 0; i < a->n_refresh; i++) {
        h->app.refresh[i] = arena_str(&h->arena, a->refresh[i]);
    }
    h->app.pins = ARENA_ARRAY(&h->arena, struct secret_pin, a->n_pins + 1);
    for (uint32_t i = 0; i < a->n_pins; i++) {
        h->app.pins[i] = a->pins[i];
        h->app.pins[i].name = arena_str(&h->arena, a->pins[i].name);
        h->app.pins[i].version = arena_str(&h->arena, a->pins[i].version);
    }
    return h;
}

void head_destroy(struct head *h) {
    if (h) {
        arena_finish(&h->arena);
        mem_free(h);
    }
}

bool head_applied(const struct app *a, uint32_t n) {
    for (uint32_t i = 0; i < a->n_applied; i++) {
        if (a->applied[i] == n) {
            return true;
        }
    }
    return false;
}

bool head_names(const struct app *a, uint32_t n) {
    return app_version_n(a, n) != NULL || head_applied(a, n);
}

const struct version *app_version(const struct app *a, str version) {
    for (uint32_t i = 0; i < a->n_versions; i++) {
        if (str_eq(a->versions[i].version, version)) {
            return &a->versions[i];
        }
    }
    return NULL;
}

const struct version *app_version_n(const struct app *a, uint32_t n) {
    for (uint32_t i = 0; i < a->n_versions; i++) {
        if (a->versions[i].n == n) {
            return &a->versions[i];
        }
    }
    return NULL;
}

str app_pin(const struct app *a, uint32_t n, str secret, bool *ret_fixed) {
    for (uint32_t i = 0; i < a->n_pins; i++) {
        if (a->pins[i].n == n && str_eq(a->pins[i].name, secret)) {
            if (ret_fixed) {
                *ret_fixed = a->pins[i].fixed;
            }
            return a->pins[i].version;
        }
    }
    return STR_NONE;
}

const struct version *app_current(const struct app *a) {
    return a->n_versions ? &a->versions[a->n_versions - 1] : NULL;
}
