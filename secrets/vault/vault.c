/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets/1 "vault": the component, its life, and the functions of the kind, which block on threads
 * of the core's pool.
 */
#include "vault.h"

#include <curl/curl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>

#include "../../plugins/common/utf8.h"
#include "../../plugins/common/xmem.h"
#include "kv.h"
#include "put.h"
#include "watch.h"

trl_err vault_err(void) {
    trl_err e;
    memset(&e, 0, sizeof(e));
    e.struct_size = sizeof(e);
    return e;
}

trl_status vault_no_memory(trl_err *err) {
    return trl_errf(err, TRL_E_BUSY,
                    "no memory can be locked: raise the limit (ulimit -l, LimitMEMLOCK=)");
}

struct patience vault_patience(trl_inst *in, trl_op *op) {
    struct patience w = {in->h, op, &in->stopping, in->h->op_deadline_ns(op)};
    return w;
}

void vault_fail(trl_inst *in, trl_op *op, const trl_err *err) {
    trl_bytes none = {NULL, 0};
    in->h->op_done(op, err->code, none, err);
}

void vault_text(trl_inst *in, trl_op *op, const char *text) {
    trl_bytes result = {text, strlen(text)};
    in->h->op_done(op, TRL_OK, result, NULL);
}

/* The functions of the kind [pool] */

static void fetch(trl_inst *in, trl_op *op, const trl_secret_ref *asked) {
    struct patience w = vault_patience(in, op);
    trl_err err = vault_err();
    struct kv_ref ref;
    struct kv_read r;
    char version[KV_VERSION_MAX];
    trl_str value = {NULL, 0};
    kv_read_init(in, &r);
    trl_status st = kv_ref_parse(in, asked, &ref, &err);
    st = st == TRL_OK ? kv_read(in, &w, &ref, &r, &err) : st;
    st = st == TRL_OK ? kv_field(in, &ref, &r, &value, &err) : st;
    st = st == TRL_OK ? kv_version(in, &ref, r.version, value, version, &err) : st;
    if (st == TRL_OK) {
        bool text = utf8_valid(value.ptr, value.len);
        trl_secret s = {sizeof(s),
                        text ? 0 : TRL_SECRET_BINARY,
                        {value.ptr, value.len},
                        trl_cstr(version),
                        r.lease_ns};
        in->mem.table->done(op, &s);
    } else {
        vault_fail(in, op, &err);
    }
    kv_read_finish(&r);
}

static void check_secret(trl_inst *in, trl_op *op, const trl_secret_ref *asked) {
    struct patience w = vault_patience(in, op);
    trl_err err = vault_err();
    struct kv_ref ref;
    char version[KV_VERSION_MAX];
    trl_status st = kv_ref_parse(in, asked, &ref, &err);
    st = st == TRL_OK ? kv_check(in, &w, &ref, true, version, &err) : st;
    if (st == TRL_OK) {
        vault_text(in, op, version);
    } else {
        vault_fail(in, op, &err);
    }
}

static void put(trl_inst *in, trl_op *op, const trl_secret_ref *asked, const trl_secret *value) {
    struct patience w = vault_patience(in, op);
    trl_err err = vault_err();
    struct kv_ref ref;
    char version[KV_VERSION_MAX];
    trl_status st = kv_ref_parse(in, asked, &ref, &err);
    st = st == TRL_OK ? kv_put(in, &w, &ref, value, version, &err) : st;
    if (st == TRL_OK) {
        vault_text(in, op, version);
    } else {
        vault_fail(in, op, &err);
    }
}

static void list(trl_inst *in, trl_op *op, trl_str prefix) {
    struct patience w = vault_patience(in, op);
    trl_err err = vault_err();
    if (kv_list(in, &w, op, prefix, &err) == TRL_OK) {
        trl_op_ok(in->h, op);
    } else {
        vault_fail(in, op, &err);
    }
}

