/* SPDX-License-Identifier: Apache-2.0
 *
 * A core, a driver, a lattice "default" with two hosts; and short ways to write actions.
 */
#ifndef TESTS_DRIVER_RIG_H
#define TESTS_DRIVER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fakehost.h"

struct rig {
    struct core *c;
    struct fworld *w;
    struct fhost *h1, *h2;
};

static inline void rig_open(struct rig *r, const char *config) {
    r->c = core_create(config);
    r->w = world_create(r->c, "default", "wasmbus.ctl", "wasmbus.evt");
    r->h1 = world_host(r->w, "H1");
    r->h2 = world_host(r->w, "H2");
}

/* Followed and read once; log and requests are empty. */
static inline void rig_synced(struct rig *r, const char *config) {
    rig_open(r, config);
    struct core_op *op = core_resync(r->c, "default");
    core_run(r->c, 1500);
    assert_true(op->done);
    assert_int_equal(op->st, TRL_OK);
    core_forget(r->c);
    world_forget_requests(r->w);
}

static inline void rig_close(struct rig *r) {
    core_destroy(r->c);
    world_destroy(r->w);
}

static inline void must(struct rig *r, const char *part, uint32_t n, const char *file, int line) {
    if (core_count(r->c, part) != n) {
        fprintf(stderr, "%s:%d: \"%s\" is there %u times, not %u:\n", file, line, part,
                core_count(r->c, part), n);
        core_print(r->c);
    }
    assert_int_equal(core_count(r->c, part), n);
}
#define SEEN(r, part, n) must((r), (part), (n), __FILE__, __LINE__)

static inline void must_request(struct rig *r, const char *part, size_t n, const char *file,
                                int line) {
    if (world_requests(r->w, part) != n) {
        fprintf(stderr, "%s:%d: requests \"%s\": %zu, not %zu:\n", file, line, part,
                world_requests(r->w, part), n);
        for (size_t i = 0; i < r->w->n_requests; i++) {
            fprintf(stderr, "  > %s\n", r->w->requests[i]);
        }
    }
    assert_int_equal(world_requests(r->w, part), n);
}
#define SENT(r, part, n) must_request((r), (part), (n), __FILE__, __LINE__)

static inline void ended(const struct core_op *op, trl_status st, const char *file, int line) {
    if (!op->done || op->st != st) {
        fprintf(stderr, "%s:%d: done %d status %d (%s)\n", file, line, op->done, op->st, op->msg);
    }
    assert_true(op->done);
    assert_int_equal(op->st, st);
}
#define ENDED(op, st) ended((op), (st), __FILE__, __LINE__)

/* Applies, lets so much time pass, and it has ended like that. */
static inline struct core_op *act(struct rig *r, const trl_action *a, int64_t ms, trl_status st,
                                  const char *file, int line) {
    struct core_op *op = core_apply(r->c, a);
    core_run(r->c, ms);
    ended(op, st, file, line);
    return op;
}
#define ACT(r, a, ms, st) act((r), (a), (ms), (st), __FILE__, __LINE__)

static const trl_label MARKS[] = {{{"wasmcloud.dev/appspec", 21}, {"app", 3}},
                                  {{"wasmcloud.dev/managed-by", 24}, {"wadm", 4}},
                                  {{"wasmcloud.dev/scaler", 20}, {"new", 3}}};
static const trl_str CONFIGS[] = {{"cfg-a", 5}, {"cfg-b", 5}};

static inline trl_action action(uint32_t verb, const char *host, const char *unit,
                                const char *image, uint32_t count) {
    trl_action a = {.struct_size = sizeof(a), .verb = verb, .count = count};
    a.lattice = trl_cstr("default");
    a.host_id = trl_cstr(host);
    a.unit_id = trl_cstr(unit);
    a.image = trl_cstr(image);
    a.annotations = MARKS;
    a.n_annotations = 3;
    a.config_names = CONFIGS;
    a.n_config_names = 2;
    return a;
}

static inline trl_link link_of(const char *source, const char *target, const trl_str *interfaces,
                               uint32_t n) {
    trl_link l = {.struct_size = sizeof(l)};
    l.source = trl_cstr(source);
    l.target = trl_cstr(target);
    l.name = trl_cstr("default");
    l.ns = trl_cstr("wasi");
    l.package = trl_cstr("keyvalue");
    l.interfaces = interfaces;
    l.n_interfaces = n;
    return l;
}

static inline trl_action link_action(uint32_t verb, const trl_link *l) {
    trl_action a = {.struct_size = sizeof(a), .verb = verb, .link = l};
    a.lattice = trl_cstr("default");
    return a;
}

static inline trl_action config_action(uint32_t verb, const char *name, const char *body) {
    trl_action a = {.struct_size = sizeof(a), .verb = verb};
    a.lattice = trl_cstr("default");
    a.name = trl_cstr(name);
    a.body = trl_cstr(body);
    return a;
}

#endif
