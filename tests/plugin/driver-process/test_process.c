/* SPDX-License-Identifier: Apache-2.0
 *
 * What processes get, how they are checked, restarted, stopped, replaced, and looked at.
 */
#include "../../unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "rig.h"

static void test_what_it_gets(void **state) {
    struct rig r;
    char settings[512];
    (void)state;
    rig_open(&r, ",\"path\":\"/bin:/usr/bin\"");
    const char *image = place_script(
        &r.p, "show",
        "#!/bin/sh\n{ env | sort; echo \"args: $*\"; echo \"dir: $(pwd)\"; cat "
        "\"$TRELLIS_CONFIG_FILE\";"
        " ulimit -n; ls /proc/self/fd | tr '\\n' ' '; grep NoNewPrivs /proc/self/status; } "
        "> \"$(dirname \"$0\")/shown.new\"; mv \"$(dirname \"$0\")/shown.new\" "
        "\"$(dirname \"$0\")/shown\"\n" FOREVER);
    TK_CHECK_ST(r.tk, rig_config(&r, "cfg", "{\"greeting\":\"hello you\",\"b-c\":\"2\"}"), TRL_OK);
    snprintf(settings, sizeof(settings),
             "{\"args\":[\"one\",\"two words\"],\"env\":{\"OWN\":\"x\"},\"directory\":\"%s\","
             "\"limits\":{\"nofile\":99}}",
             r.p.dir);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, settings), TRL_OK);
    rig_wait_count(&r, "u", 1);
    rig_wait_file(&r, "shown", "NoNewPrivs");
    static const char *const parts[] = {"OWN=x\n",
                                        "greeting=hello you\n",
                                        "b_c=2\n",
                                        "PATH=/bin:/usr/bin\n",
                                        "TRELLIS_UNIT=u\n",
                                        "args: one two words\n",
                                        "\"greeting\": \"hello you\"",
                                        "}99\n",
                                        "0 1 2 3 ", /* 3: ls itself */
                                        "NoNewPrivs:\t1"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        TK_CHECK_F(r.tk, rig_file_has(&r, "shown", parts[i]), "the process has %s", parts[i]);
    }
    snprintf(settings, sizeof(settings), "dir: %s\n", r.p.dir);
    TK_CHECK(r.tk, rig_file_has(&r, "shown", settings));
    TK_CHECK_F(r.tk, !rig_file_has(&r, "shown", "HOME="), "the manager's environment stays out");
    TK_CHECK_F(r.tk, !strstr(tk_log(r.tk).ptr ? tk_log(r.tk).ptr : "", "hello you"),
               "values of configurations are not logged");
    assert_int_equal(rig_finish(&r), 0);
}

static void test_health_exec(void **state) {
    struct rig r;
    char settings[512], path[128];
    (void)state;
    rig_open(&r, "");
    const char *image = place_script(&r.p, "app", "#!/bin/sh\n" FOREVER);
    snprintf(settings, sizeof(settings),
             "{\"health\":{\"exec\":[\"/bin/sh\",\"-c\",\"test -f %s/well\"],\"interval_ms\":20,"
             "\"threshold\":2,\"grace_ms\":60000}}",
             r.p.dir);
    snprintf(path, sizeof(path), "%s/well", r.p.dir);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, settings), TRL_OK);
    TK_CHECK_ST(r.tk, rig_usage(&r), TRL_OK);
    TK_CHECK(r.tk, rig_count(&r, "u") == 0); /* it runs, and is not ready */
    place_write(&r.p, "well", "", 0644);
    rig_wait_count(&r, "u", 1);
    unlink(path);
    rig_wait_failed(&r, 1);
    TK_CHECK_F(r.tk, strstr(r.note, "health check: the check ended with status 1"), "%s", r.note);
    place_write(&r.p, "well", "", 0644);
    rig_wait_count(&r, "u", 1); /* another one */
    assert_int_equal(rig_finish(&r), 0);
}

