/* SPDX-License-Identifier: Apache-2.0
 *
 * `trellis up` on a terminal, and its end: by a key, by a terminal that goes, by SIGKILL of
 * everything that a terminal has.
 */
#include "../unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../plugin/driver-process/place.h"
#include "asker.h"
#include "proc.h"

#define MS 60000

struct terminal {
    struct place p;
    char address[32], tmp[96], manifest[96];
    int master;
    pid_t shell; /* leader of the session; trellis is its child */
    size_t n;
    char seen[65536];
};

static int terminal_setup(void **state) {
    struct terminal *t = calloc(1, sizeof(*t));
    char path[160];
    place_make(&t->p);
    t->master = -1;
    snprintf(t->tmp, sizeof(t->tmp), "%s/run", t->p.dir);
    mkdir(t->tmp, 0700);
    setenv("XDG_RUNTIME_DIR", t->tmp, 1);
    setenv("XDG_STATE_HOME", t->p.state, 1);
    setenv("TRELLIS_PLUGIN_PATH", TRELLIS_PLUGIN_DIR, 1);
    setenv("TERM", "xterm", 1);
    unsetenv("TRELLIS_SOCKET");
    unsetenv("NO_COLOR");
    snprintf(path, sizeof(path), "%s/programs", t->p.dir);
    assert_int_equal(symlink(EXAMPLES_1, path), 0);
    snprintf(t->address, sizeof(t->address), "127.0.0.1:%d", free_port());
    snprintf(t->manifest, sizeof(t->manifest), "%s/hello.yaml", t->p.dir);
    *state = t;
    return 0;
}

static int terminal_teardown(void **state) {
    struct terminal *t = *state;
    if (t->shell > 0) {
        kill(-t->shell, SIGKILL);
        waitpid(t->shell, NULL, 0);
    }
    if (t->master >= 0) {
        close(t->master);
    }
    if (place_processes(&t->p, "")) { /* a test that failed */
        place_end_keepers(&t->p);
    }
    place_remove(&t->p);
    free(t);
    return 0;
}

static void write_manifest(const struct terminal *t, const char *program) {
    char text[1024];
    snprintf(text, sizeof(text),
             "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: hello\n"
             "  annotations: { description: greets }\nspec:\n  components:\n    - name: web\n"
             "      type: component\n      properties: { image: \"file://./programs/%s\" }\n"
             "      traits:\n        - type: spreadscaler\n          properties: { instances: 2 }\n"
             "        - type: process\n          properties: { listen: \"%s\", health: { http: "
             "/healthz } }\n",
             program, t->address);
    assert_true(place_write(&t->p, "hello.yaml", text, 0600));
}

/* Everything the terminal shows, up to now. False: it is closed. */
static bool look(struct terminal *t) {
    struct pollfd p = {t->master, POLLIN, 0};
    while (poll(&p, 1, 0) > 0 && t->n < sizeof(t->seen) - 1) {
        ssize_t k = read(t->master, t->seen + t->n, sizeof(t->seen) - 1 - t->n);
        if (k <= 0) {
            return false;
        }
        t->n += (size_t)k;
        t->seen[t->n] = '\0';
    }
    return true;
}

static bool shows(struct terminal *t, const char *text) {
    look(t);
    return strstr(t->seen, text) != NULL;
}

/* A shell on a terminal of its own runs `trellis up`, and says what came of it. */
static void start_program(struct terminal *t, const char *program, const char *option) {
    char command[512];
    write_manifest(t, program);
    snprintf(command, sizeof(command), "trap : INT; %s up %s %s; echo ended with $?; read x",
             TRELLIS_BINARY, t->manifest, option);
    t->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(t->master >= 0 && grantpt(t->master) == 0 && unlockpt(t->master) == 0);
    const char *name = ptsname(t->master);
    assert_non_null(name);
    t->shell = fork();
    if (t->shell == 0) {
        setsid();
        int fd = open(name, O_RDWR); /* becomes the controlling terminal */
        dup2(fd, 0);
        dup2(fd, 1);
        dup2(fd, 2);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    assert_true(t->shell > 0);
}

static void start(struct terminal *t, const char *option) {
    start_program(t, "hello", option);
    WAIT(shows(t, "Deployed."), MS);
}

static bool answers(const struct terminal *t) {
    char body[1024];
    return http_ask(t->address, "/", body, sizeof(body));
}

static pid_t trellis_of(const struct terminal *t) {
    char path[64], text[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)t->shell, (int)t->shell);
    FILE *f = fopen(path, "re");
    if (!f) {
        return 0; /* a kernel without this file */
    }
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    return (pid_t)strtol(text, NULL, 10);
}

static void end_shell(struct terminal *t) {
    kill(t->shell, SIGKILL);
    waitpid(t->shell, NULL, 0);
    t->shell = 0;
}

