/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"

static void check(const char *in, const char *out) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    struct err err = ERR_INIT;
    struct buf b = BUF_INIT;
    struct jw w;
    if (yaml_parse(str_c(in), &a, &n, &err) < 0) {
        fail_msg("%s: %s", in, err.msg);
    }
    jw_init(&w, &b, false);
    jw_node(&w, n);
    assert_string_equal(b.ptr, out);
    buf_finish(&b);
    arena_finish(&a);
}

static void test_documents(void **state) {
    (void)state;
    check("", "null");
    check("# nothing\n", "null");
    check("\xef\xbb\xbf"
          "a: 1\n",
          "{\"a\":1}");
    check("%YAML 1.2\n---\na: b\n...\n...\n", "{\"a\":\"b\"}");
    check("{\"a\": [1, 'x', true, ~], b: {c: d,},}",
          "{\"a\":[1,\"x\",true,null],\"b\":{\"c\":\"d\"}}");
    check("a: &x [1, 2]\nb: *x\nc: &x 3\nd: *x\n<<: y\n",
          "{\"a\":[1,2],\"b\":[1,2],\"c\":3,\"d\":3,\"<<\":\"y\"}");
    check("k: |\n  a\n  b\nj: >-\n  c\n  d\n", "{\"k\":\"a\\nb\\n\",\"j\":\"c d\"}");
    check("a: 1\na: 2\n", "{\"a\":1,\"a\":2}");
    check("1: x\n~: y\n? [z]\n: w\n", "{\"1\":\"x\",\"~\":\"y\",\"\":\"w\"}");
}

static void test_scalars(void **state) {
    (void)state;
    check("[null, Null, NULL, ~, ]", "[null,null,null,null]");
    check("[true, TRUE, tRUE, yes, off, n]", "[true,true,\"tRUE\",\"yes\",\"off\",\"n\"]");
    check("[0, -0, +5, -5, 0x1F, -0x10, 0o17, 0b11]", "[0,0,5,-5,31,-16,15,3]");
    check("[012, 00, -012, 0o9, 0X1, 0x, 1_0, 1e, ., +-5, --5, inf, NaN]",
          "[\"012\",\"00\",\"-012\",\"0o9\",\"0X1\",\"0x\",\"1_0\",\"1e\",\".\",\"+-5\",\"--5\","
          "\"inf\",\"NaN\"]");
    check("[1., .5, +.5, 1e5, 1E5, 1.5e-3, -.5e+2]",
          "[1.0,0.5,0.5,100000.0,100000.0,0.0015,-50.0]");
    check("[18446744073709551615, -9223372036854775808]",
          "[18446744073709551615,-9223372036854775808]");
    check("[.inf, -.Inf, +.INF, .nan, 1e400]", "[null,null,null,null,\"1e400\"]");
    check("['5', \"5\", !!str 5, !!int '5', !!float 3, !!bool 'true', !!null '~', !!binary 5]",
          "[\"5\",\"5\",\"5\",5,3.0,true,null,\"5\"]");
    check("- 1:30\n- 2024-01-01\n- ::1\n- 0.0.0.0:80\n- 1,000\n",
          "[\"1:30\",\"2024-01-01\",\"::1\",\"0.0.0.0:80\",\"1,000\"]");
}

static void test_flags(void **state) {
    (void)state;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    assert_int_equal(
        yaml_parse(
            STR("[!x 1, !!int x, 18446744073709551616, -9223372036854775809,"
                " 1000000000000000000000000000000000000000000, 1e999, 0x10000000000000000]\n"),
            &a, &n, NULL),
        0);
    static const uint32_t flags[] = {
        NODE_LOCAL_TAG, NODE_BAD_TAG, NODE_WIDE | NODE_INEXACT, NODE_WIDE | NODE_INEXACT,
        NODE_INEXACT,   NODE_INEXACT, NODE_WIDE | NODE_INEXACT};
    assert_int_equal(n->n, ARRAY_LEN(flags));
    for (uint32_t i = 0; i < n->n; i++) {
        assert_int_equal(n->items[i]->flags, flags[i]);
    }
    assert_int_equal(n->items[5]->type, NODE_STRING);
    assert_int_equal(n->items[4]->type, NODE_FLOAT);
    assert_true(str_is(n->items[6]->text, "0x10000000000000000"));
    arena_finish(&a);
}

