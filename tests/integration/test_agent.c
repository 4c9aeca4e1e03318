/* SPDX-License-Identifier: Apache-2.0
 *
 * A fleet: three agents, each a process with a state directory of its own, scheduled by a real
 * `trellis serve` over a real nats-server. What they run is asked over HTTP.
 */
#include "../unit/cmocka_all.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../plugin/driver-process/place.h"
#include "asker.h"
#include "base/mem.h"
#include "site.h"

#define N  3
#define MS 60000

struct fleet {
    struct site s; /* first: it is what the site's setup and teardown know */
    struct place p;
    struct proc agents[N];
    struct asker asker;
    char sock[N][128]; /* where web-a, web-b, web-c listen */
    char roam[128];
};

static int fleet_setup(void **state) {
    struct fleet *f = calloc(1, sizeof(*f));
    place_make(&f->p);
    for (int i = 0; i < N; i++) {
        snprintf(f->sock[i], sizeof(f->sock[i]), "%s/%c.sock", f->p.dir, 'a' + i);
    }
    snprintf(f->roam, sizeof(f->roam), "%s/roam.sock", f->p.dir);
    *state = f;
    return 0;
}

static int fleet_teardown(void **state) {
    struct fleet *f = *state;
    asker_stop(&f->asker);
    for (int i = 0; i < N; i++) {
        proc_end(&f->agents[i], SIGKILL);
    }
    if (place_processes(&f->p, "")) { /* a test that failed */
        place_end_keepers(&f->p);
    }
    place_remove(&f->p);
    site_teardown(state); /* frees */
    return 0;
}

/* Agent i is in zone a, b or c. */
static void agent(struct fleet *f, int i) {
    char dir[128], zone[16];
    const char *const argv[] = {
        TRELLIS_BINARY,     "agent",   "--nats-url", f->s.url,      "--plugin-dir",
        TRELLIS_PLUGIN_DIR, "--label", zone,         "--state-dir", dir,
        "--heartbeat",      "5",       NULL};
    snprintf(dir, sizeof(dir), "%s/agent-%c", f->p.dir, 'a' + i);
    snprintf(zone, sizeof(zone), "zone=%c", 'a' + i);
    proc_start(&f->agents[i], argv);
    assert_true(proc_wait(&f->agents[i], "is in the lattice", 1, MS));
}

static void open_fleet(struct fleet *f) {
    site_open(&f->s, "");
    site_connect(&f->s);
    site_serve(&f->s, 0);
    for (int i = 0; i < N; i++) {
        agent(f, i);
    }
    WAIT(site_hosts(&f->s, NULL) == N, MS);
}

static void web(struct buf *out, const char *name, const char *program, const char *sock,
                const char *label, const char *value, int instances) {
    buf_addf(out,
             "    - name: %s\n      type: component\n      properties:\n"
             "        image: file://%s\n        config:\n          - name: words\n"
             "            properties: { greeting: Hello }\n      traits:\n"
             "        - type: spreadscaler\n          properties:\n"
             "            instances: %d\n            spread:\n"
             "              - { name: one, requirements: { %s: %s } }\n"
             "        - type: process\n          properties:\n            listen: \"unix:%s\"\n"
             "            health: { http: /healthz, interval_ms: 100 }\n",
             name, program, instances, label, value, sock);
}

static void head(struct buf *out, const char *app) {
    buf_clear(out);
    buf_addf(out,
             "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: %s\n"
             "  annotations: { description: a fleet }\nspec:\n  components:\n",
             app);
}

/* Runs the CLI over NATS; fails unless it ends so. */
static void must(struct fleet *f, int status, const char *a, const char *b, const char *c) {
    const char *const argv[] = {
        TRELLIS_BINARY, "--nats-url", f->s.url, "--plugin-dir", TRELLIS_PLUGIN_DIR, a, b, c,
        "--wait",       NULL};
    char *text = NULL;
    int rc = proc_run(argv, MS, &text);
    if (rc != status) {
        fail_msg("%s %s %s: %d\n%s", a, b, c, rc, text ? text : "");
    }
    free(text);
}

static void apply(struct fleet *f, const struct buf *manifest) {
    char path[160];
    assert_true(place_write(&f->p, "app.yaml", manifest->ptr, 0600));
    snprintf(path, sizeof(path), "%s/app.yaml", f->p.dir);
    must(f, 0, "app", "apply", path);
}

