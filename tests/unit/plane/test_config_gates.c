/* SPDX-License-Identifier: Apache-2.0
 *
 * policy, secrets and host_services of a configuration: what becomes of them, and what is refused.
 */
#include "../cmocka_all.h"

#include <trellis/kind/policy.h>

#include "base/mem.h"
#include "plane/config_gates.h"

#define BIT(point) (1u << (point))
#define ALL        ((1u << TRL_POINTS) - 1)

struct taken {
    struct arena arena;
    struct config_gates g;
    struct findings f;
};

static void take(struct taken *t, const char *json) {
    struct node *root = NULL;
    *t = (struct taken){0};
    findings_init(&t->f);
    assert_int_equal(json_parse(str_c(json), &t->arena, &root, NULL), 0);
    config_gates_take(&t->g, &t->arena, root, &t->f);
}

static void drop(struct taken *t) {
    findings_finish(&t->f);
    arena_finish(&t->arena);
}

static void equal_blocks_are_one_backend(void **state) {
    struct taken t;
    (void)state;
    take(&t, "{\"policy\":{\"backends\":{\"house\":{\"plugin\":\"rules\",\"file\":\"r\"}},"
             "\"put\":[\"house\"],\"deploy\":[{\"use\":\"house\",\"timeout_ms\":7}],"
             "\"host\":[\"allow-all\"]}}");
    assert_int_equal(t.f.n, 0);
    assert_int_equal(t.g.n_policies, 2);
    assert_true(str_is(t.g.policies[0].name, "house"));
    assert_true(str_is(t.g.policies[0].plugin.name, "rules"));
    assert_true(str_is(t.g.policies[0].plugin.config, "{\"file\":\"r\"}"));
    assert_int_equal(t.g.policies[0].points, BIT(TRL_POINT_PUT) | BIT(TRL_POINT_DEPLOY));
    assert_int_equal(t.g.policies[0].timeout_ms[TRL_POINT_DEPLOY], 7);
    assert_int_equal(t.g.policies[0].timeout_ms[TRL_POINT_PUT], 0);
    assert_int_equal(t.g.policies[1].points, BIT(TRL_POINT_HOST));
    drop(&t);
}

/* One backend may have more time at one point than at another. */
static void patience_is_by_point(void **state) {
    struct taken t;
    (void)state;
    take(&t, "{\"policy\":{\"backends\":{\"opa\":{\"plugin\":\"opa\",\"timeout_ms\":500}},"
             "\"all\":[\"opa\"],\"put\":[{\"use\":\"opa\",\"timeout_ms\":4000}],"
             "\"host\":[{\"use\":\"opa\",\"timeout_ms\":300}]}}");
    assert_int_equal(t.f.n, 0);
    assert_int_equal(t.g.n_policies, 1);
    assert_int_equal(t.g.policies[0].timeout_ms[TRL_POINT_PUT], 4000);
    assert_int_equal(t.g.policies[0].timeout_ms[TRL_POINT_DEPLOY], 500);
    assert_int_equal(t.g.policies[0].timeout_ms[TRL_POINT_HOST], 300);
    assert_int_equal(t.g.policies[0].timeout_ms[TRL_POINT_SECRET], 500);
    drop(&t);
}

/* What `all` leaves open, a point of its own can close, and the other way round. */
static void a_point_has_the_last_word_about_failures(void **state) {
    struct taken t;
    (void)state;
    take(&t, "{\"policy\":{\"all\":[{\"plugin\":\"rules\",\"on_error\":\"allow\"}],"
             "\"deploy\":[{\"plugin\":\"rules\",\"on_error\":\"deny\"}]}}");
    assert_int_equal(t.f.n, 0);
    assert_int_equal(t.g.n_policies, 1);
    assert_int_equal(t.g.policies[0].points, ALL);
    assert_int_equal(t.g.policies[0].open, ALL & ~BIT(TRL_POINT_DEPLOY));
    drop(&t);
    take(&t, "{\"policy\":{\"all\":[{\"plugin\":\"rules\"}],"
             "\"host\":[{\"plugin\":\"rules\",\"on_error\":\"allow\"}]}}");
    assert_int_equal(t.g.policies[0].open, BIT(TRL_POINT_HOST));
    drop(&t);
}

static void what_is_wrong_is_told_and_not_taken(void **state) {
    static const char *const wrong[] = {
        "{\"policy\":{\"put\":[{\"use\":\"nobody\"}]}}",
        "{\"policy\":{\"put\":[{}]}}",
        "{\"policy\":{\"put\":[7]}}",
        "{\"policy\":{\"put\":[{\"plugin\":\"rules\",\"on_error\":\"maybe\"}]}}",
        "{\"policy\":{\"put\":[{\"plugin\":\"rules\",\"timeout_ms\":0}]}}",
        "{\"policy\":{\"put\":[{\"plugin\":\"rules\",\"timeout_ms\":60001}]}}",
        "{\"secrets\":{\"a.b\":\"file\"}}",
        "{\"secrets\":{\"a\":{}}}",
        "{\"secrets\":{\"a\":7}}",
        "{\"secrets\":{\"a\":{\"plugin\":\"file\",\"timeout_ms\":-1}}}",
        "{\"host_services\":{\"policy\":{\"topic\":\"a..b\"}}}",
        "{\"host_services\":{\"secrets\":{\"topic\":\"a.>\",\"xkey_seed_file\":\"f\"}}}",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct taken t;
        take(&t, wrong[i]);
        if (t.f.n != 1 || t.g.n_policies + t.g.n_secrets + t.g.policy_topic.len != 0) {
            fail_msg("%s: %u faults", wrong[i], (unsigned)t.f.n);
        }
        drop(&t);
    }
}

static void it_is_written_as_it_is_read(void **state) {
    struct taken t;
    struct buf b = BUF_INIT;
    struct jw w;
    (void)state;
    take(&t,
         "{\"secrets\":{\"prod\":{\"plugin\":\"file\",\"dir\":\"/s\",\"timeout_ms\":9}},"
         "\"host_services\":{\"policy\":{\"topic\":\"w.policy\"},\"secrets\":{\"topic\":\"w.s\","
         "\"xkey_seed_file\":\"/seed\"}}}");
    assert_int_equal(t.f.n, 0);
    assert_int_equal(t.g.n_secrets, 1);
    assert_int_equal(t.g.secrets[0].timeout_ms, 9);
    assert_true(str_is(t.g.secrets_seed_file, "/seed"));
    jw_init(&w, &b, false);
    jw_object(&w);
    config_gates_write(&t.g, &w);
    jw_end_object(&w);
    assert_non_null(strstr(b.ptr, "\"prod\":{\"plugin\":\"file\",\"dir\":\"/s\"}"));
    assert_non_null(strstr(b.ptr, "\"topic\":\"w.policy\""));
    assert_non_null(strstr(b.ptr, "\"xkey_seed_file\":\"/seed\""));
    buf_finish(&b);
    drop(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_blocks_are_one_backend),
        cmocka_unit_test(patience_is_by_point),
        cmocka_unit_test(a_point_has_the_last_word_about_failures),
        cmocka_unit_test(what_is_wrong_is_told_and_not_taken),
        cmocka_unit_test(it_is_written_as_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
