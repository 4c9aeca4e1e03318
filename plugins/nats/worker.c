/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread of a connection.
 */
#include <errno.h>
#include <time.h>

#include "conn_priv.h"
#include "msg.h"
#include "text.h"

#define BACKOFF_FIRST_MS 50
#define STEADY_NS        1000000000 /* a link that lived this long starts over without a pause */

static struct job *take_jobs(struct conn *c) {
    struct job *j = c->jobs;
    c->jobs = NULL;
    c->jobs_last = &c->jobs;
    return j;
}

/* Puts a list back in front of what came meanwhile. */
static void put_back(struct conn *c, struct job *first) {
    struct job **last = &first;
    if (!first) {
        return;
    }
    while (*last) {
        last = &(*last)->next;
    }
    pthread_mutex_lock(&c->lock);
    *last = c->jobs;
    if (!c->jobs) {
        c->jobs_last = last;
    }
    c->jobs = first;
    if (c->jobs_last == &first) {
        c->jobs_last = &c->jobs;
    }
    pthread_mutex_unlock(&c->lock);
}

static void paid(struct conn *c, size_t cost) {
    pthread_mutex_lock(&c->lock);
    c->jobs_bytes -= cost;
    pthread_mutex_unlock(&c->lock);
}

/* Is it the message's own fault, as opposed to the link's? */
static int own_fault(natsStatus st) {
    return st == NATS_MAX_PAYLOAD || st == NATS_INVALID_SUBJECT || st == NATS_INVALID_ARG ||
           st == NATS_NO_SERVER_SUPPORT;
}

/* Returns 0 when the link is broken and j must be kept. */
static int run_publish(struct conn *c, struct job *j) {
    natsStatus st;
    if (j->request && !rpc_pending(c, j->request)) {
        paid(c, j->cost);
        job_fail(c, j, TRL_E_CANCELLED, "over");
        return 1;
    }
    st = natsConnection_PublishMsg(c->nc, j->msg);
    if (st != NATS_OK && !own_fault(st)) {
        return 0;
    }
    paid(c, j->cost);
    if (st == NATS_OK && j->op) {
        trl_op_ok(j->host, j->op);
        j->op = NULL;
    } else if (st != NATS_OK) {
        conn_logf(c, TRL_LOG_WARN, "nats: message on %s not sent: %s", natsMsg_GetSubject(j->msg),
                  natsStatus_GetText(st));
        rpc_fail(c, j->request, TRL_E_INVALID);
    }
    job_fail(c, j, TRL_E_INVALID, natsStatus_GetText(st));
    return 1;
}

static int run_job(struct conn *c, struct job *j) {
    natsStatus st;
    switch (j->kind) {
    case JOB_PUBLISH:
        return run_publish(c, j);
    case JOB_SUB:
        st = link_subscribe(c, j->sub);
        if (st != NATS_OK) {
            return 0; /* at once again with the next link, from the list */
        }
        conn_sub_unref(j->sub);
        break;
    case JOB_UNSUB:
        natsSubscription_Destroy(j->sub->ns);
        j->sub->ns = NULL;
        conn_sub_unref(j->sub);
        break;
    case JOB_CALL:
        j->fn(c->nc, j->arg);
        break;
    }
    free(j);
    return 1;
}

static void broken(struct conn *c) {
    pthread_mutex_lock(&c->lock);
    c->lost = 1;
    pthread_mutex_unlock(&c->lock);
}

static void run_jobs(struct conn *c, struct job *list) {
    while (list) {
        struct job *next = list->next;
        if (!run_job(c, list)) {
            list->next = next;
            put_back(c, list);
            broken(c);
            return;
        }
        list = next;
    }
}

/* While the link is down: who waits is told, calls run, the rest stays in its order. With `all`,
 * for good: nothing stays. */
