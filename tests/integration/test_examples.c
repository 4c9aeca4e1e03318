/* SPDX-License-Identifier: Apache-2.0
 *
 * The examples of docs/examples as people use them: `trellis up FILE`, nothing configured. What is
 * deployed is asked over HTTP, updated under load without a failed request, killed, rolled back and
 * taken away without a trace.
 */
#include "../unit/cmocka_all.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../plugin/driver-process/place.h"
#include "asker.h"
#include "proc.h"

#define MS 60000

struct example {
    const char *file, *app, *port; /* the port as it stands in the file */
    const char *answer;            /* in what it answers first */
    const char *word, *other;      /* a configured text, and what it is changed to */
    const char *complete;          /* in the status, when everything runs */
    int processes;
};

static const struct example hello = {
    "hello.yaml",         "hello",        "8080", "Hello from Trellis (version 1)",
    "Hello from Trellis", "Good evening", "2/2",  2};
static const struct example store = {
    "web-store.yaml", "web-store", "8081", "Welcome to the shop (version 1)\napples: 1.20\n",
    "1.20",           "1.45",      "2/2",  3};
static const struct example each_host = {"daemon.yaml", "daemon",    "8082", "machine ",
                                         "machine ",    "computer ", "1/1",  1};

struct yard {
    struct place
        p; /* .dir has everything, also links to the programs: they are told by their names */
    struct proc up;
    struct asker asker;
    char address[32], socket[128];
};

static void use_programs(struct yard *y, const char *name, const char *of) {
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", y->p.dir, name);
    assert_int_equal(symlink(of, path), 0);
}

static int yard_setup(void **state) {
    struct yard *y = calloc(1, sizeof(*y));
    char path[160];
    place_make(&y->p);
    snprintf(path, sizeof(path), "%s/run", y->p.dir);
    mkdir(path, 0700);
    setenv("XDG_RUNTIME_DIR", path, 1);
    setenv("XDG_STATE_HOME", y->p.state, 1);
    setenv("TRELLIS_PLUGIN_PATH", TRELLIS_PLUGIN_DIR, 1);
    unsetenv("TRELLIS_SOCKET");
    snprintf(y->address, sizeof(y->address), "127.0.0.1:%d", free_port());
    snprintf(y->socket, sizeof(y->socket), "%s/run/trellis/default.sock", y->p.dir);
    use_programs(y, "programs", EXAMPLES_1);
    use_programs(y, "programs2", EXAMPLES_2);
    *state = y;
    return 0;
}

static int yard_teardown(void **state) {
    struct yard *y = *state;
    asker_stop(&y->asker);
    proc_end(&y->up, SIGKILL);
    if (place_processes(&y->p, "")) { /* a test that failed */
        place_end_keepers(&y->p);
    }
    place_remove(&y->p);
    free(y);
    return 0;
}

/* Owned. */
static char *replaced(char *text, const char *from, const char *to) {
    size_t cap = strlen(text) * 2 + 1024, n = 0;
    char *out = malloc(cap);
    assert_non_null(out);
    assert_non_null(strstr(text, from));
    for (const char *at = text, *hit; at; at = hit ? hit + strlen(from) : NULL) {
        hit = strstr(at, from);
        n += (size_t)snprintf(out + n, cap - n, "%.*s%s", hit ? (int)(hit - at) : (int)strlen(at),
                              at, hit ? to : "");
        assert_true(n < cap);
    }
    free(text);
    return out;
}

/* The example as file `name` of the yard, on a port of the test's own; with pairs of texts
 * replaced. */
static void copy_example(struct yard *y, const struct example *e, const char *name, ...) {
    char path[256], port[64];
    char *text = calloc(1, 16384);
    va_list ap;
    snprintf(path, sizeof(path), "%s/docs/examples/%s", TRELLIS_SOURCE_DIR, e->file);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_true(fread(text, 1, 16383, f) > 0);
    fclose(f);
    snprintf(port, sizeof(port), "listen: 127.0.0.1:%s", e->port);
    snprintf(path, sizeof(path), "listen: %s", y->address);
    text = replaced(text, port, path);
    va_start(ap, name);
    for (const char *from; (from = va_arg(ap, const char *));) {
        text = replaced(text, from, va_arg(ap, const char *));
    }
    va_end(ap);
    assert_true(place_write(&y->p, name, text, 0600));
    free(text);
}

static void trellis(int status, const char *a, const char *b, const char *c) {
    const char *const argv[] = {TRELLIS_BINARY, "app", a, b, c, NULL};
    char *text = NULL;
    int rc = proc_run(argv, MS, &text);
    if (rc != status) {
        fail_msg("app %s %s: %d\n%s", a, b, rc, text ? text : "");
    }
    free(text);
}

static void apply(struct yard *y, const char *name) {
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", y->p.dir, name);
    trellis(0, "apply", path, "--wait");
}

/* The key of the example's stock, as its first lines say. */
static void put_key(const struct yard *y) {
    char path[160];
    assert_true(place_write(&y->p, "key", "a-key-of-this-test", 0600));
    snprintf(path, sizeof(path), "%s/key", y->p.dir);
    const char *const argv[] = {TRELLIS_BINARY,  "secret", "put", "local",
                                "web-store/key", "-f",     path,  NULL};
    char *text = NULL;
    int rc = proc_run(argv, MS, &text);
    if (rc != 0) {
        fail_msg("secret put: %d\n%s", rc, text);
    }
    free(text);
}

