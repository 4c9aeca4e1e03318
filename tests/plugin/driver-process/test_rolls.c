/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes that follow each other: checks and their patience, back-off, replacement one by one,
 * the end of all that belongs to one, adoption again and again.
 */
#include "../../unit/cmocka_all.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../plugins/driver-process/backoff.h"
#include "base/mem.h"
#include "rig.h"

#define UNTIL_TERM "while :; do sleep 600 & wait $!; done\n"
/* Notes when it begins and ends; its end takes a moment. */
#define DIARY                                                                                      \
    "#!/bin/sh\nd=$(dirname \"$0\")\nn=$(basename \"$0\")\necho \"+ $n $$\" >> $d/diary\n"         \
    "trap 'echo \"- $n $$\" >> $d/diary; exit 0' TERM\n"

static void test_backoff(void **state) {
    (void)state;
    assert_int_equal(backoff_ns(1, 0, 0), 1000000000ll);
    assert_int_equal(backoff_ns(2, 0, 0), 2000000000ll);
    assert_int_equal(backoff_ns(5, 0, 0), 16000000000ll);
    assert_int_equal(backoff_ns(9, 0, 0), 256000000000ll);
    assert_int_equal(backoff_ns(10, 0, 0), 300000000000ll);
    assert_int_equal(backoff_ns(4000000000u, 0, 0), 300000000000ll);
    assert_int_equal(backoff_ns(1, 1, 0), 0); /* it was well for a while */
    assert_int_equal(backoff_ns(2, 1, 0), 2000000000ll);
    assert_int_equal(backoff_ns(4, 0, 1), 8000000000ll);
    assert_int_equal(backoff_ns(9, 0, 1), 15000000000ll);
}

struct tally {
    int begun, ended, least; /* least: since there were `enough` */
};

static struct tally tally_of(struct rig *r, int enough) {
    struct tally t = {.least = enough};
    char *diary = rig_file(r, "diary");
    bool full = false;
    for (const char *at = diary; *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : "") {
        t.begun += *at == '+';
        t.ended += *at == '-';
        int now = t.begun - t.ended;
        full |= now >= enough;
        t.least = full && now < t.least ? now : t.least;
    }
    mem_free(diary);
    return t;
}

static bool has_begun(struct rig *r, const void *arg) {
    return tally_of(r, 3).begun >= *(const int *)arg;
}

static void wait_begun(struct rig *r, int n) {
    rig_until(r, has_begun, &n);
}

static bool has_ended(struct rig *r, const void *arg) {
    return tally_of(r, 3).ended >= *(const int *)arg;
}

/* Settings of one that is ready when it has written into its diary. */
static const char *diary(struct rig *r, const char *name) {
    static char text[300];
    snprintf(text, sizeof(text), "{\"args\":[\"%s/diary\",\"%s\"],\"health\":{\"notify\":true}}",
             r->p.dir, name);
    return text;
}

/* Never one less than wanted, however many are replaced, by whatever. */
static void test_one_by_one(void **state) {
    struct rig r;
    char link[100], image[120];
    int all = 9;
    (void)state;
    rig_open(&r, "");
    snprintf(link, sizeof(link), "%s/program", r.p.dir);
    snprintf(image, sizeof(image), "file://%s", link);
    TK_CHECK(r.tk, symlink(PROCESS_DIARY, link) == 0);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", "file://" PROCESS_DIARY, 3, diary(&r, "one")), TRL_OK);
    rig_wait_count(&r, "u", 3);
    TK_CHECK_ST(r.tk, rig_update(&r, "u", image, 3, diary(&r, "one")), TRL_OK);
    rig_wait_count(&r, "u", 3);
    TK_CHECK_ST(r.tk, rig_config(&r, "cfg", "{\"a\":\"other\"}"), TRL_OK);
    wait_begun(&r, 9);
    rig_wait_count(&r, "u", 3);
    struct tally t = tally_of(&r, 3);
    TK_CHECK_F(r.tk, t.least >= 3 && t.begun == 9, "least %d, %d begun", t.least, t.begun);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 0, ""), TRL_OK);
    rig_until(&r, has_ended, &all); /* each was asked to end, and did */
    TK_CHECK(r.tk, r.failed == 0);
    assert_int_equal(rig_finish(&r), 0);
}

