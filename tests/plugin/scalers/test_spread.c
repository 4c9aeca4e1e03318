/* SPDX-License-Identifier: Apache-2.0
 *
 * Components: who gets instances, who gives them, what is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../../plugins/scaler-spread/solve.h"
#include "lab.h"

#define ZONE(name, weight)                                                                         \
    "{\"name\":\"" name "\",\"requirements\":{\"zone\":\"" name "\"},\"weight\":" #weight "}"

static void place(struct lab *l) {
    lab_place(l, spread_place);
}

static void test_vectors(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l,
             "{\"instances\":412,\"spread\":[" ZONE("fake", 50) "," ZONE("real", 25) "," ZONE(
                 "purgatory", 25) "]}",
             4);
    lab_host(&l, "1", "zone=fake", 1);
    lab_host(&l, "2", "zone=real", 103);
    lab_host(&l, "3", "zone=purgatory", 400);
    place(&l);
    LAB_EXPECT(&l, 206, 103, 103);
    assert_int_equal(l.out.failed, 0);
    assert_int_equal(lab_changes(&l), 2);
    assert_int_equal(l.reasons[0], TRL_WHY_ADDED);
    assert_int_equal(l.reasons[1], TRL_WHY_KEPT);
    assert_int_equal(l.reasons[2], TRL_WHY_REMOVED);
    lab_finish(&l);

    lab_init(
        &l,
        "{\"instances\":9,\"spread\":[" ZONE("a", 100) "," ZONE("b", 100) "," ZONE("c", 100) "]}",
        4);
    lab_host(&l, "1", "zone=a", 3);
    lab_host(&l, "2", "zone=b", 19);
    lab_host(&l, "3", "zone=c", 0);
    place(&l);
    LAB_EXPECT(&l, 3, 3, 3);
    l.current[1] = 0;
    place(&l);
    LAB_EXPECT(&l, 3, 3, 3);
    assert_int_equal(lab_changes(&l), 2);
    assert_int_equal(l.group[2], 2);
    lab_finish(&l);
}

static void test_vectors_hosts(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, "{\"instances\":9}", 2);
    lab_host(&l, "1", "", 10);
    lab_host(&l, "2", "", 10);
    place(&l);
    assert_int_equal(lab_changes(&l), 2);
    assert_int_equal(lab_sum(&l), 9);
    lab_properties(&l, "{\"instances\":0}");
    place(&l);
    LAB_EXPECT(&l, 0, 0);
    assert_int_equal(l.out.failed, 0);
    lab_finish(&l);

    lab_init(&l,
             "{\"instances\":4,\"spread\":[{\"name\":\"e\",\"requirements\":{\"region\":\"east\"}},"
             "{\"name\":\"r\",\"requirements\":{\"resilient\":\"true\"}}]}",
             4);
    lab_host(&l, "1", "region=east,resilient=true", 1);
    lab_host(&l, "2", "region=west,resilient=true", 1);
    lab_host(&l, "3", "region=east,resilient=false", 1);
    lab_host(&l, "4", "region=west,resilient=false", 1);
    place(&l);
    assert_int_equal(l.reasons[3], TRL_WHY_INELIGIBLE);
    assert_int_equal(l.wanted[3], 0);
    assert_int_equal(l.group[3], TRL_NO_GROUP);
    assert_int_equal(lab_group_sum(&l, 0), 2);
    assert_int_equal(lab_group_sum(&l, 1), 2);
    lab_finish(&l);
}

static const char over[] =
    "{\"instances\":12,\"spread\":["
    "{\"name\":\"eastcoast\",\"requirements\":{\"region\":\"us-east-1\"},\"weight\":25},"
    "{\"name\":\"westcoast\",\"requirements\":{\"region\":\"us-west-1\"},\"weight\":25},"
    "{\"name\":\"realcloud\",\"requirements\":{\"cloud\":\"real\"},\"weight\":50}]}";

/* Where wadm gives up, hosts are shared out; where they are too few, spreads share them. */
static void test_overlapping(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, over, 4);
    lab_host(&l, "1", "cloud=real,region=us-east-1", 0);
    lab_host(&l, "2", "cloud=real,region=us-west-1", 0);
    lab_host(&l, "3", "cloud=real,region=us-east-1", 0);
    lab_host(&l, "4", "cloud=real,region=us-west-1", 0);
    place(&l);
    assert_int_equal(l.out.failed, 0);
    assert_int_equal(lab_group_sum(&l, 0), 3);
    assert_int_equal(lab_group_sum(&l, 1), 3);
    assert_int_equal(lab_group_sum(&l, 2), 6);
    l.n = 2;
    place(&l);
    assert_int_equal(l.out.failed, 0);
    assert_int_equal(lab_sum(&l), 12);
    l.n = 0;
    place(&l);
    assert_string_equal(l.out.message,
                        "Could not satisfy spread realcloud for reg/web:1, 0/1 eligible hosts "
                        "found. Could not satisfy spread eastcoast for reg/web:1, 0/1 eligible "
                        "hosts found. Could not satisfy spread westcoast for reg/web:1, 0/1 "
                        "eligible hosts found.");
    assert_int_equal(l.out.unplaced, 12);
    lab_finish(&l);
}

