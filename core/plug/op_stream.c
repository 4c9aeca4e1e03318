/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "plug/inst_priv.h"
#include "plug/negotiate.h"

/* Streams: what a plugin emits, on its way to the loop, and where it must stop. */

#define HIGH_ITEMS 1024u
#define HIGH_BYTES (4u << 20)

struct event {
    trl_op *op;
    size_t cost;
    bool is_msg;
    trl_bytes item;
    trl_msg msg;
    /* labels and bytes follow */
};

static bool above(trl_op *op, uint32_t items, size_t bytes) {
    return atomic_load(&op->queued) >= items || atomic_load(&op->queued_bytes) >= bytes;
}

/* TRL_OK: the event may be queued. Either this side sees that the queue went below half, or the
 * loop sees busy after it did: one of the two always lets the stream go on. */
static trl_status admit(trl_op *op) {
    if (op_is_cancelled(op)) {
        return TRL_E_CLOSED;
    }
    if (!above(op, HIGH_ITEMS, HIGH_BYTES)) {
        return TRL_OK;
    }
    atomic_store(&op->busy, 1);
    int one = 1;
    if (above(op, HIGH_ITEMS / 2, HIGH_BYTES / 2) ||
        !atomic_compare_exchange_strong(&op->busy, &one, 0)) {
        return TRL_E_BUSY;
    }
    return TRL_OK;
}

static void on_event(void *arg) {
    struct event *e = arg;
    trl_op *op = e->op;
    struct plug_inst *in = op->in;
    atomic_fetch_sub(&op->queued, 1);
    atomic_fetch_sub(&op->queued_bytes, e->cost);
    if (!op->told && !op->over) {
        if (e->is_msg) {
            op->handler.on_msg(op->handler.arg, &e->msg);
        } else {
            op->handler.on_item(op->handler.arg, e->item);
        }
    }
    mem_free(e);
    int one = 1;
    if (!op->over && !in->leaked && !above(op, HIGH_ITEMS / 2, HIGH_BYTES / 2) &&
        atomic_compare_exchange_strong(&op->busy, &one, 0)) {
        op_send_resume(op);
    }
    gate_ran(op->gate);
    op_unref(op);
    inst_progress(in);
}

static trl_status queue_event(trl_op *op, struct event *e) {
    e->op = op;
    op_ref(op);
    atomic_fetch_add(&op->queued, 1);
    atomic_fetch_add(&op->queued_bytes, e->cost);
    if (gate_post(op->gate, on_event, e)) {
        return TRL_OK;
    }
    mem_free(e);
    op_unref(op);
    return TRL_E_CLOSED;
}

trl_status op_stream_emit(trl_op *op, trl_bytes item) {
    trl_status st = op->wants_items ? admit(op) : TRL_E_INVALID;
    if (st != TRL_OK) {
        return st;
    }
    if (op_hears_at_once(op)) {
        op->handler.on_item(op->handler.arg, item);
        return TRL_OK;
    }
    struct event *e = mem_alloc(sizeof(*e) + item.len);
    e->cost = item.len;
    e->is_msg = false;
    e->item = (trl_bytes){e + 1, item.len};
    if (item.len) {
        memcpy(e + 1, item.ptr, item.len);
    }
    return queue_event(op, e);
}

static const char *put(char **at, const void *p, size_t n) {
    char *start = *at;
    if (n) {
        memcpy(start, p, n);
    }
    *at += n;
    return start;
}

static str put_str(char **at, str s) {
    return str_n(put(at, s.ptr, s.len), s.len);
}

static trl_status host_deliver(trl_op *op, const trl_msg *m) {
    trl_msg in;
    trl_status st = op->wants_msgs ? admit(op) : TRL_E_INVALID;
    if (st == TRL_OK) {
        st = negotiate_request(&in, sizeof(in), m);
    }
    if (st != TRL_OK) {
        return st;
    }
    size_t labels = sizeof(trl_label) * in.n_headers;
    size_t bytes = in.subject.len + in.reply.len + in.payload.len;
    for (uint32_t i = 0; i < in.n_headers; i++) {
        bytes += in.headers[i].key.len + in.headers[i].value.len;
    }
    struct event *e = mem_alloc(sizeof(*e) + labels + bytes);
    trl_label *to = (trl_label *)(void *)(e + 1);
    char *at = (char *)(e + 1) + labels;
    e->cost = labels + bytes;
    e->is_msg = true;
    e->msg = in;
    e->msg.subject = put_str(&at, in.subject);
    e->msg.reply = put_str(&at, in.reply);
    e->msg.headers = to;
    for (uint32_t i = 0; i < in.n_headers; i++) {
        to[i].key = put_str(&at, in.headers[i].key);
        to[i].value = put_str(&at, in.headers[i].value);
    }
    e->msg.payload.ptr = put(&at, in.payload.ptr, in.payload.len);
    return queue_event(op, e);
}

const trl_host_msg_v1 op_host_msg = {sizeof(trl_host_msg_v1), 0, host_deliver};
