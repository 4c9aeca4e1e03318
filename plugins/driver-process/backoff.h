/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a unit waits before it starts again what ended. Pure.
 */
#ifndef DRIVER_PROCESS_BACKOFF_H
#define DRIVER_PROCESS_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_NS  1000000000ll
#define BACKOFF_MAX_NS    (300 * BACKOFF_FIRST_NS)
#define BACKOFF_SECRET_NS (15 * BACKOFF_FIRST_NS) /* a secret may be there any moment */

/* fails: in a row, this one too. was_ready: the first failure of who was well is no reason to wait.
 * Without the random part. */
static inline int64_t backoff_ns(unsigned fails, int was_ready, int lacks_secret) {
    int64_t delay = BACKOFF_FIRST_NS, max = lacks_secret ? BACKOFF_SECRET_NS : BACKOFF_MAX_NS;
    for (unsigned i = 1; i < fails && delay < max; i++) {
        delay *= 2;
    }
    return was_ready && fails == 1 ? 0 : delay > max ? max : delay;
}

#endif
