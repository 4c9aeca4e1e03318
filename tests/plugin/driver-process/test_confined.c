/* SPDX-License-Identifier: Apache-2.0
 *
 * What the host says of itself, and what a process may see and use: session, descriptors,
 * environment, limits, control group, user, sockets, links.
 */
#include "../../unit/cmocka_all.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/mem.h"
#include "rig.h"

/* Runs what stands between them; what it writes appears at once, as the file "shown". */
#define SHOW  "#!/bin/sh\nhere=$(dirname \"$0\")\n{ "
#define SHOWN "; } > $here/shown.new.$$ 2>&1; mv $here/shown.new.$$ $here/shown\n" FOREVER

static void show(struct rig *r, const char *script, const char *settings) {
    const char *image = place_script(&r->p, "show", script);
    TK_CHECK_ST(r->tk, rig_scale(r, "u", image, 1, settings), TRL_OK);
    rig_wait_count(r, "u", 1);
    rig_wait_file(r, "shown", "end\n");
}

static void label(struct rig *r, const char *key, const char *want) {
    const char *have = map_get(&r->labels, str_c(key));
    TK_CHECK_F(r->tk, want ? have && strcmp(have, want) == 0 : !have, "label %s is %s, not %s", key,
               have ? have : "missing", want ? want : "missing");
}

static bool is_known(struct rig *r, const void *arg) {
    (void)arg;
    return r->labels.n > 0;
}

static void act_on_label(struct rig *r, uint32_t verb, const char *key, const char *value) {
    trl_action a = rig_action(verb, "", "", 0);
    a.name = str_c(key);
    a.body = str_c(value);
    TK_CHECK_ST(r->tk, rig_do(r, &a), TRL_OK);
}

static void test_labels(void **state) {
    struct rig r;
    struct utsname u;
    char number[40];
    (void)state;
    uname(&u);
    rig_open(&r, ",\"labels\":{\"zone\":\"cellar\",\"os\":\"mine\"}");
    rig_until(&r, is_known, NULL);
    label(&r, "arch", u.machine);
    label(&r, "hostname", u.nodename);
    snprintf(number, sizeof(number), "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    label(&r, "cpus", number);
    snprintf(number, sizeof(number), "%lld",
             (long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) >> 20);
    label(&r, "memory_mb", number);
    label(&r, "driver", "process");
    label(&r, "zone", "cellar");
    label(&r, "os", "mine"); /* the operator's word counts */
    act_on_label(&r, TRL_DO_LABEL_PUT, "rack", "7");
    act_on_label(&r, TRL_DO_LABEL_PUT, "zone", "attic");
    label(&r, "rack", "7");
    label(&r, "zone", "attic");
    rig_reopen(&r, "");
    rig_until(&r, is_known, NULL);
    label(&r, "rack", "7"); /* kept */
    label(&r, "os", "linux");
    act_on_label(&r, TRL_DO_LABEL_DEL, "rack", "");
    label(&r, "rack", NULL);
    assert_int_equal(rig_finish(&r), 0);
}

/* The manager has a descriptor and a variable that nobody should have. */
static void test_apart(void **state) {
    struct rig r;
    char dir[100];
    (void)state;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC), leaky = fcntl(null, F_DUPFD, 40);
    setenv("LEAKED_VARIABLE", "1", 1);
    rig_open(&r, "");
    show(&r,
         SHOW "cut -d' ' -f1,5,6 /proc/$$/stat | { read -r p g s; "
              "[ $p = $g ] && [ $p = $s ] && echo leader; }; ls -l /proc/self/fd; env; "
              "grep -E 'NoNewPrivs|SigIgn|SigBlk' /proc/self/status; umask; pwd; echo end" SHOWN,
         "");
    TK_CHECK_F(r.tk, rig_file_has(&r, "shown", "leader\n"), "of its own group and session");
    TK_CHECK(r.tk, rig_file_has(&r, "shown", " 0 -> /dev/null\n"));
    char *shown = rig_file(&r, "shown");
    int n = 0;
    for (const char *at = shown; (at = strstr(at, " -> ")); at += 4, n++) {
        const char *digit = at;
        while (digit > shown && digit[-1] != ' ') {
            digit--;
        }
        long fd = strtol(digit, NULL, 10); /* 3: the directory that ls looks at */
        TK_CHECK_F(r.tk, fd <= 3, "descriptor %ld is open", fd);
    }
    TK_CHECK(r.tk, n == 4);
    TK_CHECK(r.tk, !strstr(shown, "LEAKED_VARIABLE") && !strstr(shown, "HOME="));
    TK_CHECK(r.tk, strstr(shown, "NoNewPrivs:\t1"));
    TK_CHECK_F(r.tk, strstr(shown, "SigBlk:\t0000000000000000"), "%s", shown);
    const char *ignored = strstr(shown, "SigIgn:\t"); /* 32 and 33 are the C library's own */
    TK_CHECK_F(r.tk, ignored && !(strtoull(ignored + 8, NULL, 16) & ~0x180000000ull), "%s", shown);
    TK_CHECK(r.tk, strstr(shown, "\n0022\n"));
    snprintf(dir, sizeof(dir), "\n%s\n", r.p.dir);
    TK_CHECK_F(r.tk, strstr(shown, dir), "it begins where its program is: %s", shown);
    mem_free(shown);
    assert_int_equal(rig_finish(&r), 0);
    unsetenv("LEAKED_VARIABLE");
    close(leaky);
    close(null);
}

