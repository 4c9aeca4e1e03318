/* SPDX-License-Identifier: Apache-2.0
 *
 * host.observe/1 of the driver suite: checks each report and keeps what it says.
 */
#ifndef TRELLIS_TESTKIT_SUITE_DRIVER_SEEN_H
#define TRELLIS_TESTKIT_SUITE_DRIVER_SEEN_H

#include "base/map.h"
#include "suite_priv.h"

/* What the driver reported, kept as the core would. */
struct seen {
    struct suite *s;
    struct map running; /* "host unit" -> count + 1 */
    struct map images;  /* "host unit" -> char * */
    struct map links;   /* "source target" -> this */
    struct map configs; /* name -> 1 absent, 2 present */
    uint64_t config_hash;
    uint32_t fulls, notes, full_links;
};

void seen_finish(struct seen *o);
extern const trl_host_observe_v1 seen_observe; /* its ctx is the struct seen */

#endif
