/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/kv.h"

#include <string.h>

#include "base/mem.h"
#include "plug/inst_priv.h"
#include "plug/op.h"

/* A store that is silent for that long is not waited for: an API call has an answer by then. */
#define ANSWER_NS 20000000000ll
#define LIST_NS   120000000000ll
/* A change in a store of this machine is over sooner than a sleeping loop wakes up again: it is
 * waited for awake, so long as changes usually take less than this. */
#define AWAKE_NS 1000000ll

enum kv_fn { KV_GET, KV_PUT, KV_DEL, KV_BATCH, KV_LIST, KV_WATCH, KV_INFO };
static const char *const names[] = {"get", "put", "del", "batch", "list", "watch", "info"};

struct kv_watch { /* any request; of a watch the caller holds it */
    struct kv *kv;
    struct kv_watch *prev, *next;
    trl_op *op;
    enum kv_fn fn;
    bool answered;    /* get: its entry has come */
    int64_t begun_ns; /* a change of a local store, else 0 */
    kv_done_fn done;
    void (*on_get)(void *arg, trl_status st, const struct kv_entry *e);
    void (*on_entry)(void *arg, const struct kv_entry *e);
    void (*on_list_done)(void *arg, trl_status st, const trl_err *err);
    void (*on_end)(void *arg, trl_status st);
    void (*on_info)(void *arg, trl_status st, str json);
    void *arg;
};

struct kv {
    struct plug_inst *in;
    const trl_store_v1 *t;
    struct kv_watch *requests;
    bool local;         /* nobody else has it */
    uint32_t n_changes; /* under way, of a local store */
    int64_t usual_ns;   /* they take, lately */
};

struct kv *kv_create(struct plug_inst *in) {
    struct kv *k = mem_zalloc(sizeof(*k));
    k->in = in;
    k->t = plug_inst_table(in);
    k->local = (k->t->flags & TRL_S_EXCLUSIVE) != 0;
    return k;
}

static struct loop *loop_of(const struct kv *k) {
    return plug_loop(plug_inst_plug(k->in));
}

static void change_begins(struct kv_watch *r) {
    struct kv *k = r->kv;
    k->n_changes++;
    r->begun_ns = loop_now_ns(loop_of(k));
    if (k->usual_ns < AWAKE_NS) {
        loop_expect(loop_of(k), AWAKE_NS);
    }
}

static void change_ends(struct kv_watch *r) {
    struct kv *k = r->kv;
    k->usual_ns += (loop_now_ns(loop_of(k)) - r->begun_ns - k->usual_ns) / 8;
    if (--k->n_changes == 0) {
        loop_expect(loop_of(k), 0);
    }
}

static void end(struct kv_watch *r) {
    if (r->begun_ns) {
        change_ends(r);
    }
    *(r->prev ? &r->prev->next : &r->kv->requests) = r->next;
    if (r->next) {
        r->next->prev = r->prev;
    }
    mem_free(r);
}

void kv_destroy(struct kv *k) {
    if (!k) {
        return;
    }
    while (k->requests) {
        op_forget(k->requests->op);
        end(k->requests);
    }
    mem_free(k);
}

void kv_forget(struct kv *k, const void *arg) {
    struct kv_watch *next;
    for (struct kv_watch *r = k->requests; r; r = next) {
        next = r->next;
        if (r->arg == arg) {
            op_forget(r->op);
            end(r);
        }
    }
}

bool kv_idle(const struct kv *k) {
    return k->requests == NULL;
}

uint32_t kv_flags(const struct kv *k) {
    return k->t->flags;
}

/* The call itself. For a TRL_LOOP store args live on the caller's stack, for others they are copied
 * with all that they point to. */
struct kv_args {
    const trl_store_v1 *t;
    enum kv_fn fn;
    str key, after;
    trl_bytes value;
    uint64_t expect_rev;
    const trl_put *puts;
    uint32_t n; /* puts, or limit of a list */
};