/* The old one stays until the new one is well. */
static void test_new_before_old(void **state) {
    struct rig r;
    char settings[300];
    (void)state;
    rig_open(&r, "");
    const char *one = place_script(&r.p, "one", DIARY UNTIL_TERM);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", one, 1, ""), TRL_OK);
    rig_wait_count(&r, "u", 1);
    wait_begun(&r, 1);
    const char *two = place_script(&r.p, "two", DIARY UNTIL_TERM);
    snprintf(settings, sizeof(settings),
             "{\"health\":{\"exec\":[\"/bin/sh\",\"-c\",\"echo x >> %s/asked; test -f %s/well\"],"
             "\"interval_ms\":20,\"grace_ms\":60000}}",
             r.p.dir, r.p.dir);
    trl_action a = rig_action(TRL_DO_SCALE, "u", two, 1);
    a.body = str_c(settings);
    TK_CHECK_ST(r.tk, rig_do(&r, &a), TRL_OK);
    rig_wait_file(&r, "asked", "x\nx\nx\n"); /* it is not well again and again */
    wait_begun(&r, 2);
    TK_CHECK(r.tk, rig_count(&r, "u") == 1 && rig_busy(&r, "u"));
    struct tally t = tally_of(&r, 1);
    TK_CHECK_F(r.tk, t.begun == 2 && t.ended == 0, "%d begun, %d ended", t.begun, t.ended);
    place_write(&r.p, "well", "", 0644);
    rig_wait_file(&r, "diary", "- one");
    rig_wait_count(&r, "u", 1);
    t = tally_of(&r, 1);
    TK_CHECK_F(r.tk, t.begun == 2 && t.ended == 1 && r.failed == 0, "%s", r.note);
    assert_int_equal(rig_finish(&r), 0);
}

/* Fails once: nothing. Fails as often as the threshold says: another process. */
static void test_threshold(void **state) {
    struct rig r;
    char settings[400];
    (void)state;
    rig_open(&r, "");
    const char *image = place_script(&r.p, "app", DIARY UNTIL_TERM);
    place_script(&r.p, "check",
                 "#!/bin/sh\nd=$(dirname \"$0\")\necho x >> $d/asked\n"
                 "n=$(wc -l < $d/asked)\n"
                 "[ $n -ne 9 ] || until [ -f $d/more ]; do sleep 0.01; done\n"
                 "case $n in 3|5|6|9|10|11) exit 1;; esac\nexit 0\n");
    snprintf(settings, sizeof(settings),
             "{\"health\":{\"exec\":[\"%s/check\"],\"interval_ms\":10,\"threshold\":3,"
             "\"timeout_ms\":60000}}",
             r.p.dir);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, settings), TRL_OK);
    rig_wait_file(&r, "asked", "x\nx\nx\nx\nx\nx\nx\nx\n"); /* one, and two in a row, failed */
    TK_CHECK_F(r.tk, r.failed == 0, "%s", r.note);
    place_write(&r.p, "more", "", 0644);
    rig_wait_failed(&r, 1); /* three */
    TK_CHECK_F(r.tk, strstr(r.note, "health check: the check ended with status 1"), "%s", r.note);
    rig_wait_count(&r, "u", 1);
    wait_begun(&r, 2);
    struct tally t = tally_of(&r, 1);
    TK_CHECK_F(r.tk, t.begun == 2 && t.ended == 1, "%d begun, %d ended", t.begun, t.ended);
    assert_int_equal(rig_finish(&r), 0);
}

