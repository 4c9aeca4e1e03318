/* SPDX-License-Identifier: Apache-2.0 */
#include "decide.h"

#include "../../plugins/common/xmem.h"
#include "answer.h"

/* Of a call: one request, about one subject or about several that stand one after the other. */
struct piece {
    struct http_req req;
    struct call *call;
    uint32_t first, n;
    int batch;    /* asked by batch_path */
    uint64_t era; /* of the rules when it was sent */
};

#define TRACE_HEADER "traceparent: "

struct call {
    struct call *prev, *next;
    struct calls *calls;
    trl_op *op;
    uint32_t point, n;
    trl_str *subjects; /* into texts */
    char *texts;
    char trace[sizeof(TRACE_HEADER) + TRL_TRACEPARENT_LEN]; /* of its requests; "": none */
    struct verdict *verdicts;
    struct piece *pieces;
    uint32_t n_pieces, n_open;
    uint32_t emitted;
    int emitting; /* everything is known */
};

struct calls {
    const trl_host *host;
    const struct opts *opts;
    struct http *http;
    struct watch *watch;
    struct call *first;
};

struct calls *calls_create(const trl_host *host, const struct opts *o, struct http *h,
                           struct watch *w) {
    struct calls *c = x_zalloc(sizeof(*c));
    c->host = host;
    c->opts = o;
    c->http = h;
    c->watch = w;
    return c;
}

void calls_destroy(struct calls *c) {
    free(c);
}

/* All subjects of a call are of one decision. */
static void keep_trace(struct call *call, trl_str trace) {
    if (trace.len) {
        snprintf(call->trace, sizeof(call->trace), TRACE_HEADER "%.*s", (int)trace.len, trace.ptr);
    }
}

/* Subjects may be larger or smaller than this side knows them: stride apart, and only the text is
 * read. */
struct call *call_create(struct calls *c, trl_op *op, uint32_t point, const void *subjects,
                         uint32_t n, uint32_t stride) {
    struct call *call = x_zalloc(sizeof(*call));
    size_t bytes = 0;
    char *at;
    call->calls = c;
    call->op = op;
    call->point = point;
    call->n = n;
    call->subjects = x_zalloc_n(n, sizeof(*call->subjects));
    for (uint32_t i = 0; i < n; i++) {
        bytes += ((const trl_subject *)trl_at(subjects, stride, i))->json.len;
    }
    at = call->texts = x_alloc(bytes);
    for (uint32_t i = 0; i < n; i++) {
        trl_str s = ((const trl_subject *)trl_at(subjects, stride, i))->json;
        if (s.len) {
            memcpy(at, s.ptr, s.len);
        }
        call->subjects[i] = trl_strn(at, s.len);
        at += s.len;
    }
    keep_trace(call, n ? trl_subject_traceparent(subjects) : trl_strn(NULL, 0));
    return call;
}

void call_destroy(struct call *call) {
    for (uint32_t i = 0; call->verdicts && i < call->n; i++) {
        verdict_finish(&call->verdicts[i]);
    }
    free(call->verdicts);
    free(call->pieces);
    free(call->subjects);
    free(call->texts);
    free(call);
}

/* Ends */

/* Off the list, its requests too. The op is left to the caller. */
static void forget(struct call *call) {
    struct calls *c = call->calls;
    for (uint32_t i = 0; i < call->n_pieces; i++) {
        http_drop(c->http, &call->pieces[i].req);
    }
    *(call->prev ? &call->prev->next : &c->first) = call->next;
    if (call->next) {
        call->next->prev = call->prev;
    }
    call_destroy(call);
}

static void fail(struct call *call, const trl_err *err) {
    trl_bytes none = {NULL, 0};
    trl_op *op = call->op;
    const trl_host *host = call->calls->host;
    forget(call);
    host->op_done(op, err->code, none, err);
}

static void fail_text(struct call *call, trl_status st, const char *text) {
    trl_err err = {.struct_size = sizeof(err)};
    trl_errf(&err, st, "%s", text);
    fail(call, &err);
}

