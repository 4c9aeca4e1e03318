/* SPDX-License-Identifier: Apache-2.0
 *
 * Units that may run many times on a host. First which spread everything counts for that runs; then
 * spreads that have too much are drained, and those that have too little filled. The rest stays.
 */
#include "credit.h"
#include "home.h"
#include "solve.h"
#include "water.h"

struct many {
    struct view *v;
    struct credit credit;
    uint32_t *fills;        /* [n] the spread a host gets new instances for; NONE */
    uint32_t *wanted;       /* [n] */
    uint64_t *lacks;        /* [k] */
    uint32_t *own;          /* [k] hosts that fill it, where starts do not fail */
    struct bucket *buckets; /* room for all hosts, and all parts */
};

/* Hosts that shall get nothing new give first; what is frozen may be too many for a while. */
static void drain(struct many *m, uint32_t k, uint64_t amount) {
    static const enum host_kind order[] = {HOST_KEEP, HOST_READY};
    for (uint32_t o = 0; o < 2 && amount > 0; o++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < m->credit.n_parts; i++) {
            const struct part *part = &m->credit.parts[i];
            if (part->spread == k && m->v->kind[part->host] == order[o]) {
                m->buckets[n++] = (struct bucket){part->count, m->v->rank[part->host], i};
            }
        }
        amount = water_drain(m->buckets, n, amount);
        for (uint32_t b = 0; b < n; b++) {
            const struct part *part = &m->credit.parts[m->buckets[b].host];
            m->wanted[part->host] -= part->count - m->buckets[b].count;
        }
    }
}

static bool may_fill(const struct many *m, uint32_t p, uint32_t k, bool healthy) {
    return m->v->kind[p] == HOST_READY && (!healthy || m->v->failing[p] == 0) &&
           view_matches(m->v, p, k);
}

static void count_own(struct many *m) {
    for (uint32_t p = 0; p < m->v->n; p++) {
        if (m->fills[p] != NONE && may_fill(m, p, m->fills[p], true)) {
            m->own[m->fills[p]]++;
        }
    }
}

/* A host of its own for a spread without one: the emptiest that another can do without. */
static void find_own(struct many *m, uint32_t k) {
    const struct view *v = m->v;
    uint32_t best = NONE;
    for (uint32_t r = 0; r < v->n; r++) {
        uint32_t p = v->by_rank[r], now = m->fills[p];
        if (may_fill(m, p, k, true) && (m->own[now] > 1 || m->lacks[now] == 0) &&
            (best == NONE || m->wanted[p] < m->wanted[best])) {
            best = p;
        }
    }
    if (best != NONE) {
        m->own[m->fills[best]]--;
        m->own[k]++;
        m->fills[best] = k;
    }
}

/* New instances avoid hosts where starts fail as long as there is another, and those that fill
 * another spread as long as there is one of their own. */
static void fill(struct many *m, uint32_t k) {
    const struct view *v = m->v;
    for (uint32_t step = 0; step < 3 && m->lacks[k] > 0; step++) {
        uint32_t n = 0;
        for (uint32_t r = 0; r < v->n; r++) {
            uint32_t p = v->by_rank[r];
            if ((step > 0 || m->fills[p] == k) && may_fill(m, p, k, step < 2)) {
                m->buckets[n++] = (struct bucket){m->wanted[p], r, p};
            }
        }
        m->lacks[k] = water_fill(m->buckets, n, m->lacks[k]);
        for (uint32_t b = 0; b < n; b++) {
            m->wanted[m->buckets[b].host] = m->buckets[b].count;
        }
    }
}

static void move(struct many *m) {
    struct view *v = m->v;
    uint32_t most = v->n > m->credit.n_parts ? v->n : m->credit.n_parts;
    m->buckets = scratch_array(&v->mem, most, sizeof(*m->buckets));
    m->own = scratch_array(&v->mem, v->k, sizeof(uint32_t));
    view_rank(v);
    for (uint32_t k = 0; k < v->k; k++) {
        uint64_t have = m->credit.have[k], target = v->shares[k].target;
        m->lacks[k] = target > have ? target - have : 0;
        if (have > target) {
            drain(m, k, have - target);
        }
    }
    m->fills = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    memcpy(m->fills, m->credit.serves, v->n * sizeof(uint32_t));
    count_own(m);
    for (uint32_t k = 0; k < v->k; k++) {
        if (m->lacks[k] > 0 && m->own[k] == 0) {
            find_own(m, k);
        }
    }
    for (uint32_t k = 0; k < v->k; k++) {
        fill(m, k);
    }
    for (uint32_t p = 0; p < v->n; p++) { /* what runs goes on under its old name */
        if (v->current[p] == 0) {
            m->credit.serves[p] = m->fills[p];
        }
    }
}

/* One instance more for the only spread, as mostly: the first in rank of those that run the fewest,
 * found without ranking all. False: no healthy host may have it. */
static bool add_one(struct many *m) {
    const struct view *v = m->v;
    uint32_t best = NONE, least = UINT32_MAX, load = 0;
    for (uint32_t p = 0; p < v->n; p++) {
        if (m->wanted[p] > least || m->wanted[p] == UINT32_MAX || !may_fill(m, p, 0, true)) {
            continue;
        }
        uint32_t runs = view_host(v, p)->n_instances;
        if (m->wanted[p] < least || runs < load) {
            best = p;
            least = m->wanted[p];
            load = runs;
        }
    }
    if (best != NONE) {
        m->wanted[best]++;
    }
    return best != NONE;
}

void solve_many(struct view *v, struct answer *ret) {
    struct many m = {.v = v};
    bool rests = true;
    credit_all(v, find_homes(v), &m.credit);
    m.wanted = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    m.lacks = scratch_array(&v->mem, v->k, sizeof(uint64_t));
    for (uint32_t p = 0; p < v->n; p++) {
        m.wanted[p] = v->kind[p] == HOST_OUT ? 0 : v->current[p];
    }
    for (uint32_t k = 0; k < v->k; k++) {
        rests = rests && m.credit.have[k] == v->shares[k].target;
    }
    bool one_more = v->k == 1 && v->shares[0].target - m.credit.have[0] == 1;
    if (!rests && !(one_more && add_one(&m))) {
        move(&m);
    }
    *ret = (struct answer){m.wanted, m.credit.serves, m.lacks};
}
