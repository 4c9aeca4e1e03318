/* SPDX-License-Identifier: Apache-2.0 */
#include "disk_life.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t draw(struct life *l, uint64_t below) {
    l->seed = l->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (l->seed >> 33) % below;
}

static trl_str key_of(uint64_t k, char text[32]) {
    snprintf(text, 32, "1._.default.app.k%02u", (unsigned)k);
    return trl_cstr(text);
}

/* Most values are small, some span sectors, some are empty. */
static trl_bytes value_of(uint64_t revision, char text[4096]) {
    uint64_t h = revision * 0x9e3779b97f4a7c15ull >> 40;
    size_t n = h % 16 == 0 ? 0 : h % 16 == 1 ? 2000 + h % 2000 : h % 300;
    trl_bytes b = {text, n};
    for (size_t i = 0; i < n; i++) {
        text[i] = (char)('a' + (revision + i * 7) % 26);
    }
    return b;
}

void life_init(struct life *l, uint64_t seed, int sync, uint64_t compact_bytes) {
    memset(l, 0, sizeof(*l));
    l->seed = seed;
    l->sync = sync;
    l->compact_bytes = compact_bytes;
    l->fs = fakefs_create();
    l->io = fakefs_io(l->fs);
    l->disk.log_fd = l->disk.lock_fd = -1;
}

trl_status life_open(struct life *l, struct disk_report *rep, trl_err *err) {
    err->struct_size = sizeof(*err);
    kvindex_init(&l->ix);
    return disk_open(&l->disk, &l->io, "/store", l->sync, &l->ix, rep, err);
}

static void snap_free(struct life *l) {
    for (size_t i = 0; i < l->snap.n; i++) {
        kvrec_unref(l->snap.recs[i]);
    }
    free(l->snap.recs);
    memset(&l->snap, 0, sizeof(l->snap));
}

void life_close(struct life *l) {
    snap_free(l);
    disk_close(&l->disk);
    kvindex_finish(&l->ix);
}

void life_finish(struct life *l) {
    fakefs_destroy(l->fs);
}

static void nothing(void *arg, struct kvrec *r) {
    (void)arg;
    (void)r;
}

static void collect(void *arg, struct kvrec *r) {
    struct life *l = arg;
    l->snap.recs[l->snap.n++] = kvrec_ref(r);
}

static struct kvwrite *make_write(struct life *l) {
    trl_put puts[3];
    char keys[3][32], values[3][4096];
    uint32_t n = 1 + (uint32_t)draw(l, 3);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t r = ++l->in_flight;
        l->key[r] = (uint8_t)draw(l, LIFE_KEYS);
        l->deleted[r] = draw(l, 6) == 0;
        puts[i] = (trl_put){.struct_size = sizeof(trl_put),
                            .flags = l->deleted[r] ? TRL_PUT_DELETE : 0,
                            .key = key_of(l->key[r], keys[i]),
                            .value = value_of(r, values[i]),
                            .expect_rev = TRL_REV_ANY};
    }
    return kvwrite_new(NULL, NULL, puts, n, sizeof(puts[0]));
}

trl_status life_snapshot(struct life *l, trl_err *err) {
    trl_status st = TRL_OK;
    if (l->snap.gen) {
        st = disk_snapshot(&l->disk, &l->snap, err);
        snap_free(l);
        if (st == TRL_OK) {
            disk_snapshot_done(&l->disk);
            l->n_snapshots++;
        }
    }
    return st;
}

static void maybe_compact(struct life *l) {
    trl_err err = {.struct_size = sizeof(err)};
    if (l->snap.gen) {
        if (--l->snap_wait == 0) {
            life_snapshot(l, &err);
        }
    } else if (l->disk.log_bytes + l->disk.old_bytes > l->compact_bytes) {
        if (disk_rotate(&l->disk, &err) != TRL_OK) {
            return;
        }
        l->synced = l->acked;
        kvindex_drop_tombstones(&l->ix);
        l->snap.recs = calloc(l->ix.n_live + 1, sizeof(struct kvrec *));
        kvindex_since(&l->ix, 0, collect, l);
        l->snap.gen = l->disk.gen;
        l->snap.revision = l->ix.revision;
        l->snap.floor = l->ix.floor;
        l->snap_wait = 3;
    }
}

trl_status life_step(struct life *l, trl_err *err) {
    struct kvwrite *first = NULL, **at = &first;
    uint64_t before = l->in_flight;
    int was_dead = l->disk.dead.code != 0;
    trl_status st;
    for (uint64_t i = 0, n = 1 + draw(l, 3); i < n; i++) {
        struct kvwrite *w = make_write(l);
        kvwrite_stage(&l->ix, w);
        *at = w;
        at = &w->next;
    }
    st = disk_append(&l->disk, first, err);
    if (st == TRL_OK) {
        kvindex_commit(&l->ix, nothing, NULL);
        l->acked = l->in_flight;
    } else {
        kvindex_rollback(&l->ix, 0);
        l->n_failed++;
        if (st == TRL_E_UNAVAIL || was_dead) { /* nothing of it can be on the medium */
            l->in_flight = before;
        }
    }
    while (first) {
        struct kvwrite *w = first;
        first = w->next;
        kvwrite_free(w);
    }
    if (st == TRL_OK) {
        disk_reserve(&l->disk, 5000);
        maybe_compact(l);
    }
    return st;
}

const char *life_compare(const struct life *l, const struct kvindex *ix, uint64_t revision) {
    uint64_t last[LIFE_KEYS] = {0};
    size_t live = 0;
    if (ix->revision != revision) {
        return "another revision";
    }
    for (uint64_t r = 1; r <= revision; r++) {
        last[l->key[r]] = r;
    }
    for (uint64_t k = 0; k < LIFE_KEYS; k++) {
        char text[32], value[4096];
        const struct kvrec *r = kvindex_find(ix, key_of(k, text));
        int want = last[k] && !l->deleted[last[k]];
        trl_bytes v;
        live += (size_t)want;
        if (want != (r && !kvrec_deleted(r))) {
            return want ? "a key is missing" : "a key is there that should not";
        }
        if (!want) {
            continue;
        }
        v = value_of(last[k], value);
        if (r->e.revision != last[k] || r->e.value_len != v.len ||
            (v.len && memcmp(kvrec_value(r).ptr, v.ptr, v.len) != 0)) {
            return "a key has another value or revision";
        }
    }
    return live == ix->n_live ? NULL : "another number of keys";
}
