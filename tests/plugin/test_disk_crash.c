/* SPDX-License-Identifier: Apache-2.0
 *
 * The file store's disk under power cuts at every call, and under every call failing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "disk_life.h"

#define STEPS 170 /* about 300 writes */

struct crash {
    struct life *l;
    uint64_t points, recoveries, warnings, boundary_ok;
};

/* After the cut: opens, and checks that it is acked, or all of what was in flight, and usable. */
static void recover_one(struct crash *c, enum fakefs_model model, uint64_t seed) {
    struct life now = *c->l; /* the model; everything else is its own */
    struct disk_report rep;
    trl_err err = {.struct_size = sizeof(err)};
    const char *wrong;
    now.fs = fakefs_crash(c->l->fs, model, seed);
    now.io = fakefs_io(now.fs);
    memset(&now.snap, 0, sizeof(now.snap));
    if (life_open(&now, &rep, &err) != TRL_OK) {
        fail_msg("point %llu model %d: %s", (unsigned long long)c->points, model, err.msg);
    }
    if (now.sync) {
        if (now.ix.revision != c->l->acked && now.ix.revision != c->l->in_flight) {
            fail_msg("point %llu model %d: revision %llu, acknowledged %llu, in flight %llu",
                     (unsigned long long)c->points, model, (unsigned long long)now.ix.revision,
                     (unsigned long long)c->l->acked, (unsigned long long)c->l->in_flight);
        }
    } else {
        assert_true(now.ix.revision >= c->l->synced && now.ix.revision <= c->l->in_flight);
    }
    wrong = life_compare(&now, &now.ix, now.ix.revision);
    if (wrong) {
        fail_msg("point %llu model %d: %s", (unsigned long long)c->points, model, wrong);
    }
    c->recoveries++;
    c->warnings += rep.warning[0] != '\0';
    if (c->recoveries % 5 == 0) { /* and it goes on from there */
        now.acked = now.in_flight = now.ix.revision;
        for (int i = 0; i < 5; i++) {
            assert_int_equal(life_step(&now, &err), TRL_OK);
        }
        life_close(&now);
        if (now.sync) { /* a second cut leaves all that was acknowledged after the first */
            struct fakefs *first = now.fs;
            now.fs = fakefs_crash(first, FAKEFS_NOTHING, seed);
            now.io = fakefs_io(now.fs);
            fakefs_destroy(first);
        }
        assert_int_equal(life_open(&now, &rep, &err), TRL_OK);
        assert_null(life_compare(&now, &now.ix, now.acked));
        assert_int_equal(rep.warning[0], 0);
    }
    life_close(&now);
    assert_int_equal(fakefs_open_fds(now.fs), 0);
    life_finish(&now);
}

/* Killed, opened again, then the power cut: what the second process showed must still be there. */
static void kill_then_cut(struct crash *c) {
    struct life now = *c->l;
    struct disk_report rep;
    trl_err err = {.struct_size = sizeof(err)};
    struct fakefs *killed = fakefs_kill(c->l->fs);
    uint64_t shown;
    now.fs = killed;
    now.io = fakefs_io(now.fs);
    memset(&now.snap, 0, sizeof(now.snap));
    assert_int_equal(life_open(&now, &rep, &err), TRL_OK);
    shown = now.ix.revision;
    life_close(&now);
    now.fs = fakefs_crash(killed, FAKEFS_NOTHING, c->points);
    now.io = fakefs_io(now.fs);
    assert_int_equal(life_open(&now, &rep, &err), TRL_OK);
    assert_true(now.ix.revision == shown);
    assert_null(life_compare(&now, &now.ix, shown));
    life_close(&now);
    fakefs_destroy(killed);
    life_finish(&now);
}

static void on_step(void *arg, int after) {
    struct crash *c = arg;
    (void)after;
    c->points++;
    for (int m = 0; m < FAKEFS_MODELS; m++) {
        recover_one(c, (enum fakefs_model)m, c->points * 31 + (uint64_t)m);
    }
    kill_then_cut(c);
}

static void crash_everywhere(int sync) {
    static const uint64_t seeds[] = {1, 2, 3};
    for (size_t s = 0; s < sizeof(seeds) / sizeof(seeds[0]); s++) {
        struct life l;
        struct crash c = {&l, 0, 0, 0, 0};
        struct disk_report rep;
        trl_err err;
        life_init(&l, seeds[s], sync, 6000);
        fakefs_on_step(l.fs, on_step, &c);
        assert_int_equal(life_open(&l, &rep, &err), TRL_OK);
        for (int i = 0; i < STEPS; i++) {
            assert_int_equal(life_step(&l, &err), TRL_OK);
        }
        assert_true(l.n_snapshots >= 3);
        life_close(&l);
        fakefs_on_step(l.fs, NULL, NULL);
        assert_int_equal(life_open(&l, &rep, &err), TRL_OK);
        assert_null(life_compare(&l, &l.ix, l.acked));
        life_close(&l);
        life_finish(&l);
        print_message("seed %llu sync %d: %llu revisions, %llu snapshots, %llu crash points, %llu "
                      "recoveries, %llu with a torn end\n",
                      (unsigned long long)seeds[s], sync, (unsigned long long)l.acked,
                      (unsigned long long)l.n_snapshots, (unsigned long long)c.points,
                      (unsigned long long)c.recoveries, (unsigned long long)c.warnings);
        assert_true(c.warnings > 0);
    }
}

