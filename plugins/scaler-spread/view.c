/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

static int by_id(const void *a, const void *b, void *arg) {
    const trl_place_in *in = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const trl_host_view *hx = trl_at(in->hosts, in->host_stride, x);
    const trl_host_view *hy = trl_at(in->hosts, in->host_stride, y);
    int c = trl_str_cmp(hx->id, hy->id);
    return c ? c : (x > y) - (x < y);
}

static void number_hosts(struct view *v) {
    bool sorted = true;
    v->order = scratch_array(&v->mem, v->n, sizeof(*v->order));
    for (uint32_t i = 0; i < v->n; i++) {
        v->order[i] = i;
        if (i > 0 && sorted) {
            sorted = by_id(&v->order[i - 1], &v->order[i], (void *)(uintptr_t)v->in) < 0;
        }
    }
    if (!sorted) {
        qsort_r(v->order, v->n, sizeof(*v->order), by_id, (void *)(uintptr_t)v->in);
    }
}

static uint32_t at(const uint32_t *array, uint32_t i) {
    return array ? array[i] : 0;
}

/* A host that is frozen stays as it is whatever else holds: only then nothing can go wrong there.
 */
static enum host_kind kind_of(uint32_t flags) {
    if (flags & (TRL_HOST_STALE | TRL_HOST_SUSPECT)) {
        return HOST_FROZEN;
    }
    if (flags & TRL_HOST_EXCLUDED) {
        return HOST_OUT;
    }
    return (flags & TRL_HOST_READY) && !(flags & TRL_HOST_CORDONED) ? HOST_READY : HOST_KEEP;
}

static void read_counts(struct view *v) {
    const trl_place_in *in = v->in;
    bool singleton = (in->unit->flags & TRL_UNIT_SINGLETON_PER_HOST) != 0;
    v->kind = scratch_array(&v->mem, v->n, sizeof(*v->kind));
    v->current = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    v->foreign = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    v->failing = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    for (uint32_t p = 0; p < v->n; p++) {
        uint32_t i = v->order[p];
        const trl_host_view *h = view_host(v, p);
        v->current[p] = at(in->current, i);
        v->foreign[p] = at(in->foreign, i);
        v->failing[p] = at(in->failing, i);
        v->kind[p] = (uint8_t)kind_of(in->host_flags ? in->host_flags[i] : h->flags);
        if (v->foreign[p] && !singleton && v->kind[p] != HOST_FROZEN) {
            v->kind[p] = HOST_OUT; /* one entry per id and host: the id is taken */
        }
    }
}

struct welcome {
    uint64_t load; /* failing, then everything that runs there */
    uint32_t p;
};

static int by_welcome(const void *a, const void *b) {
    const struct welcome *x = a, *y = b;
    if (x->load != y->load) {
        return x->load < y->load ? -1 : 1;
    }
    return x->p < y->p ? -1 : 1;
}

static void rank_hosts(struct view *v) {
    struct welcome *w = scratch_array(&v->mem, v->n, sizeof(*w));
    bool sorted = true;
    v->rank = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    v->by_rank = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    for (uint32_t p = 0; p < v->n; p++) {
        w[p].load = (uint64_t)v->failing[p] << 32 | view_host(v, p)->n_instances;
        w[p].p = p;
        sorted = sorted && (p == 0 || w[p - 1].load <= w[p].load);
    }
    if (!sorted) {
        qsort(w, v->n, sizeof(*w), by_welcome);
    }
    for (uint32_t r = 0; r < v->n; r++) {
        v->by_rank[r] = w[r].p;
        v->rank[w[r].p] = r;
    }
}

/* The class of a mask: found, or made in its place (there is room for one more). */
static uint32_t class_find(struct view *v, uint32_t *table, uint32_t cap, const uint64_t *mask) {
    uint64_t hash = trl_hash_more(TRL_HASH_INIT, mask, v->words * sizeof(*mask));
    hash ^= hash >> 32;
    for (uint32_t i = (uint32_t)hash & (cap - 1);; i = (i + 1) & (cap - 1)) {
        if (table[i] == 0) {
            uint32_t c = v->n_classes++;
            table[i] = c + 1;
            v->bits[c] = 0;
            for (uint32_t w = 0; w < v->words; w++) {
                v->masks[(size_t)c * v->words + w] = mask[w];
                v->bits[c] += (uint32_t)__builtin_popcountll(mask[w]);
            }
            return c;
        }
        if (memcmp(class_mask(v, table[i] - 1), mask, v->words * sizeof(*mask)) == 0) {
            return table[i] - 1;
        }
    }
}

/* The table is at most half full; with few spreads there are few classes, so it stays small. */
static void classify_hosts(struct view *v) {
    uint64_t mask[SPEC_SPREADS_MAX / 64];
    uint32_t most = v->k < 31 && (1u << v->k) < v->n ? 1u << v->k : v->n, cap = 16;
    while (cap < 2 * most) {
        cap *= 2;
    }
    v->words = (v->k + 63) / 64;
    v->class_of = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    v->masks = scratch_array(&v->mem, (size_t)most * v->words, sizeof(uint64_t));
    v->bits = scratch_array(&v->mem, most, sizeof(uint32_t));
    uint32_t *table = scratch_array(&v->mem, cap, sizeof(uint32_t));
    for (uint32_t p = 0; p < v->n; p++) {
        const trl_host_view *h = view_host(v, p);
        memset(mask, 0, v->words * sizeof(mask[0]));
        for (uint32_t k = 0; k < v->k; k++) {
            if (spread_matches(&v->spec->spreads[v->shares[k].spread], h)) {
                mask[k / 64] |= 1ull << (k % 64);
            }
        }
        v->class_of[p] = class_find(v, table, cap, mask);
        if (v->bits[v->class_of[p]] == 0 && v->kind[p] != HOST_FROZEN) {
            v->kind[p] = HOST_OUT;
        }
        v->overlap = v->overlap || v->bits[v->class_of[p]] > 1;
    }
}

void view_init(struct view *v, const trl_scaler_spec *spec, const trl_place_in *in) {
    memset(v, 0, sizeof(*v));
    v->spec = spec;
    v->in = in;
    v->n = in->n_hosts;
    v->k = spec->n_spreads;
    v->shares = scratch_array(&v->mem, v->k, sizeof(*v->shares));
    split(spec, spec->instances, v->shares);
    number_hosts(v);
    read_counts(v);
    rank_hosts(v);
    classify_hosts(v);
}

void view_finish(struct view *v) {
    scratch_finish(&v->mem);
}

uint32_t view_next(const struct view *v, uint32_t class, uint32_t k) {
    const uint64_t *mask = class_mask(v, class);
    while (k < v->k) {
        uint64_t left = mask[k / 64] >> (k % 64);
        if (left) {
            k += (uint32_t)__builtin_ctzll(left);
            return k < v->k ? k : v->k;
        }
        k = (k / 64 + 1) * 64;
    }
    return v->k;
}