static void test_health_kinds(void **state) {
    static const char *const kinds[] = {
        "{\"listen\":\"unix:%s/a\",\"health\":{\"http\":\"/healthz\"}}",
        "{\"listen\":\"unix:%s/a\",\"health\":{\"http\":\"/\",\"address\":\"unix:%s/a\"}}",
        "{\"listen\":\"unix:%s/a\",\"health\":{\"tcp\":\"unix:%s/a\"}}",
        "{\"listen\":\"unix:%s/a\",\"health\":{\"notify\":true}}",
        "{\"listen\":\"unix:%s/a\",\"health\":{\"alive\":true}}"};
    struct rig r;
    (void)state;
    rig_open(&r, "");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct buf settings = BUF_INIT;
        for (const char *at = kinds[i]; *at; at++) {
            if (at[0] == '%') {
                buf_addf(&settings, "%s", r.p.dir);
                at++;
            } else {
                buf_add_c(&settings, *at);
            }
        }
        TK_CHECK_ST(r.tk, rig_scale(&r, "u", "file://" EXAMPLE_WEB_1, 2, settings.ptr), TRL_OK);
        rig_wait_count(&r, "u", 2);
        TK_CHECK_F(r.tk, r.failed == 0 && rig_count(&r, "u") == 2, "%s: %s", settings.ptr, r.note);
        buf_finish(&settings);
    }
    TK_CHECK_ST(r.tk,
                rig_scale(&r, "never", "file://" EXAMPLE_WEB_1, 1,
                          "{\"listen\":\"127.0.0.1:0\",\"health\":{\"http\":\"/nope\","
                          "\"grace_ms\":150}}"),
                TRL_OK);
    rig_wait_failed(&r, 1);
    TK_CHECK_F(r.tk, strstr(r.note, "not ready within 150 ms: /nope answered 404"), "%s", r.note);
    assert_int_equal(rig_finish(&r), 0);
}

static void test_restarts(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "");
    const char *image = place_script(&r.p, "app", "#!/bin/sh\necho broken >&2\nexit 3\n");
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, ""), TRL_OK);
    rig_wait_failed(&r, 1);
    TK_CHECK_F(r.tk, strstr(r.note, "ended with status 3 after"), "%s", r.note);
    rig_wait_failed(&r, 2);
    TK_CHECK_F(r.tk, rig_scale(&r, "u", image, 1, "") == TRL_E_BUSY, "%s", r.msg);
    TK_CHECK_F(r.tk, strstr(r.msg, "ended with status 3"), "%s", r.msg);
    TK_CHECK_ST(r.tk, rig_logs(&r, "", 10), TRL_OK); /* those that ended are not forgotten */
    TK_CHECK_F(r.tk,
               r.result && strstr(r.result, "\"text\":\"broken\"") &&
                   strstr(r.result, "\"stream\":\"err\""),
               "%s", r.result);
    image = place_script(&r.p, "odd", "#!/nonexistent/sh\n");
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, ""), TRL_OK);
    rig_wait_failed(&r, r.failed + 1);
    TK_CHECK_F(r.tk, strstr(r.note, "its interpreter"), "%s", r.note);
    image = place_script(&r.p, "good", "#!/bin/sh\n" FOREVER);
    TK_CHECK_ST(r.tk, rig_update(&r, "u", image, 1, ""),
                TRL_OK); /* no need to wait for the other */
    TK_CHECK(r.tk, rig_count(&r, "u") == 1);
    assert_int_equal(rig_finish(&r), 0);
}

static void test_stop(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, ",\"stop_timeout_ms\":150");
    const char *image = place_script(&r.p, "app",
                                     "#!/bin/sh\ntrap '' TERM\nsetsid sh -c 'trap \"\" TERM; "
                                     "while :; do sleep 600; done' \"$0\" &\n"
                                     "while :; do sleep 600; done\n");
    trl_action a = rig_action(TRL_DO_PROVIDER_START, "u", image, 1);
    TK_CHECK_ST(r.tk, rig_do(&r, &a), TRL_OK);
    rig_wait_count(&r, "u", 1);
    a.verb = TRL_DO_PROVIDER_STOP;
    TK_CHECK_ST(r.tk, rig_do(&r, &a), TRL_OK);
    TK_CHECK(r.tk, rig_count(&r, "u") == 0);
    TK_CHECK_F(r.tk, place_processes(&r.p, "app") == 0, "what left the group is gone as well");
    assert_int_equal(rig_finish(&r), 0);
}

