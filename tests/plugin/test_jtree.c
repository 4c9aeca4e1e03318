/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugins' JSON reader and writer against jansson: texts that hosts send, broken in thousands
 * of ways, are read alike or refused by both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include <trellis/helper.h>

#include "../../plugins/common/jtree.h"
#include "../../plugins/common/jwrite.h"

#define STR(lit) trl_strn("" lit, sizeof(lit) - 1)

static const char *const texts[] = {
    "{\"success\":true,\"message\":\"\",\"response\":{\"id\":\"NABC\",\"n\":[1,-2,0,3.5e-2]}}",
    "{\"data\":{\"annotations\":{\"a\\\"b\":\"c\\\\d\",\"\\u00e9\\ud83d\\ude00\":\"\\n\\t\\/\"},"
    "\"max_instances\":12},\"source\":\"N\xc3\xa4\xf0\x9f\x98\x80\",\"time\":null,\"x\":false}",
    "[]",
    " { \"a\" : [ { } , [ ] , [ [ true ] ] , 9223372036854775807 , -9223372036854775808 ] } ",
    "{\"labels\":{\"zone\":\"a\",\"zone\":\"b\"},\"uptime_seconds\":77,\"list\":[\"x\",\"y\"]}",
};

static void same(const struct jnode *n, const json_t *j);

static void same_members(const struct jnode *n, const json_t *j) {
    const char *key;
    json_t *b_value;
    json_object_foreach((json_t *)(uintptr_t)j, key, b_value) {
        same(jnode_get(n, key), b_value);
    }
    JNODE_EACH(n, it) {
        assert_non_null(json_object_getn(j, it->key.ptr, it->key.len));
    }
}

static void same(const struct jnode *n, const json_t *j) {
    size_t i = 0;
    assert_non_null(n);
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        assert_int_equal(n->kind, J_OBJECT);
        same_members(n, j);
        break;
    case JSON_ARRAY:
        assert_int_equal(n->kind, J_ARRAY);
        assert_int_equal(jnode_count(n), json_array_size(j));
        JNODE_EACH(n, it) {
            same(it, json_array_get(j, i++));
        }
        break;
    case JSON_STRING:
        assert_int_equal(n->kind, J_STRING);
        assert_true(trl_str_eq(n->text, trl_strn(json_string_value(j), json_string_length(j))));
        break;
    case JSON_INTEGER:
        assert_int_equal(n->kind, J_INT);
        assert_true(n->integer == json_integer_value(j));
        break;
    case JSON_REAL:
        assert_int_equal(n->kind, J_REAL);
        break;
    default:
        assert_int_equal(n->kind, json_is_true(j) ? J_TRUE : json_is_false(j) ? J_FALSE : J_NULL);
    }
}

static int compare(struct jtree *t, const char *text, size_t len) {
    json_error_t e;
    char *exact = malloc(len ? len : 1); /* so that a read beyond the end is found */
    memcpy(exact, text, len);
    json_t *j = json_loadb(exact, len, 0, &e);
    const struct jnode *n = jtree_parse(t, exact, len);
    if (j) {
        same(n, j);
    } else if (n && json_error_code(&e) != json_error_numeric_overflow) {
        fail_msg("only we read: %.*s (%s)", (int)len, exact, e.text);
    }
    json_decref(j);
    free(exact);
    return n != NULL;
}

static uint64_t draw(uint64_t *seed, uint64_t below) {
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (*seed >> 33) % below;
}

static void test_reads_as_jansson(void **state) {
    static const char bytes[] = "{}[]\",:\\ue0d8-+.1902 \x80\xc3\xed\xf4\x01\n/tfn";
    struct jtree t = {.n = 0};
    uint64_t seed = 7;
    int read = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t len = strlen(texts[i]);
        assert_true(compare(&t, texts[i], len));
        for (size_t n = 0; n < len; n++) {
            compare(&t, texts[i], n);
        }
        for (int k = 0; k < 8000; k++) {
            char broken[512];
            memcpy(broken, texts[i], len);
            for (uint64_t m = draw(&seed, 3) + 1; m > 0; m--) {
                broken[draw(&seed, len)] = bytes[draw(&seed, sizeof(bytes) - 1)];
            }
            read += compare(&t, broken, len);
        }
    }
    assert_true(read > 1000); /* else nothing was tried */
    jtree_finish(&t);
}

