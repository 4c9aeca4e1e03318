/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <jansson.h>

#include "../../plugins/common/xmem.h"

#define REASONS_MAX     32u
#define REASON_TEXT_MAX 1000u /* bytes of one member */
#define FLAGS           (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

int answer_is_object(const char *text, size_t len) {
    json_t *j = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
    int yes = json_is_object(j);
    json_decref(j);
    return yes;
}

void verdict_finish(struct verdict *v) {
    free(v->reasons);
    memset(v, 0, sizeof(*v));
}

/* Reasons */

static const char *const reason_keys[] = {"code", "text", "rule", "path", "remedy"};

/* Cut between characters. */
static json_t *short_text(const json_t *s) {
    const char *text = json_string_value(s);
    size_t n = json_string_length(s);
    if (n > REASON_TEXT_MAX) {
        n = REASON_TEXT_MAX;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) {
            n--;
        }
    }
    return json_stringn(text, n);
}

static const json_t *text_of_reason(const json_t *from) {
    static const char *const names[] = {"text", "msg", "message"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const json_t *v = json_object_get(from, names[i]);
        if (json_is_string(v)) {
            return v;
        }
    }
    return NULL;
}

static int is_pointer(const json_t *s) {
    const char *text = json_string_value(s);
    return *text == '/' || *text == '\0';
}

/* from: a string, or an object of strings. What cannot be read of it is left out: it must not stand
 * in the way of the verdict. */
static void add_reason(json_t *list, const json_t *from, const struct answer_terms *t) {
    json_t *to;
    if (json_array_size(list) >= REASONS_MAX || !(json_is_string(from) || json_is_object(from))) {
        return;
    }
    to = json_object();
    if (json_is_string(from)) {
        json_object_set_new(to, "text", short_text(from));
    }
    for (size_t i = 0; i < sizeof(reason_keys) / sizeof(reason_keys[0]); i++) {
        const json_t *v = strcmp(reason_keys[i], "text") == 0
                              ? text_of_reason(from)
                              : json_object_get(from, reason_keys[i]);
        if (json_is_string(v) && (strcmp(reason_keys[i], "path") != 0 || is_pointer(v))) {
            json_object_set_new(to, reason_keys[i], short_text(v));
        }
    }
    if (!json_object_get(to, "text")) {
        json_object_set_new(to, "text", json_string("refused without a text"));
    }
    if (!json_object_get(to, "rule")) {
        json_object_set_new(to, "rule", json_string(t->rule));
    }
    json_array_append_new(list, to);
}

static void add_reasons(json_t *list, const json_t *from, const struct answer_terms *t) {
    size_t i;
    const json_t *v;
    if (json_is_array(from)) {
        json_array_foreach(from, i, v) {
            add_reason(list, v, t);
        }
    } else {
        add_reason(list, from, t);
    }
}

static void add_own(json_t *list, const struct answer_terms *t, const char *code, const char *text,
                    const char *remedy) {
    json_t *r = json_pack("{s:s, s:s, s:s}", "code", code, "text", text, "rule", t->rule);
    if (r && remedy) {
        json_object_set_new(r, "remedy", json_string(remedy));
    }
    json_array_append_new(list, r);
}

/* Verdicts */

/* What has been found so far: of several signs in one decision the heaviest holds. */
struct reading {
    const struct answer_terms *t;
    struct verdict *v;
    json_t *reasons;
    int said; /* anything at all */
    const char *trouble;
};

static void say(struct reading *r, int32_t verdict) {
    if (!r->said || verdict > r->v->verdict) {
        r->v->verdict = verdict;
    }
    r->said = 1;
}

static void read_word(struct reading *r, const json_t *word) {
    static const char *const words[] = {"abstain", "allow", "warn", "deny"}; /* as TRL_V_* */
    for (int32_t i = TRL_V_ABSTAIN; i <= TRL_V_DENY; i++) {
        if (json_is_string(word) && strcmp(json_string_value(word), words[i]) == 0) {
            say(r, i);
            return;
        }
    }
    r->trouble = "its verdict is none of allow, deny, warn, abstain";
}

/* deny: a set of messages, as in many rule libraries; an empty one is no objection. */
static void read_set(struct reading *r, const json_t *set, int32_t if_any, const char *trouble) {
    if (!json_is_array(set)) {
        r->trouble = trouble;
        return;
    }
    say(r, json_array_size(set) ? if_any : TRL_V_ALLOW);
    add_reasons(r->reasons, set, r->t);
}

