/* SPDX-License-Identifier: Apache-2.0
 *
 * A made-up lattice as a scaler sees it, and what a scaler answered.
 */
#ifndef TRELLIS_TESTKIT_SUITE_SCALER_WORLD_H
#define TRELLIS_TESTKIT_SUITE_SCALER_WORLD_H

#include "base/rand.h"
#include "testkit.h"

struct world_host {
    trl_host_view view;
    uint64_t padding[2]; /* the core's struct may be longer: step by stride */
    char id[16];
    trl_label labels[3];
    uint32_t flags, current, foreign, failing;
    uint32_t wanted, group, why; /* the answer */
};

struct world {
    struct world_host *hosts; /* owned */
    uint32_t n;
    bool single;
    /* what goes over the border, rebuilt for every call; owned */
    void *views;
    uint32_t *flags, *current, *foreign, *failing, *wanted, *group, *reasons;
    trl_place_out out;
};

/* quiet: every host is ready, nothing fails, nobody else's copies. */
void world_make(struct world *w, struct rng *r, uint32_t n, bool single, bool quiet);
void world_finish(struct world *w);
/* Into an uninitialised world. */
void world_copy(struct world *to, const struct world *from);
void world_add(struct world *w, struct rng *r); /* a ready host with nothing */
void world_drop(struct world *w, uint32_t i);
void world_shuffle(struct world *w, struct rng *r);
void world_apply(struct world *w); /* what was wanted runs */
/* Fills in the answer. */
trl_status world_place(struct world *w, const trl_scaler_v1 *t, trl_inst *in,
                       const trl_scaler_spec *spec, bool explain);
const struct world_host *world_find(const struct world *w, const char *id); /* NULL: not there */

#endif
