/* SPDX-License-Identifier: Apache-2.0 */
#include "held.h"

#include "../common/xmem.h"

struct held_msg {
    uint32_t refs;
    size_t cost;
    trl_msg msg; /* points into the bytes behind this struct */
};

size_t held_cost(const trl_msg *m) {
    size_t n = m->subject.len + m->reply.len + m->payload.len;
    for (uint32_t i = 0; i < m->n_headers; i++) {
        n += m->headers[i].key.len + m->headers[i].value.len;
    }
    return n;
}

static const char *put_bytes(char **at, const void *p, size_t n) {
    const char *start = *at;
    if (n) {
        memcpy(*at, p, n);
        *at += n;
    }
    return start;
}

static trl_str put_str(char **at, trl_str s) {
    return trl_strn(put_bytes(at, s.ptr, s.len), s.len);
}

struct held_msg *held_copy(const trl_msg *m) {
    size_t cost = held_cost(m), labels = m->n_headers * sizeof(trl_label);
    struct held_msg *h = x_alloc(sizeof(*h) + labels + cost);
    trl_label *headers = (trl_label *)(h + 1);
    char *at = (char *)(h + 1) + labels;
    h->refs = 1;
    h->cost = cost;
    memset(&h->msg, 0, sizeof(h->msg));
    h->msg.struct_size = sizeof(h->msg);
    h->msg.subject = put_str(&at, m->subject);
    h->msg.reply = put_str(&at, m->reply);
    h->msg.headers = headers;
    h->msg.n_headers = m->n_headers;
    for (uint32_t i = 0; i < m->n_headers; i++) {
        headers[i].key = put_str(&at, m->headers[i].key);
        headers[i].value = put_str(&at, m->headers[i].value);
    }
    h->msg.payload.ptr = put_bytes(&at, m->payload.ptr, m->payload.len);
    h->msg.payload.len = m->payload.len;
    return h;
}

void held_unref(struct held_msg *h) {
    if (h && --h->refs == 0) {
        free(h);
    }
}

void held_push(struct held_queue *q, struct held_msg *h) {
    if (q->n == q->cap) {
        size_t cap = q->cap ? q->cap * 2 : 16;
        struct held_msg **ring = x_zalloc_n(cap, sizeof(struct held_msg *));
        for (size_t i = 0; i < q->n; i++) {
            ring[i] = q->ring[(q->head + i) & (q->cap - 1)];
        }
        free(q->ring);
        q->ring = ring;
        q->cap = cap;
        q->head = 0;
    }
    q->ring[(q->head + q->n++) & (q->cap - 1)] = h;
    q->bytes += h->cost;
    h->refs++;
}

const trl_msg *held_first(const struct held_queue *q) {
    return q->n ? &q->ring[q->head]->msg : NULL;
}

void held_pop(struct held_queue *q) {
    struct held_msg *h = q->ring[q->head];
    q->head = (q->head + 1) & (q->cap - 1);
    q->n--;
    q->bytes -= h->cost;
    held_unref(h);
    if (!q->n && q->cap > 1024) {
        free(q->ring);
        q->ring = NULL;
        q->cap = q->head = 0;
    }
}

void held_finish(struct held_queue *q) {
    while (q->n) {
        held_pop(q);
    }
    free(q->ring);
    memset(q, 0, sizeof(*q));
}
