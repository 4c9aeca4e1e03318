/* SPDX-License-Identifier: Apache-2.0
 *
 * Units that may run many times on a host. First who serves which spread, then each spread is
 * filled or drained by itself. What runs stays as long as its spread has not too many.
 */
#include "assign.h"
#include "solve.h"
#include "water.h"

struct many {
    struct view *v;
    uint32_t *serves;       /* [n] */
    struct bucket *buckets; /* [n] */
    uint32_t *first;        /* [k + 2] hosts of spread k: members[first[k]] up to first[k + 1] */
    uint32_t *members;
    uint32_t *wanted;
    uint64_t *unmet;
};

static void group_members(struct many *m) {
    struct view *v = m->v;
    const uint32_t *serves = m->serves;
    m->buckets = scratch_array(&v->mem, v->n, sizeof(*m->buckets));
    m->members = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    m->first = scratch_array(&v->mem, v->k + 2u, sizeof(uint32_t));
    view_rank(v);
    for (uint32_t p = 0; p < v->n; p++) {
        if (serves[p] != NONE) {
            m->first[serves[p] + 2]++;
        }
    }
    for (uint32_t k = 0; k < v->k; k++) {
        m->first[k + 2] += m->first[k + 1];
    }
    for (uint32_t r = 0; r < v->n; r++) { /* by rank: buckets mostly need no sorting then */
        uint32_t p = v->by_rank[r];
        if (serves[p] != NONE) {
            m->members[m->first[serves[p] + 1]++] = p;
        }
    }
}

/* The hosts of a spread that are of one kind, healthy ones only if asked, become buckets. */
static uint32_t pick(struct many *m, uint32_t k, enum host_kind kind, bool healthy) {
    const struct view *v = m->v;
    uint32_t n = 0;
    for (uint32_t i = m->first[k]; i < m->first[k + 1]; i++) {
        uint32_t p = m->members[i];
        if (v->kind[p] == kind && (!healthy || v->failing[p] == 0)) {
            m->buckets[n++] = (struct bucket){m->wanted[p], v->rank[p], p};
        }
    }
    return n;
}

static void pour_back(struct many *m, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        m->wanted[m->buckets[i].host] = m->buckets[i].count;
    }
}

/* New instances avoid hosts where starts fail as long as there is another. */
static void fill(struct many *m, uint32_t k, uint64_t amount) {
    uint32_t n = pick(m, k, HOST_READY, true);
    if (n == 0) {
        n = pick(m, k, HOST_READY, false);
    }
    m->unmet[k] = water_fill(m->buckets, n, amount);
    pour_back(m, n);
}

/* Hosts that shall get nothing new give first; what is frozen may be too many for a while. */
static void drain(struct many *m, uint32_t k, uint64_t amount) {
    static const enum host_kind order[] = {HOST_KEEP, HOST_READY};
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t n = pick(m, k, order[i], false);
        amount = water_drain(m->buckets, n, amount);
        pour_back(m, n);
    }
}

void solve_many(struct view *v, struct answer *ret) {
    struct many m = {.v = v, .serves = assign(v)};
    uint64_t *sum = scratch_array(&v->mem, v->k, sizeof(uint64_t));
    bool move = false;
    m.wanted = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    m.unmet = scratch_array(&v->mem, v->k, sizeof(uint64_t));
    for (uint32_t p = 0; p < v->n; p++) {
        m.wanted[p] = v->kind[p] == HOST_OUT ? 0 : v->current[p];
        if (m.serves[p] != NONE) {
            sum[m.serves[p]] += v->current[p];
        }
    }
    for (uint32_t k = 0; k < v->k; k++) {
        move = move || sum[k] != v->shares[k].target;
    }
    if (move) {
        group_members(&m);
    }
    for (uint32_t k = 0; move && k < v->k; k++) {
        uint64_t target = v->shares[k].target;
        if (sum[k] < target) {
            fill(&m, k, target - sum[k]);
        } else if (sum[k] > target) {
            drain(&m, k, sum[k] - target);
        }
    }
    *ret = (struct answer){m.wanted, m.serves, m.unmet};
}
