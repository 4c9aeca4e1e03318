/* SPDX-License-Identifier: Apache-2.0
 *
 * A bus and a kv over the real plugins transport-inproc and store-memory. Included once by a test
 * program.
 */
#ifndef TRELLIS_TESTS_API_PLUGINS_H
#define TRELLIS_TESTS_API_PLUGINS_H

#include "plug/bus.h"
#include "plug/kv.h"
#include "plug/plug.h"

struct plugins {
    struct loop *loop;
    struct log log;
    struct plug *plug;
    struct plug_inst *transport, *store;
    struct bus *bus;
    struct kv *kv;
    uint32_t started, failed, stopped;
};

static inline void plugins_log(void *arg, int level, str msg, str fields) {
    (void)arg, (void)fields;
    if (level <= TRL_LOG_WARN) {
        fprintf(stderr, "plugins: %.*s\n", PSTR(msg));
    }
}

static inline void plugins_on_start(void *arg, trl_status st, const trl_err *e) {
    struct plugins *p = arg;
    (void)e;
    p->started++;
    p->failed += st != TRL_OK;
}

static inline void plugins_on_stop(void *arg) {
    ((struct plugins *)arg)->stopped++;
}

static inline bool plugins_started(void *arg) {
    return ((struct plugins *)arg)->started == 2;
}

static inline bool plugins_stopped(void *arg) {
    return ((struct plugins *)arg)->stopped == 2;
}

static inline struct plug_inst *plugins_start(struct plugins *p, const char *kind,
                                              const char *name) {
    struct plug_inst *in = NULL;
    struct err err = ERR_INIT;
    if (plug_inst_create(p->plug, kind, name, STR(""), NULL, 0, &in, &err) < 0) {
        fail_msg("%s %s: %s", kind, name, err.msg);
    }
    plug_inst_start(in, 1000000000ll, plugins_on_start, p);
    return in;
}

static inline void plugins_open(struct plugins *p, struct loop *loop) {
    const char *dirs[] = {TRELLIS_PLUGIN_DIR};
    *p = (struct plugins){.loop = loop};
    p->log = (struct log){TRL_LOG_INFO, plugins_log, NULL};
    p->plug = plug_create(loop, &p->log, dirs, 1);
    p->transport = plugins_start(p, "transport/1", "inproc");
    p->store = plugins_start(p, "store/1", "memory");
    assert_true(loop_run_until(loop, plugins_started, p, 1000000000ll));
    assert_int_equal(p->failed, 0);
    p->bus = bus_create(p->transport);
    p->kv = kv_create(p->store);
}

/* Bus and kv go at once, with whatever still used them. */
static inline void plugins_close(struct plugins *p) {
    bus_destroy(p->bus);
    kv_destroy(p->kv);
    plug_inst_stop(p->transport, plugins_on_stop, p);
    plug_inst_stop(p->store, plugins_on_stop, p);
    assert_true(loop_run_until(p->loop, plugins_stopped, p, 1000000000ll));
    plug_inst_destroy(p->transport);
    plug_inst_destroy(p->store);
    plug_destroy(p->plug);
}

#endif
