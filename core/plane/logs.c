/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/logs.h"

#include <string.h>

#include "base/mem.h"
#include "base/ring.h"

#define LINE_BYTES 960u /* of one line with its fields */

struct line {
    uint64_t seq;
    int64_t wall_ns;
    int32_t level;
    uint16_t msg_len, fields_len;
    char bytes[LINE_BYTES];
};

struct logs {
    struct loop *loop;
    const struct log *to;
    struct log log;
    struct ring ring;
    void (*fn)(void *arg);
    void *arg;
};

/* A line that is too long is cut, between characters; fields that do not fit are left out, since
 * half an object is none. */
static void sink(void *arg, int level, str msg, str fields) {
    struct logs *l = arg;
    struct line *x = ring_add(&l->ring);
    size_t len = msg.len < LINE_BYTES ? msg.len : LINE_BYTES;
    while (len < msg.len && len > 0 && ((unsigned char)msg.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    x->seq = l->ring.last;
    x->wall_ns = loop_wall_ms(l->loop) * 1000000;
    x->level = level;
    x->msg_len = (uint16_t)len;
    x->fields_len = (uint16_t)(fields.len <= LINE_BYTES - len ? fields.len : 0);
    if (len) {
        memcpy(x->bytes, msg.ptr, len);
    }
    if (x->fields_len) {
        memcpy(x->bytes + len, fields.ptr, fields.len);
    }
    if (l->to && l->to->sink) {
        l->to->sink(l->to->arg, level, msg, fields);
    }
    if (l->fn) {
        l->fn(l->arg);
    }
}

struct logs *logs_create(struct loop *loop, const struct log *to) {
    struct logs *l = mem_zalloc(sizeof(*l));
    l->loop = loop;
    l->to = to;
    l->log = (struct log){to ? to->level : TRL_LOG_INFO, sink, l};
    ring_init(&l->ring, LOGS_LINES, sizeof(struct line));
    return l;
}

void logs_destroy(struct logs *l) {
    if (l) {
        ring_finish(&l->ring);
        mem_free(l);
    }
}

const struct log *logs_log(const struct logs *l) {
    return &l->log;
}

uint64_t logs_first(const struct logs *l) {
    return ring_first(&l->ring);
}

uint64_t logs_last(const struct logs *l) {
    return l->ring.last;
}

uint64_t logs_next(const struct logs *l, uint64_t after, uint32_t max,
                   void (*fn)(void *arg, const trl_log_record *r), void *arg) {
    uint64_t first = ring_first(&l->ring), n = after + 1 > first ? after + 1 : first;
    for (; n <= l->ring.last && n > 0 && max > 0; n++, max--) {
        const struct line *x = ring_at(&l->ring, n);
        trl_log_record r = {.struct_size = sizeof(r),
                            .level = x->level,
                            .seq = x->seq,
                            .wall_ns = x->wall_ns,
                            .msg = str_n(x->bytes, x->msg_len),
                            .fields_json = str_n(x->bytes + x->msg_len, x->fields_len)};
        fn(arg, &r);
        after = n;
    }
    return after;
}

void logs_watch(struct logs *l, void (*fn)(void *arg), void *arg) {
    l->fn = fn;
    l->arg = arg;
}