static void test_refuses(void **state) {
    static const char *const bad[] = {"",
                                      " ",
                                      "1",
                                      "\"a\"",
                                      "{} x",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "[01]",
                                      "[9223372036854775808]",
                                      "[\"\\u0000\"]",
                                      "[\"\xc0\x80\"]",
                                      "[\"\\ud800\"]",
                                      "[\"\\udc00\"]",
                                      "[\"a",
                                      "[1",
                                      "{\"a\"}",
                                      "[truE]",
                                      "[-]",
                                      "[1.]",
                                      "[1e]",
                                      "[.5]",
                                      "{1:2}"};
    struct jtree t = {.n = 0};
    char deep[1000];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(jtree_parse(&t, bad[i], strlen(bad[i])));
    }
    memset(deep, '[', 500);
    memset(deep + 500, ']', 500);
    assert_null(jtree_parse(&t, deep, 1000));
    assert_non_null(jtree_parse(&t, deep + 400, 200));
    jtree_finish(&t);
}

static void test_strings_stay_while_the_tree_grows(void **state) {
    struct jtree t = {.n = 0}, other;
    const char *text =
        "{\"a\\n\":\"b\\n\",\"c\":[\"\\u0064\",1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]}";
    (void)state;
    const struct jnode *n = jtree_parse(&t, text, strlen(text));
    assert_true(trl_str_is(jnode_str(jnode_get(n, "a\n")), "b\n"));
    assert_true(trl_str_is(jnode_str(jnode_first(jnode_get(n, "c"))), "d"));
    assert_int_equal(jnode_count(jnode_get(n, "c")), 16);
    assert_null(jnode_get(n, "b"));
    assert_null(jnode_str(NULL).ptr);
    struct jnode *nodes = t.nodes;
    other = jtree_take(&t);
    assert_null(t.nodes);
    jtree_give(&t, &other);
    assert_ptr_equal(t.nodes, nodes);
    jtree_finish(&t);
}

static void test_writes(void **state) {
    struct jwrite w = {.len = 0};
    char all[300];
    size_t n = 0;
    (void)state;
    for (int c = 1; c < 128; c++) {
        all[n++] = (char)c;
    }
    memcpy(all + n, "\xc3\xa4\xf0\x9f\x98\x80", 6);
    n += 6;
    jwrite_open(&w, '{');
    jwrite_key(&w, STR("n"));
    jwrite_u64(&w, UINT64_MAX / 2);
    jwrite_key(&w, trl_strn(all, n));
    jwrite_open(&w, '[');
    jwrite_str(&w, trl_strn(all, n));
    jwrite_false(&w);
    jwrite_open(&w, '[');
    jwrite_close(&w, ']');
    jwrite_str(&w, STR(""));
    jwrite_close(&w, ']');
    jwrite_close(&w, '}');
    char *text = jwrite_take(&w);
    json_t *j = json_loads(text, 0, NULL);
    json_t *b_list = json_object_getn(j, all, n);
    assert_int_equal(json_integer_value(json_object_get(j, "n")), INT64_MAX);
    assert_int_equal(json_array_size(b_list), 4);
    assert_memory_equal(json_string_value(json_array_get(b_list, 0)), all, n);
    assert_true(json_is_false(json_array_get(b_list, 1)));
    json_decref(j);
    free(text);
    jwrite_open(&w, '[');
    jwrite_str(&w, STR("\xff"));
    assert_null(jwrite_take(&w));
    assert_null(w.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_as_jansson),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_strings_stay_while_the_tree_grows),
        cmocka_unit_test(test_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
