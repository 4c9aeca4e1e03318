/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis.api: what would be done, by the very function that does it.
 */
#include "api/judge.h"

str plan_verb(uint32_t verb) {
    static const char *const names[] = {
        [0] = "",
        [TRL_DO_SCALE] = "scale",
        [TRL_DO_UPDATE] = "update",
        [TRL_DO_PROVIDER_START] = "provider_start",
        [TRL_DO_PROVIDER_STOP] = "provider_stop",
        [TRL_DO_LINK_PUT] = "link_put",
        [TRL_DO_LINK_DEL] = "link_del",
        [TRL_DO_CONFIG_PUT] = "config_put",
        [TRL_DO_CONFIG_DEL] = "config_del",
        [TRL_DO_LABEL_PUT] = "label_put",
        [TRL_DO_LABEL_DEL] = "label_del",
        [TRL_DO_HOST_STOP] = "host_stop",
        [TRL_DO_LINK_RENEW] = "link_renew",
    };
    return str_c(verb < ARRAY_LEN(names) ? names[verb] : "");
}

static void write_action(struct jw *w, const struct plan_action *x) {
    static const char *const targets[] = {"unit", "link", "config"};
    jw_object(w);
    jw_kv(w, "verb", plan_verb(x->verb));
    jw_kv(w, "target", str_c(targets[x->target]));
    jw_kv(w, "app", x->app);
    jw_kv(w, "name", x->name);
    if (x->target == PLAN_UNIT) {
        jw_kv(w, "host", x->host_id);
        jw_kv_u64(w, "count", x->count);
        jw_kv_u64(w, "count_old", x->count_old);
        if (x->unit) {
            jw_kv(w, "image", x->unit->image);
        }
        if (x->image_old.len) {
            jw_kv(w, "image_old", x->image_old);
        }
        if (x->group.len) {
            jw_kv(w, "spread", x->group);
        }
    }
    jw_kv_bool(w, "removal", x->removal);
    jw_kv(w, "reason", x->reason);
    jw_end_object(w);
}

static void write_place(struct jw *w, const struct plan_place *x) {
    jw_object(w);
    jw_kv(w, "unit", x->unit);
    jw_kv(w, "host", x->host_id);
    jw_kv(w, "host_name", x->host_name);
    jw_kv(w, "spread", x->group);
    jw_kv_u64(w, "now", x->now);
    jw_kv_u64(w, "wanted", x->wanted);
    jw_kv(w, "why", x->why);
    jw_end_object(w);
}

static void write_plan(struct jw *w, const struct plan *p) {
    struct buf status = BUF_INIT;
    jw_object(w);
    jw_key(w, "actions");
    jw_array(w);
    for (uint32_t i = 0; i < p->n_actions; i++) {
        write_action(w, &p->actions[i]);
    }
    jw_end_array(w);
    jw_key(w, "places");
    jw_array(w);
    for (uint32_t i = 0; i < p->n_places; i++) {
        write_place(w, &p->places[i]);
    }
    jw_end_array(w);
    status_write(&p->status, &status);
    jw_key(w, "status");
    jw_raw(w, buf_str(&status));
    jw_kv_bool(w, "pending", p->pending);
    jw_end_object(w);
    buf_finish(&status);
}

/* The plan with what policy says of it: "policy" is left out when nobody is asked. */
static void verdict(struct req *r, const struct ruling *ruling) {
    struct buf data = BUF_INIT;
    struct jw w;
    if (!ruling) {
        buf_add_str(&data, r->plan_json);
        req_ok(r, &data);
        return;
    }
    buf_add(&data, r->plan_json.ptr, r->plan_json.len - 1); /* without its closing brace */
    buf_add_str(&data, STR(",\"policy\":"));
    jw_init(&w, &data, false);
    jw_object(&w);
    ruling_write(ruling, &w);
    jw_end_object(&w);
    buf_add_c(&data, '}');
    req_ok(r, &data);
}

static void preview(struct req *r, const struct manifest *m) {
    struct engine *e = req_engine(r, m != NULL);
    struct plan *p = NULL;
    struct err err = ERR_INIT;
    struct buf data = BUF_INIT;
    struct jw w;
    if (!e) {
        req_fail(r, "NO_LATTICE",
                 "Nothing is known of lattice %.*s: no host was seen and no application is "
                 "deployed there",
                 PSTR(r->s.lattice));
        return;
    }
    if (m && engine_check_deploy(e, m, &err) < 0) {
        req_fail(r, "REFUSED", "%s", err.msg);
        return;
    }
    if (engine_preview(e, r->name, m, &p, &err) < 0) {
        req_fail(r, err.code == TRL_E_UNAVAIL ? "UNAVAILABLE" : "REFUSED", "%s", err.msg);
        return;
    }
    jw_init(&w, &data, false);
    write_plan(&w, p);
    r->plan_json = arena_str(&r->arena, buf_str(&data));
    buf_finish(&data);
    if (m) {
        judge_ask(r, TRL_POINT_DEPLOY, m, p, verdict);
    } else {
        verdict(r, NULL);
    }
    plan_destroy(p);
}

/* Of a stored app: the body may name a version, or say {"undeploy": true}. */
static void plan_stored(struct req *r) {
    struct catalog *c = r->api->env.catalog;
    const struct app *a = catalog_find(c, r->s.account, r->s.lattice, r->name);
    const struct version *v;
    const struct manifest *m;
    struct node *root = NULL;
    struct err err = ERR_INIT;
    if (!req_read_version(r, &err)) {
        req_fail(r, "INVALID", "Unable to parse the request: %s", err.msg);
        return;
    }
    v = op_resolve(r, a);
    if ((!v || !v->json.ptr) && req_look(r, plan_stored)) {
        return;
    }
    if (!a) {
        req_fail(r, "NOT_FOUND", "Application with the name %.*s not found", PSTR(r->name));
        return;
    }
    if (r->body.len && json_parse(r->body, &r->arena, &root, NULL) == 0 &&
        node_bool_or(root, "undeploy", false)) {
        preview(r, NULL);
        return;
    }
    m = v ? catalog_manifest(c, a, v->n) : NULL;
    if (!m) {
        req_fail(r, v ? "STORAGE" : "NO_VERSION",
                 v ? "Version %.*s cannot be read" : "Application has no version %.*s",
                 PSTR(v ? v->version : r->version));
        return;
    }
    preview(r, m);
}

static void plan_given(struct req *r) {
    preview(r, r->m);
}

void trellis_app_plan(struct req *r) {
    str refusal = STR("");
    if (r->s.name.ptr) {
        plan_stored(r);
    } else if (op_admit(r, &refusal)) {
        req_enter(r, str_trim(r->m->name), plan_given);
    } else {
        req_fail(r, "INVALID_MANIFEST", "%.*s", PSTR(refusal));
    }
}