static void test_crash_everywhere_synced(void **state) {
    (void)state;
    crash_everywhere(1);
}

static void test_crash_everywhere_unsynced(void **state) {
    (void)state;
    crash_everywhere(0);
}

static void recover_all(struct life *l, uint64_t seed) {
    for (int m = 0; m < FAKEFS_MODELS; m++) {
        struct crash c = {l, seed, 1, 0, 0};
        recover_one(&c, (enum fakefs_model)m, seed);
    }
}

struct watch_fault {
    struct life *l;
    uint64_t at;
};

/* A power cut shortly after the call that failed. */
static void near_fault(void *arg, int after) {
    const struct watch_fault *w = arg;
    uint64_t now = fakefs_changes(w->l->fs);
    if (after && now > w->at && now <= w->at + 4) {
        recover_all(w->l, now);
    }
}

/* One life in which call number `at` fails; returns false when it has fewer calls. */
static int faulty_life(uint64_t at, enum fakefs_fault fault, uint64_t times) {
    struct life l;
    struct watch_fault watch = {&l, at};
    struct disk_report rep;
    trl_err err = {.struct_size = sizeof(err)};
    int reached, looked = 0;
    life_init(&l, 7, 1, 3000);
    fakefs_fail(l.fs, at, fault, times);
    if (fault == FAKEFS_EIO && times == 1) {
        fakefs_on_step(l.fs, near_fault, &watch);
    }
    if (life_open(&l, &rep, &err) != TRL_OK) {
        assert_true(err.msg_len > 20);
        fakefs_fail(l.fs, 1, fault, 0);
        kvindex_finish(&l.ix);
        assert_int_equal(fakefs_open_fds(l.fs), 0);
        assert_int_equal(life_open(&l, &rep, &err), TRL_OK);
    }
    for (int i = 0; i < 40; i++) {
        trl_status st = life_step(&l, &err);
        if (fakefs_changes(l.fs) >= at && looked++ < 2) { /* right after it, too */
            recover_all(&l, at);
        }
        if (st == TRL_OK) {
            continue;
        }
        assert_true(err.msg_len > 20);
        if (st == TRL_E_INTERNAL) { /* for good: not one more change */
            uint64_t changes = fakefs_changes(l.fs);
            assert_int_equal(life_step(&l, &err), TRL_E_INTERNAL);
            assert_true(fakefs_changes(l.fs) == changes);
            break;
        }
        assert_int_equal(st, TRL_E_UNAVAIL);
        assert_false(fakefs_failed_sync(l.fs) && l.disk.dead.code);
    }
    if (fault == FAKEFS_EINTR || fault == FAKEFS_SHORT) {
        assert_int_equal(l.n_failed, 0);
    }
    reached = fakefs_changes(l.fs) >= at;
    fakefs_on_step(l.fs, NULL, NULL);
    fakefs_fail(l.fs, 1, fault, 0);
    if (fault == FAKEFS_ENOSPC && !l.disk.dead.code) { /* heals by itself */
        assert_int_equal(life_step(&l, &err), TRL_OK);
    }
    life_close(&l);
    assert_int_equal(fakefs_open_fds(l.fs), 0);
    /* What was acknowledged is there after the process ends, and after a power cut. */
    recover_all(&l, at);
    life_finish(&l);
    return reached;
}

static void test_every_call_fails(void **state) {
    uint64_t lives = 0;
    (void)state;
    for (int f = 0; f < FAKEFS_FAULTS; f++) {
        for (uint64_t times = 1; times <= 3; times += 2) {
            for (uint64_t at = 1; faulty_life(at, (enum fakefs_fault)f, times); at++) {
                lives++;
            }
        }
    }
    print_message("%llu lives with failing calls\n", (unsigned long long)lives);
}

/* Full for a while: refused with one clear error, and heals. */
static void test_full_and_healed(void **state) {
    struct life l;
    struct disk_report rep;
    trl_err err;
    (void)state;
    life_init(&l, 3, 1, 1 << 20);
    assert_int_equal(life_open(&l, &rep, &err), TRL_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(life_step(&l, &err), TRL_OK);
    }
    for (int i = 0; i < 5; i++) {
        fakefs_fail(l.fs, 1, FAKEFS_ENOSPC, 1);
        assert_int_equal(life_step(&l, &err), TRL_E_UNAVAIL);
        assert_non_null(strstr(err.msg, "No space left on device"));
        assert_non_null(strstr(err.msg, "/store"));
        assert_null(strchr(err.msg, '\n'));
        assert_null(life_compare(&l, &l.ix, l.acked));
    }
    assert_int_equal(life_step(&l, &err), TRL_OK);
    life_close(&l);
    assert_int_equal(life_open(&l, &rep, &err), TRL_OK);
    assert_null(life_compare(&l, &l.ix, l.acked));
    life_close(&l);
    life_finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crash_everywhere_synced),
        cmocka_unit_test(test_crash_everywhere_unsynced),
        cmocka_unit_test(test_every_call_fails),
        cmocka_unit_test(test_full_and_healed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
