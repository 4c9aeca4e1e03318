/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "plug/inst_priv.h"
#include "plug/must.h"
#include "plug/watch.h"

static struct plug_inst *inst_of(void *ctx) {
    struct plug_inst *in = ctx;
    plug_must(in && in->magic == INST_MAGIC, "a plugin passes the host's ctx it was given");
    return in;
}

struct plug_inst *plug_inst_of(void *host_ctx) {
    return inst_of(host_ctx);
}

void *plug_iface_ctx(void *host_ctx, const char *id) {
    struct plug_inst *in = inst_of(host_ctx);
    for (uint32_t i = 0; i < in->n_ifaces; i++) {
        if (strcmp(in->ifaces[i].id, id) == 0) {
            return in->ifaces[i].ctx;
        }
    }
    return NULL;
}

/* Base table */

static void log_line(struct plug_inst *in, int32_t level, str msg, str fields) {
    char name[160];
    if (!in->log || !in->log->sink || level > in->log->level) {
        return;
    }
    struct buf line = BUF_INIT;
    buf_addf(&line, "%s: %.*s", inst_name(in, name, sizeof(name)), PSTR(msg));
    in->log->sink(in->log->arg, level, buf_str(&line), fields);
    buf_finish(&line);
}

struct late_line {
    struct plug_inst *in;
    int32_t level;
    str msg, fields; /* bytes follow */
};

static void on_late_line(void *arg) {
    struct late_line *l = arg;
    struct plug_inst *in = l->in;
    log_line(in, l->level, l->msg, l->fields);
    mem_free(l);
    gate_ran(in->gate);
    inst_progress(in);
}

/* The sink belongs to the loop, so a line from another thread travels there. */
static void host_log(void *ctx, int32_t level, trl_str msg, trl_str fields) {
    struct plug_inst *in = inst_of(ctx);
    level = level < TRL_LOG_ERROR ? TRL_LOG_ERROR : level > TRL_LOG_DEBUG ? TRL_LOG_DEBUG : level;
    if (pthread_equal(pthread_self(), in->loop_thread)) {
        log_line(in, level, msg, fields);
        return;
    }
    struct late_line *l = mem_alloc(sizeof(*l) + msg.len + fields.len);
    char *at = (char *)(l + 1);
    if (msg.len) {
        memcpy(at, msg.ptr, msg.len);
    }
    if (fields.len) {
        memcpy(at + msg.len, fields.ptr, fields.len);
    }
    *l = (struct late_line){in, level, str_n(at, msg.len), str_n(at + msg.len, fields.len)};
    if (!gate_post(in->gate, on_late_line, l)) {
        mem_free(l);
    }
}

static int32_t host_log_level(void *ctx) {
    struct plug_inst *in = inst_of(ctx);
    return in->log && in->log->sink ? in->log->level : -1;
}

static int64_t host_now_ns(void *ctx) {
    return loop_now_ns(inst_of(ctx)->loop);
}

struct post {
    struct plug_inst *in;
    void (*fn)(void *arg);
    void *arg;
};

static void on_post(void *arg) {
    struct post p = *(struct post *)arg;
    mem_free(arg);
    if (!p.in->leaked) {
        struct watch w;
        watch_enter(p.in, &w);
        p.fn(p.arg);
        watch_leave(p.in, &w, "a posted function");
    }
    gate_ran(p.in->gate);
    inst_progress(p.in);
}

static trl_status host_post(void *ctx, void (*fn)(void *arg), void *arg) {
    struct plug_inst *in = inst_of(ctx);
    struct post *p = mem_alloc(sizeof(*p));
    *p = (struct post){in, fn, arg};
    if (!gate_post(in->gate, on_post, p)) {
        mem_free(p);
        return TRL_E_CLOSED;
    }
    return TRL_OK;
}

/* host.loop/1. An id is a slot and how often it was used, so a dead id never stops a newer timer.
 */

struct host_timer {
    struct loop_timer timer;
    struct host_timers *owner;
    uint32_t slot, uses;
    void (*fn)(void *arg);
    void *arg;
};

struct host_timers {
    struct plug_inst *in;
    VEC(struct host_timer *) slots;
    VEC(uint32_t) free;
    bool closed;
};

struct host_timers *host_timers_create(struct plug_inst *in) {
    struct host_timers *t = mem_zalloc(sizeof(*t));
    t->in = in;
    return t;
}

void host_timers_clear(struct host_timers *t) {
    t->closed = true;
    for (uint32_t i = 0; i < t->slots.n; i++) {
        loop_timer_stop(&t->slots.at[i]->timer);
    }
}

void host_timers_destroy(struct host_timers *t) {
    host_timers_clear(t);
    for (uint32_t i = 0; i < t->slots.n; i++) {
        mem_free(t->slots.at[i]);
    }
    VEC_FREE(&t->slots);
    VEC_FREE(&t->free);
    mem_free(t);
}

static void release_timer(struct host_timer *h) {
    h->uses++;
    *VEC_ADD(&h->owner->free) = h->slot;
}

