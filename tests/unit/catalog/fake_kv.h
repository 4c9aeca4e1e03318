/* SPDX-License-Identifier: Apache-2.0
 *
 * kv.h over a plain array, with faults on order: included once by a test program, in place of the
 * plug room's. Several struct kv may share one store: that is how two instances meet.
 */
#ifndef TRELLIS_TESTS_FAKE_KV_H
#define TRELLIS_TESTS_FAKE_KV_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plug/kv.h"
#include "plug/loop.h"

struct fake_entry {
    char *key, *value; /* value NULL: tombstone */
    size_t len;
    uint64_t revision;
};

struct fake_store {
    struct loop *loop;
    VEC(struct fake_entry) at; /* by key */
    uint64_t revision;
    VEC(struct kv_watch *) watches;
    uint32_t flags;
};

struct fake_job;

struct kv {
    struct fake_store *store;
    uint32_t jobs; /* under way */
    bool dead;
    bool mute; /* answers wait for fake_unmute */
    bool deaf; /* so does what the watch tells */
    VEC(struct fake_job *) muted;
    VEC(struct fake_job *) pending;
    trl_status fail_put; /* next puts of heads answer this ... */
    uint32_t n_fail_put; /* ... so many times */
    bool fail_after;     /* ... although they were written */
    bool late_ack;       /* the watch tells of a write before it is acknowledged */
    trl_status fail_get; /* every get answers this */
    uint32_t puts, dels, gets;
    /* Called before a put is applied: another instance can slip in. */
    void (*before_put)(void *arg, str key);
    void *arg;
};

struct kv_watch {
    struct kv *kv;
    char *prefix;
    void (*on_entry)(void *arg, const struct kv_entry *e);
    void (*on_end)(void *arg, trl_status st);
    void *arg;
    bool over;
};

enum fake_verb {
    FAKE_PUT,
    FAKE_DEL,
    FAKE_GET,
    FAKE_LIST,
    FAKE_TELL,
    FAKE_SNAPSHOT,
    FAKE_RESET,
    FAKE_END,
    FAKE_ACK
};

struct fake_job {
    struct kv *kv;
    enum fake_verb verb;
    char *key, *value;
    size_t len;
    uint64_t expect, revision;
    uint32_t flags;
    trl_status st;
    bool forgotten;
    kv_done_fn done;
    void (*on_get)(void *arg, trl_status st, const struct kv_entry *e);
    void (*on_entry)(void *arg, const struct kv_entry *e);
    void (*on_list)(void *arg, trl_status st, const trl_err *err);
    struct kv_watch *watch;
    void *arg;
};

static inline struct fake_entry *fake_find(struct fake_store *s, str key, uint32_t *ret_at) {
    uint32_t i = 0;
    while (i < s->at.n && str_cmp(str_c(s->at.at[i].key), key) < 0) {
        i++;
    }
    *ret_at = i;
    return i < s->at.n && str_eq(str_c(s->at.at[i].key), key) ? &s->at.at[i] : NULL;
}

static inline void fake_run(void *arg);

static inline struct fake_job *fake_job(struct kv *k, enum fake_verb verb, str key, void *arg) {
    struct fake_job *j = mem_zalloc(sizeof(*j));
    j->kv = k;
    j->verb = verb;
    j->key = str_dup(key);
    j->arg = arg;
    k->jobs++;
    *VEC_ADD(&k->pending) = j;
    loop_post(k->store->loop, fake_run, j);
    return j;
}

static inline void fake_tell(struct fake_store *s, const struct fake_entry *e) {
    for (uint32_t i = 0; i < s->watches.n; i++) {
        struct kv_watch *w = s->watches.at[i];
        if (!w->over && str_starts(str_c(e->key), str_c(w->prefix))) {
            struct fake_job *j = fake_job(w->kv, FAKE_TELL, str_c(e->key), NULL);
            j->watch = w;
            j->revision = e->revision;
            j->flags = e->value ? 0 : TRL_ENTRY_DELETED;
            j->value = e->value ? mem_dup(e->value, e->len + 1) : NULL;
            j->len = e->len;
        }
    }
}

