/* SPDX-License-Identifier: Apache-2.0 */
#include "marks.h"

#include "../common/xmem.h"
#include "text.h"
#include "update.h"

#define MARK_NS        (10 * NS_PER_S)
#define CLEAN_AGAIN_NS (5 * NS_PER_S)
#define MANAGED_BY     "wasmcloud.dev/managed-by"

struct mark {
    uint64_t hash; /* image, count and annotations asked for */
    int64_t until_ns;
    int rebuild;
};

static uint64_t hash_of(trl_str image, uint32_t count, const trl_label *notes, uint32_t n) {
    uint64_t set = label_set_hash(notes, n);
    uint64_t h = trl_hash_more(TRL_HASH_INIT, image.ptr, image.len);
    h = trl_hash_more(h, &count, sizeof(count));
    return trl_hash_more(h, &set, sizeof(set));
}

void mark_set(struct host *h, const struct scale *s, uint32_t run_kind, int rebuild) {
    int provider = run_kind == TRL_RUN_PROVIDER;
    trl_str image = provider ? proto_provider_image(s->image) : s->image;
    struct mark *m = names_find(&h->marks, s->unit_id);
    if (!m) {
        m = x_zalloc(sizeof(*m));
        names_put(&h->marks, s->unit_id, m);
    }
    m->hash = hash_of(image, provider ? 1 : s->count, s->annotations, s->n_annotations);
    m->rebuild = rebuild;
    /* The start itself may take as long as a fetch and a compilation take. */
    m->until_ns = now_ns(h->l->d) + h->l->d->set.preflight_ns + MARK_NS;
}

void mark_drop(struct host *h, trl_str unit) {
    free(names_take(&h->marks, unit));
}

int mark_believes(const struct host *h, const trl_running *e) {
    const struct mark *m = names_find(&h->marks, e->unit_id);
    int live = m && m->until_ns > now_ns(h->l->d);
    if (e->count == 0) {
        return !live;
    }
    return live && !m->rebuild &&
           m->hash == hash_of(e->image, e->count, e->annotations, e->n_annotations);
}

void marks_prune(struct host *h) {
    int64_t now = h->marks.n ? now_ns(h->l->d) : 0;
    for (size_t i = 0; h->marks.n && i < h->marks.cap; i++) {
        struct mark *m = h->marks.slots[i].key ? h->marks.slots[i].value : NULL;
        if (m && m->until_ns <= now) {
            names_take(&h->marks, trl_strn(h->marks.slots[i].key, h->marks.slots[i].len));
            free(m);
            i = (size_t)-1; /* the table has moved */
        }
    }
}

void marks_clear(struct host *h) {
    for (size_t i = 0; i < h->marks.cap; i++) {
        if (h->marks.slots[i].key) {
            free(h->marks.slots[i].value);
        }
    }
    names_finish(&h->marks);
}

int trial_is(const trl_running *e) {
    if (e->kind != TRL_RUN_COMPONENT || !text_ends(e->unit_id, TRIAL_TAIL)) {
        return 0;
    }
    for (uint32_t i = 0; i < e->n_annotations; i++) {
        if (trl_str_is(e->annotations[i].key, MANAGED_BY)) {
            return trl_str_is(e->annotations[i].value, "wadm");
        }
    }
    return 0;
}

size_t trials_apart(struct inventory *inv) {
    size_t n = inv->n_entries;
    for (size_t i = 0; i < n;) {
        if (trial_is(&inv->entries[i])) {
            trl_running trial = inv->entries[i];
            inv->entries[i] = inv->entries[--n];
            inv->entries[n] = trial;
        } else {
            i++;
        }
    }
    return n;
}

static void on_cleaned(void *arg, const struct answer *a) {
    (void)arg; /* if it did not work the next inventory shows it again */
    (void)a;
}

void trials_clean(struct host *h, const struct inventory *inv, size_t n_real) {
    struct lattice *l = h->l;
    int64_t now = now_ns(l->d);
    int left = 0;
    for (size_t i = n_real; i < inv->n_entries; i++) {
        left |= inv->entries[i].count > 0 && !update_owns_trial(h, inv->entries[i].unit_id);
    }
    if (!left) {
        h->leftover_ns = 0;
        return;
    }
    if (!h->leftover_ns) {
        h->leftover_ns = now;
    }
    /* Another control plane may be at work: only who acts here cleans up at once. */
    if ((!l->acted && now - h->leftover_ns < 2 * l->d->set.preflight_ns) ||
        (h->cleaned_ns && now - h->cleaned_ns < CLEAN_AGAIN_NS)) {
        return;
    }
    h->cleaned_ns = now;
    for (size_t i = n_real; i < inv->n_entries; i++) {
        const trl_running *e = &inv->entries[i];
        if (e->count > 0 && !update_owns_trial(h, e->unit_id)) {
            struct scale s = {.host_id = host_id(h), .unit_id = e->unit_id};
            s.annotations = e->annotations; /* echoed when it is gone already */
            s.n_annotations = e->n_annotations;
            call_start(l, proto_op("component.scale", host_id(h)), proto_scale(&s),
                       l->d->set.timeout_ns, on_cleaned, NULL);
        }
    }
}
