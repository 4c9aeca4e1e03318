/* SPDX-License-Identifier: Apache-2.0
 *
 * The input of one placement in the shape the solvers want: hosts numbered by id (so that nothing
 * depends on the order they came in), spreads in processing order, and for each host which spreads
 * it could serve.
 */
#ifndef PLUGINS_SPREAD_VIEW_H
#define PLUGINS_SPREAD_VIEW_H

#include "../scaler-common/scratch.h"
#include "split.h"

#define NONE UINT32_MAX /* serves no spread */

enum host_kind {
    HOST_OUT,    /* cannot run the unit, or matches no spread: nothing is wanted there */
    HOST_READY,  /* may get instances */
    HOST_KEEP,   /* may keep what it has */
    HOST_FROZEN, /* must keep what it has */
};

struct view {
    struct scratch mem;
    const trl_scaler_spec *spec;
    const trl_place_in *in;
    uint32_t n, k;
    struct share *shares;                        /* [k] */
    uint32_t *order;                             /* [n] index in the input of host p */
    bool sorted;                                 /* the input's order is that by id */
    uint8_t *kind;                               /* [n] enum host_kind */
    const uint32_t *current, *foreign, *failing; /* [n] */
    uint32_t *by_rank, *rank; /* hosts from most to least welcome for additions, and its inverse;
                                 NULL before view_rank() */
    /* Hosts that match the same spreads are of one class. */
    uint32_t *class_of; /* [n] */
    uint32_t n_classes, words;
    uint64_t *masks; /* [n_classes * words], one bit per share */
    uint32_t *bits;  /* [n_classes] spreads a host of it could serve */
    bool overlap;    /* some host could serve two spreads or more */
};

void view_init(struct view *v, const trl_scaler_spec *spec, const trl_place_in *in);
void view_rank(struct view *v); /* mostly nothing moves and nobody asks */
void view_finish(struct view *v);

static inline const trl_host_view *view_host(const struct view *v, uint32_t p) {
    return trl_at(v->in->hosts, v->in->host_stride, v->order[p]);
}

static inline const uint64_t *class_mask(const struct view *v, uint32_t class) {
    return v->masks + (size_t) class * v->words;
}

static inline bool class_matches(const struct view *v, uint32_t class, uint32_t k) {
    return (class_mask(v, class)[k / 64] >> (k % 64) & 1) != 0;
}

/* Could host p serve spread k? */
static inline bool view_matches(const struct view *v, uint32_t p, uint32_t k) {
    return class_matches(v, v->class_of[p], k);
}

/* The first spread >= k in the mask of a class; v->k when there is none. */
uint32_t view_next(const struct view *v, uint32_t class, uint32_t k);

#define VIEW_EACH_SPREAD(v, class, it)                                                             \
    for (uint32_t it = view_next(v, class, 0); it < (v)->k; it = view_next(v, class, it + 1))

#endif