static void apply_fleet(struct fleet *f, const char *program) {
    struct buf b = BUF_INIT;
    const char *meter = place_script(&f->p, "meter", "#!/bin/sh\nwhile :; do sleep 1; done\n");
    head(&b, "fleet");
    for (int i = 0; i < N; i++) {
        char name[8], zone[2] = {(char)('a' + i), '\0'};
        snprintf(name, sizeof(name), "web-%s", zone);
        web(&b, name, program, f->sock[i], "zone", zone, 2);
    }
    buf_addf(&b,
             "    - name: meter\n      type: component\n      properties:\n        image: %s\n"
             "      traits:\n        - type: daemonscaler\n"
             "          properties: { instances: 1 }\n",
             meter);
    apply(f, &b);
    buf_finish(&b);
}

static bool says(const char *sock, const char *text) {
    char body[512];
    return http_ask(sock, "/", body, sizeof(body)) && strstr(body, text);
}

/* Which agent runs this unit, by its inventory; -1: none. */
static int holder(struct fleet *f, const char *unit) {
    const struct node *list = site_ask(&f->s, "wasmbus.ctl.v1.default.host.ping", "");
    int found = -1;
    (void)list;
    const struct node *hosts =
        node_get(site_ask(&f->s, "trellis.api.default.host.list", ""), "data");
    VEC(char *) ids = {NULL, 0, 0};
    for (uint32_t i = 0; hosts && i < hosts->n; i++) {
        *VEC_ADD(&ids) = str_dup(node_text(hosts->items[i], "id", STR("")));
    }
    for (uint32_t i = 0; i < ids.n; i++) {
        char subject[160];
        snprintf(subject, sizeof(subject), "wasmbus.ctl.v1.default.host.get.%s", ids.at[i]);
        const struct node *r = node_get(site_ask(&f->s, subject, ""), "response");
        const struct node *c = node_get(r, "components");
        for (uint32_t k = 0; c && k < c->n; k++) {
            str zone = node_text(node_get(r, "labels"), "zone", STR("?"));
            if (str_is(node_text(c->items[k], "id", STR("")), unit)) {
                found = zone.ptr[0] - 'a';
            }
        }
        mem_free(ids.at[i]);
    }
    VEC_FREE(&ids);
    return found;
}

static void updated_under_load(struct fleet *f) {
    asker_start(&f->asker, f->sock[0]);
    WAIT(asker_says(&f->asker, "(version 1)"), MS);
    apply_fleet(f, EXAMPLE_WEB_2);
    WAIT(asker_says(&f->asker, "(version 2)"), MS);
    asker_stop(&f->asker);
    if (atomic_load(&f->asker.bad)) {
        fail_msg("%u of %u requests failed, first: %s", atomic_load(&f->asker.bad),
                 atomic_load(&f->asker.good) + atomic_load(&f->asker.bad), f->asker.first_bad);
    }
    print_message("%u requests, 0 failed\n", atomic_load(&f->asker.good));
    for (int i = 0; i < N; i++) {
        assert_true(says(f->sock[i], "Hello (version 2)"));
    }
}

/* Nobody restarts anything, and nobody is told to. */
static void killed_and_adopted(struct fleet *f) {
    char before[64], after[64];
    int tries = 0;
    site_tap(&f->s);
    proc_end(&f->agents[1], SIGKILL);
    assert_true(http_ask(f->sock[1], "/pid", before, sizeof(before)));
    agent(f, 1);
    assert_true(proc_wait(&f->agents[1], "adopted 3 running processes", 1, MS));
    WAIT(site_is(&f->s, "fleet", "deployed") && site_lattice_settled(&f->s), MS);
    do { /* one of two processes answers */
        assert_true(http_ask(f->sock[1], "/pid", after, sizeof(after)));
    } while (strcmp(before, after) != 0 && tries++ < 1000);
    assert_string_equal(before, after);
    assert_int_equal(atomic_load(&f->s.commands), 0);
}

static void stopped_and_moved(struct fleet *f) {
    struct buf b = BUF_INIT;
    head(&b, "roam");
    web(&b, "any", EXAMPLE_WEB_1, f->roam, "driver", "process", 1);
    apply(f, &b);
    buf_finish(&b);
    assert_true(says(f->roam, "Hello (version 1)"));
    int i = holder(f, "roam-any");
    assert_in_range(i, 0, N - 1);
    assert_int_equal(proc_end(&f->agents[i], SIGTERM), 0);
    WAIT(says(f->roam, "Hello (version 1)"), MS);
    WAIT(site_is(&f->s, "roam", "deployed"), MS);
    int other = holder(f, "roam-any");
    assert_in_range(other, 0, N - 1);
    assert_int_not_equal(other, i);
    assert_false(says(f->sock[i], "Hello")); /* what was its own ended with it */
    agent(f, i);
    WAIT(site_is(&f->s, "fleet", "deployed"), MS); /* and comes back with it */
    assert_true(says(f->sock[i], "Hello (version 2)"));
}