static void read_ttl(struct reading *r, const json_t *ttl) {
    json_int_t ms = json_integer_value(ttl);
    if (!ttl) {
        return;
    }
    r->v->ttl_ms = TRL_TTL_NONE; /* what cannot be read keeps nothing */
    if (json_is_integer(ttl) && ms > 0) {
        r->v->ttl_ms = ms < (json_int_t)TRL_TTL_RULES ? (uint32_t)ms : TRL_TTL_RULES - 1;
    } else if (json_is_integer(ttl) && ms == OPTS_TTL_UNTIL_CHANGE && r->t->may_keep) {
        r->v->ttl_ms = TRL_TTL_RULES;
    }
}

static void read_object(struct reading *r, const json_t *j) {
    const json_t *allow = json_object_get(j, "allow"), *word = json_object_get(j, "verdict");
    const json_t *deny = json_object_get(j, "deny"), *warn = json_object_get(j, "warn");
    const char *enforce = json_string_value(json_object_get(j, "enforce"));
    if (word) {
        read_word(r, word);
    }
    if (json_is_boolean(allow)) {
        say(r, json_is_true(allow) ? TRL_V_ALLOW : TRL_V_DENY);
    } else if (allow) {
        r->trouble = "its allow is no boolean";
    }
    if (json_is_boolean(deny)) { /* deny: false says nothing */
        if (json_is_true(deny)) {
            say(r, TRL_V_DENY);
        }
    } else if (deny) {
        read_set(r, deny, TRL_V_DENY, "its deny is neither a boolean nor a set");
    }
    if (warn) {
        read_set(r, warn, TRL_V_WARN, "its warn is no set");
    }
    add_reasons(r->reasons, json_object_get(j, "reasons"), r->t);
    read_ttl(r, json_object_get(j, "ttl_ms"));
    if (enforce && strcmp(enforce, "stop") == 0 && r->v->verdict == TRL_V_DENY) {
        r->v->flags = TRL_VERDICT_STOP;
    }
    if (!r->said && !r->trouble) {
        r->trouble = "it has none of allow, verdict, deny, warn";
    }
}

static void read_undefined(struct reading *r) {
    if (r->t->undefined == OPTS_UNDEFINED_FAIL) {
        r->trouble = "it is undefined";
    } else if (r->t->undefined == OPTS_UNDEFINED_ABSTAIN) {
        say(r, TRL_V_ABSTAIN);
    } else {
        say(r, TRL_V_DENY);
        add_own(r->reasons, r->t, "undefined", "the rule has no decision on this",
                "load the policy that defines the rule, give it a default, or set undefined: "
                "abstain");
    }
}

/* j: one decision; NULL or null: undefined. */
static trl_status read_decision(const struct answer_terms *t, const json_t *j, struct verdict *v,
                                trl_err *err) {
    struct reading r = {.t = t, .v = v, .reasons = json_array()};
    memset(v, 0, sizeof(*v));
    v->ttl_ms = t->ttl_ms;
    if (!j || json_is_null(j)) {
        read_undefined(&r);
    } else if (json_is_boolean(j)) {
        say(&r, json_is_true(j) ? TRL_V_ALLOW : TRL_V_DENY);
    } else if (json_is_object(j)) {
        read_object(&r, j);
    } else if (json_is_array(j)) {
        read_set(&r, j, TRL_V_DENY, "");
    } else {
        r.trouble = "it is neither a boolean, an object nor a set of messages";
    }
    if (v->verdict == TRL_V_DENY) { /* a no is a no, whatever else cannot be read */
        r.trouble = NULL;
    }
    if (v->verdict == TRL_V_DENY && json_array_size(r.reasons) == 0) {
        add_own(r.reasons, t, "denied", "the rule says no, and not why", NULL);
    }
    if (!r.trouble && json_array_size(r.reasons)) {
        v->reasons = x_checked(json_dumps(r.reasons, JSON_COMPACT));
    }
    json_decref(r.reasons);
    if (r.trouble) {
        memset(v, 0, sizeof(*v));
        return trl_errf(err, TRL_E_INTERNAL, "the decision of %s cannot be read: %s", t->asked,
                        r.trouble);
    }
    return TRL_OK;
}

/* The whole answer; NULL: err is set. */
static json_t *load(const char *text, size_t len, trl_err *err) {
    json_error_t e;
    json_t *j = json_loadb(text, len, FLAGS, &e);
    if (json_is_object(j)) {
        return j;
    }
    if (j) {
        trl_errf(err, TRL_E_INTERNAL,
                 "the answer is no JSON object; is this the address of an "
                 "Open Policy Agent?");
    } else {
        trl_errf(err, TRL_E_INTERNAL, "the answer is no JSON (line %d: %.80s)", e.line, e.text);
    }
    json_decref(j);
    return NULL;
}