static void test_positions(void **state) {
    (void)state;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    assert_int_equal(
        yaml_parse(STR("\xc3\xa9: x\nlist:\n  - a\n  - {\xc3\xa9: 1, k: *y}\n"), &a, &n, NULL),
        TRL_E_INVALID);
    assert_int_equal(
        yaml_parse(STR("\xc3\xa9: &y x\nlist:\n  - a\n  - {\xc3\xa9: 1, k: 2}\n"), &a, &n, NULL),
        0);
    assert_int_equal(n->members[1].line, 2);
    const struct node *last = node_get(n, "list")->items[1];
    assert_int_equal(last->line, 4);
    assert_int_equal(last->column, 5);
    assert_int_equal(last->members[1].column, 12);
    assert_int_equal(last->members[1].value->column, 15);
    arena_finish(&a);
}

static void test_faults(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t line, column;
        const char *says;
    } cases[] = {
        {"a: b\n---\nc: d\n", 2, 1, "second document"},
        {"a: b\n---\n", 2, 1, "second document"},
        {"a: *x\n", 1, 4, "*x has no anchor"},
        {"a: &x [1, *x]\n", 1, 11, "*x stands within its own anchor"},
        {"a:\n\tb: c\n", 2, 1, "cannot start any token"},
        {"a: [1\nb: 2\n", 2, 2, "flow sequence"},
        {"a: \"\\x\"", 1, 7, "hexdecimal"},
        {"a: b: c\n", 1, 5, "mapping values"},
        {"a: \xff\n", 1, 4, "UTF-8"},
        {"# \x01\na: b\n", 1, 3, "control characters"},
        {"%YAML 2.0\n---\na: b\n", 1, 1, "incompatible"},
        {"a: !u!x b\n", 1, 4, "tag handle"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a = ARENA_INIT;
        struct node *n = NULL;
        struct yaml_report report;
        struct err err = ERR_INIT;
        assert_int_equal(yaml_parse_report(str_c(cases[i].text), &a, &n, &report, &err),
                         TRL_E_INVALID);
        assert_null(n);
        if (report.pos.line != cases[i].line || !strstr(err.msg, cases[i].says) ||
            report.pos.column != cases[i].column) {
            fail_msg("%s: %u:%u: %s", cases[i].text, report.pos.line, report.pos.column, err.msg);
        }
        arena_finish(&a);
    }
}

static void repeat(struct buf *b, const char *s, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        buf_add_str(b, str_c(s));
    }
}

/* Steps, not seconds: what the parser is asked to do before it says no. */
static void refuse(struct buf *b, const char *says, uint32_t most_steps) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    struct yaml_report report;
    struct err err = ERR_INIT;
    assert_int_equal(yaml_parse_report(buf_str(b), &a, &n, &report, &err), TRL_E_INVALID);
    if (!strstr(err.msg, says) || report.steps > most_steps) {
        fail_msg("%.20s...: %u steps: %s", b->ptr, report.steps, err.msg);
    }
    arena_finish(&a);
    buf_finish(b);
}

static void test_hostile(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    repeat(&b, "[", 50000);
    repeat(&b, "]", 50000);
    refuse(&b, "128 levels", 20000);
    repeat(&b, "{a: ", 20000);
    refuse(&b, "128 levels", 40000);
    repeat(&b, "- ", 50000);
    refuse(&b, "128 levels", 20000);
    for (uint32_t i = 0; i < 1000; i++) {
        buf_addf(&b, "%*sa:\n", (int)i, "");
    }
    refuse(&b, "128 levels", 20000);
    repeat(&b, "[", 127);
    repeat(&b, "a,", 500000);
    refuse(&b, "steps", YAML_MAX_STEPS + 200);
    buf_add_c(&b, '[');
    repeat(&b, "a,", 200000);
    refuse(&b, "100000 values", 3 * YAML_MAX_NODES);
    repeat(&b, "%TAG !a! x\n", 2000);
    refuse(&b, "start with %", 0);
    buf_addf(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (uint32_t i = 1; i < 30; i++) {
        buf_addf(&b, "a%u: &a%u [*a%u,*a%u,*a%u,*a%u]\n", i, i, i - 1, i - 1, i - 1, i - 1);
    }
    refuse(&b, "aliases counted", 1000);
    buf_addf(&b, "a0: &a0 [x]\n");
    for (uint32_t i = 1; i < 200; i++) {
        buf_addf(&b, "a%u: &a%u [*a%u]\n", i, i, i - 1);
    }
    refuse(&b, "128 levels", 2000);
}

static void test_many_anchors(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    struct yaml_report report;
    for (uint32_t i = 0; i < 40000; i++) {
        buf_addf(&b, "- &a%u x\n- *a%u\n", i, i);
    }
    assert_int_equal(yaml_parse_report(buf_str(&b), &a, &n, &report, NULL), 0);
    assert_int_equal(n->n, 80000);
    assert_true(report.steps < 100000);
    buf_finish(&b);
    arena_finish(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents),    cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_flags),        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_faults),       cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_many_anchors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
