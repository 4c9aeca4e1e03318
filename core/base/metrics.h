/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters, gauges and histograms by name and labels. Loop only. Families keep the order in which
 * they were declared, series the order in which they appeared; a family has at most
 * METRIC_SERIES_MAX series: what comes beyond that is counted in metrics_dropped.
 */
#ifndef TRELLIS_BASE_METRICS_H
#define TRELLIS_BASE_METRICS_H

#include <trellis/kind/extension.h>

#include "base/str.h"

#define METRIC_SERIES_MAX 2000u
#define METRIC_LABELS_MAX 4u

struct metrics;
struct metric_family;

struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *m); /* NULL is fine */

/* name, help, label names: static. type: TRL_METRIC_*. labels: names joined by ',', "" for none.
 * bounds: [n_bounds] upper bounds, rising; histograms only. */
struct metric_family *metrics_declare(struct metrics *m, uint32_t type, const char *name,
                                      const char *help, const char *labels, const double *bounds,
                                      uint32_t n_bounds);
/* values: one per label name. */
void metric_add(struct metric_family *f, const str *values, double by);       /* counter */
void metric_set(struct metric_family *f, const str *values, double to);       /* gauge   */
void metric_observe(struct metric_family *f, const str *values, double seen); /* histogram */
/* Forgets the series of a family: before gauges of changing things are set anew. */
void metric_clear(struct metric_family *f);

uint64_t metrics_dropped(const struct metrics *m);
void metrics_each(const struct metrics *m, void (*fn)(void *arg, const trl_metric *x), void *arg);

#endif
