/* SPDX-License-Identifier: Apache-2.0
 *
 * What both shipped scalers read from a trait: {"instances": n, "spread": [{"name", "requirements",
 * "weight"}]}. "replicas" is the older spelling of "instances".
 */
#ifndef PLUGINS_SCALER_SPEC_H
#define PLUGINS_SCALER_SPEC_H

#include <stdbool.h>
#include <trellis/trellis.h>

/* Every host is compared with every spread, on the loop. */
#define SPEC_SPREADS_MAX 512u

struct spread {
    trl_str name;     /* owned by the spec */
    trl_label *needs; /* owned; labels a host must have, exactly */
    uint32_t n_needs;
    uint64_t weight;
};

struct trl_scaler_spec {
    uint64_t instances;
    struct spread *spreads; /* owned; at least one: without any in the text, "default" */
    uint32_t n_spreads;
};

trl_status spec_compile(trl_str properties, trl_scaler_spec **ret, trl_err *err);
void spec_release(trl_scaler_spec *spec);                             /* NULL is fine */
trl_str spec_group_name(const trl_scaler_spec *spec, uint32_t group); /* empty for none */
bool spread_matches(const struct spread *s, const trl_host_view *h);

#endif
