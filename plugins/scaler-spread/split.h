/* SPDX-License-Identifier: Apache-2.0
 *
 * How many instances each spread gets: by weight, exact to one, in wadm's order.
 */
#ifndef PLUGINS_SPREAD_SPLIT_H
#define PLUGINS_SPREAD_SPLIT_H

#include <stdint.h>

#include "../scaler-common/spec.h"

struct share {
    uint32_t spread; /* index in the spec */
    uint64_t target;
};

/* ret: [spec->n_spreads], the caller's. Heaviest spread first, equal ones in the order of the
 * manifest; what rounding leaves goes to the first ones, one each. All weights 0: all equal. */
void split(const trl_scaler_spec *spec, uint64_t instances, struct share *ret);

#endif
