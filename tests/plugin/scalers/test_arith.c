/* SPDX-License-Identifier: Apache-2.0
 *
 * The arithmetic of the spread scaler: shares by weight, filling and draining.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../../plugins/scaler-spread/split.h"
#include "../../../plugins/scaler-spread/water.h"

/* spreads: "name:weight name:- ..."; expect: "name=count ..." in processing order. */
static void check_split(uint64_t instances, const char *spreads, const char *expect) {
    char json[1024], got[256] = "";
    struct share shares[8];
    trl_scaler_spec *spec = NULL;
    trl_err err = {.struct_size = sizeof(err)};
    size_t n = (size_t)snprintf(json, sizeof(json), "{\"instances\":1,\"spread\":[");
    for (const char *p = spreads; *p;) {
        char name[32], weight[32];
        int used = 0;
        assert_int_equal(sscanf(p, " %31[^:]:%31s%n", name, weight, &used), 2);
        n += (size_t)snprintf(json + n, sizeof(json) - n, "%s{\"name\":\"%s\",\"weight\":%s}",
                              p == spreads ? "" : ",", name,
                              strcmp(weight, "-") == 0 ? "null" : weight);
        p += used;
    }
    snprintf(json + n, sizeof(json) - n, "]}");
    assert_int_equal(spec_compile(trl_cstr(json), &spec, &err), TRL_OK);
    split(spec, instances, shares);
    n = 0;
    for (uint32_t k = 0; k < spec->n_spreads; k++) {
        trl_str name = spec->spreads[shares[k].spread].name;
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%.*s=%llu", k ? " " : "", (int)name.len,
                              name.ptr, (unsigned long long)shares[k].target);
    }
    assert_string_equal(got, expect);
    spec_release(spec);
}

static void test_split(void **state) {
    (void)state;
    check_split(1, "a:100", "a=1");
    check_split(10, "a:100 b:100", "a=5 b=5");
    check_split(7, "a:30 b:40", "b=4 a=3");
    check_split(7, "a:100 b:100", "a=4 b=3");
    check_split(10, "a:- b:-", "a=5 b=5");
    check_split(12, "", "default=12");
    check_split(103, "one:42 two:3 three:37 four:384", "four=85 one=10 three=8 two=0");
    check_split(103, "east:42 west:3 central:37", "east=53 central=47 west=3");
    check_split(412, "fake:50 real:25 purgatory:25", "fake=206 real=103 purgatory=103");
    check_split(9, "x:33 y:33 z:33", "x=3 y=3 z=3");
    check_split(2, "a:100 b:100 c:100", "a=1 b=1 c=0");
    check_split(5, "a:1 b:2 c:-", "c=5 b=0 a=0");
    check_split(5, "a:0 b:0", "a=3 b=2");
    check_split(5, "a:0 b:1", "b=5 a=0");
    check_split(0, "a:1 b:1", "a=0 b=0");
    check_split(UINT64_MAX, "a:18446744073709551615 b:18446744073709551615",
                "a=9223372036854775808 b=9223372036854775807");
    check_split(UINT64_MAX, "a:18446744073709551615", "a=18446744073709551615");
}

static uint32_t pseudo(uint64_t *s) {
    *s = *s * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*s >> 33);
}

/* One at a time, the slow way. */
static uint64_t slow_fill(struct bucket *b, uint32_t n, uint64_t amount) {
    for (; amount > 0 && n > 0; amount--) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < n; i++) {
            if (b[i].count < b[best].count ||
                (b[i].count == b[best].count && b[i].rank < b[best].rank)) {
                best = i;
            }
        }
        b[best].count++;
    }
    return amount;
}

static uint64_t slow_drain(struct bucket *b, uint32_t n, uint64_t amount) {
    for (; amount > 0 && n > 0; amount--) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < n; i++) {
            if (b[i].count > b[best].count ||
                (b[i].count == b[best].count && b[i].rank > b[best].rank)) {
                best = i;
            }
        }
        if (b[best].count == 0) {
            break;
        }
        b[best].count--;
    }
    return amount;
}

static int by_host(const void *a, const void *b) {
    const struct bucket *x = a, *y = b;
    return x->host < y->host ? -1 : x->host > y->host;
}

static void test_water(void **state) {
    uint64_t seed = 1;
    (void)state;
    for (int round = 0; round < 5000; round++) {
        struct bucket fast[8], slow[8];
        uint32_t n = pseudo(&seed) % 9, width = 1 + pseudo(&seed) % 12;
        uint64_t amount = pseudo(&seed) % 40;
        int fill = pseudo(&seed) % 2;
        for (uint32_t i = 0; i < n; i++) {
            fast[i] = (struct bucket){pseudo(&seed) % width, (i * 5 + 3) % 8, i};
        }
        memcpy(slow, fast, sizeof(slow));
        uint64_t x = (fill ? water_fill : water_drain)(fast, n, amount);
        uint64_t y = (fill ? slow_fill : slow_drain)(slow, n, amount);
        assert_true(x == y);
        qsort(fast, n, sizeof(fast[0]), by_host);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(fast[i].count, slow[i].count);
        }
    }
}

static void test_water_limits(void **state) {
    struct bucket b[2] = {{5, 0, 0}, {UINT32_MAX - 1, 1, 1}};
    (void)state;
    assert_true(water_fill(b, 2, UINT64_MAX) == UINT64_MAX - (UINT32_MAX - 5ull) - 1);
    assert_true(b[0].count == UINT32_MAX && b[1].count == UINT32_MAX);
    assert_true(water_fill(b, 2, 7) == 7);
    assert_true(water_drain(b, 2, UINT64_MAX) == UINT64_MAX - 2ull * UINT32_MAX);
    assert_true(b[0].count == 0 && b[1].count == 0);
    assert_true(water_fill(b, 2, 2ull * UINT32_MAX) == 0);
    assert_true(b[0].count == UINT32_MAX && b[1].count == UINT32_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_water),
        cmocka_unit_test(test_water_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
