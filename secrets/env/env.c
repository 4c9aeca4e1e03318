/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets/1 "env": variables of the environment the program was started with. Read once, when the
 * instance is created; nothing changes after that, so a watch tells one version and then nothing.
 */
#include <jansson.h>
#include <sodium.h>
#include <string.h>

#include "../../plugins/common/utf8.h"
#include "../../plugins/common/xmem.h"
#include "../common/keyfile.h"
#include "vars.h"

struct stream { /* a watch, or a list that waits for room */
    struct stream *next;
    trl_op *op;
    char *prefix; /* of a list, else NULL */
    size_t prefix_len, at;
    char version[VERSION_LEN + 1];
    int owed;
};

struct trl_inst {
    const trl_host *host;
    const trl_host_work_v1 *work;
    const trl_host_secret_v1 *secret;
    char *prefix, *version_key;
    struct vars vars;
    uint8_t *key; /* guarded, 32 bytes */
    struct stream *streams;
    trl_op *start_op;
    trl_status st;
    trl_err err;
    int random_key;
};

/* The machine's id is to be kept to oneself (machine-id(5)): it makes a key, it is not shown. */
static trl_status machine_key(trl_inst *in) {
    static const char use[] = "trellis: versions of secrets of the environment";
    char text[64];
    size_t n = 0;
    FILE *f = fopen("/etc/machine-id", "re");
    if (f) {
        n = fread(text, 1, sizeof(text), f);
        fclose(f);
    }
    if (n >= 32) {
        crypto_generichash(in->key, 32, (const uint8_t *)text, 32, (const uint8_t *)use,
                           sizeof(use));
    } else {
        randombytes_buf(in->key, 32);
        in->random_key = 1;
    }
    sodium_memzero(text, sizeof(text));
    return TRL_OK;
}

/* On a thread. */
static void load_key(void *arg) {
    trl_inst *in = arg;
    struct safe s = {.mem = in->secret, .ctx = in->host->ctx};
    in->err.struct_size = sizeof(in->err);
    in->st = in->version_key ? keyfile_load_or_make(&s, in->version_key, in->key, &in->err)
                             : machine_key(in);
}

static void loaded(void *arg) {
    trl_inst *in = arg;
    trl_op *op = in->start_op;
    in->start_op = NULL;
    if (in->vars.n_odd) {
        trl_logf(in->host, TRL_LOG_WARN,
                 "%zu variables begin with %s but are no keys: capitals, digits and single '_'",
                 in->vars.n_odd, in->prefix);
    }
    if (in->random_key) {
        trl_logf(
            in->host, TRL_LOG_WARN,
            "there is no /etc/machine-id: versions are others after a restart; set version_key");
    }
    in->host->op_done(op, in->st, (trl_bytes){NULL, 0}, in->st == TRL_OK ? NULL : &in->err);
}

static void start(trl_inst *in, trl_op *op) {
    in->start_op = op;
    if (in->work->queue(in->host->ctx, load_key, loaded, in) != TRL_OK) {
        in->start_op = NULL;
        trl_op_fail(in->host, op, TRL_E_CLOSED, "stopped");
    }
}

/* The variable, or the op is completed. version: VERSION_LEN + 1. */
static const struct var *find(trl_inst *in, trl_op *op, const trl_secret_ref *ref, char *version) {
    trl_err e = {.struct_size = sizeof(e)};
    trl_status st = vars_check(in->prefix, ref->key, ref->field, &e);
    const struct var *v = st == TRL_OK ? vars_find(&in->vars, ref->key, ref->field) : NULL;
    if (st == TRL_OK && !v) {
        st = trl_errf(&e, TRL_E_NOTFOUND, "%.*s: there was no such variable of the environment",
                      (int)ref->key.len, ref->key.ptr);
    }
    if (v) {
        version_digest(in->key, ref->key, ref->field, (trl_bytes){in->vars.block + v->at, v->len},
                       version);
        if (ref->version.len && !trl_str_is(ref->version, version)) {
            v = NULL;
            st = trl_errf(&e, TRL_E_NOTFOUND,
                          "%.*s: the version asked for is not the present one, and no others are "
                          "kept",
                          (int)ref->key.len, ref->key.ptr);
        } else if (v->len > TRL_SECRET_MAX_BYTES) {
            v = NULL;
            st = trl_errf(&e, TRL_E_INVALID, "%.*s: larger than 1 MiB", (int)ref->key.len,
                          ref->key.ptr);
        }
    }
    if (!v && op) {
        in->host->op_done(op, st, (trl_bytes){NULL, 0}, &e);
    }
    return v;
}

