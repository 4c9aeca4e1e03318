/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes of the model: put, deploy, undeploy, delete. Told to the world after the write, answered
 * after that.
 */
#include <string.h>

#include "api/judge.h"
#include "api/shared.h"

/* Beside the manifest, the app's name and its version, the replies to get and the event of a deploy
 * carry less than this. */
#define ENVELOPE_BYTES 320u

static void tell(struct req *r, const struct op_result *o) {
    r->then(r, o);
}

static void refuse(struct req *r, enum op_code code, str text) {
    struct op_result o = {.code = code, .text = text, .note = STR("")};
    tell(r, &o);
}

/* The catalog's answer in our codes: the write is over. */
static struct op_result result_of(struct req *r, const struct catalog_result *cr) {
    struct op_result o = {.code = OP_OK, .text = STR(""), .cr = cr, .note = r->note};
    switch (cr->code) {
    case CATALOG_OK:
        break;
    case CATALOG_UNCHANGED:
        o.code = OP_UNCHANGED;
        break;
    case CATALOG_NOT_FOUND:
        o.code = OP_NOT_FOUND;
        break;
    case CATALOG_NO_VERSION:
        o.code = OP_NO_VERSION;
        break;
    case CATALOG_EXISTS:
        o.code = OP_EXISTS;
        o.text = arena_printf(&r->arena, "Manifest version %.*s already exists", PSTR(cr->version));
        break;
    case CATALOG_TOO_LONG:
        o.code = OP_REFUSED;
        o.text = arena_printf(&r->arena,
                              "Names are too long: an application's is limited to %u characters, "
                              "a lattice's to %u, and with the account all to %u",
                              CATALOG_APP_MAX, CATALOG_LATTICE_MAX, CATALOG_NAMES_MAX);
        break;
    default:
        o.code = OP_STORAGE;
        o.text = str_c(cr->err ? cr->err : "");
        log_error(r->api->env.log, "%.*s: %.*s", PSTR(r->subject), PSTR(o.text));
        break;
    }
    step_end(r, "store", o.code == OP_STORAGE ? o.text : STR_NONE);
    return o;
}

struct owner {
    str account, lattice;
    str other; /* the first account found that has the lattice */
};

static void find_owner(void *arg, str tenant, str lattice) {
    struct owner *o = arg;
    if (str_eq(lattice, o->lattice) && !str_eq(tenant, o->account) && !o->other.ptr) {
        o->other = tenant;
    }
}

/* Status and events name no account, so a lattice belongs to the first that uses it. */
static bool lattice_refused(struct req *r, str *ret) {
    struct owner o = {r->s.account, r->s.lattice, STR_NONE};
    if (!catalog_lattice_ok(r->s.lattice)) {
        *ret = arena_printf(&r->arena,
                            "The lattice name %.*s is not allowed: use up to %u letters, digits, "
                            "dashes and underscores",
                            PSTR(r->s.lattice), CATALOG_LATTICE_MAX);
        return true;
    }
    if (r->api->env.multitenant) {
        catalog_lattices(r->api->env.catalog, find_owner, &o);
    }
    if (o.other.ptr) {
        *ret = arena_printf(&r->arena,
                            "The lattice %.*s is in use by another account; lattice names must be "
                            "unique over all accounts. Choose another one",
                            PSTR(r->s.lattice));
    }
    return o.other.ptr != NULL;
}

/* What could be stored but neither returned nor announced is refused at once. */
static bool fits(struct req *r, str *ret) {
    struct buf text = BUF_INIT;
    struct jw w;
    str version = manifest_version(r->m), generated = STR("01234567890123456789012345");
    manifest_write(r->m, version.ptr ? STR_NONE : generated, &text);
    size_t stored = text.len;
    jw_init(&w, &text, false);
    jw_array(&w);
    jw_str(&w, r->m->name);
    jw_str(&w, version.ptr ? version : generated);
    jw_end_array(&w);
    size_t around = text.len - stored + ENVELOPE_BYTES;
    buf_finish(&text);
    if (stored + around > r->api->max_payload) {
        *ret = arena_printf(&r->arena,
                            "Manifest is too large: its stored form takes %zu bytes, and a reply "
                            "that returns it %zu more; the transport's limit for a message is %zu "
                            "bytes",
                            stored, around, r->api->max_payload);
        return false;
    }
    return true;
}

static void on_put(void *arg, const struct catalog_result *cr) {
    struct req *r = arg;
    struct op_result o = result_of(r, cr);
    if (o.code == OP_OK) {
        announce_event(r->api->announce, "app_put", r->s.account, r->s.lattice, r->name,
                       cr->version, &r->ctx);
    }
    tell(r, &o);
}

