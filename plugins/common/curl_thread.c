/* SPDX-License-Identifier: Apache-2.0 */
#include "curl_thread.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>

#include "curl_request.h"
#include "xmem.h"

#define NEVER          INT64_MAX
#define LONGEST_NAP_MS 60000

struct job {
    struct job *next;
    void (*fn)(void *arg);
    void *arg;
};

struct http {
    const trl_host *host;
    const struct http_conf *conf;
    CURLM *multi;
    pthread_t thread;
    int has_thread;
    int64_t (*tick)(void *arg, int64_t now_ns);
    void (*on_thread_end)(void *arg);
    void *arg;

    pthread_mutex_t lock; /* guards what follows */
    struct job *jobs, **jobs_last;
    int ending;
    struct http_facts facts;

    /* the thread's own */
    int quit;
    struct http_req *waiting, *waiting_last; /* for a free place among those under way */
    struct http_req *active;
    uint32_t n_active;
    CURL *idle[HTTP_CONNECTIONS_MAX];
    uint32_t n_idle;
};

static int64_t now_of(const struct http *h) {
    return h->host->now_ns(h->host->ctx);
}

struct http *http_create(const trl_host *host, const struct http_conf *c) {
    struct http *h = x_zalloc(sizeof(*h));
    h->host = host;
    h->conf = c;
    h->jobs_last = &h->jobs;
    curl_global_init(CURL_GLOBAL_DEFAULT); /* counted; safe beside other users since 7.84 */
    h->multi = curl_multi_init();
    if (!h->multi) {
        curl_global_cleanup();
        free(h);
        return NULL;
    }
    pthread_mutex_init(&h->lock, NULL);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)c->max_connections);
    curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)c->max_connections);
    return h;
}

int http_post(struct http *h, void (*fn)(void *arg), void *arg) {
    int open;
    pthread_mutex_lock(&h->lock);
    open = !h->ending;
    if (open) {
        struct job *j = x_alloc(sizeof(*j));
        *j = (struct job){NULL, fn, arg};
        *h->jobs_last = j;
        h->jobs_last = &j->next;
    }
    pthread_mutex_unlock(&h->lock);
    if (open) {
        curl_multi_wakeup(h->multi);
    }
    return open ? 0 : -1;
}

void http_quit(struct http *h) {
    h->quit = 1;
}

/* Facts and the log: one line when it stops working, one when it works again. */

void http_failed(struct http *h, const char *why) {
    int first;
    pthread_mutex_lock(&h->lock);
    h->facts.failures++;
    first = h->facts.failure[0] == '\0';
    snprintf(h->facts.failure, sizeof(h->facts.failure), "%s", *why ? why : "failed");
    pthread_mutex_unlock(&h->lock);
    trl_logf(h->host, first ? TRL_LOG_WARN : TRL_LOG_DEBUG, "%s: %s", h->conf->name, why);
}

void http_worked(struct http *h) {
    int first;
    pthread_mutex_lock(&h->lock);
    first = h->facts.failure[0] != '\0';
    h->facts.failure[0] = '\0';
    pthread_mutex_unlock(&h->lock);
    if (first) {
        trl_logf(h->host, TRL_LOG_INFO, "%s: %s answers again", h->conf->name, h->conf->url);
    }
}

void http_facts(struct http *h, struct http_facts *out) {
    pthread_mutex_lock(&h->lock);
    *out = h->facts;
    pthread_mutex_unlock(&h->lock);
}

/* Requests */

static void list_add(struct http_req **first, struct http_req **last, struct http_req *r) {
    r->next = NULL;
    r->prev = last ? *last : NULL;
    if (!last) { /* order does not matter: at the front */
        r->next = *first;
        if (r->next) {
            r->next->prev = r;
        }
        *first = r;
        return;
    }
    *(r->prev ? &r->prev->next : first) = r;
    *last = r;
}

static void list_remove(struct http_req **first, struct http_req **last, struct http_req *r) {
    *(r->prev ? &r->prev->next : first) = r->next;
    if (r->next) {
        r->next->prev = r->prev;
    } else if (last) {
        *last = r->prev;
    }
    r->prev = r->next = NULL;
}

static void release(struct http_req *r) {
    free(r->path);
    free(r->body);
    free(r->got);
    http_headers_free(r->headers);
    r->path = r->body = r->got = NULL;
    r->headers = NULL;
    r->n_got = r->cap = 0;
}

/* Takes it off the wire. */
static void detach(struct http *h, struct http_req *r) {
    CURL *easy = r->easy;
    if (easy) {
        curl_multi_remove_handle(h->multi, easy);
        curl_easy_reset(easy);
        h->idle[h->n_idle++] = easy;
        r->easy = NULL;
        h->n_active--;
        list_remove(&h->active, NULL, r);
    } else {
        list_remove(&h->waiting, &h->waiting_last, r);
    }
}

/* r may be gone afterwards: its owner hears of it. */
static void finish(struct http *h, struct http_req *r, const struct http_answer *a) {
    char *body = r->got;
    detach(h, r);
    r->got = NULL;
    release(r);
    r->on_done(r, a);
    free(body);
}

static void finish_why(struct http *h, struct http_req *r, trl_status st, const char *why) {
    struct http_answer a = {.st = st, .why = why};
    finish(h, r, &a);
}

void http_submit(struct http *h, struct http_req *r) {
    r->easy = NULL;
    r->headers = NULL;
    r->got = NULL;
    r->n_got = r->cap = 0;
    list_add(&h->waiting, &h->waiting_last, r);
}