static void on_host_timer(void *arg) {
    struct host_timer *h = arg;
    void (*fn)(void *) = h->fn;
    void *fn_arg = h->arg;
    struct plug_inst *in = h->owner->in;
    struct watch w;
    release_timer(h);
    watch_enter(in, &w);
    fn(fn_arg);
    watch_leave(in, &w, "a timer's function");
}

static uint64_t host_timer_start(void *ctx, int64_t delay_ns, void (*fn)(void *arg), void *arg) {
    struct host_timers *t = inst_of(ctx)->timers;
    if (t->closed) {
        return 0;
    }
    struct host_timer *h;
    if (t->free.n) {
        h = t->slots.at[t->free.at[--t->free.n]];
    } else {
        h = mem_zalloc(sizeof(*h));
        h->owner = t;
        h->slot = t->slots.n;
        *VEC_ADD(&t->slots) = h;
        loop_timer_init(&h->timer, t->in->loop, on_host_timer, h);
    }
    h->fn = fn;
    h->arg = arg;
    loop_timer_start(&h->timer, delay_ns);
    return ((uint64_t)h->uses << 32) | ((uint64_t)h->slot + 1);
}

static void host_timer_stop(void *ctx, uint64_t id) {
    struct host_timers *t = inst_of(ctx)->timers;
    uint64_t slot = id & UINT32_MAX;
    if (slot == 0 || slot > t->slots.n) {
        return;
    }
    struct host_timer *h = t->slots.at[slot - 1];
    if (h->uses == id >> 32 && loop_timer_active(&h->timer)) {
        loop_timer_stop(&h->timer);
        release_timer(h);
    }
}

static uint64_t host_random(void *ctx) {
    return rng_next(&inst_of(ctx)->rng);
}

static int64_t host_wall_ms(void *ctx) {
    return loop_wall_ms(inst_of(ctx)->loop);
}

static const trl_host_loop_v1 loop_table = {sizeof(trl_host_loop_v1), 0,           host_timer_start,
                                            host_timer_stop,          host_random, host_wall_ms};

/* host.work/1 */

struct work {
    struct plug_inst *in;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void on_work_done(void *arg) {
    struct work w = *(struct work *)arg;
    mem_free(arg);
    if (!w.in->leaked) {
        w.done(w.arg);
    }
    gate_ran(w.in->gate); /* queue()'s share, and this post's: stop() waits for both */
    gate_ran(w.in->gate);
    inst_progress(w.in);
}

/* The gate counts this work from queue() to done(), for queue() may be called on any thread. */
static void work_job(void *arg) {
    struct work *w = arg;
    w->work(w->arg);
    if (!gate_post(w->in->gate, on_work_done, w)) {
        mem_free(w);
    }
}

static void on_work_queued(void *arg) {
    struct work *w = arg;
    if (loop_uv(w->in->loop)) {
        workers_submit(plug_work_pool(w->in->plug), work_job, w);
    } else { /* a virtual loop has one thread */
        work_job(w);
    }
}

static trl_status host_queue(void *ctx, void (*work)(void *arg), void (*done)(void *arg),
                             void *arg) {
    struct work *w = mem_alloc(sizeof(*w));
    *w = (struct work){inst_of(ctx), work, done, arg};
    if (!gate_post(w->in->gate, on_work_queued, w)) {
        mem_free(w);
        return TRL_E_CLOSED;
    }
    return TRL_OK;
}

static const trl_host_work_v1 work_table = {sizeof(trl_host_work_v1), 0, host_queue};

static const struct {
    const char *id;
    const void *table;
} own[] = {
    {TRL_HOST_LOOP_V1, &loop_table},
    {TRL_HOST_WORK_V1, &work_table},
    {TRL_HOST_MSG_V1, &op_host_msg},
    {TRL_HOST_SECRET_V1, &op_host_secret},
};

static const void *find_iface(const struct plug_inst *in, const char *id) {
    for (size_t i = 0; id && i < ARRAY_LEN(own); i++) {
        if (strcmp(own[i].id, id) == 0) {
            return own[i].table;
        }
    }
    for (uint32_t i = 0; id && i < in->n_ifaces; i++) {
        if (strcmp(in->ifaces[i].id, id) == 0) {
            return in->ifaces[i].table;
        }
    }
    return NULL;
}

static const void *host_get_interface(void *ctx, const char *id) {
    return find_iface(inst_of(ctx), id);
}

bool host_offers(const struct plug_inst *in, const char *id) {
    return find_iface(in, id) != NULL;
}

void host_table_init(struct plug_inst *in) {
    trl_host *h = &in->host;
    h->struct_size = sizeof(*h);
    h->abi_major = TRL_ABI_MAJOR;
    h->abi_minor = TRL_ABI_MINOR;
    h->ctx = in;
    h->log = host_log;
    h->log_level = host_log_level;
    h->now_ns = host_now_ns;
    h->get_interface = host_get_interface;
    h->post = host_post;
    op_host_table(h);
}
