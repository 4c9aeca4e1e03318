/* SPDX-License-Identifier: Apache-2.0
 *
 * Real processes of this machine: `trellis up` from its start, deploys, an update under load, and
 * the adoption after a SIGKILL. They run the example program hello, in two versions.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../integration/asker.h"
#include "base/mem.h"
#include "bench.h"
#include "plug/loop.h"

#define UP_RUNS     10u
#define DEPLOY_RUNS 20u
#define VARIANT     "processes"

static void *arg(const char *text) {
    return (void *)(uintptr_t)text;
}

static double ms_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

struct yard {
    char dir[64], fifo[96], manifest[96], address[32];
    int out; /* what `trellis up` writes */
    struct child up;
};

static void manifest(struct buf *y, const char *app, const char *programs, const char *listen,
                     const char *health) {
    buf_addf(y,
             "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: %s\n"
             "  annotations: {description: bench}\nspec:\n  components:\n    - name: web\n"
             "      type: component\n      properties:\n        image: file://%s/hello\n"
             "      traits:\n        - {type: spreadscaler, properties: {instances: 2}}\n"
             "        - type: process\n          properties: {listen: \"%s\"%s}\n",
             app, programs, listen, health);
}

static void yard_open(struct yard *y) {
    struct buf text = BUF_INIT;
    memset(y, 0, sizeof(*y));
    make_dir(y->dir, sizeof(y->dir));
    snprintf(y->fifo, sizeof(y->fifo), "%s/out", y->dir);
    snprintf(y->manifest, sizeof(y->manifest), "%s/hello.yaml", y->dir);
    snprintf(y->address, sizeof(y->address), "127.0.0.1:%d", free_port());
    manifest(&text, "hello", EXAMPLES_1, y->address, ", health: {http: /healthz}");
    write_file(y->manifest, text.ptr);
    buf_finish(&text);
    if (mkfifo(y->fifo, 0600) < 0 || (y->out = open(y->fifo, O_RDWR | O_CLOEXEC)) < 0) {
        die("no pipe %s: %m", y->fifo);
    }
    setenv("TRELLIS_PLUGIN_PATH", TRELLIS_PLUGIN_DIR, 1);
    setenv("XDG_STATE_HOME", y->dir, 1);
    setenv("XDG_RUNTIME_DIR", y->dir, 1);
}

static void yard_close(struct yard *y) {
    close(y->out);
    remove_tree(y->dir);
}

/* Milliseconds from the start until it writes the text. */
static double up_until(struct yard *y, const char *text, const char *http, const char *keep,
                       bool deploy) {
    char seen[8192];
    size_t n = 0;
    char *argv[] = {arg(TRELLIS_BINARY),
                    arg("up"),
                    arg("--processes"),
                    arg("--http"),
                    arg(http),
                    arg(keep ? keep : "--processes"),
                    deploy ? y->manifest : NULL,
                    NULL};
    double t0 = ms_now();
    child_run(&y->up, y->fifo, argv);
    seen[0] = '\0';
    while (!strstr(seen, text)) {
        struct pollfd p = {y->out, POLLIN, 0};
        ssize_t k = poll(&p, 1, 60000) > 0 ? read(y->out, seen + n, sizeof(seen) - 1 - n) : 0;
        if (k <= 0 || n + (size_t)k >= sizeof(seen) - 1) {
            die("trellis up does not say \"%s\": %s", text, seen);
        }
        n += (size_t)k;
        seen[n] = '\0';
    }
    return ms_now() - t0;
}

static void start_up(struct yard *y) {
    static const char *const http[] = {"off", "127.0.0.1:0"};
    static const char *const names[2][3] = {
        {"trellis up: serving", "trellis up: idle", "trellis up: idle, own pages"},
        {"trellis up with HTTP: serving", "trellis up with HTTP: idle",
         "trellis up with HTTP: idle, own pages"}};
    for (int i = 0; i < 2; i++) {
        struct series s = {0};
        for (uint32_t run = 0; run < UP_RUNS; run++) {
            series_add(&s, up_until(y, "Running.", http[i], NULL, false));
            if (run == UP_RUNS - 1) {
                sleep(1);
                report("memory", VARIANT, names[i][1],
                       (double)child_rss_kb(y->up.pid, "VmRSS:") / 1024, "MB", i ? "-" : "<= 5 MB",
                       "VmRSS after 1 s without an application");
                report("memory", VARIANT, names[i][2],
                       (double)child_rss_kb(y->up.pid, "RssAnon:") / 1024, "MB", "-",
                       "RssAnon of the same");
            }
            child_stop(&y->up);
        }
        report_series("up", VARIANT, names[i][0], &s, "-",
                      "from the start of the program to the API being served, 10 runs");
    }
}

/* Pids of the two processes, the smaller one first. */
static void pids_of(const struct yard *y, long pids[2]) {
    char body[64];
    pids[0] = pids[1] = 0;
    for (int i = 0; i < 20000 && (!pids[0] || !pids[1]); i++) {
        long pid = http_ask(y->address, "/pid", body, sizeof(body)) ? strtol(body, NULL, 10) : 0;
        if (pid && pid != pids[0]) {
            pids[pids[0] ? 1 : 0] = pid;
        }
    }
    if (pids[0] > pids[1]) {
        long x = pids[0];
        pids[0] = pids[1];
        pids[1] = x;
    }
}

