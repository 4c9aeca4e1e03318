/* SPDX-License-Identifier: Apache-2.0
 *
 * scaler/1: where instances go. Pure: same input, same output, no host calls in place(). Arrays of
 * hosts are flat and strided; the core allocates and zeroes every output array.
 *
 * Laws (sdk/testkit checks them): deterministic; permuting hosts permutes the answer; feeding
 * `wanted` back as `current` changes nothing; what runs where it is allowed stays, evenness steers
 * additions and removals only; sum = min(total, what fits); removing a host that had none changes
 * nothing elsewhere; growth by k moves no existing instance.
 */
#ifndef TRELLIS_KIND_SCALER_H
#define TRELLIS_KIND_SCALER_H

#include <trellis/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRL_HOST_READY    1u  /* may get new instances                                          */
#define TRL_HOST_CORDONED 2u  /* operator: nothing new; what runs stays                          */
#define TRL_HOST_STALE    4u  /* not heard from: frozen, wanted must equal current               */
#define TRL_HOST_SUSPECT  8u  /* late: frozen as well                                            */
#define TRL_HOST_EXCLUDED 16u /* cannot run this unit (image kind, id taken): wanted must be 0 */

typedef struct trl_host_view {
    uint32_t struct_size, flags;
    trl_str id, name;
    const trl_label *labels; /* sorted by key */
    uint32_t n_labels;
    uint32_t n_instances;                       /* everything that runs there, all apps */
    uint64_t mem_total_bytes, mem_used_bytes;   /* 0: unknown */
    uint32_t cpu_millis_total, cpu_millis_used; /* 0: unknown */
} trl_host_view;

#define TRL_UNIT_SINGLETON_PER_HOST 1u /* providers: at most one per host */

typedef struct trl_unit_view {
    uint32_t struct_size, flags;
    trl_str lattice, app, name, id, kind, image; /* kind: "component" or "capability" */
    const trl_str *peers;                        /* ids of units it is linked with */
    uint32_t n_peers;
} trl_unit_view;

#define TRL_PLACE_EXPLAIN 1u

typedef struct trl_place_in {
    uint32_t struct_size, flags;
    const trl_unit_view *unit;
    const void *hosts; /* trl_host_view, sorted by id */
    uint32_t host_stride, n_hosts;
    const uint32_t *host_flags; /* [n_hosts] TRL_HOST_* for this unit; overrides the view's flags */
    const uint32_t *current;    /* [n_hosts] this unit's own instances, seen or in flight   */
    const uint32_t *foreign;    /* [n_hosts] instances of the id that others own (they count for
                                   providers; for components such a host is EXCLUDED), or NULL */
    const uint32_t *failing;    /* [n_hosts] consecutive start failures there, 0: none       */
    const uint32_t *near;       /* [n_hosts] instances of linked units there, NULL: unknown  */
    uint64_t seed;              /* the only randomness */
} trl_place_in;

/* reasons: why a host got what it got. Own codes of a plugin: >= 0x10000 */
#define TRL_WHY_NONE       0u
#define TRL_WHY_KEPT       1u /* runs there already                          */
#define TRL_WHY_ADDED      2u /* emptiest eligible host of its spread        */
#define TRL_WHY_REMOVED    3u /* more than wanted                            */
#define TRL_WHY_INELIGIBLE 4u /* labels match no spread                      */
#define TRL_WHY_FROZEN     5u /* not heard from                              */
#define TRL_WHY_CORDONED   6u
#define TRL_WHY_FAILING    7u /* passed over because starts fail there       */
#define TRL_WHY_FULL       8u /* nothing left to place                       */
#define TRL_WHY_EXCLUDED   9u /* cannot run the image, or the id is taken    */

#define TRL_NO_GROUP UINT32_MAX

typedef struct trl_place_out {
    uint32_t struct_size;
    uint32_t unplaced; /* instances nobody could take                                   */
    uint32_t *wanted;  /* [n_hosts]                                                     */
    uint32_t *group;   /* [n_hosts] index of the spread that host serves, TRL_NO_GROUP;
                          its name (group_name) becomes the annotation spread_name      */
    uint32_t *reasons; /* [n_hosts] or NULL                                             */
    uint32_t failed;   /* 1: some of it cannot be satisfied; message says what          */
    uint32_t reserved;
    char message[512]; /* for the status; wadm's text where wadm has one                */
} trl_place_out;

typedef struct trl_scaler_spec trl_scaler_spec;

typedef struct trl_scaler_v1 {
    uint32_t struct_size, flags;
    /* [pure] trait properties (JSON text) -> compiled form, once per model version. Also the
     * validator: on error err->msg begins with a JSON pointer, a blank, and the text. */
    trl_status (*compile)(trl_inst *, trl_str properties, trl_scaler_spec **ret, trl_err *);
    void (*release)(trl_inst *, trl_scaler_spec *);
    /* Instances wanted in all, given that many ready hosts (daemons: per host times hosts that
     * match are not known here, so an upper bound is fine). */
    uint64_t (*total)(trl_inst *, const trl_scaler_spec *, uint32_t n_ready_hosts);
    trl_status (*place)(trl_inst *, const trl_scaler_spec *, const trl_place_in *, trl_place_out *,
                        trl_err *);
    /* Static for the life of the spec. */
    trl_str (*group_name)(trl_inst *, const trl_scaler_spec *, uint32_t group);
    /* One line for people: why this host got what it got. */
    void (*describe)(trl_inst *, const trl_scaler_spec *, uint32_t why, const trl_host_view *,
                     char *text, size_t cap);
    const char *status_kind; /* what wadm's clients read: "SpreadScaler", "DaemonScaler"; NULL: the
                                trait type */
} trl_scaler_v1;

#ifdef __cplusplus
}
#endif
#endif
