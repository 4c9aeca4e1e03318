/* SPDX-License-Identifier: Apache-2.0
 *
 * A server that behaves as a test wants it, and an instance of the backend that asks it. What the
 * server saw and what it is to say is guarded by a lock: it runs on threads of its own.
 */
#ifndef TESTS_VAULT_RIG_H
#define TESTS_VAULT_RIG_H

#include <pthread.h>

#include "../policy-opa/fake_http.h"
#include "../secrets/ask.h"
#include "plug/loop.h"

struct rule {
    char method[8], path[200]; /* "": any; a path ending in '*' is a beginning */
    int status, times;         /* times: 0 for ever, else so often and then no more */
    const char *more;          /* header lines */
    const char *body;          /* with status 0: everything, raw, then the connection is closed */
    size_t len;                /* of the body; 0: its text */
    int hold;                  /* says nothing until it is given up */
};

struct rig {
    struct tk *tk;
    struct plug_inst *in;
    struct fake_http *http;
    const char *base; /* path behind the address; NULL: none */
    char dir[64];
    struct loop_timer ticking;
    pthread_mutex_t lock;
    struct rule rules[16];
    size_t n_rules;
    uint32_t asked[16];  /* by rule */
    uint32_t unexpected; /* requests without a rule: they get 404 */
    char head[4096];     /* of the last request */
    char body[8192];     /* of the last POST */
};

void rig_init(struct rig *r);
/* more: further members of the config, beginning with ','. Token method with token "first". */
void rig_open(struct rig *r, const char *more);
void rig_close(struct rig *r);  /* the instance */
void rig_finish(struct rig *r); /* asserts that no check failed */
/* Rules are tried from the last that was added. Returns its number. */
size_t rig_rule(struct rig *r, struct rule rule);
#define RULE(r, ...) rig_rule((r), (struct rule){__VA_ARGS__})
void rig_drop(struct rig *r, size_t rule); /* no longer in force */
uint32_t rig_asked(struct rig *r, size_t rule);
bool rig_saw(struct rig *r, const char *part);  /* in the last head */
bool rig_sent(struct rig *r, const char *body); /* the last body is that */
void rig_wait_asked(struct rig *r, size_t rule, uint32_t n);
/* For conditions that threads of the server bring about. */
bool rig_until(struct rig *r, bool (*done)(void *arg), void *arg);
const char *rig_file(struct rig *r, const char *name, const char *text);

/* The usual: lookup-self answers, secret/data/a is {"value":"v1"}, version 1. */
#define RIG_LOOKUP "{\"data\":{\"ttl\":0,\"renewable\":false}}"
#define RIG_DATA(fields, version)                                                                  \
    "{\"data\":{\"data\":" fields ",\"metadata\":{\"version\":" version                            \
    ",\"deletion_time\":\"\",\"destroyed\":false}}}"
void rig_usual(struct rig *r);

#endif
