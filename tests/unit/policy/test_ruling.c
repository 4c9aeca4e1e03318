/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <trellis/kind/policy.h>

#include "policy/ruling.h"

static void nobody_speaks_is_allowed(void **state) {
    (void)state;
    struct ruling *r = ruling_new();
    ruling_add(r, STR("a"), TRL_V_ABSTAIN, 0, TRL_TTL_RULES, STR(""));
    assert_int_equal(r->verdict, TRL_V_ALLOW);
    assert_false(ruling_denies(r));
    assert_int_equal(r->n_reasons, 0);
    ruling_unref(r);
}

static void the_heaviest_holds_with_its_reasons(void **state) {
    (void)state;
    struct ruling *r = ruling_new();
    ruling_add(r, STR("a"), TRL_V_WARN, 0, 90000, STR("[{\"text\":\"careful\"}]"));
    assert_int_equal(r->verdict, TRL_V_WARN);
    ruling_add(r, STR("b"), TRL_V_DENY, TRL_VERDICT_STOP, 500, STR("[{\"text\":\"no\\nway\"}]"));
    ruling_add(r, STR("c"), TRL_V_ALLOW, 0, TRL_TTL_RULES, STR(""));
    ruling_add(r, STR("d"), TRL_V_DENY, 0, TRL_TTL_RULES, STR(""));
    assert_true(ruling_denies(r) && r->stop);
    assert_int_equal(r->ttl_ms, 500);
    assert_int_equal(r->n_reasons, 2);
    assert_true(str_is(r->reasons[0].text, "no way"));
    assert_true(str_is(r->reasons[1].text, "no reason was given"));
    ruling_unref(r);
}

static void a_stop_needs_a_denial(void **state) {
    (void)state;
    struct ruling *r = ruling_new();
    ruling_add(r, STR("a"), TRL_V_WARN, TRL_VERDICT_STOP, 0, STR(""));
    assert_false(r->stop);
    ruling_unref(r);
}

static void a_backend_that_cannot_decide(void **state) {
    (void)state;
    struct ruling *r = ruling_new();
    ruling_add_failure(r, STR("a"), true, STR("timeout"));
    assert_int_equal(r->verdict, TRL_V_WARN);
    assert_int_equal(r->ttl_ms, TRL_TTL_NONE);
    ruling_add_failure(r, STR("b"), false, STR("timeout"));
    assert_true(ruling_denies(r) && r->failed);
    assert_true(str_is(r->reasons[0].code, "policy-unavailable"));
    ruling_unref(r);
}

static void text_and_json(void **state) {
    (void)state;
    struct ruling *r = ruling_new();
    struct buf b = BUF_INIT;
    struct jw w;
    ruling_add(
        r, STR("rules"), TRL_V_DENY, 0, 0,
        STR("[{\"code\":\"image\",\"text\":\"latest is no version\",\"rule\":\"tags\","
            "\"path\":\"/spec/components/0\",\"remedy\":\"name a tag\"},{\"text\":\"two\"}]"));
    ruling_text(r, &b);
    assert_string_equal(b.ptr, "denied by policy: latest is no version (rule tags, rules) at "
                               "/spec/components/0; name a tag [and 1 more]");
    buf_clear(&b);
    jw_init(&w, &b, false);
    jw_object(&w);
    ruling_write(r, &w);
    jw_end_object(&w);
    assert_string_equal(
        b.ptr,
        "{\"verdict\":\"deny\",\"reasons\":[{\"backend\":\"rules\",\"code\":\"image\","
        "\"text\":\"latest is no version\",\"rule\":\"tags\",\"path\":\"/spec/components/0\","
        "\"remedy\":\"name a tag\"},{\"backend\":\"rules\",\"text\":\"two\"}]}");
    buf_finish(&b);
    ruling_unref(r);
}

static void unreadable_and_endless_reasons(void **state) {
    (void)state;
    struct ruling *r = ruling_new();
    ruling_add(r, STR("a"), TRL_V_DENY, 0, 0, STR("{\"text\":1}"));
    assert_true(str_is(r->reasons[0].code, "unreadable-reasons"));
    struct buf many = BUF_INIT;
    for (int i = 0; i < 500; i++) {
        buf_addf(&many, "%s{\"text\":\"x\"}", i ? "," : "[");
    }
    buf_add_c(&many, ']');
    ruling_add(r, STR("b"), TRL_V_DENY, 0, 0, buf_str(&many));
    assert_int_equal(r->n_reasons, 64);
    buf_finish(&many);
    ruling_unref(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_speaks_is_allowed),
        cmocka_unit_test(the_heaviest_holds_with_its_reasons),
        cmocka_unit_test(a_stop_needs_a_denial),
        cmocka_unit_test(a_backend_that_cannot_decide),
        cmocka_unit_test(text_and_json),
        cmocka_unit_test(unreadable_and_endless_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
