/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "catalog/catalog.h"
#include "catalog/key.h"

static void check_both_ways(struct key k, const char *text) {
    struct buf b = BUF_INIT;
    struct arena a = ARENA_INIT;
    struct key back;
    assert_true(key_format(&k, &b));
    assert_string_equal(b.ptr, text);
    assert_true(trl_key_ok(buf_str(&b)));
    assert_true(key_parse(buf_str(&b), &a, &back));
    assert_int_equal(back.kind, k.kind);
    assert_true(str_eq(back.tenant, key_tenant(k.tenant)));
    assert_true(str_eq(back.lattice, k.lattice));
    assert_true(str_eq(back.app, k.app));
    assert_true(str_eq(back.uid, k.uid));
    assert_int_equal(back.n, k.n);
    assert_int_equal(back.part, k.part);
    arena_finish(&a);
    buf_finish(&b);
}

static void test_round_trip(void **state) {
    (void)state;
    check_both_ways((struct key){KEY_HEAD, STR(""), STR("default"), STR("shop"), STR_NONE, 0, 0},
                    "1._.default.app.shop");
    check_both_ways(
        (struct key){KEY_VERSION, STR("A1"), STR("l-1"), STR("my_app"), STR("01AB"), 7, 0},
        "1.A1.l-1.ver.my_app.01AB-7");
    check_both_ways((struct key){KEY_PART, STR("_"), STR("l"), STR("a"), STR("01AB"), 7, 12},
                    "1._.l.ver.a.01AB-7.p12");
    check_both_ways((struct key){KEY_LEASE, STR("_"), STR("l"), STR_NONE, STR_NONE, 0, 0},
                    "1._.l.lease");
    check_both_ways(
        (struct key){KEY_HEAD, STR("a.b"), STR("x y"), STR("n=\xc3\xbc"), STR_NONE, 0, 0},
        "1.a=2Eb.x=20y.app.n=3D=C3=BC");
}

static void test_longest_fits(void **state) {
    char many[CATALOG_APP_MAX + 1];
    struct buf b = BUF_INIT;
    (void)state;
    memset(many, 'a', sizeof(many));
    struct key k = {KEY_PART,
                    str_n(many, CATALOG_TENANT_MAX),
                    str_n(many, CATALOG_LATTICE_MAX),
                    str_n(many, CATALOG_NAMES_MAX - CATALOG_TENANT_MAX - CATALOG_LATTICE_MAX),
                    STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                    UINT32_MAX,
                    99};
    assert_true(key_format(&k, &b));
    assert_true(b.len <= KEY_MAX_BYTES);
    assert_true(trl_key_ok(buf_str(&b)));
    k.app.len++;
    assert_false(key_format(&k, &b));
    k.kind = KEY_HEAD; /* what a version cannot have, its head cannot either */
    assert_false(key_format(&k, &b));
    k.app = STR("..........................."); /* 81 bytes as stored */
    assert_false(key_format(&k, &b));
    k.tenant = STR("");
    k.lattice = STR("default");
    k.app = str_n(many, CATALOG_APP_MAX);
    assert_true(key_format(&k, &b));
    k.app.len++;
    assert_false(key_format(&k, &b));
    k.app = STR("");
    assert_false(key_format(&k, &b));
    buf_finish(&b);
}

static void test_foreign_keys(void **state) {
    static const char *const bad[] = {
        "",
        "1",
        "1.",
        "1._",
        "1._.l",
        "1._.l.app",
        "1._.l.app.",
        "2._.l.app.a",
        "1..l.app.a",
        "1._.l.app.a.b",
        "1._.l.host.x",
        "1._.l.ver.a",
        "1._.l.ver.a.-1",
        "1._.l.ver.a.u-0",
        "1._.l.ver.a.u-x",
        "1._.l.ver.a.u",
        "1._.l.ver.a.u-1.",
        "1._.l.ver.a.u-1.q1",
        "1._.l.ver.a.u-1.p0",
        "1._.l.ver.a.u-1.p1.p2",
        "1._.l.app.a=2",
        "1._.l.app.a=zz",
        "1._.l.lease.x",
        "default-shop",
        "1._.l.ver.a.u-99999999999",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct arena a = ARENA_INIT;
        struct key k;
        if (key_parse(str_c(bad[i]), &a, &k)) {
            fail_msg("%s", bad[i]);
        }
        assert_int_equal(k.kind, KEY_OTHER);
        arena_finish(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_longest_fits),
        cmocka_unit_test(test_foreign_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
