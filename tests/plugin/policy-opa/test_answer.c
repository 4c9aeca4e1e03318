/* SPDX-License-Identifier: Apache-2.0
 *
 * What answers of an Open Policy Agent mean: the table of the README, line by line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "answer.h"

#define FAILS (-1)

struct line {
    const char *answer;
    int32_t verdict; /* or FAILS */
    const char *reason;
    uint32_t flags, ttl_ms;
};

static const struct line lines[] = {
    {"{\"result\":true}", TRL_V_ALLOW, NULL, 0, 7},
    {"{\"result\":false}", TRL_V_DENY, "says no, and not why", 0, 7},
    {"{\"result\":{\"allow\":true}}", TRL_V_ALLOW, NULL, 0, 7},
    {"{\"result\":{\"allow\":false,\"reasons\":[\"no latest\"]}}", TRL_V_DENY,
     "[{\"text\":\"no latest\",\"rule\":\"data.t.d\"}]", 0, 7},
    {"{\"result\":{\"verdict\":\"abstain\"}}", TRL_V_ABSTAIN, NULL, 0, 7},
    {"{\"result\":{\"verdict\":\"allow\",\"ttl_ms\":250}}", TRL_V_ALLOW, NULL, 0, 250},
    {"{\"result\":{\"verdict\":\"warn\",\"reasons\":[{\"text\":\"old\",\"code\":\"age\",\"rule\":"
     "\"r\",\"path\":\"/spec\",\"remedy\":\"renew\",\"more\":1}]}}",
     TRL_V_WARN,
     "[{\"code\":\"age\",\"text\":\"old\",\"rule\":\"r\",\"path\":\"/spec\",\"remedy\":\"renew\"}]",
     0, 7},
    {"{\"result\":{\"verdict\":\"deny\",\"enforce\":\"stop\"}}", TRL_V_DENY, "says no",
     TRL_VERDICT_STOP, 7},
    {"{\"result\":{\"verdict\":\"allow\",\"enforce\":\"stop\"}}", TRL_V_ALLOW, NULL, 0, 7},
    {"{\"result\":{\"allow\":false,\"reasons\":[{\"text\":\"x\",\"path\":\"spec\",\"code\":7}]}}",
     TRL_V_DENY, "[{\"text\":\"x\",\"rule\":\"data.t.d\"}]", 0, 7},
    /* sets of messages */
    {"{\"result\":[]}", TRL_V_ALLOW, NULL, 0, 7},
    {"{\"result\":[\"a\",{\"msg\":\"b\"},7]}", TRL_V_DENY,
     "[{\"text\":\"a\",\"rule\":\"data.t.d\"},{\"text\":\"b\",\"rule\":\"data.t.d\"}]", 0, 7},
    {"{\"result\":{\"deny\":[],\"warn\":[\"soon\"]}}", TRL_V_WARN, "soon", 0, 7},
    {"{\"result\":{\"deny\":[\"x\"],\"warn\":[\"soon\"],\"allow\":true}}", TRL_V_DENY, "x", 0, 7},
    {"{\"result\":{\"deny\":[],\"warn\":[]}}", TRL_V_ALLOW, NULL, 0, 7},
    {"{\"result\":{\"deny\":true}}", TRL_V_DENY, "says no", 0, 7},
    {"{\"result\":{\"deny\":false,\"allow\":true}}", TRL_V_ALLOW, NULL, 0, 7},
    /* the heaviest sign holds */
    {"{\"result\":{\"allow\":true,\"verdict\":\"deny\"}}", TRL_V_DENY, "says no", 0, 7},
    {"{\"result\":{\"allow\":false,\"verdict\":\"allow\"}}", TRL_V_DENY, "says no", 0, 7},
    {"{\"result\":{\"allow\":true,\"verdict\":\"warn\"}}", TRL_V_WARN, NULL, 0, 7},
    {"{\"result\":{\"deny\":[\"x\"],\"verdict\":\"nope\"}}", TRL_V_DENY, "x", 0, 7},
    /* undefined */
    {"{}", TRL_V_DENY, "\"code\":\"undefined\"", 0, 7},
    {"{\"result\":null}", TRL_V_DENY, "undefined: abstain", 0, 7},
    /* times to live that mean nothing keep nothing */
    {"{\"result\":{\"allow\":true,\"ttl_ms\":0}}", TRL_V_ALLOW, NULL, 0, 0},
    {"{\"result\":{\"allow\":true,\"ttl_ms\":-1}}", TRL_V_ALLOW, NULL, 0, 0},
    {"{\"result\":{\"allow\":true,\"ttl_ms\":\"9\"}}", TRL_V_ALLOW, NULL, 0, 0},
    {"{\"result\":{\"allow\":true,\"ttl_ms\":99999999999999}}", TRL_V_ALLOW, NULL, 0,
     TRL_TTL_RULES - 1},
    {"{\"result\":{\"allow\":false,\"reasons\":{\"text\":7}}}", TRL_V_DENY, "without a text", 0, 7},
    {"{\"result\":{\"allow\":false,\"reasons\":9}}", TRL_V_DENY, "says no", 0, 7},
    /* what is no decision */
    {"{\"result\":\"yes\"}", FAILS, "neither a boolean", 0, 0},
    {"{\"result\":1}", FAILS, "neither a boolean", 0, 0},
    {"{\"result\":{}}", FAILS, "none of allow, verdict, deny, warn", 0, 0},
    {"{\"result\":{\"permitted\":true}}", FAILS, "none of allow", 0, 0},
    {"{\"result\":{\"allow\":\"true\"}}", FAILS, "its allow is no boolean", 0, 0},
    {"{\"result\":{\"verdict\":\"denied\"}}", FAILS, "none of allow, deny, warn", 0, 0},
    {"{\"result\":{\"deny\":\"x\"}}", FAILS, "its deny is neither", 0, 0},
    {"{\"result\":{\"warn\":true}}", FAILS, "its warn is no set", 0, 0},
    {"{\"result\":true,\"result\":false}", FAILS, "no JSON", 0, 0},
    {"{\"result\":tru", FAILS, "no JSON", 0, 0},
    {"", FAILS, "no JSON", 0, 0},
    {"<html>", FAILS, "no JSON", 0, 0},
    {"[true]", FAILS, "no JSON object", 0, 0},
    {"{\"result\":\"\xff\"}", FAILS, "no JSON", 0, 0},
};

