/* SPDX-License-Identifier: Apache-2.0 */
#include "lane.h"

#include "../common/xmem.h"
#include "gzip.h"

#define NS_PER_MS       1000000ll
#define READ_AT_ONCE    64u
#define BODY_BYTES      (1u << 20) /* a request that long takes no more records */
#define ANSWER_BYTES    65536u
#define RETRY_AFTER_MAX 900000 /* ms */
#define SLACK_MS        5      /* of the core's start as this knows it */

static int64_t now_ns(const struct lane *l) {
    return l->x->h->now_ns(l->x->h->ctx);
}

/* The rings of the core are read alike. */

struct reading {
    struct lane *l;
    struct encoder e;
    uint64_t first; /* seq of the first record of a read; 0: none came */
};

static void note(struct reading *r, uint64_t seq) {
    r->first = r->first ? r->first : seq;
}

static void on_span(void *arg, const trl_span *s) {
    struct reading *r = arg;
    note(r, s->seq);
    encode_span(&r->e, s);
}

static void on_log(void *arg, const trl_log_record *rec) {
    struct reading *r = arg;
    note(r, rec->seq);
    encode_log(&r->e, rec);
}

/* A store may bring those of earlier runs, which were exported then. */
static void on_event(void *arg, const trl_event *ev) {
    struct reading *r = arg;
    note(r, ev->seq);
    if (ev->wall_ms + SLACK_MS >= r->l->x->start_wall_ns / NS_PER_MS) {
        encode_event(&r->e, ev);
    }
}

static uint64_t ring_read(struct reading *r, trl_cursor *at, uint32_t max) {
    const struct exporter *x = r->l->x;
    void *ctx = x->h->ctx;
    switch (r->l->signal) {
    case TRACES:
        return x->trace->read(ctx, at, max, on_span, r);
    case LOGS:
        return x->logs->read(ctx, at, max, on_log, r);
    default:
        return x->events->read(ctx, at, max, on_event, r);
    }
}

static uint64_t ring_watch(struct lane *l, void (*on_more)(void *arg)) {
    const struct exporter *x = l->x;
    void *ctx = x->h->ctx;
    switch (l->signal) {
    case TRACES:
        return x->trace->watch(ctx, on_more, l);
    case LOGS:
        return x->logs->watch(ctx, on_more, l);
    default:
        return x->events->watch(ctx, on_more, l);
    }
}

static void ring_unwatch(struct lane *l) {
    const struct exporter *x = l->x;
    void *ctx = x->h->ctx;
    switch (l->signal) {
    case TRACES:
        x->trace->unwatch(ctx, l->watch);
        break;
    case LOGS:
        x->logs->unwatch(ctx, l->watch);
        break;
    default:
        x->events->unwatch(ctx, l->watch);
    }
    l->watch = 0;
}

/* How much the ring has for this lane, at most. */
static uint64_t outstanding(const struct lane *l) {
    const struct exporter *x = l->x;
    void *ctx = x->h->ctx;
    trl_cursor last = l->signal == TRACES ? x->trace->latest(ctx)
                      : l->signal == LOGS ? x->logs->latest(ctx)
                                          : x->events->latest(ctx);
    return last.seq > l->at.seq ? last.seq - l->at.seq : 0;
}

/* Collecting */

static void collect_ring(struct lane *l, struct reading *r) {
    uint32_t max = l->x->conf->batch_max;
    l->next = l->at;
    while (r->e.n < max && r->e.w.len < BODY_BYTES) {
        uint32_t left = max - r->e.n;
        trl_cursor before = l->next;
        r->first = 0;
        uint64_t missed = ring_read(r, &l->next, left < READ_AT_ONCE ? left : READ_AT_ONCE);
        if (missed) { /* told once, however often this is sent */
            l->counts.missed += missed == TRL_MISSED_UNKNOWN ? 1 : missed;
        }
        if (missed || before.epoch != l->next.epoch) {
            l->at.epoch = l->next.epoch;
            l->at.seq = r->first ? r->first - 1 : l->next.seq;
        }
        if (!r->first) {
            break;
        }
    }
}

struct measuring {
    struct encoder *e;
    int64_t start_ns, now_ns;
};

static void on_metric(void *arg, const trl_metric *m) {
    const struct measuring *s = arg;
    encode_metric(s->e, m, s->start_ns, s->now_ns);
}