static void test_limits(void **state) {
    static const char *const rows[] = {
        "Max cpu time              1000 ",       "Max file size             1048576 ",
        "Max data size             1073741824 ", "Max stack size            4194304 ",
        "Max core file size        0 ",          "Max processes             4000 ",
        "Max open files            64 ",         "Max locked memory         65536 ",
        "Max address space         2147483648 "};
    struct rig r;
    (void)state;
    rig_open(&r, "");
    show(&r, SHOW "cat /proc/$$/limits; echo end" SHOWN,
         "{\"limits\":{\"cpu\":1000,\"fsize\":1048576,\"data\":1073741824,\"stack\":4194304,"
         "\"core\":0,\"nproc\":4000,\"nofile\":64,\"memlock\":65536,\"as\":2147483648}}");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        TK_CHECK_F(r.tk, rig_file_has(&r, "shown", rows[i]), "%s", rows[i]);
    }
    TK_CHECK_ST(r.tk, rig_scale(&r, "v", "file:///bin/true", 1, "{\"limits\":{\"pids\":5}}"),
                TRL_OK);
    TK_CHECK(r.tk, tk_logged(r.tk, "its limits of memory, CPU and processes are not enforced"));
    assert_int_equal(rig_finish(&r), 0);
}

/* The only directory in it. */
static void run_in(struct rig *r, const char *parent, char *to, size_t cap) {
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", r->p.dir, parent);
    DIR *d = opendir(path);
    *to = '\0';
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == 'u') {
            snprintf(to, cap, "%s/%.100s", parent, e->d_name);
        }
    }
    if (d) {
        closedir(d);
    }
}

static void check_file(struct rig *r, const char *dir, const char *name, const char *want) {
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    char *have = rig_file(r, path);
    TK_CHECK_F(r->tk, strcmp(have, want) == 0, "%s is '%s', not '%s'", name, have, want);
    mem_free(have);
}

/* A directory that stands for a delegated control group: what is written to its files. */
static void test_cgroup(void **state) {
    struct rig r;
    char dir[200], more[300];
    (void)state;
    struct place probe;
    place_make(&probe);
    snprintf(dir, sizeof(dir), "%s/group", probe.dir);
    mkdir(dir, 0755);
    snprintf(more, sizeof(more), ",\"stop_timeout_ms\":100,\"cgroup\":\"%s\"", dir);
    rig_open(&r, more);
    snprintf(more, sizeof(more), "%s/group", r.p.dir);
    TK_CHECK(r.tk, symlink(dir, more) == 0); /* files are looked for in the rig's own place */
    const char *image = place_script(&r.p, "app",
                                     "#!/bin/sh\ntrap '' TERM\necho deaf\nwhile :; do sleep 600; "
                                     "done\n");
    TK_CHECK_ST(r.tk,
                rig_scale(&r, "u", image, 1,
                          "{\"limits\":{\"memory_bytes\":268435456,\"cpu_millis\":500,"
                          "\"pids\":100}}"),
                TRL_OK);
    rig_wait_count(&r, "u", 1);
    run_in(&r, "group", dir, sizeof(dir));
    check_file(&r, dir, "memory.max", "268435456");
    check_file(&r, dir, "cpu.max", "50000 100000");
    check_file(&r, dir, "pids.max", "100");
    check_file(&r, dir, "cgroup.procs", "0"); /* whoever writes it joins */
    check_file(&r, "group", "cgroup.subtree_control", "+memory +cpu +pids");
    TK_CHECK(r.tk, !tk_logged(r.tk, "not enforced"));
    rig_wait_logged(&r, "\"deaf\"", 1);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 0, ""), TRL_OK);
    rig_wait_count(&r, "u", 0);
    check_file(&r, dir, "cgroup.kill", "1"); /* it does not listen to SIGTERM */
    assert_int_equal(rig_finish(&r), 0);
    place_remove(&probe);

    rig_open(&r, ",\"cgroup\":\"/nonexistent/group\"");
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", "file:///bin/true", 1, ""), TRL_OK);
    rig_wait_failed(&r, 1);
    TK_CHECK_F(r.tk, strstr(r.note, "cannot make the control group /nonexistent/group/u"), "%s",
               r.note);
    assert_int_equal(rig_finish(&r), 0);
}

