/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"

static void check_rewrite(const char *in, const char *out) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    struct err err = ERR_INIT;
    struct buf b = BUF_INIT;
    struct jw w;
    if (json_parse(str_c(in), &a, &n, &err) < 0) {
        fail_msg("%s: %s", in, err.msg);
    }
    jw_init(&w, &b, false);
    jw_node(&w, n);
    assert_string_equal(b.ptr, out);
    buf_finish(&b);
    arena_finish(&a);
}

static void test_rewrite(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"null", "null"},
        {" true ", "true"},
        {"[]", "[]"},
        {"{ }", "{}"},
        {"[1,-2,0,18446744073709551615,-9223372036854775808]",
         "[1,-2,0,18446744073709551615,-9223372036854775808]"},
        {"[18446744073709551616,-0,1.0,0.1,1e2,1E-7,5e-324,1.7976931348623157e308]",
         "[1.8446744073709552e+19,-0.0,1.0,0.1,100.0,1e-07,4.94065645841247e-324,"
         "1.7976931348623157e+308]"},
        {"{\"a\":1,\"a\":{\"b\":[[],{}]}}", "{\"a\":1,\"a\":{\"b\":[[],{}]}}"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u00e9\\ud83d\\ude00\"",
         "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\xc3\xa9\xf0\x9f\x98\x80\""},
        {"\"a\\u0000b\"", "\"a\\u0000b\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check_rewrite(cases[i][0], cases[i][1]);
    }
}

static void test_faults(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t line, column;
        const char *says;
    } cases[] = {
        {"", 1, 1, "expected a value, found the end of the text"},
        {"[1,\n 2,\n]", 3, 1, "expected a value, found ']'"},
        {"{\"a\":1,}", 1, 8, "member name"},
        {"{\"a\" 1}", 1, 6, "expected ':'"},
        {"{a:1}", 1, 2, "double quotes"},
        {"[1 2]", 1, 4, "',' or ']'"},
        {"{\"a\":1 \"b\":2}", 1, 8, "',' or '}'"},
        {"01", 1, 3, "superfluous 0"},
        {"1.", 1, 3, "digit"},
        {"-", 1, 2, "digit"},
        {"1e+", 1, 4, "digit"},
        {"1e999", 1, 1, "out of range"},
        {"+1", 1, 1, "expected a value"},
        {"NaN", 1, 1, "expected a value"},
        {"\"abc", 1, 5, "within a string"},
        {"\"a\tb\"", 1, 3, "\\u0009"},
        {"\"\\x\"", 1, 3, "unknown escape"},
        {"\"\\u12g4\"", 1, 6, "hexadecimal"},
        {"\"\\ud800x\"", 1, 8, "surrogate"},
        {"\"\\udc00\"", 1, 8, "surrogate"},
        {"\"\\ud800\\u0041\"", 1, 14, "surrogate"},
        {"\"\xc3\xa9\xff\"", 1, 3, "not UTF-8"},
        {"\"\xed\xa0\x80\"", 1, 2, "not UTF-8"},
        {"\"\xc0\x80\"", 1, 2, "not UTF-8"},
        {"{} x", 1, 4, "behind the document"},
        {"\xef\xbb\xbf{}", 1, 1, "expected a value"},
        {"nul", 1, 1, "expected a value"},
        {"[\"\xc3\xa9\xc3\xa9\", ?]", 1, 8, "expected a value, found '?'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a = ARENA_INIT;
        struct node *n = NULL;
        struct text_pos pos = {0, 0};
        struct err err = ERR_INIT;
        assert_int_equal(json_parse_pos(str_c(cases[i].text), &a, &n, &pos, &err), TRL_E_INVALID);
        assert_null(n);
        if (pos.line != cases[i].line || pos.column != cases[i].column ||
            !strstr(err.msg, cases[i].says)) {
            fail_msg("%s: %u:%u: %s", cases[i].text, pos.line, pos.column, err.msg);
        }
        assert_int_equal(json_parse(str_c(cases[i].text), &a, &n, NULL), TRL_E_INVALID);
        arena_finish(&a);
    }
}

static void test_message_has_the_place(void **state) {
    (void)state;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(json_parse(STR("[\n  tru]"), &a, &n, &err), TRL_E_INVALID);
    assert_string_equal(err.msg, "line 2, column 3: expected a value, found 't'");
    arena_finish(&a);
}

