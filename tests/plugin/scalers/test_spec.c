/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a scaler trait's properties.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../../plugins/scaler-common/spec.h"
#include "../../../plugins/scaler-common/text.h"

static trl_scaler_spec *accept(const char *json) {
    trl_scaler_spec *spec = NULL;
    trl_err err = {.struct_size = sizeof(err)};
    if (spec_compile(trl_cstr(json), &spec, &err) != TRL_OK) {
        fail_msg("%s: %s", json, err.msg);
    }
    return spec;
}

static void test_good(void **state) {
    (void)state;
    trl_scaler_spec *s = accept("{\"instances\":18446744073709551615}");
    assert_true(s->instances == UINT64_MAX);
    assert_int_equal(s->n_spreads, 1);
    assert_true(trl_str_is(spec_group_name(s, 0), "default"));
    assert_int_equal(spec_group_name(s, 1).len, 0);
    assert_int_equal(spec_group_name(s, TRL_NO_GROUP).len, 0);
    spec_release(s);
    s = accept(" { \"spread\" : [ ] , \"replicas\" : 0 } ");
    assert_true(s->instances == 0 && s->n_spreads == 1);
    spec_release(s);
    s = accept("{\"instances\":3,\"spread\":["
               "{\"name\":\"a\",\"requirements\":{\"z\":\"1\",\"b\":\"\\u00e9\\n\"},\"weight\":7},"
               "{\"weight\":null,\"name\":\"\\ud83d\\ude00\"}]}");
    assert_int_equal(s->n_spreads, 2);
    assert_int_equal(s->spreads[0].weight, 7);
    assert_true(trl_str_is(s->spreads[0].needs[0].key, "b"));
    assert_true(trl_str_is(s->spreads[0].needs[0].value, "\xc3\xa9\n"));
    assert_true(trl_str_is(s->spreads[0].needs[1].key, "z"));
    assert_int_equal(s->spreads[1].weight, 100);
    assert_true(trl_str_is(s->spreads[1].name, "\xf0\x9f\x98\x80"));
    spec_release(s);
}

static void test_many_spreads(void **state) {
    size_t cap = 64 * 1024, n = 0;
    char *json = malloc(cap);
    (void)state;
    for (uint32_t spreads = 511; spreads <= 513; spreads++) {
        trl_scaler_spec *spec = NULL;
        trl_err err = {.struct_size = sizeof(err)};
        n = (size_t)snprintf(json, cap, "{\"instances\":1,\"spread\":[");
        for (uint32_t i = 0; i < spreads; i++) {
            n += (size_t)snprintf(json + n, cap - n, "%s{\"name\":\"s%u\"}", i ? "," : "", i);
        }
        snprintf(json + n, cap - n, "]}");
        trl_status st = spec_compile(trl_cstr(json), &spec, &err);
        assert_int_equal(st, spreads > SPEC_SPREADS_MAX ? TRL_E_INVALID : TRL_OK);
        spec_release(spec);
    }
    free(json);
}

