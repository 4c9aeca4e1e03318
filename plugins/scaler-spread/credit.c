/* SPDX-License-Identifier: Apache-2.0 */
#include "credit.h"

#define SEARCH_BUDGET 1000000000 /* steps; ends hostile inputs, never sane ones */

#define KINDS       4u /* enum host_kind */
#define KIND(kind)  (1u << (kind))
#define ANY_KIND    (KIND(HOST_READY) | KIND(HOST_KEEP) | KIND(HOST_FROZEN))
#define BUT_KEEP    (KIND(HOST_READY) | KIND(HOST_FROZEN))
#define ONLY_READY  KIND(HOST_READY)
#define ONLY_FROZEN KIND(HOST_FROZEN)

/* Hosts of one class and kind are alike: what they run is moved about as one. */
struct flow {
    struct view *v;
    const uint32_t *homes;
    uint32_t n_groups, *group_of; /* [n] NONE: runs nothing, or there is no choice */
    uint32_t *class_of, *kind_of; /* [n_groups] */
    uint64_t *at;                 /* [k * n_groups] instances of it that count for the spread */
    uint64_t *have;               /* [k * KINDS] */
    uint64_t *excess, *room;      /* [k] of a pass */
    uint32_t moved;               /* the kinds a pass moves */
    uint32_t *queue, *from;       /* [k] scratch of a search: the spread before */
    bool *seen, *spent;           /* [k], [n_groups] */
    int64_t budget;
};

static uint64_t *at(const struct flow *f, uint32_t g, uint32_t k) {
    return &f->at[(size_t)k * f->n_groups + g];
}

static uint64_t have(const struct flow *f, uint32_t k, uint32_t kinds) {
    uint64_t sum = 0;
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        sum += kinds & KIND(kind) ? f->have[k * KINDS + kind] : 0;
    }
    return sum;
}

static uint64_t over(uint64_t a, uint64_t b) {
    return a > b ? a - b : 0;
}

static void reach(struct flow *f, uint32_t *n, uint32_t k, uint32_t from) {
    if (!f->seen[k]) {
        f->seen[k] = true;
        f->from[k] = from;
        f->queue[(*n)++] = k;
    }
}

static bool is_moved(const struct flow *f, uint32_t g) {
    return (f->moved & KIND(f->kind_of[g])) != 0;
}

/* All spreads that lead on from those with too much, the nearest first. Returns how many. */
static uint32_t search(struct flow *f) {
    const struct view *v = f->v;
    uint32_t n = 0;
    memset(f->seen, 0, v->k * sizeof(bool));
    memset(f->spent, 0, f->n_groups * sizeof(bool));
    for (uint32_t k = 0; k < v->k; k++) {
        if (f->excess[k] > 0) {
            reach(f, &n, k, NONE);
        }
    }
    for (uint32_t i = 0; i < n && n < v->k; i++) {
        const uint64_t *has = at(f, 0, f->queue[i]);
        f->budget -= f->n_groups;
        for (uint32_t g = 0; g < f->n_groups; g++) {
            if (has[g] == 0 || f->spent[g] || !is_moved(f, g)) {
                continue;
            }
            f->spent[g] = true;
            VIEW_EACH_SPREAD(v, f->class_of[g], to) {
                reach(f, &n, to, f->queue[i]);
            }
        }
    }
    return n;
}

/* Up to so many that count for `from` count for k. Returns how many; those that could, if dry. */
static uint64_t pass_on(struct flow *f, uint32_t from, uint32_t k, uint64_t most, bool dry) {
    uint64_t *has = at(f, 0, from), *gets = at(f, 0, k), done = 0;
    f->budget -= f->n_groups;
    for (uint32_t g = 0; g < f->n_groups && done < most; g++) {
        if (has[g] == 0 || !is_moved(f, g) || !class_matches(f->v, f->class_of[g], k)) {
            continue;
        }
        uint64_t n = has[g] < most - done ? has[g] : most - done;
        done += n;
        if (!dry) {
            has[g] -= n;
            gets[g] += n;
            f->have[from * KINDS + f->kind_of[g]] -= n;
            f->have[k * KINDS + f->kind_of[g]] += n;
        }
    }
    return done;
}

