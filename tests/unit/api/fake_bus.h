/* SPDX-License-Identifier: Apache-2.0
 *
 * bus.h without a transport: keeps what is published, hands requests to subscribers. Included once
 * by a test program.
 */
#ifndef TRELLIS_TESTS_FAKE_BUS_H
#define TRELLIS_TESTS_FAKE_BUS_H

#include <string.h>

#include "base/mem.h"
#include "plug/bus.h"
#include "plug/loop.h"

struct fake_msg {
    char *subject, *body;
};

struct bus_sub {
    struct bus *bus;
    char *subject, *queue;
    void (*on_msg)(void *arg, const struct bus_msg *m);
    void *arg;
};

struct bus {
    struct loop *loop;
    VEC(struct fake_msg) said;
    VEC(struct fake_msg) forgotten;
    VEC(struct bus_sub *) subs;
};

static inline struct bus *fake_bus(struct loop *loop) {
    struct bus *b = mem_zalloc(sizeof(*b));
    b->loop = loop;
    return b;
}

void bus_destroy(struct bus *b) {
    for (uint32_t i = 0; i < b->said.n; i++) {
        mem_free(b->said.at[i].subject);
        mem_free(b->said.at[i].body);
    }
    for (uint32_t i = 0; i < b->forgotten.n; i++) {
        mem_free(b->forgotten.at[i].subject);
    }
    VEC_FREE(&b->said);
    VEC_FREE(&b->forgotten);
    VEC_FREE(&b->subs);
    mem_free(b);
}

void bus_publish(struct bus *b, const struct bus_msg *m) {
    *VEC_ADD(&b->said) = (struct fake_msg){str_dup(m->subject), str_dup(m->body)};
}

struct bus_sub *bus_subscribe(struct bus *b, str subject, str queue,
                              void (*on_msg)(void *arg, const struct bus_msg *m), void *arg) {
    struct bus_sub *s = mem_zalloc(sizeof(*s));
    *s = (struct bus_sub){b, str_dup(subject), str_dup(queue), on_msg, arg};
    *VEC_ADD(&b->subs) = s;
    return s;
}

void bus_unsubscribe(struct bus_sub *s) {
    for (uint32_t i = 0; i < s->bus->subs.n; i++) {
        if (s->bus->subs.at[i] == s) {
            s->bus->subs.at[i] = s->bus->subs.at[--s->bus->subs.n];
        }
    }
    mem_free(s->subject);
    mem_free(s->queue);
    mem_free(s);
}

void bus_forget(struct bus *b, str subject) {
    VEC_ADD(&b->forgotten)->subject = str_dup(subject);
}

struct fake_info {
    void (*done)(void *arg, trl_status st, str json);
    void *arg;
};

static inline void fake_no_info(void *arg) {
    struct fake_info *i = arg;
    i->done(i->arg, TRL_E_UNSUPP, STR_NONE);
    mem_free(i);
}

void bus_info(struct bus *b, void (*done)(void *arg, trl_status st, str json), void *arg) {
    struct fake_info *i = mem_zalloc(sizeof(*i));
    *i = (struct fake_info){done, arg};
    loop_post(b->loop, fake_no_info, i);
}

void kv_info(struct kv *k, void (*done)(void *arg, trl_status st, str json), void *arg) {
    struct fake_info *i = mem_zalloc(sizeof(*i));
    *i = (struct fake_info){done, arg};
    loop_post(k->store->loop, fake_no_info, i);
}

#endif