static const struct answer_terms terms = {"data.t.d", "data.t.d", OPTS_UNDEFINED_DENY, 7, 0};

static void test_lines(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const struct line *l = &lines[i];
        struct verdict v;
        trl_err err = {.struct_size = sizeof(err)};
        trl_status st = answer_one(&terms, l->answer, strlen(l->answer), &v, &err);
        int right = l->verdict == FAILS
                        ? st == TRL_E_INTERNAL && strstr(err.msg, l->reason) && !v.reasons
                        : st == TRL_OK && v.verdict == l->verdict && v.flags == l->flags &&
                              v.ttl_ms == l->ttl_ms && !l->reason == !v.reasons &&
                              (!l->reason || strstr(v.reasons, l->reason));
        if (!right) {
            fail_msg("%s: %d, verdict %d flags %u ttl %u %s %s", l->answer, st, v.verdict, v.flags,
                     v.ttl_ms, v.reasons ? v.reasons : "", err.msg);
        }
        verdict_finish(&v);
    }
}

static void test_undefined(void **state) {
    struct answer_terms t = terms;
    struct verdict v;
    trl_err err = {.struct_size = sizeof(err)};
    (void)state;
    t.undefined = OPTS_UNDEFINED_ABSTAIN;
    assert_int_equal(answer_one(&t, "{}", 2, &v, &err), TRL_OK);
    assert_int_equal(v.verdict, TRL_V_ABSTAIN);
    assert_null(v.reasons);
    t.undefined = OPTS_UNDEFINED_FAIL;
    assert_int_equal(answer_one(&t, "{}", 2, &v, &err), TRL_E_INTERNAL);
    assert_non_null(strstr(err.msg, "data.t.d"));
    assert_non_null(strstr(err.msg, "undefined"));
}

static void test_until_change(void **state) {
    static const char text[] = "{\"result\":{\"allow\":true,\"ttl_ms\":-1}}";
    struct answer_terms t = terms;
    struct verdict v;
    (void)state;
    t.may_keep = 1;
    assert_int_equal(answer_one(&t, text, strlen(text), &v, NULL), TRL_OK);
    assert_int_equal(v.ttl_ms, TRL_TTL_RULES);
}

