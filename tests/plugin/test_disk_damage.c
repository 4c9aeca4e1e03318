/* SPDX-License-Identifier: Apache-2.0
 *
 * The file store against files that were changed behind its back, other formats, other processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "disk_life.h"

static void live(struct life *l, uint64_t compact_bytes, int steps) {
    struct disk_report rep;
    trl_err err;
    life_init(l, 11, 1, compact_bytes);
    assert_int_equal(life_open(l, &rep, &err), TRL_OK);
    for (int i = 0; i < steps; i++) {
        assert_int_equal(life_step(l, &err), TRL_OK);
    }
}

/* Opens what is there now with an index of its own; the index is kept only for a good open. */
static trl_status reopen(const struct life *l, struct fakefs *fs, struct life *now,
                         struct disk_report *rep, trl_err *err) {
    trl_status st;
    *now = *l;
    now->fs = fs;
    now->io = fakefs_io(fs);
    memset(&now->snap, 0, sizeof(now->snap));
    memset(err, 0, sizeof(*err));
    st = life_open(now, rep, err);
    if (st != TRL_OK) {
        kvindex_finish(&now->ix);
        assert_true(err->msg_len > 20);
        assert_int_equal(err->code, st);
    }
    assert_int_equal(fakefs_open_fds(fs), st == TRL_OK ? 2 : 0);
    return st;
}

/* Every bit of every file: always refused, for no write was under way. */
static void flip_all(const struct life *l) {
    char names[8][64];
    size_t n = fakefs_names(l->fs, names, 8);
    uint64_t flips = 0;
    for (size_t i = 0; i < n; i++) {
        struct fakefs *fs = fakefs_dup(l->fs);
        size_t len = 0;
        char *data = fakefs_data(fs, names[i], &len);
        for (size_t bit = 0; data && bit < len * 8; bit++, flips++) {
            struct life now;
            struct disk_report rep;
            trl_err err;
            data[bit / 8] = (char)(data[bit / 8] ^ (1 << bit % 8));
            if (reopen(l, fs, &now, &rep, &err) == TRL_OK) {
                fail_msg("%s: bit %zu flipped, not noticed", names[i], bit);
            }
            data[bit / 8] = (char)(data[bit / 8] ^ (1 << bit % 8));
        }
        fakefs_destroy(fs);
    }
    print_message("%llu bits flipped in %zu files\n", (unsigned long long)flips, n);
}

/* Every file cut at every byte. */
static void cut_all(const struct life *l, const char *last, uint64_t want_warned) {
    char names[8][64];
    size_t n = fakefs_names(l->fs, names, 8);
    uint64_t refused = 0, warned = 0, at_end_of_write = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        fakefs_data(l->fs, names[i], &len);
        for (size_t cut = 0; cut < len; cut++) {
            struct fakefs *fs = fakefs_dup(l->fs);
            struct life now;
            struct disk_report rep;
            trl_err err;
            fakefs_cut(fs, names[i], cut);
            if (reopen(l, fs, &now, &rep, &err) != TRL_OK) {
                refused++;
                fakefs_destroy(fs);
                continue;
            }
            /* Only the last log may lose its end, and only whole writes count. */
            assert_string_equal(names[i], last);
            assert_true(now.ix.revision < l->acked);
            assert_null(life_compare(&now, &now.ix, now.ix.revision));
            warned += rep.warning[0] != '\0';
            at_end_of_write += rep.warning[0] == '\0';
            life_close(&now);
            fakefs_destroy(fs);
        }
    }
    print_message("cuts: %llu refused, %llu dropped with a warning, %llu just between two writes\n",
                  (unsigned long long)refused, (unsigned long long)warned,
                  (unsigned long long)at_end_of_write);
    assert_true(refused > 100);
    assert_true(warned >= want_warned);
}