static void fetch(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    char version[VERSION_LEN + 1];
    const struct var *v = find(in, op, ref, version);
    trl_secret s;
    if (v) {
        memset(&s, 0, sizeof(s));
        s.struct_size = sizeof(s);
        s.value = (trl_bytes){in->vars.block + v->at, v->len};
        s.flags = utf8_valid(s.value.ptr, s.value.len) ? 0 : TRL_SECRET_BINARY;
        s.version = trl_cstr(version);
        in->secret->done(op, &s);
    }
}

static void check(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    char version[VERSION_LEN + 1];
    if (find(in, op, ref, version)) {
        in->host->op_done(op, TRL_OK, (trl_bytes){version, VERSION_LEN}, NULL);
    }
}

static struct stream *stream_new(trl_inst *in, trl_op *op) {
    struct stream *s = x_zalloc(sizeof(*s));
    s->op = op;
    s->next = in->streams;
    in->streams = s;
    return s;
}

static void stream_free(trl_inst *in, struct stream *s) {
    struct stream **at = &in->streams;
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    free(s->prefix);
    free(s);
}

static void watch(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    trl_err e = {.struct_size = sizeof(e)};
    trl_status st = vars_check(in->prefix, ref->key, ref->field, &e);
    struct stream *s;
    if (st != TRL_OK) {
        in->host->op_done(op, st, (trl_bytes){NULL, 0}, &e);
        return;
    }
    s = stream_new(in, op);
    if (!find(in, NULL, ref, s->version)) {
        s->version[0] = '\0';
    }
    s->owed = in->host->op_emit(op, (trl_bytes){s->version, strlen(s->version)}) == TRL_E_BUSY;
}

/* Names once each: fields of a key come after one another. */
static void list_on(trl_inst *in, struct stream *s) {
    const struct vars *v = &in->vars;
    for (; s->at < v->n; s->at++) {
        const struct var *one = &v->all[s->at], *before = s->at ? one - 1 : NULL;
        trl_status st;
        if (one->key_len < s->prefix_len || memcmp(one->name, s->prefix, s->prefix_len) != 0 ||
            (before && before->key_len == one->key_len &&
             memcmp(before->name, one->name, one->key_len) == 0)) {
            continue;
        }
        st = in->host->op_emit(s->op, (trl_bytes){one->name, one->key_len});
        if (st == TRL_E_BUSY) {
            return;
        }
        if (st != TRL_OK) {
            break;
        }
    }
    trl_op_ok(in->host, s->op);
    stream_free(in, s);
}

static void list(trl_inst *in, trl_op *op, trl_str prefix) {
    struct stream *s = stream_new(in, op);
    s->prefix = x_zalloc(prefix.len + 1);
    s->prefix_len = prefix.len;
    if (prefix.len) {
        memcpy(s->prefix, prefix.ptr, prefix.len);
    }
    list_on(in, s);
}

static void cancel(trl_inst *in, trl_op *op) {
    for (struct stream *s = in->streams; s; s = s->next) {
        if (s->op == op) {
            trl_op_fail(in->host, op, TRL_E_CANCELLED, "cancelled");
            stream_free(in, s);
            return;
        }
    }
}

