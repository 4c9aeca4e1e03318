/* SPDX-License-Identifier: Apache-2.0
 *
 * Providers in the spread scaler: at most one on a host, others' copies count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../../plugins/scaler-spread/solve.h"
#include "lab.h"

static void setup(struct lab *l, const char *properties) {
    lab_init(l, properties, 16);
    l->unit.flags = TRL_UNIT_SINGLETON_PER_HOST;
    l->unit.kind = trl_cstr("capability");
    l->unit.image = trl_cstr("reg/kv:1");
}

static void place(struct lab *l) {
    lab_place(l, spread_place);
    for (uint32_t i = 0; i < l->n; i++) {
        bool frozen = (l->flags[i] & (TRL_HOST_STALE | TRL_HOST_SUSPECT)) != 0;
        assert_true(frozen ? l->wanted[i] == l->current[i] : l->wanted[i] <= 1);
    }
}

static void expect(const struct lab *l, const uint32_t *wanted) {
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->wanted[i] != wanted[i]) {
            fail_msg("host %s: %u, not %u (%s)", l->ids[i], l->wanted[i], wanted[i],
                     l->out.message);
        }
    }
}
#define EXPECT(l, ...) expect((l), (const uint32_t[]){__VA_ARGS__})

static const char two[] =
    "{\"instances\":2,\"spread\":[{\"name\":\"a\",\"requirements\":{\"z\":\"a\"}},"
    "{\"name\":\"b\",\"requirements\":{\"z\":\"b\"}}]}";

static void test_vectors(void **state) {
    struct lab l;
    (void)state;
    setup(&l, two);
    lab_host(&l, "1", "z=a", 0);
    lab_host(&l, "2", "z=b", 0);
    place(&l);
    EXPECT(&l, 1, 1);
    assert_int_equal(l.group[0], 0);
    assert_int_equal(l.group[1], 1);
    l.foreign[1] = 1;
    place(&l);
    EXPECT(&l, 1, 0);
    assert_int_equal(l.out.failed, 0);
    l.foreign[0] = 1;
    place(&l);
    EXPECT(&l, 0, 0);
    assert_int_equal(l.out.failed, 0);
    lab_finish(&l);

    setup(&l, "{\"instances\":3,\"spread\":["
              "{\"name\":\"one\",\"requirements\":{\"z\":\"a\"},\"weight\":1},"
              "{\"name\":\"two\",\"requirements\":{\"z\":\"b\"},\"weight\":2}]}");
    lab_host(&l, "1", "z=a", 1);
    lab_host(&l, "2", "z=b", 0);
    lab_host(&l, "3", "z=b", 0);
    lab_host(&l, "4", "z=a", 1);
    place(&l);
    EXPECT(&l, 1, 1, 1, 0);
    assert_int_equal(l.out.failed, 0);
    lab_finish(&l);

    setup(&l, "{\"instances\":1}");
    lab_host(&l, "1", "", 0);
    lab_host(&l, "2", "", 1);
    l.foreign[0] = 1;
    place(&l);
    EXPECT(&l, 0, 0);
    assert_int_equal(l.reasons[1], TRL_WHY_REMOVED);
    lab_finish(&l);
}

static void test_texts(void **state) {
    struct lab l;
    (void)state;
    setup(&l, "{\"instances\":1}");
    place(&l);
    assert_string_equal(l.out.message,
                        "Could not satisfy spread default for reg/kv:1, 0/1 eligible hosts found.");
    lab_properties(&l, "{\"instances\":4}");
    lab_host(&l, "1", "", 1);
    lab_host(&l, "2", "", 0);
    lab_host(&l, "3", "", 0);
    l.foreign[2] = 1;
    place(&l);
    EXPECT(&l, 1, 1, 0);
    assert_int_equal(l.out.unplaced, 1);
    assert_string_equal(l.out.message,
                        "Could not satisfy spread default for reg/kv:1, 2/4 eligible hosts found.");
    /* wadm would take the foreign copy off twice */
    lab_properties(&l, "{\"instances\":3}");
    l.current[0] = 0;
    place(&l);
    EXPECT(&l, 1, 1, 0);
    assert_int_equal(l.out.failed, 0);
    lab_finish(&l);
    setup(&l, two);
    place(&l);
    assert_string_equal(l.out.message,
                        "Could not satisfy spread a for reg/kv:1, 0/1 eligible hosts found. "
                        "Could not satisfy spread b for reg/kv:1, 0/1 eligible hosts found.");
    lab_finish(&l);
}

