/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/truth.h"

#include "base/mem.h"

void truth_change(struct map *m, str id, int64_t count, int hosts, int64_t now_ns) {
    struct truth_id *t = map_get(m, id);
    if (!t) {
        t = mem_zalloc(sizeof(*t));
        map_set(m, id, t);
    }
    int64_t was = t->count;
    t->count += count;
    t->hosts = (uint32_t)((int64_t)t->hosts + hosts);
    t->starts += hosts > 0;
    t->stops += hosts < 0;
    t->max_count = t->count > t->max_count ? t->count : t->max_count;
    t->max_hosts = t->hosts > t->max_hosts ? t->hosts : t->max_hosts;
    if (was == 0 && t->count > 0) {
        if (t->seen) {
            t->zero_ns += now_ns - t->zero_since_ns;
        }
        t->seen = true;
    } else if (was > 0 && t->count == 0) {
        t->gaps++;
        t->zero_since_ns = now_ns;
    }
}

const struct truth_id *truth_find(const struct map *m, str id) {
    return map_get(m, id);
}

int64_t truth_zero_ns(const struct truth_id *t, int64_t now_ns) {
    return t->zero_ns + (t->seen && t->count == 0 ? now_ns - t->zero_since_ns : 0);
}

static void reset(struct map *m, int64_t now_ns) {
    for (uint32_t i = 0; i < m->n; i++) {
        struct truth_id *t = m->at[i].value;
        *t = (struct truth_id){.count = t->count,
                               .max_count = t->count,
                               .hosts = t->hosts,
                               .max_hosts = t->hosts,
                               .seen = t->count > 0,
                               .zero_since_ns = now_ns};
    }
}

void truth_reset(struct truth *t, int64_t now_ns) {
    reset(&t->components, now_ns);
    reset(&t->providers, now_ns);
}

static void finish(struct map *m) {
    for (uint32_t i = 0; i < m->n; i++) {
        mem_free(m->at[i].value);
    }
    map_finish(m);
}

void truth_finish(struct truth *t) {
    finish(&t->components);
    finish(&t->providers);
}