/* What a check says when it fails: each kind, and the time it may take. */
static void test_sick_kinds(void **state) {
    static const struct {
        const char *health, *says;
    } kinds[] = {
        {"{\"exec\":[\"/bin/sleep\",\"600\"],\"timeout_ms\":30,\"grace_ms\":10}",
         "not ready within 10 ms: the check did not end within 30 ms"},
        {"{\"tcp\":\"unix:/nonexistent/sock\",\"grace_ms\":10}",
         "not ready within 10 ms: cannot connect to unix:/nonexistent/sock"},
        {"{\"http\":\"/x\",\"timeout_ms\":30,\"grace_ms\":10}", /* it listens, and never answers */
         "not ready within 10 ms: no answer within 30 ms"},
        {"{\"notify\":true,\"grace_ms\":30}", "not ready within 30 ms"},
        {"{\"exec\":[\"/nonexistent/check\"],\"grace_ms\":10}", "not ready within 10 ms"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct rig r;
        char settings[300];
        rig_open(&r, "");
        const char *image = place_script(&r.p, "app", "#!/bin/sh\n" UNTIL_TERM);
        snprintf(settings, sizeof(settings), "{\"stop_timeout_ms\":50,\"health\":%s}",
                 kinds[i].health);
        TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, settings), TRL_OK);
        rig_wait_failed(&r, 1);
        TK_CHECK_F(r.tk, strstr(r.note, kinds[i].says), "%s: %s", kinds[i].health, r.note);
        TK_CHECK(r.tk, rig_count(&r, "u") == 0);
        assert_int_equal(rig_finish(&r), 0);
    }
}

static bool no_children(struct rig *r, const void *arg) {
    (void)arg;
    return place_processes(&r->p, "child") == 0;
}

/* It ends by itself and leaves others behind, in sessions of their own: they go as well. */
static void test_leftovers(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "");
    place_script(&r.p, "child",
                 "#!/bin/sh\ntrap '' TERM HUP\necho x >> $(dirname \"$0\")/born\n" UNTIL_TERM);
    const char *image =
        place_script(&r.p, "app",
                     "#!/bin/sh\nd=$(dirname \"$0\")\nsetsid $d/child & \n(setsid $d/child &)\n"
                     "until [ \"$(wc -l < $d/born)\" -ge 2 ]; do :; done 2>/dev/null\nexit 0\n");
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, ""), TRL_OK);
    rig_wait_failed(&r, 1);
    TK_CHECK_F(r.tk, strstr(r.note, "ended with status 0"), "%s", r.note);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 0, ""), TRL_OK);
    rig_wait_count(&r, "u", 0);
    rig_until(&r, no_children, NULL);
    assert_int_equal(rig_finish(&r), 0);
}

/* Many lives of the driver, each ending somewhere else in a replacement of three. */
static void test_adopted_rolls(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, ",\"on_stop\":\"keep\"");
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", "file://" PROCESS_DIARY, 3, diary(&r, "0")), TRL_OK);
    rig_wait_count(&r, "u", 3);
    for (int i = 1; i <= 5; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", i);
        TK_CHECK_ST(r.tk, rig_scale(&r, "u", "file://" PROCESS_DIARY, 3, diary(&r, name)), TRL_OK);
        wait_begun(&r, 3 * i + (i < 4 ? i - 1 : i - 2));
        rig_reopen(&r, i < 5 ? ",\"on_stop\":\"keep\"" : "");
        TK_CHECK_ST(r.tk, rig_scale(&r, "u", "file://" PROCESS_DIARY, 3, diary(&r, name)),
                    TRL_OK); /* as the core would */
        wait_begun(&r, 3 * i + 3);
        rig_wait_count(&r, "u", 3);
        struct tally t = tally_of(&r, 3);
        TK_CHECK_F(r.tk, t.least >= 3, "round %d: least %d", i, t.least);
    }
    struct tally t = tally_of(&r, 3);
    TK_CHECK_F(r.tk, t.begun == 18, "three for each version, no more: %d", t.begun);
    TK_CHECK_F(r.tk, r.failed == 0, "%s", r.note);
    assert_int_equal(rig_finish(&r), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff),        cmocka_unit_test(test_one_by_one),
        cmocka_unit_test(test_new_before_old), cmocka_unit_test(test_threshold),
        cmocka_unit_test(test_sick_kinds),     cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_adopted_rolls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
