/* SPDX-License-Identifier: Apache-2.0 */
#include "eval.h"

static bool any(const struct cond *c, trl_str text) {
    if (!text.ptr) {
        return false;
    }
    for (uint32_t i = 0; i < c->n; i++) {
        if (glob_match(&c->globs[i], text)) {
            return true;
        }
    }
    return false;
}

static bool any_of_list(const struct cond *c, const struct jnode *list) {
    JNODE_EACH(list, j) {
        if (any(c, jnode_str(j))) {
            return true;
        }
    }
    return false;
}

static bool within(const struct cond *c, double v) {
    return v >= 0 && v >= c->min && v <= c->max;
}

/* Does it hold, for all that is known? x: NULL for a rule about the whole. */
static bool holds(const struct cond *c, const struct facts *f, const struct thing *x) {
    switch (c->type) {
    case COND_WHOLE:
        if (c->slot == W_HOST_ID && !f->whole[W_HOST_ID].ptr && x && x->slot[U_VERB].ptr) {
            return any(c, x->slot[U_HOST]);
        }
        return any(c, f->whole[c->slot]);
    case COND_MAP:
        return any(c, jnode_str(jnode_get(c->slot == M_PROPERTIES && x ? x->map : f->maps[c->slot],
                                          c->key)));
    case COND_PLAN:
        return within(c, f->plan[c->slot]);
    case COND_THING:
        return x && any(c, x->slot[c->slot]);
    case COND_LIST:
        return x && any_of_list(c, x->list);
    case COND_HAS:
        return x && x->slot[c->slot].ptr;
    case COND_LACKS:
        return x && !x->slot[c->slot].ptr;
    case COND_COUNT:
        return x && within(c, x->count);
    }
    return false;
}

static bool any_block(const struct blocks *b, const struct facts *f, const struct thing *x) {
    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t k = 0;
        while (k < b->at[i].n && holds(&b->at[i].conds[k], f, x)) {
            k++;
        }
        if (k == b->at[i].n) {
            return true;
        }
    }
    return false;
}

static bool speaks_of(const struct rule *r, const struct facts *f, const struct thing *x) {
    return (r->match.n == 0 || any_block(&r->match, f, x)) && !any_block(&r->unless, f, x);
}

static void hit(struct outcome *o, struct rule *r, const struct thing *x) {
    if (r->verdict > o->verdict) { /* what was lighter is not said */
        o->verdict = r->verdict;
        o->n_hits = o->n_more = 0;
    }
    o->stop |= r->stop;
    if (r->verdict == o->verdict) {
        if (o->n_hits < HITS_MAX) {
            o->hits[o->n_hits++] = (struct hit){r, x};
        } else {
            o->n_more++;
        }
    }
}

static bool is_its_business(const struct rule *r, const struct thing *x) {
    return !r->needs_image || x->slot[U_IMAGE].ptr;
}

static bool speaks_of_things(struct rule *r, const struct facts *f, struct outcome *o) {
    const struct things *t = &f->things[r->about];
    bool all = r->verdict == TRL_V_ALLOW, spoke = false;
    const struct thing *first = NULL;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct thing *x = &t->at[i];
        if (!is_its_business(r, x)) {
            continue;
        }
        bool yes = speaks_of(r, f, x);
        if (all && !yes) {
            return false;
        }
        if (yes && !all) {
            hit(o, r, x);
            spoke = true;
        }
        first = first ? first : x;
    }
    if (all && first) {
        hit(o, r, first);
    }
    return spoke || (all && first);
}

void eval(const struct ruleset *rs, const struct facts *f, struct outcome *ret) {
    *ret = (struct outcome){.verdict = TRL_V_ABSTAIN, .ttl_ms = TRL_TTL_RULES};
    bool spoke_any = false;
    for (uint32_t i = 0; i < rs->n; i++) {
        struct rule *r = &rs->rules[i];
        bool spoke = false;
        if (!(r->points & AT(f->point)) || (f->removes && !r->of_verbs) ||
            (f->by_self && r->of_callers)) {
            continue;
        }
        if (r->about != ABOUT_WHOLE) {
            spoke = speaks_of_things(r, f, ret);
        } else if (speaks_of(r, f, NULL)) {
            spoke = true;
            hit(ret, r, NULL);
        }
        if (spoke) {
            __atomic_fetch_add(&r->hits, 1, __ATOMIC_RELAXED); /* batches run on several threads */
            ret->ttl_ms = r->ttl_ms < ret->ttl_ms ? r->ttl_ms : ret->ttl_ms;
            spoke_any = true;
        }
    }
    if (!spoke_any && !f->removes && rs->fallback_points & AT(f->point)) {
        ret->verdict = rs->fallback;
        if (rs->fallback > TRL_V_ALLOW) {
            ret->hits[ret->n_hits++] = (struct hit){NULL, NULL};
        }
    }
}
