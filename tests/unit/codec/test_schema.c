/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "codec/schema.h"

static const char SCHEMA[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"url\"],\"properties\":{"
    "\"url\":{\"type\":\"string\",\"minLength\":3,\"maxLength\":8,\"description\":\"where\"},"
    "\"n\":{\"type\":\"integer\",\"minimum\":-2,\"maximum\":18446744073709551615,\"default\":7},"
    "\"mode\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"],\"default\":\"a\"},"
    "\"x/y~\":{\"type\":\"boolean\"},"
    "\"ratio\":{\"type\":\"number\",\"minimum\":0.5},"
    "\"list\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":2,\"items\":{\"type\":\"object\","
    "\"properties\":{\"k\":{\"type\":\"string\",\"default\":\"v\"}}}},"
    "\"tls\":{\"type\":\"object\",\"properties\":{\"ca\":{\"type\":\"string\",\"default\":\"c\"}}}}"
    "}";

static struct node *parse(struct arena *a, const char *text) {
    struct node *n = NULL;
    struct err err = ERR_INIT;
    if (json_parse(str_c(text), a, &n, &err) < 0) {
        fail_msg("%s: %s", text, err.msg);
    }
    return n;
}

static void test_findings(void **state) {
    (void)state;
    static const struct {
        const char *value, *wanted; /* "pointer text|..." with line:column */
    } cases[] = {
        {"{\"url\":\"abc\"}", ""},
        {"{\"url\":\"\xc3\xa9\xc3\xa9\xc3\xa9\",\"n\":-2,\"ratio\":1,\"list\":[{}],\"tls\":{}}",
         ""},
        {"{}", "/url is missing 1:1|"},
        {"[]", " must be of type object, found an array 1:1|"},
        {"{\"url\":\"ab\",\"n\":-3,\n\"mode\":\"c\"}",
         "/url must have at least 3 characters, has 2 1:8|/n must be at least -2 1:17|"
         "/mode must be one of \"a\", \"b\" 2:8|"},
        {"{\"url\":\"123456789\",\"n\":1.0,\"ratio\":0.25}",
         "/url must have at most 8 characters, has 9 1:8|"
         "/n must be of type integer, found a number 1:24|/ratio must be at least 0.5 1:36|"},
        {"{\"url\":\"abc\",\"x/y~\":1,\"oops\":2}",
         "/x~1y~0 must be of type boolean, found an integer 1:21|"
         "/oops is not known here; known: url, n, mode, x/y~, ratio, list, tls 1:23|"},
        {"{\"url\":\"abc\",\"list\":[]}", "/list must have at least 1 entries, has 0 1:21|"},
        {"{\"url\":\"abc\",\"list\":[{\"k\":1},{},3]}",
         "/list must have at most 2 entries, has 3 1:21|/list/0/k must be of type string, found "
         "an integer 1:27|/list/2 must be of type object, found an integer 1:33|"},
        {"{\"url\":1,\"url\":\"abc\"}", "/url is there twice 1:2|"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a = ARENA_INIT;
        struct schema_findings f = {NULL, 0, 0};
        struct buf b = BUF_INIT;
        const struct node *v = parse(&a, cases[i].value), *schema = parse(&a, SCHEMA);
        assert_int_equal(schema_check(schema, NULL), 0);
        uint32_t n = schema_validate(schema, v, &a, &f);
        assert_int_equal(n, f.n);
        for (uint32_t k = 0; k < f.n; k++) {
            buf_addf(&b, "%.*s %.*s %u:%u|", PSTR(f.at[k].pointer), PSTR(f.at[k].text),
                     f.at[k].line, f.at[k].column);
        }
        assert_string_equal(b.ptr ? b.ptr : "", cases[i].wanted);
        mem_free(f.at);
        buf_finish(&b);
        arena_finish(&a);
    }
}

static void test_fill(void **state) {
    (void)state;
    struct arena a = ARENA_INIT;
    struct buf b = BUF_INIT;
    struct jw w;
    const struct node *schema = parse(&a, SCHEMA);
    const struct node *v = parse(&a, "{\"url\":\"abc\",\"list\":[{},{\"k\":\"w\"}],\"tls\":{}}");
    jw_init(&w, &b, false);
    jw_node(&w, schema_fill(schema, v, &a));
    assert_string_equal(b.ptr, "{\"url\":\"abc\",\"list\":[{\"k\":\"v\"},{\"k\":\"w\"}],"
                               "\"tls\":{\"ca\":\"c\"},\"n\":7,\"mode\":\"a\"}");
    buf_clear(&b);
    jw_init(&w, &b, false);
    jw_node(&w, schema_fill(schema, NULL, &a));
    assert_string_equal(b.ptr, "{\"n\":7,\"mode\":\"a\"}");
    buf_finish(&b);
    arena_finish(&a);
}

static void test_broken_schemas(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "a schema is an object"},
        {"{\"type\":\"float\"}", "name of one type"},
        {"{\"type\":[\"string\"]}", "name of one type"},
        {"{\"pattern\":\"x\"}", "'pattern' is not in the subset"},
        {"{\"oneOf\":[]}", "'oneOf' is not in the subset"},
        {"{\"required\":[1]}", "strings only"},
        {"{\"required\":{}}", "must be an array"},
        {"{\"enum\":[]}", "array with values"},
        {"{\"enum\":[{}]}", "scalars only"},
        {"{\"minLength\":-1}", "integer from 0"},
        {"{\"minimum\":\"1\"}", "must be a number"},
        {"{\"additionalProperties\":{}}", "true or false"},
        {"{\"description\":1}", "must be a string"},
        {"{\"examples\":1}", "must be an array"},
        {"{\"properties\":[]}", "must be an object"},
        {"{\"properties\":{\"a\":{\"items\":{\"x\":1}}}}", "'x' is not in the subset"},
        {"{\"properties\":{\"a\":{\"type\":\"string\",\"default\":1}}}",
         "the default does not fit"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a = ARENA_INIT;
        struct err err = ERR_INIT;
        assert_int_equal(schema_check(parse(&a, cases[i][0]), &err), TRL_E_INVALID);
        if (!strstr(err.msg, cases[i][1]) || !strstr(err.msg, "line 1, column ")) {
            fail_msg("%s: %s", cases[i][0], err.msg);
        }
        arena_finish(&a);
    }
    assert_int_equal(schema_check(NULL, NULL), TRL_E_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_broken_schemas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
