/* SPDX-License-Identifier: Apache-2.0
 *
 * What a life of the driver finds of the one before: processes with keepers, ended ones, and those
 * whose start was cut off.
 */
#include "../../unit/cmocka_all.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "rig.h"

static void test_adoption(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, ",\"on_stop\":\"keep\"");
    const char *image = place_script(&r.p, "app", "#!/bin/sh\necho started\n" FOREVER);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 3, ""), TRL_OK);
    rig_wait_count(&r, "u", 3);
    rig_wait_logged(&r, "\"started\"", 3);
    rig_reopen(&r, "");
    rig_wait_count(&r, "u", 3);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 3, ""), TRL_OK); /* the same: nothing happens */
    rig_wait_count(&r, "u", 3);
    TK_CHECK_ST(r.tk, rig_logs(&r, "", 10), TRL_OK);
    uint32_t n = 0;
    for (const char *at = r.result; at && (at = strstr(at, "\"started\"")); at++) {
        n++;
    }
    TK_CHECK_F(r.tk, n == 3, "each was started once: %s", r.result);
    TK_CHECK(r.tk, r.failed == 0);
    assert_int_equal(rig_finish(&r), 0);
}

static int pid_in(struct rig *r, const char *name) {
    rig_wait_file(r, name, "\n");
    char *text = rig_file(r, name);
    int pid = (int)strtol(text, NULL, 10);
    mem_free(text);
    return pid;
}

static void on_continue(void *arg) {
    kill(*(const int *)arg, SIGCONT);
}

/* One ended while nobody managed it, and the keeper of the other is slow to say so: it runs on. */
static void test_late_keeper(void **state) {
    struct rig r;
    struct loop_timer wake;
    (void)state;
    rig_open(&r, ",\"on_stop\":\"keep\"");
    const char *image = place_script(&r.p, "app",
                                     "#!/bin/sh\nd=$(dirname \"$0\")\nn=two\n"
                                     "if mkdir $d/first; then n=one; fi\n"
                                     "echo $$ > $d/$n\necho $PPID > $d/keeper-of-$n\n"
                                     "echo started\n" FOREVER);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 2, ""), TRL_OK);
    rig_wait_count(&r, "u", 2);
    rig_wait_logged(&r, "\"started\"", 2);
    int one = pid_in(&r, "one"), two = pid_in(&r, "two"), keeper = pid_in(&r, "keeper-of-two");
    tk_close(r.tk, r.in);
    kill(one, SIGKILL);
    kill(keeper, SIGSTOP);
    loop_timer_init(&wake, tk_loop(r.tk), on_continue, &keeper);
    loop_timer_start(&wake, 300 * TK_MS);
    rig_open_again(&r, "");
    TK_CHECK_F(r.tk, rig_count(&r, "u") <= 1 && kill(two, 0) == 0, "the other is as it was");
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 2, ""), TRL_OK);
    rig_wait_count(&r, "u", 2);
    rig_wait_logged(&r, "\"started\"", 3);
    TK_CHECK_F(r.tk, kill(two, 0) == 0, "and stays");
    assert_int_equal(rig_finish(&r), 0);
}

/* A directory of a run, as a killed Trellis left it; meta: NULL for no such file. */
static void leave(struct rig *r, const char *id, const char *meta) {
    char path[300];
    snprintf(path, sizeof(path), "%s/runs/%s", r->p.state, id);
    TK_CHECK(r->tk, mkdir(path, 0711) == 0);
    static const char *const names[] = {"meta.json", "spec"};
    const char *const texts[] = {meta, "argv=/bin/true"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/runs/%s/%s", r->p.state, id, names[i]);
        FILE *f = texts[i] ? fopen(path, "w") : NULL;
        TK_CHECK(r->tk, !texts[i] || (f && fputs(texts[i], f) >= 0 && fclose(f) == 0));
    }
}

static bool is_there(struct rig *r, const char *id, const char *name) {
    char path[300];
    snprintf(path, sizeof(path), "%s/runs/%s/%s", r->p.state, id, name);
    return access(path, F_OK) == 0;
}

static void shell(struct rig *r, const char *line) {
    char text[600];
    snprintf(text, sizeof(text), "cd %s && %s", r->p.state, line);
    TK_CHECK_F(r->tk, system(text) == 0, "%s", line);
}

/* As a keeper that has begun, and does not listen yet. */
static int hold(struct rig *r, const char *id) {
    char path[300];
    snprintf(path, sizeof(path), "%s/runs/%s", r->p.state, id);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    TK_CHECK(r->tk, flock(fd, LOCK_SH) == 0);
    return fd;
}

static void on_release(void *arg) {
    close(*(const int *)arg);
}

#define PREFIX "ub56797d0-" /* of the runs of unit u */
#define META(unit)                                                                                 \
    "{\"lattice\":\"suite\",\"unit\":\"" unit "\",\"fp\":\"1\",\"want\":{\"kind\":1,"              \
    "\"image\":\"file:///bin/true\",\"configs\":[],\"marks\":{},\"settings\":{}}}"

static bool no_runs(struct rig *r, const void *arg) {
    (void)arg;
    return place_runs(&r->p) == 0;
}

