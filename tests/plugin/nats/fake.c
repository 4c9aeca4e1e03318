/* SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* nats.c 3.4.1 loses the buffer of a message when a connection ends in the middle of it
 * (natsParser_Destroy leaves msgBuf): one message per such end, not ours to free. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:natsBuf_Create\n";
}

struct post {
    struct post *next;
    void (*fn)(void *arg);
    void *arg;
};

struct timer {
    struct timer *next;
    uint64_t id;
    int64_t due_ns;
    void (*fn)(void *arg);
    void *arg;
};

struct fake {
    trl_host host;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct post *first, **last;
    struct timer *timers;
    uint64_t last_timer;
    char *log;
    size_t log_len, log_cap;
    int ops;
    int64_t longest_ns;
};

static int64_t now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static char *copy(const void *p, size_t n) {
    char *c = malloc(n + 1);
    if (n) {
        memcpy(c, p, n);
    }
    c[n] = '\0';
    return c;
}

static void on_log(void *ctx, int32_t level, trl_str msg, trl_str fields) {
    struct fake *f = ctx;
    (void)fields;
    pthread_mutex_lock(&f->lock);
    if (f->log_len + msg.len + 2 > f->log_cap) {
        f->log_cap = (f->log_cap + msg.len + 2) * 2;
        f->log = realloc(f->log, f->log_cap);
    }
    memcpy(f->log + f->log_len, msg.ptr, msg.len);
    f->log_len += msg.len;
    f->log[f->log_len++] = '\n';
    f->log[f->log_len] = '\0';
    pthread_cond_broadcast(&f->wake);
    pthread_mutex_unlock(&f->lock);
    if (getenv("FAKE_LOG")) {
        fprintf(stderr, "log %d: %.*s\n", level, (int)msg.len, msg.ptr);
    }
}

static int32_t log_level(void *ctx) {
    (void)ctx;
    return TRL_LOG_DEBUG;
}

static int64_t host_now(void *ctx) {
    (void)ctx;
    return now_ns();
}

static trl_status post(void *ctx, void (*fn)(void *arg), void *arg) {
    struct fake *f = ctx;
    struct post *p = malloc(sizeof(*p));
    p->next = NULL;
    p->fn = fn;
    p->arg = arg;
    pthread_mutex_lock(&f->lock);
    *f->last = p;
    f->last = &p->next;
    pthread_cond_broadcast(&f->wake);
    pthread_mutex_unlock(&f->lock);
    return TRL_OK;
}

static uint64_t timer_start(void *ctx, int64_t delay_ns, void (*fn)(void *arg), void *arg) {
    struct fake *f = ctx;
    struct timer *t = malloc(sizeof(*t));
    t->id = ++f->last_timer;
    t->due_ns = now_ns() + delay_ns;
    t->fn = fn;
    t->arg = arg;
    t->next = f->timers;
    f->timers = t;
    return t->id;
}

static void timer_stop(void *ctx, uint64_t id) {
    struct fake *f = ctx;
    for (struct timer **at = &f->timers; *at; at = &(*at)->next) {
        if ((*at)->id == id) {
            struct timer *t = *at;
            *at = t->next;
            free(t);
            return;
        }
    }
}

static uint64_t host_random(void *ctx) {
    (void)ctx;
    return 4;
}

static int64_t wall_ms(void *ctx) {
    (void)ctx;
    return (int64_t)time(NULL) * 1000;
}

static trl_status op_done(trl_op *op, trl_status st, trl_bytes result, const trl_err *err) {
    struct fake *f = op->f;
    trl_status ret = TRL_OK;
    pthread_mutex_lock(&f->lock);
    if (op->done) {
        op->refused++;
        ret = TRL_E_CLOSED;
    } else {
        op->st = st;
        op->result = copy(result.ptr, result.len);
        op->result_len = result.len;
        if (err) {
            snprintf(op->msg, sizeof(op->msg), "%.*s", (int)err->msg_len, err->msg);
        }
        op->done = 1;
        f->ops--;
    }
    pthread_cond_broadcast(&f->wake);
    pthread_mutex_unlock(&f->lock);
    return ret;
}

/* Lock held. NULL with *st set: not taken. */
static struct item *add_item(trl_op *op, trl_status *st) {
    *st = op->done || op->cancelled ? TRL_E_CLOSED : op->n >= op->room ? TRL_E_BUSY : TRL_OK;
    if (*st != TRL_OK) {
        op->was_busy |= *st == TRL_E_BUSY;
        pthread_cond_broadcast(&op->f->wake);
        return NULL;
    }
    if (op->n == op->cap) {
        op->cap = op->cap ? op->cap * 2 : 16;
        op->items = realloc(op->items, op->cap * sizeof(*op->items));
    }
    memset(&op->items[op->n], 0, sizeof(*op->items));
    pthread_cond_broadcast(&op->f->wake);
    return &op->items[op->n++];
}

