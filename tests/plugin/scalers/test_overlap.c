/* SPDX-License-Identifier: Apache-2.0
 *
 * Components whose hosts match several spreads: what is placed and what moves is compared with the
 * optimum, by another way than the scaler's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../../plugins/scaler-spread/solve.h"
#include "lab.h"

#define HOSTS_MAX   64u
#define SPREADS_MAX 7u

static uint32_t pseudo(uint64_t *s) {
    *s = *s * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*s >> 33);
}

static const char *const kinds[] = {
    "{\"instances\":0,\"spread\":[{\"name\":\"a\",\"requirements\":{\"x\":\"1\"},\"weight\":5},"
    "{\"name\":\"b\",\"requirements\":{\"y\":\"1\"},\"weight\":3},"
    "{\"name\":\"c\",\"requirements\":{\"z\":\"1\"},\"weight\":2}]}",
    "{\"instances\":0,\"spread\":[{\"name\":\"a\",\"requirements\":{\"x\":\"1\"},\"weight\":80},"
    "{\"name\":\"rest\",\"requirements\":{},\"weight\":20}]}",
    "{\"instances\":0,\"spread\":[{\"name\":\"a\",\"requirements\":{}},"
    "{\"name\":\"b\",\"requirements\":{}},{\"name\":\"c\",\"requirements\":{}}]}",
    "{\"instances\":0,\"spread\":[{\"name\":\"a\",\"requirements\":{\"x\":\"1\",\"y\":\"1\"}},"
    "{\"name\":\"b\",\"requirements\":{\"y\":\"1\",\"z\":\"1\"},\"weight\":37},"
    "{\"name\":\"c\",\"requirements\":{\"x\":\"1\"}},{\"name\":\"d\",\"requirements\":{},"
    "\"weight\":1}]}",
};

/* Spreads that ask for any labels, with any weights. */
static void random_spreads(uint64_t *seed, char *text, size_t cap) {
    uint32_t k = 1 + pseudo(seed) % SPREADS_MAX;
    int n = snprintf(text, cap, "{\"instances\":0,\"spread\":[");
    for (uint32_t i = 0; i < k; i++) {
        const char *comma = "";
        n += snprintf(text + n, cap - (size_t)n,
                      "%s{\"name\":\"s%u\",\"weight\":%u,\"requirements\":{", i ? "," : "", i,
                      pseudo(seed) % 5 ? 1 + pseudo(seed) % 9 : 0);
        for (char label = 'x'; label <= 'z'; label++) {
            if (pseudo(seed) % 3 == 0) {
                n += snprintf(text + n, cap - (size_t)n, "%s\"%c\":\"%u\"", comma, label,
                              pseudo(seed) % 3 ? 1 : 0);
                comma = ",";
            }
        }
        n += snprintf(text + n, cap - (size_t)n, "}}");
    }
    snprintf(text + n, cap - (size_t)n, "]}");
}

static void random_lab(struct lab *l, uint64_t *seed, uint32_t n, uint32_t instances) {
    uint32_t width = 1 + pseudo(seed) % 30, kind = pseudo(seed) % 8;
    char spreads[1024];
    random_spreads(seed, spreads, sizeof(spreads));
    lab_init(l, kind < 4 ? kinds[kind] : spreads, n);
    l->spec->instances = instances;
    for (uint32_t i = 0; i < n; i++) {
        char id[16], labels[16];
        snprintf(id, sizeof(id), "%03u", i);
        snprintf(labels, sizeof(labels), "x=%u,y=%u,z=%u", pseudo(seed) % 2, pseudo(seed) % 2,
                 pseudo(seed) % 2);
        lab_host(l, id, labels, pseudo(seed) % 3 ? 0 : pseudo(seed) % width);
        l->hosts[i].n_instances = pseudo(seed) % 5;
    }
}

struct task {
    struct lab l;
    struct share shares[SPREADS_MAX];
    uint32_t masks[HOSTS_MAX]; /* spreads a host matches */
};

static void look(struct task *t) {
    split(t->l.spec, t->l.spec->instances, t->shares);
    for (uint32_t i = 0; i < t->l.n; i++) {
        t->masks[i] = 0;
        for (uint32_t k = 0; k < t->l.spec->n_spreads; k++) {
            const struct spread *s = &t->l.spec->spreads[t->shares[k].spread];
            t->masks[i] |= (uint32_t)spread_matches(s, &t->l.hosts[i]) << k;
        }
    }
}

static bool is(const struct lab *l, uint32_t i, uint32_t flags) {
    return (l->flags[i] & flags) != 0;
}

/* How many of so many instances can count for spreads, each for one its host matches and no spread
 * for more than its share: the smallest cut, by trying all of them. grow: ready hosts could have as
 * many as needed. */