/* True: it must not be; the asker was told. */
static bool denied(struct req *r, const struct manifest *m, const struct ruling *ruling) {
    struct buf text = BUF_INIT;
    if (!ruling || (ruling->n_reasons == 0 && !ruling_denies(ruling))) {
        return false;
    }
    judge_findings(r, m, ruling);
    if (!ruling_denies(ruling)) {
        return false;
    }
    ruling_text(ruling, &text);
    str kept = arena_str(&r->arena, buf_str(&text));
    buf_finish(&text);
    refuse(r, OP_DENIED, kept);
    return true;
}

static void put_judged(struct req *r, const struct ruling *ruling) {
    if (!denied(r, r->m, ruling)) {
        step_begin(r);
        catalog_put(r->api->env.catalog, r->s.account, r->s.lattice, r->m, manifest_version(r->m),
                    r->if_changed, on_put, r);
    }
}

void op_put(struct req *r, bool if_changed, void (*then)(struct req *, const struct op_result *)) {
    struct catalog *c = r->api->env.catalog;
    str text = STR("");
    r->then = then;
    if (lattice_refused(r, &text) || !fits(r, &text)) {
        refuse(r, OP_REFUSED, text);
        return;
    }
    text = shared_missing(c, r->s.account, r->s.lattice, r->m, &r->arena);
    r->note = text.len
                  ? arena_printf(&r->arena, ", but some shared components are not deployed: %.*s",
                                 PSTR(text))
                  : STR("");
    r->if_changed = if_changed;
    judge_ask(r, TRL_POINT_PUT, r->m, NULL, put_judged);
}

static void on_deploy(void *arg, const struct catalog_result *cr) {
    struct req *r = arg;
    if (cr->code == CATALOG_MOVED) { /* another instance stored a newer one: that is meant */
        step_end(r, "store", STR("another instance stored a newer version"));
        op_deploy(r, r->then);
        return;
    }
    struct op_result o = result_of(r, cr);
    struct catalog *c = r->api->env.catalog;
    const struct app *a = catalog_find(c, r->s.account, r->s.lattice, r->name);
    const struct version *v = a ? app_version_n(a, cr->n) : NULL;
    if (o.code == OP_OK) {
        if (v && v->json.ptr) {
            announce_published(r->api->announce, r->s.lattice, v->json, &r->ctx);
        }
        announce_event(r->api->announce, "app_deployed", r->s.account, r->s.lattice, r->name,
                       cr->version, &r->ctx);
    }
    tell(r, &o);
}

static bool names_newest(const struct req *r) {
    return !r->version.ptr || str_is(r->version, "latest");
}

const struct version *op_resolve(const struct req *r, const struct app *a) {
    return !a ? NULL : names_newest(r) ? app_current(a) : app_version(a, r->version);
}

static void deploy_again(struct req *r) {
    op_deploy(r, r->then);
}

/* Memory may be behind. That it knows the newest version is checked by the write itself. */
static bool must_look(struct req *r, const struct version *v) {
    return (!v || !v->json.ptr) && req_look(r, deploy_again);
}

/* What is to be deployed: memory may have changed since it was looked at last. NULL: it is gone,
 * and the asker was told. */
static const struct manifest *deploying(struct req *r) {
    struct catalog *c = r->api->env.catalog;
    const struct app *a = catalog_find(c, r->s.account, r->s.lattice, r->name);
    const struct version *v = a ? app_version(a, r->deploying) : NULL;
    const struct manifest *m = v ? catalog_manifest(c, a, v->n) : NULL;
    if (!a || !v) {
        refuse(r, a ? OP_NO_VERSION : OP_NOT_FOUND, STR(""));
    } else if (!m) {
        refuse(r, OP_STORAGE, STR("the stored manifest cannot be read"));
    }
    return m;
}

static void deploy_checked(struct req *r, str refusal) {
    struct catalog *c = r->api->env.catalog;
    const struct manifest *m, *old;
    str *keys = NULL;
    uint32_t n_keys = 0;
    if (refusal.len) {
        refuse(r, OP_REFUSED, refusal);
        return;
    }
    m = deploying(r);
    if (!m) {
        return;
    }
    struct engine *e = req_engine(r, false);
    const struct app *a = catalog_find(c, r->s.account, r->s.lattice, r->name);
    old = a && a->deployed ? catalog_manifest(c, a, a->deployed) : NULL;
    if (e && old) {
        n_keys = engine_links_to_renew(e, old, m, &r->arena, &keys);
    }
    step_begin(r);
    catalog_deploy_pinned(c, r->s.account, r->s.lattice, r->name, r->deploying, keys, n_keys,
                          r->pins, r->n_pins, r->keep_pins, names_newest(r), &r->ctx, on_deploy, r);
    if (e && a) {
        engine_app_coming(e, r->name, app_version(a, r->deploying)->n);
    }
}

