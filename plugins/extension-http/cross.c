/* SPDX-License-Identifier: Apache-2.0
 *
 * From the HTTP thread to the loop and back.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../common/xmem.h"
#include "http.h"

#define READ_EVENTS 200u /* events read in one turn for one stream */

struct job *job_new(struct trl_inst *in, enum job_kind kind) {
    struct job *j = x_zalloc(sizeof(*j));
    j->in = in;
    j->kind = kind;
    return j;
}

void job_free(struct job *j) {
    free(j->operation);
    free(j->tenant);
    free(j->lattice);
    free(j->name);
    free(j->type);
    free(j->caller);
    free(j->trace);
    free(j->app);
    free(j->kinds);
    text_finish(&j->body);
    text_finish(&j->out);
    free(j);
}

/* Mailbox */

void mailbox_ring(struct mailbox *b, int more, int stop) {
    uint64_t one = 1;
    pthread_mutex_lock(&b->lock);
    b->more |= more;
    b->stop |= stop;
    if (b->fd >= 0) {
        (void)!write(b->fd, &one, sizeof(one)); /* full only when it was rung already */
    }
    pthread_mutex_unlock(&b->lock);
}

static void mailbox_put(struct mailbox *b, struct job *j) {
    pthread_mutex_lock(&b->lock);
    j->next = NULL;
    if (b->last) {
        b->last->next = j;
    } else {
        b->first = j;
    }
    b->last = j;
    pthread_mutex_unlock(&b->lock);
    mailbox_ring(b, 0, 0);
}

struct job *mailbox_take(struct mailbox *b, int *more, int *stop) {
    pthread_mutex_lock(&b->lock);
    struct job *list = b->first;
    b->first = b->last = NULL;
    *more = b->more;
    *stop = b->stop;
    b->more = 0;
    pthread_mutex_unlock(&b->lock);
    return list;
}

/* On the loop */

static void list_asked(struct job *j) {
    j->next_asked = j->in->asked;
    if (j->next_asked) {
        j->next_asked->prev_asked = j;
    }
    j->in->asked = j;
}

static void finish(struct job *j, trl_status st) {
    if (j->id) {
        *(j->prev_asked ? &j->prev_asked->next_asked : &j->in->asked) = j->next_asked;
        if (j->next_asked) {
            j->next_asked->prev_asked = j->prev_asked;
        }
        j->id = 0;
    }
    j->st = st;
    mailbox_put(&j->in->box, j);
}

static void on_reply(void *arg, trl_status st, trl_str json) {
    struct job *j = arg;
    text_addv(&j->out, json);
    finish(j, st);
}

static trl_str view(const char *s) {
    return trl_cstr(s);
}

static void run_call(struct job *j) {
    struct trl_inst *in = j->in;
    trl_api_call c = {.struct_size = sizeof(c),
                      .operation = view(j->operation),
                      .tenant = view(j->tenant),
                      .lattice = view(j->lattice),
                      .name = view(j->name),
                      .body = trl_strn(j->body.ptr, j->body.len),
                      .content_type = view(j->type),
                      .caller = view(j->caller),
                      .traceparent = view(j->trace)};
    j->id = in->api->call(in->h->ctx, &c, on_reply, j);
    list_asked(j);
}

static int kind_wanted(const char *kinds, trl_str kind) {
    for (const char *p = kinds; p && *p;) {
        size_t n = strcspn(p, ",");
        if (trl_str_eq(trl_strn(p, n), kind)) {
            return 1;
        }
        p += n + (p[n] == ',');
    }
    return !kinds;
}

static void add_event(void *arg, const trl_event *e) {
    struct job *j = arg;
    j->more++;
    if ((j->lattice && !trl_str_is(e->lattice, j->lattice)) ||
        (j->app && !trl_str_is(e->app, j->app)) ||
        (j->tenant && !trl_str_is(e->tenant, j->tenant)) || !kind_wanted(j->kinds, e->kind)) {
        return;
    }
    text_addf(&j->out, "id: %llx-%llu\nevent: %.*s\ndata: {\"seq\":%llu,",
              (unsigned long long)j->cursor.epoch, (unsigned long long)e->seq, (int)e->kind.len,
              e->kind.ptr, (unsigned long long)e->seq);
    text_add(&j->out, e->json.ptr + 1, e->json.len - 1); /* behind its own brace; it is one line */
    text_adds(&j->out, "\n\n");
}

