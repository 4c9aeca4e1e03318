/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include "api/api_priv.h"
#include "api/rejudge.h"
#include "api/rotation.h"

#define DEFAULT_MAX_PAYLOAD (1024u * 1024u)

const struct operation wadm_operations[] = {
    {"model", "put", NAME_NONE, true, false, model_put},
    {"model", "get", NAME_MUST, false, true, model_get},
    {"model", "get", NAME_NONE, false, false, model_get_list},
    {"model", "list", NAME_NONE, false, false, model_list},
    {"model", "versions", NAME_MUST, false, true, model_versions},
    {"model", "del", NAME_MUST, true, true, model_delete},
    {"model", "deploy", NAME_MUST, true, true, model_deploy},
    {"model", "undeploy", NAME_MUST, true, true, model_undeploy},
    {"model", "status", NAME_MUST, false, true, model_status},
    {"model", "history", NAME_MUST, false, false, model_history},
    {0},
};

const struct operation trellis_operations[] = {
    {"app", "put", NAME_MAY, true, false, trellis_app_put},
    {"app", "apply", NAME_MAY, true, false, trellis_app_apply},
    {"app", "validate", NAME_MAY, false, false, trellis_app_validate},
    {"app", "get", NAME_MUST, false, true, trellis_app_get},
    {"app", "list", NAME_NONE, false, false, trellis_app_list},
    {"app", "versions", NAME_MUST, false, true, trellis_app_versions},
    {"app", "history", NAME_MUST, false, true, trellis_app_versions},
    {"app", "deploy", NAME_MUST, true, true, trellis_app_deploy},
    {"app", "undeploy", NAME_MUST, true, true, trellis_app_undeploy},
    {"app", "rollback", NAME_MUST, true, true, trellis_app_rollback},
    {"app", "delete", NAME_MUST, true, true, trellis_app_delete},
    {"app", "status", NAME_MUST, false, true, trellis_app_status},
    {"app", "plan", NAME_MAY, false, true, trellis_app_plan},
    {"app", "logs", NAME_MUST, false, false, trellis_app_logs},
    {"app", "top", NAME_MAY, false, false, trellis_app_top},
    {"host", "list", NAME_NONE, false, false, trellis_host_list},
    {"host", "inspect", NAME_MUST, false, false, trellis_host_inspect},
    {"lattice", "list", NAME_NONE, false, false, trellis_lattice_list},
    {"server", "info", NAME_NONE, false, false, trellis_server_info},
    {"events", "list", NAME_MAY, false, false, trellis_events_list},
    {"policy", "list", NAME_NONE, false, false, trellis_policy_list},
    {"policy", "log", NAME_MAY, false, false, trellis_policy_log},
    {"secret", "backends", NAME_NONE, false, false, trellis_secret_backends},
    {"secret", "check", NAME_NONE, false, false, trellis_secret_check},
    {"trace", "get", NAME_MUST, false, false, trellis_trace_get},
    {0},
};

struct api *api_create(const struct api_env *env) {
    struct api *a = mem_zalloc(sizeof(*a));
    a->env = *env;
    a->prefix = str_c(env->prefix);
    a->max_payload = env->max_payload ? env->max_payload : DEFAULT_MAX_PAYLOAD;
    a->journal = journal_create(env->loop, env->keep_journal ? env->kv : NULL, env->log);
    a->announce = announce_create(env->loop, env->bus, a->journal, env->log, a->max_payload);
    a->rejudge = rejudge_create(a);
    a->rotation = rotation_create(a);
    a->started_ns = loop_now_ns(env->loop);
    return a;
}

void api_destroy(struct api *a) {
    if (!a) {
        return;
    }
    for (uint32_t i = 0; i < ARRAY_LEN(a->subs); i++) {
        if (a->subs[i]) {
            bus_unsubscribe(a->subs[i]);
        }
    }
    while (a->reqs) {
        kv_forget(a->env.kv, a->reqs);
        req_destroy(a->reqs);
    }
    for (uint32_t i = 0; i < a->lanes.n; i++) {
        mem_free(a->lanes.at[i].value);
    }
    map_finish(&a->lanes);
    rotation_destroy(a->rotation);
    rejudge_destroy(a->rejudge);
    announce_destroy(a->announce);
    journal_destroy(a->journal);
    mem_free(a);
}

void api_request_by(struct api *a, str caller, str subject, const trl_label *headers,
                    uint32_t n_headers, str body, void (*reply)(void *arg, str json), void *arg) {
    struct req *r = req_create(a, subject, headers, n_headers, body);
    r->caller = arena_str(&r->arena, caller);
    r->reply = reply;
    r->arg = arg;
    req_run(r);
}

void api_request(struct api *a, str subject, const trl_label *headers, uint32_t n_headers, str body,
                 void (*reply)(void *arg, str json), void *arg) {
    api_request_by(a, STR("{\"via\":\"self\"}"), subject, headers, n_headers, body, reply, arg);
}

struct journal *api_journal(struct api *a) {
    return a->journal;
}

static void on_msg(void *arg, const struct bus_msg *m) {
    struct req *r = req_create(arg, m->subject, m->headers, m->n_headers, m->body);
    r->caller = STR("{\"via\":\"transport\"}");
    if (m->reply.len) {
        r->reply_to = str_dup(m->reply);
    }
    req_run(r);
}

static void follow_app(void *arg, const struct app *x) {
    rotation_on_app(((struct api *)arg)->rotation, x);
}

static void follow_lattice(void *arg, str tenant, str lattice) {
    struct api *a = arg;
    catalog_each(a->env.catalog, tenant, lattice, follow_app, a);
}

void api_serve(struct api *a) {
    const char *star = a->env.multitenant ? "*." : "";
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "%s%.*s.>", star, PSTR(a->prefix));
    a->subs[0] = bus_subscribe(a->env.bus, buf_str(&subject), STR("wadm_server"), on_msg, a);
    buf_clear(&subject);
    buf_addf(&subject, "%s" SUBJECT_TRELLIS ".>", star);
    a->subs[1] = bus_subscribe(a->env.bus, buf_str(&subject), STR("trellis_server"), on_msg, a);
    buf_finish(&subject);
    rejudge_all(a->rejudge);
    catalog_lattices(a->env.catalog, follow_lattice, a);
}

void api_policy_changed(struct api *a) {
    rejudge_all(a->rejudge);
}

void api_on_status(struct api *a, struct engine *e, str app, const struct app_status *s) {
    str lattice = engine_lattice(e), tenant = key_tenant(engine_tenant(e));
    announce_status(a->announce, tenant, lattice, app, s, engine_trace(e, app));
    if (!catalog_find_any(a->env.catalog, tenant, lattice, app)) {
        announce_forget(a->announce, lattice, app);
    }
}

void api_on_command(struct api *a, struct engine *e, const struct command_record *r) {
    announce_command(a->announce, key_tenant(engine_tenant(e)), r);
}

void api_on_app(struct api *a, const struct app *app) {
    rotation_on_app(a->rotation, app);
    if (app->n_versions == 0 && app->n_applied == 0 && app->deployed == 0) {
        announce_forget(a->announce, app->lattice, app->name);
    }
}

void api_watch(struct api *a, void (*fn)(void *arg, str subject, str body), void *arg) {
    announce_watch(a->announce, fn, arg);
}
