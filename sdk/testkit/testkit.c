/* SPDX-License-Identifier: Apache-2.0 */
#include "testkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct tk {
    struct loop *loop;
    struct log log;
    struct plug *plug;
    struct buf lines;
    char error[1024];
    uint32_t checks, open;
    int failures;
};

static void on_log(void *arg, int level, str msg, str fields) {
    struct tk *tk = arg;
    (void)fields;
    buf_addf(&tk->lines, "%d %.*s\n", level, PSTR(msg));
    if (getenv("TK_LOG")) {
        fprintf(stderr, "log %d: %.*s\n", level, PSTR(msg));
    }
}

struct tk *tk_create_in(bool virtual_loop, const char *dir) {
    struct tk *tk = mem_zalloc(sizeof(*tk));
    tk->loop =
        virtual_loop ? loop_create_virtual(1000000000, 1700000000000ll, 1) : loop_create_uv(1);
    tk->log = (struct log){TRL_LOG_DEBUG, on_log, tk};
    tk->plug = plug_create(tk->loop, &tk->log, &dir, 1);
    return tk;
}

struct tk *tk_create(bool virtual_loop) {
    const char *dir = getenv("TRELLIS_PLUGIN_DIR");
    return tk_create_in(virtual_loop, dir ? dir : TK_PLUGIN_DIR);
}

int tk_destroy(struct tk *tk) {
    TK_CHECK_F(tk, tk->open == 0, "%u instances were not closed", tk->open);
    tk_settle(tk);
    if (tk->open == 0) {
        plug_destroy(tk->plug);
        loop_destroy(tk->loop); /* ends the process when a handle, timer or post is left */
    }
    buf_finish(&tk->lines);
    int failures = tk->failures;
    mem_free(tk);
    return failures;
}

struct loop *tk_loop(struct tk *tk) {
    return tk->loop;
}

struct plug *tk_plug(struct tk *tk) {
    return tk->plug;
}

const char *tk_error(const struct tk *tk) {
    return tk->error;
}

struct plug_inst *tk_create_inst(struct tk *tk, const char *kind, const char *name,
                                 const char *config, const struct plug_iface *ifaces,
                                 uint32_t n_ifaces) {
    struct plug_inst *in = NULL;
    struct err err = ERR_INIT;
    tk->error[0] = '\0';
    if (plug_inst_create(tk->plug, kind, name, str_c(config), ifaces, n_ifaces, &in, &err) < 0) {
        snprintf(tk->error, sizeof(tk->error), "%s", err.msg);
        return NULL;
    }
    tk->open++;
    return in;
}

struct waiting {
    struct tk *tk;
    trl_status st;
    bool done;
};

static void on_started(void *arg, trl_status st, const trl_err *e) {
    struct waiting *w = arg;
    w->st = st;
    w->done = true;
    if (st != TRL_OK) {
        snprintf(w->tk->error, sizeof(w->tk->error), "%.*s", e ? (int)e->msg_len : 0,
                 e ? e->msg : "");
    }
}

trl_status tk_start(struct tk *tk, struct plug_inst *in) {
    struct waiting *w = mem_zalloc(sizeof(*w)); /* not on the stack: it may come too late */
    w->tk = tk;
    w->st = TRL_E_TIMEOUT;
    plug_inst_start(in, TK_PATIENCE / 2, on_started, w);
    bool done = tk_until_set(tk, &w->done);
    trl_status st = w->st;
    if (done) {
        mem_free(w);
    }
    return st;
}

struct plug_inst *tk_open(struct tk *tk, const char *kind, const char *name, const char *config,
                          const struct plug_iface *ifaces, uint32_t n_ifaces) {
    struct plug_inst *in = tk_create_inst(tk, kind, name, config, ifaces, n_ifaces);
    if (!TK_CHECK_F(tk, in != NULL, "create %s '%s': %s", kind, name, tk->error)) {
        return NULL;
    }
    trl_status st = tk_start(tk, in);
    if (!TK_CHECK_F(tk, st == TRL_OK, "start %s '%s': %s %s", kind, name, err_name(st),
                    tk->error)) {
        tk_close(tk, in);
        return NULL;
    }
    return in;
}

static void on_stopped(void *arg) {
    ((struct waiting *)arg)->done = true;
}

void tk_close(struct tk *tk, struct plug_inst *in) {
    if (!in) {
        return;
    }
    struct waiting *w = mem_zalloc(sizeof(*w));
    plug_inst_stop(in, on_stopped, w);
    if (TK_CHECK_F(tk, tk_until_set(tk, &w->done), "stop does not end")) {
        TK_CHECK_F(tk, op_outstanding(in) == 0, "%u operations are left", op_outstanding(in));
        TK_CHECK_F(tk, op_refused_completions(in) == 0, "%llu operations were completed twice",
                   (unsigned long long)op_refused_completions(in));
        plug_inst_destroy(in);
        tk->open--;
        mem_free(w);
    }
}

bool tk_until(struct tk *tk, bool (*done)(void *arg), void *arg) {
    return TK_CHECK_F(tk, loop_run_until(tk->loop, done, arg, TK_PATIENCE),
                      "what was waited for did not come");
}

static bool is_set(void *arg) {
    return *(const bool *)arg;
}

bool tk_until_set(struct tk *tk, const bool *flag) {
    return tk_until(tk, is_set, (void *)(uintptr_t)flag);
}

struct counting {
    const uint32_t *count;
    uint32_t at_least;
};

static bool is_reached(void *arg) {
    const struct counting *c = arg;
    return *c->count >= c->at_least;
}

bool tk_until_count(struct tk *tk, const uint32_t *count, uint32_t at_least) {
    struct counting c = {count, at_least};
    return TK_CHECK_F(tk, loop_run_until(tk->loop, is_reached, &c, TK_PATIENCE),
                      "%u came of %u that were waited for", *count, at_least);
}

struct settling {
    struct tk *tk;
    uint32_t left;
    bool done;
};

static void on_settle(void *arg) {
    struct settling *s = arg;
    if (--s->left == 0) {
        s->done = true;
    } else {
        loop_post(s->tk->loop, on_settle, s);
    }
}

void tk_settle(struct tk *tk) {
    struct settling s = {tk, 16, false};
    loop_post(tk->loop, on_settle, &s);
    loop_run_until(tk->loop, is_set, &s.done, TK_PATIENCE);
}

bool tk_check_at(struct tk *tk, bool ok, const char *file, int line, const char *fmt, ...) {
    tk->checks++;
    if (!ok) {
        va_list ap;
        tk->failures++;
        fprintf(stderr, "FAILED %s:%d: ", file, line);
        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fputc('\n', stderr);
    }
    return ok;
}

uint32_t tk_checks(const struct tk *tk) {
    return tk->checks;
}

int tk_failures(const struct tk *tk) {
    return tk->failures;
}

bool tk_logged(const struct tk *tk, const char *needle) {
    return tk->lines.ptr && strstr(tk->lines.ptr, needle) != NULL;
}

str tk_log(const struct tk *tk) {
    return buf_str(&tk->lines);
}
