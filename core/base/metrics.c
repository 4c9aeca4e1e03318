/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <string.h>

#include "base/map.h"
#include "base/mem.h"

struct series {
    char *values[METRIC_LABELS_MAX]; /* owned */
    double value;                    /* histogram: the sum */
    uint64_t count;
    uint64_t *buckets; /* owned; not cumulative; histogram only */
};

struct metric_family {
    struct metrics *owner;
    uint32_t type;
    const char *name, *help;
    str labels[METRIC_LABELS_MAX]; /* parts of a static string */
    uint32_t n_labels;
    const double *bounds;
    uint32_t n_bounds;
    struct map by_key; /* values, each ended by NUL -> struct series */
};

struct metrics {
    VEC(struct metric_family *) families;
    uint64_t dropped;
};

struct metrics *metrics_create(void) {
    return mem_zalloc(sizeof(struct metrics));
}

void metric_clear(struct metric_family *f) {
    for (uint32_t i = 0; i < f->by_key.n; i++) {
        struct series *s = f->by_key.at[i].value;
        for (uint32_t l = 0; l < f->n_labels; l++) {
            mem_free(s->values[l]);
        }
        mem_free(s->buckets);
        mem_free(s);
    }
    map_clear(&f->by_key);
}

void metrics_destroy(struct metrics *m) {
    if (!m) {
        return;
    }
    for (uint32_t i = 0; i < m->families.n; i++) {
        metric_clear(m->families.at[i]);
        map_finish(&m->families.at[i]->by_key);
        mem_free(m->families.at[i]);
    }
    VEC_FREE(&m->families);
    mem_free(m);
}

struct metric_family *metrics_declare(struct metrics *m, uint32_t type, const char *name,
                                      const char *help, const char *labels, const double *bounds,
                                      uint32_t n_bounds) {
    struct metric_family *f = mem_zalloc(sizeof(*f));
    str rest = str_c(labels);
    f->owner = m;
    f->type = type;
    f->name = name;
    f->help = help;
    f->bounds = bounds;
    f->n_bounds = type == TRL_METRIC_HISTOGRAM ? n_bounds : 0;
    while (rest.len && f->n_labels < METRIC_LABELS_MAX) {
        f->labels[f->n_labels++] = str_cut(rest, ',', &rest);
    }
    *VEC_ADD(&m->families) = f;
    return f;
}

static struct series *series_of(struct metric_family *f, const str *values) {
    struct buf key = BUF_INIT;
    for (uint32_t i = 0; i < f->n_labels; i++) {
        buf_add_str(&key, values[i]);
        buf_add_c(&key, '\0');
    }
    struct series *s = map_get(&f->by_key, buf_str(&key));
    if (!s && f->by_key.n < METRIC_SERIES_MAX) {
        s = mem_zalloc(sizeof(*s));
        for (uint32_t i = 0; i < f->n_labels; i++) {
            s->values[i] = str_dup(values[i]);
        }
        s->buckets = f->n_bounds ? mem_array(f->n_bounds, sizeof(*s->buckets)) : NULL;
        map_set(&f->by_key, buf_str(&key), s);
    } else if (!s) {
        f->owner->dropped++;
    }
    buf_finish(&key);
    return s;
}

void metric_add(struct metric_family *f, const str *values, double by) {
    struct series *s = series_of(f, values);
    if (s) {
        s->value += by;
    }
}

void metric_set(struct metric_family *f, const str *values, double to) {
    struct series *s = series_of(f, values);
    if (s) {
        s->value = to;
    }
}

void metric_observe(struct metric_family *f, const str *values, double seen) {
    struct series *s = series_of(f, values);
    if (!s) {
        return;
    }
    s->value += seen;
    s->count++;
    for (uint32_t i = 0; i < f->n_bounds; i++) {
        if (seen <= f->bounds[i]) {
            s->buckets[i]++;
            return;
        }
    }
}

uint64_t metrics_dropped(const struct metrics *m) {
    return m->dropped;
}

static void tell(const struct metric_family *f, const struct series *s, uint64_t *sums,
                 void (*fn)(void *arg, const trl_metric *x), void *arg) {
    trl_label labels[METRIC_LABELS_MAX];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < f->n_labels; i++) {
        labels[i] = (trl_label){f->labels[i], str_c(s->values[i])};
    }
    for (uint32_t i = 0; i < f->n_bounds; i++) {
        sums[i] = sum += s->buckets[i];
    }
    trl_metric x = {.struct_size = sizeof(x),
                    .type = f->type,
                    .name = str_c(f->name),
                    .help = str_c(f->help),
                    .labels = labels,
                    .n_labels = f->n_labels,
                    .n_buckets = f->n_bounds,
                    .value = s->value,
                    .count = s->count,
                    .bounds = f->bounds,
                    .counts = sums};
    fn(arg, &x);
}

void metrics_each(const struct metrics *m, void (*fn)(void *arg, const trl_metric *x), void *arg) {
    for (uint32_t i = 0; i < m->families.n; i++) {
        const struct metric_family *f = m->families.at[i];
        uint64_t *sums = mem_array(f->n_bounds + 1, sizeof(*sums));
        for (uint32_t s = 0; s < f->by_key.n; s++) {
            tell(f, f->by_key.at[s].value, sums, fn, arg);
        }
        mem_free(sums);
    }
}
