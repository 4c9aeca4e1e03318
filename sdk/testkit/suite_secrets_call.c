/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "suite_secrets_priv.h"

static uint64_t mix(uint64_t v) {
    v += 0x9e3779b97f4a7c15ull;
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
    v = (v ^ v >> 27) * 0x94d049bb133111ebull;
    return v ^ v >> 31;
}

static char mark_char(const struct sx *x, uint32_t i, uint32_t at) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    return letters[mix(x->nonce + (uint64_t)i * 64 + at) % 36];
}

void sx_mark(const struct sx *x, uint32_t i, char out[SX_MARK_LEN]) {
    for (uint32_t at = 0; at < SX_MARK_LEN; at++) {
        out[at] = mark_char(x, i, at);
    }
}

void sx_value(const struct sx *x, uint32_t i, uint8_t *out, size_t n, bool binary) {
    for (size_t at = 0; at < n; at++) {
        out[at] = at < SX_MARK_LEN ? (uint8_t)mark_char(x, i, (uint32_t)at)
                  : binary         ? (uint8_t)(at * 131 + at / 251)
                                   : (uint8_t)('a' + at % 26);
    }
}

static void say(struct sx *x, const void *p, size_t n) {
    buf_add(&x->said, p, n);
    buf_add_c(&x->said, '\n');
}

static void on_secret(void *arg, struct guarded *value, const trl_secret *s) {
    struct sx_call *c = arg;
    c->value = value;
    c->secret_flags = s->flags;
    snprintf(c->version, sizeof(c->version), "%.*s", (int)s->version.len, s->version.ptr);
    say(c->x, s->version.ptr, s->version.len);
    TK_CHECK_F(c->x->tk, s->lease_ns >= 0, "the lease is negative");
}

static void on_item(void *arg, trl_bytes item) {
    struct sx_call *c = arg;
    if (c->n_items == c->cap_items) {
        c->cap_items = c->cap_items ? c->cap_items * 2 : 8;
        c->items = mem_realloc(c->items, c->cap_items * sizeof(*c->items));
    }
    snprintf(c->items[c->n_items++], sizeof(*c->items), "%.*s", (int)item.len,
             item.ptr ? (const char *)item.ptr : "");
    say(c->x, item.ptr, item.len);
}

static void on_done(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct sx_call *c = arg;
    struct tk *tk = c->x->tk;
    c->op = NULL;
    c->done = true;
    c->st = st;
    if (err) {
        snprintf(c->msg, sizeof(c->msg), "%.*s", (int)err->msg_len, err->msg);
        say(c->x, c->msg, strlen(c->msg));
    }
    say(c->x, result.ptr, result.len);
    if (c->what == SX_FETCH) {
        TK_CHECK_F(tk, result.len == 0, "a fetch has a plain result");
        TK_CHECK_F(tk, (st == TRL_OK) == (c->value != NULL), "%s %s a value", err_name(st),
                   c->value ? "with" : "without");
    } else {
        snprintf(c->version, sizeof(c->version), "%.*s", (int)result.len,
                 result.ptr ? (const char *)result.ptr : "");
    }
    if (st != TRL_OK) {
        TK_CHECK_F(tk, c->msg[0] != '\0', "%s without a text", err_name(st));
        for (const char *p = c->msg; *p; p++) {
            if ((unsigned char)*p < 32) {
                TK_CHECK_F(tk, false, "control characters in the error text");
                break;
            }
        }
    }
}

/* A copy of its exact size, which is gone when the call returns. */
static trl_str lend(const char *s, size_t n) {
    char *p = n ? malloc(n) : NULL;
    if (p) {
        memcpy(p, s, n);
    }
    return (trl_str){p, p ? n : 0};
}

static void unlend(trl_str s) {
    if (s.ptr) {
        memset((char *)(uintptr_t)s.ptr, 0x55, s.len);
        free((char *)(uintptr_t)s.ptr);
    }
}

/* What the call needs: it may outlive the sx_call, which is over at its deadline. */
struct job {
    const trl_secrets_v1 *table;
    enum sx_what what;
    char *ref[3]; /* owned */
    size_t key_len;
    struct guarded *put; /* owned */
};

static void job_free(void *arg) {
    struct job *c = arg;
    guarded_free(c->put);
    for (int i = 0; i < 3; i++) {
        mem_free(c->ref[i]);
    }
    mem_free(c);
}

/* On the plugin's thread. */
static void run(trl_inst *raw, trl_op *op, void *arg) {
    const struct job *c = arg;
    const trl_secrets_v1 *t = c->table;
    trl_secret_ref r;
    memset(&r, 0, sizeof(r));
    r.struct_size = sizeof(r);
    r.key = lend(c->ref[0], c->key_len);
    r.field = lend(c->ref[1], strlen(c->ref[1]));
    r.version = lend(c->ref[2], strlen(c->ref[2]));
    if (c->what == SX_FETCH) {
        t->fetch(raw, op, &r);
    } else if (c->what == SX_CHECK) {
        t->check(raw, op, &r);
    } else if (c->what == SX_WATCH) {
        t->watch(raw, op, &r);
    } else if (c->what == SX_LIST) {
        t->list(raw, op, r.key);
    } else if (c->what == SX_INFO) {
        t->info(raw, op);
    } else {
        trl_secret s;
        memset(&s, 0, sizeof(s));
        s.struct_size = sizeof(s);
        s.value = (trl_bytes){guarded_bytes(c->put).ptr, guarded_bytes(c->put).len};
        t->put(raw, op, &r, &s);
    }
    unlend(r.key);
    unlend(r.field);
    unlend(r.version);
}

