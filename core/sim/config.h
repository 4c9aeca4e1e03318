/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be set on virtual hosts. Plain data; all pointers are borrowed until world_create has
 * returned.
 */
#ifndef TRELLIS_SIM_CONFIG_H
#define TRELLIS_SIM_CONFIG_H

#include "base/err.h"
#include "base/rand.h"
#include "base/str.h"

struct sim_delay {
    int64_t min_ns, max_ns; /* uniform between them; equal: fixed */
};

/* Behaviour that every host may have of its own and that may change while it runs. Rates are
 * probabilities, 0 to 1. */
struct sim_faults {
    struct sim_delay reply;           /* from the request to the first thing that happens */
    struct sim_delay fetch;           /* of an image, by each scale and provider start */
    struct sim_delay start_component; /* compile and run; the host's table is locked meanwhile */
    struct sim_delay start_provider;
    struct sim_delay stop_provider;
    struct sim_delay link;    /* between reading and writing the links of a source */
    struct sim_delay reorder; /* how late a reordered event comes */
    double start_fail;        /* of starts of components and providers */
    double nack;              /* of commands answered with success:false, undone */
    double no_reply;          /* of requests carried out without an answer */
    double request_lost;      /* of requests never seen */
    double die_after_ack;     /* of starts after whose reply the host is gone */
    double event_lost, event_dup, event_reordered;
};

/* A start with an image that fits the pattern ('*' fits anything) fails with this text. */
struct sim_image_fault {
    const char *pattern, *text;
};
/* As text: the start works, the next rebuild freezes the host (a component without exports). */
#define SIM_FREEZE_ON_REBUILD "@freeze-on-rebuild"

enum sim_secrets {
    SIM_SECRETS_NONE, /* no backend configured: whatever names a secret fails to start */
    SIM_SECRETS_OK,   /* every stored reference resolves */
};

struct sim_config {
    uint64_t seed;
    uint32_t hosts;              /* in each lattice */
    const char *const *lattices; /* [n_lattices]; none: "default" */
    uint32_t n_lattices;
    const char *const *labels; /* [n_labels] "zone=a|b|c", "rack=r{0..9}", "n={i}": dealt in turn */
    uint32_t n_labels;
    const char *const *host_ids; /* [n_host_ids]: for the first hosts, instead of made ones */
    uint32_t n_host_ids;
    const struct sim_image_fault *image_faults; /* [n_image_faults] */
    uint32_t n_image_faults;
    const char *ctl_prefix; /* wasmbus.ctl */
    const char *version;    /* 1.9.2 */
    const char *nats_url;   /* as shown in pings */
    int64_t heartbeat_ns;
    double jitter;           /* part of the interval by which each heartbeat may be off */
    int64_t start_spread_ns; /* the hosts start within this time */
    int64_t health_first_ns, health_ns; /* probes of process providers; 0: none */
    int64_t link_lag_ns;                /* link.get shows the links as they were so long ago */
    struct sim_faults faults;
    bool table_lock, auctions, builtins, allow_latest;
    /* Over a bus: one subscription per lattice for what is addressed to hosts, and not one per
     * host. Cheaper with very many hosts, but only clients that read a Status header learn at once
     * that a host is gone. */
    bool wildcard;
    enum sim_secrets secrets;
};

/* A lattice of real 1.9.2 hosts that do not misbehave. */
struct sim_config sim_config_default(void);
/* Durations for tests that only want to see what happens: everything at once. */
struct sim_config sim_config_instant(void);

int64_t sim_delay_draw(const struct sim_delay *d, struct rng *r);

/* Text forms, for the command line. "250ms", "1.5s", "2m", "100us"; "50ms-2s" is a range. */
int sim_duration_parse(str s, int64_t *ret_ns, struct err *err);
int sim_delay_parse(str s, struct sim_delay *ret, struct err *err);
int sim_rate_parse(str s, double *ret, struct err *err); /* "0.1" or "10%" */
/* Sets one of the members of struct sim_faults by name: "start-fail", "0.1". */
int sim_faults_set(struct sim_faults *f, str name, str value, struct err *err);

/* Splits "key=pattern" and appends the value for a host to *value. */
int sim_label_value(str pattern, uint32_t index, str *ret_key, struct buf *value, struct err *err);

#endif
