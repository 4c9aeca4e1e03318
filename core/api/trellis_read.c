/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis.api: questions about apps, answered from memory; what is not there is looked for in the
 * store first.
 */
#include "api/api_priv.h"

/* NULL: the reply is on its way. */
static const struct app *find(struct req *r, void (*again)(struct req *r)) {
    const struct app *a = catalog_find(r->api->env.catalog, r->s.account, r->s.lattice, r->name);
    if (!a && !req_look(r, again)) {
        req_fail(r, "NOT_FOUND", "Application with the name %.*s not found", PSTR(r->name));
    }
    return a;
}

/* Versions of secrets that version n was deployed with; values are nowhere. */
static void write_secrets(struct jw *w, const struct app *a, uint32_t n) {
    bool any = false;
    for (uint32_t i = 0; i < a->n_pins; i++) {
        if (a->pins[i].n == n) {
            if (!any) {
                jw_key(w, "secrets");
                jw_array(w);
            }
            any = true;
            jw_object(w);
            jw_kv(w, "name", a->pins[i].name);
            jw_kv(w, "version", a->pins[i].version);
            jw_kv_bool(w, "fixed", a->pins[i].fixed);
            jw_end_object(w);
        }
    }
    if (any) {
        jw_end_array(w);
    }
}

static void write_version(struct jw *w, const struct app *a, const struct version *v) {
    jw_kv(w, "version", v->version);
    jw_kv_u64(w, "n", v->n);
    jw_kv(w, "hash", v->hash);
    jw_kv_u64(w, "created_ms", v->created_ms < 0 ? 0 : (uint64_t)v->created_ms);
    jw_kv_bool(w, "deployed", v->n == a->deployed);
    write_secrets(w, a, v->n);
}

void trellis_app_get(struct req *r) {
    struct err err = ERR_INIT;
    struct buf data = BUF_INIT;
    struct jw w;
    const struct app *a;
    const struct version *v;
    if (!req_read_version(r, &err)) {
        req_fail(r, "INVALID", "Unable to parse the request: %s", err.msg);
        return;
    }
    a = find(r, trellis_app_get);
    if (!a) {
        return;
    }
    v = r->version.ptr ? app_version(a, r->version) : app_current(a);
    if ((!v || !v->json.ptr) && req_look(r, trellis_app_get)) {
        return;
    }
    if (!v || !v->json.ptr) {
        req_fail(r, v ? "STORAGE" : "NO_VERSION",
                 v ? "The record of version %.*s is missing in the store"
                   : "Application has no version %.*s",
                 PSTR(v ? v->version : r->version));
        return;
    }
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "name", a->name);
    write_version(&w, a, v);
    jw_key(&w, "manifest");
    jw_raw(&w, v->json);
    jw_end_object(&w);
    req_ok(r, &data);
}

void trellis_app_versions(struct req *r) {
    struct buf data = BUF_INIT;
    struct jw w;
    const struct app *a = find(r, trellis_app_versions);
    if (!a) {
        return;
    }
    jw_init(&w, &data, false);
    jw_array(&w);
    for (uint32_t i = 0; i < a->n_versions; i++) {
        jw_object(&w);
        write_version(&w, a, &a->versions[i]);
        jw_end_object(&w);
    }
    jw_end_array(&w);
    req_ok(r, &data);
}

/* Members of one app that lists and status share. *def holds what stands for a missing status. */
static const struct app_status *write_head(struct jw *w, struct engine *e, const struct app *a,
                                           struct app_status *def) {
    const struct version *cur = app_current(a), *deployed = app_version_n(a, a->deployed);
    const struct app_status *s = e ? engine_status(e, a->name) : NULL;
    if (!s) {
        envelope_default_status(a, false, def);
        def->generation = a->generation;
        s = def;
    }
    jw_kv(w, "name", a->name);
    jw_kv(w, "version", cur ? cur->version : STR(""));
    jw_key(w, "deployed_version");
    if (deployed) {
        jw_str(w, deployed->version);
    } else {
        jw_null(w);
    }
    jw_kv_u64(w, "versions", a->n_versions);
    jw_kv_u64(w, "generation", s->generation); /* what the status speaks of: not before it */
    jw_kv_bool(w, "deleting", a->deleting);
    jw_kv(w, "type", str_c(status_type_name(s->type)));
    jw_kv(w, "message", s->message);
    return s;
}

