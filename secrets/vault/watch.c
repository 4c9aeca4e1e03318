/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <stdio.h>

#include "../../plugins/common/xmem.h"
#include "vault.h"

struct watch {
    trl_inst *in;
    struct watch *next;
    trl_op *op;
    struct kv_ref ref;
    char last[KV_VERSION_MAX]; /* as it was told; "": gone or not to be read */
    bool told;
    bool asking; /* in the round under way: freed at its end */
    bool over;
    int64_t due_ns;
};

struct asked {
    struct watch *watch;
    trl_op *op; /* referenced */
    struct kv_ref ref;
    char version[KV_VERSION_MAX];
    trl_status st; /* CLOSED: not asked in the end */
};

struct round {
    trl_inst *in;
    trl_err outage;
    size_t n, cap;
    struct asked *at;
};

static void plan(trl_inst *in);

static int64_t now(const trl_inst *in) {
    return in->h->now_ns(in->h->ctx);
}

/* [work thread] */
static void round_work(void *arg) {
    struct round *r = arg;
    trl_inst *in = r->in;
    for (size_t i = 0; i < r->n; i++) {
        struct asked *a = &r->at[i];
        trl_err err = vault_err();
        struct patience w = {in->h, a->op, &in->stopping, INT64_MAX};
        a->st = kv_check(in, &w, &a->ref, false, a->version, &err);
        if (a->st == TRL_E_UNAVAIL) { /* the others would only wait for the same */
            r->outage = err;
            break;
        }
    }
}

/* A tenth more or less, so that many managers do not ask at the same time. */
static int64_t pause(trl_inst *in) {
    int64_t tenth = in->conf.poll_ns / 10;
    uint64_t r = in->loop->random(in->h->ctx);
    return in->conf.poll_ns - tenth + (int64_t)(r % (uint64_t)(2 * tenth + 1));
}

static void tell(struct watch *w, const char *version) {
    trl_bytes item = {version, strlen(version)};
    if (w->told && strcmp(w->last, version) == 0) {
        return;
    }
    if (w->in->h->op_emit(w->op, item) == TRL_OK) { /* else at the next round, or resume */
        snprintf(w->last, sizeof(w->last), "%s", version);
        w->told = true;
    }
}

/* What it means for who watches: only what is known is told. */
static void hear(struct watch *w, const struct asked *a) {
    switch (a->st) {
    case TRL_OK:
        tell(w, a->version);
        break;
    case TRL_E_NOTFOUND:
    case TRL_E_DENIED:
    case TRL_E_INVALID:
        tell(w, "");
        break;
    default:
        break;
    }
}

static void round_done(void *arg) {
    struct round *r = arg;
    trl_inst *in = r->in;
    int64_t at = now(in);
    for (size_t i = 0; i < r->n; i++) {
        struct watch *w = r->at[i].watch;
        w->asking = false;
        if (w->over) {
            free(w);
        } else {
            hear(w, &r->at[i]);
            w->due_ns = at + pause(in);
        }
        in->h->op_unref(r->at[i].op);
    }
    if (r->outage.code != TRL_OK && !in->told_outage) {
        trl_logf(in->h, TRL_LOG_WARN, "watched secrets cannot be looked after: %s", r->outage.msg);
    } else if (r->outage.code == TRL_OK && in->told_outage) {
        trl_logf(in->h, TRL_LOG_INFO, "watched secrets are looked after again");
    }
    in->told_outage = r->outage.code != TRL_OK;
    free(r->at);
    free(r);
    in->polling = false;
    plan(in);
}

static void on_due(void *arg) {
    trl_inst *in = arg;
    int64_t at = now(in);
    struct round *r = x_zalloc(sizeof(*r));
    in->timer = 0;
    r->in = in;
    r->outage = vault_err();
    for (struct watch *w = in->watches; w; w = w->next) {
        if (w->due_ns > at) {
            continue;
        }
        r->at = x_grow(r->at, r->n, &r->cap, sizeof(*r->at));
        r->at[r->n++] = (struct asked){.watch = w, .op = w->op, .ref = w->ref, .st = TRL_E_CLOSED};
        in->h->op_ref(w->op);
        w->asking = true;
    }
    in->polling = true;
    if (r->n == 0 || in->work->queue(in->h->ctx, round_work, round_done, r) != TRL_OK) {
        round_done(r);
    }
}

/* Sets the timer to the first that is due. */
static void plan(trl_inst *in) {
    int64_t due = INT64_MAX, at = now(in);
    if (in->polling || atomic_load(&in->stopping)) {
        return;
    }
    for (struct watch *w = in->watches; w; w = w->next) {
        due = w->due_ns < due ? w->due_ns : due;
    }
    if (in->timer) {
        in->loop->timer_stop(in->h->ctx, in->timer);
        in->timer = 0;
    }
    if (due != INT64_MAX) {
        in->timer = in->loop->timer_start(in->h->ctx, due > at ? due - at : 0, on_due, in);
    }
}

static void on_add(void *arg) {
    struct watch *w = arg;
    trl_inst *in = w->in;
    if (atomic_load(&in->stopping)) {
        trl_op_fail(in->h, w->op, TRL_E_CLOSED, "the backend is being stopped");
        free(w);
        return;
    }
    w->next = in->watches;
    in->watches = w;
    plan(in);
}

void watch_add(trl_inst *in, trl_op *op, const struct kv_ref *ref) {
    struct watch *w = x_zalloc(sizeof(*w));
    w->in = in;
    w->op = op;
    w->ref = *ref;
    if (in->h->post(in->h->ctx, on_add, w) != TRL_OK) {
        trl_op_fail(in->h, op, TRL_E_CLOSED, "the backend is being stopped");
        free(w);
    }
}

static void end(struct watch *w) {
    trl_op_fail(w->in->h, w->op, TRL_E_CANCELLED, "cancelled");
    w->over = true;
    if (!w->asking) {
        free(w);
    }
}

struct note {
    trl_inst *in;
    trl_op *op; /* referenced: no other op has its address meanwhile */
};

static void on_cancel(void *arg) {
    struct note n = *(struct note *)arg;
    free(arg);
    for (struct watch **at = &n.in->watches; *at; at = &(*at)->next) {
        if ((*at)->op == n.op) {
            struct watch *w = *at;
            *at = w->next;
            end(w);
            break;
        }
    }
    n.in->h->op_unref(n.op);
    plan(n.in);
}

static void on_resume(void *arg) {
    struct note n = *(struct note *)arg;
    free(arg);
    for (struct watch *w = n.in->watches; w; w = w->next) {
        if (w->op == n.op) {
            w->due_ns = now(n.in);
        }
    }
    n.in->h->op_unref(n.op);
    plan(n.in);
}

static void send_note(trl_inst *in, trl_op *op, void (*fn)(void *arg)) {
    struct note *n = x_alloc(sizeof(*n));
    *n = (struct note){in, op};
    in->h->op_ref(op);
    if (in->h->post(in->h->ctx, fn, n) != TRL_OK) {
        in->h->op_unref(op);
        free(n);
    }
}

void watch_cancel(trl_inst *in, trl_op *op) {
    send_note(in, op, on_cancel);
}

void watch_resume(trl_inst *in, trl_op *op) {
    send_note(in, op, on_resume);
}

void watch_end_all(trl_inst *in) {
    while (in->watches) {
        struct watch *w = in->watches;
        in->watches = w->next;
        end(w);
    }
}