/* Its process ended, and a keeper that nobody asked yet is not cleaned away by the end of another.
 */
static void test_untold_end(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, ",\"on_stop\":\"keep\"");
    const char *image = place_script(&r.p, "app",
                                     "#!/bin/sh\nd=$(dirname \"$0\")\n"
                                     "echo $$ >> $d/pids\necho started\n" FOREVER);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 2, ""), TRL_OK);
    rig_wait_logged(&r, "\"started\"", 2);
    tk_close(r.tk, r.in);
    shell(&r, "old=$(dirname $(ls runs/*/sock | head -n 1))-0 && mkdir $old && "
              "cp $(dirname $old/x | sed s/-0$//)/meta.json $old && touch $old/exit");
    shell(&r, "kill $(head -n 1 ../pids); until ls runs/*/exit | grep -qv -e -0/; do sleep 0.01; "
              "done");
    for (int i = 0; i < 2; i++) { /* once more: nothing is left to wait for */
        rig_open_again(&r, ",\"on_stop\":\"keep\"");
        TK_CHECK_F(r.tk, !tk_logged(r.tk, "does not answer"), "its keeper was cut off");
        tk_close(r.tk, r.in);
    }
    rig_open_again(&r, "");
    assert_int_equal(rig_finish(&r), 0);
}

/* Trellis was killed while it began something: what no keeper holds goes, the other is waited for.
 */
static void test_cut_off(void **state) {
    struct rig r;
    struct loop_timer wake;
    (void)state;
    rig_open(&r, "");
    tk_close(r.tk, r.in);
    leave(&r, "u1-1", NULL);
    leave(&r, "u2-1", "");
    leave(&r, "u3-1", "{\"lattice\":\"sui");
    leave(&r, PREFIX "1", META("u"));
    leave(&r, PREFIX "2", META("u"));
    leave(&r, "u6-1", "{\"not\":");
    int late = hold(&r, PREFIX "2"), unknown = hold(&r, "u6-1");
    loop_timer_init(&wake, tk_loop(r.tk), on_release, &late);
    loop_timer_start(&wake, 100 * TK_MS);
    rig_open_again(&r, "");
    static const char *const gone[] = {"u1-1", "u2-1", "u3-1"};
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        TK_CHECK_F(r.tk, !is_there(&r, gone[i], ""), "%s is still there", gone[i]);
    }
    TK_CHECK(r.tk, tk_logged(r.tk, "u: a process ended while nobody managed it"));
    TK_CHECK_F(r.tk, rig_count(&r, "u") == 0, "none of them runs");
    TK_CHECK(r.tk, tk_logged(r.tk, "runs/u6-1: not understood, left alone"));
    TK_CHECK_F(r.tk, is_there(&r, "u6-1", "spec"), "what a keeper holds is its own");
    close(unknown);
    rig_reopen(&r, "");
    rig_until(&r, no_runs, NULL);
    assert_int_equal(rig_finish(&r), 0);
}

/* As after a restart of the machine: everything is gone at once, and what it said is not. */
static void test_lost_keepers(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, ",\"on_stop\":\"keep\"");
    const char *image = place_script(&r.p, "app", "#!/bin/sh\necho started\n" FOREVER);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 2, ""), TRL_OK);
    rig_wait_logged(&r, "\"started\"", 2);
    tk_close(r.tk, r.in);
    place_end_keepers(&r.p);
    rig_open_again(&r, "");
    TK_CHECK(r.tk, rig_count(&r, "u") == 0);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 2, ""), TRL_OK);
    rig_wait_count(&r, "u", 2);
    rig_wait_logged(&r, "\"started\"", 4);
    assert_int_equal(rig_finish(&r), 0);
}

/* Logs of a unit that is over go, also where Trellis was killed before it removed them. */
static void test_logs_of_the_over(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "");
    const char *image = place_script(
        &r.p, "app", "#!/bin/sh\nd=$(dirname \"$0\")\necho $$ > $d/pid\necho started\n" FOREVER);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, ""), TRL_OK);
    rig_wait_logged(&r, "\"started\"", 1);
    kill(pid_in(&r, "pid"), SIGKILL);
    rig_wait_failed(&r, 1);
    rig_wait_logged(&r, "\"started\"", 2);
    shell(&r, "cp -a runs kept");
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 0, ""), TRL_OK);
    rig_wait_count(&r, "u", 0);
    tk_close(r.tk, r.in);
    TK_CHECK(r.tk, place_runs(&r.p) == 0);
    shell(&r, "for d in kept/*; do [ ! -e $d/exit ] || mv $d runs/; done; rm -r kept");
    TK_CHECK(r.tk, place_runs(&r.p) == 1);
    rig_open_again(&r, "");
    rig_until(&r, no_runs, NULL);
    assert_int_equal(rig_finish(&r), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adoption),   cmocka_unit_test(test_late_keeper),
        cmocka_unit_test(test_cut_off),    cmocka_unit_test(test_lost_keepers),
        cmocka_unit_test(test_untold_end), cmocka_unit_test(test_logs_of_the_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