static trl_status op_emit(trl_op *op, trl_bytes item) {
    trl_status st;
    struct item *it;
    pthread_mutex_lock(&op->f->lock);
    it = add_item(op, &st);
    if (it && item.len >= sizeof(trl_entry)) {
        trl_entry e;
        const char *p = item.ptr;
        memcpy(&e, p, sizeof(e));
        it->flags = e.flags;
        it->revision = e.revision;
        it->key = copy(p + sizeof(e), e.key_len);
        it->value = copy(p + sizeof(e) + e.key_len, e.value_len);
        it->len = e.value_len;
    } else if (it) {
        it->flags = *(const uint8_t *)item.ptr;
    }
    pthread_mutex_unlock(&op->f->lock);
    return st;
}

static trl_status deliver(trl_op *op, const trl_msg *m) {
    trl_status st;
    struct item *it;
    pthread_mutex_lock(&op->f->lock);
    it = add_item(op, &st);
    if (it) {
        size_t len = 0;
        it->key = copy(m->subject.ptr, m->subject.len);
        it->value = copy(m->payload.ptr, m->payload.len);
        it->len = m->payload.len;
        it->reply = copy(m->reply.ptr, m->reply.len);
        it->headers = calloc(1, 4096);
        for (uint32_t i = 0; i < m->n_headers; i++) {
            len += (size_t)snprintf(it->headers + len, 4096 - len, "%.*s=%.*s;",
                                    (int)m->headers[i].key.len, m->headers[i].key.ptr,
                                    (int)m->headers[i].value.len, m->headers[i].value.ptr);
        }
    }
    pthread_mutex_unlock(&op->f->lock);
    return st;
}

static int32_t op_cancelled(trl_op *op) {
    return op->cancelled;
}

static int64_t op_deadline(trl_op *op) {
    (void)op;
    return INT64_MAX;
}

static void op_nothing(trl_op *op) {
    (void)op;
}

static const trl_host_loop_v1 loop_table = {sizeof(loop_table), 0,           timer_start,
                                            timer_stop,         host_random, wall_ms};
static const trl_host_msg_v1 msg_table = {sizeof(msg_table), 0, deliver};

static const void *get_interface(void *ctx, const char *id) {
    (void)ctx;
    return strcmp(id, TRL_HOST_LOOP_V1) == 0  ? (const void *)&loop_table
           : strcmp(id, TRL_HOST_MSG_V1) == 0 ? (const void *)&msg_table
                                              : NULL;
}

struct fake *fake_new(void) {
    struct fake *f = calloc(1, sizeof(*f));
    pthread_condattr_t attr;
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->wake, &attr);
    pthread_condattr_destroy(&attr);
    f->last = &f->first;
    f->host = (trl_host){sizeof(trl_host), TRL_ABI_MAJOR, TRL_ABI_MINOR, f,          on_log,
                         log_level,        host_now,      get_interface, op_done,    op_emit,
                         op_cancelled,     op_deadline,   op_nothing,    op_nothing, post};
    return f;
}

void fake_free(struct fake *f) {
    if (f->ops) {
        fprintf(stderr, "%d ops outstanding\n", f->ops);
        abort();
    }
    fake_turn(f);
    free(f->log);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->wake);
    free(f);
}

const trl_host *fake_host(struct fake *f) {
    return &f->host;
}

static void timed_call(struct fake *f, void (*fn)(void *arg), void *arg) {
    int64_t start = now_ns(), took;
    fn(arg);
    took = now_ns() - start;
    f->longest_ns = took > f->longest_ns ? took : f->longest_ns;
}

static int run_one(struct fake *f) {
    struct post *p;
    pthread_mutex_lock(&f->lock);
    p = f->first;
    if (p) {
        f->first = p->next;
        if (!f->first) {
            f->last = &f->first;
        }
    }
    pthread_mutex_unlock(&f->lock);
    if (p) {
        timed_call(f, p->fn, p->arg);
        free(p);
        return 1;
    }
    for (struct timer **at = &f->timers; *at; at = &(*at)->next) {
        struct timer *t = *at;
        if (t->due_ns <= now_ns()) {
            *at = t->next;
            timed_call(f, t->fn, t->arg);
            free(t);
            return 1;
        }
    }
    return 0;
}

