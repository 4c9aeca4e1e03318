/* SPDX-License-Identifier: Apache-2.0 */
#include "calls.h"

#include "../../plugins/common/xmem.h"
#include "question.h"

struct call;

/* A question on its way. */
struct sent {
    struct sent *prev, *next; /* in the queue while it waits */
    struct call *call;
    const struct question *q;
    uint32_t subject;
    int waiting;
    uint64_t id; /* of the transport; 0: none under way */
};

struct subject {
    struct questions questions;
    int denied, failed; /* failed: a question got no answer */
    json_t *reasons;
    char traceparent[TRL_TRACEPARENT_LEN + 1]; /* "": none */
};

struct call {
    struct call *prev, *next;
    struct calls *calls;
    trl_op *op;
    uint32_t n, n_sent, n_open, emitted;
    struct subject *subjects;
    struct sent *sent;
    trl_err failure; /* of a question, the first */
    uint64_t era;    /* when it began */
    int emitting;
};

struct calls {
    const trl_host *host;
    const trl_host_transport_v1 *bus;
    const trl_host_loop_v1 *loop;
    const struct opts *opts;
    struct memory *memory;
    void (*on_forgotten)(void *arg);
    void *arg;
    struct call *first;
    struct sent *queue, *queue_last;
    uint32_t under_way;
    uint64_t era; /* how often answers changed */
    struct calls_facts facts;
};

struct calls *calls_create(const trl_host *h, const struct opts *o, struct memory *m,
                           void (*on_forgotten)(void *arg), void *arg) {
    struct calls *c = x_zalloc(sizeof(*c));
    c->host = h;
    c->bus = h->get_interface(h->ctx, TRL_HOST_TRANSPORT_V1);
    c->loop = h->get_interface(h->ctx, TRL_HOST_LOOP_V1);
    c->opts = o;
    c->memory = m;
    c->on_forgotten = on_forgotten;
    c->arg = arg;
    return c;
}

const struct calls_facts *calls_facts(const struct calls *c) {
    return &c->facts;
}

/* The queue */

static void enqueue(struct calls *c, struct sent *s) {
    s->waiting = 1;
    s->prev = c->queue_last;
    s->next = NULL;
    *(s->prev ? &s->prev->next : &c->queue) = s;
    c->queue_last = s;
}

static void dequeue(struct calls *c, struct sent *s) {
    s->waiting = 0;
    *(s->prev ? &s->prev->next : &c->queue) = s->next;
    *(s->next ? &s->next->prev : &c->queue_last) = s->prev;
}

/* Ends */

/* Off the list. Nothing of it is heard any more; its op is left to the caller. */
static void drop(struct call *call) {
    struct calls *c = call->calls;
    for (uint32_t i = 0; i < call->n_sent; i++) {
        struct sent *s = &call->sent[i];
        if (s->waiting) {
            dequeue(c, s);
        } else if (s->id) {
            c->bus->cancel(c->host->ctx, s->id);
            c->under_way--;
        }
    }
    for (uint32_t i = 0; i < call->n; i++) {
        questions_finish(&call->subjects[i].questions);
        json_decref(call->subjects[i].reasons);
    }
    *(call->prev ? &call->prev->next : &c->first) = call->next;
    if (call->next) {
        call->next->prev = call->prev;
    }
    free(call->sent);
    free(call->subjects);
    free(call);
}

static void fail(struct call *call, const trl_err *err) {
    const trl_host *host = call->calls->host;
    trl_op *op = call->op;
    trl_err copy = *err; /* it may be the call's own */
    drop(call);
    host->op_done(op, copy.code, (trl_bytes){NULL, 0}, &copy);
}

static void fail_text(struct call *call, trl_status st, const char *text) {
    trl_err err = {.struct_size = sizeof(err)};
    trl_errf(&err, st, "%s", text);
    fail(call, &err);
}

static uint32_t ttl_of(const struct call *call, int32_t verdict) {
    const struct calls *c = call->calls;
    if (verdict == TRL_V_ABSTAIN) { /* the protocol will not learn words for it */
        return TRL_TTL_RULES;
    }
    if (call->era != c->era) {
        return TRL_TTL_NONE;
    }
    return c->opts->changes_topic  ? TRL_TTL_RULES
           : verdict == TRL_V_DENY ? TRL_TTL_NONE
                                   : c->opts->ttl_ms;
}