struct listing {
    struct req *r;
    struct engine *e;
    struct jw *w;
};

static void add_app(void *arg, const struct app *a) {
    struct listing *l = arg;
    struct app_status def;
    const struct version *cur = app_current(a);
    const struct manifest *m = cur ? catalog_manifest(l->r->api->env.catalog, a, cur->n) : NULL;
    str description = m ? manifest_annotation(m, "description") : STR_NONE;
    jw_object(l->w);
    write_head(l->w, l->e, a, &def);
    if (description.ptr) {
        jw_kv(l->w, "description", description);
    }
    jw_end_object(l->w);
}

/* Apps that are being deleted are listed too: they still run. */
void trellis_app_list(struct req *r) {
    struct buf data = BUF_INIT;
    struct jw w;
    struct listing l = {r, req_engine(r, false), &w};
    jw_init(&w, &data, false);
    jw_array(&w);
    catalog_each(r->api->env.catalog, r->s.account, r->s.lattice, add_app, &l);
    jw_end_array(&w);
    req_ok(r, &data);
}

static void write_scalers(struct jw *w, const struct app_status *s) {
    jw_key(w, "scalers");
    jw_array(w);
    for (uint32_t i = 0; i < s->n_scalers; i++) {
        const struct scaler_status *x = &s->scalers[i];
        jw_object(w);
        jw_kv(w, "id", x->id);
        jw_kv(w, "kind", x->kind);
        jw_kv(w, "name", x->name);
        jw_kv(w, "type", str_c(status_type_name(x->type)));
        jw_kv(w, "message", x->message);
        jw_kv_u64(w, "wanted", x->wanted);
        jw_kv_u64(w, "running", x->running);
        jw_end_object(w);
    }
    jw_end_array(w);
}

void trellis_app_status(struct req *r) {
    struct buf data = BUF_INIT;
    struct jw w;
    struct app_status def;
    struct engine *e = req_engine(r, false);
    const struct app *a =
        catalog_find_any(r->api->env.catalog, r->s.account, r->s.lattice, r->name);
    const struct app_status *s;
    if (!a) {
        find(r, trellis_app_status);
        return;
    }
    jw_init(&w, &data, false);
    jw_object(&w);
    s = write_head(&w, e, a, &def);
    write_scalers(&w, s);
    write_secrets(&w, a, a->deployed);
    jw_kv_bool(&w, "lattice_known", e && engine_synced(e));
    jw_end_object(&w);
    req_ok(r, &data);
}

static void write_event(void *arg, const struct journal_entry *x) {
    struct jw *w = arg;
    struct buf text = BUF_INIT;
    buf_addf(&text, "{\"seq\":%llu,", (unsigned long long)x->seq);
    buf_add_str(&text, str_skip(x->json, 1)); /* behind its own brace */
    jw_raw(w, buf_str(&text));
    buf_finish(&text);
}

#define EVENTS_DEFAULT 100u
#define EVENTS_MAX     1000u

void trellis_events_list(struct req *r) {
    struct buf data = BUF_INIT;
    struct jw w;
    struct node *root = NULL;
    struct err err = ERR_INIT;
    uint64_t limit = EVENTS_DEFAULT, after = 0;
    if (r->body.len && json_parse(r->body, &r->arena, &root, &err) < 0) {
        req_fail(r, "INVALID", "Unable to parse the request: %s", err.msg);
        return;
    }
    limit = node_u64_or(root, "limit", limit);
    after = node_u64_or(root, "after", after);
    jw_init(&w, &data, false);
    jw_array(&w);
    journal_read(r->api->journal, r->s.account, r->s.lattice, r->s.name, after,
                 limit < EVENTS_MAX ? (uint32_t)limit : EVENTS_MAX, write_event, &w);
    jw_end_array(&w);
    req_ok(r, &data);
}