static void watch(trl_inst *in, trl_op *op, const trl_secret_ref *asked) {
    trl_err err = vault_err();
    struct kv_ref ref;
    if (kv_ref_parse(in, asked, &ref, &err) == TRL_OK) {
        watch_add(in, op, &ref);
    } else {
        vault_fail(in, op, &err);
    }
}

static json_t *info_auth(trl_inst *in) {
    struct auth *a = &in->auth;
    json_t *j = json_object();
    int64_t now = in->h->now_ns(in->h->ctx);
    json_object_set_new(j, "method", json_string(conf_method_name(in->conf.method)));
    pthread_mutex_lock(&a->lock);
    json_object_set_new(j, "logged_in", json_boolean(a->token.n > 0));
    json_object_set_new(j, "renewable", json_boolean(a->renewable));
    if (a->token.n && a->life_ns) {
        json_object_set_new(j, "expires_in_s",
                            json_integer((a->got_ns + a->life_ns - now) / 1000000000));
    }
    json_object_set_new(j, "logins", json_integer((json_int_t)a->logins));
    json_object_set_new(j, "renewals", json_integer((json_int_t)a->renewals));
    if (a->last.code != TRL_OK) {
        json_object_set_new(j, "last_error", json_string(a->last.msg));
    }
    pthread_mutex_unlock(&a->lock);
    return j;
}

static void info(trl_inst *in, trl_op *op) {
    json_t *j = json_object();
    json_object_set_new(j, "address", json_string(in->conf.url));
    json_object_set_new(j, "namespace", json_string(in->conf.ns));
    json_object_set_new(j, "mount", json_string(in->conf.mount));
    json_object_set_new(j, "prefix", json_string(in->conf.prefix));
    json_object_set_new(j, "kv_version", json_integer(in->conf.kv_version));
    json_object_set_new(j, "auth", info_auth(in));
    json_object_set_new(j, "requests", json_integer((json_int_t)atomic_load(&in->requests)));
    json_object_set_new(j, "failures", json_integer((json_int_t)atomic_load(&in->failures)));
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    vault_text(in, op, text ? text : "{}");
    free(text);
}

/* Renewing in time */

static void on_auth_changed(void *arg);

static void renew_work(void *arg) {
    trl_inst *in = arg;
    struct patience w = {in->h, NULL, &in->stopping, INT64_MAX};
    auth_renew(in, &w);
}

static void renew_done(void *arg) {
    trl_inst *in = arg;
    in->renewing = false;
    on_auth_changed(in);
}

static void on_auth_due(void *arg) {
    trl_inst *in = arg;
    in->auth_timer = 0;
    in->renewing = true;
    if (in->work->queue(in->h->ctx, renew_work, renew_done, in) != TRL_OK) {
        in->renewing = false;
    }
}

static void on_auth_changed(void *arg) {
    trl_inst *in = arg;
    int64_t due = auth_due_ns(in), now = in->h->now_ns(in->h->ctx);
    if (in->renewing || atomic_load(&in->stopping)) {
        return;
    }
    if (in->auth_timer) {
        in->loop->timer_stop(in->h->ctx, in->auth_timer);
        in->auth_timer = 0;
    }
    if (due != INT64_MAX) {
        in->auth_timer =
            in->loop->timer_start(in->h->ctx, due > now ? due - now : 0, on_auth_due, in);
    }
}

void vault_auth_changed(trl_inst *in) {
    in->h->post(in->h->ctx, on_auth_changed, in);
}

/* Life [loop] */

