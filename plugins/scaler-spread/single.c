/* SPDX-License-Identifier: Apache-2.0
 *
 * Units that run at most once on a host. The sets of hosts that can serve the spreads all at once
 * form a matroid, so taking hosts one after another in order of merit, whenever an augmenting path
 * has room for one, gives the best set; what was taken is never given up for a newcomer. Hosts of a
 * class are alike, so paths run over classes.
 */
#include "solve.h"

#define SEARCH_BUDGET 50000000

struct flow {
    struct view *v;
    uint64_t *left;   /* [k] hosts the spread still lacks */
    uint32_t *served; /* [n_classes * k] hosts of the class that serve it */
    bool *full;       /* [n_classes] no room for another host of it, now and for ever */
    bool *dead;       /* [k] no path leads from it to room, now and for ever */
    bool *seen;       /* [k] scratch of a search, with queue and how it was reached: */
    uint32_t *queue, *from, *by;
    int64_t budget; /* steps left for searches; ends hostile inputs, never sane ones */
};

static uint32_t *served(const struct flow *f, uint32_t class, uint32_t k) {
    return &f->served[(size_t) class * f->v->k + k];
}

static void flow_init(struct flow *f, struct view *v) {
    *f = (struct flow){.v = v, .budget = SEARCH_BUDGET};
    f->left = scratch_array(&v->mem, v->k, sizeof(uint64_t));
    f->served = scratch_array(&v->mem, (size_t)v->n_classes * v->k, sizeof(uint32_t));
    f->full = scratch_array(&v->mem, v->n_classes, sizeof(bool));
    f->dead = scratch_array(&v->mem, v->k, sizeof(bool));
    f->seen = scratch_array(&v->mem, v->k, sizeof(bool));
    f->queue = scratch_array(&v->mem, v->k, sizeof(uint32_t));
    f->from = scratch_array(&v->mem, v->k, sizeof(uint32_t));
    f->by = scratch_array(&v->mem, v->k, sizeof(uint32_t));
    for (uint32_t k = 0; k < v->k; k++) {
        f->left[k] = v->shares[k].target;
    }
}

static void reach(struct flow *f, uint32_t *n, uint32_t k, uint32_t from, uint32_t class) {
    f->seen[k] = true;
    f->queue[(*n)++] = k;
    f->from[k] = from;
    f->by[k] = class;
}

/* From spread k, reached last, back to the first one: each passes a host on to the next. */
static void shift(struct flow *f, uint32_t k) {
    f->left[k]--;
    while (f->from[k] != NONE) {
        (*served(f, f->by[k], k))++;
        (*served(f, f->by[k], f->from[k]))--;
        k = f->from[k];
    }
    (*served(f, f->by[k], k))++;
}