static void test_flags(void **state) {
    struct lab l;
    (void)state;
    setup(&l, "{\"instances\":2}");
    lab_host(&l, "1", "", 1);
    lab_host(&l, "2", "", 1);
    lab_host(&l, "3", "", 0);
    lab_host(&l, "4", "", 0);
    l.flags[0] = TRL_HOST_STALE;
    l.flags[1] = TRL_HOST_CORDONED;
    place(&l);
    EXPECT(&l, 1, 1, 0, 0);
    l.flags[1] = TRL_HOST_EXCLUDED;
    l.failing[2] = 1;
    place(&l);
    EXPECT(&l, 1, 0, 0, 1);
    l.flags[3] = TRL_HOST_CORDONED;
    place(&l);
    EXPECT(&l, 1, 0, 1, 0); /* it fails there, but there is no other */
    lab_properties(&l, "{\"instances\":0}");
    place(&l);
    EXPECT(&l, 1, 0, 0, 0);
    lab_properties(&l, "{\"instances\":1}");
    l.flags[0] = TRL_HOST_READY;
    l.flags[1] = TRL_HOST_CORDONED;
    place(&l);
    EXPECT(&l, 1, 0, 0, 0); /* too many: the cordoned one goes */
    lab_finish(&l);
}

static uint32_t pseudo(uint64_t *s) {
    *s = *s * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*s >> 33);
}

/* How many hosts can serve at once, found by trying everything. */
static uint32_t most(const struct lab *l, uint32_t i, uint64_t *left, const bool *may) {
    uint32_t best = 0;
    if (i == l->n) {
        return 0;
    }
    best = most(l, i + 1, left, may);
    for (uint32_t k = 0; may[i] && k < l->spec->n_spreads; k++) {
        if (left[k] > 0 && spread_matches(&l->spec->spreads[k], &l->hosts[i])) {
            left[k]--;
            uint32_t n = 1 + most(l, i + 1, left, may);
            left[k]++;
            best = n > best ? n : best;
        }
    }
    return best;
}

static const char *const overlapping[] = {
    "{\"instances\":5,\"spread\":[{\"name\":\"a\",\"requirements\":{\"x\":\"1\"},\"weight\":2},"
    "{\"name\":\"b\",\"requirements\":{\"y\":\"1\"},\"weight\":2},"
    "{\"name\":\"c\",\"requirements\":{\"z\":\"1\"},\"weight\":1}]}",
    "{\"instances\":4,\"spread\":[{\"name\":\"a\",\"requirements\":{}},"
    "{\"name\":\"b\",\"requirements\":{\"y\":\"1\"}},"
    "{\"name\":\"c\",\"requirements\":{\"y\":\"1\",\"z\":\"1\"}}]}",
};

/* As much as can be had, nothing moved that need not, and at rest afterwards. */
static void test_against_trying_everything(void **state) {
    uint64_t seed = 7;
    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct lab l;
        struct share shares[3];
        uint64_t left[3];
        bool may[8], runs[8];
        uint32_t kept = 0, foreign = 0, own = 0;
        setup(&l, overlapping[round % 2]);
        split(l.spec, l.spec->instances, shares);
        uint32_t n = pseudo(&seed) % 8;
        for (uint32_t i = 0; i < n; i++) {
            char id[16], labels[16];
            snprintf(id, sizeof(id), "%u", i);
            snprintf(labels, sizeof(labels), "x=%u,y=%u,z=%u", pseudo(&seed) % 2, pseudo(&seed) % 2,
                     pseudo(&seed) % 2);
            lab_host(&l, id, labels, pseudo(&seed) % 2);
            l.foreign[i] = l.current[i] == 0 && pseudo(&seed) % 5 == 0;
            l.hosts[i].n_instances = pseudo(&seed) % 3;
            runs[i] = l.current[i] > 0 || l.foreign[i] > 0;
            may[i] = true;
        }
        for (uint32_t k = 0; k < 3; k++) {
            left[shares[k].spread] = shares[k].target;
        }
        place(&l);
        for (uint32_t i = 0; i < n; i++) {
            kept += l.wanted[i] > 0 && l.current[i] > 0;
        }
        uint32_t possible = most(&l, 0, left, may), could_stay = most(&l, 0, left, runs);
        assert_int_equal(l.spec->instances - l.out.unplaced, possible);
        bool theirs[8];
        for (uint32_t i = 0; i < n; i++) {
            theirs[i] = l.foreign[i] > 0;
            own += l.wanted[i] > 0 && l.current[i] == 0;
        }
        foreign = most(&l, 0, left, theirs);
        assert_int_equal(kept, could_stay - foreign);
        assert_int_equal(kept + own + foreign, possible);
        lab_apply(&l);
        place(&l);
        assert_int_equal(lab_changes(&l), 0);
        lab_finish(&l);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_against_trying_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