static trl_status check(trl_str config, trl_err *err) {
    struct conf c;
    trl_status st = conf_parse(config, &c, err);
    if (st == TRL_OK) {
        conf_finish(&c);
    }
    return st;
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    trl_inst *in = x_zalloc(sizeof(*in));
    trl_status st = conf_parse(config, &in->conf, err);
    in->h = h;
    in->loop = h->get_interface(h->ctx, TRL_HOST_LOOP_V1);
    in->work = h->get_interface(h->ctx, TRL_HOST_WORK_V1);
    in->mem.table = h->get_interface(h->ctx, TRL_HOST_SECRET_V1);
    in->mem.ctx = h->ctx;
    if (st == TRL_OK && (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)) {
        conf_finish(&in->conf);
        st = trl_errf(err, TRL_E_INTERNAL, "libsodium or libcurl cannot be set up");
    }
    if (st != TRL_OK) {
        free(in);
        return st;
    }
    pool_init(&in->pool, &in->conf);
    auth_init(in);
    *out = in;
    return TRL_OK;
}

static void first_login(void *arg) {
    trl_inst *in = arg;
    struct patience w = {in->h, NULL, &in->stopping, INT64_MAX};
    trl_err err = vault_err();
    auth_need(in, &w, &err); /* logs why not */
}

static void nothing(void *arg) {
    (void)arg;
}

struct starting {
    trl_inst *in;
    trl_op *op;
    trl_err err;
};

static void start_work(void *arg) {
    struct starting *s = arg;
    if (s->in->conf.kv_version == 1) {
        kv_digest_key(s->in, &s->err);
    }
}

/* Ready also when the server is not: who asks then hears UNAVAIL. */
static void start_done(void *arg) {
    struct starting *s = arg;
    trl_inst *in = s->in;
    if (s->err.code != TRL_OK) {
        vault_fail(in, s->op, &s->err);
    } else {
        in->work->queue(in->h->ctx, first_login, nothing, in);
        trl_op_ok(in->h, s->op);
    }
    free(s);
}

static void start(trl_inst *in, trl_op *op) {
    struct starting *s = x_zalloc(sizeof(*s));
    *s = (struct starting){in, op, vault_err()};
    if (in->conf.open_net) {
        trl_logf(in->h, TRL_LOG_WARN,
                 "address is http:// and not of this machine: token and values go over the network "
                 "for everybody to read; write https://");
    }
    if (in->work->queue(in->h->ctx, start_work, start_done, s) != TRL_OK) {
        trl_op_fail(in->h, op, TRL_E_CLOSED, "the backend is being stopped");
        free(s);
    }
}

static void stop(trl_inst *in, trl_op *op) {
    atomic_store(&in->stopping, true);
    watch_end_all(in);
    trl_op_ok(in->h, op);
}

static void destroy(trl_inst *in) {
    pool_finish(&in->pool);
    auth_finish(in);
    conf_finish(&in->conf);
    curl_global_cleanup();
    free(in);
}

#define FUNCTIONS                                                                                  \
    .struct_size = sizeof(trl_secrets_v1), .fetch = fetch, .check = check_secret, .watch = watch,  \
    .cancel = watch_cancel, .resume = watch_resume, .put = put, .list = list, .info = info

/* By the version of the engine: the first keeps the latest value only. */
static const trl_secrets_v1 tables[] = {
    {FUNCTIONS},
    {FUNCTIONS, .flags = TRL_SX_VERSIONS},
};

static const void *get_interface(trl_inst *in, const char *id) {
    return strcmp(id, TRL_KIND_SECRETS) == 0 ? &tables[in->conf.kv_version - 1] : NULL;
}

static const char *const needs[] = {TRL_HOST_SECRET_V1, TRL_HOST_LOOP_V1, TRL_HOST_WORK_V1, NULL};
static const char *const rights[] = {"net", "fs:read", NULL};

static const trl_component component = {
    .struct_size = sizeof(component),
    .thread_model = TRL_PARALLEL,
    .iface = TRL_KIND_SECRETS,
    .name = "vault",
    .summary = "Secrets of a Vault or OpenBao server (KV engine)",
    .config_schema = vault_schema,
    .needs = needs,
    .rights = rights,
    .check = check,
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.secrets-vault", "0.1.0", 2, &component);
