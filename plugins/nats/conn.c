/* SPDX-License-Identifier: Apache-2.0 */
#include "conn_priv.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/random.h>
#include <time.h>

#include "msg.h"
#include "text.h"

/* The one shared state of this library: which connections there are. Two components (and several
 * control planes) of a process find a common connection here; there is no other place they share.
 */
static struct {
    pthread_mutex_t lock;
    struct conn *first;
    natsOptions **kept; /* left by connections that are gone, see conn_keep */
    size_t n_kept, cap_kept;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

void conn_keep(natsOptions *o) {
    if (o) {
        pthread_mutex_lock(&table.lock);
        table.kept = x_grow(table.kept, table.n_kept, &table.cap_kept, sizeof(natsOptions *));
        table.kept[table.n_kept++] = o;
        pthread_mutex_unlock(&table.lock);
    }
}

void conn_free_kept(void) {
    natsOptions **kept;
    size_t n;
    pthread_mutex_lock(&table.lock);
    kept = table.kept;
    n = table.n_kept;
    table.kept = NULL;
    table.n_kept = table.cap_kept = 0;
    pthread_mutex_unlock(&table.lock);
    while (n) {
        natsOptions_Destroy(kept[--n]);
    }
    free(kept);
}

void sink_init(struct sink *s, void (*on_msg)(struct sink *, trl_status, natsMsg *),
               void (*destroy)(struct sink *)) {
    atomic_init(&s->refs, 1);
    s->on_msg = on_msg;
    s->destroy = destroy;
}

void sink_ref(struct sink *s) {
    atomic_fetch_add(&s->refs, 1);
}

void sink_unref(struct sink *s) {
    if (s && atomic_fetch_sub(&s->refs, 1) == 1) {
        s->destroy(s);
    }
}

int64_t conn_now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void conn_wake(struct conn *c) {
    if (c->waiting) {
        c->waiting = 0;
        pthread_cond_signal(&c->wake);
    }
}

static void random_text(char *out, size_t n) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned char raw[64];
    if (getrandom(raw, n, 0) != (ssize_t)n) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = digits[raw[i] % 62];
    }
    out[n] = '\0';
}

static struct conn *conn_new(struct opts *o) {
    struct conn *c = x_zalloc(sizeof(*c));
    char id[23];
    pthread_condattr_t attr;
    c->opts = *o;
    memset(o, 0, sizeof(*o));
    random_text(id, sizeof(id) - 1);
    snprintf(c->inbox, sizeof(c->inbox), "%.64s.%s.", c->opts.inbox_prefix, id);
    memcpy(&c->dice, id, sizeof(c->dice));
    atomic_init(&c->refs, 1);
    pthread_mutex_init(&c->users_lock, NULL);
    pthread_mutex_init(&c->lock, NULL);
    msgbin_init(&c->bin);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &attr);
    pthread_condattr_destroy(&attr);
    c->jobs_last = &c->jobs;
    c->next_deadline_ns = INT64_MAX;
    return c;
}

void conn_unref(struct conn *c) {
    if (atomic_fetch_sub(&c->refs, 1) != 1) {
        return;
    }
    opts_finish(&c->opts);
    u64map_finish(&c->requests);
    for (size_t i = 0; i < c->n_found; i++) {
        free(c->found[i].url);
        free(c->found[i].host);
    }
    free(c->found);
    free(c->said);
    pthread_mutex_destroy(&c->users_lock);
    pthread_mutex_destroy(&c->lock);
    msgbin_finish(&c->bin);
    pthread_cond_destroy(&c->wake);
    free(c);
}

/* The worker and all threads the library starts from it take no signals: those are the program's.
 */
static void start_worker(struct conn *c) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&c->thread, NULL, conn_worker, c) != 0) {
        abort();
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct conn *conn_acquire(struct opts *o, struct conn_user *u) {
    struct conn *c;
    int fresh = 0;
    pthread_mutex_lock(&table.lock);
    for (c = table.first; c && strcmp(c->opts.key, o->key) != 0; c = c->table_next) {
    }
    if (c) {
        opts_finish(o);
    } else {
        c = conn_new(o);
        c->table_next = table.first;
        table.first = c;
        fresh = 1;
    }
    c->users_n++;
    pthread_mutex_lock(&c->users_lock);
    u->next = NULL;
    struct conn_user **at = &c->users;
    while (*at) {
        at = &(*at)->next;
    }
    *at = u;
    if (c->said_up || c->settled) {
        u->on_event(u, c->said_up ? CONN_UP : CONN_WAITING);
    }
    pthread_mutex_unlock(&c->users_lock);
    if (fresh) {
        start_worker(c);
    }
    pthread_mutex_unlock(&table.lock);
    return c;
}

int conn_release(struct conn *c, struct conn_user *u) {
    int last;
    pthread_mutex_lock(&table.lock);
    last = --c->users_n == 0;
    if (last) {
        struct conn **at = &table.first;
        while (*at != c) {
            at = &(*at)->table_next;
        }
        *at = c->table_next;
    } else {
        pthread_mutex_lock(&c->users_lock);
        struct conn_user **at = &c->users;
        while (*at != u) {
            at = &(*at)->next;
        }
        *at = u->next;
        pthread_mutex_unlock(&c->users_lock);
    }
    pthread_mutex_unlock(&table.lock);
    if (last) {
        pthread_mutex_lock(&c->lock);
        c->closing = 1;
        conn_wake(c);
        pthread_mutex_unlock(&c->lock);
    }
    return last;
}

void conn_join(struct conn *c) {
    pthread_join(c->thread, NULL);
    conn_unref(c);
}

void conn_event(struct conn *c, enum conn_event e) {
    pthread_mutex_lock(&c->users_lock);
    c->settled = 1;
    c->said_up = e == CONN_UP;
    for (struct conn_user *u = c->users, *next; u; u = next) {
        next = u->next; /* after GONE the user may be freed at once */
        u->on_event(u, e);
    }
    pthread_mutex_unlock(&c->users_lock);
}

void conn_logf(struct conn *c, int level, const char *fmt, ...) {
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&c->users_lock);
    if (c->users) {
        trl_logf(c->users->host, level, "%s", text);
    }
    pthread_mutex_unlock(&c->users_lock);
}

