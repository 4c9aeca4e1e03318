/* SPDX-License-Identifier: Apache-2.0 */
#include "assign.h"

#define SEARCH_BUDGET 50000000 /* steps; ends hostile inputs, never sane ones */

struct assign {
    struct view *v;
    uint32_t *home;  /* [n] NONE: serves nobody */
    uint32_t *taken; /* [n] the spread a host was taken for, NONE: it is at home */
    uint32_t *host;  /* [k] the host that was taken for it */
    uint32_t *left;  /* [k] hosts at home */
    bool *coverable; /* [k] has instances, and there is a host for it */
    bool *seen;      /* [k] scratch of a search */
    int64_t budget;
};

/* Serving is for hosts that may get instances or have some. One that is late counts as before, so
 * that nothing shifts because of it. */
static bool can_serve(const struct view *v, uint32_t p) {
    return v->kind[p] == HOST_READY || (v->kind[p] != HOST_OUT && v->current[p] > 0);
}

static uint64_t mixed_hash(trl_str s) {
    uint64_t h = trl_hash_more(TRL_HASH_INIT, s.ptr, s.len);
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
    return h ^ h >> 33;
}

/* Weight of a spread in the draw. One that asks for more has fewer hosts to choose from: each label
 * counts fourfold. */
static unsigned __int128 pull(const struct view *v, uint32_t k, bool equal) {
    const struct spread *s = &v->spec->spreads[v->shares[k].spread];
    return (unsigned __int128)(equal ? 1 : s->weight) << (2 * (s->n_needs < 8 ? s->n_needs : 8));
}

/* The home of host p, which matches several spreads. `equal`: all weights are 0. */
static uint32_t draw(const struct view *v, uint32_t p, bool equal) {
    uint32_t class = v->class_of[p];
    unsigned __int128 sum = 0, at = 0;
    VIEW_EACH_SPREAD(v, class, k) {
        sum += pull(v, k, equal);
    }
    at = (mixed_hash(view_host(v, p)->id) >> 32) * sum >> 32;
    VIEW_EACH_SPREAD(v, class, k) {
        unsigned __int128 mine = pull(v, k, equal);
        if (at < mine) {
            return k;
        }
        at -= mine;
    }
    return view_next(v, class, 0);
}

static void find_homes(struct assign *a) {
    struct view *v = a->v;
    bool equal = true;
    for (uint32_t k = 0; k < v->k; k++) {
        equal = equal && v->spec->spreads[k].weight == 0;
    }
    for (uint32_t p = 0; p < v->n; p++) {
        uint32_t bits = v->bits[v->class_of[p]];
        a->home[p] = a->taken[p] = NONE;
        if (bits > 0 && can_serve(v, p)) {
            a->home[p] = bits == 1 ? view_next(v, v->class_of[p], 0) : draw(v, p, equal);
            a->left[a->home[p]]++;
        }
    }
}

static void take(struct assign *a, uint32_t p, uint32_t k) {
    if (a->taken[p] == NONE) {
        a->left[a->home[p]]--;
    }
    a->taken[p] = k;
    a->host[k] = p;
}

/* A host at home that matches k: one its spread can do without, else any; the first by id. */
static uint32_t first_at_home(const struct assign *a, uint32_t k) {
    const struct view *v = a->v;
    uint32_t any = NONE;
    for (uint32_t p = 0; p < v->n; p++) {
        uint32_t home = a->home[p];
        if (home == NONE || a->taken[p] != NONE || !view_matches(v, p, k)) {
            continue;
        }
        if (a->left[home] > 1 || v->shares[home].target == 0) {
            return p;
        }
        any = any == NONE ? p : any;
    }
    return any;
}

/* Takes a host for spread k, if need be one that was taken for another which then finds another.
 * Classical: augmenting paths keep what was reached. */
