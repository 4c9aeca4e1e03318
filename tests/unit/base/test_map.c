/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include "base/digest.h"
#include "base/map.h"
#include "base/mem.h"

/* Against a plain array, under random sets and removals. */
static void map_behaves_like_a_list(void **state) {
    (void)state;
    struct map m = MAP_INIT;
    struct rng r;
    uintptr_t model[512] = {0};
    uint32_t live = 0;
    rng_seed(&r, 7);
    for (int i = 0; i < 20000; i++) {
        uint32_t k = (uint32_t)rng_below(&r, 512);
        char text[16];
        str key = str_n(text, (size_t)snprintf(text, sizeof(text), "key%u", k));
        if (rng_chance(&r, 0.5)) {
            uintptr_t v = (uintptr_t)i + 1;
            assert_ptr_equal(map_set(&m, key, (void *)v), (void *)model[k]);
            live += model[k] == 0;
            model[k] = v;
        } else {
            assert_ptr_equal(map_del(&m, key), (void *)model[k]);
            live -= model[k] != 0;
            model[k] = 0;
        }
        assert_int_equal(m.n, live);
    }
    for (uint32_t k = 0; k < 512; k++) {
        char text[16];
        str key = str_n(text, (size_t)snprintf(text, sizeof(text), "key%u", k));
        assert_ptr_equal(map_get(&m, key), (void *)model[k]);
    }
    map_finish(&m);
}

static void interned_ids_are_dense_and_stay(void **state) {
    (void)state;
    struct intern in = INTERN_INIT;
    assert_int_equal(intern_id(&in, STR("a")), 0);
    assert_int_equal(intern_id(&in, STR("b")), 1);
    assert_int_equal(intern_id(&in, STR("a")), 0);
    assert_int_equal(intern_find(&in, STR("c")), INTERN_NONE);
    assert_true(str_is(intern_str(&in, 1), "b"));
    intern_finish(&in);
}

static void scaler_id_vectors(void **state) {
    (void)state;
    char hex[65];
    const str parts[] = {STR("SpreadScaler"),
                         STR("my-app"),
                         STR("web"),
                         STR("my_app-web"),
                         STR("registry.example/web:1.0.0"),
                         STR("my_app-web_cfg")};
    digest_sha256_hex(parts, 5, hex);
    assert_string_equal(hex, "67bc5352c34f486da0de3bef6a063b1eae965f2608c51865b4038c66f1ce7f23");
    digest_sha256_hex(parts, 6, hex);
    assert_string_equal(hex, "cfa49ab3624d716f22ab09b312d59cbda9d949e4c6ea5521f8271f7f71f24ee0");
}

static void ulids_sort_by_time(void **state) {
    (void)state;
    struct rng r;
    char a[27], b[27];
    rng_seed(&r, 1);
    ulid_text(1000, &r, a);
    ulid_text(1001, &r, b);
    assert_int_equal(strlen(a), 26);
    assert_true(strcmp(a, b) < 0);
    assert_true(a[0] <= '7');
}

static void numbers_are_read_strictly(void **state) {
    (void)state;
    uint64_t v = 1;
    assert_true(str_u64(STR("18446744073709551615"), &v));
    assert_true(v == UINT64_MAX);
    assert_false(str_u64(STR("18446744073709551616"), &v));
    assert_false(str_u64(STR(""), &v));
    assert_false(str_u64(STR("1 "), &v));
    assert_false(str_u64(STR("-1"), &v));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_behaves_like_a_list),
        cmocka_unit_test(interned_ids_are_dense_and_stay),
        cmocka_unit_test(scaler_id_vectors),
        cmocka_unit_test(ulids_sort_by_time),
        cmocka_unit_test(numbers_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
