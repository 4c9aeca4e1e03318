/* SPDX-License-Identifier: Apache-2.0
 *
 * What the plane counts, and host.metrics/1. Durations are of the loop's clock.
 */
#ifndef TRELLIS_PLANE_MEASURE_H
#define TRELLIS_PLANE_MEASURE_H

#include <trellis/trellis.h>

#include "plane/plane.h"

struct measure;

extern const trl_host_metrics_v1 measure_iface; /* ctx of the iface: the measure */

struct measure *measure_create(struct plane *p);
void measure_destroy(struct measure *m); /* NULL is fine */

void measure_command(struct measure *m, const struct command_record *r);
void measure_status(struct measure *m, const struct engine *e, str app, const struct app_status *s);
/* A head changed: a new generation begins to converge. */
void measure_app(struct measure *m, const struct app *a);
void measure_pass(struct measure *m, const struct engine *e, int64_t took_ns);

#endif