static void run(trl_inst *raw, trl_op *op, void *arg) {
    const struct kv_args *a = arg;
    trl_put p = {sizeof(p), 0, a->key, a->value, a->expect_rev};
    switch (a->fn) {
    case KV_GET:
        a->t->get(raw, op, a->key);
        break;
    case KV_PUT:
        a->t->put(raw, op, &p);
        break;
    case KV_DEL:
        a->t->del(raw, op, a->key, a->expect_rev);
        break;
    case KV_BATCH:
        a->t->batch(raw, op, a->puts, a->n, sizeof(trl_put));
        break;
    case KV_LIST:
        a->t->list(raw, op, a->key, a->after, a->n);
        break;
    case KV_WATCH:
        a->t->watch(raw, op, a->key, 0);
        break;
    case KV_INFO:
        a->t->info(raw, op);
        break;
    }
}

static const void *dup_into(char **at, const void *p, size_t n) {
    char *to = *at;
    if (n) {
        memcpy(to, p, n);
    }
    *at += n;
    return to;
}

static struct kv_args *dup_args(const struct kv_args *a) {
    uint32_t n = a->fn == KV_BATCH ? a->n : 0;
    size_t bytes = a->key.len + a->after.len + a->value.len;
    for (uint32_t i = 0; i < n; i++) {
        bytes += a->puts[i].key.len + a->puts[i].value.len;
    }
    struct kv_args *d = mem_alloc(sizeof(*d) + n * sizeof(trl_put) + bytes);
    trl_put *puts = (trl_put *)(void *)(d + 1);
    char *at = (char *)(puts + n);
    *d = *a;
    d->key.ptr = dup_into(&at, a->key.ptr, a->key.len);
    d->after.ptr = dup_into(&at, a->after.ptr, a->after.len);
    d->value.ptr = dup_into(&at, a->value.ptr, a->value.len);
    for (uint32_t i = 0; i < n; i++) {
        puts[i] = a->puts[i];
        puts[i].key.ptr = dup_into(&at, a->puts[i].key.ptr, a->puts[i].key.len);
        puts[i].value.ptr = dup_into(&at, a->puts[i].value.ptr, a->puts[i].value.len);
    }
    d->puts = puts;
    return d;
}

static void on_done(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct kv_watch r = *(struct kv_watch *)arg;
    uint64_t revision = 0;
    end(arg);
    switch (r.fn) {
    case KV_GET:
        if (!r.answered) { /* OK without an entry is a store that breaks its word */
            r.on_get(r.arg, st == TRL_OK ? TRL_E_INTERNAL : st, NULL);
        }
        break;
    case KV_PUT:
    case KV_DEL:
    case KV_BATCH:
        if (st == TRL_OK && result.len == sizeof(revision)) {
            memcpy(&revision, result.ptr, sizeof(revision));
        }
        if (r.done) {
            r.done(r.arg, st, revision, err);
        }
        break;
    case KV_LIST:
        r.on_list_done(r.arg, st, err);
        break;
    case KV_WATCH:
        r.on_end(r.arg, st == TRL_OK ? TRL_E_CLOSED : st);
        break;
    case KV_INFO:
        r.on_info(r.arg, st, st == TRL_OK ? str_n(result.ptr, result.len) : STR_NONE);
        break;
    }
}

/* The item of a newer plugin may have a longer header. */
static bool read_entry(trl_bytes item, struct kv_entry *ret) {
    trl_entry e;
    if (item.len < sizeof(e)) {
        return false;
    }
    memcpy(&e, item.ptr, sizeof(e));
    if (e.struct_size < sizeof(e) ||
        (uint64_t)e.struct_size + e.key_len + e.value_len != item.len) {
        return false;
    }
    const char *at = (const char *)item.ptr + e.struct_size;
    *ret = (struct kv_entry){str_n(at, e.key_len), str_n(at + e.key_len, e.value_len), e.revision,
                             e.flags};
    return true;
}

static void on_item(void *arg, trl_bytes item) {
    struct kv_watch *r = arg;
    struct kv_entry e;
    if (!read_entry(item, &e)) {
        log_error(plug_log(plug_inst_plug(r->kv->in)),
                  "store '%s' emits an entry that is no entry (%zu bytes): it is left out",
                  plug_inst_component(r->kv->in)->name, item.len);
        return;
    }
    if (r->fn != KV_GET) {
        r->on_entry(r->arg, &e);
    } else if (!r->answered) {
        r->answered = true;
        r->on_get(r->arg, TRL_OK, &e);
    }
}