static void test_fleet(void **state) {
    struct fleet *f = *state;
    open_fleet(f);
    apply_fleet(f, EXAMPLE_WEB_1);
    for (int i = 0; i < N; i++) {
        assert_true(says(f->sock[i], "Hello (version 1)"));
    }
    assert_int_equal(place_processes(&f->p, "meter") > 0, 1);
    updated_under_load(f);
    killed_and_adopted(f);
    stopped_and_moved(f);
    must(f, 0, "app", "undeploy", "fleet");
    must(f, 0, "app", "undeploy", "roam");
    WAIT(place_processes(&f->p, "web") == 0, MS);
    for (int i = 0; i < N; i++) {
        assert_int_equal(proc_end(&f->agents[i], SIGTERM), 0);
    }
    WAIT(place_processes(&f->p, "") == 0, MS);
    WAIT(site_hosts(&f->s, NULL) == 0, MS);
}

/* A new image that does not work is given up; what ran runs on. Then a request ends the host. */
static void test_failures(void **state) {
    struct fleet *f = *state;
    struct buf b = BUF_INIT;
    char subject[160];
    open_fleet(f);
    head(&b, "roam");
    web(&b, "any", EXAMPLE_WEB_1, f->roam, "zone", "a", 2);
    apply(f, &b);
    head(&b, "roam");
    web(&b, "any", "/nonexistent/web", f->roam, "zone", "a", 2);
    assert_true(place_write(&f->p, "bad.yaml", b.ptr, 0600));
    site_model(&f->s, "put", b.ptr, "newversion");
    site_model(&f->s, "deploy.roam", "", "acknowledged");
    WAIT(site_is(&f->s, "roam", "failed"), MS);
    assert_true(says(f->roam, "Hello (version 1)"));
    head(&b, "roam");
    web(&b, "any", EXAMPLE_WEB_2, f->roam, "zone", "a", 2);
    apply(f, &b);
    WAIT(says(f->roam, "Hello (version 2)"), MS);
    const struct node *hosts =
        node_get(site_ask(&f->s, "trellis.api.default.host.list", ""), "data");
    char *id = NULL;
    for (uint32_t i = 0; hosts && i < hosts->n; i++) {
        const struct node *labels = node_get(hosts->items[i], "labels");
        if (str_is(node_text(labels, "zone", STR("")), "a")) {
            id = str_dup(node_text(hosts->items[i], "id", STR("")));
        }
    }
    assert_non_null(id);
    snprintf(subject, sizeof(subject), "wasmbus.ctl.v1.default.host.stop.%s", id);
    mem_free(id);
    assert_true(node_bool_or(site_ask(&f->s, subject, ""), "success", false));
    assert_true(proc_wait(&f->agents[0], "the host leaves it", 1, MS));
    WAIT(place_processes(&f->p, "agent-a") == 0, MS);
    assert_int_equal(proc_end(&f->agents[0], 0), 0);
    WAIT(site_hosts(&f->s, NULL) == N - 1, MS);
    must(f, 0, "app", "undeploy", "roam");
    buf_finish(&b);
}

static void copy_example(struct fleet *f, const char *name, int port) {
    struct buf out = BUF_INIT;
    char path[256], line[512];
    snprintf(path, sizeof(path), "%s/docs/examples/%s", TRELLIS_SOURCE_DIR, name);
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    while (fgets(line, sizeof(line), in)) {
        str rest, first = str_cut(str_c(line), ':', &rest);
        if (strstr(line, "image: file://./programs/")) {
            const char *program = strstr(line, "programs/") + strlen("programs/");
            buf_addf(&out, "%.*s: file://%s/%s", PSTR(first), EXAMPLES, program);
        } else if (strstr(line, "listen: 127.0.0.1:")) {
            buf_addf(&out, "%.*s: 127.0.0.1:%d\n", PSTR(first), port);
        } else {
            buf_addf(&out, "%s", line);
        }
    }
    fclose(in);
    apply(f, &out);
    buf_finish(&out);
}

/* The walk of docs/agent.md, on one machine; the port is another one. */
static void test_example(void **state) {
    struct fleet *f = *state;
    char address[32], body[512];
    int port = free_port();
    site_open(&f->s, "");
    site_connect(&f->s);
    site_serve(&f->s, 0);
    agent(f, 0);
    copy_example(f, "daemon.yaml", port);
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    assert_true(http_ask(address, "/", body, sizeof(body)));
    assert_non_null(strstr(body, "machine"));
    must(f, 0, "app", "undeploy", "daemon");
    WAIT(!http_ask(address, "/", body, sizeof(body)), MS);
    assert_int_equal(proc_end(&f->agents[0], SIGTERM), 0);
}

#define FLEET_TEST(f) cmocka_unit_test_setup_teardown(f, fleet_setup, fleet_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {FLEET_TEST(test_fleet), FLEET_TEST(test_failures),
                                       FLEET_TEST(test_example)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
