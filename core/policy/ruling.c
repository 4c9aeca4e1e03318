/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/ruling.h"

#include <string.h>
#include <trellis/kind/policy.h>

#include "base/mem.h"

#define REASONS_MAX 64u /* of one ruling: more are counted, not kept */

struct ruling *ruling_new(void) {
    struct ruling *r = mem_zalloc(sizeof(*r));
    r->refs = 1;
    r->verdict = TRL_V_ALLOW;
    r->ttl_ms = TRL_TTL_RULES;
    return r;
}

struct ruling *ruling_ref(struct ruling *r) {
    r->refs++;
    return r;
}

void ruling_unref(struct ruling *r) {
    if (r && --r->refs == 0) {
        arena_finish(&r->arena);
        mem_free(r->reasons);
        mem_free(r);
    }
}

static void add_reason(struct ruling *r, const struct reason *given) {
    if (r->n_reasons >= REASONS_MAX) {
        return;
    }
    r->reasons = mem_grow(r->reasons, &r->cap_reasons, r->n_reasons + 1, sizeof(*r->reasons));
    struct arena *a = &r->arena;
    r->reasons[r->n_reasons++] = (struct reason){
        arena_str(a, given->backend), arena_str(a, given->code), arena_str(a, given->text),
        arena_str(a, given->rule),    arena_str(a, given->path), arena_str(a, given->remedy)};
}

/* One line each: a text for people must not break the log or the terminal. */
static str one_line(struct arena *a, str s) {
    char *copy = arena_alloc(a, s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        copy[i] = s.ptr[i] >= 0 && s.ptr[i] < ' ' ? ' ' : s.ptr[i];
    }
    return str_n(copy, s.len);
}

static void read_reasons(struct ruling *r, str backend, str json) {
    struct arena scratch = ARENA_INIT;
    struct node *root = NULL;
    struct err e = ERR_INIT;
    if (json_parse(json, &scratch, &root, &e) < 0 || root->type != NODE_ARRAY) {
        struct reason bad = {.backend = backend,
                             .code = STR("unreadable-reasons"),
                             .text = STR("the backend gave reasons that cannot be read")};
        add_reason(r, &bad);
        arena_finish(&scratch);
        return;
    }
    for (uint32_t i = 0; i < root->n; i++) {
        const struct node *o = root->items[i];
        struct reason x = {backend,
                           node_text(o, "code", STR_NONE),
                           one_line(&scratch, node_text(o, "text", STR_NONE)),
                           node_text(o, "rule", STR_NONE),
                           node_text(o, "path", STR_NONE),
                           one_line(&scratch, node_text(o, "remedy", STR_NONE))};
        add_reason(r, &x);
    }
    arena_finish(&scratch);
}

static void shorten(struct ruling *r, uint32_t ttl_ms) {
    if (ttl_ms < r->ttl_ms) {
        r->ttl_ms = ttl_ms;
    }
}

/* Reasons of lighter verdicts go when a heavier one comes: a denial is told by its own. */
static bool weigh(struct ruling *r, int32_t verdict) {
    if (verdict > r->verdict) {
        r->verdict = verdict;
        r->n_reasons = 0;
    }
    return verdict == r->verdict && verdict >= TRL_V_WARN;
}

void ruling_add(struct ruling *r, str backend, int32_t verdict, uint32_t flags, uint32_t ttl_ms,
                str reasons) {
    shorten(r, ttl_ms);
    if (!weigh(r, verdict)) {
        return;
    }
    r->stop |= verdict == TRL_V_DENY && (flags & TRL_VERDICT_STOP);
    uint32_t before = r->n_reasons;
    if (reasons.len) {
        read_reasons(r, backend, reasons);
    }
    if (r->n_reasons == before) {
        struct reason none = {.backend = backend, .text = STR("no reason was given")};
        add_reason(r, &none);
    }
}

void ruling_add_failure(struct ruling *r, str backend, bool open, str error) {
    shorten(r, TRL_TTL_NONE);
    r->failed = true;
    if (!weigh(r, open ? TRL_V_WARN : TRL_V_DENY)) {
        return;
    }
    struct arena scratch = ARENA_INIT;
    str text = arena_printf(&scratch, "the backend cannot decide: %.*s", PSTR(error));
    struct reason x = {
        .backend = backend,
        .code = STR("policy-unavailable"),
        .text = one_line(&scratch, text),
        .remedy = open ? STR("it is allowed because this backend has on_error: allow")
                       : STR("mend the backend, or give it on_error: allow to do without it")};
    add_reason(r, &x);
    arena_finish(&scratch);
}

bool ruling_denies(const struct ruling *r) {
    return r->verdict == TRL_V_DENY;
}

const char *ruling_word(int32_t verdict) {
    static const char *const words[] = {"abstain", "allow", "warn", "deny"};
    return verdict >= TRL_V_ABSTAIN && verdict <= TRL_V_DENY ? words[verdict] : "unknown";
}

void ruling_text(const struct ruling *r, struct buf *out) {
    buf_addf(out, "%s", ruling_denies(r) ? "denied by policy" : "policy warning");
    if (r->n_reasons == 0) {
        return;
    }
    const struct reason *x = &r->reasons[0];
    buf_addf(out, ": %.*s", PSTR(x->text.len ? x->text : x->code));
    if (x->rule.len) {
        buf_addf(out, " (rule %.*s, %.*s)", PSTR(x->rule), PSTR(x->backend));
    } else {
        buf_addf(out, " (%.*s)", PSTR(x->backend));
    }
    if (x->path.len) {
        buf_addf(out, " at %.*s", PSTR(x->path));
    }
    if (x->remedy.len) {
        buf_addf(out, "; %.*s", PSTR(x->remedy));
    }
    if (r->n_reasons > 1) {
        buf_addf(out, " [and %u more]", r->n_reasons - 1);
    }
}

static void write_some(struct jw *w, const char *key, str value) {
    if (value.len) {
        jw_kv(w, key, value);
    }
}

void ruling_write(const struct ruling *r, struct jw *w) {
    jw_kv(w, "verdict", str_c(ruling_word(r->verdict)));
    if (r->stop) {
        jw_kv_bool(w, "stop", true);
    }
    jw_key(w, "reasons");
    jw_array(w);
    for (uint32_t i = 0; i < r->n_reasons; i++) {
        const struct reason *x = &r->reasons[i];
        jw_object(w);
        jw_kv(w, "backend", x->backend);
        write_some(w, "code", x->code);
        jw_kv(w, "text", x->text);
        write_some(w, "rule", x->rule);
        write_some(w, "path", x->path);
        write_some(w, "remedy", x->remedy);
        jw_end_object(w);
    }
    jw_end_array(w);
}