static void test_batch(void **state) {
    static const char text[] =
        "{\"result\":[true,{\"verdict\":\"warn\",\"reasons\":[\"w\"]},null]}";
    struct verdict v[3];
    trl_err err = {.struct_size = sizeof(err)};
    (void)state;
    assert_int_equal(answer_batch(&terms, text, strlen(text), v, 3, &err), TRL_OK);
    assert_int_equal(v[0].verdict, TRL_V_ALLOW);
    assert_int_equal(v[1].verdict, TRL_V_WARN);
    assert_int_equal(v[2].verdict, TRL_V_DENY);
    for (int i = 0; i < 3; i++) {
        verdict_finish(&v[i]);
    }
    /* one too few, one that cannot be read, no array, undefined */
    assert_int_equal(answer_batch(&terms, text, strlen(text), v, 2, &err), TRL_E_INTERNAL);
    assert_non_null(strstr(err.msg, "3 decisions on 2 subjects"));
    static const char bad[] = "{\"result\":[[\"x\"],7]}";
    assert_int_equal(answer_batch(&terms, bad, strlen(bad), v, 2, &err), TRL_E_INTERNAL);
    assert_null(v[0].reasons);
    static const char no[] = "{\"result\":true}";
    assert_int_equal(answer_batch(&terms, no, strlen(no), v, 2, &err), TRL_E_INTERNAL);
    assert_non_null(strstr(err.msg, "no array"));
    assert_int_equal(answer_batch(&terms, "{}", 2, v, 2, &err), TRL_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(v[i].verdict, TRL_V_DENY);
        verdict_finish(&v[i]);
    }
}

/* Reasons are cut between characters, and their number is limited. */
static void test_long_reasons(void **state) {
    enum { MANY = 100, LONG = 3000 };
    size_t cap = MANY * (LONG + 8) + 64, n = 0;
    char *text = malloc(cap);
    struct verdict v;
    (void)state;
    n += (size_t)snprintf(text, cap, "{\"result\":[");
    for (int i = 0; i < MANY; i++) {
        text[n++] = i ? ',' : ' ';
        text[n++] = '"';
        text[n++] = 'x';
        for (int k = 0; k < LONG / 2; k++) {
            text[n++] = '\xc3';
            text[n++] = '\xa4';
        }
        text[n++] = '"';
    }
    n += (size_t)snprintf(text + n, cap - n, "]}");
    assert_int_equal(answer_one(&terms, text, n, &v, NULL), TRL_OK);
    assert_int_equal(v.verdict, TRL_V_DENY);
    assert_true(strlen(v.reasons) > 32 * 900 && strlen(v.reasons) < 32 * 1100);
    verdict_finish(&v);
    free(text);
}

