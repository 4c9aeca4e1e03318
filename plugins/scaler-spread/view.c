/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

static trl_str id_at(const trl_place_in *in, uint32_t i) {
    return ((const trl_host_view *)trl_at(in->hosts, in->host_stride, i))->id;
}

static int by_id(const void *a, const void *b, void *arg) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int c = trl_str_cmp(id_at(arg, x), id_at(arg, y));
    return c ? c : (x > y) - (x < y);
}

static void number_hosts(struct view *v) {
    v->sorted = true;
    v->order = scratch_array(&v->mem, v->n, sizeof(*v->order));
    for (uint32_t i = 0; i < v->n; i++) {
        v->order[i] = i;
        v->sorted = v->sorted && (i == 0 || trl_str_cmp(id_at(v->in, i - 1), id_at(v->in, i)) <= 0);
    }
    if (!v->sorted) {
        qsort_r(v->order, v->n, sizeof(*v->order), by_id, (void *)(uintptr_t)v->in);
    }
}

/* By host; the input's own list where that is in order already. */
static const uint32_t *in_order(struct view *v, const uint32_t *list) {
    if (list && v->sorted) {
        return list;
    }
    uint32_t *own = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    for (uint32_t p = 0; list && p < v->n; p++) {
        own[p] = list[v->order[p]];
    }
    return own;
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
    v->current = in_order(v, in->current);
    v->foreign = in_order(v, in->foreign);
    v->failing = in_order(v, in->failing);
    for (uint32_t p = 0; p < v->n; p++) {
        uint32_t i = v->order[p];
        v->kind[p] = (uint8_t)kind_of(in->host_flags ? in->host_flags[i] : view_host(v, p)->flags);
        if (v->foreign[p] && !singleton && v->kind[p] != HOST_FROZEN) {
            v->kind[p] = HOST_OUT; /* one entry per id and host: the id is taken */
        }
    }
}

/* One byte of the keys, stable: from -> to. Nothing moves when all have the same byte there. */
static bool sort_by_byte(const uint64_t *load, const uint32_t *from, uint32_t *to, uint32_t n,
                         uint32_t shift) {
    uint32_t first[257] = {0};
    for (uint32_t i = 0; i < n; i++) {
        first[(load[i] >> shift & 0xff) + 1]++;
    }
    if (n == 0 || first[(load[0] >> shift & 0xff) + 1] == n) {
        return false;
    }
    for (uint32_t c = 1; c < 256; c++) {
        first[c] += first[c - 1];
    }
    for (uint32_t i = 0; i < n; i++) {
        to[first[load[from[i]] >> shift & 0xff]++] = from[i];
    }
    return true;
}

/* Starts that fail, then everything that runs there, then the id. */
void view_rank(struct view *v) {
    if (v->by_rank) {
        return;
    }
    uint64_t *load = scratch_array(&v->mem, v->n, sizeof(*load)), any = 0;
    uint32_t *other = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    v->rank = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    v->by_rank = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    for (uint32_t p = 0; p < v->n; p++) {
        load[p] = (uint64_t)v->failing[p] << 32 | view_host(v, p)->n_instances;
        any |= load[p];
        v->by_rank[p] = p;
    }
    for (uint32_t shift = 0; shift < 64 && any >> shift; shift += 8) {
        if (sort_by_byte(load, v->by_rank, other, v->n, shift)) {
            uint32_t *sorted = other;
            other = v->by_rank;
            v->by_rank = sorted;
        }
    }
    for (uint32_t r = 0; r < v->n; r++) {
        v->rank[v->by_rank[r]] = r;
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

/* The spreads that ask for labels; the mask of those that take any host. */
static uint32_t part_spreads(const struct view *v, uint32_t *choosy, uint64_t *easy) {
    uint32_t n = 0;
    memset(easy, 0, v->words * sizeof(*easy));
    for (uint32_t k = 0; k < v->k; k++) {
        if (v->spec->spreads[v->shares[k].spread].n_needs > 0) {
            choosy[n++] = k;
        } else {
            easy[k / 64] |= 1ull << (k % 64);
        }
    }
    return n;
}

/* The table is at most half full; with few spreads there are few classes, so it stays small. */
static void classify_hosts(struct view *v) {
    uint64_t mask[SPEC_SPREADS_MAX / 64], easy[SPEC_SPREADS_MAX / 64];
    uint32_t choosy[SPEC_SPREADS_MAX], class = 0;
    uint32_t most = v->k < 31 && (1u << v->k) < v->n ? 1u << v->k : v->n, cap = 16;
    while (cap < 2 * most) {
        cap *= 2;
    }
    v->words = (v->k + 63) / 64;
    v->class_of = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    v->masks = scratch_array(&v->mem, (size_t)most * v->words, sizeof(uint64_t));
    v->bits = scratch_array(&v->mem, most, sizeof(uint32_t));
    uint32_t *table = scratch_array(&v->mem, cap, sizeof(uint32_t));
    uint32_t n_choosy = part_spreads(v, choosy, easy);
    for (uint32_t p = 0; p < v->n; p++) {
        if (p == 0 || n_choosy) {
            memcpy(mask, easy, v->words * sizeof(mask[0]));
            for (uint32_t c = 0; c < n_choosy; c++) {
                uint32_t k = choosy[c];
                bool fits = spread_matches(&v->spec->spreads[v->shares[k].spread], view_host(v, p));
                mask[k / 64] |= (uint64_t)fits << (k % 64);
            }
            class = class_find(v, table, cap, mask);
            v->overlap = v->overlap || v->bits[class] > 1;
        }
        if (n_choosy == 0 && v->bits[class]) {
            return; /* all are of that class, which is the first */
        }
        v->class_of[p] = class;
        if (v->bits[class] == 0 && v->kind[p] != HOST_FROZEN) {
            v->kind[p] = HOST_OUT;
        }
    }
}

void view_init(struct view *v, const trl_scaler_spec *spec, const trl_place_in *in) {
    scratch_init(&v->mem);
    v->n_classes = 0;
    v->overlap = false;
    v->by_rank = v->rank = NULL;
    v->spec = spec;
    v->in = in;
    v->n = in->n_hosts;
    v->k = spec->n_spreads;
    v->shares = scratch_array(&v->mem, v->k, sizeof(*v->shares));
    split(spec, spec->instances, v->shares);
    number_hosts(v);
    read_counts(v);
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
