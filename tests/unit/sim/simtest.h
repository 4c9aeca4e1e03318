/* SPDX-License-Identifier: Apache-2.0
 *
 * A world with a clock in the hand and everything it says kept, for the tests of this room.
 */
#ifndef TESTS_SIM_SIMTEST_H
#define TESTS_SIM_SIMTEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sim/world.h"

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

struct said {
    char *subject;
    char *body;
    const struct node *json; /* the body, parsed */
    int64_t at_ns;
};

struct rig {
    struct world *w;
    int64_t now_ns;
    VEC(struct said) said;
    uint32_t from; /* what was said before is settled */
    uint32_t inbox;
    struct arena a;
};

static inline void rig_publish(void *arg, str subject, str body) {
    struct rig *g = arg;
    struct said *s = VEC_ADD(&g->said);
    struct node *n = NULL;
    struct err err = ERR_INIT;
    s->subject = str_dup(subject);
    s->body = str_dup(body);
    s->at_ns = g->now_ns;
    if (json_parse(arena_str(&g->a, body), &g->a, &n, &err) < 0) {
        fail_msg("%s: %s: %s", s->subject, err.msg, s->body);
    }
    s->json = n;
}

static inline struct world_out rig_out(struct rig *g) {
    return (struct world_out){.publish = rig_publish, .arg = g};
}

static inline void rig_open(struct rig *g, const struct sim_config *c) {
    struct err err = ERR_INIT;
    *g = (struct rig){.now_ns = 1000 * S, .a = ARENA_INIT};
    struct world_out out = rig_out(g);
    if (world_create(c, &out, g->now_ns, INT64_C(1763690400000), &g->w, &err) < 0) {
        fail_msg("%s", err.msg);
    }
}

static inline void rig_close(struct rig *g) {
    world_destroy(g->w);
    for (uint32_t i = 0; i < g->said.n; i++) {
        mem_free(g->said.at[i].subject);
        mem_free(g->said.at[i].body);
    }
    VEC_FREE(&g->said);
    arena_finish(&g->a);
}

/* One instant host with one more thing: everything said so far is settled. */
static inline struct vhost *rig_instant(struct rig *g) {
    struct sim_config c = sim_config_instant();
    rig_open(g, &c);
    world_start(g->w, g->now_ns);
    g->from = g->said.n;
    return world_host(g->w, 0);
}

static inline void rig_pass(struct rig *g, int64_t ns) {
    int64_t due, end = g->now_ns + ns;
    while (world_next_due(g->w, &due) && due <= end) {
        g->now_ns = due > g->now_ns ? due : g->now_ns;
        world_advance(g->w, g->now_ns);
    }
    g->now_ns = end;
    world_advance(g->w, end);
}

/* Sends a request to "wasmbus.ctl.v1.default.<what>[.<host>]", gives its inbox. */
static inline const char *rig_send(struct rig *g, const char *what, const struct vhost *h,
                                   const char *body) {
    char subject[300], inbox[40];
    snprintf(subject, sizeof(subject), "wasmbus.ctl.v1.%s.%s%s%s", "default", what, h ? "." : "",
             h ? vhost_id(h) : "");
    snprintf(inbox, sizeof(inbox), "_INBOX.%u", ++g->inbox);
    world_request(g->w, str_c(subject), str_c(inbox), str_c(body), g->now_ns);
    return arena_str(&g->a, str_c(inbox)).ptr;
}

/* The n-th message (from 0) on a subject since g->from; NULL: there is none. Ends with decide. */
static inline const struct said *rig_nth(const struct rig *g, const char *subject, uint32_t n) {
    for (uint32_t i = g->from; i < g->said.n; i++) {
        if (strcmp(g->said.at[i].subject, subject) == 0 && n-- == 0) {
            return &g->said.at[i];
        }
    }
    return NULL;
}

static inline uint32_t rig_count(const struct rig *g, const char *subject) {
    uint32_t n = 0;
    while (rig_nth(g, subject, n)) {
        n++;
    }
    return n;
}

/* Data of the n-th event of that name since g->from. */
static inline const struct node *rig_event(const struct rig *g, const char *name, uint32_t n) {
    char subject[100];
    snprintf(subject, sizeof(subject), "wasmbus.evt.default.%s", name);
    const struct said *s = rig_nth(g, subject, n);
    return s ? node_get(s->json, "data") : NULL;
}

static inline uint32_t rig_events(const struct rig *g, const char *name) {
    uint32_t n = 0;
    while (rig_event(g, name, n)) {
        n++;
    }
    return n;
}

/* Sends, runs what is due at once, gives the reply (NULL: none). Settles what was said before. */
static inline const struct node *rig_ask(struct rig *g, const char *what, const struct vhost *h,
                                         const char *body) {
    g->from = g->said.n;
    const char *inbox = rig_send(g, what, h, body);
    rig_pass(g, 0);
    const struct said *s = rig_nth(g, inbox, 0);
    return s ? s->json : NULL;
}

static inline void expect_reply(const struct node *reply, bool success, const char *message) {
    assert_non_null(reply);
    assert_string_equal(node_text(reply, "message", STR("-")).ptr, message);
    assert_int_equal(node_bool_or(reply, "success", !success), success);
}

static inline void expect_str(const struct node *o, const char *key, const char *value) {
    assert_non_null(o);
    str s = node_text(o, key, STR("(absent)"));
    if (!str_is(s, value)) {
        fail_msg("%s is \"%.*s\", not \"%s\"", key, PSTR(s), value);
    }
}

static inline void expect_u64(const struct node *o, const char *key, uint64_t value) {
    assert_non_null(o);
    assert_int_equal(node_u64_or(o, key, UINT64_MAX), value);
}

#endif
