/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/envelope.h"

#define EXPECT(text)                                                                               \
    do {                                                                                           \
        assert_string_equal(b.ptr, text);                                                          \
        buf_clear(&b);                                                                             \
    } while (0)

static void test_model_replies(void **state) {
    struct buf b = BUF_INIT;
    (void)state;
    envelope_error(&b, STR("Internal storage error"));
    EXPECT("{\"message\":\"Internal storage error\",\"result\":\"error\"}");
    envelope_put(&b, true, 1, STR("v1"), STR("Successfully put manifest shop "), STR("shop"));
    EXPECT("{\"result\":\"created\",\"total_versions\":1,\"current_version\":\"v1\",\"message\":"
           "\"Successfully put manifest shop \",\"name\":\"shop\"}");
    envelope_get(&b, "notfound", STR("m"), STR_NONE);
    EXPECT("{\"result\":\"notfound\",\"message\":\"m\"}");
    envelope_get(&b, "success", STR("m"), STR("{\"a\":1}"));
    EXPECT("{\"result\":\"success\",\"message\":\"m\",\"manifest\":{\"a\":1}}");
    envelope_delete(&b, "noop", STR("m"), false);
    EXPECT("{\"result\":\"noop\",\"message\":\"m\",\"undeploy\":false}");
    envelope_deploy(&b, "notfound", STR("m"), STR("shop"), STR_NONE);
    EXPECT("{\"result\":\"notfound\",\"message\":\"m\",\"name\":\"shop\",\"version\":null}");
    envelope_deploy(&b, "acknowledged", STR("m"), STR("shop"), STR(""));
    EXPECT("{\"result\":\"acknowledged\",\"message\":\"m\",\"name\":\"shop\",\"version\":\"\"}");
    envelope_versions(&b, "notfound", STR("m"), NULL);
    EXPECT("{\"result\":\"notfound\",\"message\":\"m\",\"versions\":[]}");
    buf_finish(&b);
}

static void test_summary(void **state) {
    struct buf b = BUF_INIT;
    struct version v[] = {{.n = 1, .version = STR("v1")}, {.n = 2, .version = STR("v2")}};
    struct app a = {.name = STR("shop"), .versions = v, .n_versions = 2, .next = 3};
    (void)state;
    envelope_summary(&b, &a, STR_NONE, NULL, false);
    EXPECT("{\"name\":\"shop\",\"version\":\"v2\",\"description\":null,\"deployed_version\":null,"
           "\"detailed_status\":{\"status\":{\"type\":\"waiting\",\"message\":\"Waiting for "
           "status: Lattice contains no hosts, deployment not started.\"},\"version\":\"\","
           "\"components\":[]},\"status\":\"undeployed\",\"status_message\":\"Waiting for status: "
           "Lattice contains no hosts, deployment not started.\"}");
    a.deployed = 1;
    a.generation = 1;
    struct scaler_status x = {
        STR("3f"), STR("SpreadScaler"), STR("shop-web"), STATUS_DEPLOYED, STR(""), 1, 1};
    struct app_status s = {.type = STATUS_DEPLOYED, .scalers = &x, .n_scalers = 1};
    envelope_summary(&b, &a, STR("d"), &s, false);
    EXPECT("{\"name\":\"shop\",\"version\":\"v2\",\"description\":\"d\",\"deployed_version\":"
           "\"v1\",\"detailed_status\":{\"status\":{\"type\":\"deployed\"},\"scalers\":[{\"id\":"
           "\"3f\",\"kind\":\"SpreadScaler\",\"name\":\"shop-web\",\"status\":{\"type\":"
           "\"deployed\"}}],\"version\":\"\",\"components\":[]},\"status\":\"deployed\","
           "\"status_message\":\"\"}");
    a.deployed = 0;
    envelope_summary(&b, &a, STR_NONE, NULL, true);
    assert_true(str_ends(buf_str(&b), STR("\"status\":\"undeployed\",\"status_message\":"
                                          "\"Manifest has been undeployed\"}")));
    buf_finish(&b);
}

static void test_default_status(void **state) {
    struct app_status s;
    struct app a = {.generation = 0};
    (void)state;
    envelope_default_status(NULL, false, &s);
    assert_true(s.type == STATUS_UNDEPLOYED && s.message.len == 0);
    envelope_default_status(&a, false, &s);
    assert_true(s.type == STATUS_UNDEPLOYED && s.message.len == 0);
    envelope_default_status(&a, true, &s);
    assert_true(s.type == STATUS_WAITING && str_is(s.message, ENVELOPE_NO_HOSTS));
    a.deployed = 1;
    envelope_default_status(&a, false, &s);
    assert_true(s.type == STATUS_WAITING);
}

static void test_trellis_replies(void **state) {
    struct buf b = BUF_INIT;
    struct findings f;
    (void)state;
    findings_init(&f);
    envelope_ok(&b, STR("[]"), &f);
    EXPECT("{\"result\":\"ok\",\"data\":[]}");
    findings_add(&f, FINDING_WARNING, "unknown-trait", STR("spec.x"), 3, 4, STR("m"), STR("fix"));
    envelope_refusal(&b, "REFUSED", STR("no"), &f);
    EXPECT("{\"result\":\"error\",\"code\":\"REFUSED\",\"message\":\"no\",\"findings\":[{"
           "\"level\":\"warning\",\"code\":\"unknown-trait\",\"path\":\"spec.x\",\"line\":3,"
           "\"column\":4,\"message\":\"m\",\"fix\":\"fix\"}]}");
    findings_finish(&f);
    buf_finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_replies),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_default_status),
        cmocka_unit_test(test_trellis_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
