/* SPDX-License-Identifier: Apache-2.0
 *
 * scaler/1 "daemon": so many instances on every host that matches.
 */
#include "../scaler-common/face.h"
#include "place.h"

static uint64_t total(const trl_scaler_spec *spec, uint32_t n_ready_hosts) {
    uint64_t all;
    return __builtin_mul_overflow(spec->instances, n_ready_hosts, &all) ? UINT64_MAX : all;
}

static const struct scaler_own own = {total, daemon_place, "every host that matches has them"};
static const trl_scaler_v1 face_table = FACE_TABLE("DaemonScaler");
static const trl_component component =
    FACE_COMPONENT("daemon", "So many instances on every host that matches");

TRL_PLUGIN("trellis.scaler-daemon", "0.1.0", 0, &component);