static const struct {
    const char *json, *message; /* the beginning of it */
} bad[] = {
    {"", " a scaler's properties must be an object"},
    {"[]", " a scaler's properties must be an object"},
    {"null", " a scaler's properties must be an object"},
    {"{}", " instances is missing"},
    {"{\"spread\":[]}", " instances is missing"},
    {"{\"instances\":1", " not JSON: it ends too early"},
    {"{\"instances\":1}x", " not JSON: something follows"},
    {"{\"instances\":1,}", " not JSON: a string is missing"},
    {"{\"instances\" 1}", " not JSON: a colon"},
    {"{\"instances\":-1}", "/instances must be a whole number"},
    {"{\"instances\":1.0}", "/instances must be a whole number"},
    {"{\"instances\":1e3}", "/instances must be a whole number"},
    {"{\"instances\":\"4\"}", "/instances must be a whole number"},
    {"{\"instances\":null}", "/instances must be a whole number"},
    {"{\"instances\":18446744073709551616}", "/instances must be a whole number"},
    {"{\"instances\":99999999999999999999999}", "/instances must be a whole number"},
    {"{\"instances\":01}", "/instances not JSON: a number begins with 0"},
    {"{\"replicas\":true}", "/replicas must be a whole number"},
    {"{\"instances\":1,\"replicas\":1}", "/replicas is there twice"},
    {"{\"instances\":1,\"spread\":null}", "/spread must be a list"},
    {"{\"instances\":1,\"spread\":{}}", "/spread must be a list"},
    {"{\"instances\":1,\"spreads\":[]}", " 'spreads' is not known here"},
    {"{\"instances\":1,\"spread\":[\"x\"]}", "/spread/0 must be an object"},
    {"{\"instances\":1,\"spread\":[{}]}", "/spread/0 has no name"},
    {"{\"instances\":1,\"spread\":[{\"name\":\"a\"},{\"name\":1}]}",
     "/spread/1/name must be a str"},
    {"{\"instances\":1,\"spread\":[{\"name\":\"a\",\"requirement\":{}}]}",
     "/spread/0/requirement is not known here"},
    {"{\"instances\":1,\"spread\":[{\"name\":\"a\",\"weight\":\"1\"}]}",
     "/spread/0/weight must be a whole number"},
    {"{\"instances\":1,\"spread\":[{\"name\":\"a\",\"weight\":nul}]}",
     "/spread/0/weight not JSON: a word that is not JSON"},
    {"{\"instances\":1,\"spread\":[{\"name\":\"a\",\"requirements\":null}]}",
     "/spread/0/requirements must be an object"},
    {"{\"instances\":1,\"spread\":[{\"name\":\"a\",\"requirements\":{\"a/b~c\":1}}]}",
     "/spread/0/requirements/a~1b~0c must be a string"},
    {"{\"instances\":1,\"spread\":[{\"name\":\"a\",\"requirements\":{\"k\":\"1\",\"k\":\"1\"}}]}",
     "/spread/0/requirements/k is there twice"},
    {"{\"instances\":1,\"spread\":[{\"name\":\"a\",\"name\":\"b\"}]}",
     "/spread/0/name is there tw"},
    {"{\"instances\":1,\"spread\":[{\"name\":\"\\ud800\"}]}",
     "/spread/0/name not JSON: a bad escape"},
    {"{\"instances\":1,\"spread\":[{\"name\":\"\\x\"}]}", "/spread/0/name not JSON: a bad escape"},
    {"{\"instances\":1,\"spread\":[{\"name\":\"a",
     "/spread/0/name not JSON: a string does not end"},
    {"{\"instances\":1,\"spread\":[{\"name\":\"a\"} {\"name\":\"b\"}]}",
     "/spread not JSON: a comma"},
};

static void test_bad(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        trl_scaler_spec *spec = NULL;
        trl_err err = {.struct_size = sizeof(err)};
        assert_int_equal(spec_compile(trl_cstr(bad[i].json), &spec, &err), TRL_E_INVALID);
        assert_null(spec);
        if (strncmp(err.msg, bad[i].message, strlen(bad[i].message)) != 0) {
            fail_msg("%s: \"%s\"", bad[i].json, err.msg);
        }
    }
}

/* Every prefix and every single changed byte of a good text: an answer, never a crash. */
static void test_damaged(void **state) {
    static const char good[] =
        "{\"instances\":12,\"spread\":[{\"name\":\"a\\u00e9\",\"requirements\":"
        "{\"zone\":\"x\",\"b\":\"\"},\"weight\":30},{\"name\":\"b\",\"weight\":null}]}";
    static const char with[] = "\"\\{}[],:0-9nut \x01\xff";
    (void)state;
    for (size_t i = 0; i < sizeof(good); i++) {
        for (size_t w = 0; w < sizeof(with); w++) {
            char copy[sizeof(good)];
            trl_scaler_spec *spec = NULL;
            trl_err err = {.struct_size = sizeof(err)};
            memcpy(copy, good, sizeof(good));
            copy[i] = with[w];
            size_t len = w + 1 == sizeof(with) ? i : sizeof(good) - 1;
            char *exact = malloc(len + 1); /* so that a sanitizer sees the end */
            memcpy(exact, copy, len);
            exact = realloc(exact, len ? len : 1);
            trl_status st = spec_compile(trl_strn(exact, len), &spec, &err);
            assert_true(st == TRL_OK ? spec != NULL : spec == NULL && err.msg_len > 0);
            spec_release(spec);
            free(exact);
        }
    }
}

static void test_text(void **state) {
    char at[16];
    struct text t = {.at = at, .cap = sizeof(at)};
    (void)state;
    text_blank(&t);
    text_c(&t, "a\nb");
    text_blank(&t);
    text_u64(&t, 42);
    assert_string_equal(at, "a?b 42");
    text_c(&t, "345\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
    assert_string_equal(at, "a?b 42345\xc3\xa9...");
    text_c(&t, "more");
    assert_string_equal(at, "a?b 42345\xc3\xa9...");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good), cmocka_unit_test(test_many_spreads),
        cmocka_unit_test(test_bad),  cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
