/* SPDX-License-Identifier: Apache-2.0
 *
 * The two solvers: units that may run many times on a host (components), and at most once
 * (providers). Both give every host at most one spread and all spreads as much as can be had.
 */
#ifndef PLUGINS_SPREAD_SOLVE_H
#define PLUGINS_SPREAD_SOLVE_H

#include "view.h"

struct answer {       /* arrays: borrowed from the view's memory */
    uint32_t *wanted; /* [n] */
    uint32_t *serves; /* [n] share or NONE */
    uint64_t *unmet;  /* [k] instances nobody could take */
};

void solve_many(struct view *v, struct answer *ret);
void solve_single(struct view *v, struct answer *ret);

/* The whole answer of place(). */
void spread_place(const trl_scaler_spec *spec, const trl_place_in *in, trl_place_out *out);

#endif