static trl_status emit_one(const struct call *call, uint32_t i) {
    const struct calls *c = call->calls;
    const struct subject *s = &call->subjects[i];
    int32_t verdict = s->denied ? TRL_V_DENY : s->questions.n ? TRL_V_ALLOW : TRL_V_ABSTAIN;
    uint32_t ttl = ttl_of(call, verdict);
    char *text = s->denied ? x_checked(json_dumps(s->reasons, JSON_COMPACT)) : NULL;
    trl_str reasons = trl_cstr(text);
    void *scratch = x_alloc(sizeof(trl_verdict) + reasons.len);
    trl_status st = trl_verdict_emit(c->host, call->op, scratch, i, verdict, 0, ttl, reasons);
    free(scratch);
    free(text);
    return st;
}

/* Goes on telling verdicts until the core has enough for now. */
static void emit(struct call *call) {
    const trl_host *host = call->calls->host;
    trl_op *op = call->op;
    call->emitting = 1;
    for (; call->emitted < call->n; call->emitted++) {
        trl_status st = emit_one(call, call->emitted);
        if (st == TRL_E_BUSY) {
            return; /* resume comes */
        }
        if (st != TRL_OK) {
            fail_text(call, st == TRL_E_CLOSED ? TRL_E_CANCELLED : st, "nobody takes the verdicts");
            return;
        }
    }
    drop(call);
    trl_op_ok(host, op);
}

/* A question without an answer fails the call, unless another one of the same subject is denied: a
 * no about one unit is enough. */
static void maybe_end(struct call *call) {
    if (call->n_open) {
        return;
    }
    for (uint32_t i = 0; i < call->n; i++) {
        if (call->subjects[i].failed && !call->subjects[i].denied) {
            fail(call, &call->failure);
            return;
        }
    }
    emit(call);
}

/* Answers */

static void note_answer(struct call *call, const struct sent *s, int permitted,
                        const char *message) {
    struct calls *c = call->calls;
    struct subject *to = &call->subjects[s->subject];
    permitted ? c->facts.permitted++ : c->facts.denied++;
    if (!permitted) {
        to->denied = 1;
        to->reasons = to->reasons ? to->reasons : json_array();
        answer_reason(to->reasons, s->q, message, c->opts->topic);
    }
}

static void note_failure(struct call *call, const struct sent *s, const trl_err *err) {
    struct calls *c = call->calls;
    int first = c->facts.failure[0] == '\0';
    c->facts.failed++;
    snprintf(c->facts.failure, sizeof(c->facts.failure), "%s", err->msg);
    trl_logf(c->host, first ? TRL_LOG_WARN : TRL_LOG_DEBUG, "remote policy: %s", err->msg);
    call->subjects[s->subject].failed = 1;
    if (!call->failure.code) {
        call->failure = *err;
    }
}

static void note_success(struct calls *c) {
    if (c->facts.failure[0]) {
        c->facts.failure[0] = '\0';
        trl_logf(c->host, TRL_LOG_INFO, "remote policy: %s is answered again", c->opts->topic);
    }
}

static const char *why(trl_status st) {
    return st == TRL_E_NORESPONDER ? "nobody answers on it; is the policy service running?"
           : st == TRL_E_TIMEOUT   ? "no answer in time (timeout_ms)"
           : st == TRL_E_UNAVAIL   ? "the transport's link is down"
                                   : "the request failed";
}

static void pump(struct calls *c);

static void on_reply(void *arg, trl_status st, const trl_msg *m) {
    struct sent *s = arg;
    struct call *call = s->call;
    struct calls *c = call->calls;
    struct answer a = {0};
    trl_err err = {.struct_size = sizeof(err)};
    s->id = 0;
    c->under_way--;
    call->n_open--;
    if (st != TRL_OK) {
        trl_errf(&err, st, "%s: %s", c->opts->topic, why(st));
    } else if ((st = answer_read(m->payload, &a, &err)) == TRL_OK) {
        const struct override *o = memory_find(c->memory, s->q->key); /* came meanwhile */
        note_success(c);
        note_answer(call, s, o ? o->permitted : a.permitted, o ? o->message : a.message);
        answer_finish(&a);
    }
    if (st != TRL_OK) {
        note_failure(call, s, &err);
    }
    maybe_end(call);
    pump(c);
}

/* Questions */