/* Writes at once, whoever does it; value ptr NULL: deletes. */
static inline trl_status fake_write(struct fake_store *s, str key, str value, uint64_t expect,
                                    uint64_t *ret_rev) {
    uint32_t i;
    struct fake_entry *e = fake_find(s, key, &i);
    bool there = e && e->value;
    if (expect != TRL_REV_ANY && (expect == TRL_REV_ABSENT ? there : !e || e->revision != expect)) {
        return TRL_E_CONFLICT;
    }
    if (!e) {
        (void)VEC_ADD(&s->at);
        memmove(&s->at.at[i + 1], &s->at.at[i], (s->at.n - 1 - i) * sizeof(*s->at.at));
        e = &s->at.at[i];
        *e = (struct fake_entry){.key = str_dup(key)};
    }
    mem_free(e->value);
    e->value = value.ptr ? str_dup(value) : NULL;
    e->len = value.len;
    e->revision = *ret_rev = ++s->revision;
    fake_tell(s, e);
    return TRL_OK;
}

static inline void fake_put(struct fake_job *j) {
    struct kv *k = j->kv;
    uint64_t rev = 0;
    trl_status st = TRL_OK;
    bool head = strstr(j->key, ".app.") != NULL, faulty = head && k->n_fail_put > 0;
    trl_err err = {.struct_size = sizeof(err)};
    if (k->before_put) {
        k->before_put(k->arg, str_c(j->key));
    }
    if (!faulty || k->fail_after) {
        st = fake_write(k->store, str_c(j->key),
                        j->verb == FAKE_PUT ? str_n(j->value, j->len) : STR_NONE, j->expect, &rev);
    }
    if (faulty) {
        k->n_fail_put--;
        st = k->fail_put;
        trl_errf(&err, st, "fault on order");
    }
    if (k->late_ack && j->done) {
        struct fake_job *ack = fake_job(k, FAKE_ACK, str_c(j->key), j->arg);
        ack->done = j->done;
        ack->st = st;
        ack->revision = rev;
    } else if (j->done) {
        j->done(j->arg, st, rev, st ? &err : NULL);
    }
}

static inline void fake_emit(const struct fake_entry *e,
                             void (*on_entry)(void *arg, const struct kv_entry *e), void *arg) {
    struct kv_entry x = {str_c(e->key), str_n(e->value, e->len), e->revision, 0};
    on_entry(arg, &x);
}

static inline void fake_list(struct fake_job *j, void (*on_entry)(void *, const struct kv_entry *),
                             void *arg, const char *prefix) {
    struct fake_store *s = j->kv->store;
    for (uint32_t i = 0; i < s->at.n; i++) {
        if (s->at.at[i].value && str_starts(str_c(s->at.at[i].key), str_c(prefix))) {
            fake_emit(&s->at.at[i], on_entry, arg);
        }
    }
}

static inline void fake_watch_free(struct kv_watch *w) {
    struct fake_store *s = w->kv->store;
    for (uint32_t i = 0; i < s->watches.n; i++) {
        if (s->watches.at[i] == w) {
            s->watches.at[i] = s->watches.at[--s->watches.n];
        }
    }
    mem_free(w->prefix);
    mem_free(w);
}

static inline void fake_run_watch(struct fake_job *j) {
    struct kv_watch *w = j->watch;
    struct kv_entry sync = {.revision = j->kv->store->revision, .flags = TRL_ENTRY_SYNC};
    struct kv_entry reset = {.flags = TRL_ENTRY_RESET};
    struct kv_entry x = {str_c(j->key), str_n(j->value, j->value ? j->len : 0), j->revision,
                         j->flags};
    if (j->verb == FAKE_END) {
        if (!w->over) {
            w->on_end(w->arg, TRL_E_UNAVAIL);
        }
        fake_watch_free(w);
    } else if (!w->over && j->verb == FAKE_TELL) {
        w->on_entry(w->arg, &x);
    } else if (!w->over) {
        if (j->verb == FAKE_RESET) {
            w->on_entry(w->arg, &reset);
        }
        fake_list(j, w->on_entry, w->arg, w->prefix);
        w->on_entry(w->arg, &sync);
    }
}

