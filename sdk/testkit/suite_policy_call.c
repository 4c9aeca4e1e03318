/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy suite: one call, and what holds for every answer to it.
 */
#include <stdio.h>

#include "base/mem.h"
#include "codec/json.h"
#include "suite_policy_priv.h"

/* A subject as a newer core might hand it over: more members than the backend knows. */
struct wide_subject {
    trl_subject s;
    uint64_t more[2]; /* zero */
};

struct handed {
    const trl_policy_v1 *table;
    uint32_t point, n;
    struct wide_subject *at;
};

static void run(trl_inst *raw, trl_op *op, void *arg) {
    struct handed *h = arg;
    h->table->decide(raw, op, h->point, h->at, h->n, sizeof(*h->at));
}

static void free_handed(void *arg) {
    struct handed *h = arg;
    for (uint32_t i = 0; i < h->n; i++) {
        mem_free((void *)(uintptr_t)h->at[i].s.json.ptr);
    }
    mem_free(h->at);
    mem_free(h);
}

static void wrong(struct deciding *d, const char *what) {
    d->wrong = d->wrong ? d->wrong : what;
}

static void on_verdict(void *arg, trl_bytes item) {
    struct deciding *d = arg;
    trl_verdict v;
    if (item.len < sizeof(v)) {
        wrong(d, "a verdict is too short");
        return;
    }
    memcpy(&v, item.ptr, sizeof(v));
    if (v.struct_size != sizeof(v) || item.len != sizeof(v) + (uint64_t)v.reasons_len) {
        wrong(d, "struct_size or reasons_len is not what was emitted");
    } else if (v.index >= d->n) {
        wrong(d, "index is beyond the batch");
    } else if (v.verdict < TRL_V_ABSTAIN || v.verdict > TRL_V_DENY) {
        wrong(d, "verdict is none of TRL_V_*");
    } else if (v.flags & ~TRL_VERDICT_STOP) {
        wrong(d, "flags have bits that mean nothing");
    } else if ((v.flags & TRL_VERDICT_STOP) && v.verdict != TRL_V_DENY) {
        wrong(d, "TRL_VERDICT_STOP without a deny");
    } else {
        struct heard *h = &d->heard[v.index];
        mem_free(h->reasons);
        *h = (struct heard){h->times + 1, v.verdict, v.flags, v.ttl_ms,
                            mem_strndup((const char *)item.ptr + sizeof(v), v.reasons_len)};
    }
}

static void on_done(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct deciding *d = arg;
    (void)result;
    d->done++;
    d->op = NULL;
    d->st = st;
    if (err) {
        snprintf(d->msg, sizeof(d->msg), "%.*s", (int)err->msg_len, err->msg);
    }
}

void deciding_begin(struct suite *s, struct deciding *d, uint32_t point, const str *subjects,
                    uint32_t n, int64_t timeout_ns) {
    struct op_handler handler = {on_done, on_verdict, NULL, d};
    struct handed *h = mem_zalloc(sizeof(*h));
    *h = (struct handed){policy_of(s), point, n, mem_array(n ? n : 1, sizeof(*h->at))};
    for (uint32_t i = 0; i < n; i++) {
        h->at[i].s.struct_size = sizeof(h->at[i]);
        h->at[i].s.json = str_n(mem_dup(subjects[i].len ? subjects[i].ptr : "", subjects[i].len),
                                subjects[i].len);
    }
    memset(d, 0, sizeof(*d));
    d->s = s;
    d->n = n;
    d->heard = mem_array(n ? n : 1, sizeof(*d->heard));
    d->op = op_call(s->inst, timeout_ns, &handler, run, h, free_handed);
}

/* The reasons as the header says: texts, and places that are JSON pointers. */
static void check_reasons(struct suite *s, const char *text) {
    static const char *const members[] = {"code", "text", "rule", "path", "remedy"};
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    struct err err = ERR_INIT;
    if (!*text) {
        return;
    }
    if (CHECK(s, json_parse(str_c(text), &a, &n, &err) == 0 && n->type == NODE_ARRAY,
              "reasons are no JSON array (%s): %s", err.msg, text)) {
        for (uint32_t i = 0; i < n->n; i++) {
            const struct node *r = n->items[i];
            CHECK(s, node_text(r, "text", STR_NONE).len > 0, "reason %u has no text: %s", i, text);
            for (size_t m = 0; m < ARRAY_LEN(members); m++) {
                const struct node *v = node_get(r, members[m]);
                CHECK(s, !v || v->type == NODE_STRING, "reason %u: %s is no string: %s", i,
                      members[m], text);
            }
            str path = node_text(r, "path", STR_NONE);
            CHECK(s, path.len == 0 || path.ptr[0] == '/', "reason %u: no JSON pointer: %s", i,
                  text);
        }
    }
    arena_finish(&a);
}

static bool over(void *arg) {
    return ((struct deciding *)arg)->done > 0;
}

void deciding_wait(struct deciding *d) {
    struct suite *s = d->s;
    if (!CHECK(s, loop_run_until(s->loop, over, d, SUITE_PATIENCE), "decide() does not end")) {
        return;
    }
    CHECK_N(s, d->done, 1);
    CHECK(s, !d->wrong, "%s", d->wrong);
    for (uint32_t i = 0; i < d->n; i++) {
        const struct heard *h = &d->heard[i];
        CHECK(s, h->times <= 1, "subject %u got %u verdicts", i, h->times);
        CHECK(s, h->times == 1 || d->st != TRL_OK, "subject %u got no verdict", i);
        if (h->reasons) {
            check_reasons(s, h->reasons);
        }
    }
    if (d->st != TRL_OK) {
        CHECK(s, d->st <= TRL_E_INVALID && d->st >= TRL_E_NORESPONDER, "unknown status %d", d->st);
        CHECK(s,
              d->msg[0] || d->st == TRL_E_CANCELLED || d->st == TRL_E_TIMEOUT ||
                  d->st == TRL_E_CLOSED,
              "an error without a text: %s", err_name(d->st));
        CHECK(s, !strchr(d->msg, '\n'), "an error of several lines: %s", d->msg);
    }
}

void deciding_free(struct deciding *d) {
    if (d->op) {
        op_forget(d->op);
    }
    for (uint32_t i = 0; i < d->n; i++) {
        mem_free(d->heard[i].reasons);
    }
    mem_free(d->heard);
    memset(d, 0, sizeof(*d));
}

static void run_watch(trl_inst *raw, trl_op *op, void *arg) {
    const trl_policy_v1 *t = arg;
    t->watch(raw, op);
}

void watching_begin(struct suite *s, struct call *c) {
    call_begin_by(s, c, 0, run_watch, (void *)(uintptr_t)policy_of(s));
}
