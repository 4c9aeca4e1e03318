/* SPDX-License-Identifier: Apache-2.0
 *
 * The conformance suite of policy/1 itself: it is content with a good backend, and finds the fault
 * of each bad one.
 */
#include <stdlib.h>

#include "../../unit/cmocka_all.h"
#include "base/mem.h"
#include "suite_policy.h"

static int failures(const char *fault) {
    static const struct suite_policy_case cases[] = {
        {TRL_POINT_PUT, "{\"app\":\"a\"}", SUITE_ANY_VERDICT, NULL},
        {TRL_POINT_PUT, "{\"app\":\"b\",\"units\":[]}", SUITE_ANY_VERDICT, NULL},
        {TRL_POINT_PLACE, "{\"app\":\"c\"}", SUITE_ANY_VERDICT, NULL},
    };
    char config[64];
    snprintf(config, sizeof(config), "{\"fault\":\"%s\"}", fault);
    return suite_policy(&(struct suite_policy){.component = "policy-faulty",
                                               .config = config,
                                               .cases = cases,
                                               .n_cases = ARRAY_LEN(cases),
                                               .flags = SUITE_VIRTUAL});
}

static void test_good(void **state) {
    (void)state;
    assert_int_equal(failures("none"), 0);
}

static void test_each_fault(void **state) {
    static const char *const faults[] = {
        "points-change", "points-high", "fickle", "batch",      "verdict",    "stop",
        "no-json",       "no-text",     "path",   "index",      "damage",     "two-lines",
        "forgets",       "twice",       "info",   "watch-ends", "cancels-all"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        if (failures(faults[i]) == 0) {
            fail_msg("'%s' was not found", faults[i]);
        }
    }
}

int main(void) {
    /* What is found is told on stderr, and would be taken for faults of the tests. */
    assert_non_null(freopen("/dev/null", "w", stderr));
    assert_int_equal(setenv("TRELLIS_PLUGIN_DIR", FAULTY_DIR, 1), 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_each_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