static void adoption(struct yard *y) {
    struct series s = {0};
    long before[2], after[2];
    report("up", VARIANT, "trellis up FILE: deployed",
           up_until(y, "Deployed.", "off", "--keep", true), "ms", "-",
           "from an empty directory until 2 processes of hello are healthy");
    pids_of(y, before);
    for (uint32_t run = 0; run < UP_RUNS; run++) {
        kill(y->up.pid, SIGKILL);
        waitpid(y->up.pid, NULL, 0);
        series_add(&s, up_until(y, "Deployed.", "off", "--keep", true));
    }
    pids_of(y, after);
    report_series("adopt", VARIANT, "after SIGKILL: deployed again", &s, "-",
                  "trellis up FILE once more, until it says Deployed, 10 runs");
    report("adopt", VARIANT, "processes that were restarted",
           (double)((before[0] != after[0]) + (before[1] != after[1])), "", "0",
           "of 2, after 10 SIGKILLs");
    child_stop(&y->up);
    up_until(y, "Deployed.", "off", NULL, true); /* without --keep: they end with it */
    child_stop(&y->up);
}

/* Deploys, in this process */

static struct bed *process_bed(const struct yard *y) {
    struct bed *b = bed_create(false, 1, 30 * SECOND, false);
    struct buf json = BUF_INIT;
    bed_plane_stop(b);
    buf_addf(&json, "{\"state_dir\":\"%s/bed\",\"on_stop\":\"stop\"}", y->dir);
    b->config.drivers[0] =
        (struct plugin_choice){STR("process"), arena_str(&b->config.arena, buf_str(&json)), NULL};
    buf_finish(&json);
    bed_plane_start(b);
    return b;
}

static bool flag_set(void *flag) {
    return *(bool *)flag;
}

static void put(struct bed *b, const struct yard *y, uint32_t app, const char *programs,
                const char *listen, const char *health) {
    struct buf text = BUF_INIT, path = BUF_INIT;
    char name[32];
    snprintf(name, sizeof(name), "app-%u", app);
    buf_addf(&path, "unix:%s/%u.sock", y->dir, app);
    manifest(&text, name, programs, listen ? listen : path.ptr, health);
    bed_request(b, "put", app, text.ptr);
    bed_wait_replies(b);
    buf_finish(&path);
    buf_finish(&text);
}

static double deploy(struct bed *b, uint32_t app) {
    int64_t t0 = loop_now_ns(b->loop);
    bed_request(b, "deploy", app, "{}");
    if (!bed_until(b, flag_set, &b->deployed[app], 60 * SECOND)) {
        die("app-%u is not deployed after 60 s", app);
    }
    double ms = (double)(loop_now_ns(b->loop) - t0) / 1e6;
    bed_wait_replies(b);
    return ms;
}

static void take_away(struct bed *b, uint32_t app) {
    bed_request(b, "undeploy", app, "{}");
    if (!bed_until(b, flag_set, &b->gone[app], 60 * SECOND)) {
        die("app-%u is not undeployed after 60 s", app);
    }
    bed_request(b, "del", app, "{}");
    bed_wait_replies(b);
}

static void deploys(struct bed *b, const struct yard *y) {
    static const char *const health[] = {", health: {http: /healthz}", "",
                                         ", health: {alive: true, settle_ms: 0}"};
    static const char *const names[] = {"deploy one app, 2 processes, HTTP health check",
                                        "deploy one app, 2 processes, no health check",
                                        "deploy one app, 2 processes, not even a settling time"};
    static const char *const how[] = {
        "deploy request to status deployed: until both have answered /healthz",
        "the same, until both have run for 200 ms", "the same, until both have been started"};
    for (uint32_t kind = 0; kind < 3; kind++) {
        struct series s = {0};
        for (uint32_t i = 0; i < DEPLOY_RUNS; i++) {
            uint32_t app = kind * 100 + i;
            put(b, y, app, EXAMPLES_1, NULL, health[kind]);
            series_add(&s, deploy(b, app));
            take_away(b, app);
        }
        report_series("W1", VARIANT, names[kind], &s, "-", how[kind]);
    }
}

static bool second_version(void *asker) {
    return asker_says(asker, "(version 2)");
}

static void update_gap(struct bed *b, const struct yard *y) {
    static struct asker a;
    const uint32_t app = 900;
    put(b, y, app, EXAMPLES_1, y->address, ", health: {http: /healthz}");
    deploy(b, app);
    asker_start(&a, y->address);
    bed_run(b, SECOND / 2);
    put(b, y, app, EXAMPLES_2, y->address, ", health: {http: /healthz}");
    b->deployed[app] = false;
    double ms = deploy(b, app);
    if (!bed_until(b, second_version, &a, 60 * SECOND)) {
        die("the second version does not answer");
    }
    bed_run(b, SECOND / 2);
    asker_stop(&a);
    report("update", VARIANT, "new image of 2 processes", ms, "ms", "-",
           "deploy request to status deployed, while 4 clients ask all the time");
    report("update", VARIANT, "longest time between two answers", (double)a.gap_ns / 1e6, "ms", "-",
           "to any of the 4 clients, half a second before to half a second after it");
    report("update", VARIANT, "requests answered", atomic_load(&a.good), "", "-", "in that time");
    report("update", VARIANT, "requests failed", atomic_load(&a.bad), "", "0", "in that time");
    take_away(b, app);
}

void bench_processes(bool nats) {
    struct yard y;
    if (nats) {
        return;
    }
    yard_open(&y);
    start_up(&y);
    adoption(&y);
    struct bed *b = process_bed(&y);
    deploys(b, &y);
    update_gap(b, &y);
    if (b->n_bad) {
        die("%u requests failed", b->n_bad);
    }
    bed_destroy(b);
    yard_close(&y);
}