static void send_one(struct calls *c, struct sent *s) {
    void *ctx = c->host->ctx;
    int64_t left = c->host->op_deadline_ns(s->call->op) - c->host->now_ns(ctx);
    int64_t patience = c->opts->timeout_ms * 1000000;
    char id[QUESTION_ID_LEN + 1], *text;
    trl_msg m = {.struct_size = sizeof(m), .subject = trl_cstr(c->opts->topic)};
    question_id((uint64_t)c->loop->wall_ms(ctx), c->loop->random(ctx), c->loop->random(ctx), id);
    if (c->opts->changes_topic && memory_note(c->memory, id, s->q->key)) {
        c->on_forgotten(c->arg);
    }
    trl_label trace = {trl_cstr("traceparent"),
                       trl_cstr(s->call->subjects[s->subject].traceparent)};
    m.headers = trace.value.len ? &trace : NULL;
    m.n_headers = trace.value.len ? 1 : 0;
    text = question_text(s->q, id);
    m.payload = (trl_bytes){text, strlen(text)};
    left -= left / 20; /* before the core's deadline, so that it hears what was waited for */
    if (left < patience) {
        patience = left > 1 ? left : 1;
    }
    c->facts.asked++;
    c->under_way++;
    s->id = c->bus->request(ctx, &m, patience, on_reply, s);
    free(text);
}

/* Answers come in a later turn, so nothing here ends a call but the queue's own limits. */
static void pump(struct calls *c) {
    while (c->queue && c->under_way < c->opts->max_requests) {
        struct sent *s = c->queue;
        dequeue(c, s);
        send_one(c, s);
    }
}

/* All questions of all subjects; those that the service answered once and for all are not asked. */
static void ask(struct call *call) {
    struct calls *c = call->calls;
    uint32_t total = 0;
    for (uint32_t i = 0; i < call->n; i++) {
        total += call->subjects[i].questions.n;
    }
    call->sent = x_zalloc_n(total, sizeof(*call->sent));
    for (uint32_t i = 0; i < call->n; i++) {
        for (uint32_t k = 0; k < call->subjects[i].questions.n; k++) {
            struct sent *s = &call->sent[call->n_sent++];
            s->call = call;
            s->q = &call->subjects[i].questions.at[k];
            s->subject = i;
            const struct override *o = memory_find(c->memory, s->q->key);
            if (o) {
                c->facts.overridden++;
                note_answer(call, s, o->permitted, o->message);
            } else {
                call->n_open++;
                enqueue(c, s);
            }
        }
    }
    maybe_end(call);
}

void calls_decide(struct calls *c, trl_op *op, uint32_t point, const void *subjects, uint32_t n,
                  uint32_t stride) {
    struct call *call = x_zalloc(sizeof(*call));
    trl_err err = {.struct_size = sizeof(err)};
    call->calls = c;
    call->op = op;
    call->n = n;
    call->era = c->era;
    call->subjects = x_zalloc_n(n, sizeof(*call->subjects));
    call->next = c->first;
    if (call->next) {
        call->next->prev = call;
    }
    c->first = call;
    for (uint32_t i = 0; i < n; i++) {
        const trl_subject *s = trl_at(subjects, stride, i);
        trl_str trace = trl_subject_traceparent(s);
        snprintf(call->subjects[i].traceparent, sizeof(call->subjects[i].traceparent), "%.*s",
                 (int)trace.len, trace.len ? trace.ptr : "");
        if (questions_read(point, s->json, &call->subjects[i].questions, &err) != TRL_OK) {
            fail(call, &err);
            return;
        }
    }
    ask(call);
    pump(c);
}

static struct call *find(const struct calls *c, const trl_op *op) {
    struct call *call = c->first;
    while (call && call->op != op) {
        call = call->next;
    }
    return call;
}

int calls_cancel(struct calls *c, trl_op *op) {
    struct call *call = find(c, op);
    if (call) {
        fail_text(call, TRL_E_CANCELLED, "cancelled");
        pump(c);
    }
    return call != NULL;
}

int calls_resume(struct calls *c, trl_op *op) {
    struct call *call = find(c, op);
    if (call && call->emitting) {
        emit(call);
    }
    return call != NULL;
}

void calls_changed(struct calls *c) {
    c->era++;
}

void calls_end(struct calls *c) {
    while (c->first) {
        fail_text(c->first, TRL_E_CLOSED, "the policy backend is being stopped");
    }
}

void calls_destroy(struct calls *c) {
    if (c) {
        while (c->first) {
            drop(c->first);
        }
        free(c);
    }
}
