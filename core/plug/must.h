/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of the core's own promises that stay in release builds. Never for input.
 */
#ifndef TRELLIS_PLUG_MUST_H
#define TRELLIS_PLUG_MUST_H

#include <stdio.h>
#include <stdlib.h>

static inline void plug_must(int ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "trellis: broken promise: %s\n", what);
        abort();
    }
}

#endif