static void test_user(void **state) {
    struct rig r;
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    rig_open(&r, "");
    chmod(r.p.dir, 0777);
    chmod(r.p.state, 0755);
    TK_CHECK_ST(r.tk, rig_config(&r, "cfg", "{\"a\":\"of nobody\"}"), TRL_OK);
    show(&r,
         SHOW "echo \"$(id -un) $(id -gn) groups $(id -G)\"; stat -c '%U %a' $TRELLIS_CONFIG_FILE; "
              "cat $TRELLIS_CONFIG_FILE; cat $(dirname $TRELLIS_CONFIG_FILE)/spec; echo end" SHOWN,
         "{\"user\":\"nobody\",\"group\":\"daemon\"}");
    TK_CHECK(r.tk, rig_file_has(&r, "shown", "nobody daemon groups 1\n"));
    TK_CHECK(r.tk, rig_file_has(&r, "shown", "nobody 400\n"));
    TK_CHECK(r.tk, rig_file_has(&r, "shown", "of nobody"));
    TK_CHECK_F(r.tk, rig_file_has(&r, "shown", "ermission denied"),
               "the keeper's files are not its");
    assert_int_equal(rig_finish(&r), 0);
}

static void test_sockets(void **state) {
    struct rig r;
    char settings[400];
    (void)state;
    rig_open(&r, "");
    snprintf(settings, sizeof(settings),
             "{\"listen\":[{\"name\":\"zeta\",\"address\":\"unix:%s/z\"},"
             "{\"name\":\"main\",\"address\":\"127.0.0.1:0\"}]}",
             r.p.dir);
    show(&r,
         SHOW "env | grep LISTEN; echo me $$; ls -l /proc/$$/fd | sed -n 's/.* \\([34]\\) -> "
              "\\(socket\\).*/fd \\1 \\2/p'; echo end" SHOWN,
         settings);
    TK_CHECK(r.tk, rig_file_has(&r, "shown", "LISTEN_FDS=2\n"));
    TK_CHECK(r.tk, rig_file_has(&r, "shown", "LISTEN_FDNAMES=main:zeta\n"));
    TK_CHECK(r.tk, rig_file_has(&r, "shown", "fd 3 socket\nfd 4 socket\n"));
    char *shown = rig_file(&r, "shown"), me[40], *pid = strstr(shown, "me ");
    snprintf(me, sizeof(me), "LISTEN_PID=%ld\n", pid ? strtol(pid + 3, NULL, 10) : 0);
    TK_CHECK_F(r.tk, strstr(shown, me), "%s", shown);
    mem_free(shown);
    assert_int_equal(rig_finish(&r), 0);
}

static trl_status scale_named(struct rig *r, const char *unit, const char *image) {
    trl_action a = rig_action(TRL_DO_SCALE, unit, image, 1);
    a.n_config_names = 0;
    return rig_do(r, &a);
}

static trl_status link_units(struct rig *r, uint32_t verb) {
    static const str source[] = {STR("from")}, target[] = {STR("to")};
    trl_link l = {.struct_size = sizeof(l),
                  .source = STR("web"),
                  .target = STR("store"),
                  .name = STR("big-store"),
                  .ns = STR("example"),
                  .package = STR("shop"),
                  .source_config = source,
                  .target_config = target,
                  .n_source_config = 1,
                  .n_target_config = 1};
    trl_action a = {.struct_size = sizeof(a), .verb = verb, .lattice = STR("suite"), .link = &l};
    return rig_do(r, &a);
}

