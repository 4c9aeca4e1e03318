/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin that keeps the loop is named in the log. The time is real, and only ever waited for to
 * be longer than the limit.
 */
#include "../cmocka_all.h"

#include "base/mem.h"
#include "plug/watch.h"
#include "testkit.h"

#define MS 1000000ll

static void on_done(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    (void)st, (void)revision, (void)err;
    ++*(uint32_t *)arg;
}

static void on_get(void *arg, trl_status st, const struct kv_entry *e) {
    (void)st, (void)e;
    ++*(uint32_t *)arg;
}

static void a_slow_function_is_named(void **state) {
    struct tk *tk = tk_create_in(false, TEST_PLUGIN_DIR);
    struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, "slow-loop", NULL, NULL, 0);
    struct kv *k = kv_create(in);
    uint32_t n = 0;
    (void)state;
    kv_put(k, STR("k"), STR("v"), TRL_REV_ANY, on_done, &n);
    assert_true(tk_until_count(tk, &n, 1));
    assert_true(tk_logged(tk, "store/1 'slow-loop'"));
    assert_true(tk_logged(tk, " ms in put: nothing else ran meanwhile"));
    assert_int_equal(plug_inst_counts(in)->slow, 1);
    kv_put(k, STR("k"), STR("v"), TRL_REV_ANY, on_done, &n);
    kv_get(k, STR("k"), on_get, &n);
    assert_true(tk_until_count(tk, &n, 3));
    assert_int_equal(plug_inst_counts(in)->slow, 2); /* said once in a while, counted always */
    kv_destroy(k);
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

/* What a function calls counts for whoever is called. */
static void each_answers_for_itself(void **state) {
    struct tk *tk = tk_create_in(false, TEST_PLUGIN_DIR);
    struct plug_inst *outer = tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    struct plug_inst *inner = tk_open(tk, TRL_KIND_STORE, "short-table", NULL, NULL, 0);
    struct watch a, b;
    (void)state;
    watch_enter(outer, &a);
    watch_enter(inner, &b);
    a.began_ns -= 150 * MS;
    b.began_ns -= 150 * MS;
    watch_leave(inner, &b, "get");
    watch_leave(outer, &a, "put");
    assert_int_equal(plug_inst_counts(inner)->slow, 1);
    assert_int_equal(plug_inst_counts(outer)->slow, 0);
    watch_enter(outer, &a);
    watch_enter(inner, &b);
    watch_leave(inner, &b, "get");
    a.began_ns -= 150 * MS;
    watch_leave(outer, &a, "put");
    assert_int_equal(plug_inst_counts(inner)->slow, 1);
    assert_int_equal(plug_inst_counts(outer)->slow, 1);
    tk_close(tk, outer);
    tk_close(tk, inner);
    assert_int_equal(tk_destroy(tk), 0);
}

static void a_virtual_loop_has_no_hurry(void **state) {
    struct tk *tk = tk_create_in(true, TEST_PLUGIN_DIR);
    struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, "slow-loop", NULL, NULL, 0);
    struct kv *k = kv_create(in);
    uint32_t n = 0;
    (void)state;
    kv_put(k, STR("k"), STR("v"), TRL_REV_ANY, on_done, &n);
    assert_true(tk_until_count(tk, &n, 1));
    assert_int_equal(plug_inst_counts(in)->slow, 0);
    kv_destroy(k);
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_function_is_named),
        cmocka_unit_test(each_answers_for_itself),
        cmocka_unit_test(a_virtual_loop_has_no_hurry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