static int entries(const char *path) {
    char command[160], text[16] = "";
    snprintf(command, sizeof(command), "find '%s' ! -type d | wc -l", path);
    FILE *f = popen(command, "re");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof(text), f));
    pclose(f);
    return (int)strtol(text, NULL, 10);
}

/* No process, no socket, no file: neither of the session nor in the state directory. */
static void nothing_left(struct terminal *t) {
    char ours[192];
    struct stat st;
    WAIT(place_processes(&t->p, "") == 0 && entries(t->tmp) == 0, MS);
    assert_false(answers(t));
    snprintf(ours, sizeof(ours), "%s/trellis", t->p.state);
    assert_int_equal(stat(ours, &st), -1);
    snprintf(ours, sizeof(ours), "ls -d '%s'/trellis-up-* 2>/dev/null", t->tmp);
    FILE *f = popen(ours, "re");
    assert_null(fgets(ours, sizeof(ours), f));
    pclose(f);
}

/* Ctrl-C, and what stood on the screen until then. */
static void test_screen(void **state) {
    struct terminal *t = *state;
    char url[64], dashboard[128] = "", body[1024];
    start(t, "--ephemeral");
    snprintf(url, sizeof(url), "  http://%s/  (hello, web)", t->address);
    assert_true(shows(t, url));
    const char *at = strstr(t->seen, "Dashboard (the link works once):  http://");
    assert_non_null(at); /* once, here, and never in a file or a pipe */
    assert_int_equal(sscanf(strstr(at, "http://") + 7, "%127[^/]", dashboard), 1);
    assert_non_null(strstr(at, "#login="));
    assert_true(http_ask(dashboard, "/", body, sizeof(body)));
    assert_true(shows(t, "\033[")); /* it is drawn over, and in colours */
    assert_true(answers(t));
    assert_int_equal(write(t->master, "\003", 1), 1);
    WAIT(shows(t, "ended with 0"), MS);
    end_shell(t);
    nothing_left(t);
}

/* kill -9 of Trellis, then of the shell: whatever holds the terminal. */
static void test_killed_with_its_terminal(void **state) {
    struct terminal *t = *state;
    start(t, "--ephemeral");
    pid_t pid = trellis_of(t);
    if (pid <= 0) {
        skip();
    }
    assert_true(answers(t) && entries(t->tmp) > 2);
    kill(t->shell, SIGSTOP); /* it sees nothing of what happens */
    kill(pid, SIGKILL);
    end_shell(t);
    close(t->master);
    t->master = -1;
    nothing_left(t);
}

/* The window is closed: SIGHUP, also without --ephemeral. What is stored stays, nothing runs. */
static void test_closed(void **state) {
    struct terminal *t = *state;
    char ours[192];
    start(t, "");
    assert_true(answers(t));
    close(t->master);
    t->master = -1;
    WAIT(place_processes(&t->p, "") == 0 && !answers(t), MS);
    waitpid(t->shell, NULL, 0);
    t->shell = 0;
    assert_int_equal(entries(t->tmp), 0);
    snprintf(ours, sizeof(ours), "%s/trellis/default", t->p.state);
    assert_true(entries(ours) > 0);
}

/* A line of the log takes the picture off, and the picture comes back below it. */
static void test_log_and_picture(void **state) {
    struct terminal *t = *state;
    start_program(t, "nothing", "--ephemeral");
    WAIT(shows(t, "(try 1, next"), MS);
    WAIT(shows(t, "A\033[J20"), MS); /* then comes a line that begins with its year */
    const char *line = strstr(t->seen, "A\033[J20");
    WAIT(shows(t, "(try 2, next"), MS);
    assert_non_null(strstr(line, "cannot run "));
    assert_non_null(strstr(line, "\nhello@"));
    assert_int_equal(write(t->master, "\003", 1), 1);
    WAIT(shows(t, "ended with "), MS);
    end_shell(t);
    nothing_left(t);
}

static void refused(const char *option, const char *value, const char *text) {
    const char *const argv[] = {TRELLIS_BINARY, "up", "--ephemeral", option, value, NULL};
    char *said = NULL;
    assert_int_equal(proc_run(argv, MS, &said), 2);
    assert_non_null(strstr(said, text));
    free(said);
}

static void test_contradictions(void **state) {
    (void)state;
    refused("--keep", NULL, "--ephemeral and --keep: it keeps nothing");
    refused("--data", "/tmp", "--ephemeral and --data: it keeps nothing");
    refused("--config", "x.yaml", "--ephemeral and --config: it keeps nothing");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_screen, terminal_setup, terminal_teardown),
        cmocka_unit_test_setup_teardown(test_killed_with_its_terminal, terminal_setup,
                                        terminal_teardown),
        cmocka_unit_test_setup_teardown(test_closed, terminal_setup, terminal_teardown),
        cmocka_unit_test_setup_teardown(test_log_and_picture, terminal_setup, terminal_teardown),
        cmocka_unit_test_setup_teardown(test_contradictions, terminal_setup, terminal_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
