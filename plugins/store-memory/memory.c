/* SPDX-License-Identifier: Apache-2.0
 *
 * store/1 "memory": keys with revisions that are gone with the process. For tests and throw-away
 * runs; it answers within the call's turn, so runs on the virtual loop are repeatable.
 */
#include "../common/xmem.h"
#include "../store-common/kvserve.h"

/* More tombstones than this, and than live keys, are forgotten. */
#define TOMBSTONES_MAX 1024u

struct trl_inst {
    struct kvserve s;
};

static void run(trl_inst *in, struct kvwrite *w) {
    if (!w) {
        return;
    }
    if (kvwrite_stage(&in->s.ix, w) == TRL_OK) {
        kvserve_commit(&in->s);
        if (in->s.ix.n_tombstones > TOMBSTONES_MAX && in->s.ix.n_tombstones > in->s.ix.n_live) {
            kvindex_drop_tombstones(&in->s.ix);
        }
    }
    kvwrite_done(in->s.host, w);
}

static void put(trl_inst *in, trl_op *op, const trl_put *p) {
    run(in, kvwrite_new(in->s.host, op, p, 1, sizeof(*p)));
}

static void del(trl_inst *in, trl_op *op, trl_str key, uint64_t expect_rev) {
    run(in, kvwrite_del(in->s.host, op, key, expect_rev));
}

static void batch(trl_inst *in, trl_op *op, const void *puts, uint32_t n, uint32_t stride) {
    run(in, kvwrite_new(in->s.host, op, puts, n, stride));
}

static void get(trl_inst *in, trl_op *op, trl_str key) {
    kvserve_get(&in->s, op, key);
}

static void list(trl_inst *in, trl_op *op, trl_str prefix, trl_str after, uint32_t limit) {
    kvserve_list(&in->s, op, prefix, after, limit);
}

static void watch(trl_inst *in, trl_op *op, trl_str prefix, uint64_t from_rev) {
    kvserve_watch(&in->s, op, prefix, from_rev);
}

static void cancel(trl_inst *in, trl_op *op) {
    kvserve_cancel(&in->s, op);
}

static void resume(trl_inst *in, trl_op *op) {
    kvserve_resume(&in->s, op);
}

static void info(trl_inst *in, trl_op *op) {
    const struct kvindex *ix = &in->s.ix;
    char text[256];
    trl_bytes out = {text, 0};
    out.len = (size_t)snprintf(
        text, sizeof(text),
        "{\"durability\":\"none\",\"revision\":%llu,\"keys\":%zu,\"tombstones\":%zu,"
        "\"live_bytes\":%llu,\"watches\":%zu}",
        (unsigned long long)ix->revision, ix->n_live, ix->n_tombstones,
        (unsigned long long)ix->live_bytes, in->s.n_watches);
    in->s.host->op_done(op, TRL_OK, out, NULL);
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    (void)config;
    (void)err;
    *out = x_zalloc(sizeof(**out));
    kvserve_init(&(*out)->s, h);
    return TRL_OK;
}

static void stop(trl_inst *in, trl_op *op) {
    kvserve_stop(&in->s);
    trl_op_ok(in->s.host, op);
}

static void destroy(trl_inst *in) {
    kvserve_finish(&in->s);
    free(in);
}

static const trl_store_v1 table = {
    .struct_size = sizeof(table),
    .flags = TRL_S_ATOMIC | TRL_S_EXCLUSIVE,
    .get = get,
    .put = put,
    .del = del,
    .batch = batch,
    .list = list,
    .watch = watch,
    .cancel = cancel,
    .resume = resume,
    .info = info,
};

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_STORE) == 0 ? &table : NULL;
}

static const trl_component component = {
    .struct_size = sizeof(component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_STORE,
    .name = "memory",
    .summary = "Keys with revisions that are gone with the process",
    .config_schema = "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{}}",
    .create = create,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.store-memory", "0.1.0", 0, &component);