/* As much as the way found has room for, each spread on it passing on to the next. */
static bool push(struct flow *f, uint32_t last) {
    uint64_t amount = f->room[last];
    uint32_t first = last;
    for (; f->from[first] != NONE; first = f->from[first]) {
        amount = pass_on(f, f->from[first], first, amount, true);
    }
    amount = f->excess[first] < amount ? f->excess[first] : amount;
    for (uint32_t k = last; f->from[k] != NONE; k = f->from[k]) {
        pass_on(f, f->from[k], k, amount, false);
    }
    f->excess[first] -= amount;
    f->room[last] -= amount;
    return amount > 0;
}

/* Augmenting paths, several with each search. */
static void move_all(struct flow *f, uint32_t kinds) {
    f->moved = kinds;
    for (bool again = true; again && f->budget > 0;) {
        uint32_t n = search(f);
        again = false;
        for (uint32_t i = 0; i < n; i++) {
            again = (f->room[f->queue[i]] > 0 && push(f, f->queue[i])) || again;
        }
    }
}

/* Evens out what `counted` kinds have with what is wanted, by moving `moved` kinds. */
static void even_out(struct flow *f, uint32_t counted, uint32_t moved) {
    for (uint32_t k = 0; k < f->v->k; k++) {
        uint64_t target = f->v->shares[k].target, sum = have(f, k, counted);
        f->excess[k] = over(sum, target);
        f->room[k] = over(target, sum);
    }
    move_all(f, moved);
}

/* Spreads that no ready host can fill get what counts for others, which have one to make up. */
static void pass_on_needs(struct flow *f) {
    const struct view *v = f->v;
    bool *fillable = scratch_array(&f->v->mem, v->k, sizeof(bool));
    bool *looked = scratch_array(&f->v->mem, v->n_classes, sizeof(bool));
    for (uint32_t p = 0; p < v->n; p++) {
        uint32_t class = v->class_of[p];
        if (v->kind[p] == HOST_READY && !looked[class]) {
            looked[class] = true;
            VIEW_EACH_SPREAD(v, class, k) {
                fillable[k] = true;
            }
        }
    }
    for (uint32_t k = 0; k < v->k; k++) {
        f->excess[k] = fillable[k] ? UINT64_MAX : 0;
        f->room[k] = fillable[k] ? 0 : over(v->shares[k].target, have(f, k, ANY_KIND));
    }
    move_all(f, ANY_KIND);
}

static void find_groups(struct flow *f) {
    struct view *v = f->v;
    uint32_t *known = scratch_array(&v->mem, (size_t)v->n_classes * KINDS, sizeof(uint32_t));
    f->group_of = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    f->class_of = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    f->kind_of = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    for (uint32_t p = 0; p < v->n; p++) {
        uint32_t class = v->class_of[p], kind = v->kind[p];
        uint32_t *g = &known[(size_t) class * KINDS + kind];
        f->group_of[p] = NONE;
        if (f->homes[p] == NONE || v->current[p] == 0 || v->bits[class] < 2) {
            continue;
        }
        if (*g == 0) {
            f->class_of[f->n_groups] = class;
            f->kind_of[f->n_groups] = kind;
            *g = ++f->n_groups;
        }
        f->group_of[p] = *g - 1;
    }
}

static void flow(struct flow *f) {
    struct view *v = f->v;
    f->at = scratch_array(&v->mem, (size_t)f->n_groups * v->k, sizeof(uint64_t));
    f->excess = scratch_array(&v->mem, v->k, sizeof(uint64_t));
    f->room = scratch_array(&v->mem, v->k, sizeof(uint64_t));
    f->queue = scratch_array(&v->mem, v->k, sizeof(uint32_t));
    f->from = scratch_array(&v->mem, v->k, sizeof(uint32_t));
    f->seen = scratch_array(&v->mem, v->k, sizeof(bool));
    f->spent = scratch_array(&v->mem, f->n_groups, sizeof(bool));
    for (uint32_t p = 0; p < v->n; p++) {
        if (f->group_of[p] != NONE) {
            *at(f, f->group_of[p], f->homes[p]) += v->current[p];
        }
    }
    even_out(f, ANY_KIND, ANY_KIND);       /* as little as possible is too much */
    even_out(f, ONLY_FROZEN, ONLY_FROZEN); /* what cannot go is not what is too much */
    even_out(f, BUT_KEEP, ONLY_READY);     /* but rather what is on cordoned hosts */
    pass_on_needs(f);
}