/* Room for one more host of the class, by passing others on. */
static bool augment(struct flow *f, uint32_t class) {
    const struct view *v = f->v;
    uint32_t n = 0;
    memset(f->seen, 0, v->k * sizeof(bool));
    VIEW_EACH_SPREAD(v, class, k) {
        if (!f->dead[k]) {
            reach(f, &n, k, NONE, class);
        }
    }
    for (uint32_t i = 0; i < n && f->budget > 0; i++) {
        uint32_t k = f->queue[i];
        f->budget -= v->n_classes;
        for (uint32_t c = 0; c < v->n_classes; c++) {
            if (v->bits[c] < 2 || *served(f, c, k) == 0) {
                continue;
            }
            VIEW_EACH_SPREAD(v, c, to) {
                if (f->seen[to] || f->dead[to]) {
                    continue;
                }
                reach(f, &n, to, k, c);
                if (f->left[to] > 0) {
                    shift(f, to);
                    return true;
                }
            }
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        f->dead[f->queue[i]] = true;
    }
    return false;
}

static bool take(struct flow *f, uint32_t class) {
    const struct view *v = f->v;
    uint32_t best = NONE;
    if (f->full[class]) {
        return false;
    }
    VIEW_EACH_SPREAD(v, class, k) {
        if (f->left[k] > 0 && (best == NONE || f->left[k] > f->left[best])) {
            best = k;
        }
    }
    if (best != NONE) {
        (*served(f, class, best))++;
        f->left[best]--;
        return true;
    }
    f->full[class] = v->bits[class] == 0 || !augment(f, class);
    return !f->full[class];
}

/* In order of merit: what counts whether we like it or not, what runs, what could. */
enum merit { FIXED, RUNS, RUNS_CORDONED, COULD, NO_MERIT };

static enum merit merit_of(const struct view *v, uint32_t p) {
    bool runs = v->current[p] > 0;
    if (v->foreign[p] > 0 || (runs && v->kind[p] == HOST_FROZEN)) {
        return v->foreign[p] > 0 && runs && v->kind[p] == HOST_OUT ? NO_MERIT : FIXED;
    }
    if (v->kind[p] == HOST_READY) {
        return runs ? RUNS : COULD;
    }
    return runs && v->kind[p] == HOST_KEEP ? RUNS_CORDONED : NO_MERIT;
}

/* Which host of a class serves which of the spreads the class got. */
static void hand_out(struct flow *f, const bool *taken, struct answer *ret) {
    const struct view *v = f->v;
    uint32_t *cursor = scratch_array(&f->v->mem, v->n_classes, sizeof(uint32_t));
    for (uint32_t p = 0; p < v->n; p++) {
        uint32_t class = v->class_of[p];
        ret->serves[p] = NONE;
        if (taken[p]) {
            while (*served(f, class, cursor[class]) == 0) {
                cursor[class]++;
            }
            (*served(f, class, cursor[class]))--;
            ret->serves[p] = cursor[class];
        } else if (v->current[p] > 0 && v->bits[class] > 0) {
            ret->serves[p] = view_next(v, class, 0); /* goes, or is too many; it has to be named */
        }
    }
}

static bool lacks(const struct flow *f) {
    bool any = false;
    for (uint32_t k = 0; k < f->v->k; k++) {
        any = any || f->left[k] > 0;
    }
    return any;
}

/* Hosts of one merit. When there is room for all of them their order does not matter. */
static void take_all(struct flow *f, const uint8_t *merit, enum merit m, uint32_t count,
                     bool *taken) {
    struct view *v = f->v;
    bool ranked = v->k > 1 || count > f->left[0];
    if (ranked) {
        view_rank(v);
    }
    for (uint32_t r = 0; r < v->n; r++) {
        uint32_t p = ranked ? v->by_rank[r] : r;
        if (merit[p] == m) {
            taken[p] = take(f, v->class_of[p]);
        }
    }
}

void solve_single(struct view *v, struct answer *ret) {
    struct flow f;
    bool *taken = scratch_array(&v->mem, v->n, sizeof(bool));
    uint8_t *merit = scratch_array(&v->mem, v->n, sizeof(*merit));
    uint32_t count[NO_MERIT + 1] = {0};
    flow_init(&f, v);
    for (uint32_t p = 0; p < v->n; p++) {
        merit[p] = (uint8_t)merit_of(v, p);
        count[merit[p]]++;
    }
    ret->wanted = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    ret->serves = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    for (enum merit m = FIXED; m < NO_MERIT; m++) {
        if (count[m] && lacks(&f)) {
            take_all(&f, merit, m, count[m], taken);
        }
    }
    for (uint32_t p = 0; p < v->n; p++) {
        if (v->kind[p] == HOST_FROZEN) {
            ret->wanted[p] = v->current[p];
        } else {
            bool theirs = v->foreign[p] > 0 && v->current[p] == 0;
            ret->wanted[p] = taken[p] && !theirs && v->kind[p] != HOST_OUT;
        }
    }
    hand_out(&f, taken, ret);
    ret->unmet = f.left;
}
