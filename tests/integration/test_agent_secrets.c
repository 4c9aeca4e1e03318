/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets on an agent: a component's and a provider's from the service of a real `trellis serve`
 * over a real nats-server, sealed for the host that asked. They are rotated, survive a kill -9,
 * are refused by a policy, and are nowhere but where they must be.
 */
#include "../unit/cmocka_all.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../plugin/driver-process/place.h"
#include "base/mem.h"
#include "leaks.h"
#include "site.h"

#define MS        60000
#define VALUE_LEN 40
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

struct stage {
    struct site s; /* first: it is what the site's setup and teardown know */
    struct place p;
    struct proc agent;
    char old[VALUE_LEN + 1], fresh[VALUE_LEN + 1], last[VALUE_LEN + 1], own[VALUE_LEN + 1];
    struct leaks *leaks;
    natsConnection *tap;
    natsSubscription *all;
    pthread_mutex_t lock;
    struct buf traffic;
};

static int stage_setup(void **state) {
    struct stage *g = calloc(1, sizeof(*g));
    place_make(&g->p);
    g->leaks = leaks_create();
    pthread_mutex_init(&g->lock, NULL);
    *state = g;
    return 0;
}

static int stage_teardown(void **state) {
    struct stage *g = *state;
    natsSubscription_Destroy(g->all);
    natsConnection_Destroy(g->tap);
    proc_end(&g->agent, SIGKILL);
    if (place_processes(&g->p, "")) { /* a test that failed */
        place_end_keepers(&g->p);
    }
    place_remove(&g->p);
    leaks_destroy(g->leaks);
    buf_finish(&g->traffic);
    pthread_mutex_destroy(&g->lock);
    site_teardown(state); /* frees */
    return 0;
}

static void invent(struct stage *g, const char *name, char out[VALUE_LEN + 1]) {
    for (int i = 0; i < VALUE_LEN; i++) {
        out[i] = (char)('a' + randombytes_uniform(26));
    }
    out[VALUE_LEN] = '\0';
    leaks_add(g->leaks, name, out);
}

static const char *path_in(struct stage *g, const char *name) {
    static char path[16][160];
    static int turn;
    turn = (turn + 1) % 16;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", g->p.dir, name);
    return path[turn];
}

static void set_secret(struct stage *g, const char *key, const char *value) {
    char temp[64], final[64];
    snprintf(temp, sizeof(temp), "new-%s", key);
    snprintf(final, sizeof(final), "secrets/%s", key);
    assert_true(place_write(&g->p, temp, value, 0600));
    assert_int_equal(rename(path_in(g, temp), path_in(g, final)), 0);
}

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *arg) {
    struct stage *g = arg;
    (void)nc, (void)sub;
    pthread_mutex_lock(&g->lock);
    buf_addf(&g->traffic, "\n%s ", natsMsg_GetSubject(m));
    buf_add(&g->traffic, natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m));
    pthread_mutex_unlock(&g->lock);
    natsMsg_Destroy(m);
}

static void start_agent(struct stage *g) {
    const char *const argv[] = {TRELLIS_BINARY,
                                "agent",
                                "--nats-url",
                                g->s.url,
                                "--plugin-dir",
                                TRELLIS_PLUGIN_DIR,
                                "--state-dir",
                                path_in(g, "agent"),
                                "--account",
                                path_in(g, "fleet.seed"),
                                "--heartbeat",
                                "5",
                                NULL};
    proc_start(&g->agent, argv);
    assert_true(proc_wait(&g->agent, "is in the lattice", 1, MS));
}

/* The rule of docs/agent.md. */
static void copy_rule(struct stage *g) {
    struct buf out = BUF_INIT;
    char line[512];
    bool in_it = false;
    FILE *in = fopen(TRELLIS_SOURCE_DIR "/docs/agent.md", "re");
    assert_non_null(in);
    while (fgets(line, sizeof(line), in)) {
        bool fence = strncmp(line, "```", 3) == 0;
        in_it = !fence && (in_it || strcmp(line, "rules:\n") == 0);
        if (in_it) {
            buf_addf(&out, "%s", line);
        }
    }
    fclose(in);
    assert_true(out.len > 100);
    assert_true(place_write(&g->p, "rules.yaml", out.ptr, 0600));
    buf_finish(&out);
}