static inline void fake_run(void *arg) {
    struct fake_job *j = arg;
    struct kv *k = j->kv;
    struct fake_store *s = k->store;
    uint32_t i;
    if ((k->mute || (k->deaf && (j->verb == FAKE_TELL || j->verb == FAKE_RESET))) && !k->dead) {
        *VEC_ADD(&k->muted) = j;
        return;
    }
    bool watch = j->verb == FAKE_TELL || j->verb == FAKE_SNAPSHOT || j->verb == FAKE_RESET ||
                 j->verb == FAKE_END;
    for (uint32_t n = 0; n < k->pending.n; n++) {
        if (k->pending.at[n] == j) {
            k->pending.at[n] = k->pending.at[--k->pending.n];
        }
    }
    if (j->forgotten) {
        j->done = NULL;
    }
    if (watch && (!k->dead || j->verb == FAKE_END)) {
        fake_run_watch(j);
    } else if (j->forgotten && (j->verb == FAKE_GET || j->verb == FAKE_LIST || !j->done)) {
        if (j->verb == FAKE_PUT || j->verb == FAKE_DEL) {
            fake_put(j);
        }
    } else if (!k->dead && j->verb == FAKE_GET) {
        struct fake_entry *e = fake_find(s, str_c(j->key), &i);
        bool there = e && e->value && !k->fail_get;
        struct kv_entry x = {str_c(j->key), str_n(there ? e->value : NULL, there ? e->len : 0),
                             there ? e->revision : 0, 0};
        j->on_get(j->arg,
                  there         ? TRL_OK
                  : k->fail_get ? k->fail_get
                                : TRL_E_NOTFOUND,
                  there ? &x : NULL);
    } else if (!k->dead && j->verb == FAKE_LIST) {
        fake_list(j, j->on_entry, j->arg, j->key);
        j->on_list(j->arg, TRL_OK, NULL);
    } else if (!k->dead && j->verb == FAKE_ACK) {
        trl_err err = {.struct_size = sizeof(err), .code = j->st};
        j->done(j->arg, j->st, j->revision, j->st ? &err : NULL);
    } else if (!k->dead) {
        fake_put(j);
    }
    mem_free(j->key);
    mem_free(j->value);
    mem_free(j);
    if (--k->jobs == 0 && k->dead) {
        VEC_FREE(&k->pending);
        mem_free(k);
    }
}

void kv_forget(struct kv *k, const void *arg) {
    for (uint32_t i = 0; i < k->pending.n; i++) {
        k->pending.at[i]->forgotten |= k->pending.at[i]->arg == arg;
    }
}

uint32_t kv_flags(const struct kv *k) {
    return k->store->flags;
}

void kv_put(struct kv *k, str key, str value, uint64_t expect_rev, kv_done_fn done, void *arg) {
    struct fake_job *j = fake_job(k, FAKE_PUT, key, arg);
    k->puts++;
    assert_true(trl_key_ok(key));
    assert_true(value.len <= 1024 * 1024);
    j->value = str_dup(value);
    j->len = value.len;
    j->expect = expect_rev;
    j->done = done;
}

void kv_del(struct kv *k, str key, uint64_t expect_rev, kv_done_fn done, void *arg) {
    struct fake_job *j = fake_job(k, FAKE_DEL, key, arg);
    k->dels++;
    j->expect = expect_rev;
    j->done = done;
}

void kv_get(struct kv *k, str key, void (*done)(void *arg, trl_status st, const struct kv_entry *e),
            void *arg) {
    k->gets++;
    fake_job(k, FAKE_GET, key, arg)->on_get = done;
}