static void test_update_without_overlap(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "");
    /* Two at once cannot hold the lock. */
    const char *text = "#!/bin/sh\nd=$(dirname \"$0\")/held\nmkdir \"$d\" || exit 9\n"
                       "trap 'rmdir \"$d\"; exit 0' TERM\nwhile :; do sleep 600 & wait; done\n";
    const char *one = place_script(&r.p, "one", text), *two = place_script(&r.p, "two", text);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", one, 1, "{\"overlap\":false}"), TRL_OK);
    rig_wait_count(&r, "u", 1);
    TK_CHECK_ST(r.tk, rig_update(&r, "u", two, 1, "{\"overlap\":false}"), TRL_OK);
    TK_CHECK(r.tk, rig_count(&r, "u") == 1 && r.failed == 0);
    TK_CHECK_F(r.tk,
               rig_update(&r, "u", one, 1,
                          "{\"overlap\":true,\"health\":{\"alive\":true,\"settle_ms\":60000}}") !=
                   TRL_OK,
               "it cannot");
    TK_CHECK_F(r.tk, strstr(r.msg, "ended with status 9"), "%s", r.msg);
    TK_CHECK_STR(r.tk, str_c(map_get(&r.images, STR("u"))), two); /* what ran runs on */
    TK_CHECK(r.tk, rig_count(&r, "u") == 1);
    assert_int_equal(rig_finish(&r), 0);
}

/* Number of the last "line N" in the answer. */
static int last_line(const char *json) {
    int n = -1;
    for (const char *at = json; at && (at = strstr(at, "\"text\":\"line ")); at++) {
        n = (int)strtol(at + 13, NULL, 10);
    }
    return n;
}

static bool wrote_all(struct rig *r, const void *arg) {
    (void)arg;
    return rig_file_has(r, "done", "yes");
}

static void test_logs(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, ",\"log_bytes\":4096,\"log_files\":3");
    const char *image = place_script(
        &r.p, "app",
        "#!/bin/sh\nprintf 'bad \\377 byte\\n'\ni=0\nwhile [ $i -lt 300 ]; do echo \"line $i\"; "
        "i=$((i+1)); done\necho yes > \"$(dirname \"$0\")/done\"\n"
        "trap 'exit 0' TERM\ntrap 'echo \"line 300\"; echo again > \"$(dirname \"$0\")/done\"' "
        "HUP\n"
        "printf unfinished\nwhile [ ! -f \"$(dirname \"$0\")/go\" ]; do sleep 0.05; done\n"
        "echo; echo 'line 300'\necho yes > \"$(dirname \"$0\")/over\"\n" FOREVER);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, ""), TRL_OK);
    rig_wait_count(&r, "u", 1);
    rig_until(&r, wrote_all, NULL);
    char *cursor = NULL;
    rig_wait_logged(&r, "\"line 299\"", 1); /* the keeper reads when it can */
    TK_CHECK_ST(r.tk, rig_logs(&r, "", 5), TRL_OK);
    TK_CHECK_F(r.tk, last_line(r.result) == 299, "%s", r.result);
    TK_CHECK_F(r.tk, !strstr(r.result, "line 294"), "five lines: %s", r.result);
    char *at = r.result ? strstr(r.result, "\"cursor\":\"") : NULL;
    cursor = mem_strdup(at ? at + 10 : "");
    char *to = cursor;
    for (const char *from = cursor; *from && (from[0] != '"' || from[-1] == '\\'); from++) {
        if (*from != '\\') {
            *to++ = *from;
        }
    }
    *to = '\0';
    TK_CHECK_ST(r.tk, rig_logs(&r, cursor, 100), TRL_OK);
    TK_CHECK_F(r.tk, last_line(r.result) == -1, "nothing came since: %s", r.result);
    place_write(&r.p, "go", "", 0644);
    rig_wait_file(&r, "over", "yes");
    rig_wait_logged(&r, "\"line 300\"", 1);
    TK_CHECK_ST(r.tk, rig_logs(&r, cursor, 100), TRL_OK);
    TK_CHECK_F(r.tk, strstr(r.result, "\"unfinished\""), "%s", r.result);
    TK_CHECK_F(r.tk, last_line(r.result) == 300, "%s", r.result);
    mem_free(cursor);
    assert_int_equal(rig_finish(&r), 0);
}

