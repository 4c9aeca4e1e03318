/* SPDX-License-Identifier: Apache-2.0
 *
 * What is, as drivers last reported it: hosts and what they run, links, named configs. Pure data;
 * the owner is told what a report really changed, so an idle heartbeat touches nothing and
 * allocates nothing. Names are interned to dense ids; hosts keep their slot for life.
 */
#ifndef TRELLIS_LATTICE_OBSERVED_H
#define TRELLIS_LATTICE_OBSERVED_H

#include <trellis/trellis.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"

#define OBS_NONE UINT32_MAX

struct seen_entry { /* one unit on one host */
    uint32_t unit;  /* interned id */
    uint32_t kind;  /* TRL_RUN_* */
    uint32_t count;
    uint32_t health;                     /* TRL_HEALTH_* */
    uint32_t image, app, scaler, spread; /* interned; INTERN_NONE: none. app: appspec annotation */
    bool managed;                        /* managed-by is "wadm" */
    bool busy;                           /* TRL_RUNNING_BUSY: its host is changing it */
    uint32_t mark;                       /* last full report that listed it */
    uint64_t told;                       /* number of the report that last told of it */
};

struct seen_host {
    bool used;
    str id, name, version; /* owned */
    trl_label *labels;     /* owned block, sorted by key */
    uint32_t n_labels;
    bool suspect, stale, cordoned;
    bool warming;        /* back from silence: it may still be doing what it was asked before */
    int64_t warm_ns;     /* since when */
    int64_t seen_ns;     /* last sign of life */
    int64_t beat_ns;     /* last heartbeat, 0: none yet */
    int64_t interval_ns; /* measured; 0: unknown */
    uint64_t uptime_s;
    uint32_t reports;  /* full reports so far */
    uint32_t probes;   /* unanswered in a row (kept for the owner) */
    uint32_t total;    /* instances of everything */
    uint32_t position; /* in observed.order */
    VEC(struct seen_entry) entries;
};

struct seen_link {
    str source, target, name, ns, package; /* owned by one block */
    str *interfaces;
    uint32_t n_interfaces;
    uint64_t content; /* link_content() */
    char *block;
    struct seen_link *alike; /* the next with the same link_delete_key() */
};

struct seen_config {
    bool known, present;
    uint64_t hash;
};

enum obs_what { OBS_UNIT, OBS_HOSTS, OBS_LINK, OBS_CONFIG };

struct observed {
    struct intern names;
    VEC(struct seen_host) hosts;                           /* by slot; see used */
    VEC(uint32_t) order;                                   /* slots, sorted by host id */
    struct map by_id;                                      /* host id -> slot + 1 */
    VEC(struct unit_hosts { VEC(uint32_t) slots; }) units; /* by unit id: where it runs */
    VEC(struct app_units {
        VEC(uint32_t)
        at;
    })
    apps;             /* by app id: units that carried its mark (may be stale: check) */
    struct map links; /* link_key() -> struct seen_link */
    struct map alike; /* link_delete_key() -> struct seen_link, the first of those that share it */
    bool links_known;
    struct map configs;      /* name -> struct seen_config */
    uint64_t reports;        /* counted: the order of what was told, also within one instant */
    uint64_t hosts_revision; /* moves with joins, leaves, labels, states */
    /* UNIT: the unit's id, and whose entry it was (empty: nobody's); else key: link's source,
     * config name */
    void (*touched)(void *arg, enum obs_what what, uint32_t id, str key);
    void *arg;
};

void observed_init(struct observed *o, void (*touched)(void *, enum obs_what, uint32_t, str),
                   void *arg);
void observed_finish(struct observed *o);

/* Applies a report; returns the host's slot. */
uint32_t observed_report(struct observed *o, const trl_report *r);
void observed_host_gone(struct observed *o, uint32_t slot);
/* Sets suspect/stale; touches hosts when it changed. */
void observed_set_state(struct observed *o, uint32_t slot, bool suspect, bool stale);
uint32_t observed_find_host(const struct observed *o, str id); /* OBS_NONE when unknown */
const struct seen_entry *observed_entry(const struct observed *o, uint32_t slot, uint32_t unit);
uint32_t observed_n_hosts(const struct observed *o);

void observed_links(struct observed *o, const trl_link *links, uint32_t n, uint32_t stride,
                    bool full);
void observed_link_gone(struct observed *o, const trl_link *key);
const struct seen_link *observed_link(const struct observed *o, str key);
/* The first link with that delete key, further ones by ->alike; NULL: none. */
const struct seen_link *observed_links_alike(const struct observed *o, str delete_key);
void observed_config(struct observed *o, str name, bool present, uint64_t hash);
struct seen_config observed_get_config(const struct observed *o, str name);
void observed_forget_configs(struct observed *o); /* all unknown again: after a reconnect */

/* Identity of a link: source, name, ns, package, target; and what the host's delete knows of it. */
str link_key(struct arena *a, str source, str target, str name, str ns, str package);
str link_delete_key(struct arena *a, str source, str name, str ns, str package);
/* Content: interfaces as a set, config lists in order. */
uint64_t link_content(const str *interfaces, uint32_t n_interfaces, const str *source_config,
                      uint32_t n_source_config, const str *target_config, uint32_t n_target_config);

#endif
