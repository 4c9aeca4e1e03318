/* SPDX-License-Identifier: Apache-2.0
 *
 * One API over a catalog on a virtual loop. The owner of bus and kv includes either fake_kv.h and
 * fake_bus.h or real plugins before this. Included once by a test program.
 */
#ifndef TRELLIS_TESTS_API_HARNESS_H
#define TRELLIS_TESTS_API_HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "codec/json.h"
#include "fake_engine.h"
#include "reply.h"

struct published {
    char *subject, *body;
};

struct harness {
    struct loop *loop;
    struct log log;
    struct bus *bus; /* the opener's */
    struct kv *kv;   /* the opener's */
    struct catalog *catalog;
    struct api *api;
    VEC(struct engine *) engines;
    VEC(struct published) said;
    bool keep_applied; /* nothing is ever cleaned up */
    bool keep_status;  /* what was said of an app outlives it, as with wadm */
    uint32_t gone;     /* heads that vanished */
};

static inline struct engine *harness_find(struct harness *h, str tenant, str lattice) {
    for (uint32_t i = 0; i < h->engines.n; i++) {
        if (str_eq(engine_lattice(h->engines.at[i]), lattice) &&
            str_eq(engine_tenant(h->engines.at[i]), tenant)) {
            return h->engines.at[i];
        }
    }
    return NULL;
}

static inline struct engine *harness_engine_of(void *arg, str tenant, str lattice) {
    return harness_find(arg, tenant, lattice);
}

static inline void harness_wanted(void *arg, str tenant, str lattice) {
    struct harness *h = arg;
    if (!harness_find(h, tenant, lattice)) {
        *VEC_ADD(&h->engines) = fake_engine(h->catalog, tenant, lattice);
    }
}

static inline void harness_each(void *arg, void (*fn)(void *fn_arg, struct engine *e),
                                void *fn_arg) {
    struct harness *h = arg;
    for (uint32_t i = 0; i < h->engines.n; i++) {
        fn(fn_arg, h->engines.at[i]);
    }
}

/* Does what the engine would: reports that old versions left nothing behind. */
static inline void harness_on_change(void *arg, const struct app *a) {
    struct harness *h = arg;
    struct engine *e = harness_find(h, a->tenant, a->lattice);
    uint32_t gone[64], n = 0;
    for (uint32_t i = 0; i < a->n_applied && n < 64; i++) {
        if (a->applied[i] != a->deployed) {
            gone[n++] = a->applied[i];
        }
    }
    if (n && !h->keep_applied) {
        catalog_settle(h->catalog, a->tenant, a->lattice, a->name, a->generation, gone, n, NULL, 0,
                       NULL, NULL);
    }
    if (a->n_versions == 0 && a->n_applied == 0) {
        h->gone++;
        if (e && !h->keep_status) {
            fake_engine_set(e, a->name, NULL);
        }
    }
    if (h->api) {
        api_on_app(h->api, a);
    }
}

static inline void harness_said(void *arg, str subject, str body) {
    struct harness *h = arg;
    *VEC_ADD(&h->said) = (struct published){str_dup(subject), str_dup(body)};
}

static inline void harness_log(void *arg, int level, str msg, str fields) {
    (void)arg, (void)fields;
    if (getenv("TEST_LOG")) {
        fprintf(stderr, "log %d: %.*s\n", level, PSTR(msg));
    }
}

static inline bool harness_is_loaded(void *arg) {
    return catalog_loaded(((struct harness *)arg)->catalog);
}

/* loop, bus and kv are set; what env leaves empty is filled in. */
static inline void harness_open(struct harness *h, struct api_env env) {
    h->log = (struct log){TRL_LOG_DEBUG, harness_log, NULL};
    struct catalog_env cenv = {
        .loop = h->loop, .kv = h->kv, .log = &h->log, .on_change = harness_on_change, .arg = h};
    h->catalog = catalog_create(&cenv);
    assert_true(loop_run_until(h->loop, harness_is_loaded, h, HARNESS_TIMEOUT_NS));
    env.loop = h->loop;
    env.log = &h->log;
    env.bus = h->bus;
    env.kv = h->kv;
    env.catalog = h->catalog;
    env.prefix = env.prefix ? env.prefix : "wadm.api";
    env.version = "0.0.0";
    env.engine_of = harness_engine_of;
    env.lattice_wanted = harness_wanted;
    env.each_engine = harness_each;
    env.arg = h;
    h->api = api_create(&env);
    api_watch(h->api, harness_said, h);
}

static inline void harness_forget_said(struct harness *h) {
    for (uint32_t i = 0; i < h->said.n; i++) {
        mem_free(h->said.at[i].subject);
        mem_free(h->said.at[i].body);
    }
    VEC_FREE(&h->said);
}

/* Bus and kv are the opener's to destroy, at once. */
static inline void harness_close(struct harness *h) {
    api_destroy(h->api);
    for (uint32_t i = 0; i < h->engines.n; i++) {
        fake_engine_destroy(h->engines.at[i]);
    }
    VEC_FREE(&h->engines);
    catalog_destroy(h->catalog);
    harness_forget_said(h);
}

/* Events and records of commands are published a moment later. */
static inline void harness_wait(struct harness *h) {
    loop_advance(h->loop, 10000000);
}

/* The last published body of a subject, NULL when nothing was. */
static inline const char *harness_last(struct harness *h, const char *subject) {
    harness_wait(h);
    for (uint32_t i = h->said.n; i > 0; i--) {
        if (strcmp(h->said.at[i - 1].subject, subject) == 0) {
            return h->said.at[i - 1].body;
        }
    }
    return NULL;
}

/* Sends and waits for the one reply. type: Content-Type, NULL: no header. */
static inline void ask_typed(struct harness *h, const char *subject, const char *type, str body,
                             struct reply *r) {
    trl_label header = {STR("Content-Type"), str_c(type)};
    int64_t from_ns = loop_now_ns(h->loop);
    reply_finish(r);
    api_request(h->api, str_c(subject), &header, type ? 1 : 0, body, on_reply, r);
    if (!loop_run_until(h->loop, reply_there, r, HARNESS_TIMEOUT_NS)) {
        fail_msg("no reply to %s", subject);
    }
    r->took_ns = loop_now_ns(h->loop) - from_ns;
}

static inline void ask(struct harness *h, const char *subject, const char *body, struct reply *r) {
    ask_typed(h, subject, NULL, str_c(body), r);
}

#endif
