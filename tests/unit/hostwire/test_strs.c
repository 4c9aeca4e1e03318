/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include "base/mem.h"
#include "hostwire/strs.h"

static void written(const char *want, const struct strs *s, bool pairs) {
    struct buf b = BUF_INIT;
    struct jw w;
    jw_init(&w, &b, false);
    if (pairs) {
        pairs_write(s, &w);
    } else {
        strs_write(s, &w);
    }
    assert_string_equal(b.ptr, want);
    buf_finish(&b);
}

static struct strs *parsed(const char *json, bool pairs) {
    struct arena a = ARENA_INIT;
    struct node *n;
    assert_int_equal(json_parse(str_c(json), &a, &n, NULL), 0);
    struct strs *s = pairs ? pairs_of_object(n) : strs_of_array(n);
    arena_finish(&a);
    return s;
}

static void test_lists(void **state) {
    struct strs *a = parsed("[\"b\",\"a\",\"\"]", false), *b = parsed("[\"b\",\"a\",\"\"]", false);
    struct strs *c = parsed("[\"a\",\"b\",\"\"]", false), *none = parsed("[]", false);
    (void)state;
    written("[\"b\",\"a\",\"\"]", a, false);
    written("[]", none, false);
    assert_null(none);
    assert_true(strs_eq(a, b));
    assert_false(strs_eq(a, c)); /* order counts */
    assert_false(strs_eq(a, none));
    assert_true(strs_common(a, c));
    assert_false(strs_common(a, none));
    strs_unref(strs_ref(a));
    strs_unref(a);
    strs_unref(b);
    strs_unref(c);
}

static void test_maps(void **state) {
    struct strs *a = parsed("{\"z\":\"1\",\"a\":\"2\",\"z\":\"3\",\"m\\u0000\":\"\"}", true), *b;
    str v;
    (void)state;
    written("{\"a\":\"2\",\"m\\u0000\":\"\",\"z\":\"3\"}", a, true);
    assert_int_equal(pairs_n(a), 3);
    assert_true(pairs_get(a, STR("z"), &v) && str_is(v, "3"));
    assert_false(pairs_get(a, STR("m"), NULL));
    b = pairs_with(a, STR("b"), STR("x"));
    written("{\"a\":\"2\",\"b\":\"x\",\"m\\u0000\":\"\",\"z\":\"3\"}", b, true);
    strs_unref(a);
    a = pairs_with(b, STR("b"), STR("y"));
    written("{\"a\":\"2\",\"b\":\"y\",\"m\\u0000\":\"\",\"z\":\"3\"}", a, true);
    strs_unref(b);
    b = pairs_without(a, STR("z"));
    written("{\"a\":\"2\",\"b\":\"y\",\"m\\u0000\":\"\"}", b, true);
    strs_unref(a);
    a = pairs_without(b, STR("nope"));
    assert_true(strs_eq(a, b));
    strs_unref(a);
    strs_unref(b);
    a = pairs_with(NULL, STR("zz"), STR("1"));
    b = pairs_without(a, STR("zz"));
    assert_null(b);
    written("{}", b, true);
    strs_unref(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists), cmocka_unit_test(test_maps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
