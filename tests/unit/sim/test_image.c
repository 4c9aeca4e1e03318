/* SPDX-License-Identifier: Apache-2.0 */
#include "simtest.h"

#include "sim/image.h"

static void test_normal(void **state) {
    static const char *const cases[][2] = {
        {"file:///a/b.par.gz", "/a/b.par.gz"},
        {"oci://r/x:1", "r/x:1"},
        {"https://r/x:1", "r/x:1"},
        {"http://r/x:1", "r/x:1"},
        {"wasmcloud+builtin://http-server", "http-server"},
        {"ghcr.io/a/b:1", "ghcr.io/a/b:1"},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(str_is(sim_image_normal(str_c(cases[i][0])), cases[i][1]));
    }
}

static void test_ok(void **state) {
    static const struct {
        enum sim_image_kind kind;
        const char *ref;
        bool ok;
    } cases[] = {
        {SIM_IMAGE_COMPONENT, "ghcr.io/acme/web:1.2.0", true},
        {SIM_IMAGE_COMPONENT, "localhost:5000/web@sha256:0a", true},
        {SIM_IMAGE_COMPONENT, "oci://ghcr.io/acme/web:latest", false},
        {SIM_IMAGE_COMPONENT, "wasmcloud+builtin://http-server", false},
        {SIM_IMAGE_PROVIDER, "wasmcloud+builtin://http-server", true},
        {SIM_IMAGE_PROVIDER, "wasmcloud+builtin://x", false},
        {SIM_IMAGE_PROVIDER, "file:///p.par.gz", true},
        {SIM_IMAGE_PROVIDER, "file://p.par.gz", false},
        {SIM_IMAGE_PROVIDER, "file://", false},
        {SIM_IMAGE_PROVIDER, "", false},
        {SIM_IMAGE_PROVIDER, "Not A Ref!", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf why = BUF_INIT;
        assert_int_equal(sim_image_ok(cases[i].kind, str_c(cases[i].ref), false, &why),
                         cases[i].ok);
        assert_int_equal(why.len == 0, cases[i].ok);
        buf_finish(&why);
    }
    assert_true(sim_image_ok(SIM_IMAGE_COMPONENT, STR("r/x:latest"), true, NULL));
    assert_false(sim_image_parses(STR("")));
    assert_true(sim_image_parses(STR("r/x")));
}

static void test_glob(void **state) {
    static const struct {
        const char *pattern, *s;
        bool fits;
    } cases[] = {
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"a*c", "abbc", true},
        {"a*c", "abcd", false},
        {"*web*", "ghcr.io/web:1", true},
        {"a*b*c", "a-b-b-c", true},
        {"**", "x", true},
        {"abc", "ab", false},
        {"*:bad", "r/x:bad:bad", true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(sim_glob(str_c(cases[i].pattern), str_c(cases[i].s)), cases[i].fits);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_normal), cmocka_unit_test(test_ok),
                                       cmocka_unit_test(test_glob)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
