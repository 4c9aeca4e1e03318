/* SPDX-License-Identifier: Apache-2.0
 *
 * What the suites share: an instance on a loop, calls with what came of them, counted checks.
 */
#ifndef TRELLIS_TESTKIT_SUITE_PRIV_H
#define TRELLIS_TESTKIT_SUITE_PRIV_H

#include "plug/op.h"
#include "plug/plug.h"
#include "suite.h"

#define SUITE_MS       1000000ll
#define SUITE_PATIENCE (20000 * SUITE_MS) /* before a wait counts as failed */

struct suite {
    const char *kind, *component, *config;
    uint32_t flags;
    struct loop *loop;
    struct log log;
    struct plug *plug;
    struct plug_inst *inst;
    trl_inst *raw;
    const void *table;
    int checks, failures, opened;
    void *user;                      /* for the cases */
    const struct plug_iface *ifaces; /* offered to the instance */
    uint32_t n_ifaces;
};

/* 0, or a failure was counted. */
int suite_open(struct suite *s);
/* Stops and destroys; checks that no op is left. */
void suite_close(struct suite *s);
/* Runs the suite's cases between opening and closing. */
int suite_run(struct suite *s, void (*const *cases)(struct suite *s), uint32_t n);

__attribute__((format(printf, 5, 6))) int suite_check(struct suite *s, int ok, const char *file,
                                                      int line, const char *fmt, ...);
#define CHECK(s, cond, ...)     suite_check((s), (cond) ? 1 : 0, __FILE__, __LINE__, __VA_ARGS__)
#define CHECK_ST(s, have, want) suite_check_st((s), (have), (want), __FILE__, __LINE__, #have)
#define CHECK_N(s, have, want)                                                                     \
    suite_check_n((s), (long long)(have), (long long)(want), __FILE__, __LINE__, #have)
int suite_check_st(struct suite *s, trl_status have, trl_status want, const char *file, int line,
                   const char *text);
int suite_check_n(struct suite *s, long long have, long long want, const char *file, int line,
                  const char *text);

/* One item of a stream, copied: a store's entry (header, key, value) or a message. */
struct got {
    uint32_t flags;
    uint64_t revision;
    str key, value, reply; /* key: or the subject; into bytes */
    trl_label *headers;
    uint32_t n_headers;
    char *bytes;
};

/* An op with everything that came of it. */
struct call {
    struct suite *s;
    trl_op *op;
    int done;
    trl_status st;
    uint64_t revision; /* a result of 8 bytes */
    str text;          /* any result; owned */
    char msg[256];
    struct got *got;
    uint32_t n_got, cap_got;
    uint32_t n_sync; /* TRL_ENTRY_SYNC among them */
    int bad_items;   /* not a well-formed entry */
};

/* Begins an op that fills the call. timeout_ns <= 0: none. */
trl_op *call_begin(struct suite *s, struct call *c, int64_t timeout_ns);
/* Begins one by the component's thread model: run calls the plugin. */
void call_begin_by(struct suite *s, struct call *c, int64_t timeout_ns,
                   void (*run)(trl_inst *in, trl_op *op, void *arg), void *arg);
void call_free(struct call *c); /* done or never begun; else it is forgotten */
/* Runs the loop. False (and a failed check) when it takes too long. */
int call_wait(struct call *c);
int call_wait_got(struct call *c, uint32_t n);  /* until that many items, or done */
int call_wait_sync(struct call *c, uint32_t n); /* until that many SYNC marks, or done */
/* Cancels and waits. */
void call_cancel(struct call *c);
/* Lets the loop turn until everything that was begun before has been heard of. */
void suite_settle(struct suite *s);

#endif