/* This plugin's own counts go with those of the core. */
static void measure_self(const struct exporter *x, const struct measuring *s) {
    static const struct {
        const char *name, *help;
        size_t at;
    } rows[] = {
        {"trellis_otlp_sent", "Spans, records and points that the collector took",
         offsetof(struct counts, sent)},
        {"trellis_otlp_rejected", "Of requests that the collector took in part",
         offsetof(struct counts, rejected)},
        {"trellis_otlp_dropped", "With requests that the collector refused for good",
         offsetof(struct counts, dropped)},
        {"trellis_otlp_missed", "Forgotten before they could be sent",
         offsetof(struct counts, missed)},
        {"trellis_otlp_failures", "Requests that were not taken",
         offsetof(struct counts, failures)},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int k = 0; k < N_SIGNALS; k++) {
            const struct lane *l = &x->lanes[k];
            const trl_label label = {{"signal", 6}, trl_cstr(signal_name(l->signal))};
            uint64_t v;
            memcpy(&v, (const char *)&l->counts + rows[i].at, sizeof(v));
            trl_metric m = {.struct_size = sizeof(m),
                            .type = TRL_METRIC_COUNTER,
                            .name = trl_cstr(rows[i].name),
                            .help = trl_cstr(rows[i].help),
                            .labels = &label,
                            .n_labels = 1,
                            .value = (double)v};
            if (l->on) {
                encode_metric(s->e, &m, s->start_ns, s->now_ns);
            }
        }
    }
}

static void collect_metrics(struct lane *l, struct reading *r) {
    const struct exporter *x = l->x;
    struct measuring s = {&r->e, x->start_wall_ns, x->loop->wall_ms(x->h->ctx) * NS_PER_MS};
    x->metrics->each(x->h->ctx, on_metric, &s);
    measure_self(x, &s);
    l->begun_ns = now_ns(l);
}

/* Sending */

static void on_answer(void *arg);

static void on_done(struct http_req *req, const struct http_answer *a) { /* [thread] */
    struct lane *l = (struct lane *)(void *)((char *)req - offsetof(struct lane, req));
    const trl_host *h = l->x->h;
    answer_judge(l->x->conf, l->signal, a, &l->verdict);
    h->post(h->ctx, on_answer, l);
}

static void run_submit(void *arg) { /* [thread] */
    struct lane *l = arg;
    if (l->x->conf->gzip) {
        gzip_body(&l->req);
    }
    http_submit(l->x->http, &l->req);
}

static void finish(struct lane *l) {
    l->finished = 1;
    l->x->on_finished(l->x->arg);
}

/* 0: there is nothing to send. */
static int export(struct lane *l) {
    struct exporter *x = l->x;
    struct reading r = {.l = l};
    size_t len;
    encode_begin(&r.e, l->signal, trl_cstr(x->resource));
    if (l->signal == METRICS) {
        collect_metrics(l, &r);
    } else {
        collect_ring(l, &r);
    }
    if (r.e.n == 0) {
        l->at = l->next; /* past what is not for export */
        encode_drop(&r.e);
        return 0;
    }
    l->n = r.e.n;
    char *body = encode_end(&r.e, &len);
    l->req = (struct http_req){.path = x_checked(strdup(signal_path(l->signal))),
                               .body = body,
                               .body_len = len,
                               .limit = ANSWER_BYTES,
                               .deadline_ns = now_ns(l) + x->conf->timeout_ms * NS_PER_MS,
                               .on_done = on_done};
    if (!x->live || http_post(x->http, run_submit, l) < 0) {
        free(l->req.path);
        free(l->req.body);
        l->req.path = l->req.body = NULL;
        l->n = 0;
        return 0;
    }
    return 1;
}

static void on_timer(void *arg) {
    struct lane *l = arg;
    l->timer = 0;
    export(l);
}

static void wait_for(struct lane *l, int64_t ns) {
    const struct exporter *x = l->x;
    if (!l->timer) {
        l->timer = x->loop->timer_start(x->h->ctx, ns > 0 ? ns : 0, on_timer, l);
    }
}

static void stop_timer(struct lane *l) {
    if (l->timer) {
        l->x->loop->timer_stop(l->x->h->ctx, l->timer);
        l->timer = 0;
    }
}