static void test_usage(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "");
    const char *image = place_script(&r.p, "app", "#!/bin/sh\n" FOREVER);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 2, ""), TRL_OK);
    rig_wait_count(&r, "u", 2);
    TK_CHECK_ST(r.tk, rig_usage(&r), TRL_OK);
    TK_CHECK_F(r.tk,
               r.result && strstr(r.result, "\"state\":\"ready\"") &&
                   strstr(r.result, "\"app\":\"app\"") && !strstr(r.result, "\"rss_bytes\":0"),
               "%s", r.result);
    assert_int_equal(rig_finish(&r), 0);
}

static void test_refusals(void **state) {
    static const struct {
        const char *settings, *text;
    } bad[] = {{"{\"arg\":[]}", "properties has no member \"arg\""},
               {"{\"args\":\"x\"}", "properties.args must be a list of texts"},
               {"{\"health\":{\"http\":\"x\"}}", "health.http must be a path"},
               {"{\"health\":{\"interval_ms\":5}}", "health needs one of http, tcp"},
               {"{\"listen\":\"here\"}", "\"here\" is no address"},
               {"{\"listen\":[{\"name\":\"a b\",\"address\":\"1\"}]}", "listen[0]"},
               {"{\"limits\":{\"nofile\":-1}}", "limits.nofile must be a whole number"},
               {"[1]", "its properties are no map"},
               {"{", "no JSON"}};
    struct rig r;
    (void)state;
    rig_open(&r, "");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        TK_CHECK_ST(r.tk, rig_scale(&r, "u", "file:///bin/true", 1, bad[i].settings),
                    TRL_E_INVALID);
        TK_CHECK_F(r.tk, strstr(r.msg, bad[i].text), "%s: %s", bad[i].settings, r.msg);
    }
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", "ghcr.io/x/y:1", 1, ""), TRL_E_INVALID);
    TK_CHECK_F(r.tk, strstr(r.msg, "file:///path"), "%s", r.msg);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", "file:///etc/passwd", 1, ""), TRL_OK);
    rig_wait_failed(&r, 1);
    TK_CHECK_F(r.tk, strstr(r.note, "/etc/passwd: it is not executable"), "%s", r.note);
    TK_CHECK_ST(r.tk, rig_scale(&r, "v", "file:///bin/true", 1, "{\"user\":\"nobody-here\"}"),
                TRL_OK);
    rig_wait_failed(&r, 2);
    assert_int_equal(rig_finish(&r), 0);
}

static void test_user(void **state) {
    struct rig r;
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    rig_open(&r, "");
    const char *image =
        place_script(&r.p, "app", "#!/bin/sh\nid -u\ncat \"$TRELLIS_CONFIG_FILE\"\n" FOREVER);
    chmod(r.p.dir, 0755);
    chmod(r.p.state, 0755);
    rig_config(&r, "cfg", "{\"a\":\"of nobody\"}");
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, "{\"user\":\"nobody\"}"), TRL_OK);
    rig_wait_count(&r, "u", 1);
    rig_wait_logged(&r, "of nobody", 1);
    rig_wait_logged(&r, "\"text\":\"65534\"", 1);
    assert_int_equal(rig_finish(&r), 0);
}