static void test_no_hosts(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, "{\"instances\":4,\"spread\":[" ZONE("a", 50) "," ZONE("b", 50) "]}", 2);
    lab_host(&l, "1", "zone=a", 0);
    place(&l);
    LAB_EXPECT(&l, 2); /* the spread without hosts fails alone */
    assert_string_equal(l.out.message,
                        "Could not satisfy spread b for reg/web:1, 0/1 eligible hosts found.");
    assert_int_equal(l.out.unplaced, 2);
    lab_properties(&l, "{\"instances\":0}");
    l.n = 0;
    place(&l);
    assert_int_equal(l.out.failed, 0);
    assert_string_equal(l.out.message, "");
    lab_finish(&l);
}

static void test_stays(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, "{\"instances\":5}", 4);
    lab_host(&l, "1", "", 5);
    lab_host(&l, "2", "", 0);
    lab_host(&l, "3", "", 0);
    place(&l);
    LAB_EXPECT(&l, 5, 0, 0); /* balance alone moves nothing */
    assert_int_equal(l.reasons[1], TRL_WHY_FULL);
    lab_properties(&l, "{\"instances\":8}");
    place(&l);
    LAB_EXPECT(&l, 5, 2, 1);
    lab_properties(&l, "{\"instances\":3}");
    place(&l);
    LAB_EXPECT(&l, 3, 0, 0);
    l.current[1] = 3;
    lab_properties(&l, "{\"instances\":7}");
    place(&l);
    LAB_EXPECT(&l, 4, 3, 0); /* the fullest give first */
    lab_finish(&l);
}

/* Among hosts with equally many: no failures, then the least to do, then the id. */
static void test_preference(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, "{\"instances\":1}", 4);
    lab_host(&l, "1", "", 0);
    lab_host(&l, "2", "", 0);
    lab_host(&l, "3", "", 0);
    l.hosts[0].n_instances = 5;
    place(&l);
    LAB_EXPECT(&l, 0, 1, 0);
    l.failing[1] = 1;
    place(&l);
    LAB_EXPECT(&l, 0, 0, 1);
    assert_int_equal(l.reasons[1], TRL_WHY_FAILING);
    l.failing[2] = 2;
    place(&l);
    LAB_EXPECT(&l, 1, 0, 0);
    l.failing[0] = 9;
    place(&l);
    LAB_EXPECT(&l, 0, 1, 0); /* all fail: the one that failed least */
    l.current[2] = 1;
    place(&l);
    LAB_EXPECT(&l, 0, 0, 1); /* what runs is never moved because of failures */
    lab_finish(&l);
}

static void test_flags(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, "{\"instances\":10}", 8);
    lab_host(&l, "1", "", 3);
    lab_host(&l, "2", "", 4);
    lab_host(&l, "3", "", 2);
    lab_host(&l, "4", "", 0);
    l.flags[0] = TRL_HOST_STALE;
    l.flags[1] = TRL_HOST_CORDONED;
    l.flags[2] = TRL_HOST_EXCLUDED;
    place(&l);
    LAB_EXPECT(&l, 3, 4, 0, 3);
    assert_int_equal(l.reasons[0], TRL_WHY_FROZEN);
    assert_int_equal(l.reasons[1], TRL_WHY_CORDONED);
    assert_int_equal(l.reasons[2], TRL_WHY_EXCLUDED);
    lab_properties(&l, "{\"instances\":5}");
    place(&l);
    LAB_EXPECT(&l, 3, 2, 0, 0); /* up to the need */
    assert_int_equal(l.reasons[1], TRL_WHY_REMOVED);
    lab_properties(&l, "{\"instances\":1}");
    place(&l);
    LAB_EXPECT(&l, 3, 0, 0, 0); /* too many, but nobody may touch them */
    assert_int_equal(l.out.failed, 0);
    l.flags[0] = TRL_HOST_SUSPECT | TRL_HOST_EXCLUDED;
    place(&l);
    LAB_EXPECT(&l, 3, 0, 0, 0);
    l.flags[0] = TRL_HOST_READY;
    l.foreign[3] = 1;
    l.current[0] = 0;
    l.flags[1] = TRL_HOST_STALE;
    lab_properties(&l, "{\"instances\":6}");
    place(&l);
    LAB_EXPECT(&l, 2, 4, 0, 0); /* another's copy holds the id on 4 */
    l.flags[0] = TRL_HOST_CORDONED;
    place(&l);
    LAB_EXPECT(&l, 0, 4, 0, 0);
    assert_string_equal(
        l.out.message, "Could not satisfy spread default for reg/web:1, 0/1 eligible hosts found.");
    lab_finish(&l);
}

