/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/subject.h"

static void test_wadm(void **state) {
    struct subject s;
    str p = STR("wadm.api");
    (void)state;
    assert_int_equal(subject_parse(STR("wadm.api.default.model.put"), p, false, &s), SUBJECT_OK);
    assert_true(s.door == DOOR_WADM && str_is(s.lattice, "default") && str_is(s.account, "_"));
    assert_true(str_is(s.category, "model") && str_is(s.operation, "put") && !s.name.ptr);
    assert_int_equal(subject_parse(STR("wadm.api.l.model.get.a"), p, false, &s), SUBJECT_OK);
    assert_true(str_is(s.name, "a"));
    assert_int_equal(subject_parse(STR("wadm.api.l.model.get.a.b"), p, false, &s), SUBJECT_EXTRA);
    assert_int_equal(subject_parse(STR("wadm.api.l.model"), p, false, &s), SUBJECT_NO_OPERATION);
    assert_int_equal(subject_parse(STR("wadm.api.l"), p, false, &s), SUBJECT_NO_CATEGORY);
    assert_int_equal(subject_parse(STR("wadm.api"), p, false, &s), SUBJECT_NO_CATEGORY);
    assert_int_equal(subject_parse(STR("wadm.apix.l.model.put"), p, false, &s), SUBJECT_FOREIGN);
    assert_int_equal(subject_parse(STR(""), p, false, &s), SUBJECT_FOREIGN);
    assert_int_equal(subject_parse(STR("..."), p, false, &s), SUBJECT_FOREIGN);
}

static void test_multitenant(void **state) {
    struct subject s;
    (void)state;
    assert_int_equal(subject_parse(STR("ACC.my.api.l.model.list"), STR("my.api"), true, &s),
                     SUBJECT_OK);
    assert_true(str_is(s.account, "ACC") && str_is(s.operation, "list"));
    assert_int_equal(subject_parse(STR("ACC.trellis.api.l.app.list"), STR("my.api"), true, &s),
                     SUBJECT_OK);
    assert_int_equal(s.door, DOOR_TRELLIS);
    assert_int_equal(subject_parse(STR("my.api.l.model.list"), STR("my.api"), true, &s),
                     SUBJECT_FOREIGN);
}

static void test_trellis(void **state) {
    struct subject s;
    (void)state;
    assert_int_equal(subject_parse(STR("trellis.api.l.app.get.x"), STR("wadm.api"), false, &s),
                     SUBJECT_OK);
    assert_true(s.door == DOOR_TRELLIS && str_is(s.name, "x"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wadm),
        cmocka_unit_test(test_multitenant),
        cmocka_unit_test(test_trellis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