/* Goes on telling verdicts until the core has enough for now. */
static void emit(struct call *call) {
    const trl_host *host = call->calls->host;
    trl_op *op = call->op;
    call->emitting = 1;
    while (call->emitted < call->n) {
        const struct verdict *v = &call->verdicts[call->emitted];
        trl_str reasons = trl_cstr(v->reasons);
        void *scratch = x_alloc(sizeof(trl_verdict) + reasons.len);
        trl_status st = trl_verdict_emit(host, op, scratch, call->emitted, v->verdict, v->flags,
                                         v->ttl_ms, reasons);
        free(scratch);
        if (st == TRL_E_BUSY) {
            return; /* resume comes */
        }
        if (st != TRL_OK) {
            fail_text(call, st == TRL_E_CLOSED ? TRL_E_CANCELLED : st, "nobody takes the verdicts");
            return;
        }
        call->emitted++;
    }
    forget(call);
    trl_op_ok(host, op);
}

static struct call *find(struct calls *c, const trl_op *op) {
    struct call *call = c->first;
    while (call && call->op != op) {
        call = call->next;
    }
    return call;
}

void calls_cancel(struct calls *c, trl_op *op) {
    struct call *call = find(c, op);
    if (call) {
        fail_text(call, TRL_E_CANCELLED, "cancelled");
    }
}

void calls_resume(struct calls *c, trl_op *op) {
    struct call *call = find(c, op);
    if (call && call->emitting) {
        emit(call);
    }
}

void calls_end(struct calls *c) {
    while (c->first) {
        fail_text(c->first, TRL_E_CLOSED, "the policy backend is being stopped");
    }
}

/* Answers */

static trl_status read_answer(struct piece *p, const struct http_answer *a, trl_err *err) {
    struct call *call = p->call;
    const struct calls *c = call->calls;
    const struct opts *o = c->opts;
    int kept = p->era && p->era == watch_era(c->watch);
    char *rule, *asked;
    trl_status st;
    if (a->st != TRL_OK) {
        return trl_errf(err, a->st, "%s", a->why);
    }
    if (a->status != 200) {
        st = answer_refused(o->url, a->status, a->body, a->len, err);
        err->retry_after_ms = a->retry_after_ms;
        return st;
    }
    rule = opts_rule_name(o->path, call->point);
    asked = opts_rule_name(p->batch ? o->batch_path : o->path, call->point);
    struct answer_terms t = {rule, asked, o->undefined,
                             o->ttl_ms != OPTS_TTL_UNTIL_CHANGE ? (uint32_t)o->ttl_ms
                             : kept                             ? TRL_TTL_RULES
                                                                : TRL_TTL_NONE,
                             kept};
    st = p->batch ? answer_batch(&t, a->body, a->len, call->verdicts + p->first, p->n, err)
                  : answer_one(&t, a->body, a->len, call->verdicts + p->first, err);
    free(rule);
    free(asked);
    return st;
}

static void on_answer(struct http_req *r, const struct http_answer *a) {
    struct piece *p = (struct piece *)((char *)r - offsetof(struct piece, req));
    struct call *call = p->call;
    trl_err err = {.struct_size = sizeof(err)};
    if (read_answer(p, a, &err) != TRL_OK) {
        http_failed(call->calls->http, err.msg);
        fail(call, &err);
        return;
    }
    http_worked(call->calls->http);
    if (--call->n_open == 0) {
        emit(call);
    }
}

/* Questions */

struct text {
    char *at;
    size_t n;
};

static void put(struct text *t, const char *s, size_t n) {
    if (n) {
        memcpy(t->at + t->n, s, n);
    }
    t->n += n;
}

#define PUT(t, literal) put((t), (literal), sizeof(literal) - 1)
#define AROUND          64u /* bytes of a body beside its subjects, at most */

