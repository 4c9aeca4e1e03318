/* SPDX-License-Identifier: Apache-2.0
 *
 * A small host for tests of the NATS plugin: a loop on the test's thread, ops that record what
 * comes of them and can be told to be full. Everything waits for conditions, nothing sleeps.
 */
#ifndef TESTS_NATS_FAKE_H
#define TESTS_NATS_FAKE_H

#include <trellis/trellis.h>

#define FAKE_PATIENCE_MS 20000

struct fake;
struct fake *fake_new(void);
void fake_free(struct fake *f); /* fails the process when ops are outstanding */
const trl_host *fake_host(struct fake *f);

/* Runs the loop until cond(arg) or ms have passed; returns cond(arg). */
int fake_run(struct fake *f, int (*cond)(void *arg), void *arg, int ms);
/* Runs what is due now. */
void fake_turn(struct fake *f);
/* Longest single callback on the loop so far, in ms. */
int64_t fake_longest_ms(const struct fake *f);
/* How often a line with that text was logged. */
int fake_logged(struct fake *f, const char *text);
int fake_wait_log(struct fake *f, const char *text);

/* One item of a stream: an entry of a store, a link byte, a message. */
struct item {
    uint32_t flags;
    uint64_t revision;
    char *key, *value; /* of a message: subject, payload; NUL behind */
    size_t len;
    char *reply, *headers; /* "k=v;" in order */
};

struct trl_op {
    struct fake *f;
    int done;
    int refused; /* second completions */
    trl_status st;
    char msg[256];
    char *result;
    size_t result_len;
    struct item *items;
    size_t n, cap;
    size_t room; /* items taken before BUSY; SIZE_MAX: all */
    int was_busy;
    int cancelled;
};

trl_op *fake_op(struct fake *f);
void fake_op_free(trl_op *op);        /* done, or it fails */
int fake_done(trl_op *op);            /* waits */
int fake_items(trl_op *op, size_t n); /* waits for at least that many */
uint64_t fake_revision(const trl_op *op);

/* A component of the library, created and started. */
struct comp {
    struct fake *f;
    const trl_component *c;
    trl_inst *in;
    const trl_transport_v1 *t; /* NULL: a store */
    const trl_store_v1 *s;
};
const trl_component *comp_find(const char *name);
/* Return the status of start; err (256 bytes) gets its text. */
trl_status comp_open(struct comp *c, struct fake *f, const char *name, const char *config,
                     char *err);
void comp_close(struct comp *c);

/* Calls, each waited for. */
trl_op *comp_sub(struct comp *c, const char *subject, const char *queue);
void comp_pub(struct comp *c, const char *subject, const char *body);
trl_op *comp_request(struct comp *c, const char *subject, const char *body, int many);
void comp_cancel(struct comp *c, trl_op *op); /* waits, frees */
char *comp_info(struct comp *c);              /* owned */
trl_status comp_put(struct comp *c, const char *key, const char *value, uint64_t expect,
                    uint64_t *rev);
trl_status comp_del(struct comp *c, const char *key, uint64_t expect, uint64_t *rev);
trl_status comp_get(struct comp *c, const char *key, char *value, size_t cap, uint64_t *rev);
trl_op *comp_watch(struct comp *c, const char *prefix, uint64_t from);

#endif