static bool runs(struct yard *y, const struct example *e) {
    const char *const argv[] = {TRELLIS_BINARY, "app", "status", e->app, NULL};
    char *text = NULL;
    bool yes = proc_run(argv, MS, &text) == 0 && strstr(text, e->complete) &&
               place_processes(&y->p, "/programs") == e->processes;
    free(text);
    return yes;
}

static void up(struct yard *y, const char *name, const char *option) {
    char path[160], url[64];
    snprintf(path, sizeof(path), "%s/%s", y->p.dir, name);
    snprintf(url, sizeof(url), "http://%s/", y->address);
    const char *const argv[] = {TRELLIS_BINARY, "up", path, option, NULL};
    proc_start(&y->up, argv);
    assert_true(proc_wait(&y->up, "Deployed.", 1, MS));
    assert_true(proc_wait(&y->up, url, 1, MS)); /* it says where to look */
}

static bool answers(struct yard *y, const char *text) {
    char body[1024];
    bool yes = http_ask(y->address, "/", body, sizeof(body)) && strstr(body, text);
    if (!yes) {
        print_message("%s\n", body);
    }
    return yes;
}

/* Every process in turn: whoever answers is killed, and comes back. */
static void kill_all(struct yard *y, const struct example *e) {
    for (int i = 0; i < 2; i++) {
        char body[64];
        assert_true(http_ask(y->address, "/pid", body, sizeof(body)));
        int pid = (int)strtol(body, NULL, 10);
        assert_true(pid > 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
        WAIT(kill(pid, 0) != 0 && runs(y, e) && answers(y, e->answer), MS);
    }
}

static bool exists(const struct yard *y, const char *format) {
    char path[192];
    snprintf(path, sizeof(path), "%s/%s", y->p.dir, format);
    return access(path, F_OK) == 0;
}

static void private_to_the_user(const struct yard *y) {
    struct stat st;
    char login[160];
    snprintf(login, sizeof(login), "%s.login", y->socket);
    assert_int_equal(stat(y->socket, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(login, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void nothing_left(struct yard *y, const struct example *e) {
    char body[64];
    trellis(0, "undeploy", e->app, "--wait");
    WAIT(place_processes(&y->p, "/programs") == 0 && place_processes(&y->p, "trellis-keeper") == 0,
         MS);
    WAIT(!http_ask(y->address, "/", body, sizeof(body)) && strcmp(body, "cannot connect") == 0, MS);
    assert_int_equal(proc_end(&y->up, SIGINT), 0);
    WAIT(place_processes(&y->p, "") == 0, MS);
    assert_false(exists(y, "run/trellis/default.sock"));
    assert_false(exists(y, "run/trellis/default.sock.login"));
}

static void none_failed(struct yard *y) {
    asker_stop(&y->asker);
    if (atomic_load(&y->asker.bad)) {
        fail_msg("%u of %u requests failed, first: %s", atomic_load(&y->asker.bad),
                 atomic_load(&y->asker.good) + atomic_load(&y->asker.bad), y->asker.first_bad);
    }
    assert_true(atomic_load(&y->asker.good) > 0);
    print_message("%u requests over %u connections at a time, 0 failed\n",
                  atomic_load(&y->asker.good), ASKER_THREADS);
}

static void life_of(struct yard *y, const struct example *e) {
    copy_example(y, e, "1.yaml", NULL);
    copy_example(y, e, "2.yaml", "/programs/", "/programs2/", NULL);
    copy_example(y, e, "3.yaml", "/programs/", "/programs2/", e->word, e->other, NULL);
    up(y, "1.yaml", NULL);
    assert_true(answers(y, e->answer));
    private_to_the_user(y);
    asker_start(&y->asker, y->address);
    WAIT(asker_says(&y->asker, e->answer), MS);
    apply(y, "2.yaml"); /* image */
    WAIT(asker_says(&y->asker, "(version 2)") && asker_says(&y->asker, e->word), MS);
    apply(y, "3.yaml"); /* configuration */
    WAIT(asker_says(&y->asker, e->other), MS);
    trellis(0, "rollback", e->app, "--wait");
    WAIT(asker_says(&y->asker, e->word) && asker_says(&y->asker, "(version 2)"), MS);
    apply(y, "1.yaml");
    WAIT(asker_says(&y->asker, e->answer) && runs(y, e), MS);
    none_failed(y);
    kill_all(y, e);
    nothing_left(y, e);
}

static void test_hello(void **state) {
    life_of(*state, &hello);
}

static void test_web_store(void **state) {
    put_key(*state);
    life_of(*state, &store);
}

static void test_daemon(void **state) {
    life_of(*state, &each_host);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hello, yard_setup, yard_teardown),
        cmocka_unit_test_setup_teardown(test_web_store, yard_setup, yard_teardown),
        cmocka_unit_test_setup_teardown(test_daemon, yard_setup, yard_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
