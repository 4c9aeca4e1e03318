/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "../common/xmem.h"
#include "store_priv.h"

struct out_item {
    struct out_item *next;
    size_t len;
    uint64_t align; /* a trl_entry follows */
};

static void link_op(trl_inst *in, struct kvop *k) {
    k->prev = in->last;
    *(in->last ? &in->last->next : &in->first) = k;
    in->last = k;
    u64map_put(&in->by_op, u64map_ptr_key(k->op), k);
}

static void unlink_op(trl_inst *in, struct kvop *k) {
    *(k->prev ? &k->prev->next : &in->first) = k->next;
    *(k->next ? &k->next->prev : &in->last) = k->prev;
    u64map_take(&in->by_op, u64map_ptr_key(k->op));
}

void kvop_begin(trl_inst *in, struct kvop *k, trl_op *op) {
    k->in = in;
    k->op = op;
    k->out_last = &k->out_first;
    link_op(in, k);
    kvop_go(k);
}

static void complete(struct kvop *k, trl_status st, trl_bytes result, const trl_err *err) {
    trl_inst *in = k->in;
    trl_op *op = k->op;
    js_drop(k->call);
    k->call = NULL;
    while (k->out_first) {
        struct out_item *o = k->out_first;
        k->out_first = o->next;
        free(o);
    }
    unlink_op(in, k);
    k->kind->destroy(k);
    in->peer.host->op_done(op, st, result, err);
}

void kvop_ok(struct kvop *k, const void *result, size_t len) {
    trl_bytes r = {result, len};
    complete(k, TRL_OK, r, NULL);
}

void kvop_fail(struct kvop *k, const trl_err *err) {
    trl_bytes none = {NULL, 0};
    complete(k, err->code, none, err);
}

void kvop_failf(struct kvop *k, trl_status st, const char *fmt, ...) {
    trl_err err = {.struct_size = sizeof(err), .code = st};
    va_list ap;
    int n;
    va_start(ap, fmt);
    n = vsnprintf(err.msg, sizeof(err.msg), fmt, ap);
    va_end(ap);
    err.msg_len = (uint32_t)(n < 0 ? 0 : n < (int)sizeof(err.msg) ? n : (int)sizeof(err.msg) - 1);
    kvop_fail(k, &err);
}

void kvop_go(struct kvop *k) {
    trl_inst *in = k->in;
    k->waiting = 0;
    switch (in->state) {
    case BUCKET_READY:
        k->kind->go(k);
        return;
    case BUCKET_CHECKING:
        k->waiting = 1;
        return;
    case BUCKET_FAILED:
    case BUCKET_DOWN:
        if (k->kind->link_down) { /* a watch lives on */
            k->kind->link_down(k);
        } else {
            kvop_fail(k, &in->trouble);
        }
        return;
    }
}

int kvop_repair(struct kvop *k) {
    if (k->repaired) {
        return 0;
    }
    k->repaired = 1;
    k->waiting = 1;
    bucket_look(k->in);
    return 1;
}

static int flush(struct kvop *k) {
    while (k->out_first) {
        struct out_item *o = k->out_first;
        trl_bytes item = {o + 1, o->len};
        if (k->in->peer.host->op_emit(k->op, item) == TRL_E_BUSY) {
            return 0;
        }
        k->out_first = o->next;
        if (!o->next) {
            k->out_last = &k->out_first;
        }
        free(o);
    }
    return 1;
}

void kvop_emit(struct kvop *k, uint32_t flags, uint64_t revision, trl_str key, trl_bytes value) {
    size_t len = sizeof(trl_entry) + key.len + value.len;
    struct out_item *o = x_alloc(sizeof(*o) + len);
    trl_entry e = {.struct_size = sizeof(e),
                   .flags = flags,
                   .revision = revision,
                   .key_len = (uint32_t)key.len,
                   .value_len = (uint32_t)value.len};
    char *at = (char *)(o + 1);
    int idle = !k->out_first;
    memcpy(at, &e, sizeof(e));
    if (key.len) {
        memcpy(at + sizeof(e), key.ptr, key.len);
    }
    if (value.len) {
        memcpy(at + sizeof(e) + key.len, value.ptr, value.len);
    }
    o->next = NULL;
    o->len = len;
    *k->out_last = o;
    k->out_last = &o->next;
    if (idle) {
        flush(k);
    }
}

void kvop_end_after(struct kvop *k) {
    k->ends = 1;
    if (!k->out_first) {
        kvop_ok(k, NULL, 0);
    }
}

int kvop_full(const struct kvop *k) {
    return k->out_first != NULL;
}

void kvop_resume(struct kvop *k) {
    if (!flush(k)) {
        return;
    }
    if (k->ends) {
        kvop_ok(k, NULL, 0);
    } else if (k->kind->drained) {
        k->kind->drained(k);
    }
}