static void test_refused(void **state) {
    static const struct {
        long status;
        const char *body;
        trl_status st;
        const char *text;
    } r[] = {
        {400, "{\"code\":\"invalid_parameter\",\"message\":\"bad input\"}", TRL_E_INTERNAL,
         "HTTP 400: bad input"},
        {401, "", TRL_E_DENIED, "token_file"},
        {403, "{}", TRL_E_DENIED, "HTTP 403"},
        {404, "404 page not found", TRL_E_NOTFOUND, "is url the address"},
        {302, "", TRL_E_INTERNAL, "redirects are not followed"},
        {429, "", TRL_E_BUSY, "HTTP 429"},
        {500,
         "{\"message\":\"evaluating\",\"errors\":[{\"message\":\"complete rules\\nmust not\"}]}",
         TRL_E_INTERNAL, "HTTP 500: complete rules must not"},
        {502, "<html>", TRL_E_UNAVAIL, "HTTP 502"},
        {503, "", TRL_E_BUSY, "HTTP 503"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(r) / sizeof(r[0]); i++) {
        trl_err err = {.struct_size = sizeof(err)};
        trl_status st = answer_refused("http://x", r[i].status, r[i].body, strlen(r[i].body), &err);
        if (st != r[i].st || err.code != st || !strstr(err.msg, r[i].text)) {
            fail_msg("%ld: %d %s", r[i].status, st, err.msg);
        }
    }
}

static void test_revision(void **state) {
    static const char a[] = "{\"result\":[{\"id\":\"p\",\"raw\":\"x\",\"ast\":1},{\"id\":\"q\"}]}";
    static const char b[] = "{\"result\":[{\"id\":\"q\"},{\"id\":\"p\",\"raw\":\"x\"}]}";
    static const char c[] = "{\"result\":[{\"id\":\"q\"},{\"id\":\"p\",\"raw\":\"y\"}]}";
    static const char d[] = "{\"result\":{\"b\":1,\"a\":2}}",
                      e[] = "{\"result\":{\"a\":2,\"b\":1}}";
    uint64_t one = 0, two = 0, three = 0;
    trl_err err = {.struct_size = sizeof(err)};
    (void)state;
    assert_int_equal(answer_revision(a, strlen(a), 1, &one, &err), TRL_OK);
    assert_int_equal(answer_revision(b, strlen(b), 1, &two, &err), TRL_OK);
    assert_int_equal(answer_revision(c, strlen(c), 1, &three, &err), TRL_OK);
    assert_true(one == two && one != three);
    assert_int_equal(answer_revision(d, strlen(d), 0, &one, &err), TRL_OK);
    assert_int_equal(answer_revision(e, strlen(e), 0, &two, &err), TRL_OK);
    assert_int_equal(answer_revision("{}", 2, 0, &three, &err), TRL_OK);
    assert_true(one == two && one != three);
    assert_int_equal(answer_revision(d, strlen(d), 1, &one, &err), TRL_E_INTERNAL);
    assert_int_equal(answer_revision("{", 1, 0, &one, &err), TRL_E_INTERNAL);
}

static trl_status parse(const char *config, char *msg) {
    struct opts o;
    trl_err err = {.struct_size = sizeof(err)};
    trl_status st = opts_parse(trl_cstr(config), &o, &err);
    if (st == TRL_OK) {
        opts_finish(&o);
    }
    memcpy(msg, err.msg, sizeof(err.msg));
    return st;
}

static void test_config(void **state) {
    static const struct {
        const char *config, *text;
    } bad[] = {
        {"{}", "path: is missing"},
        {"{\"path\":\"/a\"}", "path: one '/'"},
        {"{\"path\":\"a//b\"}", "path: one '/'"},
        {"{\"path\":\"a?b\"}", "path: only letters"},
        {"{\"path\":\"data.a\"}", "data.a.b is written a/b"},
        {"{\"path\":\"{what}\"}", "{point}"},
        {"{\"path\":\"a\",\"batch_path\":\"b/\"}", "batch_path: one"},
        {"{\"path\":\"a\",\"url\":\"ftp://x\"}", "url: it begins with neither"},
        {"{\"path\":\"a\",\"url\":\"http://\"}", "url: it cannot be understood"},
        {"{\"path\":\"a\",\"url\":\"http://u:p@x\"}", "use token_file"},
        {"{\"path\":\"a\",\"url\":\"http://x/?q=1\"}", "query"},
        {"{\"path\":\"a\",\"revision_path\":\"{point}\"}", "revision_path: only"},
        {"{\"path\":\"a\",\"revision_path\":\"r\",\"watch_ms\":0}", "nobody looks"},
        {"{\"path\":\"a\",\"ttl_ms\":-1,\"watch_ms\":0}", "nobody sees"},
        {"{\"path\":\"a\",\"url\":\"https://x\",\"tls\":{\"cert\":\"c\"}}",
         "cert is there without"},
        {"{\"path\":\"a\",\"url\":\"https://x\",\"tls\":{\"key\":\"c\"}}", "key is there without"},
        {"{\"path\":\"a\",\"tls\":{\"ca\":\"c\"}}", "no TLS is used"},
    };
    char msg[256];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse(bad[i].config, msg) != TRL_E_INVALID || !strstr(msg, bad[i].text)) {
            fail_msg("%s: %s", bad[i].config, msg);
        }
        assert_null(strstr(msg, "u:p"));
    }
    assert_int_equal(parse("{\"path\":\"a/b\",\"url\":\"https://x:1/opa/\"}", msg), TRL_OK);
    char *p = opts_data_path("t/{point}/d", TRL_POINT_PLACE);
    assert_string_equal(p, "/v1/data/t/place/d");
    free(p);
    p = opts_rule_name("t/{point}/d", TRL_POINT_PUT);
    assert_string_equal(p, "data.t.put.d");
    free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),        cmocka_unit_test(test_undefined),
        cmocka_unit_test(test_until_change), cmocka_unit_test(test_batch),
        cmocka_unit_test(test_long_reasons), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_revision),     cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
