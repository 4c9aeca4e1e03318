/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets/1 "nats-kv": secrets in a JetStream bucket, compatible in storage and on the wire with
 * wasmCloud's NATS-KV secrets backend. It speaks over the transport of the control plane.
 */
#include <fcntl.h>
#include <sodium.h>
#include <string.h>

#include "../../plugins/common/xmem.h"
#include "kv.h"

/* "SX...", perhaps with a newline. */
static trl_status load_seed(trl_inst *in, const char *path, struct xkey *out) {
    struct safe s = {.mem = in->secret, .ctx = in->host->ctx};
    struct safe_bytes b;
    struct stat meta;
    trl_status st = safe_load(&s, AT_FDCWD, path, 4096, &b, &meta, &in->load_err);
    if (st != TRL_OK) {
        return st;
    }
    if (b.len && b.ptr[b.len - 1] == '\n') {
        b.len--;
    }
    if (!xkey_from_seed((trl_str){(const char *)b.ptr, b.len}, out)) {
        st = trl_errf(&in->load_err, TRL_E_INVALID,
                      "%.120s: not the seed of a curve key: SX and 56 more characters", path);
    }
    safe_free(&s, &b);
    return st;
}

/* On a thread. */
static void load(void *arg) {
    trl_inst *in = arg;
    in->load_err.struct_size = sizeof(in->load_err);
    in->load_st = load_seed(in, in->rest_file, &in->keys->rest);
    if (in->load_st == TRL_OK && in->transit_file) {
        in->load_st = load_seed(in, in->transit_file, &in->keys->transit);
        in->keys->has_transit = in->load_st == TRL_OK;
    }
}

static void on_link(void *arg, int32_t up) {
    trl_inst *in = arg;
    if (up && in->link_seen) {
        ensure_begin(in);
        ops_link_up(in);
    }
    in->link_seen = 1;
}

static void loaded(void *arg) {
    trl_inst *in = arg;
    trl_op *op = in->start_op;
    if (!op) { /* cancelled meanwhile */
        return;
    }
    if (in->load_st != TRL_OK) {
        in->start_op = NULL;
        in->host->op_done(op, in->load_st, (trl_bytes){NULL, 0}, &in->load_err);
        return;
    }
    in->link = in->bus->watch_link(in->host->ctx, on_link, in);
    serve_begin(in);
    ensure_begin(in); /* completes the start */
}

static void start(trl_inst *in, trl_op *op) {
    in->start_op = op;
    if (in->work->queue(in->host->ctx, load, loaded, in) != TRL_OK) {
        in->start_op = NULL;
        trl_op_fail(in->host, op, TRL_E_CLOSED, "stopped");
    }
}

static void stop(trl_inst *in, trl_op *op) {
    for (int i = 0; i < in->n_subs; i++) {
        in->bus->cancel(in->host->ctx, in->subs[i]);
    }
    in->n_subs = 0;
    if (in->link) {
        in->bus->cancel(in->host->ctx, in->link);
        in->link = 0;
    }
    ops_stop(in);
    if (in->start_op) {
        trl_op_fail(in->host, in->start_op, TRL_E_CANCELLED, "stopped");
        in->start_op = NULL;
    }
    trl_op_ok(in->host, op);
}

static void destroy(trl_inst *in) {
    ops_stop(in);
    in->secret->free(in->host->ctx, in->keys);
    free(in->name);
    free(in->topic);
    free(in->bucket);
    free(in->state_bucket);
    free(in->lock_stream);
    free(in->api);
    free(in->put_prefix);
    free(in->rest_file);
    free(in->transit_file);
    free(in);
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    trl_inst *in;
    trl_status st;
    if (sodium_init() < 0) {
        return trl_errf(err, TRL_E_INTERNAL, "libsodium does not start: no source of randomness");
    }
    in = x_zalloc(sizeof(*in));
    in->host = h;
    in->loop = h->get_interface(h->ctx, TRL_HOST_LOOP_V1);
    in->work = h->get_interface(h->ctx, TRL_HOST_WORK_V1);
    in->secret = h->get_interface(h->ctx, TRL_HOST_SECRET_V1);
    in->bus = h->get_interface(h->ctx, TRL_HOST_TRANSPORT_V1);
    in->keys = in->secret->alloc(h->ctx, sizeof(*in->keys));
    st = in->keys
             ? conf_read(config, in, err)
             : trl_errf(err, TRL_E_BUSY, "no memory can be locked: raise the limit (ulimit -l)");
    if (st != TRL_OK) {
        destroy(in);
        return st;
    }
    *out = in;
    return TRL_OK;
}

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_SECRETS) == 0 ? &ops_table : NULL;
}

static const char *const needs[] = {TRL_HOST_TRANSPORT_V1, TRL_HOST_LOOP_V1, TRL_HOST_WORK_V1,
                                    TRL_HOST_SECRET_V1, NULL};
static const char *const rights[] = {"fs:read", NULL};

static const trl_component component = {
    .struct_size = sizeof(component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_SECRETS,
    .name = "nats-kv",
    .summary = "Secrets in a JetStream bucket, as wasmCloud's own NATS-KV backend keeps them",
    .config_schema = nats_kv_schema,
    .needs = needs,
    .rights = rights,
    .check = conf_check,
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.secrets-nats-kv", "0.1.0", 2, &component);
