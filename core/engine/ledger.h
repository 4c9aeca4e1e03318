/* SPDX-License-Identifier: Apache-2.0
 *
 * Actions in flight and their back-off, per (host, unit), link and config. In memory only.
 */
#ifndef TRELLIS_ENGINE_LEDGER_H
#define TRELLIS_ENGINE_LEDGER_H

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"
#include "plug/tracer.h"

#define LEDGER_BACKOFF_MIN_NS (1000000000ll)
#define LEDGER_BACKOFF_MAX_NS (300ll * 1000000000ll)

struct ledger_item {
    bool inflight;
    bool acked;     /* the host took it; the observation is awaited */
    bool refused;   /* the last failure was a denial by policy: it was never sent */
    bool uncertain; /* it never answered: it may still do it when it wakes up */
    bool retried;   /* it failed to start; its driver goes on trying until told to stop */
    uint32_t verb;
    uint32_t count;     /* SCALE, UPDATE: what it will be */
    uint64_t want_hash; /* of what was asked for */
    int64_t sent_ns, deadline_ns;
    uint64_t acked_at;      /* reports counted when it was acknowledged */
    uint32_t fails;         /* in a row */
    int64_t next_ns;        /* not before; 0: now */
    int64_t next_wall_ms;   /* the same for people: absolute, so that the text rests */
    uint64_t failed_hash;   /* what failed */
    char *text;             /* the host's error; owned */
    uint32_t accepted;      /* interned scaler id + 1 that was seen after a scale with ... */
    uint64_t accepted_list; /* ... this config list: it runs with it, whatever its mark says */
    char *app;              /* whose action it is; owned */
    uint64_t seq;           /* of the command; an answer to an older one is ignored */
    uint32_t host;          /* slot + 1 of a unit's item; 0: link, config */
    uint32_t at;            /* of a unit's item: where by_unit has the slot */
    str key;                /* in items; borrowed from there */
    struct span awaited;    /* acknowledged, and the report is still to come */
    uint32_t awaited_unit;
    uint32_t adds; /* instances that are on their way to the host */
};

struct ledger {
    struct map items; /* key -> struct ledger_item */
    uint32_t n_inflight, n_uncertain;
    uint32_t n_doubts;     /* of n_uncertain: links and configs */
    uint32_t n_failed;     /* with fails > 0 */
    VEC(uint32_t) pending; /* by host slot: instances on their way there */
    VEC(struct unit_slots {
        VEC(uint32_t)
        slots;
    })
    by_unit; /* by unit id: host slots with an item */
};

void ledger_init(struct ledger *l);
void ledger_finish(struct ledger *l);

struct ledger_item *ledger_unit(const struct ledger *l, uint32_t host_slot, uint32_t unit);
struct ledger_item *ledger_unit_get(struct ledger *l, uint32_t host_slot, uint32_t unit);
/* kind: 'l' with a link_key, 'c' with a config name */
struct ledger_item *ledger_text(const struct ledger *l, char kind, str name);
struct ledger_item *ledger_text_get(struct ledger *l, char kind, str name);
void ledger_send(struct ledger *l, struct ledger_item *i, str app, uint32_t verb, uint32_t count,
                 uint32_t adds, uint64_t want_hash, int64_t now_ns, int64_t deadline_ns);
/* It came true: nothing in flight, back-off forgotten. The item is gone then, unless it is
 * uncertain or was accepted. */
void ledger_settle(struct ledger *l, struct ledger_item *i);
/* It failed: back-off 1 s x 2 up to 5 min, +-20 %. */
void ledger_fail(struct ledger *l, struct ledger_item *i, str text, int64_t now_ns, int64_t wall_ms,
                 struct rng *rng);
/* Nobody ever answered (doubt), until what it was about was read again: a host was heard from in
 * full, or LEDGER_SHARED, all links and configs were read while every host was heard from. */
#define LEDGER_SHARED UINT32_MAX
void ledger_doubt(struct ledger *l, struct ledger_item *i);
void ledger_certain(struct ledger *l, uint32_t host_slot);
/* Forgets the back-offs of an app (a new generation). */
void ledger_forgive(struct ledger *l, str app);
void ledger_forgive_refused(struct ledger *l); /* those that policy denied, of all apps */
/* Drops everything about a host. */
void ledger_drop_host(struct ledger *l, uint32_t host_slot);

#endif
