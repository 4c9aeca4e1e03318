/* SPDX-License-Identifier: Apache-2.0
 *
 * scaler/1 "spread": so many instances in all, over groups of hosts by weight.
 */
#include "../scaler-common/face.h"
#include "solve.h"

static uint64_t total(const trl_scaler_spec *spec, uint32_t n_ready_hosts) {
    (void)n_ready_hosts;
    return spec->instances;
}

static const struct scaler_own own = {total, spread_place, "emptiest eligible host of its spread"};
static const trl_scaler_v1 face_table = FACE_TABLE("SpreadScaler");
static const trl_component component =
    FACE_COMPONENT("spread", "So many instances in all, spread over groups of hosts by weight");

TRL_PLUGIN("trellis.scaler-spread", "0.1.0", 0, &component);
