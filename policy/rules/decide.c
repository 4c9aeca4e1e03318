/* SPDX-License-Identifier: Apache-2.0 */
#include "decide.h"

#include <stdio.h>
#include <trellis/helper.h>

#include "../../plugins/common/xmem.h"

/* Bytes of subjects times rules that are held against them on the loop: two or three ms. */
#define AT_ONCE (16ull << 20)

/* Verdicts of one call that the core could not take yet. */
struct kept {
    struct kept *next;
    trl_op *op;
    struct text bytes; /* each: a uint64_t length, a verdict */
    size_t at;         /* what was emitted already */
};

struct batch { /* a call under way */
    const trl_host *host;
    const struct ruleset *rules;
    struct desk *desk;
    uint32_t point;
    struct kept kept; /* with the op */
    uint32_t decided;
    bool unreadable; /* of subject `decided` */
};

/* A batch on the pool. */
struct job {
    struct decider *d;
    struct ruleset *rules; /* a reference */
    struct desk desk;
    struct batch batch;
    trl_str *subjects; /* copies, in one block with this array */
    uint32_t n;
};

/* TRL_OK; TRL_E_BUSY: it is kept; TRL_E_CLOSED: nobody listens. */
static trl_status emit(struct batch *b, uint32_t index, const struct outcome *o) {
    static const trl_verdict room; /* the helper writes there */
    struct text *scratch = &b->desk->scratch;
    trl_str reasons = text_str(&b->desk->reasons);
    uint32_t flags = o->stop && o->verdict == TRL_V_DENY ? TRL_VERDICT_STOP : 0;
    trl_status st = TRL_E_BUSY;
    text_clear(scratch);
    text_add(scratch, (const char *)&room, sizeof(room));
    text_add(scratch, reasons.ptr, reasons.len);
    if (b->kept.bytes.len == 0) {
        st = trl_verdict_emit(b->host, b->kept.op, scratch->at, index, o->verdict, flags, o->ttl_ms,
                              reasons);
    }
    if (st == TRL_E_BUSY) {
        uint64_t len = scratch->len;
        trl_verdict v = {sizeof(v), flags, index, o->verdict, o->ttl_ms, (uint32_t)reasons.len};
        memcpy(scratch->at, &v, sizeof(v));
        text_add(&b->kept.bytes, (const char *)&len, sizeof(len));
        text_add(&b->kept.bytes, scratch->at, scratch->len);
    }
    return st;
}

/* False: no more of this batch. */
static bool decide_one(struct batch *b, trl_str subject) {
    struct desk *desk = b->desk;
    struct outcome o;
    if (!facts_read(&desk->facts, b->point, subject, b->rules->abouts[b->point])) {
        b->unreadable = true;
        return false;
    }
    eval(b->rules, &desk->facts, &o);
    text_clear(&desk->reasons);
    say_reasons(b->rules, &desk->facts, &o, &desk->reasons);
    return emit(b, b->decided++, &o) != TRL_E_CLOSED;
}

/* Emits what was kept; true when the call is over. */
static bool flush(const trl_host *host, struct kept *k) {
    while (k->at < k->bytes.len) {
        uint64_t len;
        memcpy(&len, k->bytes.at + k->at, sizeof(len));
        trl_bytes item = {k->bytes.at + k->at + sizeof(len), len};
        trl_status st = host->op_emit(k->op, item);
        if (st == TRL_E_BUSY) {
            return false;
        }
        if (st != TRL_OK) {
            break;
        }
        k->at += sizeof(len) + len;
    }
    return true;
}

/* Completes the op, or leaves it to resume(). */
static void finish(struct decider *d, struct batch *b) {
    struct kept *k = &b->kept;
    d->decided += b->decided;
    if (b->unreadable) {
        char why[128];
        snprintf(why, sizeof(why), "subject %u is no JSON object, or has a number beyond 63 bits",
                 b->decided);
        trl_op_fail(d->host, k->op, TRL_E_INVALID, why);
    } else if (flush(d->host, k)) {
        trl_op_ok(d->host, k->op);
    } else {
        struct kept *later = x_alloc(sizeof(*later));
        *later = *k;
        later->next = d->kept;
        d->kept = later;
        return;
    }
    text_finish(&k->bytes);
}

