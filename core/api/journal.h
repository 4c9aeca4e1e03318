/* SPDX-License-Identifier: Apache-2.0
 *
 * The last events and commands: a ring in memory. With a store it is written there in batches, at
 * most one a second, for transports that keep no streams. Never the truth.
 */
#ifndef TRELLIS_API_JOURNAL_H
#define TRELLIS_API_JOURNAL_H

#include "base/log.h"
#include "plug/kv.h"

#define JOURNAL_ENTRIES 10000u
#define JOURNAL_BATCHES 512u /* values in the store; the oldest is overwritten */

struct journal;

struct journal_entry {
    uint64_t seq; /* from 1, never reused */
    int64_t wall_ms;
    str tenant, lattice, app, kind;
    str json; /* one object, as published */
};

/* kv: NULL: memory only. */
struct journal *journal_create(struct loop *loop, struct kv *kv, const struct log *log);
void journal_destroy(struct journal *j); /* what waits is handed to the store */
/* settle(arg) adds what happened before and is not in the journal yet. */
void journal_before_read(struct journal *j, void (*settle)(void *arg), void *arg);
/* Copies; returns the seq given. */
uint64_t journal_add(struct journal *j, const struct journal_entry *e);
/* In order, those behind `after`, of that tenant and lattice ("_" as the lattice: all) and app
 * (empty: all); the newest `limit` of them. */
void journal_read(struct journal *j, str tenant, str lattice, str app, uint64_t after,
                  uint32_t limit, void (*fn)(void *arg, const struct journal_entry *e), void *arg);

/* The oldest and the newest seq kept (0: none yet), and the newest that came from the store at the
 * start. False while it is still reading the store: numbers may change. */
bool journal_span(struct journal *j, uint64_t *first, uint64_t *last, uint64_t *loaded);
/* Those behind `after`, whatever they are about, at most max; returns the last seq told, or
 * after. */
uint64_t journal_next(struct journal *j, uint64_t after, uint32_t max,
                      void (*fn)(void *arg, const struct journal_entry *e), void *arg);

#endif