void kv_list(struct kv *k, str prefix, str after, uint32_t limit,
             void (*on_entry)(void *arg, const struct kv_entry *e),
             void (*done)(void *arg, trl_status st, const trl_err *err), void *arg) {
    struct fake_job *j = fake_job(k, FAKE_LIST, prefix, arg);
    (void)after, (void)limit;
    j->on_entry = on_entry;
    j->on_list = done;
}

struct kv_watch *kv_watch(struct kv *k, str prefix,
                          void (*on_entry)(void *arg, const struct kv_entry *e),
                          void (*on_end)(void *arg, trl_status st), void *arg) {
    struct kv_watch *w = mem_zalloc(sizeof(*w));
    *w = (struct kv_watch){k, str_dup(prefix), on_entry, on_end, arg, false};
    *VEC_ADD(&k->store->watches) = w;
    fake_job(k, FAKE_SNAPSHOT, STR(""), NULL)->watch = w;
    return w;
}

void kv_watch_end(struct kv_watch *w) {
    w->over = true;
    fake_job(w->kv, FAKE_END, STR(""), NULL)->watch = w;
}

static inline struct kv *fake_kv(struct fake_store *s) {
    struct kv *k = mem_zalloc(sizeof(*k));
    k->store = s;
    return k;
}

void kv_destroy(struct kv *k) {
    k->dead = true;
    if (k->jobs == 0) {
        VEC_FREE(&k->pending);
        mem_free(k);
    }
}

static inline void fake_unmute(struct kv *k) {
    k->mute = k->deaf = false;
    for (uint32_t i = 0; i < k->muted.n; i++) {
        loop_post(k->store->loop, fake_run, k->muted.at[i]);
    }
    VEC_FREE(&k->muted);
}

/* All watches of this kv break. */
static inline void fake_break(struct kv *k) {
    for (uint32_t i = 0; i < k->store->watches.n; i++) {
        if (k->store->watches.at[i]->kv == k && !k->store->watches.at[i]->over) {
            fake_job(k, FAKE_END, STR(""), NULL)->watch = k->store->watches.at[i];
        }
    }
}

/* Tells everything again, as a transport does after a reconnect. */
static inline void fake_resync(struct kv *k) {
    for (uint32_t i = 0; i < k->store->watches.n; i++) {
        if (k->store->watches.at[i]->kv == k) {
            fake_job(k, FAKE_SNAPSHOT, STR(""), NULL)->watch = k->store->watches.at[i];
        }
    }
}

static inline void fake_clear(struct fake_store *s) {
    for (uint32_t i = 0; i < s->at.n; i++) {
        mem_free(s->at.at[i].key);
        mem_free(s->at.at[i].value);
    }
    VEC_FREE(&s->at);
    s->revision = 0;
}

static inline void fake_copy(struct fake_store *to, const struct fake_store *from) {
    fake_clear(to);
    to->revision = from->revision;
    for (uint32_t i = 0; i < from->at.n; i++) {
        const struct fake_entry *e = &from->at.at[i];
        *VEC_ADD(&to->at) =
            (struct fake_entry){mem_strdup(e->key), e->value ? mem_dup(e->value, e->len + 1) : NULL,
                                e->len, e->revision};
    }
}

/* The store loses its past: it is empty, or what it was at the time of that copy. */
static inline void fake_lose(struct fake_store *s, const struct fake_store *copy) {
    if (copy) {
        fake_copy(s, copy);
    } else {
        fake_clear(s);
    }
    for (uint32_t i = 0; i < s->watches.n; i++) {
        fake_job(s->watches.at[i]->kv, FAKE_RESET, STR(""), NULL)->watch = s->watches.at[i];
    }
}

static inline uint32_t fake_count(struct fake_store *s, const char *part) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->at.n; i++) {
        n += s->at.at[i].value && strstr(s->at.at[i].key, part) != NULL;
    }
    return n;
}

static inline void fake_store_finish(struct fake_store *s) {
    fake_clear(s);
    VEC_FREE(&s->watches);
}

#endif
