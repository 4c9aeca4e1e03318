/* SPDX-License-Identifier: Apache-2.0
 *
 * The durable record of decisions: who, what, at which point, by which backend, how and why. Kept
 * in the store in chunks; bounded by age and by bytes, the oldest go first. A record says nothing
 * of values: it has no member they could be in.
 */
#ifndef TRELLIS_POLICY_AUDIT_H
#define TRELLIS_POLICY_AUDIT_H

#include "base/log.h"
#include "plug/kv.h"
#include "plug/loop.h"
#include "policy/ruling.h"

struct audit;

struct audit_limits {
    int64_t age_ms; /* <= 0: 30 days */
    uint64_t bytes; /* 0: 16 MiB */
};

struct audit_record { /* strings are copied */
    uint32_t point;   /* TRL_POINT_* */
    str what, tenant, lattice, app, caller, trace;
    str backends; /* who was asked: a JSON array, or empty */
    const struct ruling *ruling;
    bool cached;
    uint32_t count; /* decisions it stands for: 1, or the plain allows of one question */
};

/* kv: borrowed. What other instances wrote is read at each audit_read. */
struct audit *audit_create(struct loop *loop, struct kv *kv, const struct log *log,
                           const struct audit_limits *limits);
void audit_destroy(struct audit *a); /* what waits is handed to the store; NULL is fine */
/* Written with the next chunk: within the turn when no write is under way. Plain allows are
 * collected for 100 ms before, or until something else is written: a crash loses no other verdict.
 */
void audit_add(struct audit *a, const struct audit_record *r);
bool audit_idle(const struct audit *a); /* everything is in the store */

struct audit_query {
    str tenant, lattice, app; /* empty: all ("_" too, as the lattice) */
    str verdict;              /* empty: all */
    int64_t since_ms;         /* UNIX time; 0: all */
    uint32_t limit;           /* newest; 0: 100 */
};
/* done: a JSON array of records, oldest first (borrowed), or why not. Exactly once, in a later
 * turn. */
void audit_read(struct audit *a, const struct audit_query *q,
                void (*done)(void *arg, trl_status st, str json), void *arg);

const char *policy_point_name(uint32_t point); /* "deploy"; static */
bool policy_point_parse(str name, uint32_t *ret);

#endif
