/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <trellis/kind/policy.h>

#include "policy/cache.h"

#define MS 1000000ll

static struct cache_key put(struct cache *c, const char *subject, uint32_t ttl_ms, int64_t now) {
    struct cache_key k = cache_key(TRL_POINT_PUT, str_c(subject));
    struct ruling *r = ruling_new();
    r->ttl_ms = ttl_ms;
    cache_put(c, &k, r, now);
    ruling_unref(r);
    return k;
}

static void holds_as_long_as_it_said(void **state) {
    (void)state;
    struct cache c;
    cache_init(&c, 100);
    struct cache_key forever = put(&c, "a", TRL_TTL_RULES, 0);
    struct cache_key brief = put(&c, "b", 5000, 0);
    assert_non_null(cache_find(&c, &brief, 4999 * MS));
    assert_non_null(cache_find(&c, &brief, 4999 * MS));
    assert_null(cache_find(&c, &brief, 5000 * MS));
    assert_non_null(cache_find(&c, &forever, INT64_MAX - 1));
    cache_clear(&c);
    assert_null(cache_find(&c, &forever, 0));
    assert_int_equal(c.hits, 3);
    assert_int_equal(c.misses, 2);
    cache_finish(&c);
}

static void what_must_not_be_kept_is_used_once(void **state) {
    (void)state;
    struct cache c;
    cache_init(&c, 100);
    struct cache_key k = put(&c, "a", TRL_TTL_NONE, 0);
    struct ruling *r = cache_find(&c, &k, 1);
    assert_ptr_equal(cache_find(&c, &k, 1), r); /* looked at, not acted upon */
    r->spent = true;
    assert_null(cache_find(&c, &k, 1));
    k = put(&c, "a", TRL_TTL_NONE, 0);
    assert_null(cache_find(&c, &k, CACHE_HOLD_NS));
    cache_finish(&c);
}

static void point_is_part_of_the_key(void **state) {
    (void)state;
    struct cache c;
    cache_init(&c, 100);
    put(&c, "a", TRL_TTL_RULES, 0);
    struct cache_key other = cache_key(TRL_POINT_DEPLOY, STR("a"));
    assert_null(cache_find(&c, &other, 0));
    cache_finish(&c);
}

static void bounded_and_keeps_what_is_used(void **state) {
    (void)state;
    struct cache c;
    char name[20];
    cache_init(&c, 20);
    struct cache_key used = put(&c, "used", TRL_TTL_RULES, 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "%d", i);
        put(&c, name, TRL_TTL_RULES, 0);
        assert_true(c.young.n + c.old.n <= 20);
        assert_non_null(cache_find(&c, &used, 0));
    }
    cache_finish(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_as_long_as_it_said),
        cmocka_unit_test(what_must_not_be_kept_is_used_once),
        cmocka_unit_test(point_is_part_of_the_key),
        cmocka_unit_test(bounded_and_keeps_what_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