/* Half of it is chance, so that many that lost one collector do not come back as one. */
static int64_t back_off_ns(struct lane *l) {
    const struct conf *c = l->x->conf;
    uint32_t doubled = l->failures < 20 ? l->failures - 1 : 20;
    int64_t ms = c->retry_ms << doubled, ask = l->verdict.retry_after_ms;
    ms = ms < c->retry_max_ms ? ms : c->retry_max_ms;
    ms = ms - (int64_t)(l->x->loop->random(l->x->h->ctx) % (uint64_t)(ms / 2 + 1));
    ask = ask < RETRY_AFTER_MAX ? ask : RETRY_AFTER_MAX;
    return (ask > ms ? ask : ms) * NS_PER_MS;
}

static void schedule(struct lane *l) {
    const struct conf *c = l->x->conf;
    uint64_t more;
    if (l->failures) {
        wait_for(l, back_off_ns(l));
    } else if (l->signal == METRICS) {
        wait_for(l, l->begun_ns + c->interval_ms * NS_PER_MS - now_ns(l));
    } else if ((more = outstanding(l)) > 0) {
        wait_for(l, more >= c->batch_max ? 0 : c->batch_ms * NS_PER_MS);
    }
}

static void on_more(void *arg) {
    struct lane *l = arg;
    if (l->n || l->x->stopping) {
        return; /* it is looked at when that is over */
    }
    if (l->timer && !l->failures && outstanding(l) >= l->x->conf->batch_max) {
        stop_timer(l);
    }
    if (!l->timer) {
        schedule(l);
    }
}

/* What people are told: one line when a trouble begins, one when it is over, for all lanes that
 * share it. */

static int others_share(const struct lane *l, int32_t trouble) {
    for (int i = 0; i < N_SIGNALS; i++) {
        const struct lane *o = &l->x->lanes[i];
        if (o != l && o->on && o->trouble == trouble) {
            return 1;
        }
    }
    return 0;
}

static void tell_failure(struct lane *l) {
    const struct verdict *v = &l->verdict;
    int known = l->trouble == v->code || others_share(l, v->code);
    l->trouble = v->code;
    trl_logf(l->x->h, known ? TRL_LOG_DEBUG : TRL_LOG_WARN, "%s %s: %s", signal_name(l->signal),
             v->meaning == RETRY ? "wait" : "are dropped", v->text);
}

static void tell_success(struct lane *l) {
    int32_t was = l->trouble;
    l->trouble = 0;
    if (was && !others_share(l, was)) {
        trl_logf(l->x->h, TRL_LOG_INFO, "%s takes %s again", l->x->conf->endpoint,
                 signal_name(l->signal));
    }
    if (l->verdict.text[0]) {
        trl_logf(l->x->h, l->partial ? TRL_LOG_DEBUG : TRL_LOG_WARN, "%s: %s",
                 signal_name(l->signal), l->verdict.text);
    }
    l->partial = l->verdict.text[0] != '\0';
}

static void count(struct lane *l, uint32_t n) {
    const struct verdict *v = &l->verdict;
    if (v->meaning == TAKEN) {
        uint64_t rejected = v->rejected < n ? v->rejected : n;
        l->counts.sent += n - rejected;
        l->counts.rejected += rejected;
        l->failures = 0;
        tell_success(l);
        return;
    }
    l->counts.failures++;
    l->counts.dropped += v->meaning == REFUSED ? n : 0;
    l->failures += l->failures < UINT32_MAX;
    tell_failure(l);
}

static void on_answer(void *arg) {
    struct lane *l = arg;
    uint32_t n = l->n;
    l->n = 0;
    if (l->verdict.meaning != RETRY) {
        l->at = l->next;
    }
    count(l, n);
    if (!l->x->stopping) {
        schedule(l);
    } else if (!l->finished && (l->failures || l->last || !export(l))) {
        finish(l);
    } else {
        l->last = l->signal == METRICS;
    }
}

/* Life */

void lane_start(struct lane *l) {
    if (!l->on) {
        return;
    }
    if (l->signal != METRICS) {
        l->watch = ring_watch(l, on_more);
    } else {
        l->begun_ns = now_ns(l) - l->x->conf->interval_ms * NS_PER_MS; /* the first is due */
    }
    schedule(l);
}

void lane_flush(struct lane *l) {
    stop_timer(l);
    if (l->watch) {
        ring_unwatch(l);
    }
    if (!l->on) {
        l->finished = 1;
    } else if (!l->n) {
        l->last = l->signal == METRICS;
        l->finished = !export(l);
    }
}

void lane_stop(struct lane *l) {
    stop_timer(l);
    if (l->watch) {
        ring_unwatch(l);
    }
}
