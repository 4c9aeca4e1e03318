/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share: memory of the store, and the queues of writes.
 */
#ifndef TRELLIS_CATALOG_PRIV_H
#define TRELLIS_CATALOG_PRIV_H

#include "base/map.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "catalog/head.h"
#include "catalog/key.h"
#include "catalog/version.h"
#include "plug/loop.h"

#define READ_AHEAD 16u

struct look;
struct write_op;

/* One app's name, whether it has a head or not. Lives while it has a head, a tombstone that a late
 * message may contradict, or writes under way. */
struct entry {
    struct catalog *c;
    char *key;                 /* owned */
    str tenant, lattice, name; /* owned */
    struct head *head;         /* owned; NULL: none */
    uint64_t revision;         /* of the head or of its tombstone: older news is no news */
    bool told;                 /* the watch has told of this revision */
    uint32_t seen;             /* c->round when it was told again: so it still exists */
    bool damaged;              /* the record cannot be read: skipped, may be deleted */
    bool lost;                 /* the store lost it, or has an older state: to be written back */
    struct write_op *first, *last; /* first is under way */
    bool queued;                   /* in c->ready */
};

/* One version record, by key, independent of heads: it is written before its head. */
struct record {
    char *key;   /* owned */
    char *value; /* owned; the record, NULL: only parts were seen so far */
    size_t len;
    str *parts; /* [n_parts], owned strings; ptr NULL: missing */
    uint32_t n_parts;
    char *joined; /* owned; the manifest put together from parts */
    str json;     /* the manifest; ptr NULL: not (all) there */
    int64_t created_ms;
    bool told;
    uint32_t seen; /* as in an entry */
    bool damaged;
    bool lost;                 /* as in an entry */
    bool unreadable;           /* catalog_manifest failed once */
    struct manifest *manifest; /* owned cache */
    bool ahead;                /* ... that nobody has asked for */
};

struct lattice_apps {    /* heads of one lattice, by name */
    str tenant, lattice; /* owned */
    VEC(struct entry *) at;
};

struct catalog {
    struct catalog_env env;
    struct map entries;  /* head key -> struct entry */
    struct map records;  /* version key -> struct record */
    struct map lattices; /* "tenant.lattice" escaped -> struct lattice_apps */
    struct kv_watch *watch;
    struct loop_timer rewatch;
    int64_t rewatch_ns; /* next delay */
    uint32_t round;     /* counts SYNCs awaited, from 1 */
    bool loaded;
    struct loop_timer kick; /* starts what is ready, in a turn of its own */
    VEC(struct entry *) ready;
    uint32_t n_writes;   /* write_ops alive */
    struct look *looks;  /* under way */
    struct map checks;   /* keys being verified -> struct check */
    bool lost;           /* the store lost its past: memory is written back */
    uint32_t restored;   /* apps written back since then */
    bool restoring;      /* apps are being gone through */
    struct map restores; /* head keys of apps being written back -> struct restore */
    struct loop_timer restore_again;
    struct record *ahead[READ_AHEAD]; /* manifests that were read before somebody asked */
    uint32_t n_ahead;                 /* of all time */
};

/* memory.c */
struct entry *memory_entry(struct catalog *c, const char *key,
                           const struct key *k); /* made if new */
/* Takes the news of a head (value ptr NULL: tombstone) into memory. */
void memory_head(struct catalog *c, struct entry *e, str value, uint64_t revision);
void memory_take_head(struct catalog *c, struct entry *e, struct head *h,
                      uint64_t revision); /* h taken */
void memory_drop_if_idle(struct catalog *c, struct entry *e);
void memory_record(struct catalog *c, const struct key *k, str value, bool by_watch);
void memory_record_gone(struct catalog *c, str key, const struct key *k);
void memory_finish(struct catalog *c);
const struct record *memory_find_record(const struct catalog *c, const struct app *a, uint32_t n);
void memory_announce(struct catalog *c, struct entry *e); /* on_change */
/* The manifest of version n of a head that is being written. */
void memory_read_ahead(struct catalog *c, const struct entry *e, const struct app *a, uint32_t n);

/* collect.c */
void collect_stale(struct catalog *c);   /* after a SYNC: what was not told of is verified */
void collect_garbage(struct catalog *c); /* version records that no head names, once an hour old */
void collect_version(struct catalog *c, const struct app *a, uint32_t n); /* deletes its record */
void collect_finish(struct catalog *c);

/* restore.c: a store that lost its past gets it back from memory. */
void restore_init(struct catalog *c);
void restore_begin(struct catalog *c); /* revisions start over */
void restore_sync(struct catalog *c);  /* all that is left was told: the rest is written back */
/* What memory holds is at least as late as that head. */
bool restore_keeps(const struct entry *e, const struct head *told);
void restore_finish(struct catalog *c);

/* look.c */
void look_finish(struct catalog *c);

/* write.c */
void write_ready(struct catalog *c); /* runs what is ready */
void write_finish(struct catalog *c);
/* The head that is being written, if that is its text: it need not be read again. Taken. */
struct head *write_told(struct entry *e, str value);

#endif