trl_status answer_one(const struct answer_terms *t, const char *text, size_t len, struct verdict *v,
                      trl_err *err) {
    json_t *j = load(text, len, err);
    trl_status st;
    memset(v, 0, sizeof(*v));
    if (!j) {
        return TRL_E_INTERNAL;
    }
    st = read_decision(t, json_object_get(j, "result"), v, err);
    json_decref(j);
    return st;
}

static trl_status read_all(const struct answer_terms *t, const json_t *list, struct verdict *v,
                           uint32_t n, trl_err *err) {
    trl_status st = TRL_OK;
    if (list && !json_is_array(list)) {
        return trl_errf(err, TRL_E_INTERNAL, "%s gives no array of decisions", t->asked);
    }
    if (list && json_array_size(list) != n) {
        return trl_errf(err, TRL_E_INTERNAL,
                        "%s gives %zu decisions on %u subjects; every subject needs one, in order",
                        t->asked, json_array_size(list), n);
    }
    for (uint32_t i = 0; i < n && st == TRL_OK; i++) {
        st = read_decision(t, list ? json_array_get(list, i) : NULL, &v[i], err);
    }
    return st;
}

trl_status answer_batch(const struct answer_terms *t, const char *text, size_t len,
                        struct verdict *v, uint32_t n, trl_err *err) {
    json_t *j = load(text, len, err);
    trl_status st;
    memset(v, 0, n * sizeof(*v));
    if (!j) {
        return TRL_E_INTERNAL;
    }
    st = read_all(t, json_object_get(j, "result"), v, n, err);
    json_decref(j);
    for (uint32_t i = 0; st != TRL_OK && i < n; i++) {
        verdict_finish(&v[i]);
    }
    return st;
}

/* Refusals */

static trl_status status_of(long status) {
    return status == 401 || status == 403   ? TRL_E_DENIED
           : status == 404                  ? TRL_E_NOTFOUND
           : status == 429 || status == 503 ? TRL_E_BUSY
           : status >= 502 && status <= 504 ? TRL_E_UNAVAIL
                                            : TRL_E_INTERNAL;
}

static const char *remedy_of(long status) {
    return status == 401 || status == 403 ? "; check token_file, tls.cert and its authorization"
           : status == 404                ? "; is url the address of an Open Policy Agent?"
           : status >= 300 && status < 400
               ? "; redirects are not followed, put the right address into url"
               : "";
}

static const char *str_at(const json_t *j, const char *key) {
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "";
}

trl_status answer_refused(const char *url, long status, const char *text, size_t len,
                          trl_err *err) {
    json_t *j = json_loadb(text, len, 0, NULL);
    const json_t *first = json_array_get(json_object_get(j, "errors"), 0);
    const char *said = str_at(first ? first : j, "message");
    trl_errf(err, status_of(status), "%s: HTTP %ld%s%s%.140s", url, status, remedy_of(status),
             *said ? ": " : "", said);
    json_decref(j);
    for (char *c = err->msg; *c; c++) {
        *c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
    }
    return err->code;
}

/* Revisions */

static uint64_t hash_text(uint64_t h, const json_t *s) {
    size_t n = json_string_length(s);
    h = trl_hash_more(h, &n, sizeof(n));
    return n ? trl_hash_more(h, json_string_value(s), n) : h;
}

/* The server lists them in any order, so the order must not count. */
static uint64_t hash_policies(const json_t *list) {
    uint64_t sum = 0;
    size_t i;
    const json_t *p;
    json_array_foreach(list, i, p) {
        uint64_t h = hash_text(TRL_HASH_INIT, json_object_get(p, "id"));
        sum += hash_text(h, json_object_get(p, "raw"));
    }
    return sum;
}

trl_status answer_revision(const char *text, size_t len, int policies, uint64_t *ret,
                           trl_err *err) {
    json_t *j = load(text, len, err);
    const json_t *result = json_object_get(j, "result");
    char *dump;
    if (!j) {
        return TRL_E_INTERNAL;
    }
    if (policies && !json_is_array(result)) {
        json_decref(j);
        return trl_errf(err, TRL_E_INTERNAL, "the list of policies is no list");
    }
    if (policies) {
        *ret = hash_policies(result);
    } else {
        dump = result ? json_dumps(result, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
        *ret = dump ? trl_hash_more(TRL_HASH_INIT, dump, strlen(dump)) : 0;
        free(dump);
    }
    json_decref(j);
    return TRL_OK;
}