int conn_up(const struct conn *c) {
    return atomic_load(&c->up);
}

uint64_t conn_max_payload(const struct conn *c) {
    return atomic_load(&c->max_payload);
}

void job_fail(struct conn *c, struct job *j, trl_status st, const char *why) {
    if (j->op) {
        trl_op_fail(j->host, j->op, st, why);
    }
    msgbin_put(&c->bin, j->msg);
    free(j);
}

static void push(struct conn *c, struct job *j) {
    *c->jobs_last = j;
    c->jobs_last = &j->next;
    c->jobs_bytes += j->cost;
    conn_wake(c);
}

/* Refused because too much waits already. Lock held. Said again only after half of it was taken. */
static int over_limit(struct conn *c, size_t cost) {
    if (c->jobs_bytes + cost <= c->opts.pending_bytes) {
        c->said_full = c->said_full && c->jobs_bytes > c->opts.pending_bytes / 2;
        return 0;
    }
    c->dropped++;
    return 1;
}

trl_status conn_publish(struct conn *c, natsMsg *m, const trl_host *host, trl_op *op,
                        uint64_t request) {
    struct job *j = x_zalloc(sizeof(*j));
    int full, say = 0;
    j->kind = JOB_PUBLISH;
    j->msg = m;
    j->cost = msg_cost(m);
    j->host = host;
    j->op = op;
    j->request = request;
    pthread_mutex_lock(&c->lock);
    full = over_limit(c, j->cost);
    if (full) {
        say = !c->said_full;
        c->said_full = 1;
    } else {
        push(c, j);
    }
    pthread_mutex_unlock(&c->lock);
    if (say) {
        conn_logf(
            c, TRL_LOG_WARN,
            "nats: %zu bytes wait for the server, new messages are refused until it takes them "
            "(pending_bytes)",
            c->opts.pending_bytes);
    }
    if (full) {
        job_fail(c, j, TRL_E_BUSY, "nats: too much waits for the server already");
        return TRL_E_BUSY;
    }
    return TRL_OK;
}

void conn_sub_unref(struct conn_sub *sub) {
    if (atomic_fetch_sub(&sub->refs, 1) == 1) {
        sink_unref(sub->sink);
        free(sub->subject);
        free(sub->queue);
        free(sub);
    }
}

struct conn_sub *conn_subscribe(struct conn *c, const char *subject, const char *queue,
                                struct sink *s) {
    struct conn_sub *sub = x_zalloc(sizeof(*sub));
    struct job *j = x_zalloc(sizeof(*j));
    atomic_init(&sub->refs, 2);
    sink_ref(s);
    sub->sink = s;
    sub->subject = text_dup(subject);
    sub->queue = queue && *queue ? text_dup(queue) : NULL;
    j->kind = JOB_SUB;
    j->sub = sub;
    pthread_mutex_lock(&c->lock);
    sub->prev = c->subs_last;
    *(c->subs_last ? &c->subs_last->next : &c->subs) = sub;
    c->subs_last = sub;
    push(c, j);
    pthread_mutex_unlock(&c->lock);
    return sub;
}

void conn_unsubscribe(struct conn *c, struct conn_sub *sub) {
    struct job *j;
    if (!sub) {
        return;
    }
    j = x_zalloc(sizeof(*j));
    j->kind = JOB_UNSUB;
    j->sub = sub;
    pthread_mutex_lock(&c->lock);
    *(sub->prev ? &sub->prev->next : &c->subs) = sub->next;
    *(sub->next ? &sub->next->prev : &c->subs_last) = sub->prev;
    push(c, j);
    pthread_mutex_unlock(&c->lock);
}

void conn_call(struct conn *c, void (*fn)(natsConnection *nc, void *arg), void *arg) {
    struct job *j = x_zalloc(sizeof(*j));
    j->kind = JOB_CALL;
    j->fn = fn;
    j->arg = arg;
    pthread_mutex_lock(&c->lock);
    push(c, j);
    pthread_mutex_unlock(&c->lock);
}

void conn_inbox(struct conn *c, char out[CONN_REPLY_MAX]) {
    char id[23];
    random_text(id, sizeof(id) - 1);
    snprintf(out, CONN_REPLY_MAX, "%.200s.%s", c->opts.inbox_prefix, id);
}

void conn_facts(struct conn *c, struct conn_facts *out) {
    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&table.lock);
    out->users = c->users_n;
    pthread_mutex_unlock(&table.lock);
    pthread_mutex_lock(&c->lock);
    memcpy(out->url, c->url, sizeof(out->url));
    memcpy(out->server_id, c->server_id, sizeof(out->server_id));
    out->links = c->links;
    out->dropped = c->dropped;
    out->slow = c->slow;
    out->pending_bytes = c->jobs_bytes;
    pthread_mutex_unlock(&c->lock);
}

const struct opts *conn_opts(const struct conn *c) {
    return &c->opts;
}
