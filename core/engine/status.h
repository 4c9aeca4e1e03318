/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said about an app. Types and texts are wadm's; conditions are ours.
 */
#ifndef TRELLIS_ENGINE_STATUS_H
#define TRELLIS_ENGINE_STATUS_H

#include "base/arena.h"

enum status_type { /* aggregation: the lowest value present wins (RC 7.2) */
                   STATUS_FAILED,
                   STATUS_UNDEPLOYED,
                   STATUS_WAITING,
                   STATUS_RECONCILING,
                   STATUS_UNHEALTHY,
                   STATUS_DEPLOYED,
};
const char *status_type_name(enum status_type t); /* "failed"; static */

struct scaler_status {
    str id, kind, name; /* 64 hex digits, "SpreadScaler", "app-web" */
    enum status_type type;
    str message;
    uint32_t wanted, running; /* units: instances; links: 1 and 0 or 1 */
};

struct app_status {
    struct arena arena; /* owns the texts */
    enum status_type type;
    str message;
    str version; /* deployed version text, for our API; wadm's field stays "" */
    uint64_t generation;
    struct scaler_status *scalers;
    uint32_t n_scalers;
};
/* Fills type and message from the scalers (RC 7.2). */
void status_aggregate(struct app_status *s);
bool status_equal(const struct app_status *a, const struct app_status *b);
void status_destroy(struct app_status *s);
/* The JSON object wadm publishes (WA 2.11): `version` "" and `components` [] always. */
void status_write(const struct app_status *s, struct buf *out);

#endif
