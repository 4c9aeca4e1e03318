/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

static uint64_t mixed_hash(trl_str s) {
    uint64_t h = trl_hash_more(TRL_HASH_INIT, s.ptr, s.len);
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
    return h ^ h >> 33;
}

/* Weight of a spread in the draw, 0 if it wants nothing. One that asks for more has fewer hosts to
 * choose from: each label counts fourfold. */
static unsigned __int128 pull(const struct view *v, uint32_t k, bool equal) {
    const struct spread *s = &v->spec->spreads[v->shares[k].spread];
    if (v->shares[k].target == 0) {
        return 0;
    }
    return (unsigned __int128)(equal ? 1 : s->weight) << (2 * (s->n_needs < 8 ? s->n_needs : 8));
}

/* equal: all weights are 0. */
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

uint32_t *find_homes(struct view *v) {
    uint32_t *home = scratch_array(&v->mem, v->n, sizeof(uint32_t));
    bool equal = true;
    for (uint32_t k = 0; k < v->k; k++) {
        equal = equal && v->spec->spreads[k].weight == 0;
    }
    for (uint32_t p = 0; p < v->n; p++) {
        uint32_t class = v->class_of[p], bits = v->bits[class];
        home[p] = NONE;
        if (bits > 0 && v->kind[p] != HOST_OUT) {
            home[p] = v->k == 1 ? 0 : bits == 1 ? view_next(v, class, 0) : draw(v, p, equal);
        }
    }
    return home;
}
