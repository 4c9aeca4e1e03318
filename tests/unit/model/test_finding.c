/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/finding.h"

static void test_format(void **state) {
    (void)state;
    struct findings f;
    struct buf b = BUF_INIT;
    findings_init(&f);
    findings_add(&f, FINDING_WARNING, "w", STR("a.b"), 0, 0, STR("just so"), STR(""));
    findings_add(&f, FINDING_ERROR, "e", STR("a"), 3, 14, STR("a: wrong"), STR("do it right"));
    findings_add(&f, FINDING_ERROR, "e", STR("a"), 4, 1, STR("esc\x1b[31m\n\xc3\xa9"), STR(""));
    for (uint32_t i = 0; i < f.n; i++) {
        finding_format(&f.at[i], STR("app.yaml"), &b);
        buf_add_c(&b, '\n');
        finding_format(&f.at[i], STR(""), &b);
        buf_add_c(&b, '\n');
    }
    assert_string_equal(b.ptr, "app.yaml: warning: just so\n"
                               "warning: just so\n"
                               "app.yaml:3:14: error: a: wrong (do it right)\n"
                               "3:14: error: a: wrong (do it right)\n"
                               "app.yaml:4:1: error: esc\\x1b[31m\\x0a\xc3\xa9\n"
                               "4:1: error: esc\\x1b[31m\\x0a\xc3\xa9\n");
    assert_int_equal(f.errors, 2);
    assert_ptr_equal(findings_first_error(&f), &f.at[1]);
    buf_finish(&b);
    findings_finish(&f);
    assert_int_equal(f.n, 0);
    assert_null(findings_first_error(&f));
}

static void add(struct findings *f, enum finding_level level, uint32_t times) {
    for (uint32_t i = 0; i < times; i++) {
        findings_add(f, level, "x", STR(""), 0, 0, STR("x"), STR(""));
    }
}

static void test_limit(void **state) {
    (void)state;
    struct findings f;
    findings_init(&f);
    add(&f, FINDING_WARNING, FINDINGS_MAX + 500);
    assert_int_equal(f.n, FINDINGS_MAX + 1);
    assert_string_equal(f.at[FINDINGS_MAX].code, "too-many");
    add(&f, FINDING_ERROR, 5);
    assert_int_equal(f.n, FINDINGS_MAX + 2);
    assert_int_equal(f.errors, 5);
    assert_non_null(findings_first_error(&f));
    findings_finish(&f);
    findings_init(&f);
    add(&f, FINDING_ERROR, FINDINGS_MAX + 500);
    assert_int_equal(f.n, FINDINGS_MAX + 1);
    assert_int_equal(f.errors, FINDINGS_MAX + 500);
    findings_finish(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_format), cmocka_unit_test(test_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