static void run_events(struct job *j) {
    struct trl_inst *in = j->in;
    trl_cursor newest = in->events->latest(in->h->ctx);
    if (j->cursor.epoch == 0) { /* from now on */
        j->cursor = newest;
        text_addf(&j->out, "retry: 2000\nid: %llx-%llu\nevent: hello\ndata: {}\n\n",
                  (unsigned long long)newest.epoch, (unsigned long long)newest.seq);
    }
    struct text before = j->out;
    trl_cursor asked = j->cursor;
    j->out = (struct text){NULL, 0, 0};
    j->cursor.epoch = newest.epoch; /* for the ids of what is read now */
    trl_cursor at = asked;
    uint64_t missed = in->events->read(in->h->ctx, &at, READ_EVENTS, add_event, j);
    if (missed == TRL_MISSED_UNKNOWN) {
        text_adds(&before, "event: missed\ndata: {\"missed\":null}\n\n");
    } else if (missed) {
        text_addf(&before, "event: missed\ndata: {\"missed\":%llu}\n\n",
                  (unsigned long long)missed);
    }
    text_add(&before, j->out.ptr, j->out.len);
    text_finish(&j->out);
    j->out = before;
    j->cursor = at;
    j->more = j->more >= (int)READ_EVENTS;
    finish(j, TRL_OK);
}

struct metrics_out {
    struct text *out;
    trl_str last;
    char *last_own;
};

static void add_metric(void *arg, const trl_metric *m) {
    struct metrics_out *o = arg;
    prom_write(m, &o->last, o->out);
    free(o->last_own);
    o->last_own = text_dup(m->name);
    o->last = trl_cstr(o->last_own);
}

static void run_metrics(struct job *j) {
    struct metrics_out o = {&j->out, {NULL, 0}, NULL};
    j->in->metrics->each(j->in->h->ctx, add_metric, &o);
    free(o.last_own);
    finish(j, TRL_OK);
}

static void on_checks(void *arg, const void *checks, uint32_t n, uint32_t stride) {
    struct job *j = arg;
    struct text list = {NULL, 0, 0};
    j->ok = 1;
    for (uint32_t i = 0; i < n; i++) {
        const trl_health_check *c = trl_at(checks, stride, i);
        text_adds(&list, i ? ",{\"name\":" : "{\"name\":");
        text_add_json(&list, c->name);
        text_addf(&list, ",\"ok\":%s,\"needed\":%s,\"reason\":", c->ok ? "true" : "false",
                  c->flags & TRL_CHECK_NEEDED ? "true" : "false");
        text_add_json(&list, c->reason);
        text_adds(&list, "}");
        j->ok &= c->ok || !(c->flags & TRL_CHECK_NEEDED);
    }
    text_addf(&j->out, "{\"ok\":%s,\"checks\":[%s]}\n", j->ok ? "true" : "false",
              list.ptr ? list.ptr : "");
    text_finish(&list);
    finish(j, TRL_OK);
}

static void run(void *arg) {
    struct job *j = arg;
    if (j->in->stopping) {
        finish(j, TRL_E_CLOSED);
    } else if (j->kind == JOB_CALL) {
        run_call(j);
    } else if (j->kind == JOB_EVENTS) {
        run_events(j);
    } else if (j->kind == JOB_METRICS) {
        run_metrics(j);
    } else {
        j->id = j->in->health->check(j->in->h->ctx, on_checks, j);
        list_asked(j);
    }
}

int job_send(struct job *j) {
    if (j->in->h->post(j->in->h->ctx, run, j) == TRL_OK) {
        return 1;
    }
    job_free(j);
    return 0;
}

void jobs_cancel(struct trl_inst *in) {
    while (in->asked) {
        struct job *j = in->asked;
        if (j->kind == JOB_CALL) {
            in->api->cancel(in->h->ctx, j->id);
        } else {
            in->health->cancel(in->h->ctx, j->id);
        }
        finish(j, TRL_E_CLOSED);
    }
}

static void on_more(void *arg) {
    struct trl_inst *in = arg;
    mailbox_ring(&in->box, 1, 0);
}

void cross_watch(struct trl_inst *in) {
    in->watch = in->events->watch(in->h->ctx, on_more, in);
}
