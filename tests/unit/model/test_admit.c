/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "model/admit.h"

#define TEXT(name, version)                                                                        \
    "apiVersion: a\nkind: b\nmetadata:\n  name: " name "\n  annotations: {" version "}\nspec:\n"   \
    "  components: []\n"

/* message NULL: admitted. */
static void check(str body, str type, size_t max_payload, const char *message) {
    struct findings f;
    struct manifest *m = NULL;
    char *got = NULL;
    findings_init(&f);
    int rc = model_admit(body, type, max_payload, &m, &f, &got);
    if (message) {
        assert_non_null(got);
        assert_string_equal(got, message);
        assert_int_equal(rc, TRL_E_INVALID);
        assert_true(f.errors > 0);
    } else {
        assert_null(got);
        assert_int_equal(rc, 0);
        assert_non_null(m);
    }
    manifest_destroy(m);
    findings_finish(&f);
    mem_free(got);
}

static void test_content_type(void **state) {
    (void)state;
    str yaml = STR(TEXT("a", "")), json = STR("{\"apiVersion\":\"a\"}");
    check(yaml, STR_NONE, 0, NULL);
    check(yaml, STR(" application/yaml "), 0, NULL);
    check(yaml, STR("application/json"), 0,
          "Unable to parse manifest: expected a value, found 'a' at line 1 column 1");
    check(
        json, STR("application/json"), 0,
        "Unable to parse manifest: kind: missing member, the manifest needs it at line 1 column 1");
    check(yaml, STR(""), 0,
          "Unable to parse manifest: Unsupported content type  given. Wadm supports YAML and JSON");
    check(
        yaml, STR("application/yaml; charset=utf-8"), 0,
        "Unable to parse manifest: Unsupported content type application/yaml; charset=utf-8 given. "
        "Wadm supports YAML and JSON");
    check(
        yaml, STR("Application/JSON"), 0,
        "Unable to parse manifest: Unsupported content type Application/JSON given. Wadm supports "
        "YAML and JSON");
}

#define CHARACTERS                                                                                 \
    " contains invalid characters. Manifest names can only contain alphanumeric characters, "      \
    "dashes, and underscores."

static void test_order(void **state) {
    (void)state;
    check(STR(TEXT("a.b", "version: latest, 'x y': z")), STR_NONE, 0,
          "invalid manifest version, errors: \"latest is not allowed in wadm\"");
    check(STR(TEXT("a.b", "'x y': z")), STR_NONE, 0, "Manifest name a.b" CHARACTERS);
    check(STR(TEXT("\xc3\xbcn\xc3\xaf", "")), STR_NONE, 0,
          "Manifest name \xc3\xbcn\xc3\xaf" CHARACTERS);
    check(STR(TEXT("''", "")), STR_NONE, 0, "Manifest name " CHARACTERS);
    check(STR(TEXT("\"a\\0b\"", "")), STR_NONE, 0, "Manifest name a\\0b" CHARACTERS);
    check(STR(TEXT("' a '", "'x y': z")), STR_NONE, 0,
          "manifest name [ a ] is not allowed (should match regex [^[-\\w]+$])");
    check(STR(TEXT("a", "'x y': z")), STR_NONE, 0, "Invalid OAM annotation: (\"x y\", \"z\")");
    check(STR(TEXT("a", "version: ''")), STR_NONE, 0, NULL);
}

static void test_limits(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    for (uint32_t over = 0; over <= 1; over++) {
        buf_addf(&b, "apiVersion: a\nkind: b\nmetadata: {annotations: {}, name: ");
        for (uint32_t i = 0; i < ADMIT_MAX_NAME + over; i++) {
            buf_add_c(&b, 'a');
        }
        buf_addf(&b, "}\nspec: {components: []}\n");
        check(buf_str(&b), STR_NONE, 0,
              over ? "Manifest name is too long: it has 191 characters, the limit is 190" : NULL);
        buf_clear(&b);
    }
    str small = STR(TEXT("a", "version: v1"));
    size_t len = sizeof("{\"apiVersion\":\"a\",\"kind\":\"b\",\"metadata\":{\"name\":\"a\","
                        "\"annotations\":{\"version\":\"v1\"}},\"spec\":{\"components\":[]}}") -
                 1;
    check(small, STR_NONE, len + ADMIT_REPLY_BYTES, NULL);
    check(small, STR_NONE, len + ADMIT_REPLY_BYTES - 1,
          "Manifest is too large: its stored form takes 109 bytes, the limit is 108 (a message of "
          "428 bytes less 320 for the reply around it)");
    for (uint32_t depth = ADMIT_MAX_DEPTH; depth <= ADMIT_MAX_DEPTH + 1; depth++) {
        buf_addf(&b, "apiVersion: a\nkind: b\nmetadata: {name: a, annotations: {}}\nspec:\n"
                     "  components: []\n  x: ");
        for (uint32_t i = 2; i < depth; i++) {
            buf_add_c(&b, '[');
        }
        for (uint32_t i = 2; i < depth; i++) {
            buf_add_c(&b, ']');
        }
        check(buf_str(&b), STR_NONE, 0,
              depth > ADMIT_MAX_DEPTH ? "Manifest is nested too deep: 126 levels, the limit is 125"
                                      : NULL);
        buf_finish(&b);
    }
}

/* Put never refuses without saying all that is wrong. */
static void test_all_findings(void **state) {
    (void)state;
    struct findings f;
    struct manifest *m = NULL;
    char *message = NULL;
    findings_init(&f);
    assert_int_equal(
        model_admit(STR(TEXT("a.b", "version: latest, 'x y': z")), STR_NONE, 0, &m, &f, &message),
        TRL_E_INVALID);
    assert_int_equal(f.errors, 3);
    manifest_destroy(m);
    mem_free(message);
    findings_finish(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_type),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_all_findings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