static void sweep(struct conn *c, int all) {
    struct job *list, *keep = NULL, **last = &keep;
    pthread_mutex_lock(&c->lock);
    list = take_jobs(c);
    pthread_mutex_unlock(&c->lock);
    while (list) {
        struct job *j = list;
        list = j->next;
        j->next = NULL;
        if (j->kind == JOB_CALL) {
            j->fn(NULL, j->arg);
            free(j);
        } else if (j->kind == JOB_PUBLISH && (all || j->op || j->request)) {
            paid(c, j->cost);
            rpc_fail(c, j->request, TRL_E_UNAVAIL);
            job_fail(c, j, TRL_E_UNAVAIL, "nats: the link to the server is down");
        } else if (all || j->kind == JOB_UNSUB) {
            natsSubscription_Destroy(j->sub->ns); /* left over from the last link */
            j->sub->ns = NULL;
            conn_sub_unref(j->sub);
            free(j);
        } else if (j->kind == JOB_SUB) { /* it is in the list, the next link subscribes it */
            conn_sub_unref(j->sub);
            free(j);
        } else {
            *last = j;
            last = &j->next;
        }
    }
    put_back(c, keep);
}

static void sleep_until(struct conn *c, int64_t until_ns) {
    struct timespec ts = {.tv_sec = (time_t)(until_ns / 1000000000),
                          .tv_nsec = (long)(until_ns % 1000000000)};
    c->waiting = 1;
    if (until_ns == INT64_MAX) {
        pthread_cond_wait(&c->wake, &c->lock);
    } else {
        pthread_cond_timedwait(&c->wake, &c->lock, &ts);
    }
    c->waiting = 0;
}

static int is_closing(struct conn *c) {
    int yes;
    pthread_mutex_lock(&c->lock);
    yes = c->closing;
    pthread_mutex_unlock(&c->lock);
    return yes;
}

static void pause_for(struct conn *c, int64_t ms) {
    int64_t until = conn_now_ns() + ms * 1000000;
    for (;;) {
        sweep(c, 0);
        rpc_expire(c, conn_now_ns());
        pthread_mutex_lock(&c->lock);
        if (c->closing || conn_now_ns() >= until) {
            pthread_mutex_unlock(&c->lock);
            return;
        }
        sleep_until(c, until);
        pthread_mutex_unlock(&c->lock);
    }
}

/* The next pause: doubled, up to the limit, +-20 %. */
static int64_t grow_backoff(struct conn *c, int64_t ms) {
    int64_t max = c->opts.reconnect_max_ms, next = ms ? ms * 2 : BACKOFF_FIRST_MS;
    c->dice = c->dice * 6364136223846793005ull + 1442695040888963407ull;
    next = next < max ? next : max;
    next = next * (80 + (int64_t)((c->dice >> 33) % 41)) / 100;
    return next ? next : 1;
}

/* One turn with the link up. Returns 0 when the link is to be closed. */
static int serve(struct conn *c) {
    struct job *list;
    int expired;
    pthread_mutex_lock(&c->lock);
    while (!c->lost && !c->jobs && !c->closing && conn_now_ns() < c->next_deadline_ns) {
        sleep_until(c, c->next_deadline_ns);
    }
    if (c->lost || (c->closing && !c->jobs)) {
        pthread_mutex_unlock(&c->lock);
        return 0;
    }
    list = take_jobs(c);
    expired = conn_now_ns() >= c->next_deadline_ns;
    pthread_mutex_unlock(&c->lock);
    run_jobs(c, list);
    if (expired) {
        rpc_expire(c, conn_now_ns());
    }
    return 1;
}

void *conn_worker(void *arg) {
    struct conn *c = arg;
    int64_t backoff_ms = 0;
    int told = 0;
    conn_free_kept();
    while (!is_closing(c)) {
        if (backoff_ms) {
            pause_for(c, backoff_ms);
        }
        sweep(c, 0);
        if (is_closing(c)) {
            break;
        }
        link_open_round(c);
        if (!c->nc) {
            if (!told) {
                conn_event(c, CONN_WAITING);
            }
            told = 1;
            backoff_ms = grow_backoff(c, backoff_ms);
            continue;
        }
        told = 1;
        while (serve(c)) {
        }
        backoff_ms = conn_now_ns() - c->opened_ns > STEADY_NS ? 0 : grow_backoff(c, backoff_ms);
        link_close(c);
    }
    sweep(c, 1);
    rpc_fail_all(c, TRL_E_UNAVAIL);
    while (c->subs) { /* refused ones, whose owners heard of it and went away */
        struct conn_sub *sub = c->subs;
        c->subs = sub->next;
        conn_sub_unref(sub);
    }
    conn_keep(c->kept);
    nats_ReleaseThreadMemory();
    conn_event(c, CONN_GONE);
    return NULL;
}
