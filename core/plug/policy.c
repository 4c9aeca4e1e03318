/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/policy.h"

#include <string.h>

#include "base/mem.h"
#include "plug/inst_priv.h"

#define INFO_NS 5000000000ll

uint32_t policy_points(struct plug_inst *in) {
    const trl_policy_v1 *t = plug_inst_table(in);
    uint32_t all = (1u << TRL_POINTS) - 1;
    return t->points ? t->points(plug_inst_raw(in)) & all : all;
}

uint32_t policy_looks_at(struct plug_inst *in, uint32_t point) {
    const trl_policy_v1 *t = plug_inst_table(in);
    return t->looks_at ? t->looks_at(plug_inst_raw(in), point) : UINT32_MAX;
}

/* Deciding */

struct policy_call {
    trl_op *op;
    const trl_policy_v1 *table;
    uint32_t point, n, heard;
    const char *wrong; /* what the backend did wrong; NULL: nothing yet */
    trl_subject *subjects;
    struct policy_verdict *verdicts;
    char **texts; /* their reasons; owned */
    void (*done)(void *arg, trl_status st, const struct policy_verdict *v, const trl_err *e);
    void *arg;
    bool in_call, cancelled; /* the plugin's side still reads the subjects; nobody listens */
    bool over;
};

#define NOT_HEARD (-1)

static void call_free(struct policy_call *c) {
    for (uint32_t i = 0; i < c->n; i++) {
        mem_free(c->texts[i]);
    }
    mem_free(c->texts);
    mem_free(c->subjects);
    mem_free(c->verdicts);
    mem_free(c);
}

static void call_run(trl_inst *raw, trl_op *op, void *arg) {
    struct policy_call *c = arg;
    c->table->decide(raw, op, c->point, c->subjects, c->n, sizeof(trl_subject));
}

static void call_returned(void *arg) {
    struct policy_call *c = arg;
    c->in_call = false;
    if (c->over) {
        call_free(c);
    }
}

static void call_end(struct policy_call *c) {
    c->over = true;
    if (!c->in_call) {
        call_free(c);
    }
}

static void on_verdict(void *arg, trl_bytes item) {
    struct policy_call *c = arg;
    trl_verdict v;
    if (c->cancelled || c->wrong) {
        return;
    }
    if (item.len < sizeof(v)) {
        c->wrong = "a verdict cannot be read";
        return;
    }
    memcpy(&v, item.ptr, sizeof(v));
    if (v.struct_size < sizeof(v) || (uint64_t)v.struct_size + v.reasons_len != item.len) {
        c->wrong = "a verdict cannot be read";
    } else if (v.index >= c->n) {
        c->wrong = "a verdict is about a subject that was not asked about";
    } else if (v.verdict < TRL_V_ABSTAIN || v.verdict > TRL_V_DENY) {
        c->wrong = "a verdict is none of allow, deny, warn, abstain";
    } else if (c->verdicts[v.index].verdict != NOT_HEARD) {
        c->wrong = "a subject got two verdicts";
    } else {
        struct policy_verdict *to = &c->verdicts[v.index];
        if (v.reasons_len) {
            c->texts[v.index] = mem_strndup((const char *)item.ptr + v.struct_size, v.reasons_len);
        }
        *to = (struct policy_verdict){v.verdict, v.flags, v.ttl_ms,
                                      str_n(c->texts[v.index], v.reasons_len)};
        c->heard++;
    }
}

static void on_decided(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct policy_call *c = arg;
    trl_err own;
    (void)result;
    if (!c->cancelled) {
        const char *wrong = c->wrong;
        if (st == TRL_OK && !wrong && c->heard < c->n) {
            wrong = "a subject got no verdict";
        }
        if (st == TRL_OK && wrong) {
            memset(&own, 0, sizeof(own));
            own.struct_size = sizeof(own);
            st = trl_errf(&own, TRL_E_INTERNAL, "%s", wrong);
            err = &own;
        }
        c->done(c->arg, st, st == TRL_OK ? c->verdicts : NULL, err);
    }
    call_end(c);
}

/* A call on the loop is over when it returns: what the caller has is there as long. */
static void borrow_subjects(struct policy_call *c, const str *subjects, str traceparent) {
    c->subjects = mem_alloc(c->n * sizeof(*c->subjects) + 1);
    for (uint32_t i = 0; i < c->n; i++) {
        c->subjects[i] = (trl_subject){sizeof(trl_subject), 0, subjects[i], traceparent};
    }
}

static str copy_text(char **at, str s) {
    char *to = *at;
    if (s.len) {
        memcpy(to, s.ptr, s.len);
    }
    *at += s.len;
    return str_n(to, s.len);
}