void fake_turn(struct fake *f) {
    while (run_one(f)) {
    }
}

int fake_run(struct fake *f, int (*cond)(void *arg), void *arg, int ms) {
    int64_t end = now_ns() + (int64_t)ms * 1000000;
    for (;;) {
        int64_t until = end;
        int ok;
        fake_turn(f);
        for (struct timer *t = f->timers; t; t = t->next) {
            until = t->due_ns < until ? t->due_ns : until;
        }
        pthread_mutex_lock(&f->lock);
        ok = cond(arg);
        if (!ok && !f->first && now_ns() < until) {
            struct timespec ts = {(time_t)(until / 1000000000), (long)(until % 1000000000)};
            pthread_cond_timedwait(&f->wake, &f->lock, &ts);
        }
        pthread_mutex_unlock(&f->lock);
        if (ok || now_ns() >= end) {
            return ok;
        }
    }
}

int64_t fake_longest_ms(const struct fake *f) {
    return f->longest_ns / 1000000;
}

struct log_goal {
    struct fake *f;
    const char *text;
};

static int count_log(void *arg) {
    const struct log_goal *g = arg;
    int n = 0;
    for (const char *p = g->f->log; p && (p = strstr(p, g->text)); p++) {
        n++;
    }
    return n;
}

int fake_logged(struct fake *f, const char *text) {
    struct log_goal g = {f, text};
    int n;
    pthread_mutex_lock(&f->lock);
    n = count_log(&g);
    pthread_mutex_unlock(&f->lock);
    return n;
}

int fake_wait_log(struct fake *f, const char *text) {
    struct log_goal g = {f, text};
    return fake_run(f, count_log, &g, FAKE_PATIENCE_MS);
}

trl_op *fake_op(struct fake *f) {
    trl_op *op = calloc(1, sizeof(*op));
    op->f = f;
    op->room = SIZE_MAX;
    pthread_mutex_lock(&f->lock);
    f->ops++;
    pthread_mutex_unlock(&f->lock);
    return op;
}

void fake_op_free(trl_op *op) {
    if (!op->done || op->refused) {
        fprintf(stderr, "op done %d, refused %d\n", op->done, op->refused);
        abort();
    }
    for (size_t i = 0; i < op->n; i++) {
        free(op->items[i].key);
        free(op->items[i].value);
        free(op->items[i].reply);
        free(op->items[i].headers);
    }
    free(op->items);
    free(op->result);
    free(op);
}

static int is_done(void *arg) {
    return ((trl_op *)arg)->done;
}

int fake_done(trl_op *op) {
    return fake_run(op->f, is_done, op, FAKE_PATIENCE_MS);
}

struct items_goal {
    trl_op *op;
    size_t n;
};

static int has_items(void *arg) {
    const struct items_goal *g = arg;
    return g->op->n >= g->n;
}

int fake_items(trl_op *op, size_t n) {
    struct items_goal g = {op, n};
    return fake_run(op->f, has_items, &g, FAKE_PATIENCE_MS);
}

uint64_t fake_revision(const trl_op *op) {
    uint64_t r = 0;
    if (op->result_len == sizeof(r)) {
        memcpy(&r, op->result, sizeof(r));
    }
    return r;
}

/* Components */

