/* SPDX-License-Identifier: Apache-2.0
 *
 * The secrets suite: watches, cancelling, deadlines, many at once, outages, stopping.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "suite_secrets_priv.h"

static void expect_item(const struct sx_call *w, uint32_t i, const char *version) {
    TK_CHECK_F(w->x->tk, i < w->n_items && strcmp(w->items[i], version) == 0,
               "item %u of the watch is '%s', not '%s'", i, i < w->n_items ? w->items[i] : "?",
               version);
}

static void watch_missing(struct sx *x) {
    struct sx_call w;
    char version[1025];
    sx_begin(x, &w, SX_WATCH, "suite/later", "", "", 0);
    if (sx_wait_items(&w, 1)) {
        expect_item(&w, 0, "");
    }
    if (!(x->b->flags & SX_FIXED) && sx_plant(x, "suite/later", "", 0, false) != UINT32_MAX &&
        sx_wait_items(&w, 2)) {
        TK_CHECK_ST(x->tk, sx_do(x, SX_CHECK, "suite/later", "", "", version), TRL_OK);
        expect_item(&w, 1, version);
    }
    sx_cancel(&w);
    TK_CHECK_ST(x->tk, w.st, TRL_E_CANCELLED);
    sx_free(&w);
}

/* Twice the same key, so that watches do not disturb each other. */
void sx_case_watch(struct sx *x) {
    struct sx_call w, other;
    char version[1025];
    bool changes = !(x->b->flags & SX_FIXED);
    uint32_t i;
    if (!x->table->watch) {
        return;
    }
    watch_missing(x);
    sx_begin(x, &w, SX_WATCH, "suite/text", "", "", 0);
    sx_begin(x, &other, SX_WATCH, "suite/text", "", "", 0);
    TK_CHECK_ST(x->tk, sx_do(x, SX_CHECK, "suite/text", "", "", version), TRL_OK);
    if (sx_wait_items(&w, 1) && sx_wait_items(&other, 1)) {
        expect_item(&w, 0, version);
        expect_item(&other, 0, version);
    }
    for (uint32_t n = 2; changes && n <= 3; n++) {
        i = sx_plant(x, "suite/text", "", 0, false);
        if (i != UINT32_MAX && sx_wait_items(&w, n)) {
            sx_expect(x, "suite/text", "", "", i, 0, false);
            TK_CHECK_ST(x->tk, sx_do(x, SX_CHECK, "suite/text", "", "", version), TRL_OK);
            expect_item(&w, n - 1, version);
        }
        if (n == 2) {
            sx_wait_items(&other, 2);
            sx_cancel(&other);
            TK_CHECK_ST(x->tk, other.st, TRL_E_CANCELLED);
        }
    }
    if (changes && x->b->remove) {
        x->b->remove(x->b->ctx, "suite/text");
        if (sx_wait_items(&w, 4)) {
            expect_item(&w, 3, "");
        }
        TK_CHECK_ST(x->tk, sx_do(x, SX_FETCH, "suite/text", "", "", NULL), TRL_E_NOTFOUND);
        i = sx_plant(x, "suite/text", "", 0, false);
        if (i != UINT32_MAX) {
            sx_wait_items(&w, 5);
            sx_expect(x, "suite/text", "", "", i, 0, false);
        }
    }
    sx_cancel(&other);
    sx_cancel(&w);
    sx_free(&other);
    sx_free(&w);
}

static bool ended_well(trl_status st) {
    return st == TRL_OK || st == TRL_E_CANCELLED || st == TRL_E_TIMEOUT;
}

/* Cancelled at once, and after a turn or two. */
void sx_case_cancel(struct sx *x) {
    enum { MANY = 40 };
    struct sx_call *c = mem_array(MANY, sizeof(*c));
    for (int i = 0; i < MANY; i++) {
        sx_begin(x, &c[i], i % 4 == 3 ? SX_CHECK : SX_FETCH, i % 2 ? "suite/text" : "suite/none",
                 "", "", SX_TIMEOUT);
        if (i % 3 == 0 && c[i].op) {
            op_cancel(c[i].op);
        }
    }
    tk_settle(x->tk);
    for (int i = 0; i < MANY; i++) {
        sx_cancel(&c[i]);
        TK_CHECK_F(x->tk, ended_well(c[i].st) || (i % 2 == 0 && c[i].st == TRL_E_NOTFOUND),
                   "cancelled: %s %s", err_name(c[i].st), c[i].msg);
        sx_free(&c[i]);
    }
    mem_free(c);
}