static void deploy_judged(struct req *r, const struct ruling *ruling) {
    const struct manifest *m = deploying(r);
    if (m && !denied(r, r->m ? r->m : m, ruling)) {
        judge_secrets(r, m, deploy_checked);
    }
}

static void judge_deploy(struct req *r, struct engine *e, const struct manifest *m) {
    struct plan *p = NULL;
    const struct policy_chains *chains = r->api->env.policy;
    if (e && policy_asks(chains, TRL_POINT_DEPLOY) &&
        policy_looks(chains, TRL_POINT_DEPLOY) & TRL_LOOKS_PLAN) {
        engine_preview(e, r->name, m, &p, NULL); /* none yet: judged without */
    }
    judge_ask(r, TRL_POINT_DEPLOY, m, p, deploy_judged);
    plan_destroy(p);
}

void op_deploy(struct req *r, void (*then)(struct req *, const struct op_result *)) {
    struct catalog *c = r->api->env.catalog;
    const struct app *a = catalog_find(c, r->s.account, r->s.lattice, r->name);
    const struct version *v = op_resolve(r, a);
    struct err err = ERR_INIT;
    r->then = then;
    if (must_look(r, v)) {
        return;
    }
    if (!a || !v) {
        refuse(r, a ? OP_NO_VERSION : OP_NOT_FOUND, STR(""));
        return;
    }
    r->deploying = arena_str(&r->arena, v->version);
    struct engine *e = req_engine(r, true); /* may change memory */
    const struct manifest *m = deploying(r);
    if (!m) {
        return;
    }
    if (e && engine_check_deploy(e, m, &err) < 0) {
        refuse(r, OP_REFUSED, arena_str(&r->arena, str_c(err.msg)));
        return;
    }
    judge_deploy(r, e, m);
}

/* An app that was never deployed has no engine that says what became of it; wadm says it too. */
static void tell_never_deployed(struct req *r) {
    struct app_status s;
    envelope_default_status(catalog_find(r->api->env.catalog, r->s.account, r->s.lattice, r->name),
                            false, &s);
    announce_status(r->api->announce, r->s.account, r->s.lattice, r->name, &s, &r->ctx);
}

static void on_undeploy(void *arg, const struct catalog_result *cr) {
    struct req *r = arg;
    struct op_result o = result_of(r, cr);
    if (o.code == OP_OK && cr->first) {
        tell_never_deployed(r);
    }
    if (o.code == OP_OK) {
        announce_unpublished(r->api->announce, r->s.lattice, r->name, &r->ctx);
    }
    if (o.code == OP_OK && cr->was_deployed) {
        announce_event(r->api->announce, "app_undeployed", r->s.account, r->s.lattice, r->name,
                       STR_NONE, &r->ctx);
    }
    tell(r, &o);
}

void op_undeploy(struct req *r, void (*then)(struct req *, const struct op_result *)) {
    r->then = then;
    step_begin(r);
    catalog_undeploy(r->api->env.catalog, r->s.account, r->s.lattice, r->name, &r->ctx, on_undeploy,
                     r);
}

static void on_delete(void *arg, const struct catalog_result *cr) {
    struct req *r = arg;
    struct op_result o = result_of(r, cr);
    bool whole = !r->version.ptr || cr->last;
    /* Clients wait for the event even when there was nothing to delete; an unknown version of an
     * app that exists changes nothing, so nothing is said. */
    if (o.code == OP_NOT_FOUND || (o.code == OP_OK && (whole || cr->was_deployed))) {
        if (catalog_lattice_ok(r->s.lattice)) {
            announce_unpublished(r->api->announce, r->s.lattice, r->name, &r->ctx);
        }
    }
    if (o.code == OP_OK) {
        announce_event(r->api->announce, whole ? "app_deleted" : "version_deleted", r->s.account,
                       r->s.lattice, r->name, r->version, &r->ctx);
    }
    tell(r, &o);
}

void op_delete(struct req *r, void (*then)(struct req *, const struct op_result *)) {
    r->then = then;
    step_begin(r);
    catalog_delete(r->api->env.catalog, r->s.account, r->s.lattice, r->name, r->version, &r->ctx,
                   on_delete, r);
}
