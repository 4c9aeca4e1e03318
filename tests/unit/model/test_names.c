/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/manifest.h"
#include "model/text.h"

static void test_sanitise(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"mymodel", "mymodel"},
        {"My ThInG", "my_thing"},
        {"thing.wasm", "thing_wasm"},
        {"some model name with spaces cause yaml", "some_model_name_with_spaces_cause_yaml"},
        {"\xc3\x9c\xe6\x97\xa5\xf0\x9f\x98\x80x", "___x"}, /* one per character, not per byte */
        {"\xe2\x84\xaa", "k"},                             /* Kelvin sign */
        {"\xc4\xb0", "i_"},                                /* capital I with dot: two when small */
        {"", ""},
        {"a\xff"
         "b",
         "a_b"},
    };
    struct arena a = ARENA_INIT;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(model_sanitise(&a, str_c(cases[i][0])).ptr, cases[i][1]);
    }
    arena_finish(&a);
}

static void test_derived(void **state) {
    (void)state;
    struct arena a = ARENA_INIT;
    struct item it = {.name = STR("my.Comp")};
    struct config_item c = {.name = STR("HTTP-addr"), .managed = true};
    struct secret_item s = {.name = STR("db")};
    assert_string_equal(model_item_id(&a, STR("hello-simple"), &it).ptr, "hello_simple-my_comp");
    it.id = STR("As Is");
    assert_string_equal(model_item_id(&a, STR("hello-simple"), &it).ptr, "As Is");
    assert_string_equal(model_config_name(&a, STR("A-b"), &c).ptr, "a_b-http_addr");
    c.managed = false;
    assert_string_equal(model_config_name(&a, STR("A-b"), &c).ptr, "HTTP-addr");
    assert_string_equal(model_secret_name(&a, STR("A-b"), &s).ptr, "SECRET_a_b-db");
    arena_finish(&a);
}

static void test_bodies(void **state) {
    (void)state;
    struct arena a = ARENA_INIT;
    struct pair config[] = {{STR("a"), STR("\"1\"")}, {STR("b"), STR("")}};
    struct pair secret[] = {{STR("backend"), STR("nats-kv")}, {STR("role"), STR("app")}};
    struct config_item c = {.properties = config, .n_properties = 2};
    struct policy policies[] = {{.name = STR("p"), .type = STR("t")},
                                {.name = STR("p"), .properties = secret, .n_properties = 2}};
    struct manifest m = {.policies = policies, .n_policies = 2};
    struct secret_item s = {.name = STR("api"), .policy = STR("p"), .key = STR("k/t")};
    str json = STR_NONE;
    assert_string_equal(model_config_json(&a, &c).ptr, "{\"a\":\"\\\"1\\\"\",\"b\":\"\"}");
    assert_true(model_secret_reference(&a, &m, &s, &json));
    assert_string_equal(
        json.ptr, "{\"backend\":\"nats-kv\",\"key\":\"k/t\",\"name\":\"api\",\"policy\":\"{\\\"type"
                  "\\\":\\\"properties.secret.wasmcloud.dev/v1alpha1\\\",\\\"properties\\\":{"
                  "\\\"role\\\":\\\"app\\\"}}\",\"type\":\"secret.wasmcloud.dev/v1alpha1\"}");
    s.field = STR("f");
    s.version = STR("3");
    assert_true(model_secret_reference(&a, &m, &s, &json));
    assert_true(
        str_ends(json, STR("\"type\":\"secret.wasmcloud.dev/v1alpha1\",\"version\":\"3\"}")));
    m.n_policies = 1; /* the one without backend */
    assert_false(model_secret_reference(&a, &m, &s, &json));
    s.policy = STR("q");
    assert_false(model_secret_reference(&a, &m, &s, &json));
    arena_finish(&a);
}

static void test_text(void **state) {
    (void)state;
    static const struct {
        const char *key;
        bool ok;
    } keys[] = {
        {"foo", true},
        {"app.oam.io/name", true},
        {"dash-period.numb3r/any_v4lue", true},
        {"1", true},
        {"1a/x", false},
        {"my_prefix/app-name", false},
        {"my_prefix---/app-name", false},
        {"my-/x", false},
        {"a..b/x", false},
        {"my-prefix/app-name...", false},
        {"a/b/c", false},
        {"/x", false},
        {"x/", false},
        {"", false},
        {"a b", false},
        {"-a", false},
        {"a-", false},
        {"\xc3\xa9", false},
        {"a23456789012345678901234567890123456789012345678901234567890123", true},
        {"a234567890123456789012345678901234567890123456789012345678901234", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (text_is_label_key(str_c(keys[i].key)) != keys[i].ok) {
            fail_msg("%s", keys[i].key);
        }
    }
    assert_false(text_is_label_key(str_n("a\0b", 3)));
    assert_true(text_is_name(STR("A-b_9")));
    assert_false(text_is_name(STR("")));
    assert_false(text_is_name(STR("\xc3\xbc")));
    assert_true(str_is(text_trim(STR(" \xc2\xa0\t a b\xe3\x80\x80\n")), "a b"));
    assert_int_equal(text_trim(STR("\xe2\x80\x89")).len, 0);
    struct buf b = BUF_INIT;
    text_add_quoted(&b, str_n("q\"\\\n\xc3\xa9\a\xe2\x80\x8b\0", 10));
    text_add_quoted(&b, STR("\xff"));
    assert_string_equal(b.ptr, "\"q\\\"\\\\\\n\xc3\xa9\\u{7}\\u{200b}\"\"\xef\xbf\xbd\"");
    buf_finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sanitise),
        cmocka_unit_test(test_derived),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