static void remove_each(const struct life *l, const char *may_go) {
    char names[8][64];
    size_t n = fakefs_names(l->fs, names, 8);
    for (size_t i = 0; i < n; i++) {
        struct fakefs *fs = fakefs_dup(l->fs);
        struct life now;
        struct disk_report rep;
        trl_err err;
        fakefs_remove(fs, names[i]);
        if (reopen(l, fs, &now, &rep, &err) == TRL_OK) {
            assert_string_equal(names[i], may_go);
            life_close(&now);
        } else {
            assert_non_null(strstr(err.msg, "missing"));
        }
        fakefs_destroy(fs);
    }
}

/* A snapshot and the log after it. */
static void test_damage_snapshot_and_log(void **state) {
    struct life l;
    trl_err err;
    (void)state;
    live(&l, 1500, 1);
    while (!l.n_snapshots) {
        assert_int_equal(life_step(&l, &err), TRL_OK);
    }
    l.compact_bytes = 1 << 20;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(life_step(&l, &err), TRL_OK);
    }
    life_close(&l);
    flip_all(&l);
    cut_all(&l, "log.2", 100);
    remove_each(&l, "");
    life_finish(&l);
}

/* A process that was killed leaves the zeros that it wrote ahead. What is before them is as safe as
 * ever; of what is behind nobody was told. */
static void test_damage_before_zeros(void **state) {
    struct life l;
    struct fakefs *fs;
    char *data;
    size_t len, opened = 0;
    (void)state;
    live(&l, 1 << 20, 3);
    assert_true(l.disk.zeros > l.disk.log_bytes);
    fs = fakefs_dup(l.fs);
    data = fakefs_data(fs, "log.1", &len);
    assert_int_equal(len, l.disk.zeros);
    for (size_t at = 0; at < len; at++) {
        char was = data[at];
        struct fakefs *found;
        struct life now;
        struct disk_report rep;
        trl_err err;
        data[at] = (char)(was ^ 0x40);
        found = fakefs_dup(fs);
        data[at] = was;
        if (reopen(&l, found, &now, &rep, &err) == TRL_OK) {
            assert_true(at >= l.disk.log_bytes);
            assert_int_equal(now.ix.revision, l.acked);
            assert_null(life_compare(&now, &now.ix, now.ix.revision));
            life_close(&now);
            opened++;
        }
        fakefs_destroy(found);
    }
    assert_true(opened > 1000);
    fakefs_destroy(fs);
    life_close(&l);
    life_finish(&l);
}

/* Two logs, as when the process died before the snapshot was written. */
static void test_damage_two_logs(void **state) {
    (void)state;
    for (int more = 0; more < 2; more++) { /* the second one empty, and not */
        struct life l;
        trl_err err;
        live(&l, 1000, 1);
        while (!l.snap.gen) {
            assert_int_equal(life_step(&l, &err), TRL_OK);
        }
        if (more) {
            assert_int_equal(life_step(&l, &err), TRL_OK);
        }
        life_close(&l);
        flip_all(&l);
        cut_all(&l, "log.2", more ? 100 : 0);
        remove_each(&l, "log.2"); /* the last one: a shorter life looks the same */
        life_finish(&l);
    }
}

static void test_damage_says_where(void **state) {
    struct life l, now;
    struct disk_report rep;
    trl_err err;
    size_t len;
    char *data;
    (void)state;
    live(&l, 1 << 20, 10);
    life_close(&l);
    data = fakefs_data(l.fs, "log.1", &len);
    data[FORMAT_HEADER + 40] ^= 1;
    assert_int_equal(reopen(&l, l.fs, &now, &rep, &err), TRL_E_INVALID);
    assert_non_null(strstr(err.msg, "log.1"));
    assert_non_null(strstr(err.msg, "byte 64"));
    assert_non_null(strstr(err.msg, "backup"));
    assert_non_null(strstr(err.msg, "truncate -s"));
    /* The remedy works: what was before that place is there. */
    fakefs_cut(l.fs, "log.1", FORMAT_HEADER);
    assert_int_equal(reopen(&l, l.fs, &now, &rep, &err), TRL_OK);
    assert_int_equal(now.ix.n_live, 0);
    life_close(&now);
    life_finish(&l);
}