void http_drop(struct http *h, struct http_req *r) {
    if (r->path) {
        detach(h, r);
        release(r);
    }
}

/* Its turn has come. */
static void begin(struct http *h, struct http_req *r, int64_t now) {
    struct trl_err err = {.struct_size = sizeof(err)};
    CURL *easy = h->n_idle ? h->idle[--h->n_idle] : x_checked(curl_easy_init());
    trl_status st = http_prepare(easy, h->conf, r, (r->deadline_ns - now) / 1000000, &err);
    if (st == TRL_OK && curl_multi_add_handle(h->multi, easy) != CURLM_OK) {
        st = trl_errf(&err, TRL_E_INTERNAL, "the request cannot be begun");
    }
    if (st != TRL_OK) {
        curl_easy_reset(easy);
        h->idle[h->n_idle++] = easy;
        finish_why(h, r, st, err.msg);
        return;
    }
    list_remove(&h->waiting, &h->waiting_last, r);
    list_add(&h->active, NULL, r);
    r->easy = easy;
    h->n_active++;
    pthread_mutex_lock(&h->lock);
    h->facts.requests++;
    pthread_mutex_unlock(&h->lock);
}

static void begin_some(struct http *h, int64_t now) {
    while (h->waiting && h->n_active < h->conf->max_connections) {
        struct http_req *r = h->waiting;
        if (r->deadline_ns - now < 1000000) {
            finish_why(h, r, TRL_E_TIMEOUT, "no time is left to ask");
        } else {
            begin(h, r, now);
        }
    }
}

/* Those that wait are told when their time is over; curl itself looks at those under way. */
static int64_t expire(struct http *h, int64_t now) {
    int64_t next = NEVER;
    struct http_req *r = h->waiting;
    while (r) {
        struct http_req *after = r->next;
        if (r->deadline_ns <= now) {
            finish_why(h, r, TRL_E_TIMEOUT, "timed out behind other requests (max_connections)");
            after = h->waiting; /* its owner may have dropped others */
        } else if (r->deadline_ns < next) {
            next = r->deadline_ns;
        }
        r = after;
    }
    return next;
}

static void hear(struct http *h, const CURLMsg *m) {
    struct http_req *r = NULL;
    struct http_answer a = {.st = TRL_OK};
    char why[256];
    long fresh = 0;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
    curl_easy_getinfo(m->easy_handle, CURLINFO_NUM_CONNECTS, &fresh);
    pthread_mutex_lock(&h->lock);
    h->facts.connections += (uint64_t)fresh;
    pthread_mutex_unlock(&h->lock);
    http_outcome(h->conf, r, m->data.result, &a, why, sizeof(why));
    finish(h, r, &a);
}

/* Was there anything? */
static int hear_all(struct http *h) {
    int left, any = 0;
    CURLMsg *m;
    while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
        if (m->msg == CURLMSG_DONE) {
            hear(h, m);
            any = 1;
        }
    }
    return any;
}

static void nap(struct http *h, int64_t until_ns) {
    int64_t ms = LONGEST_NAP_MS;
    if (until_ns != NEVER) {
        ms = (until_ns - now_of(h)) / 1000000 + 1;
        ms = ms < 0 ? 0 : ms > LONGEST_NAP_MS ? LONGEST_NAP_MS : ms;
    }
    curl_multi_poll(h->multi, NULL, 0, (int)ms, NULL);
}

/* The thread */

static void run_jobs(struct http *h) {
    struct job *list;
    pthread_mutex_lock(&h->lock);
    list = h->jobs;
    h->jobs = NULL;
    h->jobs_last = &h->jobs;
    pthread_mutex_unlock(&h->lock);
    while (list) {
        struct job *j = list;
        list = j->next;
        j->fn(j->arg);
        free(j);
    }
}

/* What was posted meanwhile runs still: it finds everything over. */
static void end(struct http *h) {
    pthread_mutex_lock(&h->lock);
    h->ending = 1;
    pthread_mutex_unlock(&h->lock);
    run_jobs(h);
    while (h->n_idle) {
        curl_easy_cleanup(h->idle[--h->n_idle]);
    }
    h->on_thread_end(h->arg);
}

static void *run(void *arg) {
    struct http *h = arg;
    int running = 0;
    for (;;) {
        run_jobs(h);
        if (h->quit) {
            break;
        }
        int64_t now = now_of(h), waits = expire(h, now), next = h->tick(h->arg, now);
        begin_some(h, now);
        curl_multi_perform(h->multi, &running);
        if (!hear_all(h)) { /* else there are free places, and other plans */
            nap(h, waits < next ? waits : next);
        }
    }
    end(h);
    return NULL;
}

trl_status http_start(struct http *h, int64_t (*tick)(void *arg, int64_t now_ns),
                      void (*on_thread_end)(void *arg), void *arg, trl_err *err) {
    sigset_t all, before;
    int rc;
    h->tick = tick;
    h->on_thread_end = on_thread_end;
    h->arg = arg;
    sigfillset(&all); /* signals are the core's; a broken pipe is an error code here */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    rc = pthread_create(&h->thread, NULL, run, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return trl_errf(err, TRL_E_NOMEM, "no thread can be started: %s", strerror(rc));
    }
    h->has_thread = 1;
    return TRL_OK;
}

void http_destroy(struct http *h) {
    if (!h) {
        return;
    }
    if (h->has_thread) {
        pthread_join(h->thread, NULL);
    }
    curl_multi_cleanup(h->multi);
    curl_global_cleanup();
    pthread_mutex_destroy(&h->lock);
    free(h);
}