static void desk_finish(struct desk *desk) {
    facts_finish(&desk->facts);
    text_finish(&desk->reasons);
    text_finish(&desk->scratch);
}

static void job_run(void *arg) {
    struct job *j = arg;
    uint32_t i = 0;
    while (i < j->n && decide_one(&j->batch, j->subjects[i])) {
        i++;
    }
}

static void job_free(struct job *j) {
    rules_free(j->rules);
    desk_finish(&j->desk);
    free(j->subjects);
    free(j);
}

static void job_done(void *arg) {
    struct job *j = arg;
    finish(j->d, &j->batch);
    job_free(j);
}

/* False: the pool takes nothing any more. */
static bool begin_job(struct decider *d, struct ruleset *rs, const struct batch *b,
                      const void *subjects, uint32_t n, uint32_t stride, size_t bytes) {
    struct job *j = x_zalloc(sizeof(*j));
    j->d = d;
    j->rules = rules_ref(rs);
    j->batch = *b;
    j->batch.desk = &j->desk;
    j->subjects = x_alloc(n * sizeof(*j->subjects) + bytes);
    char *at = (char *)(j->subjects + n);
    for (j->n = 0; j->n < n; j->n++) {
        trl_str s = ((const trl_subject *)trl_at(subjects, stride, j->n))->json;
        if (s.len) {
            memcpy(at, s.ptr, s.len);
        }
        j->subjects[j->n] = trl_strn(at, s.len);
        at += s.len;
    }
    if (d->work->queue(d->host->ctx, job_run, job_done, j) != TRL_OK) {
        job_free(j);
        return false;
    }
    return true;
}

void decider_decide(struct decider *d, struct ruleset *rs, trl_op *op, uint32_t point,
                    const void *subjects, uint32_t n, uint32_t stride) {
    struct batch b = {.host = d->host, .rules = rs, .desk = &d->desk, .point = point};
    size_t bytes = 0;
    b.kept.op = op;
    for (uint32_t i = 0; i < n; i++) {
        bytes += ((const trl_subject *)trl_at(subjects, stride, i))->json.len;
    }
    if (bytes * (8ull + rs->n_at[point]) > AT_ONCE &&
        begin_job(d, rs, &b, subjects, n, stride, bytes)) {
        return;
    }
    uint32_t i = 0;
    while (i < n && decide_one(&b, ((const trl_subject *)trl_at(subjects, stride, i))->json)) {
        i++;
    }
    facts_clear(&d->desk.facts);
    finish(d, &b);
}

/* Where the kept verdicts of op are linked in; NULL when there are none. */
static struct kept **find(struct decider *d, trl_op *op) {
    for (struct kept **k = &d->kept; *k; k = &(*k)->next) {
        if (!op || (*k)->op == op) {
            return k;
        }
    }
    return NULL;
}

static void drop(struct kept **k) {
    struct kept *gone = *k;
    *k = gone->next;
    text_finish(&gone->bytes);
    free(gone);
}

void decider_resume(struct decider *d, trl_op *op) {
    struct kept **k = find(d, op);
    if (k && flush(d->host, *k)) {
        drop(k);
        trl_op_ok(d->host, op);
    }
}

bool decider_end(struct decider *d, trl_op *op, trl_status st, const char *text) {
    struct kept **k = find(d, op);
    if (!k) {
        return false;
    }
    op = (*k)->op;
    drop(k);
    trl_op_fail(d->host, op, st, text);
    return true;
}

void decider_init(struct decider *d, const trl_host *h) {
    d->host = h;
    d->work = h->get_interface(h->ctx, TRL_HOST_WORK_V1);
}

void decider_finish(struct decider *d) {
    desk_finish(&d->desk);
}
