/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/xmem.h"
#include "kvserve.h"

#define BATCH_BYTES_MAX (64u << 20)

static trl_status put_check(const trl_put *p, trl_err *err) {
    if (!trl_key_ok(p->key)) {
        return trl_errf(err, TRL_E_INVALID,
                        "not a legal key (%zu bytes): 1 to 250 of [A-Za-z0-9._=/-], no empty part "
                        "between dots",
                        p->key.len);
    }
    if (p->flags & ~TRL_PUT_DELETE) {
        return trl_errf(err, TRL_E_UNSUPP, "put: flags %#x are not known here", p->flags);
    }
    if (!(p->flags & TRL_PUT_DELETE) && p->value.len > KV_VALUE_MAX) {
        return trl_errf(err, TRL_E_INVALID, "value of %.*s has %zu bytes, the most is %u",
                        (int)p->key.len, p->key.ptr, p->value.len, KV_VALUE_MAX);
    }
    return TRL_OK;
}

struct kvwrite *kvwrite_new(const trl_host *host, trl_op *op, const void *puts, uint32_t n,
                            uint32_t stride) {
    trl_err err = {.struct_size = sizeof(err)};
    trl_bytes none = {NULL, 0};
    uint64_t bytes = 0;
    struct kvwrite *w;
    if (n == 0) {
        trl_op_fail(host, op, TRL_E_INVALID, "batch: nothing in it");
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        const trl_put *p = trl_at(puts, stride, i);
        if (put_check(p, &err) < 0) {
            host->op_done(op, err.code, none, &err);
            return NULL;
        }
        bytes += p->key.len + p->value.len + sizeof(trl_entry);
    }
    if (bytes > BATCH_BYTES_MAX) {
        trl_op_fail(host, op, TRL_E_INVALID, "batch: more than 64 MiB in one write");
        return NULL;
    }
    w = x_zalloc(sizeof(*w) + n * sizeof(w->items[0]));
    w->op = op;
    w->n = n;
    w->bytes = bytes;
    w->err.struct_size = sizeof(w->err);
    for (uint32_t i = 0; i < n; i++) {
        const trl_put *p = trl_at(puts, stride, i);
        w->items[i].rec =
            kvrec_new(p->key, p->value, p->flags & TRL_PUT_DELETE ? TRL_ENTRY_DELETED : 0);
        w->items[i].expect_rev = p->expect_rev;
    }
    return w;
}

struct kvwrite *kvwrite_del(const trl_host *host, trl_op *op, trl_str key, uint64_t expect_rev) {
    trl_put p = {
        .struct_size = sizeof(p), .flags = TRL_PUT_DELETE, .key = key, .expect_rev = expect_rev};
    return kvwrite_new(host, op, &p, 1, sizeof(p));
}

trl_status kvwrite_stage(struct kvindex *ix, struct kvwrite *w) {
    size_t mark = kvindex_mark(ix);
    w->status = TRL_OK;
    for (uint32_t i = 0; i < w->n && w->status == TRL_OK; i++) {
        w->status = kvindex_stage(ix, w->items[i].rec, w->items[i].expect_rev, &w->err);
    }
    if (w->status != TRL_OK) {
        kvindex_rollback(ix, mark);
    }
    return w->status;
}

void kvwrite_done(const trl_host *host, struct kvwrite *w) {
    uint64_t revision = w->items[w->n - 1].rec->e.revision;
    trl_bytes result = {&revision, sizeof(revision)}, none = {NULL, 0};
    trl_op *op = w->op;
    if (w->status == TRL_OK) {
        host->op_done(op, TRL_OK, result, NULL);
    } else {
        host->op_done(op, w->status, none, &w->err);
    }
    kvwrite_free(w);
}

void kvwrite_free(struct kvwrite *w) {
    for (uint32_t i = 0; i < w->n; i++) {
        kvrec_unref(w->items[i].rec);
    }
    free(w);
}
