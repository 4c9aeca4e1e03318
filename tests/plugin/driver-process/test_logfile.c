/* SPDX-License-Identifier: Apache-2.0
 *
 * Logs: the keeper's file when the disk is full or nearly so, and, with real processes, writers
 * that are faster than their keeper, rotation, and what was written since when.
 */
#include "../../unit/cmocka_all.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../../plugins/driver-process/keeper/logfile.h"
#include "base/mem.h"
#include "rig.h"

struct bed {
    char dir[40], home[256];
    struct logfile log;
    struct logstream out;
    int pen; /* the process's end of the pipe */
};

static void begin(struct bed *b, uint64_t max_bytes, unsigned files) {
    int ends[2];
    *b = (struct bed){.out = {.name = 'O'}};
    assert_non_null(getcwd(b->home, sizeof(b->home)));
    snprintf(b->dir, sizeof(b->dir), "/tmp/trllog.XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    assert_int_equal(chdir(b->dir), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    b->out.fd = ends[0];
    b->pen = ends[1];
    logfile_open(&b->log, max_bytes, files);
}

static void end(struct bed *b) {
    char line[80];
    close(b->pen);
    if (b->out.fd >= 0) {
        close(b->out.fd);
    }
    close(b->log.fd);
    assert_int_equal(chdir(b->home), 0);
    snprintf(line, sizeof(line), "rm -rf %s", b->dir);
    assert_int_equal(system(line), 0);
}

static void says(struct bed *b, const char *text) {
    assert_int_equal(write(b->pen, text, strlen(text)), strlen(text));
    assert_int_equal(logstream_read(&b->out, &b->log), 1);
}

static char *content(const char *name) {
    static char text[8192];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) {
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* Nobody waits for a full disk: what cannot be written is counted, and told when there is room. */
static void test_full_disk(void **state) {
    struct bed b;
    (void)state;
    begin(&b, 1 << 20, 2);
    says(&b, "before\n");
    int real = dup(b.log.fd), full = open("/dev/full", O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(real >= 0 && full >= 0);
    dup2(full, b.log.fd);
    for (int i = 0; i < 100; i++) {
        says(&b, "one\ntwo\n");
    }
    assert_int_equal(b.log.lost, 200);
    dup2(real, b.log.fd);
    close(real);
    close(full);
    says(&b, "after\n");
    const char *text = content("log");
    assert_non_null(strstr(text, " O before\n"));
    assert_non_null(strstr(text, " E trellis: 200 lines could not be written\n"));
    assert_non_null(strstr(text, " O after\n"));
    assert_null(strstr(text, "one"));
    assert_int_equal(b.log.lost, 0);
    end(&b);
}

/* Room for half a line only: none of it stays. */
static void test_nearly_full(void **state) {
    struct bed b;
    struct rlimit before, small;
    (void)state;
    begin(&b, 1 << 20, 2);
    signal(SIGXFSZ, SIG_IGN);
    says(&b, "first\n");
    getrlimit(RLIMIT_FSIZE, &before);
    small = (struct rlimit){strlen(content("log")) + 20, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    says(&b, "a line that is longer than what is left\n");
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(b.log.lost, 1);
    says(&b, "last\n");
    const char *text = content("log");
    assert_null(strstr(text, "a line"));
    assert_non_null(strstr(text, "1 lines could not be written\n"));
    assert_non_null(strstr(text, " O last\n"));
    end(&b);
}

static void test_rotation(void **state) {
    struct bed b;
    struct stat st;
    (void)state;
    begin(&b, 200, 3);
    for (int i = 0; i < 100; i++) {
        char line[40];
        snprintf(line, sizeof(line), "number %d\n", i);
        says(&b, line);
    }
    assert_non_null(strstr(content("log"), "number 99\n"));
    assert_int_equal(stat("log.2", &st), 0);
    assert_true(st.st_size <= 200 && st.st_size > 0);
    assert_int_equal(stat("log.3", &st), -1);
    long last = strtol(strrchr(content("log.1"), 'r') + 1, NULL, 10); /* no line is missing */
    long next = strtol(strstr(content("log"), "number ") + 7, NULL, 10);
    assert_int_equal(next, last + 1);
    end(&b);
}

/* A line without an end is cut; one that is too long goes on in the next. */
static void test_odd_lines(void **state) {
    struct bed b;
    static char text[LOGFILE_LINE_MAX + 101];
    (void)state;
    begin(&b, 1 << 20, 2);
    memset(text, 'x', sizeof(text) - 1);
    assert_int_equal(write(b.pen, text, strlen(text)), strlen(text));
    while (logstream_read(&b.out, &b.log)) {
    }
    says(&b, "\nnot finished");
    close(b.pen);
    b.pen = -1;
    while (b.out.fd >= 0) {
        logstream_read(&b.out, &b.log);
    }
    logstream_end(&b.out, &b.log);
    assert_non_null(strstr(content("log"), " o xxx"));
    int fd = open("log", O_RDONLY | O_CLOEXEC);
    lseek(fd, -200, SEEK_END);
    ssize_t n = read(fd, text, 200);
    close(fd);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "x\n"));
    assert_non_null(strstr(text, " O not finished\n"));
    end(&b);
}

/* With real processes */

static int pid_like(struct rig *r, const char *needle) {
    char line[300], text[32] = "";
    snprintf(line, sizeof(line), "pgrep -f '%s.*%s|%s.*%s' | head -n 1", r->p.dir, needle, needle,
             r->p.dir);
    FILE *f = popen(line, "r");
    TK_CHECK(r->tk, f && fgets(text, sizeof(text), f));
    pclose(f);
    return (int)strtol(text, NULL, 10);
}

struct quiet {
    int pid;
    uint64_t ticks; /* as seen last */
    int n;          /* times in a row */
};

/* Asleep whenever one looks, and its clock stands still: it waits in write(). */
static bool is_quiet(struct rig *r, const void *arg) {
    struct quiet *q = (struct quiet *)(uintptr_t)arg;
    char path[64], state = 0;
    unsigned long long user = 0, sys = 0;
    (void)r;
    snprintf(path, sizeof(path), "/proc/%d/stat", q->pid);
    const char *at = strrchr(content(path), ')');
    if (!at || sscanf(at, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &state, &user,
                      &sys) != 3) {
        return false;
    }
    bool same = state == 'S' && user + sys == q->ticks;
    q->ticks = user + sys;
    q->n = same ? q->n + 1 : 0;
    return q->n >= 40;
}

/* Its keeper does not read: it waits, and loses nothing. */
static void test_fast_writer(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, ",\"log_bytes\":4194304");
    const char *image = place_script(&r.p, "writer",
                                     "#!/bin/sh\nd=$(dirname \"$0\")\necho $$ > $d/pid\n"
                                     "while [ ! -f $d/go ]; do sleep 0.02; done\ni=0\n"
                                     "while [ $i -lt 12000 ]; do echo \"number $i\"; i=$((i+1)); "
                                     "done\necho x > $d/done\n" FOREVER);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, ""), TRL_OK);
    rig_wait_count(&r, "u", 1);
    rig_wait_file(&r, "pid", "\n");
    char *text = rig_file(&r, "pid");
    int pid = (int)strtol(text, NULL, 10), keeper = pid_like(&r, "trellis-keeper");
    mem_free(text);
    TK_CHECK(r.tk, pid > 1 && keeper > 1);
    kill(keeper, SIGSTOP);
    place_write(&r.p, "go", "", 0644);
    struct quiet q = {.pid = pid};
    rig_until(&r, is_quiet, &q);
    char *done = rig_file(&r, "done");
    TK_CHECK_F(r.tk, *done == '\0', "it waits for its keeper");
    mem_free(done);
    kill(keeper, SIGCONT);
    rig_wait_file(&r, "done", "x");
    rig_wait_logged(&r, "\"number 11999\"", 1);
    char line[300];
    snprintf(line, sizeof(line), "test \"$(cat %s/runs/*/log | grep -c ' O number ')\" = 12000",
             r.p.state);
    TK_CHECK_F(r.tk, system(line) == 0, "every line is there");
    assert_int_equal(rig_finish(&r), 0);
}

