/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis.api: changes of apps.
 */
#include "api/api_priv.h"

/* What did not work, in words and a code for programs. */
static void fail(struct req *r, const struct op_result *o) {
    switch (o->code) {
    case OP_NOT_FOUND:
        req_fail(r, "NOT_FOUND", "Application with the name %.*s not found", PSTR(r->name));
        break;
    case OP_NO_VERSION:
        req_fail(r, "NO_VERSION", "Application %.*s has no version %.*s", PSTR(r->name),
                 PSTR(r->version));
        break;
    case OP_EXISTS:
        req_fail(r, "EXISTS", "%.*s", PSTR(o->text));
        break;
    case OP_STORAGE:
        req_fail(r, "STORAGE", ENVELOPE_STORAGE "%s%.*s", o->text.len ? ": " : "", PSTR(o->text));
        break;
    case OP_DENIED:
        req_fail(r, "DENIED", "%.*s", PSTR(o->text));
        break;
    default:
        req_fail(r, "REFUSED", "%.*s", PSTR(o->text));
        break;
    }
}

static void put_reply(struct req *r, const char *result, str version, uint32_t n,
                      uint32_t versions) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "name", r->name);
    jw_kv(&w, "result", str_c(result));
    jw_kv(&w, "version", version);
    jw_kv_u64(&w, "n", n);
    jw_kv_u64(&w, "versions", versions);
    jw_end_object(&w);
    req_ok(r, &data);
}

static void note_finding(struct req *r, str note) {
    if (note.len > 2) {
        findings_add(&r->findings, FINDING_WARNING, "shared-not-deployed", STR("spec.components"),
                     0, 0, str_skip(note, 2),
                     STR("deploy the applications that provide them first"));
    }
}

static void on_put(struct req *r, const struct op_result *o) {
    if (o->code == OP_OK) {
        note_finding(r, o->note);
        put_reply(r, o->cr->total == 1 ? "created" : "newversion", o->cr->version, o->cr->n,
                  o->cr->total);
    } else if (o->code == OP_UNCHANGED) {
        put_reply(r, "unchanged", o->cr->version, o->cr->n, o->cr->total);
    } else {
        fail(r, o);
    }
}

static void put(struct req *r) {
    op_put(r, true, on_put);
}

/* Decodes the body, then runs fn in the lane of the app it names. */
static void with_manifest(struct req *r, void (*fn)(struct req *r)) {
    str refusal = STR("");
    if (!op_admit(r, &refusal)) {
        req_fail(r, "INVALID_MANIFEST", "%.*s", PSTR(refusal));
    } else if (r->s.name.ptr && !str_eq(r->s.name, r->m->name)) {
        req_fail(r, "INVALID", "The subject names application %.*s, the manifest %.*s",
                 PSTR(r->s.name), PSTR(r->m->name));
    } else {
        req_enter(r, str_trim(r->m->name), fn);
    }
}

void trellis_app_put(struct req *r) {
    with_manifest(r, put);
}

static void deploy_reply(struct req *r, const char *result) {
    const struct app *a = catalog_find(r->api->env.catalog, r->s.account, r->s.lattice, r->name);
    const struct version *v = a ? app_version_n(a, a->deployed) : NULL;
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "name", r->name);
    jw_kv(&w, "result", str_c(result));
    if (v) {
        jw_kv(&w, "version", v->version);
    }
    jw_kv_u64(&w, "generation", a ? a->generation : 0);
    jw_end_object(&w);
    req_ok(r, &data);
}

static void on_deployed(struct req *r, const struct op_result *o) {
    if (o->code == OP_OK) {
        deploy_reply(r, "deployed");
    } else {
        fail(r, o);
    }
}

static void on_put_for_apply(struct req *r, const struct op_result *o) {
    if (o->code == OP_OK || o->code == OP_UNCHANGED) {
        note_finding(r, o->note);
        r->version = arena_str(&r->arena, o->cr->version);
        op_deploy(r, on_deployed);
    } else {
        fail(r, o);
    }
}

static bool same_content(const struct version *v, const char *hash) {
    return v && str_is(v->hash, hash);
}

/* put if changed, then deploy. A, B, A makes three versions; what is deployed already is left
 * alone, once the store has said that it is. */