static void resume(trl_inst *in, trl_op *op) {
    for (struct stream *s = in->streams; s; s = s->next) {
        if (s->op != op) {
            continue;
        }
        if (s->prefix) {
            list_on(in, s);
        } else if (s->owed) {
            s->owed =
                in->host->op_emit(op, (trl_bytes){s->version, strlen(s->version)}) == TRL_E_BUSY;
        }
        return;
    }
}

static void info(trl_inst *in, trl_op *op) {
    json_t *j = json_pack("{s:s, s:I}", "prefix", in->prefix, "variables", (json_int_t)in->vars.n);
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    in->host->op_done(op, text ? TRL_OK : TRL_E_INTERNAL,
                      (trl_bytes){text, text ? strlen(text) : 0}, NULL);
    free(text);
}

static trl_status check_config(trl_str config, trl_err *err) {
    json_t *c = json_loadb(config.ptr, config.len, 0, NULL);
    const char *prefix = json_string_value(json_object_get(c, "prefix"));
    trl_status st = TRL_OK;
    size_t n = prefix ? strlen(prefix) : 0;
    for (size_t i = 0; i < n && st == TRL_OK; i++) {
        char ch = prefix[i];
        int ok = (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || ch == '_' ||
                 (ch >= '0' && ch <= '9' && i > 0);
        st = ok ? TRL_OK
                : trl_errf(err, TRL_E_INVALID,
                           "/prefix: a variable's name is of letters, digits "
                           "and '_', and begins with no digit");
    }
    json_decref(c);
    return st;
}

static void destroy(trl_inst *in) {
    while (in->streams) {
        stream_free(in, in->streams);
    }
    vars_finish(&in->vars);
    in->secret->free(in->host->ctx, in->key);
    free(in->prefix);
    free(in->version_key);
    free(in);
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    json_t *c = json_loadb(config.ptr, config.len, 0, NULL);
    const char *prefix = json_string_value(json_object_get(c, "prefix"));
    const char *key = json_string_value(json_object_get(c, "version_key"));
    trl_inst *in;
    trl_status st = TRL_OK;
    if (!prefix || sodium_init() < 0) {
        json_decref(c);
        return trl_errf(err, TRL_E_INTERNAL, "no prefix, or libsodium does not start");
    }
    in = x_zalloc(sizeof(*in));
    in->host = h;
    in->work = h->get_interface(h->ctx, TRL_HOST_WORK_V1);
    in->secret = h->get_interface(h->ctx, TRL_HOST_SECRET_V1);
    in->prefix = x_checked(strdup(prefix));
    in->version_key = key ? x_checked(strdup(key)) : NULL;
    in->vars.mem = in->secret;
    in->vars.ctx = h->ctx;
    in->key = in->secret->alloc(h->ctx, 32);
    st = in->key
             ? vars_read(&in->vars, prefix, json_is_true(json_object_get(c, "unset")), err)
             : trl_errf(err, TRL_E_BUSY, "no memory can be locked: raise the limit (ulimit -l)");
    json_decref(c);
    if (st != TRL_OK) {
        destroy(in);
        return st;
    }
    *out = in;
    return TRL_OK;
}

static const trl_secrets_v1 table = {
    .struct_size = sizeof(table),
    .fetch = fetch,
    .check = check,
    .watch = watch,
    .cancel = cancel,
    .resume = resume,
    .list = list,
    .info = info,
};

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_SECRETS) == 0 ? &table : NULL;
}

static const char *const needs[] = {TRL_HOST_WORK_V1, TRL_HOST_SECRET_V1, NULL};
static const char *const rights[] = {"fs:read", "fs:write", NULL};

static const trl_component component = {
    .struct_size = sizeof(component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_SECRETS,
    .name = "env",
    .summary = "Secrets of the environment the program was started with",
    .config_schema = env_schema,
    .needs = needs,
    .rights = rights,
    .check = check_config,
    .create = create,
    .start = start,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.secrets-env", "0.1.0", 2, &component);
