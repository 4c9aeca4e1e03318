/* SPDX-License-Identifier: Apache-2.0
 *
 * Chains over scripted backends (tests/abi/policy_script.c), with the audit in the memory store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "policy/policy.h"
#include "testkit.h"

struct fix {
    struct tk *tk, *store_tk;
    struct plug_inst *in[2], *store;
    struct kv *kv;
    struct audit *audit;
    struct policy_chains *p;
    uint32_t changes, answers;
    int32_t verdict[2000];
    char text[400];
    bool read;
    char *log;
};

static void on_change(void *arg) {
    ((struct fix *)arg)->changes++;
}

static void setup(struct fix *f, uint32_t n, uint32_t open, const char *second) {
    *f = (struct fix){0};
    f->tk = tk_create_in(true, TEST_PLUGIN_DIR);
    f->store_tk = tk_create(true);
    f->store = tk_open(f->store_tk, TRL_KIND_STORE, "memory", NULL, NULL, 0);
    f->kv = kv_create(f->store);
    f->audit = audit_create(tk_loop(f->store_tk), f->kv, NULL, &(struct audit_limits){0});
    struct policy_backend b[2] = {{.name = STR("one"),
                                   .points = 63,
                                   .open = open,
                                   .timeout_ns = {[TRL_POINT_HOST] = 300 * TK_MS}},
                                  {.name = STR("two"), .points = 63, .open = open}};
    for (uint32_t i = 0; i < n; i++) {
        f->in[i] = tk_open(f->tk, TRL_KIND_POLICY, "policy-script", i ? second : NULL, NULL, 0);
        b[i].in = f->in[i];
    }
    struct policy_env env = {.loop = tk_loop(f->tk),
                             .audit = f->audit,
                             .backends = b,
                             .n_backends = n,
                             .on_change = on_change,
                             .arg = f};
    f->p = policy_create(&env);
}

static void teardown(struct fix *f) {
    policy_destroy(f->p);
    for (uint32_t i = 0; i < 2; i++) {
        if (f->in[i]) {
            tk_close(f->tk, f->in[i]);
        }
    }
    audit_destroy(f->audit);
    tk_settle(f->store_tk);
    kv_destroy(f->kv);
    tk_close(f->store_tk, f->store);
    mem_free(f->log);
    assert_int_equal(tk_destroy(f->store_tk), 0);
    assert_int_equal(tk_destroy(f->tk), 0);
}

static uint32_t asked_n;

static void on_rulings(void *arg, struct ruling *const *r) {
    struct fix *f = arg;
    struct buf b = BUF_INIT;
    f->answers++;
    for (uint32_t i = 0; i < asked_n; i++) {
        f->verdict[i] = r[i]->verdict;
    }
    ruling_text(r[0], &b);
    snprintf(f->text, sizeof(f->text), "%s", b.ptr);
    buf_finish(&b);
}

static const struct policy_about about = {
    .lattice = {"default", 7}, .app = {"hello", 5}, .caller = {"me", 2}, .trace = {"t-1", 3}};

static int32_t ask(struct fix *f, uint32_t point, const char *subject) {
    struct policy_question q = {str_c(subject), STR("deploy hello")};
    uint32_t want = f->answers + 1;
    asked_n = 1;
    policy_ask(f->p, point, &q, 1, &about, on_rulings, f);
    tk_until_count(f->tk, &f->answers, want);
    return f->verdict[0];
}

static void deny_overrides(void **state) {
    struct fix f;
    (void)state;
    setup(&f, 2, 0, NULL);
    assert_int_equal(ask(&f, TRL_POINT_PUT, "fine"), TRL_V_ALLOW);
    assert_int_equal(ask(&f, TRL_POINT_PUT, "abstain"), TRL_V_ALLOW);
    assert_int_equal(ask(&f, TRL_POINT_PUT, "warn"), TRL_V_WARN);
    assert_int_equal(ask(&f, TRL_POINT_PUT, "deny"), TRL_V_DENY);
    assert_string_equal(f.text, "denied by policy: because of it (rule r1, one) at /spec; do else "
                                "[and 1 more]");
    teardown(&f);
}

static void a_failed_call_is_a_denial_unless_told_otherwise(void **state) {
    static const char *const broken[] = {"error", "hang", "odd", "silent", "twice"};
    struct fix f;
    (void)state;
    for (uint32_t open = 0; open < 2; open++) {
        setup(&f, 1, open ? 63 : 0, NULL);
        for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
            int32_t v = ask(&f, TRL_POINT_COMMAND, broken[i]);
            assert_int_equal(v, open ? TRL_V_WARN : TRL_V_DENY);
            assert_non_null(strstr(f.text, "cannot decide"));
        }
        struct policy_counts n;
        policy_counts(f.p, &n);
        assert_int_equal(n.failures, ARRAY_LEN(broken));
        teardown(&f);
    }
}

/* Backends are told the trace of a decision; it is no part of what is decided. */
static void a_trace_goes_along(void **state) {
    struct policy_about traced = about;
    struct policy_question q = {STR("traced"), STR("x")};
    struct fix f;
    (void)state;
    setup(&f, 1, 0, NULL);
    asked_n = 1;
    traced.traceparent = STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    policy_ask(f.p, TRL_POINT_PUT, &q, 1, &traced, on_rulings, &f);
    tk_until_count(f.tk, &f.answers, 1);
    assert_non_null(
        strstr(f.text, "in trace 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    assert_int_equal(ask(&f, TRL_POINT_PUT, "traced"), TRL_V_DENY);
    assert_non_null(strstr(f.text, "in trace 00-")); /* known already */
    assert_int_equal(ask(&f, TRL_POINT_PUT, "traced too"), TRL_V_DENY);
    assert_non_null(strstr(f.text, "in trace none"));
    teardown(&f);
}

/* Each point has its own patience: two seconds unless another is given. */
static void a_slow_backend_is_given_up_by_point(void **state) {
    struct policy_question q = {STR("hang"), STR("x")};
    struct fix f;
    (void)state;
    setup(&f, 1, 0, NULL);
    asked_n = 1;
    policy_ask(f.p, TRL_POINT_HOST, &q, 1, &about, on_rulings, &f);
    loop_advance(tk_loop(f.tk), 299 * TK_MS);
    assert_int_equal(f.answers, 0);
    loop_advance(tk_loop(f.tk), 2 * TK_MS);
    assert_int_equal(f.answers, 1);
    policy_ask(f.p, TRL_POINT_PUT, &q, 1, &about, on_rulings, &f);
    loop_advance(tk_loop(f.tk), 1990 * TK_MS);
    assert_int_equal(f.answers, 1);
    loop_advance(tk_loop(f.tk), 20 * TK_MS);
    assert_int_equal(f.answers, 2);
    assert_int_equal(f.verdict[0], TRL_V_DENY);
    teardown(&f);
}

static void known_rulings_cost_no_call(void **state) {
    struct fix f;
    struct policy_counts n;
    (void)state;
    setup(&f, 2, 0, NULL);
    ask(&f, TRL_POINT_PUT, "fine");
    ask(&f, TRL_POINT_PUT, "fine");
    policy_counts(f.p, &n);
    assert_int_equal(n.calls, 2);
    assert_non_null(policy_peek(f.p, TRL_POINT_PUT, STR("fine"), STR("x"), &about));
    assert_null(policy_peek(f.p, TRL_POINT_PUT, STR("other"), STR("x"), &about));
    ask(&f, TRL_POINT_PUT, "brief");
    loop_advance(tk_loop(f.tk), 6000 * TK_MS);
    assert_null(policy_peek(f.p, TRL_POINT_PUT, STR("brief"), STR("x"), &about));
    teardown(&f);
}

static void changed_rules_void_what_was_known(void **state) {
    struct fix f;
    (void)state;
    setup(&f, 1, 0, NULL);
    ask(&f, TRL_POINT_PUT, "fine");
    ask(&f, TRL_POINT_PUT, "rotate");
    tk_settle(f.tk);
    assert_int_equal(f.changes, 1);
    assert_null(policy_peek(f.p, TRL_POINT_PUT, STR("fine"), STR("x"), &about));
    teardown(&f);
}

static void a_backend_without_a_word_costs_nothing(void **state) {
    struct fix f;
    struct policy_counts n;
    (void)state;
    setup(&f, 2, 0, "{\"points\":0}");
    ask(&f, TRL_POINT_PUT, "fine");
    policy_counts(f.p, &n);
    assert_int_equal(n.calls, 1);
    assert_true(policy_asks(f.p, TRL_POINT_PUT));
    assert_false(policy_asks(NULL, TRL_POINT_PUT));
    teardown(&f);
}

/* A verdict that must not be kept is for the one who acts on it. */
static void a_verdict_of_one_use_is_not_handed_on(void **state) {
    struct fix f;
    (void)state;
    setup(&f, 1, 0, NULL);
    assert_int_equal(ask(&f, TRL_POINT_PUT, "once"), TRL_V_ALLOW);
    assert_null(policy_peek(f.p, TRL_POINT_PUT, STR("once"), STR("x"), &about));
    assert_int_equal(ask(&f, TRL_POINT_PLACE, "once"), TRL_V_ALLOW);
    struct ruling *r = policy_peek(f.p, TRL_POINT_PLACE, STR("once"), STR("x"), &about);
    assert_non_null(r);
    assert_ptr_equal(policy_peek(f.p, TRL_POINT_PLACE, STR("once"), STR("x"), &about), r);
    policy_spend(r);
    assert_null(policy_peek(f.p, TRL_POINT_PLACE, STR("once"), STR("x"), &about));
    teardown(&f);
}

static void many_at_once_are_answered_in_order(void **state) {
    static char text[1300][16];
    static struct policy_question q[1300];
    struct fix f;
    (void)state;
    setup(&f, 2, 0, NULL);
    for (uint32_t i = 0; i < 1300; i++) {
        snprintf(text[i], sizeof(text[i]), "%s %u", i % 3 ? "fine" : "deny", i);
        q[i] = (struct policy_question){str_c(text[i]), str_c(text[i])};
    }
    asked_n = 1300;
    policy_ask(f.p, TRL_POINT_COMMAND, q, 1300, &about, on_rulings, &f);
    tk_until_count(f.tk, &f.answers, 1);
    for (uint32_t i = 0; i < 1300; i++) {
        assert_int_equal(f.verdict[i], i % 3 ? TRL_V_ALLOW : TRL_V_DENY);
    }
    teardown(&f);
}

/* Where every backend answers inside the call, so does the chain; where one does not, nobody is
 * told before all have answered. */
static void what_is_decided_inside_the_calls_is_known_at_once(void **state) {
    struct policy_question q = {STR("deny"), STR("x")}, slow = {STR("hang"), STR("x")};
    struct policy_question bad = {STR("twice"), STR("x")};
    struct policy_counts before, after;
    struct fix f;
    (void)state;
    setup(&f, 2, 0, NULL);
    asked_n = 1;
    assert_false(policy_knows(f.p, TRL_POINT_PUT, STR("deny")));
    for (uint32_t i = 1; i <= 2; i++) { /* asked, and known */
        assert_null(policy_ask_now(f.p, TRL_POINT_PUT, &q, 1, &about, on_rulings, &f));
        assert_int_equal(f.answers, i);
        assert_int_equal(f.verdict[0], TRL_V_DENY);
    }
    policy_counts(f.p, &before);
    assert_true(policy_knows(f.p, TRL_POINT_PUT, STR("deny")));
    policy_counts(f.p, &after);
    assert_int_equal(after.hits, before.hits);
    assert_null(policy_ask_now(f.p, TRL_POINT_PUT, &bad, 1, &about, on_rulings, &f));
    assert_non_null(strstr(f.text, "a subject got two verdicts"));
    assert_non_null(policy_ask_now(f.p, TRL_POINT_PUT, &slow, 1, &about, on_rulings, &f));
    assert_int_equal(f.answers, 3);
    tk_until_count(f.tk, &f.answers, 4); /* when the deadline is over */
    assert_int_equal(f.verdict[0], TRL_V_DENY);
    policy_ask(f.p, TRL_POINT_PUT, &q, 1, &about, on_rulings, &f);
    assert_int_equal(f.answers, 4); /* this one answers in a later turn, whatever is known */
    tk_until_count(f.tk, &f.answers, 5);
    teardown(&f);
}

static void ends_with_asks_open(void **state) {
    struct fix f;
    (void)state;
    setup(&f, 1, 0, NULL);
    struct policy_question q = {STR("hang"), STR("x")}, known = {STR("fine"), STR("y")};
    ask(&f, TRL_POINT_PUT, "fine");
    policy_ask(f.p, TRL_POINT_PUT, &q, 1, &about, on_rulings, &f);
    policy_ask(f.p, TRL_POINT_PUT, &known, 1, &about, on_rulings, &f);
    struct policy_ask *cancelled = policy_ask(f.p, TRL_POINT_PUT, &q, 1, &about, on_rulings, &f);
    policy_ask_cancel(cancelled);
    policy_destroy(f.p);
    f.p = NULL;
    tk_settle(f.tk);
    assert_int_equal(f.answers, 1);
    teardown(&f);
}

static void on_read(void *arg, trl_status st, str json) {
    struct fix *f = arg;
    assert_int_equal(st, TRL_OK);
    mem_free(f->log);
    f->log = str_dup(json);
    f->read = true;
}

static const char *log_of(struct fix *f, const struct audit_query *q) {
    tk_settle(f->store_tk);
    f->read = false;
    audit_read(f->audit, q, on_read, f);
    tk_until_set(f->store_tk, &f->read);
    return f->log;
}

static uint32_t count(const char *text, const char *word) {
    uint32_t n = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

static void the_audit_has_all_but_plain_cached_allows(void **state) {
    struct fix f;
    (void)state;
    setup(&f, 1, 0, NULL);
    ask(&f, TRL_POINT_DEPLOY, "fine");
    ask(&f, TRL_POINT_DEPLOY, "fine");
    ask(&f, TRL_POINT_DEPLOY, "deny");
    ask(&f, TRL_POINT_DEPLOY, "deny");
    const char *log = log_of(&f, &(struct audit_query){0});
    assert_int_equal(count(log, "\"point\":\"deploy\""), 3);
    assert_int_equal(count(log, "\"verdict\":\"allow\""), 1);
    assert_int_equal(count(log, "\"cached\":true"), 1);
    assert_non_null(strstr(log,
                           "\"what\":\"deploy hello\",\"lattice\":\"default\",\"app\":\"hello\","
                           "\"caller\":\"me\",\"trace\":\"t-1\",\"backends\":[\"one\"],\"verdict\":"
                           "\"allow\""));
    log = log_of(&f, &(struct audit_query){.verdict = STR("deny"), .limit = 1});
    assert_int_equal(count(log, "\"point\""), 1);
    log = log_of(&f, &(struct audit_query){.app = STR("other")});
    assert_string_equal(log, "[]");
    teardown(&f);
}

/* What is no plain allow is told of those whom it is about. */
static void each_question_may_be_about_somebody_else(void **state) {
    struct policy_question q[] = {
        {STR("deny 1"), STR("one")}, {STR("fine"), STR("two")}, {STR("deny 3"), STR("three")}};
    struct policy_about each[] = {{.caller = STR("host A"), .trace = STR("r-1")},
                                  {.caller = STR("host B"), .trace = STR("r-2")},
                                  {.caller = STR("host C"), .trace = STR("r-3")}};
    struct fix f;
    (void)state;
    setup(&f, 1, 0, NULL);
    asked_n = 3;
    policy_ask_each(f.p, TRL_POINT_HOST, q, each, 3, &about, on_rulings, &f);
    tk_until_count(f.tk, &f.answers, 1);
    const char *log = log_of(&f, &(struct audit_query){0});
    assert_int_equal(count(log, "\"point\""), 3);
    assert_non_null(strstr(log, "\"what\":\"one\",\"caller\":\"host A\",\"trace\":\"r-1\""));
    assert_non_null(strstr(log, "\"what\":\"three\",\"caller\":\"host C\",\"trace\":\"r-3\""));
    assert_non_null(strstr(
        log, "\"caller\":\"me\",\"trace\":\"t-1\",\"backends\":[\"one\"],\"verdict\":\"allow\""));
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deny_overrides),
        cmocka_unit_test(a_failed_call_is_a_denial_unless_told_otherwise),
        cmocka_unit_test(a_trace_goes_along),
        cmocka_unit_test(a_slow_backend_is_given_up_by_point),
        cmocka_unit_test(known_rulings_cost_no_call),
        cmocka_unit_test(changed_rules_void_what_was_known),
        cmocka_unit_test(a_backend_without_a_word_costs_nothing),
        cmocka_unit_test(a_verdict_of_one_use_is_not_handed_on),
        cmocka_unit_test(many_at_once_are_answered_in_order),
        cmocka_unit_test(what_is_decided_inside_the_calls_is_known_at_once),
        cmocka_unit_test(each_question_may_be_about_somebody_else),
        cmocka_unit_test(ends_with_asks_open),
        cmocka_unit_test(the_audit_has_all_but_plain_cached_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