static const char *line_of(const char *text, const char *name) {
    static char line[200];
    const char *at = strstr(text, name);
    snprintf(line, sizeof(line), "%.*s", at ? (int)strcspn(at, "\n") : 0, at ? at : "");
    return line;
}

/* Both ends of a link know the address; each has its own configuration; the target has the socket.
 */
static void test_links(void **state) {
    struct rig r;
    char web[200];
    (void)state;
    rig_open(&r, "");
    TK_CHECK_ST(r.tk, rig_config(&r, "from", "{\"token-name\":\"of source\"}"), TRL_OK);
    TK_CHECK_ST(r.tk, rig_config(&r, "to", "{\"size\":\"of target\"}"), TRL_OK);
    TK_CHECK_ST(r.tk, link_units(&r, TRL_DO_LINK_PUT), TRL_OK);
    const char *script = "#!/bin/sh\nf=$(dirname \"$0\")/of-$TRELLIS_UNIT\n{ env; echo end; } > "
                         "$f.new; mv $f.new $f\n" FOREVER;
    const char *image = place_script(&r.p, "show", script);
    TK_CHECK_ST(r.tk, scale_named(&r, "web", image), TRL_OK);
    TK_CHECK_ST(r.tk, scale_named(&r, "store", image), TRL_OK);
    rig_wait_file(&r, "of-web", "end\n");
    rig_wait_file(&r, "of-store", "end\n");
    char *source = rig_file(&r, "of-web"), *target = rig_file(&r, "of-store");
    snprintf(web, sizeof(web), "%s", line_of(source, "TRELLIS_LINK_BIG_STORE_ADDR=127.0.0.1:"));
    TK_CHECK_F(r.tk, strlen(web) > 40, "%s", source);
    TK_CHECK_F(r.tk, strstr(target, web), "%s", target);
    TK_CHECK(r.tk, strstr(source, "TRELLIS_LINK_SHOP_BIG_STORE_ADDR=127.0.0.1:"));
    TK_CHECK(r.tk, strstr(source, "TRELLIS_LINK_BIG_STORE_TOKEN_NAME=of source\n"));
    TK_CHECK(r.tk, strstr(target, "TRELLIS_LINK_BIG_STORE_SIZE=of target\n"));
    TK_CHECK(r.tk, !strstr(source, "of target") && !strstr(target, "of source"));
    TK_CHECK(r.tk, strstr(target, "LISTEN_FDNAMES=link-big-store\n"));
    TK_CHECK(r.tk, !strstr(source, "LISTEN_FDS"));
    mem_free(source);
    mem_free(target);
    TK_CHECK_ST(r.tk, link_units(&r, TRL_DO_LINK_DEL), TRL_OK); /* other processes, without it */
    char path[200];
    snprintf(path, sizeof(path), "%s/of-web", r.p.dir);
    unlink(path);
    rig_wait_file(&r, "of-web", "end\n");
    TK_CHECK(r.tk, !rig_file_has(&r, "of-web", "TRELLIS_LINK_"));
    assert_int_equal(rig_finish(&r), 0);
}

static void test_usage(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, "");
    const char *image =
        place_script(&r.p, "app",
                     "#!/bin/sh\nexec 7</dev/null\nif mkdir $(dirname \"$0\")/once; then exit 3; "
                     "fi\ni=0; while [ $i -lt 20000 ]; do i=$((i+1)); done\necho busy\n" FOREVER);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", image, 1, ""), TRL_OK);
    rig_wait_failed(&r, 1);
    rig_wait_count(&r, "u", 1);
    rig_wait_logged(&r, "\"busy\"", 1);
    TK_CHECK_ST(r.tk, rig_usage(&r), TRL_OK);
    static const char *const some[] = {
        "\"cpu_ms\":", "\"rss_bytes\":", "\"fds\":", "\"processes\":"};
    static const long long least[] = {1, 4096, 4, 2}; /* the script, and its sleep */
    for (size_t i = 0; i < ARRAY_LEN(some); i++) {
        const char *at = r.result ? strstr(r.result, some[i]) : NULL;
        long long n = at ? strtoll(at + strlen(some[i]), NULL, 10) : -1;
        TK_CHECK_F(r.tk, n >= least[i], "%s%lld", some[i], n);
    }
    TK_CHECK_F(r.tk, r.result && strstr(r.result, "\"restarts\":1"), "%s", r.result);
    assert_int_equal(rig_finish(&r), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels), cmocka_unit_test(test_apart), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_cgroup), cmocka_unit_test(test_user),  cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_links),  cmocka_unit_test(test_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
