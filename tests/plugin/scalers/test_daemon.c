/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon scaler.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../../plugins/scaler-daemon/place.h"
#include "lab.h"

static void place(struct lab *l) {
    lab_place(l, daemon_place);
}

#define ZONE(name) "{\"name\":\"" name "\",\"requirements\":{\"zone\":\"" name "\"}}"

static void test_vectors(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l,
             "{\"instances\":13,\"spread\":[{\"name\":\"a\",\"requirements\":{}},{\"name\":\"b\","
             "\"requirements\":{}},{\"name\":\"c\",\"requirements\":{}},{\"name\":\"d\","
             "\"requirements\":{}}]}",
             4);
    lab_host(&l, "1", "", 0);
    place(&l);
    LAB_EXPECT(&l, 13); /* a host serves the first spread it matches */
    assert_int_equal(l.group[0], 0);
    assert_int_equal(l.out.failed, 0);
    lab_finish(&l);

    lab_init(&l, "{\"instances\":412,\"spread\":[" ZONE("a") "," ZONE("b") "," ZONE("c") "]}", 5);
    lab_host(&l, "1", "zone=a", 1);
    lab_host(&l, "2", "zone=b", 103);
    lab_host(&l, "3", "zone=c", 400);
    place(&l);
    LAB_EXPECT(&l, 412, 412, 412);
    lab_host(&l, "4", "zone=c", 0); /* joins */
    lab_host(&l, "5", "zone=d", 7); /* lost its label */
    lab_properties(&l, "{\"instances\":10,\"spread\":[" ZONE("a") "," ZONE("c") "]}");
    place(&l);
    LAB_EXPECT(&l, 10, 0, 10, 10, 0);
    assert_int_equal(l.group[3], 1);
    assert_int_equal(l.group[4], TRL_NO_GROUP);
    assert_int_equal(l.reasons[4], TRL_WHY_INELIGIBLE);
    lab_finish(&l);

    lab_init(&l, "{\"instances\":12312}", 2);
    l.unit.flags = TRL_UNIT_SINGLETON_PER_HOST;
    lab_host(&l, "1", "", 0);
    lab_host(&l, "2", "", 0);
    place(&l);
    LAB_EXPECT(&l, 1, 1);
    assert_int_equal(l.out.failed, 0);
    l.foreign[0] = 1;
    place(&l);
    LAB_EXPECT(&l, 0, 1);
    l.current[1] = 1;
    lab_properties(&l, "{\"instances\":0}");
    place(&l);
    LAB_EXPECT(&l, 0, 0); /* undeploying starts nothing */
    lab_finish(&l);
}

static void test_flags(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, "{\"instances\":3}", 8);
    lab_host(&l, "1", "", 5);
    lab_host(&l, "2", "", 5);
    lab_host(&l, "3", "", 1);
    lab_host(&l, "4", "", 2);
    lab_host(&l, "5", "", 1);
    l.flags[0] = TRL_HOST_STALE;
    l.flags[1] = TRL_HOST_CORDONED;
    l.flags[2] = TRL_HOST_CORDONED;
    l.flags[3] = TRL_HOST_EXCLUDED;
    l.failing[4] = 9;
    place(&l);
    LAB_EXPECT(&l, 5, 3, 1, 0, 3);
    assert_int_equal(l.out.failed, 0);
    lab_finish(&l);
}

static void test_texts(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, "{\"instances\":1,\"spread\":[" ZONE("a") "," ZONE("b") "]}", 2);
    lab_host(&l, "1", "zone=b", 0);
    place(&l);
    LAB_EXPECT(&l, 1);
    assert_string_equal(l.out.message,
                        "Could not satisfy daemonscaler a for reg/web:1, 0 eligible hosts found.");
    l.n = 0;
    place(&l);
    assert_string_equal(l.out.message,
                        "Could not satisfy daemonscaler a for reg/web:1, 0 eligible hosts found. "
                        "Could not satisfy daemonscaler b for reg/web:1, 0 eligible hosts found.");
    l.n = 1;
    lab_properties(&l, "{\"instances\":4294967296}");
    place(&l);
    LAB_EXPECT(&l, UINT32_MAX);
    assert_int_equal(l.out.unplaced, 1);
    assert_int_equal(l.out.failed, 1);
    lab_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
