/* SPDX-License-Identifier: Apache-2.0
 *
 * The shipped stores: the suite on each, and what only the file store does.
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "suite_store_priv.h"

static void make_dir(char dir[64]) {
    snprintf(dir, 64, "/tmp/trellis-store-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static void remove_dir(const char *dir) {
    DIR *d = opendir(dir);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.') {
            unlink(path);
        }
    }
    closedir(d);
    assert_int_equal(rmdir(dir), 0);
}

static struct suite file_suite(const char *config) {
    return (struct suite){.kind = TRL_KIND_STORE, .component = "file", .config = config};
}

static void test_suite_memory(void **state) {
    (void)state;
    assert_int_equal(suite_store("memory", "{}", 0), 0);
}

static void test_suite_memory_virtual(void **state) {
    (void)state;
    assert_int_equal(suite_store("memory", "", SUITE_VIRTUAL), 0);
}

static void test_suite_file(void **state) {
    static const char *const extra[] = {"", ",\"compact_bytes\":4096", ",\"sync\":false"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(extra); i++) {
        char dir[64], config[256];
        make_dir(dir);
        snprintf(config, sizeof(config), "{\"dir\":\"%s\"%s}", dir, extra[i]);
        assert_int_equal(suite_store("file", config, SUITE_DURABLE), 0);
        remove_dir(dir);
    }
}

struct refusal {
    int done;
    trl_status st;
    char msg[256];
};

static void on_refused(void *arg, trl_status st, const trl_err *e) {
    struct refusal *r = arg;
    r->done = 1;
    r->st = st;
    snprintf(r->msg, sizeof(r->msg), "%.*s", e ? (int)e->msg_len : 0, e ? e->msg : "");
}

static void on_stopped(void *arg) {
    ((struct refusal *)arg)->done = 1;
}

static bool refused(void *arg) {
    return ((struct refusal *)arg)->done;
}

/* Starts another instance with this config, which must fail; then takes it away. */
static void expect_refusal(struct suite *s, const char *config, trl_status want, const char *text) {
    struct plug_inst *second = NULL;
    struct err err = ERR_INIT;
    struct refusal r = {0, TRL_OK, ""};
    CHECK_N(s,
            plug_inst_create(s->plug, s->kind, s->component, str_c(config), NULL, 0, &second, &err),
            0);
    plug_inst_start(second, SUITE_PATIENCE, on_refused, &r);
    loop_run_until(s->loop, refused, &r, SUITE_PATIENCE);
    CHECK_ST(s, r.st, want);
    CHECK(s, strstr(r.msg, text) != NULL, "'%s' has no '%s'", r.msg, text);
    r.done = 0;
    plug_inst_stop(second, on_stopped, &r);
    loop_run_until(s->loop, refused, &r, SUITE_PATIENCE);
    plug_inst_destroy(second);
}

static void case_second(struct suite *s) {
    char text[64];
    snprintf(text, sizeof(text), "process %ld", (long)getpid());
    expect_refusal(s, s->config, TRL_E_BUSY, text);
    CHECK_ST(s, st_put(s, "still.there", "yes", TRL_REV_ANY, NULL), TRL_OK);
    expect_refusal(s, "{\"dir\":\"/proc/nothing/here\"}", TRL_E_UNAVAIL, "cannot create directory");
}

static void test_refusals(void **state) {
    static void (*const cases[])(struct suite * s) = {case_second};
    char dir[64], config[128];
    struct suite s;
    (void)state;
    make_dir(dir);
    snprintf(config, sizeof(config), "{\"dir\":\"%s\"}", dir);
    s = file_suite(config);
    assert_int_equal(suite_run(&s, cases, 1), 0);
    remove_dir(dir);
}

static uint64_t info_number(struct suite *s, const char *name) {
    struct call c;
    char key[64];
    const char *at;
    uint64_t v = UINT64_MAX;
    store_of(s)->info(s->raw, call_begin(s, &c, 0));
    call_wait(&c);
    snprintf(key, sizeof(key), "\"%s\":", name);
    at = c.text.ptr ? strstr(c.text.ptr, key) : NULL;
    v = at ? strtoull(at + strlen(key), NULL, 10) : v;
    call_free(&c);
    return v;
}