static void open_stage(struct stage *g) {
    struct buf b = BUF_INIT;
    const char *const keygen[] = {
        TRELLIS_BINARY, "secret", "keygen", "--out", path_in(g, "transit.seed"), NULL};
    char *text = NULL;
    site_open(&g->s, "");
    site_connect(&g->s);
    assert_int_equal(mkdir(path_in(g, "secrets"), 0700), 0);
    invent(g, "old", g->old);
    invent(g, "fresh", g->fresh);
    invent(g, "last", g->last);
    invent(g, "own", g->own);
    set_secret(g, "db", g->old);
    set_secret(g, "locked", g->own);
    assert_int_equal(proc_run(keygen, MS, &text), 0);
    free(text);
    /* The key of bytes 0 to 31: its issuer is known before anything runs. */
    assert_true(place_write(&g->p, "fleet.seed",
                            "SAAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4HYMHI\n", 0600));
    copy_rule(g);
    buf_addf(&b,
             "transport: { plugin: nats, url: \"%s\" }\n"
             "store: { plugin: nats-kv, url: \"%s\", bucket: shelf }\n"
             "policy: { all: [ { plugin: rules, file: %s } ] }\n"
             "secrets: { vault: { plugin: file, dir: %s, poll_ms: 100 } }\n"
             "host_services: { secrets: { topic: wasmcloud.secrets, xkey_seed_file: %s } }\n",
             g->s.url, g->s.url, path_in(g, "rules.yaml"), path_in(g, "secrets"),
             path_in(g, "transit.seed"));
    site_serve_start(&g->s, 0, b.ptr);
    buf_finish(&b);
    assert_true(proc_wait(&g->s.serve[0], "serving the API", 1, MS));
    assert_int_equal(natsConnection_ConnectTo(&g->tap, g->s.url), NATS_OK);
    assert_int_equal(natsConnection_Subscribe(&g->all, g->tap, ">", on_message, g), NATS_OK);
    assert_int_equal(natsConnection_FlushTimeout(g->tap, MS), NATS_OK);
    start_agent(g);
    WAIT(site_hosts(&g->s, NULL) == 1, MS);
}

static void unit(struct buf *out, const char *type, const char *name, const char *image,
                 const char *key) {
    buf_addf(out,
             "    - name: %s\n      type: %s\n      properties:\n        image: %s\n"
             "        secrets:\n          - { name: %s, properties: { policy: vault, key: %s } }\n"
             "      traits:\n        - type: spreadscaler\n          properties:\n"
             "            instances: 1\n",
             name, type, image, key, key);
}

static void head(struct buf *out, const char *app, const char *rotated) {
    buf_addf(out,
             "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: %s\n"
             "  annotations: { description: secrets of a fleet, trellis.dev/on-change.%s }\n"
             "spec:\n  policies:\n    - name: vault\n"
             "      type: policy.secret.wasmcloud.dev/v1alpha1\n"
             "      properties: { backend: vault }\n  components:\n",
             app, rotated);
}

static char *run_cli(struct stage *g, const char *a, const char *b, const char *c, const char *d,
                     int status) {
    const char *const argv[] = {TRELLIS_BINARY,
                                "--nats-url",
                                g->s.url,
                                "--plugin-dir",
                                TRELLIS_PLUGIN_DIR,
                                a,
                                b,
                                c,
                                d,
                                NULL};
    char *text = NULL;
    int rc = proc_run(argv, MS, &text);
    if (rc != status) {
        fail_msg("%s %s %s: %d\n%s", a, b, c, rc, text ? text : "");
    }
    return text;
}

static void apply(struct stage *g, struct buf *manifest, bool wait) {
    assert_true(place_write(&g->p, "app.yaml", manifest->ptr, 0600));
    free(run_cli(g, "app", "apply", path_in(g, "app.yaml"), wait ? "--wait" : NULL, 0));
    buf_clear(manifest);
}

static bool file_is(struct stage *g, const char *name, const char *text) {
    char have[128] = "";
    FILE *f = fopen(path_in(g, name), "re");
    if (!f) {
        return false;
    }
    size_t n = fread(have, 1, sizeof(have) - 1, f);
    fclose(f);
    return n == strlen(text) && strcmp(have, text) == 0;
}

/* A program that shows what it reads; the directory that it shows it in is no secret place. */
static const char *reader(struct stage *g, const char *name, const char *var) {
    struct buf b = BUF_INIT;
    buf_addf(&b,
             "#!/bin/sh\nout=%s/saw-%s\necho $$ > \"$out-pid\"\nwhile :; do\n  cat \"$%s\" > "
             "\"$out.new\" && mv "
             "\"$out.new\" \"$out\"\n  sleep 0.1\ndone\n",
             g->p.dir, name, var);
    const char *image = place_script(&g->p, name, b.ptr);
    buf_finish(&b);
    return image;
}