/* Up to so many of the host's instances, as long as its group has some for the spread. */
static uint32_t take(const struct flow *f, struct credit *c, uint32_t p, uint32_t k,
                     uint32_t most) {
    uint32_t n = most;
    if (f->group_of[p] != NONE) {
        uint64_t *left = at(f, f->group_of[p], k);
        n = *left < most ? (uint32_t)*left : most;
        *left -= n;
    }
    if (n > 0) {
        c->parts[c->n_parts++] = (struct part){p, k, n};
    }
    return n;
}

/* The whole host for one spread if that can be, else in parts. */
static void part_host(const struct flow *f, struct credit *c, uint32_t p) {
    uint32_t class = f->v->class_of[p], left = f->v->current[p], most = 0;
    VIEW_EACH_SPREAD(f->v, class, k) {
        if (*at(f, f->group_of[p], k) >= left) {
            take(f, c, p, k, left);
            c->serves[p] = k;
            return;
        }
    }
    VIEW_EACH_SPREAD(f->v, class, k) {
        uint32_t n = take(f, c, p, k, left);
        c->serves[p] = n > most ? k : c->serves[p];
        most = n > most ? n : most;
        left -= n;
    }
}

/* From groups back to hosts: who can stays at home. */
static void part_all(struct flow *f, struct credit *c) {
    struct view *v = f->v;
    size_t most = v->n;
    for (uint32_t g = 0; g < f->n_groups; g++) {
        most += v->bits[f->class_of[g]];
    }
    c->parts = scratch_array(&v->mem, most, sizeof(*c->parts));
    c->serves = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    for (uint32_t p = 0; p < v->n; p++) {
        uint32_t home = c->serves[p] = f->homes[p], g = f->group_of[p];
        if (home != NONE && (g == NONE || *at(f, g, home) >= v->current[p])) {
            take(f, c, p, home, v->current[p]);
            f->group_of[p] = NONE;
        }
    }
    for (uint32_t p = 0; p < v->n; p++) {
        if (f->group_of[p] != NONE) {
            part_host(f, c, p);
        }
    }
}

/* No host could serve two spreads: there is nothing to choose. */
static void credit_plain(struct view *v, uint32_t *homes, struct credit *ret) {
    *ret = (struct credit){.serves = homes};
    ret->have = scratch_array(&v->mem, v->k, sizeof(uint64_t));
    ret->parts = scratch_array(&v->mem, v->n, sizeof(*ret->parts));
    for (uint32_t p = 0; p < v->n; p++) {
        if (v->current[p] && homes[p] != NONE) {
            ret->have[homes[p]] += v->current[p];
            ret->parts[ret->n_parts++] = (struct part){p, homes[p], v->current[p]};
        }
    }
}

void credit_all(struct view *v, uint32_t *homes, struct credit *ret) {
    if (!v->overlap) {
        credit_plain(v, homes, ret);
        return;
    }
    struct flow f = {.v = v, .homes = homes, .budget = SEARCH_BUDGET};
    *ret = (struct credit){0};
    f.have = scratch_array(&v->mem, (size_t)v->k * KINDS, sizeof(uint64_t));
    for (uint32_t p = 0; p < v->n; p++) {
        if (homes[p] != NONE) {
            f.have[homes[p] * KINDS + v->kind[p]] += v->current[p];
        }
    }
    find_groups(&f);
    if (f.n_groups > 0) {
        flow(&f);
    }
    part_all(&f, ret);
    ret->have = scratch_array(&v->mem, v->k, sizeof(uint64_t));
    for (uint32_t k = 0; k < v->k; k++) {
        ret->have[k] = have(&f, k, ANY_KIND);
    }
}
