/* SPDX-License-Identifier: Apache-2.0
 *
 * The suite of the kind on the shipped scalers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "suite_scaler.h"

#define ZONE(name, weight)                                                                         \
    "{\"name\":\"" name "\",\"requirements\":{\"zone\":\"" name "\"},\"weight\":" #weight "}"

static const char *const samples[] = {
    "{\"instances\":0}",
    "{\"instances\":1}",
    "{\"instances\":12}",
    ("{\"instances\":1000,\"spread\":[" ZONE("a", 42) "," ZONE("b", 37) "," ZONE("c", 3) "]}"),
    ("{\"instances\":7,\"spread\":[" ZONE("a", 0) "," ZONE("b", 0) "]}"),
    ("{\"instances\":20,\"spread\":[" ZONE("a", 80) ",{\"name\":\"rest\",\"requirements\":{},"
                                                    "\"weight\":20}]}"),
    ("{\"instances\":12,\"spread\":["
     "{\"name\":\"eastcoast\",\"requirements\":{\"region\":\"us-east-1\"},\"weight\":25},"
     "{\"name\":\"westcoast\",\"requirements\":{\"region\":\"us-west-1\"},\"weight\":25},"
     "{\"name\":\"realcloud\",\"requirements\":{\"cloud\":\"real\"},\"weight\":50}]}"),
    ("{\"instances\":9,\"spread\":[{\"name\":\"x\",\"requirements\":{}},{\"name\":\"y\","
     "\"requirements\":{}},{\"name\":\"y\",\"requirements\":{\"cloud\":\"real\",\"zone\":\"a\"}}]"
     "}"),
    ("{\"instances\":11,\"spread\":["
     "{\"name\":\"east\",\"requirements\":{\"region\":\"us-east-1\"}},"
     "{\"name\":\"real\",\"requirements\":{\"cloud\":\"real\"}},"
     "{\"name\":\"a\",\"requirements\":{\"zone\":\"a\"}},"
     "{\"name\":\"b\",\"requirements\":{\"zone\":\"b\"}}]}"),
    "{\"instances\":18446744073709551615}",
};

static void test_spread(void **state) {
    (void)state;
    assert_int_equal(suite_scaler("spread", samples, ARRAY_LEN(samples)), 0);
}

static void test_daemon(void **state) {
    (void)state;
    assert_int_equal(suite_scaler("daemon", samples, ARRAY_LEN(samples)), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_daemon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