/* {"input":S} or {"input":[S,S]}. Subjects are known to be objects, so nothing in them can end
 * theirs. */
static void send_piece(struct call *call, struct piece *p, int64_t deadline_ns) {
    const struct opts *o = call->calls->opts;
    struct text t = {NULL, 0};
    size_t bytes = AROUND;
    for (uint32_t i = p->first; i < p->first + p->n; i++) {
        bytes += call->subjects[i].len + 1;
    }
    t.at = x_alloc(bytes);
    if (p->batch) {
        PUT(&t, "{\"input\":[");
    } else {
        PUT(&t, "{\"input\":");
    }
    for (uint32_t i = p->first; i < p->first + p->n; i++) {
        if (i > p->first) {
            PUT(&t, ",");
        }
        put(&t, call->subjects[i].ptr, call->subjects[i].len);
    }
    if (p->batch) {
        PUT(&t, "]");
    }
    PUT(&t, "}");
    p->era = watch_era(call->calls->watch);
    p->req = (struct http_req){
        .path = opts_data_path(p->batch ? o->batch_path : o->path, call->point),
        .body = t.at,
        .body_len = t.n,
        .header = call->trace[0] ? call->trace : NULL,
        .limit = o->max_answer_bytes,
        .deadline_ns = deadline_ns,
        .on_done = on_answer,
    };
    http_submit(call->calls->http, &p->req);
}

static int check_subjects(struct call *call, trl_err *err) {
    size_t most = call->calls->opts->max_request_bytes - AROUND;
    for (uint32_t i = 0; i < call->n; i++) {
        trl_str s = call->subjects[i];
        if (s.len > most) {
            trl_errf(err, TRL_E_INVALID,
                     "subject %u has %zu bytes, more than a request may have (max_request_bytes)",
                     i, s.len);
            return -1;
        }
        if (!answer_is_object(s.ptr, s.len)) {
            trl_errf(err, TRL_E_INVALID, "subject %u is no JSON object", i);
            return -1;
        }
    }
    return 0;
}

/* As many subjects in a piece as fit into a request; without batch_path one. A single subject goes
 * by path: it needs no array. */
static void cut(struct call *call) {
    const struct opts *o = call->calls->opts;
    uint32_t i = 0;
    call->pieces = x_zalloc_n(call->n, sizeof(*call->pieces));
    while (i < call->n) {
        struct piece *p = &call->pieces[call->n_pieces++];
        size_t bytes = AROUND;
        p->call = call;
        p->first = i;
        p->batch = o->batch_path && call->n > 1;
        do {
            bytes += call->subjects[i++].len + 1;
        } while (p->batch && i < call->n &&
                 bytes + call->subjects[i].len + 1 <= o->max_request_bytes);
        p->n = i - p->first;
    }
}

/* A little before the core's deadline, so that it hears what it waited for in vain. */
static int64_t deadline_of(const struct calls *c, trl_op *op) {
    int64_t now = c->host->now_ns(c->host->ctx), left = c->host->op_deadline_ns(op) - now;
    int64_t own = c->opts->timeout_ms * 1000000;
    left -= left / 20;
    return now + (own < left ? own : left);
}

void calls_begin(struct calls *c, struct call *call) {
    trl_err err = {.struct_size = sizeof(err)};
    int64_t deadline = deadline_of(c, call->op);
    call->next = c->first;
    if (call->next) {
        call->next->prev = call;
    }
    c->first = call;
    if (c->host->op_cancelled(call->op)) {
        fail_text(call, TRL_E_CANCELLED, "cancelled");
        return;
    }
    if (check_subjects(call, &err) < 0) {
        fail(call, &err);
        return;
    }
    call->verdicts = x_zalloc_n(call->n, sizeof(*call->verdicts));
    cut(call);
    call->n_open = call->n_pieces;
    for (uint32_t i = 0; i < call->n_pieces; i++) {
        send_piece(call, &call->pieces[i], deadline);
    }
    if (call->n == 0) {
        emit(call);
    }
}