/* Layouts are made by the shell: what others make is as they do it. */
static const char make_layout[] =
    "cd %s && mkdir -p root/bin l/blobs/sha256 && cp app root/bin/app && "
    "tar -C root -czf layer.tgz . && blob() { h=$(sha256sum $1 | cut -d' ' -f1); "
    "cp $1 l/blobs/sha256/$h; echo sha256:$h; } && L=$(blob layer.tgz) && "
    "echo '{\"config\":{\"Entrypoint\":[\"/bin/app\"],\"Cmd\":[\"from-image\"],"
    "\"Env\":[\"IMAGE_SAYS=this\"],\"WorkingDir\":\"/bin\"}}' > c.json && C=$(blob c.json) && "
    "echo '{\"config\":{\"digest\":\"'$C'\"},\"layers\":[{\"digest\":\"'$L'\"}]}' > m.json && "
    "M=$(blob m.json) && echo '{\"manifests\":[{\"digest\":\"'$M'\"}]}' > l/index.json && "
    "echo '{\"imageLayoutVersion\":\"1.0.0\"}' > l/oci-layout && tar -C l -czf l.tar.gz . && "
    "tar -C root -czf plain.tar.gz . && cp -r l bad && echo x >> bad/blobs/sha256/${L#sha256:}";

static void shell(struct rig *r, const char *fmt) {
    struct buf line = BUF_INIT;
    for (const char *at = fmt; *at; at++) {
        if (at[0] == '%' && at[1] == 's') {
            buf_addf(&line, "%s", r->p.dir);
            at++;
        } else {
            buf_add_c(&line, *at);
        }
    }
    TK_CHECK_F(r->tk, system(line.ptr) == 0, "%s", line.ptr);
    buf_finish(&line);
}

static void test_bundles(void **state) {
    static const struct {
        const char *name, *settings, *says;
    } good[] = {{"l", "", "args from-image; this; "},
                {"l.tar.gz", "{\"args\":[\"more\"]}", "args from-image more; this; "},
                {"plain.tar.gz", "{\"entry\":\"bin/app\"}", "args ; ; "},
                {"root", "{\"entry\":\"bin/app\"}", "args ; ; "}},
      bad[] = {{"bad", "", "is damaged: its content is not that of its digest"},
               {"plain.tar.gz", "", "the bundle names no entry point"},
               {"root", "{\"entry\":\"../app\"}", "leads out of the bundle"}};
    struct rig r;
    (void)state;
    rig_open(&r, "");
    char image[160];
    place_script(&r.p, "app", "#!/bin/sh\necho \"args $*; $IMAGE_SAYS; $(pwd)\"\n" FOREVER);
    shell(&r, make_layout);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        snprintf(image, sizeof(image), "file://%s/%s", r.p.dir, good[i].name);
        char unit[16];
        snprintf(unit, sizeof(unit), "u%zu", i);
        TK_CHECK_ST(r.tk, rig_scale(&r, unit, image, 1, good[i].settings), TRL_OK);
        rig_wait_count(&r, unit, 1);
        rig_wait_logged(&r, good[i].says, 1);
        TK_CHECK_ST(r.tk, rig_scale(&r, unit, image, 0, ""), TRL_OK);
        rig_wait_count(&r, unit, 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(image, sizeof(image), "file://%s/%s", r.p.dir, bad[i].name);
        TK_CHECK_ST(r.tk, rig_scale(&r, "b", image, 1, bad[i].settings), TRL_OK);
        rig_wait_failed(&r, (uint32_t)i + 1);
        TK_CHECK_F(r.tk, strstr(r.note, bad[i].says), "%s: %s", image, r.note);
        TK_CHECK_ST(r.tk, rig_scale(&r, "b", image, 0, ""), TRL_OK);
        rig_wait_count(&r, "b", 0);
    }
    assert_int_equal(rig_finish(&r), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_gets), cmocka_unit_test(test_health_exec),
        cmocka_unit_test(test_health_kinds), cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_stop),         cmocka_unit_test(test_update_without_overlap),
        cmocka_unit_test(test_logs),         cmocka_unit_test(test_usage),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_user),
        cmocka_unit_test(test_bundles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
