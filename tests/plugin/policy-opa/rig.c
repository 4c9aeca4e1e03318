/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"

void rig_open(struct rig *r, const char *config) {
    r->tk = tk_create(false);
    r->trace = NULL;
    r->in = config ? tk_open(r->tk, TRL_KIND_POLICY, "opa", config, NULL, 0) : NULL;
    if (config && !r->in) {
        fail_msg("%s: %s", config, tk_error(r->tk));
    }
}

void rig_close(struct rig *r) {
    tk_close(r->tk, r->in);
    assert_int_equal(tk_failures(r->tk), 0);
    assert_int_equal(tk_destroy(r->tk), 0);
}

static void on_asked(void *arg, trl_status st, const struct policy_verdict *v, const trl_err *e) {
    struct asked *a = arg;
    a->done = true;
    a->st = st;
    a->call = NULL;
    for (uint32_t i = 0; v && i < a->n; i++) {
        a->v[i] = v[i];
        a->v[i].reasons =
            str_c(mem_strndup(v[i].reasons.ptr ? v[i].reasons.ptr : "", v[i].reasons.len));
    }
    if (e) {
        a->retry_after_ms = e->retry_after_ms;
        snprintf(a->msg, sizeof(a->msg), "%s", e->msg);
    }
}

void ask(struct rig *r, struct asked *a, uint32_t point, const char *subject, uint32_t n,
         int64_t timeout_ms) {
    str *subjects = mem_array(n ? n : 1, sizeof(*subjects));
    memset(a, 0, sizeof(*a));
    a->n = n;
    for (uint32_t i = 0; i < n; i++) {
        subjects[i] = str_c(subject);
    }
    a->call = r->trace ? policy_decide_now(r->in, point, subjects, n, str_c(r->trace),
                                           timeout_ms * TK_MS, on_asked, a)
                       : policy_decide(r->in, point, subjects, n, timeout_ms * TK_MS, on_asked, a);
    mem_free(subjects);
}

void asked_wait(struct rig *r, struct asked *a) {
    tk_until_set(r->tk, &a->done);
}

void asked_free(struct asked *a) {
    for (uint32_t i = 0; i < a->n; i++) {
        mem_free((char *)(uintptr_t)a->v[i].reasons.ptr);
    }
    memset(a, 0, sizeof(*a));
}

void ask_one(struct rig *r, struct asked *a, const char *subject) {
    ask(r, a, TRL_POINT_HOST, subject, 1, 0);
    asked_wait(r, a);
}

/* The rule */

static bool has_latest(const json_t *j) {
    const char *key;
    json_t *v;
    size_t i;
    if (json_is_string(j)) {
        const char *s = json_string_value(j);
        size_t n = strlen(s);
        return n >= 7 && strcmp(s + n - 7, ":latest") == 0;
    }
    json_object_foreach((json_t *)(uintptr_t)j, key, v) {
        if (has_latest(v)) {
            return true;
        }
    }
    json_array_foreach(j, i, v) {
        if (has_latest(v)) {
            return true;
        }
    }
    return false;
}

static json_t *decision(const json_t *subject) {
    return has_latest(subject) ? json_pack("{s:s, s:[{s:s, s:s}]}", "verdict", "deny", "reasons",
                                           "text", "images need a version", "code", "latest")
                               : json_pack("{s:b, s:i}", "allow", 1, "ttl_ms", 1000);
}

void rig_answer(struct fake_conn *c, const struct fake_req *q) {
    json_t *j = json_loadb(q->body, q->len, JSON_ALLOW_NUL, NULL);
    const json_t *input = json_object_get(j, "input");
    json_t *result, *one;
    size_t i;
    if (strcmp(q->method, "POST") != 0 || !input) {
        json_decref(j);
        fake_json(c, 400, "{\"code\":\"invalid_parameter\",\"message\":\"bad input\"}");
        return;
    }
    result = json_is_array(input) ? json_array() : decision(input);
    if (json_is_array(input)) {
        json_array_foreach(input, i, one) {
            json_array_append_new(result, decision(one));
        }
    }
    json_t *answer = json_pack("{s:o}", "result", result);
    char *text = json_dumps(answer, JSON_COMPACT);
    fake_json(c, 200, text);
    free(text);
    json_decref(answer);
    json_decref(j);
}
