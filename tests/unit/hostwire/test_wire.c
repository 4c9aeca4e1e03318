/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include "base/mem.h"
#include "hostwire/wire.h"

static void test_uptime(void **state) {
    static const struct {
        uint64_t s;
        const char *text;
    } cases[] = {
        {0, "0s"},           {59, "59s"},
        {60, "1m"},          {65, "1m 5s"},
        {7200, "2h"},        {97200, "1day 3h"},
        {172800, "2days"},   {2802816, "1month 2days"},
        {31557600, "1year"}, {63115201, "2years 1s"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_INIT;
        wire_uptime(cases[i].s, &b);
        assert_string_equal(b.ptr, cases[i].text);
        buf_finish(&b);
    }
}

static void test_time(void **state) {
    char t[WIRE_TIME];
    (void)state;
    wire_time(INT64_C(1738314902123456789), t);
    assert_string_equal(t, "2025-01-31T09:15:02.123456789Z");
}

static void test_reply(void **state) {
    struct buf b = BUF_INIT;
    (void)state;
    wire_reply(&b, true, STR("done"), STR_NONE);
    assert_string_equal(b.ptr, "{\"success\":true,\"message\":\"done\"}");
    buf_clear(&b);
    wire_reply(&b, true, STR(""), STR("[]"));
    assert_string_equal(b.ptr, "{\"success\":true,\"message\":\"\",\"response\":[]}");
    buf_finish(&b);
}

static void test_event(void **state) {
    struct buf b = BUF_INIT;
    (void)state;
    wire_event(&b, "config_set", STR("NX"), "01a1", 0, STR("{\"config_name\":\"c\"}"));
    assert_string_equal(b.ptr, "{\"specversion\":\"1.0\",\"id\":\"01a1\","
                               "\"type\":\"com.wasmcloud.lattice.config_set\",\"source\":\"NX\","
                               "\"datacontenttype\":\"application/json\","
                               "\"time\":\"1970-01-01T00:00:00.000000000Z\","
                               "\"data\":{\"config_name\":\"c\"}}");
    buf_finish(&b);
}

static void test_keys(void **state) {
    (void)state;
    assert_true(wire_key_ok(STR("a/b=c-D_9.x")));
    assert_false(wire_key_ok(STR("")));
    assert_false(wire_key_ok(STR(".a")));
    assert_false(wire_key_ok(STR("a.")));
    assert_false(wire_key_ok(STR("a b")));
    assert_false(wire_key_ok(STR("a\0b")));
    assert_false(wire_key_ok(STR("we$ird")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uptime), cmocka_unit_test(test_time), cmocka_unit_test(test_reply),
        cmocka_unit_test(test_event),  cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