static void test_positions_and_helpers(void **state) {
    (void)state;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    struct err err = ERR_INIT;
    uint64_t v = 7;
    assert_int_equal(
        json_parse(STR("{\n  \"\xc3\xa9\": [10, \"x\"],\n  \"k\": \"old\", \"k\": \"new\","
                       "\n  \"b\": true, \"n\": -1, \"z\": null}"),
                   &a, &n, &err),
        0);
    assert_int_equal(n->type, NODE_OBJECT);
    assert_int_equal(n->n, 6);
    const struct node *list = node_get(n, "\xc3\xa9");
    assert_int_equal(n->members[0].line, 2);
    assert_int_equal(n->members[0].column, 3);
    assert_int_equal(list->line, 2);
    assert_int_equal(list->column, 8);
    assert_int_equal(list->items[1]->column, 13);
    assert_true(str_is(node_text(n, "k", STR("-")), "new"));
    assert_true(str_is(node_text(n, "b", STR("-")), "-"));
    assert_true(node_bool_or(n, "b", false));
    assert_true(node_bool_or(n, "k", true));
    assert_true(node_u64(list->items[0], &v) && v == 10);
    assert_false(node_u64(node_get(n, "n"), &v));
    assert_int_equal(node_u64_or(n, "n", 3), 3);
    assert_true(node_is_null(node_get(n, "z")));
    assert_true(node_is_null(NULL));
    assert_null(node_get(list, "k"));
    assert_null(node_get(NULL, "k"));
    arena_finish(&a);
}

static int parse_nested(uint32_t depth, struct err *err) {
    struct arena a = ARENA_INIT;
    struct buf b = BUF_INIT;
    struct node *n = NULL;
    for (uint32_t i = 0; i < depth; i++) {
        buf_add_c(&b, '[');
    }
    for (uint32_t i = 0; i < depth; i++) {
        buf_add_c(&b, ']');
    }
    int rc = json_parse(buf_str(&b), &a, &n, err);
    buf_finish(&b);
    arena_finish(&a);
    return rc;
}

static void test_limits(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct arena a = ARENA_INIT;
    struct buf b = BUF_INIT;
    struct node *n = NULL;
    assert_int_equal(parse_nested(JSON_MAX_DEPTH, &err), 0);
    assert_int_equal(parse_nested(JSON_MAX_DEPTH + 1, &err), TRL_E_INVALID);
    assert_non_null(strstr(err.msg, "128"));
    assert_int_equal(parse_nested(1000000, &err), TRL_E_INVALID);
    buf_add_c(&b, '[');
    for (uint32_t i = 0; i < JSON_MAX_NODES; i++) {
        buf_add(&b, "1,", 2);
    }
    buf_add(&b, "1]", 2);
    assert_int_equal(json_parse(buf_str(&b), &a, &n, &err), TRL_E_INVALID);
    assert_non_null(strstr(err.msg, "100000"));
    buf_finish(&b);
    arena_finish(&a);
}

static void test_truncation(void **state) {
    (void)state;
    static const char text[] =
        "{\"a\":[1,-2.5e3,\"\\u00e9\xc3\xa9\",true,null],\"b\":{\"c\":\"\\\\\"}}";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        struct arena a = ARENA_INIT;
        struct node *n = NULL;
        char *exact = len ? mem_dup(text, len) : NULL; /* so that a read behind it is seen */
        assert_int_equal(json_parse(str_n(exact, len), &a, &n, NULL), TRL_E_INVALID);
        mem_free(exact);
        arena_finish(&a);
    }
}

static void test_writer(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    struct jw w;
    jw_init(&w, &b, true);
    jw_object(&w);
    jw_kv(&w, "name", STR("a\"\xff\x01"));
    jw_key(&w, "list");
    jw_array(&w);
    jw_u64(&w, 3);
    jw_object(&w);
    jw_end_object(&w);
    jw_array(&w);
    jw_end_array(&w);
    jw_f64(&w, 0.1 + 0.2);
    jw_f64(&w, (double)INFINITY);
    jw_raw(&w, STR("{\"x\":1}"));
    jw_null(&w);
    jw_end_array(&w);
    jw_kv_u64(&w, "n", 5);
    jw_kv_bool(&w, "yes", true);
    jw_end_object(&w);
    assert_string_equal(b.ptr,
                        "{\n  \"name\": \"a\\\"\xef\xbf\xbd\\u0001\",\n  \"list\": [\n    3,\n"
                        "    {},\n    [],\n    0.30000000000000004,\n    null,\n"
                        "    {\"x\":1},\n    null\n  ],\n  \"n\": 5,\n  \"yes\": true\n}");
    buf_finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rewrite),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_message_has_the_place),
        cmocka_unit_test(test_positions_and_helpers),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