static void apply(struct req *r) {
    const struct app *a = catalog_find(r->api->env.catalog, r->s.account, r->s.lattice, r->name);
    str asked = manifest_version(r->m);
    const struct version *known = a && asked.ptr ? app_version(a, asked) : NULL, *use = NULL;
    char hash[65];
    manifest_hash(r->m, hash);
    if (known && !same_content(known, hash)) {
        req_fail(r, "EXISTS",
                 "Manifest version %.*s already exists with other content (stored %.12s, given "
                 "%.12s). Give the new content another version, or none",
                 PSTR(asked), known->hash.len >= 12 ? known->hash.ptr : "?", hash);
        return;
    }
    if (a && same_content(app_version_n(a, a->deployed), hash) &&
        (!known || known->n == a->deployed)) {
        if (!req_look(r, apply)) {
            deploy_reply(r, "unchanged");
        }
        return;
    }
    use = known ? known : a && same_content(app_current(a), hash) ? app_current(a) : NULL;
    if (use) {
        r->version = arena_str(&r->arena, use->version);
        op_deploy(r, on_deployed);
    } else {
        op_put(r, true, on_put_for_apply);
    }
}

void trellis_app_apply(struct req *r) {
    with_manifest(r, apply);
}

void trellis_app_validate(struct req *r) {
    struct buf data = BUF_INIT;
    struct jw w;
    str refusal = STR("");
    bool valid = op_admit(r, &refusal);
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv_bool(&w, "valid", valid);
    if (valid) {
        jw_kv(&w, "name", r->m->name);
        if (manifest_version(r->m).ptr) {
            jw_kv(&w, "version", manifest_version(r->m));
        }
    } else {
        jw_kv(&w, "message", refusal);
    }
    jw_end_object(&w);
    req_ok(r, &data);
}

static bool read_body(struct req *r) {
    struct err err = ERR_INIT;
    bool ok = req_read_version(r, &err);
    if (!ok) {
        req_fail(r, "INVALID", "Unable to parse the request: %s", err.msg);
    }
    return ok;
}

void trellis_app_deploy(struct req *r) {
    if (read_body(r)) {
        op_deploy(r, on_deployed);
    }
}

static void on_undeployed(struct req *r, const struct op_result *o) {
    if (o->code == OP_OK) {
        deploy_reply(r, o->cr->was_deployed ? "undeployed" : "unchanged");
    } else {
        fail(r, o);
    }
}

void trellis_app_undeploy(struct req *r) {
    struct node *root = NULL;
    struct err err = ERR_INIT;
    if (req_read_object(r, &root, &err)) {
        op_undeploy(r, on_undeployed);
    } else {
        req_fail(r, "INVALID", "Unable to parse the request: %s", err.msg);
    }
}

/* The version to go back to: what was applied besides the deployed one and may still run, else the
 * one stored before it. */
static const struct version *previous(const struct app *a) {
    const struct version *best = NULL;
    for (uint32_t i = 0; i < a->n_applied; i++) {
        const struct version *v = app_version_n(a, a->applied[i]);
        if (v && v->n != a->deployed) {
            best = v;
        }
    }
    for (uint32_t i = 1; i < a->n_versions && !best; i++) {
        if (a->versions[i].n == a->deployed) {
            best = &a->versions[i - 1];
        }
    }
    return best;
}

void trellis_app_rollback(struct req *r) {
    const struct app *a = catalog_find(r->api->env.catalog, r->s.account, r->s.lattice, r->name);
    const struct version *v = a ? previous(a) : NULL;
    if (!read_body(r) || (!r->version.ptr && req_look(r, trellis_app_rollback))) {
        return;
    }
    if (a && !r->version.ptr && !v) {
        req_fail(r, "NO_VERSION",
                 "Application %.*s has no earlier version to go back to; name one in \"version\"",
                 PSTR(r->name));
        return;
    }
    if (a && !r->version.ptr) {
        r->version = arena_str(&r->arena, v->version);
    }
    r->keep_pins = true;
    op_deploy(r, on_deployed);
}

static void on_deleted(struct req *r, const struct op_result *o) {
    struct buf data = BUF_INIT;
    struct jw w;
    if (o->code != OP_OK) {
        fail(r, o);
        return;
    }
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "name", r->name);
    jw_kv(&w, "result", STR("deleted"));
    if (r->version.ptr) {
        jw_kv(&w, "version", r->version);
    }
    jw_kv_u64(&w, "versions", o->cr->total);
    jw_kv_bool(&w, "was_deployed", o->cr->was_deployed);
    jw_end_object(&w);
    req_ok(r, &data);
}

void trellis_app_delete(struct req *r) {
    if (read_body(r)) {
        op_delete(r, on_deleted);
    }
}