static void refused(struct stage *g) {
    struct buf b = BUF_INIT;
    head(&b, "closed", "locked: ignore");
    unit(&b, "component", "box", reader(g, "box", "TRELLIS_SECRET_LOCKED_FILE"), "locked");
    apply(g, &b, false);
    buf_finish(&b);
    assert_true(proc_wait(&g->agent,
                          "secret locked may not be read: the secrets service of 'vault' "
                          "refuses it to M",
                          1, MS));
    WAIT(site_is(&g->s, "closed", "failed"), MS);
    char *text = run_cli(g, "app", "status", "closed", NULL, 1);
    assert_non_null(strstr(text, "secret locked may not be read"));
    free(text);
    assert_false(file_is(g, "saw-box", g->own));
    free(run_cli(g, "app", "undeploy", "closed", "--wait", 0));
}

/* What runs runs on, and hears of what was rotated meanwhile. */
static void killed(struct stage *g) {
    proc_end(&g->agent, SIGKILL);
    set_secret(g, "db", g->last);
    start_agent(g);
    assert_true(proc_wait(&g->agent, "adopted 3 running processes", 1, MS));
    WAIT(site_is(&g->s, "shop", "deployed") && site_lattice_settled(&g->s), MS);
    WAIT(file_is(g, "saw-web", g->last) && file_is(g, "saw-keeper", g->last), MS);
}

static long pid_of(struct stage *g, const char *name) {
    char text[32] = "";
    FILE *f = fopen(path_in(g, name), "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f) {
        fclose(f);
    }
    return n ? strtol(text, NULL, 10) : 0;
}

/* A new process has the new value. */
static void rolled(struct stage *g) {
    struct buf b = BUF_INIT;
    set_secret(g, "turn", g->old);
    head(&b, "mill", "turn: roll");
    unit(&b, "component", "wheel", reader(g, "wheel", "TRELLIS_SECRET_TURN_FILE"), "turn");
    apply(g, &b, true);
    buf_finish(&b);
    WAIT(file_is(g, "saw-wheel", g->old), MS);
    long pid = pid_of(g, "saw-wheel-pid");
    assert_true(pid > 0);
    set_secret(g, "turn", g->fresh);
    WAIT(file_is(g, "saw-wheel", g->fresh), MS);
    WAIT(pid_of(g, "saw-wheel-pid") > 0 && pid_of(g, "saw-wheel-pid") != pid, MS);
    WAIT(site_is(&g->s, "mill", "deployed"), MS);
    free(run_cli(g, "app", "undeploy", "mill", "--wait", 0));
}

static void nothing_leaks(struct stage *g) {
    unsigned n = 0;
    size_t bytes = 0;
    n += leaks_in_tree(g->leaks, path_in(g, "agent"));
    n += leaks_in_bytes(g->leaks, "the agent's log", g->agent.text, g->agent.len);
    n += leaks_in_bytes(g->leaks, "the server's log", g->s.serve[0].text, g->s.serve[0].len);
    pthread_mutex_lock(&g->lock);
    assert_true(g->traffic.len > 10000);
    n += leaks_in_bytes(g->leaks, "the bus", g->traffic.ptr, g->traffic.len);
    pthread_mutex_unlock(&g->lock);
    if (!SANITIZED) {
        n += leaks_in_process(g->leaks, g->agent.pid, 0, &bytes);
        print_message("%zu bytes of the agent searched\n", bytes);
    }
    assert_int_equal(n, 0);
}

static void test_secrets(void **state) {
    struct stage *g = *state;
    struct buf b = BUF_INIT;
    open_stage(g);
    head(&b, "shop", "db: hot");
    unit(&b, "component", "web", reader(g, "web", "TRELLIS_SECRET_DB_FILE"), "db");
    unit(&b, "capability", "keeper", reader(g, "keeper", "TRELLIS_SECRET_DB_FILE"), "db");
    unit(&b, "component", "vip", reader(g, "vip", "TRELLIS_SECRET_LOCKED_FILE"), "locked");
    apply(g, &b, true);
    buf_finish(&b);
    WAIT(file_is(g, "saw-vip", g->own), MS);
    WAIT(file_is(g, "saw-web", g->old) && file_is(g, "saw-keeper", g->old), MS);
    assert_true(proc_wait(&g->agent, "shop-web asks for secrets as M", 1, MS));
    assert_true(proc_wait(&g->agent, "shop-keeper asks for secrets as V", 1, MS));
    assert_int_equal(proc_count(&g->agent,
                                "signed for by "
                                "AAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QPZV"),
                     3);
    set_secret(g, "db", g->fresh);
    WAIT(file_is(g, "saw-web", g->fresh) && file_is(g, "saw-keeper", g->fresh), MS);
    refused(g);
    rolled(g);
    killed(g);
    nothing_leaks(g);

    free(run_cli(g, "app", "undeploy", "shop", NULL, 0));
    WAIT(place_processes(&g->p, "web") + place_processes(&g->p, "keeper") == 0, MS);
    assert_int_equal(proc_end(&g->agent, SIGTERM), 0);
    WAIT(place_processes(&g->p, "") == 0, MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_secrets, stage_setup, stage_teardown)};
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
