/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "suite_priv.h"

#ifndef TRELLIS_PLUGIN_DIR
#define TRELLIS_PLUGIN_DIR "plugins"
#endif

int suite_check(struct suite *s, int ok, const char *file, int line, const char *fmt, ...) {
    s->checks++;
    if (!ok) {
        va_list ap;
        s->failures++;
        fprintf(stderr, "FAILED %s %s %s:%d: ", s->kind, s->component, file, line);
        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fputc('\n', stderr);
    }
    return ok;
}

int suite_check_st(struct suite *s, trl_status have, trl_status want, const char *file, int line,
                   const char *text) {
    return suite_check(s, have == want, file, line, "%s: %s, not %s", text, err_name(have),
                       err_name(want));
}

int suite_check_n(struct suite *s, long long have, long long want, const char *file, int line,
                  const char *text) {
    return suite_check(s, have == want, file, line, "%s: %lld, not %lld", text, have, want);
}

static void on_log(void *arg, int level, str msg, str fields) {
    (void)arg;
    (void)fields;
    if (getenv("SUITE_LOG")) {
        fprintf(stderr, "log %d: %.*s\n", level, PSTR(msg));
    }
}

struct waiting {
    int done;
    trl_status st;
    char msg[256];
};

static void on_started(void *arg, trl_status st, const trl_err *e) {
    struct waiting *w = arg;
    w->done = 1;
    w->st = st;
    if (e) {
        snprintf(w->msg, sizeof(w->msg), "%.*s", (int)e->msg_len, e->msg);
    }
}

static void on_stopped(void *arg) {
    ((struct waiting *)arg)->done = 1;
}

static bool is_done(void *arg) {
    return ((struct waiting *)arg)->done;
}

int suite_open(struct suite *s) {
    const char *dir = getenv("TRELLIS_PLUGIN_DIR");
    struct err err = ERR_INIT;
    struct waiting w = {0, TRL_E_INTERNAL, ""};
    if (!dir) {
        dir = TRELLIS_PLUGIN_DIR;
    }
    s->log = (struct log){TRL_LOG_DEBUG, on_log, s};
    if (!s->loop) {
        s->loop = s->flags & SUITE_VIRTUAL ? loop_create_virtual(0, 1700000000000ll, 1)
                                           : loop_create_uv(1);
        s->plug = plug_create(s->loop, &s->log, &dir, 1);
    }
    if (plug_inst_create(s->plug, s->kind, s->component, str_c(s->config), s->ifaces, s->n_ifaces,
                         &s->inst, &err) < 0) {
        CHECK(s, 0, "create: %s", err.msg);
        s->inst = NULL;
        return -1;
    }
    plug_inst_start(s->inst, SUITE_PATIENCE, on_started, &w);
    loop_run_until(s->loop, is_done, &w, 2 * SUITE_PATIENCE);
    if (!CHECK(s, w.done && w.st == TRL_OK, "start: %s %s", err_name(w.st), w.msg)) {
        return -1;
    }
    s->raw = plug_inst_raw(s->inst);
    s->table = plug_inst_table(s->inst);
    s->opened++;
    return 0;
}

void suite_close(struct suite *s) {
    struct waiting w = {0, TRL_OK, ""};
    if (!s->inst) {
        return;
    }
    plug_inst_stop(s->inst, on_stopped, &w);
    loop_run_until(s->loop, is_done, &w, SUITE_PATIENCE);
    if (CHECK(s, w.done, "stop does not end")) {
        CHECK_N(s, op_outstanding(s->inst), 0);
        CHECK_N(s, op_refused_completions(s->inst), 0);
        plug_inst_destroy(s->inst);
    }
    s->inst = NULL;
}

int suite_run(struct suite *s, void (*const *cases)(struct suite *s), uint32_t n) {
    if (suite_open(s) == 0) {
        for (uint32_t i = 0; i < n && s->inst; i++) {
            cases[i](s);
        }
    }
    suite_close(s);
    if (s->plug) {
        plug_destroy(s->plug);
        loop_destroy(s->loop);
    }
    printf("%s %s: %d checks, %d failed\n", s->kind, s->component, s->checks, s->failures);
    return s->failures;
}

static str keep(char **at, const void *p, size_t n) {
    str out = str_n(*at, n);
    if (n) {
        memcpy(*at, p, n);
        *at += n;
    }
    return out;
}

static struct got *call_add(struct call *c) {
    if (c->n_got == c->cap_got) {
        c->cap_got = c->cap_got ? c->cap_got * 2 : 16;
        c->got = mem_realloc(c->got, c->cap_got * sizeof(*c->got));
    }
    memset(&c->got[c->n_got], 0, sizeof(*c->got));
    return &c->got[c->n_got++];
}