static int64_t now_ns(void) { /* real time: only printed */
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Writes that come together share their syncs. */
static void case_group(struct suite *s) {
    enum { MANY = 1000 };
    struct call *puts = mem_array(MANY, sizeof(*puts));
    int64_t times[200], t0;
    uint64_t before;
    for (int i = 0; i < 200; i++) {
        t0 = now_ns();
        CHECK_ST(s, st_put(s, "one.by.one", "0123456789", TRL_REV_ANY, NULL), TRL_OK);
        times[i] = now_ns() - t0;
        for (int k = i; k && times[k] < times[k - 1]; k--) {
            int64_t x = times[k];
            times[k] = times[k - 1];
            times[k - 1] = x;
        }
    }
    before = info_number(s, "syncs");
    t0 = now_ns();
    for (int i = 0; i < MANY; i++) {
        char key[32];
        snprintf(key, sizeof(key), "group.%d", i);
        st_put_begin(s, &puts[i], str_c(key), STR("0123456789"), TRL_REV_ANY);
    }
    for (int i = 0; i < MANY; i++) {
        call_wait(&puts[i]);
        CHECK_ST(s, puts[i].st, TRL_OK);
        call_free(&puts[i]);
    }
    printf("one put: p50 %lld us, p99 %lld us; %d at once: %lld us, %llu syncs\n",
           (long long)times[100] / 1000, (long long)times[198] / 1000, MANY,
           (long long)(now_ns() - t0) / 1000,
           (unsigned long long)(info_number(s, "syncs") - before));
    CHECK(s, info_number(s, "syncs") - before < 20, "few syncs for many writes");
    mem_free(puts);
}

/* Snapshots happen while writes and a watch go on; nothing is lost over a restart. */
static void case_compaction(struct suite *s) {
    enum { ROUNDS = 60, KEYS = 50 };
    uint64_t last[KEYS] = {0};
    struct call w;
    st_watch_begin(s, &w, STR("c."), 0);
    for (int r = 0; r < ROUNDS; r++) {
        struct call puts[KEYS];
        for (int k = 0; k < KEYS; k++) {
            char key[16];
            snprintf(key, sizeof(key), "c.%d", k);
            if ((k + r) % 7 == 0) {
                st_del_begin(s, &puts[k], str_c(key), TRL_REV_ANY);
            } else {
                st_put_begin(s, &puts[k], str_c(key), str_c(s->config), TRL_REV_ANY);
            }
        }
        for (int k = 0; k < KEYS; k++) {
            call_wait(&puts[k]);
            CHECK_ST(s, puts[k].st, TRL_OK);
            last[k] = puts[k].revision;
            call_free(&puts[k]);
        }
    }
    CHECK(s, info_number(s, "compactions") > 2, "snapshots were written");
    call_wait_got(&w, ROUNDS * KEYS + 1);
    CHECK_N(s, w.n_got, ROUNDS * KEYS + 1);
    call_cancel(&w);
    call_free(&w);
    suite_close(s);
    if (suite_open(s) == 0) {
        for (int k = 0; k < KEYS; k++) {
            char key[16];
            snprintf(key, sizeof(key), "c.%d", k);
            st_expect(s, key, (k + ROUNDS - 1) % 7 == 0 ? NULL : s->config, last[k]);
        }
        /* changes that a snapshot has swallowed are not promised */
        st_watch_begin(s, &w, STR("c."), 1);
        call_wait(&w);
        CHECK_ST(s, w.st, TRL_E_NOTFOUND);
        call_free(&w);
    }
}

static void test_group_and_compaction(void **state) {
    static void (*const cases[])(struct suite * s) = {case_group, case_compaction};
    char dir[64], config[128];
    struct suite s;
    (void)state;
    make_dir(dir);
    snprintf(config, sizeof(config), "{\"dir\":\"%s\",\"compact_bytes\":16384}", dir);
    s = file_suite(config);
    assert_int_equal(suite_run(&s, cases, 2), 0);
    remove_dir(dir);
}

/* In the child: writes for ever and tells each acknowledged number. */
static void write_for_ever(const char *config, int to) {
    struct suite s = file_suite(config);
    if (suite_open(&s) < 0) {
        _exit(1);
    }
    for (uint32_t i = 0;; i++) {
        struct call puts[3];
        for (uint32_t k = 0; k < 3; k++) {
            char key[32], value[32];
            snprintf(key, sizeof(key), "kill.%u", (i * 3 + k) % 500);
            snprintf(value, sizeof(value), "%u", i * 3 + k);
            st_put_begin(&s, &puts[k], str_c(key), str_c(value), TRL_REV_ANY);
        }
        for (uint32_t k = 0; k < 3; k++) {
            uint64_t tell[2] = {i * 3 + k, 0};
            call_wait(&puts[k]);
            tell[1] = puts[k].revision;
            call_free(&puts[k]);
            if (write(to, tell, sizeof(tell)) != sizeof(tell)) {
                _exit(1);
            }
        }
    }
}

static void case_after_kill(struct suite *s) {
    const uint64_t *acked = s->user; /* [500] number + 1, then [500] revision */
    for (uint32_t k = 0; k < 500; k++) {
        struct call c;
        char key[32];
        uint64_t have = 0;
        if (!acked[k]) {
            continue;
        }
        snprintf(key, sizeof(key), "kill.%u", k);
        st_get_begin(s, &c, str_c(key));
        call_wait(&c);
        /* the acknowledged one, or a later one that nobody heard of */
        CHECK(s,
              c.st == TRL_OK && c.n_got == 1 && str_u64(c.got[0].value, &have) &&
                  have >= acked[k] - 1 && c.got[0].revision >= acked[500 + k],
              "%s: acknowledged %llu, found %llu", key, (unsigned long long)acked[k] - 1,
              (unsigned long long)have);
        call_free(&c);
    }
}

static void test_kill(void **state) {
    static void (*const cases[])(struct suite * s) = {case_after_kill};
    char dir[64], config[128];
    (void)state;
    make_dir(dir);
    snprintf(config, sizeof(config), "{\"dir\":\"%s\",\"compact_bytes\":8192}", dir);
    for (int round = 0; round < 8; round++) {
        uint64_t acked[1000] = {0}, tell[2];
        struct suite s = file_suite(config);
        int pipe_fd[2], n = 0, status = 0;
        pid_t child;
        assert_int_equal(pipe(pipe_fd), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(pipe_fd[0]);
            write_for_ever(config, pipe_fd[1]);
        }
        close(pipe_fd[1]);
        while (read(pipe_fd[0], tell, sizeof(tell)) == sizeof(tell)) {
            acked[tell[0] % 500] = tell[0] + 1;
            acked[500 + tell[0] % 500] = tell[1];
            if (++n == 200 + round * 37) {
                kill(child, SIGKILL);
            }
        }
        close(pipe_fd[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        s.user = acked;
        assert_int_equal(suite_run(&s, cases, 1), 0);
    }
    remove_dir(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite_memory), cmocka_unit_test(test_suite_memory_virtual),
        cmocka_unit_test(test_suite_file),   cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_kill),         cmocka_unit_test(test_group_and_compaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