void sx_case_deadline(struct sx *x) {
    struct sx_call c[4];
    for (int i = 0; i < 4; i++) {
        sx_begin(x, &c[i], i < 2 ? SX_FETCH : SX_CHECK, "suite/text", "", "", 1 + i * TK_MS);
    }
    for (int i = 0; i < 4; i++) {
        sx_wait(&c[i]);
        TK_CHECK_F(x->tk, ended_well(c[i].st), "at its deadline: %s %s", err_name(c[i].st),
                   c[i].msg);
        sx_free(&c[i]);
    }
}

void sx_case_load(struct sx *x) {
    enum { MANY = 300 };
    static const char *const keys[] = {"suite/text", "suite/two", "suite/none"};
    struct sx_call *c = mem_array(MANY, sizeof(*c));
    for (int i = 0; i < MANY; i++) {
        sx_begin(x, &c[i], i % 5 == 4 ? SX_CHECK : SX_FETCH, keys[i % 3], "", "", SX_TIMEOUT);
    }
    for (int i = 0; i < MANY; i++) {
        sx_wait(&c[i]);
        TK_CHECK_F(x->tk, c[i].st == (i % 3 == 2 ? TRL_E_NOTFOUND : TRL_OK),
                   "%s, one of many: %s %s", keys[i % 3], err_name(c[i].st), c[i].msg);
        sx_free(&c[i]);
    }
    mem_free(c);
}

static void set_flag(void *arg) {
    *(bool *)arg = true;
}

/* The loop goes on meanwhile: connections are made again. */
static void pause_ms(struct sx *x, int64_t ms) {
    struct loop_timer t;
    bool over = false;
    loop_timer_init(&t, tk_loop(x->tk), set_flag, &over);
    loop_timer_start(&t, ms * TK_MS);
    tk_until_set(x->tk, &over);
}

/* It goes on by itself. */
static void watch_after_outage(struct sx *x, struct sx_call *w) {
    uint32_t n = w->n_items;
    if (!(x->b->flags & SX_FIXED) && sx_plant(x, "suite/two", "", 0, false) != UINT32_MAX) {
        sx_wait_items(w, n + 1);
    }
}

/* Cut off it says so within the time given, and it is there again when the backend is. */
void sx_case_outage(struct sx *x) {
    struct sx_call c, w = {.done = true};
    int64_t until;
    trl_status st;
    if (!x->b->outage) {
        return;
    }
    if (x->table->watch) {
        sx_begin(x, &w, SX_WATCH, "suite/two", "", "", 0);
        sx_wait_items(&w, 1);
    }
    x->b->outage(x->b->ctx, 1);
    for (int i = 0; i < 3; i++) {
        sx_begin(x, &c, i == 2 ? SX_CHECK : SX_FETCH, "suite/two", "", "", 2000 * TK_MS);
        sx_wait(&c);
        TK_CHECK_F(x->tk, c.st == TRL_E_UNAVAIL || c.st == TRL_E_TIMEOUT,
                   "while the backend is cut off: %s %s", err_name(c.st), c.msg);
        sx_free(&c);
    }
    x->b->outage(x->b->ctx, 0);
    until = loop_now_ns(tk_loop(x->tk)) + TK_PATIENCE;
    do {
        pause_ms(x, 20);
        st = sx_do(x, SX_FETCH, "suite/two", "", "", NULL);
    } while (st != TRL_OK && loop_now_ns(tk_loop(x->tk)) < until);
    TK_CHECK_ST(x->tk, st, TRL_OK);
    for (uint32_t i = 0; i < w.n_items; i++) {
        TK_CHECK_F(x->tk, w.items[i][0] != '\0', "an outage is told as a loss of the secret");
    }
    if (!w.done) {
        watch_after_outage(x, &w);
        sx_cancel(&w);
    }
    sx_free(&w);
}

/* Stopped with all sorts of calls under way: each ends. */
void sx_case_stop(struct sx *x) {
    enum { MANY = 60 };
    struct sx_call *c = mem_array(MANY, sizeof(*c));
    for (int i = 0; i < MANY; i++) {
        enum sx_what what = i % 6 == 5 && x->table->watch  ? SX_WATCH
                            : i % 6 == 4 && x->table->list ? SX_LIST
                            : i % 6 == 3                   ? SX_CHECK
                                                           : SX_FETCH;
        sx_begin(x, &c[i], what, i % 2 ? "suite/two" : "suite/none", "", "", 0);
    }
    tk_close(x->tk, x->in);
    x->in = NULL;
    for (int i = 0; i < MANY; i++) {
        TK_CHECK_F(x->tk, c[i].done, "call %d does not end when the instance stops", i);
        sx_free(&c[i]);
    }
    mem_free(c);
}