void sx_begin_n(struct sx *x, struct sx_call *c, enum sx_what what, const char *key, size_t key_len,
                const char *field, const char *version, struct guarded *put, int64_t timeout_ns) {
    struct op_handler h = {on_done, on_item, NULL, c};
    memset(c, 0, sizeof(*c));
    c->x = x;
    c->what = what;
    struct job *j = mem_zalloc(sizeof(*j));
    j->table = x->table;
    j->what = what;
    j->ref[0] = mem_alloc(key_len + 1);
    memcpy(j->ref[0], key, key_len);
    j->key_len = key_len;
    j->ref[1] = str_dup(str_c(field));
    j->ref[2] = str_dup(str_c(version));
    j->put = put;
    c->op = op_call(x->in, timeout_ns, &h, run, j, job_free);
    if (what == SX_FETCH) {
        op_on_secret(c->op, on_secret);
    }
}

void sx_begin(struct sx *x, struct sx_call *c, enum sx_what what, const char *key,
              const char *field, const char *version, int64_t timeout_ns) {
    sx_begin_n(x, c, what, key, strlen(key), field, version, NULL, timeout_ns);
}

bool sx_wait(struct sx_call *c) {
    return tk_until_set(c->x->tk, &c->done);
}

struct goal {
    const struct sx_call *c;
    uint32_t n;
};

static bool reached(void *arg) {
    const struct goal *g = arg;
    return g->c->done || g->c->n_items >= g->n;
}

bool sx_wait_items(struct sx_call *c, uint32_t n) {
    struct goal g = {c, n};
    tk_until(c->x->tk, reached, &g);
    return TK_CHECK_F(c->x->tk, c->n_items >= n, "%u items of %u, then %s %s", c->n_items, n,
                      c->done ? err_name(c->st) : "nothing", c->msg);
}

void sx_cancel(struct sx_call *c) {
    if (c->op) {
        op_cancel(c->op);
    }
    sx_wait(c);
}

void sx_free(struct sx_call *c) {
    guarded_free(c->value);
    mem_free(c->items);
    memset(c, 0, sizeof(*c));
}

trl_status sx_do(struct sx *x, enum sx_what what, const char *key, const char *field,
                 const char *version, char *ret_version) {
    struct sx_call c;
    trl_status st;
    sx_begin(x, &c, what, key, field, version, SX_TIMEOUT);
    sx_wait(&c);
    st = c.st;
    if (ret_version) {
        memcpy(ret_version, c.version, sizeof(c.version));
    }
    sx_free(&c);
    return st;
}

static int put_by_plugin(struct sx *x, const char *key, const char *field, struct guarded *g) {
    struct sx_call c;
    int ok;
    sx_begin_n(x, &c, SX_PUT, key, strlen(key), field, "", g, SX_TIMEOUT);
    sx_wait(&c);
    ok = c.st == TRL_OK;
    TK_CHECK_F(x->tk, ok && c.version[0], "put of %s: %s %s", key, err_name(c.st), c.msg);
    sx_free(&c);
    return ok ? 0 : -1;
}

uint32_t sx_plant(struct sx *x, const char *key, const char *field, size_t n, bool binary) {
    struct guarded *g;
    uint32_t i = x->n_planted++;
    int failed;
    n = n ? n : SX_MARK_LEN + 7;
    uint8_t *value = guarded_alloc(n);
    if (!TK_CHECK_F(x->tk, value != NULL, "no guarded memory for %zu bytes", n)) {
        return UINT32_MAX;
    }
    sx_value(x, i, value, n, binary);
    if (x->b->plant) {
        failed = x->b->plant(x->b->ctx, key, field, value, n);
    } else {
        g = guarded_create(value, n);
        failed = g ? put_by_plugin(x, key, field, g) : -1;
    }
    guarded_release(value);
    return failed ? UINT32_MAX : i;
}

void sx_expect(struct sx *x, const char *key, const char *field, const char *version, uint32_t i,
               size_t n, bool binary) {
    struct sx_call c;
    n = n ? n : SX_MARK_LEN + 7;
    if (i == UINT32_MAX) {
        return;
    }
    uint8_t *want = guarded_alloc(n);
    sx_begin(x, &c, SX_FETCH, key, field, version, SX_TIMEOUT);
    sx_wait(&c);
    if (TK_CHECK_F(x->tk, want && c.st == TRL_OK && c.value, "fetch of %s: %s %s", key,
                   err_name(c.st), c.msg)) {
        str have = guarded_bytes(c.value);
        sx_value(x, i, want, n, binary);
        TK_CHECK_F(x->tk, have.len == n && memcmp(have.ptr, want, n) == 0,
                   "%s: value %u of %zu bytes comes back as it was (%zu bytes)", key, i, n,
                   have.len);
        TK_CHECK_F(x->tk, c.version[0] != '\0', "%s has a version", key);
        TK_CHECK_F(x->tk, ((c.secret_flags & TRL_SECRET_BINARY) != 0) == binary, "%s: flags %x",
                   key, c.secret_flags);
    }
    guarded_release(want);
    sx_free(&c);
}