static void copy_subjects(struct policy_call *c, const str *subjects, str traceparent) {
    size_t bytes = traceparent.len;
    for (uint32_t i = 0; i < c->n; i++) {
        bytes += subjects[i].len;
    }
    c->subjects = mem_alloc(c->n * sizeof(*c->subjects) + bytes + 1);
    char *at = (char *)(c->subjects + c->n);
    str trace = copy_text(&at, traceparent);
    for (uint32_t i = 0; i < c->n; i++) {
        c->subjects[i] = (trl_subject){sizeof(trl_subject), 0, copy_text(&at, subjects[i]), trace};
    }
}

typedef void decided_fn(void *arg, trl_status st, const struct policy_verdict *v, const trl_err *e);

static struct policy_call *decide(struct plug_inst *in, uint32_t point, const str *subjects,
                                  uint32_t n, str traceparent, int64_t timeout_ns, bool at_once,
                                  decided_fn *done, void *arg) {
    struct policy_call *c = mem_zalloc(sizeof(*c));
    c->table = plug_inst_table(in);
    c->point = point;
    c->n = n;
    c->done = done;
    c->arg = arg;
    c->in_call = true;
    c->verdicts = mem_array(n ? n : 1, sizeof(*c->verdicts));
    c->texts = mem_array(n ? n : 1, sizeof(*c->texts));
    for (uint32_t i = 0; i < n; i++) {
        c->verdicts[i].verdict = NOT_HEARD;
    }
    (in->threads ? copy_subjects : borrow_subjects)(c, subjects, traceparent);
    struct op_handler h = {on_decided, on_verdict, NULL, c};
    trl_op *op = (at_once ? op_call_now : op_call)(in, timeout_ns, &h, call_run, c, call_returned);
    if (!op) { /* over, and freed */
        return NULL;
    }
    c->op = op;
    return c;
}

struct policy_call *policy_decide(struct plug_inst *in, uint32_t point, const str *subjects,
                                  uint32_t n, int64_t timeout_ns, decided_fn *done, void *arg) {
    return decide(in, point, subjects, n, STR_NONE, timeout_ns, false, done, arg);
}

struct policy_call *policy_decide_now(struct plug_inst *in, uint32_t point, const str *subjects,
                                      uint32_t n, str traceparent, int64_t timeout_ns,
                                      decided_fn *done, void *arg) {
    return decide(in, point, subjects, n, traceparent, timeout_ns, true, done, arg);
}

void policy_call_cancel(struct policy_call *c) {
    c->cancelled = true;
    op_cancel(c->op);
}

/* Watching */

struct policy_watch {
    trl_op *op;
    void (*on_change)(void *arg, str what);
    void (*on_end)(void *arg, trl_status st);
    void *arg;
};

static void watch_run(trl_inst *raw, trl_op *op, void *arg) {
    const trl_policy_v1 *t = plug_inst_table(arg);
    t->watch(raw, op);
}

static void on_watch_item(void *arg, trl_bytes item) {
    struct policy_watch *w = arg;
    w->on_change(w->arg, str_n(item.ptr, item.len));
}

static void on_watch_done(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct policy_watch w = *(struct policy_watch *)arg;
    (void)result;
    (void)err;
    mem_free(arg);
    w.on_end(w.arg, st == TRL_OK ? TRL_E_CLOSED : st);
}

struct policy_watch *policy_watch(struct plug_inst *in, void (*on_change)(void *arg, str what),
                                  void (*on_end)(void *arg, trl_status st), void *arg) {
    const trl_policy_v1 *t = plug_inst_table(in);
    if (!t->watch) {
        return NULL;
    }
    struct policy_watch *w = mem_alloc(sizeof(*w));
    *w = (struct policy_watch){NULL, on_change, on_end, arg};
    struct op_handler h = {on_watch_done, on_watch_item, NULL, w};
    w->op = op_call(in, 0, &h, watch_run, in, NULL);
    return w;
}

void policy_watch_end(struct policy_watch *w) {
    if (w) {
        op_forget(w->op);
        mem_free(w);
    }
}

/* Information */

struct info_call {
    void (*done)(void *arg, trl_status st, str json);
    void *arg;
};

static void info_run(trl_inst *raw, trl_op *op, void *arg) {
    const trl_policy_v1 *t = plug_inst_table(arg);
    t->info(raw, op);
}

static void on_info(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct info_call i = *(struct info_call *)arg;
    (void)err;
    mem_free(arg);
    i.done(i.arg, st, st == TRL_OK ? str_n(result.ptr, result.len) : STR_NONE);
}

void policy_info(struct plug_inst *in, void (*done)(void *arg, trl_status st, str json),
                 void *arg) {
    const trl_policy_v1 *t = plug_inst_table(in);
    if (!t->info) {
        done(arg, TRL_E_UNSUPP, STR_NONE);
        return;
    }
    struct info_call *i = mem_alloc(sizeof(*i));
    *i = (struct info_call){done, arg};
    struct op_handler h = {on_info, NULL, NULL, i};
    op_call(in, INFO_NS, &h, info_run, in, NULL);
}