static void test_newer_format(void **state) {
    struct life l, now;
    struct disk_report rep;
    trl_err err;
    size_t len;
    char *data;
    (void)state;
    live(&l, 1 << 20, 3);
    life_close(&l);
    data = fakefs_data(l.fs, "log.1", &len);
    data[8] = 2;
    assert_int_equal(reopen(&l, l.fs, &now, &rep, &err), TRL_E_UNSUPP);
    assert_non_null(strstr(err.msg, "format 2"));
    assert_non_null(strstr(err.msg, "newer"));
    life_finish(&l);
}

static void test_second_process(void **state) {
    struct life l, other;
    struct disk_report rep;
    trl_err err;
    (void)state;
    live(&l, 1 << 20, 3);
    other = l;
    assert_int_equal(life_open(&other, &rep, &err), TRL_E_BUSY);
    assert_non_null(strstr(err.msg, "4711"));
    kvindex_finish(&other.ix);
    life_close(&l);
    life_finish(&l);
}

/* The same on a real directory. */
static void test_real_files(void **state) {
    char dir[] = "/tmp/trellis-disk-XXXXXX", sub[128], path[256];
    struct life l, other;
    struct disk_report rep;
    trl_err err;
    static const char *const rest[] = {"lock", "log.1"};
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(sub, sizeof(sub), "%s/a/b", dir);
    life_init(&l, 5, 1, 1 << 20);
    l.io = fsio_real;
    kvindex_init(&l.ix);
    err.struct_size = sizeof(err);
    assert_int_equal(disk_open(&l.disk, &l.io, sub, 1, &l.ix, &rep, &err), TRL_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(life_step(&l, &err), TRL_OK);
    }
    other = l;
    kvindex_init(&other.ix);
    assert_int_equal(disk_open(&other.disk, &l.io, sub, 1, &other.ix, &rep, &err), TRL_E_BUSY);
    snprintf(path, sizeof(path), "process %ld", (long)getpid());
    assert_non_null(strstr(err.msg, path));
    kvindex_finish(&other.ix);
    life_close(&l);
    kvindex_init(&l.ix);
    assert_int_equal(disk_open(&l.disk, &l.io, sub, 1, &l.ix, &rep, &err), TRL_OK);
    assert_null(life_compare(&l, &l.ix, l.acked));
    life_close(&l);
    kvindex_init(&l.ix);
    snprintf(path, sizeof(path), "%s/lock/x", sub);
    assert_int_equal(disk_open(&l.disk, &l.io, path, 1, &l.ix, &rep, &err), TRL_E_UNAVAIL);
    assert_non_null(strstr(err.msg, "cannot create directory"));
    kvindex_finish(&l.ix);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", sub, rest[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(sub), 0);
    snprintf(sub, sizeof(sub), "%s/a", dir);
    assert_int_equal(rmdir(sub), 0);
    assert_int_equal(rmdir(dir), 0);
    life_finish(&l);
}

static void test_crc(void **state) {
    struct crc c;
    char zeros[32] = {0};
    (void)state;
    crc_init(&c);
    assert_int_equal(crc_of(&c, 0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc_of(&c, 0, zeros, 32), 0x8a9136aau);
    assert_int_equal(crc_of(&c, crc_of(&c, 0, "1234", 4), "56789", 5), 0xe3069283u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc),
        cmocka_unit_test(test_damage_snapshot_and_log),
        cmocka_unit_test(test_damage_before_zeros),
        cmocka_unit_test(test_damage_two_logs),
        cmocka_unit_test(test_damage_says_where),
        cmocka_unit_test(test_newer_format),
        cmocka_unit_test(test_second_process),
        cmocka_unit_test(test_real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