static void on_item(void *arg, trl_bytes item) {
    struct call *c = arg;
    struct got *g = call_add(c);
    const char *p = item.ptr;
    char *at;
    trl_entry e;
    g->bytes = at = mem_alloc(item.len + 1);
    if (item.len >= sizeof(e)) {
        memcpy(&e, p, sizeof(e));
    }
    if (item.len < sizeof(e) || e.struct_size != sizeof(e) ||
        item.len != sizeof(e) + e.key_len + e.value_len) { /* a link's byte, or nonsense */
        c->bad_items++;
        g->value = keep(&at, p, item.len);
        return;
    }
    g->flags = e.flags;
    g->revision = e.revision;
    g->key = keep(&at, p + sizeof(e), e.key_len);
    g->value = keep(&at, p + sizeof(e) + e.key_len, e.value_len);
    c->n_sync += (e.flags & TRL_ENTRY_SYNC) != 0;
}

static void on_msg(void *arg, const trl_msg *m) {
    struct call *c = arg;
    struct got *g = call_add(c);
    size_t n = m->subject.len + m->reply.len + m->payload.len;
    char *at;
    for (uint32_t i = 0; i < m->n_headers; i++) {
        n += m->headers[i].key.len + m->headers[i].value.len;
    }
    g->bytes = at = mem_alloc(n + 1);
    g->key = keep(&at, m->subject.ptr, m->subject.len);
    g->reply = keep(&at, m->reply.ptr, m->reply.len);
    g->value = keep(&at, m->payload.ptr, m->payload.len);
    g->n_headers = m->n_headers;
    g->headers = mem_alloc((m->n_headers + 1) * sizeof(trl_label));
    for (uint32_t i = 0; i < m->n_headers; i++) {
        g->headers[i].key = keep(&at, m->headers[i].key.ptr, m->headers[i].key.len);
        g->headers[i].value = keep(&at, m->headers[i].value.ptr, m->headers[i].value.len);
    }
}

static void on_done(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct call *c = arg;
    c->done++;
    c->op = NULL;
    c->st = st;
    if (result.len == sizeof(c->revision)) {
        memcpy(&c->revision, result.ptr, sizeof(c->revision));
    }
    if (result.len) {
        c->text = str_n(str_dup(str_n(result.ptr, result.len)), result.len);
    }
    if (err) {
        snprintf(c->msg, sizeof(c->msg), "%.*s", (int)err->msg_len, err->msg);
    }
}

trl_op *call_begin(struct suite *s, struct call *c, int64_t timeout_ns) {
    struct op_handler h = {on_done, on_item, on_msg, c};
    memset(c, 0, sizeof(*c));
    c->s = s;
    c->op = op_begin(s->inst, timeout_ns, &h);
    return c->op;
}

void call_begin_by(struct suite *s, struct call *c, int64_t timeout_ns,
                   void (*run)(trl_inst *in, trl_op *op, void *arg), void *arg) {
    struct op_handler h = {on_done, on_item, on_msg, c};
    memset(c, 0, sizeof(*c));
    c->s = s;
    c->op = op_call(s->inst, timeout_ns, &h, run, arg, NULL);
}

void call_free(struct call *c) {
    if (c->op) {
        op_forget(c->op);
    }
    for (uint32_t i = 0; i < c->n_got; i++) {
        mem_free(c->got[i].bytes);
        mem_free(c->got[i].headers);
    }
    mem_free(c->got);
    mem_free((char *)(uintptr_t)c->text.ptr);
    memset(c, 0, sizeof(*c));
}

struct goal {
    struct call *c;
    uint32_t n_got, n_sync;
};

static bool reached(void *arg) {
    struct goal *g = arg;
    return g->c->done || g->c->n_got >= g->n_got || g->c->n_sync >= g->n_sync;
}

static int wait_for(struct call *c, uint32_t n_got, uint32_t n_sync) {
    struct goal g = {c, n_got, n_sync};
    int ok = loop_run_until(c->s->loop, reached, &g, SUITE_PATIENCE);
    CHECK(c->s, ok, "nothing comes: %u items so far", c->n_got);
    return ok;
}

int call_wait(struct call *c) {
    return wait_for(c, UINT32_MAX, UINT32_MAX);
}

int call_wait_got(struct call *c, uint32_t n) {
    return wait_for(c, n, UINT32_MAX) &&
           CHECK(c->s, c->n_got >= n, "ended after %u of %u: %s", c->n_got, n, err_name(c->st));
}

int call_wait_sync(struct call *c, uint32_t n) {
    return wait_for(c, UINT32_MAX, n);
}

void call_cancel(struct call *c) {
    if (c->op) {
        op_cancel(c->op);
        call_wait(c);
    }
}

static void count_up(void *arg) {
    ++*(int *)arg;
}

struct turns {
    int have, want;
};

static bool turned(void *arg) {
    const struct turns *t = arg;
    return t->have >= t->want;
}

void suite_settle(struct suite *s) {
    struct turns t = {0, 0};
    for (t.want = 1; t.want <= 3; t.want++) {
        loop_post(s->loop, count_up, &t.have);
        loop_run_until(s->loop, turned, &t, SUITE_PATIENCE);
    }
}