static uint64_t most(const struct task *t, const uint32_t *counts, bool grow, bool only_frozen) {
    const struct lab *l = &t->l;
    uint64_t best = UINT64_MAX;
    for (uint32_t cut = 0; cut < 1u << l->spec->n_spreads; cut++) {
        uint64_t sum = 0;
        for (uint32_t k = 0; k < l->spec->n_spreads; k++) {
            sum += cut >> k & 1 ? t->shares[k].target : 0;
        }
        for (uint32_t i = 0; i < l->n; i++) {
            if ((t->masks[i] & ~cut) == 0 || is(l, i, TRL_HOST_EXCLUDED) ||
                (only_frozen && !is(l, i, TRL_HOST_STALE))) {
                continue;
            }
            sum += grow && is(l, i, TRL_HOST_READY) ? UINT32_MAX : counts[i];
        }
        best = sum < best ? sum : best;
    }
    return best;
}

/* As much as can be had is placed, and no instance moves that could stay. */
static void check_optimum(const struct task *t) {
    const struct lab *l = &t->l;
    uint64_t had = 0, frozen = 0, taken = 0, added = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        if (t->masks[i] && !is(l, i, TRL_HOST_EXCLUDED)) {
            had += l->current[i];
            frozen += is(l, i, TRL_HOST_STALE) ? l->current[i] : 0;
            taken += l->wanted[i] < l->current[i] ? l->current[i] - l->wanted[i] : 0;
        }
        added += l->wanted[i] > l->current[i] ? l->wanted[i] - l->current[i] : 0;
        assert_true(l->wanted[i] <= l->current[i] || is(l, i, TRL_HOST_READY));
    }
    uint64_t stays = frozen - most(t, l->current, false, true); /* too many, but frozen */
    uint64_t counts = most(t, l->current, false, false);
    uint64_t possible = most(t, l->current, true, false);
    assert_int_equal(taken, had - counts - stays);
    assert_int_equal(added, possible - counts);
    assert_int_equal(most(t, l->wanted, false, false), possible);
    assert_int_equal(l->spec->instances - l->out.unplaced, possible);
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->wanted[i] > 0 && t->masks[i]) {
            assert_true(spread_matches(&l->spec->spreads[l->group[i]], &l->hosts[i]));
        }
    }
}

static void random_flags(struct lab *l, uint64_t *seed) {
    for (uint32_t i = 0; i < l->n; i++) {
        uint32_t r = pseudo(seed) % 8;
        l->flags[i] = r == 0   ? TRL_HOST_STALE
                      : r == 1 ? TRL_HOST_CORDONED
                      : r == 2 ? TRL_HOST_EXCLUDED
                               : TRL_HOST_READY;
        l->failing[i] = pseudo(seed) % 6 == 0;
    }
}

/* From rest to another number: no move but those the shares ask for. */
static void try_another_number(struct task *t, uint64_t *seed) {
    struct lab *l = &t->l;
    struct share before[SPREADS_MAX];
    uint64_t more = 0, fewer = 0, taken = 0, added = 0;
    bool all = !l->out.failed;
    memcpy(before, t->shares, sizeof(before));
    l->spec->instances = pseudo(seed) % 60;
    look(t);
    for (uint32_t k = 0; k < l->spec->n_spreads; k++) {
        uint64_t was = before[k].target, now = t->shares[k].target;
        more += now > was ? now - was : 0;
        fewer += was > now ? was - now : 0;
    }
    lab_place(l, spread_place);
    check_optimum(t);
    for (uint32_t i = 0; i < l->n; i++) {
        taken += l->wanted[i] < l->current[i] ? l->current[i] - l->wanted[i] : 0;
        added += l->wanted[i] > l->current[i] ? l->wanted[i] - l->current[i] : 0;
    }
    assert_true(taken <= fewer);
    assert_true(added <= more || (!all && fewer > 0));
}

static void test_optimum(void **state) {
    uint64_t seed = 3;
    (void)state;
    for (int round = 0; round < 6000; round++) {
        struct task t;
        random_lab(&t.l, &seed, pseudo(&seed) % (round % 8 ? 8 : HOSTS_MAX), pseudo(&seed) % 60);
        if (round % 3) {
            random_flags(&t.l, &seed);
        }
        if (round % 4 == 0) {
            memset(t.l.current, 0, t.l.n * sizeof(uint32_t));
        }
        look(&t);
        lab_place(&t.l, spread_place);
        check_optimum(&t);
        uint32_t unplaced = t.l.out.unplaced;
        lab_apply(&t.l);
        lab_place(&t.l, spread_place);
        assert_int_equal(lab_changes(&t.l), 0);
        assert_int_equal(t.l.out.unplaced, unplaced);
        try_another_number(&t, &seed);
        lab_finish(&t.l);
    }
}

/* From nothing every spread gets hosts of its own, if there are enough: shares can be read off the
 * groups, and are even. */