static void test_saturation(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, "{\"instances\":18446744073709551615}", 4);
    lab_host(&l, "1", "", 0);
    lab_host(&l, "2", "", UINT32_MAX);
    place(&l);
    LAB_EXPECT(&l, UINT32_MAX, UINT32_MAX);
    assert_true(l.out.unplaced == UINT32_MAX);
    assert_string_equal(l.out.message, "Could not satisfy spread default for reg/web:1, "
                                       "8589934590/18446744073709551615 instances fit the eligible "
                                       "hosts.");
    lab_finish(&l);
}

static void test_message_is_cut(void **state) {
    struct lab l;
    char json[4096];
    size_t n = (size_t)snprintf(json, sizeof(json), "{\"instances\":40,\"spread\":[");
    (void)state;
    for (int i = 0; i < 20; i++) {
        n += (size_t)snprintf(json + n, sizeof(json) - n,
                              "%s{\"name\":\"\xc3\xa9t\xc3\xa9-%d\",\"requirements\":{}}",
                              i ? "," : "", i);
    }
    snprintf(json + n, sizeof(json) - n, "]}");
    lab_init(&l, json, 1);
    place(&l);
    assert_int_equal(l.out.failed, 1);
    assert_int_equal(l.out.unplaced, 40);
    n = strlen(l.out.message);
    assert_true(n < sizeof(l.out.message) && n > 500);
    assert_string_equal(l.out.message + n - 3, "...");
    lab_finish(&l);
}

/* A million over ten thousand hosts: shares exact, hosts of a zone within one of each other. */
static void test_large(void **state) {
    struct lab l;
    uint32_t low[3] = {UINT32_MAX, UINT32_MAX, UINT32_MAX}, high[3] = {0};
    (void)state;
    lab_init(&l,
             "{\"instances\":1000000,\"spread\":[" ZONE("a", 57) "," ZONE("b", 31) "," ZONE(
                 "c", 12) "]}",
             10000);
    for (uint32_t i = 0; i < 10000; i++) {
        char id[16], labels[16];
        snprintf(id, sizeof(id), "N%05u", i);
        snprintf(labels, sizeof(labels), "zone=%c", 'a' + (int)(i % 7 % 3));
        lab_host(&l, id, labels, 0);
    }
    place(&l);
    assert_int_equal(lab_group_sum(&l, 0), 570000);
    assert_int_equal(lab_group_sum(&l, 1), 310000);
    assert_int_equal(lab_group_sum(&l, 2), 120000);
    for (uint32_t i = 0; i < l.n; i++) {
        uint32_t g = l.group[i];
        assert_true(g < 3);
        low[g] = l.wanted[i] < low[g] ? l.wanted[i] : low[g];
        high[g] = l.wanted[i] > high[g] ? l.wanted[i] : high[g];
    }
    for (int g = 0; g < 3; g++) {
        assert_true(high[g] - low[g] <= 1);
    }
    lab_apply(&l);
    place(&l);
    assert_int_equal(lab_changes(&l), 0);
    lab_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),        cmocka_unit_test(test_vectors_hosts),
        cmocka_unit_test(test_overlapping),    cmocka_unit_test(test_no_hosts),
        cmocka_unit_test(test_stays),          cmocka_unit_test(test_preference),
        cmocka_unit_test(test_flags),          cmocka_unit_test(test_saturation),
        cmocka_unit_test(test_message_is_cut), cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
