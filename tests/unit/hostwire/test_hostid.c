/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include "base/map.h"
#include "base/mem.h"
#include "hostwire/hostid.h"

static void test_published_vector(void **state) {
    unsigned char key[32];
    char id[HOSTID_LEN + 1];
    (void)state;
    for (int i = 0; i < 32; i++) {
        key[i] = (unsigned char)i;
    }
    hostid_of_key(key, id);
    assert_string_equal(id, "NAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSWB");
    memset(key, 2, sizeof(key));
    hostid_of_key(key, id);
    assert_string_equal(id, "NCATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZJWVF");
}

static void test_ids_follow_the_seed(void **state) {
    struct map seen = MAP_INIT;
    char a[HOSTID_LEN + 1], b[HOSTID_LEN + 1];
    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        hostid_make(7, STR("default"), i, a);
        hostid_make(7, STR("default"), i, b);
        assert_string_equal(a, b);
        assert_int_equal(strlen(a), HOSTID_LEN);
        assert_int_equal(a[0], 'N');
        assert_null(map_set(&seen, str_c(a), &seen));
    }
    hostid_make(8, STR("default"), 0, a);
    assert_false(map_has(&seen, str_c(a)));
    hostid_make(7, STR("other"), 0, a);
    assert_false(map_has(&seen, str_c(a)));
    map_finish(&seen);
}

static void test_names(void **state) {
    struct rng r;
    char name[HOSTID_NAME];
    (void)state;
    rng_seed(&r, 1);
    for (int i = 0; i < 1000; i++) {
        int parts = 0;
        hostid_name(&r, name);
        for (const char *p = name; *p; p++) {
            parts += *p == '-';
        }
        assert_int_equal(parts, 2);
        assert_int_equal(strlen(strrchr(name, '-')), 5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vector),
        cmocka_unit_test(test_ids_follow_the_seed),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
