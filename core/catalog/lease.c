/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/lease.h"

#include "base/mem.h"
#include "catalog/key.h"
#include "codec/json.h"
#include "plug/loop.h"

struct lease {
    struct loop *loop;
    struct kv *kv;
    const struct log *log;
    char *key, *holder; /* owned */
    int64_t ttl_ns;
    void (*on_change)(void *arg, bool held, uint64_t epoch);
    void *arg;
    struct loop_timer timer;
    bool busy; /* the store owes an answer */
    bool exclusive, held;
    uint64_t epoch, revision;
    int64_t sent_ns;  /* when the write under way began */
    int64_t until_ns; /* held: valid until then unless renewed */
    int64_t moved_ns; /* not held: when the revision was first seen */
    bool others;      /* another holder was seen last */
};

static void look(struct lease *l);

static void set_held(struct lease *l, bool held) {
    if (l->held != held) {
        l->held = held;
        log_info(l->log, "lease %s: %s, epoch %llu", l->key, held ? "held" : "lost",
                 (unsigned long long)l->epoch);
        l->on_change(l->arg, held, l->epoch);
    }
}

static void again(struct lease *l) {
    int64_t delay_ns = l->ttl_ns / 3, left_ns = l->until_ns - loop_now_ns(l->loop);
    if (l->held && l->exclusive) {
        return;
    }
    if (l->held && left_ns < delay_ns) {
        delay_ns = left_ns > 0 ? left_ns : 0;
    }
    loop_timer_start(&l->timer, delay_ns);
}

static void format(const struct lease *l, const char *holder, uint64_t epoch, struct buf *out) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv_u64(&w, "format", 1);
    jw_kv(&w, "holder", str_c(holder));
    jw_kv_u64(&w, "epoch", epoch);
    jw_kv_u64(&w, "ttl_ms", (uint64_t)(l->ttl_ns / 1000000));
    jw_end_object(&w);
}

static void on_written(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    struct lease *l = arg;
    l->busy = false;
    if (st == TRL_OK) {
        l->revision = revision;
        l->others = false;
        l->until_ns = l->sent_ns + l->ttl_ns; /* from the sending: others count from their seeing */
        set_held(l, true);
    } else if (st == TRL_E_CONFLICT) {
        l->moved_ns = loop_now_ns(l->loop);
        l->revision = 0;
        set_held(l, false);
    } else {
        log_warn(l->log, "lease %s: the store could not write it: %s %.*s", l->key, err_name(st),
                 err ? (int)err->msg_len : 0, err ? err->msg : "");
    }
    again(l);
}

static void write(struct lease *l, uint64_t expect_rev) {
    struct buf text = BUF_INIT;
    l->sent_ns = loop_now_ns(l->loop);
    l->busy = true;
    format(l, l->holder, l->epoch, &text);
    kv_put(l->kv, str_c(l->key), buf_str(&text), expect_rev, on_written, l);
    buf_finish(&text);
}

static void consider(struct lease *l, const struct kv_entry *x) {
    struct arena a = ARENA_INIT;
    struct node *root = NULL;
    int64_t now_ns = loop_now_ns(l->loop);
    str holder = STR("");
    uint64_t epoch = 0;
    if (json_parse(x->value, &a, &root, NULL) == 0) {
        holder = node_text(root, "holder", STR(""));
        epoch = node_u64_or(root, "epoch", 0);
    }
    if (x->revision != l->revision) {
        l->revision = x->revision;
        l->moved_ns = now_ns;
    }
    l->others = holder.len > 0 && !str_is(holder, l->holder);
    if (l->exclusive || holder.len == 0 || str_is(holder, l->holder) ||
        now_ns - l->moved_ns >= l->ttl_ns) {
        l->epoch = (epoch > l->epoch ? epoch : l->epoch) + 1;
        write(l, x->revision);
    } else {
        again(l);
    }
    arena_finish(&a);
}

static void on_seen(void *arg, trl_status st, const struct kv_entry *x) {
    struct lease *l = arg;
    l->busy = false;
    if (st == TRL_OK) {
        consider(l, x);
    } else if (st == TRL_E_NOTFOUND && l->others && !l->exclusive &&
               loop_now_ns(l->loop) - l->moved_ns < l->ttl_ns) {
        again(l); /* the store was emptied: the holder may not know yet */
    } else if (st == TRL_E_NOTFOUND) {
        l->epoch++;
        write(l, TRL_REV_ABSENT);
    } else {
        again(l);
    }
}

static void look(struct lease *l) {
    l->busy = true;
    kv_get(l->kv, str_c(l->key), on_seen, l);
}

static void on_timer(void *arg) {
    struct lease *l = arg;
    if (l->held && !l->exclusive && loop_now_ns(l->loop) >= l->until_ns) {
        set_held(l, false);
    }
    if (l->busy) {
        again(l);
    } else if (l->held) {
        write(l, l->revision);
        again(l);
    } else {
        look(l);
    }
}

struct lease *lease_create(struct loop *loop, struct kv *kv, const struct log *log, str tenant,
                           str lattice, str holder, int64_t ttl_ns,
                           void (*on_change)(void *arg, bool held, uint64_t epoch), void *arg) {
    struct lease *l = mem_zalloc(sizeof(*l));
    struct buf key = BUF_INIT;
    struct key k = {KEY_LEASE, tenant, lattice, STR_NONE, STR_NONE, 0, 0};
    key_format(&k, &key);
    l->loop = loop;
    l->kv = kv;
    l->log = log;
    l->key = buf_take(&key);
    l->holder = str_dup(holder);
    l->ttl_ns = ttl_ns;
    l->on_change = on_change;
    l->arg = arg;
    l->exclusive = kv_flags(kv) & TRL_S_EXCLUSIVE;
    loop_timer_init(&l->timer, loop, on_timer, l);
    look(l);
    return l;
}

bool lease_held(const struct lease *l) {
    return l->held;
}

static void on_given_back(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    (void)arg, (void)st, (void)revision, (void)err; /* it expires by itself otherwise */
}

void lease_destroy(struct lease *l) {
    struct buf text = BUF_INIT;
    if (!l) {
        return;
    }
    loop_timer_stop(&l->timer);
    kv_forget(l->kv, l);
    if (l->held && !l->busy) {
        format(l, "", l->epoch, &text); /* not deleted: the epoch must go on growing */
        kv_put(l->kv, str_c(l->key), buf_str(&text), l->revision, on_given_back, NULL);
        buf_finish(&text);
    }
    mem_free(l->key);
    mem_free(l->holder);
    mem_free(l);
}