static bool find_host(struct assign *a, uint32_t k) {
    const struct view *v = a->v;
    a->seen[k] = true;
    a->budget -= v->n;
    if (a->budget < 0) {
        return false;
    }
    uint32_t p = first_at_home(a, k);
    if (p != NONE) {
        take(a, p, k);
        return true;
    }
    for (uint32_t j = 0; j < v->k; j++) {
        p = a->host[j];
        if (p != NONE && j != k && !a->seen[j] && view_matches(v, p, k) && find_host(a, j)) {
            take(a, p, k);
            return true;
        }
    }
    return false;
}

/* A search that failed has seen only spreads that cannot help, now or later: its marks stay. */
static bool search(struct assign *a, uint32_t k) {
    if (a->seen[k] || !find_host(a, k)) {
        return false;
    }
    memset(a->seen, 0, a->v->k * sizeof(bool));
    return true;
}

static void forget(struct assign *a) {
    struct view *v = a->v;
    memset(a->seen, 0, v->k * sizeof(bool));
    memset(a->left, 0, v->k * sizeof(uint32_t));
    for (uint32_t k = 0; k < v->k; k++) {
        a->host[k] = NONE;
    }
    for (uint32_t p = 0; p < v->n; p++) {
        a->taken[p] = NONE;
        if (a->home[p] != NONE) {
            a->left[a->home[p]]++;
        }
    }
}

/* Which spreads can have a host, all at once: the heaviest first, which is the most instances. */
static void find_coverable(struct assign *a) {
    const struct view *v = a->v;
    forget(a);
    for (uint32_t k = 0; k < v->k && v->shares[k].target > 0; k++) {
        a->coverable[k] = search(a, k);
    }
    forget(a);
}

/* Only what has nobody at home takes, one after another; taking may leave another so. */
static void cover(struct assign *a) {
    const struct view *v = a->v;
    for (bool again = true; again;) {
        again = false;
        for (uint32_t k = 0; k < v->k; k++) {
            if (a->coverable[k] && a->host[k] == NONE && a->left[k] == 0) {
                again = search(a, k) || again;
            }
        }
    }
}

static uint32_t serves(const struct assign *a, uint32_t p) {
    return a->taken[p] != NONE ? a->taken[p] : a->home[p];
}

/* A spread that has hosts, but none that may get what it lacks, takes one from a spread with two.
 */
static void reinforce(struct assign *a) {
    struct view *v = a->v;
    uint32_t *ready = scratch_array(&v->mem, v->k, sizeof(uint32_t));
    uint64_t *fixed = scratch_array(&v->mem, v->k, sizeof(uint64_t));
    for (uint32_t p = 0; p < v->n; p++) {
        uint32_t k = serves(a, p);
        if (k != NONE) {
            ready[k] += v->kind[p] == HOST_READY;
            fixed[k] += v->kind[p] == HOST_READY ? 0 : v->current[p];
        }
    }
    for (uint32_t k = 0; k < v->k; k++) {
        if (ready[k] > 0 || fixed[k] >= v->shares[k].target) {
            continue;
        }
        for (uint32_t p = 0; p < v->n; p++) {
            uint32_t home = a->home[p];
            if (home != NONE && a->taken[p] == NONE && v->kind[p] == HOST_READY &&
                view_matches(v, p, k) && (ready[home] > 1 || v->shares[home].target == 0)) {
                take(a, p, k);
                ready[home]--;
                ready[k]++;
                break;
            }
        }
    }
}

uint32_t *assign(struct view *v) {
    struct assign a = {.v = v, .budget = SEARCH_BUDGET};
    a.home = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    a.taken = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    a.host = scratch_array(&v->mem, v->k, sizeof(uint32_t));
    a.left = scratch_array(&v->mem, v->k, sizeof(uint32_t));
    a.coverable = scratch_array(&v->mem, v->k, sizeof(bool));
    a.seen = scratch_array(&v->mem, v->k, sizeof(bool));
    find_homes(&a);
    if (v->overlap) {
        find_coverable(&a);
        cover(&a);
        reinforce(&a);
    }
    for (uint32_t p = 0; p < v->n; p++) {
        a.home[p] = serves(&a, p);
    }
    return a.home;
}
