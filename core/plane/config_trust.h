/* SPDX-License-Identifier: Apache-2.0
 *
 * The section `plugins` of trellis.yaml: which libraries may be loaded.
 */
#ifndef TRELLIS_PLANE_CONFIG_TRUST_H
#define TRELLIS_PLANE_CONFIG_TRUST_H

#include "base/arena.h"
#include "codec/json.h"
#include "model/finding.h"
#include "plug/plug.h"

struct config_trust {
    enum plug_trust trust;
    struct plug_allowed *allow; /* in the arena */
    uint32_t n_allow;
};

/* A member of the schema of the file, with a comma behind it. */
extern const char config_trust_schema[];
/* plugins: the section, checked against the schema; NULL: none. */
void config_trust_take(struct config_trust *t, struct arena *a, const struct node *plugins,
                       struct findings *f);
void config_trust_write(const struct config_trust *t, struct jw *w); /* nothing when off */

#endif