static void test_own_hosts(void **state) {
    uint64_t seed = 17;
    (void)state;
    for (int round = 0; round < 500; round++) {
        struct task t;
        uint32_t low[SPREADS_MAX] = {0}, high[SPREADS_MAX] = {0};
        random_lab(&t.l, &seed, HOSTS_MAX, 500 + pseudo(&seed) % 1000);
        memset(t.l.current, 0, t.l.n * sizeof(uint32_t));
        look(&t);
        lab_place(&t.l, spread_place);
        for (uint32_t k = 0; k < t.l.spec->n_spreads; k++) {
            assert_int_equal(lab_group_sum(&t.l, t.shares[k].spread), t.shares[k].target);
        }
        for (uint32_t i = 0; i < t.l.n; i++) {
            uint32_t n = t.l.wanted[i], g = t.l.group[i];
            if (n > 0) {
                low[g] = n < low[g] || low[g] == 0 ? n : low[g];
                high[g] = n > high[g] ? n : high[g];
                assert_true(high[g] - low[g] <= 1);
            }
        }
        lab_finish(&t.l);
    }
}

#define XY                                                                                         \
    "\"spread\":[{\"name\":\"x\",\"requirements\":{\"x\":\"1\"}},"                                 \
    "{\"name\":\"y\",\"requirements\":{\"y\":\"1\"}}]}"

static void place(struct lab *l) {
    lab_place(l, spread_place);
}

/* A spread that is nobody's home takes a host. */
static void test_takes_own(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, kinds[1], 2);
    l.spec->instances = 20;
    lab_host(&l, "1", "x=1", 0);
    lab_host(&l, "2", "x=1", 0);
    place(&l);
    assert_int_equal(lab_group_sum(&l, 0), 16);
    assert_int_equal(lab_group_sum(&l, 1), 4);
    lab_finish(&l);
}

/* What ran for one spread counts for another when that saves a move. */
static void test_one_leaves(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, "{\"instances\":3," XY, 3);
    lab_host(&l, "1", "x=1,y=1", 2);
    lab_host(&l, "2", "x=1", 0);
    lab_host(&l, "3", "y=1", 1);
    place(&l);
    LAB_EXPECT(&l, 2, 0, 1);
    l.current[2] = 0;
    l.flags[2] = TRL_HOST_EXCLUDED;
    place(&l); /* one of host 1 counts for y now, and x gets one more */
    assert_int_equal(l.wanted[0] + l.wanted[1], 3);
    assert_true(l.wanted[0] >= 2);
    l.flags[0] = TRL_HOST_CORDONED;
    place(&l);
    LAB_EXPECT(&l, 2, 1, 0);
    lab_apply(&l);
    l.flags[1] = TRL_HOST_STALE;
    place(&l);
    LAB_EXPECT(&l, 2, 1, 0);
    assert_int_equal(l.out.failed, 0);
    lab_finish(&l);
}

/* Fewer hosts than spreads. */
static void test_shared(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, "{\"instances\":4," XY, 2);
    lab_host(&l, "1", "x=1,y=1", 0);
    place(&l);
    LAB_EXPECT(&l, 4);
    assert_int_equal(l.out.failed, 0);
    lab_apply(&l);
    lab_host(&l, "2", "x=1,y=1", 0);
    place(&l);
    LAB_EXPECT(&l, 4, 0); /* what runs is not moved for the sake of balance */
    lab_properties(&l, "{\"instances\":6," XY);
    place(&l);
    assert_true(l.wanted[0] >= 4);
    assert_int_equal(lab_sum(&l), 6);
    lab_finish(&l);
}

/* What is too many goes from cordoned hosts first, and never because silent ones cannot give. */
static void test_who_gives(void **state) {
    struct lab l;
    (void)state;
    lab_init(&l, "{\"instances\":8," XY, 3);
    lab_host(&l, "1", "x=1,y=1", 5);
    lab_host(&l, "2", "x=1,y=1", 5);
    l.flags[0] = TRL_HOST_CORDONED;
    place(&l);
    LAB_EXPECT(&l, 3, 5);
    l.flags[0] = TRL_HOST_READY;
    l.flags[1] = TRL_HOST_CORDONED;
    place(&l);
    LAB_EXPECT(&l, 5, 3);
    l.flags[0] = TRL_HOST_STALE;
    l.flags[1] = TRL_HOST_READY;
    place(&l);
    LAB_EXPECT(&l, 5, 3);
    lab_properties(&l, "{\"instances\":4," XY);
    place(&l);
    LAB_EXPECT(&l, 5, 0); /* one too many, for a while */
    lab_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimum),   cmocka_unit_test(test_own_hosts),
        cmocka_unit_test(test_takes_own), cmocka_unit_test(test_one_leaves),
        cmocka_unit_test(test_shared),    cmocka_unit_test(test_who_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