static struct kv_watch *start(struct kv *k, const struct kv_watch *want, struct kv_args *a,
                              int64_t timeout_ns) {
    struct kv_watch *r = mem_dup(want, sizeof(*want));
    r->kv = k;
    r->prev = NULL;
    r->next = k->requests;
    if (r->next) {
        r->next->prev = r;
    }
    k->requests = r;
    r->fn = a->fn;
    a->t = k->t;
    if (k->local && (a->fn == KV_PUT || a->fn == KV_DEL || a->fn == KV_BATCH)) {
        change_begins(r);
    }
    bool items = a->fn == KV_GET || a->fn == KV_LIST || a->fn == KV_WATCH;
    struct op_handler h = {.on_done = on_done, .on_item = items ? on_item : NULL, .arg = r};
    k->in->doing = names[a->fn];
    if (plug_inst_component(k->in)->thread_model == TRL_LOOP) {
        r->op = op_call(k->in, timeout_ns, &h, run, a, NULL);
    } else {
        r->op = op_call(k->in, timeout_ns, &h, run, dup_args(a), mem_free);
    }
    return r;
}

void kv_put(struct kv *k, str key, str value, uint64_t expect_rev, kv_done_fn done, void *arg) {
    struct kv_args a = {
        .fn = KV_PUT, .key = key, .value = {value.ptr, value.len}, .expect_rev = expect_rev};
    start(k, &(struct kv_watch){.done = done, .arg = arg}, &a, ANSWER_NS);
}

void kv_del(struct kv *k, str key, uint64_t expect_rev, kv_done_fn done, void *arg) {
    struct kv_args a = {.fn = KV_DEL, .key = key, .expect_rev = expect_rev};
    start(k, &(struct kv_watch){.done = done, .arg = arg}, &a, ANSWER_NS);
}

void kv_batch(struct kv *k, const trl_put *puts, uint32_t n, kv_done_fn done, void *arg) {
    struct kv_args a = {.fn = KV_BATCH, .puts = puts, .n = n};
    start(k, &(struct kv_watch){.done = done, .arg = arg}, &a, ANSWER_NS);
}

void kv_get(struct kv *k, str key, void (*done)(void *arg, trl_status st, const struct kv_entry *e),
            void *arg) {
    struct kv_args a = {.fn = KV_GET, .key = key};
    start(k, &(struct kv_watch){.on_get = done, .arg = arg}, &a, ANSWER_NS);
}

void kv_list(struct kv *k, str prefix, str after, uint32_t limit,
             void (*on_entry)(void *arg, const struct kv_entry *e),
             void (*done)(void *arg, trl_status st, const trl_err *err), void *arg) {
    struct kv_args a = {.fn = KV_LIST, .key = prefix, .after = after, .n = limit};
    start(k, &(struct kv_watch){.on_entry = on_entry, .on_list_done = done, .arg = arg}, &a,
          LIST_NS);
}

struct kv_watch *kv_watch(struct kv *k, str prefix,
                          void (*on_entry)(void *arg, const struct kv_entry *e),
                          void (*on_end)(void *arg, trl_status st), void *arg) {
    struct kv_args a = {.fn = KV_WATCH, .key = prefix};
    return start(k, &(struct kv_watch){.on_entry = on_entry, .on_end = on_end, .arg = arg}, &a, 0);
}

void kv_watch_end(struct kv_watch *w) {
    if (w) {
        op_forget(w->op);
        end(w);
    }
}

struct no_info {
    void (*done)(void *arg, trl_status st, str json);
    void *arg;
};

static void on_no_info(void *arg) {
    struct no_info n = *(struct no_info *)arg;
    mem_free(arg);
    n.done(n.arg, TRL_E_UNSUPP, STR_NONE);
}

void kv_info(struct kv *k, void (*done)(void *arg, trl_status st, str json), void *arg) {
    struct kv_args a = {.fn = KV_INFO};
    if (k->t->info) {
        start(k, &(struct kv_watch){.on_info = done, .arg = arg}, &a, ANSWER_NS);
        return;
    }
    struct no_info n = {done, arg};
    loop_post(loop_of(k), on_no_info, mem_dup(&n, sizeof(n)));
}
