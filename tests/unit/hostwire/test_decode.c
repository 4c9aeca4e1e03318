/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include "base/mem.h"
#include "hostwire/decode.h"

struct in {
    str id, ref;
    uint32_t count;
    uint64_t timeout;
    bool flag;
    const struct node *map, *list;
};

static const struct wire_field fields[] = {
    {"id", "name", WIRE_F_STR, true, false, offsetof(struct in, id)},
    {"ref", NULL, WIRE_F_STR, false, false, offsetof(struct in, ref)},
    {"count", NULL, WIRE_F_U32, false, false, offsetof(struct in, count)},
    {"timeout", NULL, WIRE_F_U64, false, true, offsetof(struct in, timeout)},
    {"flag", NULL, WIRE_F_BOOL, false, false, offsetof(struct in, flag)},
    {"map", NULL, WIRE_F_MAP, false, true, offsetof(struct in, map)},
    {"list", NULL, WIRE_F_LIST, false, false, offsetof(struct in, list)},
};

static void test_accepts(void **state) {
    static const char *const good[] = {
        "{\"id\":\"a\"}",
        "{\"name\":\"a\",\"unknown\":1,\"unknown\":2}",
        " {\"id\":\"a\",\"map\":null,\"timeout\":null}\n",
        "{\"id\":\"a\",\"map\":{},\"list\":[]}",
        "{\"id\":\"a\",\"map\":{\"k\":\"1\",\"k\":\"2\"},\"count\":4294967295}",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct arena a = ARENA_INIT;
        struct in in = {.ref = STR("dflt")};
        if (!wire_decode(str_c(good[i]), fields, ARRAY_LEN(fields), &in, &a)) {
            fail_msg("refused: %s", good[i]);
        }
        assert_true(str_is(in.id, "a") && str_is(in.ref, "dflt"));
        arena_finish(&a);
    }
}

static void test_refuses(void **state) {
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{",
        "\"id\"",
        "{}",
        "{\"id\":null}",
        "{\"id\":1}",
        "{\"id\":\"a\",\"id\":\"a\"}",
        "{\"id\":\"a\",\"name\":\"a\"}",
        "{\"id\":\"a\",\"ref\":null}",
        "{\"id\":\"a\",\"count\":null}",
        "{\"id\":\"a\",\"count\":\"1\"}",
        "{\"id\":\"a\",\"count\":1.0}",
        "{\"id\":\"a\",\"count\":-1}",
        "{\"id\":\"a\",\"count\":4294967296}",
        "{\"id\":\"a\",\"flag\":0}",
        "{\"id\":\"a\",\"map\":[]}",
        "{\"id\":\"a\",\"map\":{\"k\":1}}",
        "{\"id\":\"a\",\"list\":null}",
        "{\"id\":\"a\",\"list\":[1]}",
        "{\"id\":\"a\"} x",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct arena a = ARENA_INIT;
        struct in in = {.count = 0};
        if (wire_decode(str_c(bad[i]), fields, ARRAY_LEN(fields), &in, &a)) {
            fail_msg("accepted: %s", bad[i]);
        }
        arena_finish(&a);
    }
}

static void test_registries(void **state) {
    struct arena a = ARENA_INIT;
    (void)state;
    assert_true(wire_decode_registries(STR("{}"), &a));
    assert_true(wire_decode_registries(STR("{\"r\":{\"username\":null,\"token\":\"t\"}}"), &a));
    assert_false(wire_decode_registries(STR("[]"), &a));
    assert_false(wire_decode_registries(STR("{\"r\":\"t\"}"), &a));
    assert_false(wire_decode_registries(STR("{\"r\":{\"registryType\":null}}"), &a));
    arena_finish(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_registries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
