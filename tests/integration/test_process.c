/* SPDX-License-Identifier: Apache-2.0
 *
 * Real processes deployed by a real `trellis serve` without a broker, and asked over HTTP the whole
 * time: updates, failures, kills of everybody in turn.
 */
#include "../unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../plugin/driver-process/place.h"
#include "proc.h"

#define MS 30000

struct plant {
    struct place p;
    struct proc serve;
    char config[128], socket[128], web[96]; /* paths; web: where the app listens */
    pthread_t client;
    bool asking;
    atomic_bool stop;
    atomic_uint good, bad;
    char first_bad[512];
    pthread_mutex_t lock;
    char last[512]; /* body of the last answer */
};

static int plant_setup(void **state) {
    struct plant *x = calloc(1, sizeof(*x));
    place_make(&x->p);
    snprintf(x->config, sizeof(x->config), "%s/trellis.yaml", x->p.dir);
    snprintf(x->socket, sizeof(x->socket), "%s/api.sock", x->p.dir);
    snprintf(x->web, sizeof(x->web), "%s/web.sock", x->p.dir);
    pthread_mutex_init(&x->lock, NULL);
    *state = x;
    return 0;
}

/* One request; body of a 200, or what went wrong. */
static bool ask(const char *sock, const char *path, char *body, size_t cap) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char text[1024], *at;
    size_t n = 0;
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", sock);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(body, cap, "cannot connect");
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
    int k = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    ok = ok && send(fd, text, (size_t)k, MSG_NOSIGNAL) == k;
    for (ssize_t got; ok && (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0;) {
        n += (size_t)got;
    }
    text[n] = '\0';
    if (ok) {
        at = strstr(text, "\r\n\r\n");
        ok = at && strncmp(text, "HTTP/1.1 200", 12) == 0;
        snprintf(body, cap, "%s", ok ? at + 4 : n ? text : "no answer");
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static void *client(void *arg) {
    struct plant *x = arg;
    char body[512];
    while (!atomic_load(&x->stop)) {
        bool ok = ask(x->web, "/", body, sizeof(body));
        pthread_mutex_lock(&x->lock);
        if (ok) {
            snprintf(x->last, sizeof(x->last), "%s", body);
            atomic_fetch_add(&x->good, 1);
        } else if (atomic_fetch_add(&x->bad, 1) == 0) {
            snprintf(x->first_bad, sizeof(x->first_bad), "%s", body);
        }
        pthread_mutex_unlock(&x->lock);
        poll(NULL, 0, 1);
    }
    return NULL;
}

static void ask_on(struct plant *x) {
    atomic_store(&x->stop, false);
    assert_int_equal(pthread_create(&x->client, NULL, client, x), 0);
    x->asking = true;
}

static void ask_no_more(struct plant *x) {
    if (x->asking) {
        atomic_store(&x->stop, true);
        pthread_join(x->client, NULL);
        x->asking = false;
    }
}

static bool says(struct plant *x, const char *text) {
    pthread_mutex_lock(&x->lock);
    bool hit = strstr(x->last, text) != NULL;
    pthread_mutex_unlock(&x->lock);
    return hit;
}

static void none_failed(struct plant *x) {
    ask_no_more(x);
    if (atomic_load(&x->bad)) {
        fail_msg("%u of %u requests failed, first: %s", atomic_load(&x->bad),
                 atomic_load(&x->good) + atomic_load(&x->bad), x->first_bad);
    }
    assert_true(atomic_load(&x->good) > 0);
    print_message("%u requests, 0 failed\n", atomic_load(&x->good));
}

static int plant_teardown(void **state) {
    struct plant *x = *state;
    ask_no_more(x);
    proc_end(&x->serve, SIGKILL);
    int left = place_processes(&x->p, "");
    if (left) { /* a test that failed */
        place_end_keepers(&x->p);
    }
    place_remove(&x->p);
    pthread_mutex_destroy(&x->lock);
    free(x);
    return 0;
}

/* driver: further lines of its configuration. */
static void serve(struct plant *x, const char *driver) {
    const char *const argv[] = {TRELLIS_BINARY,     "serve", "-c", x->config, "--plugin-dir",
                                TRELLIS_PLUGIN_DIR, NULL};
    char text[2048];
    snprintf(text, sizeof(text),
             "lattices: [default]\nsocket: %s\ntransport: { plugin: inproc }\n"
             "store: { plugin: file, dir: %s/store }\ndrivers:\n  - plugin: process\n"
             "    state_dir: %s\n    stop_timeout_ms: 5000\n%s",
             x->socket, x->p.dir, x->p.state, driver);
    assert_true(place_write(&x->p, "trellis.yaml", text, 0600));
    proc_start(&x->serve, argv);
    assert_true(proc_wait(&x->serve, "this instance acts", 1, MS));
}

/* Runs the CLI; the text is owned. */
static int trellis(struct plant *x, char **text, const char *a, const char *b, const char *c,
                   const char *d) {
    const char *const argv[] = {TRELLIS_BINARY, "--socket", x->socket, a, b, c, d, NULL};
    return proc_run(argv, MS, text);
}

static void must(struct plant *x, int status, const char *a, const char *b, const char *c,
                 const char *d) {
    char *text = NULL;
    int rc = trellis(x, &text, a, b, c, d);
    if (rc != status) {
        fail_msg("%s %s %s: %d\n%s", a, b, c, rc, text ? text : "");
    }
    free(text);
}

static bool status_has(struct plant *x, const char *app, const char *part) {
    char *text = NULL;
    trellis(x, &text, "app", "status", app, NULL);
    bool hit = text && strstr(text, part);
    free(text);
    return hit;
}

static void web_app(struct plant *x, const char *file, const char *program, const char *greeting,
                    int instances, const char *more) {
    char text[4096];
    snprintf(text, sizeof(text),
             "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: hello\n"
             "  annotations: { description: a web server }\nspec:\n  components:\n"
             "    - name: web\n      type: component\n      properties:\n"
             "        image: file://%s\n        config:\n          - name: words\n"
             "            properties: { greeting: \"%s\" }\n      traits:\n"
             "        - type: spreadscaler\n          properties: { instances: %d }\n"
             "        - type: process\n          properties:\n            listen: \"unix:%s\"\n"
             "            health: { http: /healthz, interval_ms: 100 }\n%s",
             program, greeting, instances, x->web, more);
    assert_true(place_write(&x->p, file, text, 0600));
}

static void apply(struct plant *x, const char *file) {
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", x->p.dir, file);
    must(x, 0, "app", "apply", path, "--wait");
}

static void nothing_left(struct plant *x) {
    must(x, 0, "app", "undeploy", "hello", "--wait");
    assert_int_equal(proc_end(&x->serve, SIGTERM), 0);
    WAIT(place_processes(&x->p, "") == 0, MS);
    assert_int_equal(place_runs(&x->p), 0);
}

static void test_updates(void **state) {
    struct plant *x = *state;
    serve(x, "");
    web_app(x, "1.yaml", EXAMPLE_WEB_1, "Good morning", 2, "");
    web_app(x, "2.yaml", EXAMPLE_WEB_2, "Good morning", 2, "");
    web_app(x, "3.yaml", EXAMPLE_WEB_2, "Good evening", 2, "");
    web_app(x, "4.yaml", "/nonexistent/web", "Good night", 2, "");
    web_app(x, "5.yaml", EXAMPLE_WEB_2, "Good evening", 3, "            args: [ignored]\n");
    apply(x, "1.yaml");
    ask_on(x);
    WAIT(says(x, "Good morning (version 1)"), MS);
    apply(x, "2.yaml"); /* image */
    WAIT(says(x, "Good morning (version 2)"), MS);
    apply(x, "3.yaml"); /* config */
    WAIT(says(x, "Good evening (version 2)"), MS);
    char path[160];
    snprintf(path, sizeof(path), "%s/4.yaml", x->p.dir);
    must(x, 0, "app", "apply", path, NULL); /* cannot run */
    WAIT(status_has(x, "hello", "No such file or directory"), MS);
    assert_true(says(x, "(version 2)"));
    must(x, 0, "app", "rollback", "hello", "--wait");
    WAIT(says(x, "Good evening (version 2)"), MS);
    apply(x, "5.yaml"); /* settings and count */
    WAIT(status_has(x, "hello", "3/3"), MS);
    none_failed(x);
    nothing_left(x);
}

static int pid_of(struct plant *x) {
    char body[64];
    return ask(x->web, "/pid", body, sizeof(body)) ? (int)strtol(body, NULL, 10) : 0;
}

static bool shows(struct plant *x, const char *what, const char *part) {
    char *text = NULL;
    trellis(x, &text, "app", what, "hello", NULL);
    bool hit = text && strstr(text, part);
    free(text);
    return hit;
}

/* A new version that starts, and never becomes well: what ran serves on, and the status says why.
 */
static void test_sick(void **state) {
    struct plant *x = *state;
    char path[160];
    serve(x, "");
    web_app(x, "1.yaml", EXAMPLE_WEB_1, "Hello", 2, "");
    web_app(x, "2.yaml", EXAMPLE_WEB_1, "Hello", 2,
            "            limits: { nofile: 3 }\n"); /* too few to accept anything */
    apply(x, "1.yaml");
    WAIT(shows(x, "logs", "web 1: serving 2 sockets"), MS);
    assert_true(shows(x, "top", "ready"));
    ask_on(x);
    snprintf(path, sizeof(path), "%s/2.yaml", x->p.dir);
    must(x, 0, "app", "apply", path, NULL);
    WAIT(shows(x, "status", "Unhealthy component on 1 host(s): ended with status"), MS);
    must(x, 0, "app", "rollback", "hello", "--wait");
    assert_true(status_has(x, "hello", "2/2"));
    none_failed(x);
    nothing_left(x);
}

/* What never ran is told to end, too: it would come up when its program is there at last. */
static void test_never_ran(void **state) {
    struct plant *x = *state;
    char path[160];
    serve(x, "");
    web_app(x, "1.yaml", "/nonexistent/web", "Hello", 2, "");
    snprintf(path, sizeof(path), "%s/1.yaml", x->p.dir);
    must(x, 0, "app", "apply", path, NULL);
    WAIT(status_has(x, "hello", "No such file or directory"), MS);
    must(x, 0, "app", "undeploy", "hello", "--wait");
    assert_true(shows(x, "events", "done (its application was undeployed)"));
    assert_int_equal(proc_end(&x->serve, SIGTERM), 0);
    WAIT(place_processes(&x->p, "") == 0, MS);
    assert_int_equal(place_runs(&x->p), 0);
}

static void test_kills(void **state) {
    struct plant *x = *state;
    serve(x, "");
    web_app(x, "1.yaml", EXAMPLE_WEB_1, "Hello", 2, "");
    apply(x, "1.yaml");
    int pid = pid_of(x);
    assert_true(pid > 1);
    kill(pid, SIGKILL); /* the process */
    WAIT(status_has(x, "hello", "deployed") && place_processes(&x->p, "trellis-keeper") == 2 &&
             status_has(x, "hello", "2/2") && kill(pid, 0) != 0,
         MS);
    place_end_keepers(&x->p); /* all keepers, and with them their processes */
    WAIT(pid_of(x) > 1 && status_has(x, "hello", "2/2"), MS);
    nothing_left(x);
}

static void pids_of(struct plant *x, char *to, size_t cap) {
    int pids[2] = {0, 0};
    for (int i = 0; i < 5000 && (!pids[0] || !pids[1]); i++) { /* either of the two answers */
        int pid = pid_of(x);
        if (!pids[0]) {
            pids[0] = pid;
        } else if (pid != pids[0]) {
            pids[1] = pid;
        }
    }
    snprintf(to, cap, "%d %d", pids[0] < pids[1] ? pids[0] : pids[1],
             pids[0] < pids[1] ? pids[1] : pids[0]);
}

static void test_adoption(void **state) {
    struct plant *x = *state;
    char before[64], after[64];
    serve(x, "");
    web_app(x, "1.yaml", EXAMPLE_WEB_1, "Hello", 2, "");
    apply(x, "1.yaml");
    pids_of(x, before, sizeof(before));
    ask_on(x);
    for (int round = 0; round < 2; round++) {
        proc_end(&x->serve, round == 0 ? SIGKILL : SIGTERM); /* on_stop is keep */
        serve(x, "");
        assert_true(proc_wait(&x->serve, "adopted 2 running processes", 1, MS));
        WAIT(status_has(x, "hello", "2/2"), MS);
    }
    none_failed(x);
    pids_of(x, after, sizeof(after));
    assert_string_equal(before, after);
    web_app(x, "2.yaml", EXAMPLE_WEB_2, "Hello", 2, ""); /* adopted ones are updated like others */
    atomic_store(&x->good, 0);
    ask_on(x);
    apply(x, "2.yaml");
    WAIT(says(x, "(version 2)"), MS);
    none_failed(x);
    nothing_left(x);
}

/* kill -9 of Trellis itself, again and again, in the middle of updates. */
static void test_killed_rolls(void **state) {
    struct plant *x = *state;
    serve(x, "");
    web_app(x, "1.yaml", EXAMPLE_WEB_1, "Hello", 2, "");
    web_app(x, "2.yaml", EXAMPLE_WEB_2, "Hello", 2, "");
    apply(x, "1.yaml");
    ask_on(x);
    for (int round = 0; round < 4; round++) {
        const char *version = round % 2 ? "(version 1)" : "(version 2)";
        char path[160];
        snprintf(path, sizeof(path), "%s/%s", x->p.dir, round % 2 ? "1.yaml" : "2.yaml");
        must(x, 0, "app", "apply", path, NULL);
        if (round >= 2) {
            WAIT(says(x, version), MS); /* the first new one serves */
        }
        proc_end(&x->serve, SIGKILL);
        serve(x, "");
        WAIT(status_has(x, "hello", "deployed") && place_processes(&x->p, "trellis-keeper") == 2 &&
                 says(x, version),
             MS);
    }
    none_failed(x);
    nothing_left(x);
}

/* What a killed Trellis was about to start holds its socket until it runs. */
static void test_held_socket(void **state) {
    struct plant *x = *state;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", x->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0);
    pid_t holder = fork();
    if (holder == 0) { /* until somebody asks whether it is there */
        struct pollfd p = {fd, POLLIN, 0};
        _exit(poll(&p, 1, MS) == 1 ? 0 : 1);
    }
    close(fd);
    serve(x, "");
    int status = -1;
    assert_true(waitpid(holder, &status, 0) == holder && status == 0);
    assert_int_equal(proc_end(&x->serve, SIGTERM), 0);
}

/* What is not ready is not deployed. */
static void test_readiness(void **state) {
    struct plant *x = *state;
    char text[1024], path[160];
    serve(x, "");
    snprintf(text, sizeof(text),
             "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: hello\n  "
             "annotations: {}\nspec:\n"
             "  components:\n    - name: web\n      type: component\n      properties:\n"
             "        image: file://%s\n      traits:\n        - type: spreadscaler\n"
             "          properties: { instances: 1 }\n        - type: process\n"
             "          properties:\n            listen: \"unix:%s\"\n            health: { exec: "
             "[/bin/sh, -c, test -f %s/well], interval_ms: 50, grace_ms: 600000 }\n",
             EXAMPLE_WEB_1, x->web, x->p.dir);
    assert_true(place_write(&x->p, "hello.yaml", text, 0600));
    snprintf(path, sizeof(path), "%s/hello.yaml", x->p.dir);
    must(x, 0, "app", "apply", path, NULL);
    WAIT(pid_of(x) > 1 && shows(x, "top", "starting"), MS); /* it runs, and it serves */
    assert_true(status_has(x, "hello", "0/1"));
    assert_false(status_has(x, "hello", "deployed"));
    assert_true(place_write(&x->p, "well", "", 0600));
    WAIT(status_has(x, "hello", "deployed") && status_has(x, "hello", "1/1"), MS);
    nothing_left(x);
}

/* A tail goes on with processes that come later. */
static void test_tail(void **state) {
    struct plant *x = *state;
    struct proc tail = {.pid = 0};
    const char *const argv[] = {TRELLIS_BINARY, "--socket", x->socket, "app",
                                "logs",         "hello",    "-f",      NULL};
    char *text = NULL;
    serve(x, "");
    web_app(x, "1.yaml", EXAMPLE_WEB_1, "Hello", 1, "");
    web_app(x, "2.yaml", EXAMPLE_WEB_2, "Hello", 1, "");
    apply(x, "1.yaml");
    proc_start(&tail, argv);
    assert_true(proc_wait(&tail, "web 1: serving", 1, MS));
    apply(x, "2.yaml");
    assert_true(proc_wait(&tail, "web 2: serving", 1, MS));
    assert_int_equal(proc_count(&tail, "web 1: serving"), 1);
    proc_end(&tail, SIGINT);
    assert_int_equal(trellis(x, &text, "app", "logs", "hello", "--since=1h"), 0);
    assert_non_null(strstr(text, "web 2: serving"));
    free(text);
    assert_int_equal(trellis(x, &text, "app", "logs", "hello", "--since=soon"), 2);
    assert_non_null(strstr(text, "90s, 10m, 2h"));
    free(text);
    nothing_left(x);
}

static void test_ephemeral(void **state) {
    struct plant *x = *state;
    serve(x, "    unclaimed_ms: 300\n");
    web_app(x, "1.yaml", EXAMPLE_WEB_1, "Hello", 2, "");
    apply(x, "1.yaml");
    assert_true(pid_of(x) > 1);
    proc_end(&x->serve, SIGKILL);
    WAIT(place_processes(&x->p, "") == 0, MS);
    serve(x, "    on_stop: stop\n"); /* it starts them again: they are wanted */
    WAIT(status_has(x, "hello", "2/2"), MS);
    assert_int_equal(proc_end(&x->serve, SIGTERM), 0); /* and takes them along */
    WAIT(place_processes(&x->p, "") == 0, MS);
}

/* Two services and a link: what the web server says comes from the store behind it. */
static void shop(struct plant *x) {
    char text[4096];
    snprintf(
        text, sizeof(text),
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: hello\n"
        "  annotations: { description: a shop }\nspec:\n  components:\n"
        "    - name: web\n      type: component\n      properties:\n"
        "        image: file://./web\n      traits:\n"
        "        - type: spreadscaler\n          properties: { instances: 2 }\n"
        "        - type: process\n          properties: { listen: \"unix:%s\", health: { http: "
        "/healthz } }\n"
        "        - type: link\n          properties: { name: store, namespace: example, package: "
        "shop, interfaces: [store], target: { name: store } }\n"
        "    - name: store\n      type: capability\n      properties:\n"
        "        image: file://./web\n        config:\n          - name: stock\n"
        "            properties: { greeting: twelve apples, ROLE: store }\n      traits:\n"
        "        - type: process\n          properties: { health: { http: /healthz } }\n",
        x->web);
    assert_true(place_write(&x->p, "shop.yaml", text, 0600));
    snprintf(text, sizeof(text), "%s/web", x->p.dir);
    assert_int_equal(symlink(EXAMPLE_WEB_1, text), 0);
}

static void up(struct plant *x, const char *option) {
    char file[160];
    snprintf(file, sizeof(file), "%s/shop.yaml", x->p.dir);
    const char *const argv[] = {TRELLIS_BINARY,     "up",     file,       "--socket",
                                x->socket,          "--data", x->p.state, "--plugin-dir",
                                TRELLIS_PLUGIN_DIR, option,   NULL};
    proc_start(&x->serve, argv);
    assert_true(proc_wait(&x->serve, "Deployed.", 1, MS));
}

static bool shop_is_open(struct plant *x) {
    char body[512];
    return ask(x->web, "/", body, sizeof(body)) && strstr(body, "twelve apples");
}

static void test_up(void **state) {
    struct plant *x = *state;
    shop(x);
    up(x, NULL);
    assert_true(shop_is_open(x));
    assert_int_equal(proc_end(&x->serve, SIGINT), 0);
    WAIT(place_processes(&x->p, "") == 0, MS);
    up(x, "--keep");
    int pid = pid_of(x);
    assert_int_equal(proc_end(&x->serve, SIGINT), 0);
    assert_true(shop_is_open(x)); /* nobody manages it, and it serves */
    up(x, "--keep");              /* takes them over */
    assert_true(shop_is_open(x) && kill(pid, 0) == 0);
    proc_end(&x->serve, SIGKILL);
    assert_true(shop_is_open(x));
    up(x, NULL);
    assert_true(shop_is_open(x) && kill(pid, 0) == 0);
    assert_int_equal(proc_end(&x->serve, SIGINT), 0);
    WAIT(place_processes(&x->p, "") == 0, MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_updates, plant_setup, plant_teardown),
        cmocka_unit_test_setup_teardown(test_sick, plant_setup, plant_teardown),
        cmocka_unit_test_setup_teardown(test_never_ran, plant_setup, plant_teardown),
        cmocka_unit_test_setup_teardown(test_kills, plant_setup, plant_teardown),
        cmocka_unit_test_setup_teardown(test_adoption, plant_setup, plant_teardown),
        cmocka_unit_test_setup_teardown(test_killed_rolls, plant_setup, plant_teardown),
        cmocka_unit_test_setup_teardown(test_held_socket, plant_setup, plant_teardown),
        cmocka_unit_test_setup_teardown(test_readiness, plant_setup, plant_teardown),
        cmocka_unit_test_setup_teardown(test_tail, plant_setup, plant_teardown),
        cmocka_unit_test_setup_teardown(test_ephemeral, plant_setup, plant_teardown),
        cmocka_unit_test_setup_teardown(test_up, plant_setup, plant_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