const trl_component *comp_find(const char *name) {
    void *lib = dlopen(TRELLIS_PLUGIN_DIR "/nats.so", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const trl_plugin *(*entry)(uint32_t);
    const trl_plugin *p;
    if (!lib) {
        fprintf(stderr, "%s\n", dlerror());
        abort();
    }
    *(void **)&entry = dlsym(lib, "trl_plugin_entry");
    p = entry(TRL_ABI_MAJOR);
    for (size_t i = 0; p->components[i]; i++) {
        if (strcmp(p->components[i]->name, name) == 0) {
            return p->components[i];
        }
    }
    abort();
}

trl_status comp_open(struct comp *c, struct fake *f, const char *name, const char *config,
                     char *err) {
    trl_err e = {.struct_size = sizeof(e)};
    trl_op *op;
    trl_status st;
    memset(c, 0, sizeof(*c));
    c->f = f;
    c->c = comp_find(name);
    err[0] = '\0';
    st = c->c->create(&f->host, trl_cstr(config), &c->in, &e);
    if (st != TRL_OK) {
        snprintf(err, 256, "%.*s", (int)e.msg_len, e.msg);
        c->in = NULL;
        return st;
    }
    c->t = c->c->get_interface(c->in, TRL_KIND_TRANSPORT);
    c->s = c->c->get_interface(c->in, TRL_KIND_STORE);
    op = fake_op(f);
    c->c->start(c->in, op);
    if (!fake_done(op)) {
        fprintf(stderr, "start does not end\n");
        abort();
    }
    st = op->st;
    snprintf(err, 256, "%s", op->msg);
    fake_op_free(op);
    return st;
}

void comp_close(struct comp *c) {
    trl_op *op;
    if (!c->in) {
        return;
    }
    op = fake_op(c->f);
    c->c->stop(c->in, op);
    if (!fake_done(op)) {
        fprintf(stderr, "stop does not end\n");
        abort();
    }
    fake_op_free(op);
    c->c->destroy(c->in);
    c->in = NULL;
}

trl_op *comp_sub(struct comp *c, const char *subject, const char *queue) {
    trl_op *op = fake_op(c->f);
    c->t->subscribe(c->in, op, trl_cstr(subject), trl_cstr(queue));
    return op;
}

static trl_msg make_msg(const char *subject, const char *body) {
    trl_msg m = {.struct_size = sizeof(m), .subject = trl_cstr(subject)};
    m.payload.ptr = body;
    m.payload.len = strlen(body);
    return m;
}

void comp_pub(struct comp *c, const char *subject, const char *body) {
    trl_msg m = make_msg(subject, body);
    c->t->publish(c->in, NULL, &m);
}

trl_op *comp_request(struct comp *c, const char *subject, const char *body, int many) {
    trl_op *op = fake_op(c->f);
    trl_msg m = make_msg(subject, body);
    (many ? c->t->request_many : c->t->request)(c->in, op, &m);
    return op;
}

void comp_cancel(struct comp *c, trl_op *op) {
    op->cancelled = 1;
    (c->t ? c->t->cancel : c->s->cancel)(c->in, op);
    if (!fake_done(op)) {
        fprintf(stderr, "cancel does not end it\n");
        abort();
    }
    fake_op_free(op);
}

char *comp_info(struct comp *c) {
    trl_op *op = fake_op(c->f);
    char *text;
    (c->t ? c->t->info : c->s->info)(c->in, op);
    fake_done(op);
    text = copy(op->result, op->result_len);
    fake_op_free(op);
    return text;
}

static trl_status finish(trl_op *op, uint64_t *rev) {
    trl_status st;
    st = fake_done(op) ? op->st : TRL_E_TIMEOUT;
    if (st < 0 && getenv("FAKE_LOG")) {
        fprintf(stderr, "op: %d %s\n", st, op->msg);
    }
    if (rev) {
        *rev = fake_revision(op);
    }
    fake_op_free(op);
    return st;
}

trl_status comp_put(struct comp *c, const char *key, const char *value, uint64_t expect,
                    uint64_t *rev) {
    trl_op *op = fake_op(c->f);
    trl_put p = {.struct_size = sizeof(p), .key = trl_cstr(key), .expect_rev = expect};
    p.value.ptr = value;
    p.value.len = strlen(value);
    c->s->put(c->in, op, &p);
    return finish(op, rev);
}

trl_status comp_del(struct comp *c, const char *key, uint64_t expect, uint64_t *rev) {
    trl_op *op = fake_op(c->f);
    c->s->del(c->in, op, trl_cstr(key), expect);
    return finish(op, rev);
}

trl_status comp_get(struct comp *c, const char *key, char *value, size_t cap, uint64_t *rev) {
    trl_op *op = fake_op(c->f);
    c->s->get(c->in, op, trl_cstr(key));
    fake_done(op);
    value[0] = '\0';
    if (op->n == 1) {
        snprintf(value, cap, "%s", op->items[0].value);
        if (rev) {
            *rev = op->items[0].revision;
        }
    }
    return finish(op, NULL);
}

trl_op *comp_watch(struct comp *c, const char *prefix, uint64_t from) {
    trl_op *op = fake_op(c->f);
    c->s->watch(c->in, op, trl_cstr(prefix), from);
    return op;
}