/* Lines of the time asked for only; those of processes that ended, too. */
static void test_since(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "");
    const char *image =
        place_script(&r.p, "app",
                     "#!/bin/sh\nd=$(dirname \"$0\")\necho early\nwhile [ ! -f $d/go ]; do sleep "
                     "0.02; done\necho late\n" FOREVER);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, ""), TRL_OK);
    rig_wait_logged(&r, "\"early\"", 1);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + 1;
    do {
        clock_gettime(CLOCK_REALTIME, &t);
    } while ((int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 < now);
    place_write(&r.p, "go", "", 0644);
    rig_wait_logged(&r, "\"late\"", 1);
    TK_CHECK(r.tk, strstr(r.result, "\"early\""));
    TK_CHECK_ST(r.tk, rig_logs_since(&r, now), TRL_OK);
    TK_CHECK_F(r.tk, strstr(r.result, "\"late\"") && !strstr(r.result, "\"early\""), "%s",
               r.result);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, "{\"args\":[\"2\"]}"), TRL_OK);
    rig_wait_count(&r, "u", 1);
    rig_wait_logged(&r, "\"early\"", 2); /* of both */
    assert_int_equal(rig_finish(&r), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_disk),   cmocka_unit_test(test_nearly_full),
        cmocka_unit_test(test_rotation),    cmocka_unit_test(test_odd_lines),
        cmocka_unit_test(test_fast_writer), cmocka_unit_test(test_since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
