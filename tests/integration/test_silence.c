/* SPDX-License-Identifier: Apache-2.0
 *
 * The proof of silence: secrets with unique bytes go through everything that a control plane does
 * with them. Afterwards they are looked for wherever they must not be: what it logged, what it
 * stored, what went over NATS, what its API told there and over HTTP (metrics and stream too), a
 * core file, and its memory.
 */
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../plugin/policy-opa/fake_http.h"
#include "../sim/hostask.h"
#include "../unit/cmocka_all.h"

#include "base/mem.h"
#include "leaks.h"
#include "site.h"
#include "web.h"

#define VALUE_LEN 48
#define TOKEN     "0123456789abcdef0123456789abcdef"
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

struct stage {
    struct site *s;
    struct leaks *leaks;
    char dir[512], config[512], file[VALUE_LEN + 1], rotated[VALUE_LEN + 1], kv[VALUE_LEN + 1],
        env[VALUE_LEN + 1], vault[VALUE_LEN + 1];
    struct fake_http *vault_server;
    _Atomic int mood; /* of the vault: enum mood */
    unsigned port;    /* of the HTTP extension */
    struct web_stream stream;
    struct buf rest; /* all that HTTP said but for the stream */
    pthread_mutex_t lock;
    struct buf traffic;  /* every message that passed: subject, headers, bytes */
    natsConnection *tap; /* of its own */
    natsSubscription *all;
};

static void invent(char out[VALUE_LEN + 1]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (int i = 0; i < VALUE_LEN; i++) {
        out[i] = letters[randombytes_uniform(sizeof(letters) - 1)];
    }
    out[VALUE_LEN] = '\0';
}

/* What a vault says to a read: as it should, or the secret in an answer that is of no use. */
enum mood { GOOD, CUT, NO_JSON, HUGE_ONE, SLOW, BROKEN, DENYING };

static void vault_says(void *arg, struct fake_conn *c, const struct fake_req *r) {
    static const char good[] = "{\"data\":{\"data\":{\"value\":\"%s\"},\"metadata\":{"
                               "\"version\":3,\"deletion_time\":\"\",\"destroyed\":false}}}";
    struct stage *g = arg;
    struct buf b = BUF_INIT;
    int mood = strstr(r->path, "/secret/data/") ? g->mood : DENYING;
    buf_addf(&b, good, g->vault);
    if (mood == HUGE_ONE) {
        for (size_t i = 0; i < (5u << 20) / VALUE_LEN; i++) {
            buf_addf(&b, "%s", g->vault);
        }
    }
    if (mood == SLOW) {
        fake_hold(c);
    } else if (mood == BROKEN) { /* in the middle of the value */
        fake_raw(c, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", 41);
        fake_raw(c, b.ptr, b.len / 2);
        fake_close(c);
    } else if (mood == DENYING) {
        fake_json(c, 403, "{\"errors\":[\"permission denied\"]}");
    } else {
        fake_reply(c, 200, "", mood == NO_JSON ? g->vault : b.ptr,
                   mood == NO_JSON ? VALUE_LEN
                   : mood == CUT   ? b.len - 4
                                   : b.len);
    }
    buf_finish(&b);
}

static void write_secret(const char *path, const char *text) {
    char tmp[600];
    snprintf(tmp, sizeof(tmp), "%s.new", path);
    FILE *f = fopen(tmp, "w");
    assert_non_null(f);
    fputs(text, f);
    fchmod(fileno(f), 0600);
    fclose(f);
    assert_int_equal(rename(tmp, path), 0);
}

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *arg) {
    struct stage *g = arg;
    const char **keys = NULL;
    int n = 0;
    (void)nc, (void)sub;
    pthread_mutex_lock(&g->lock);
    buf_addf(&g->traffic, "\n%s ", natsMsg_GetSubject(m));
    if (natsMsgHeader_Keys(m, &keys, &n) == NATS_OK) {
        for (int i = 0; i < n; i++) {
            const char *value = NULL;
            natsMsgHeader_Get(m, keys[i], &value);
            buf_addf(&g->traffic, "%s: %s ", keys[i], value ? value : "");
        }
        free((void *)keys);
    }
    buf_add(&g->traffic, natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m));
    pthread_mutex_unlock(&g->lock);
    natsMsg_Destroy(m);
}

static void keygen(const char *path) {
    const char *const argv[] = {TRELLIS_BINARY, "secret", "keygen", "--out", path, NULL};
    char *text = NULL;
    assert_int_equal(proc_run(argv, SITE_MS, &text), 0);
    free(text);
}

static char *path_in(struct stage *g, const char *name) {
    static char path[4][600];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", g->dir, name);
    return path[turn];
}

/* Where it listens stands in its log: the port is the kernel's choice. */
static void find_port(struct stage *g) {
    static const char word[] = "listening on http://127.0.0.1:";
    struct proc *p = &g->s->serve[0];
    assert_true(proc_wait(p, word, 1, SITE_MS));
    pthread_mutex_lock(&p->lock);
    g->port = (unsigned)strtoul(strstr(p->text, word) + sizeof(word) - 1, NULL, 10);
    pthread_mutex_unlock(&p->lock);
}

static void setup_stage(struct stage *g, struct site *s) {
    struct buf config = BUF_INIT;
    unsigned char hash[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof(hash) + 1];
    memset(g, 0, sizeof(*g));
    g->s = s;
    pthread_mutex_init(&g->lock, NULL);
    site_open(s, "");
    site_connect(s);
    snprintf(g->dir, sizeof(g->dir), "/tmp/trlsilence.XXXXXX");
    assert_non_null(mkdtemp(g->dir));
    g->leaks = leaks_create();
    invent(g->file);
    invent(g->rotated);
    invent(g->kv);
    invent(g->env);
    invent(g->vault);
    g->vault_server = fake_http_create(vault_says, g);
    leaks_add(g->leaks, "the secret in the vault", g->vault);
    leaks_add(g->leaks, "the secret in the file", g->file);
    leaks_add(g->leaks, "the rotated secret", g->rotated);
    leaks_add(g->leaks, "the secret in NATS", g->kv);
    assert_int_equal(mkdir(path_in(g, "secrets"), 0700), 0);
    write_secret(path_in(g, "secrets/db"), g->file);
    keygen(path_in(g, "transit.seed"));
    keygen(path_in(g, "rest.seed"));
    write_secret(path_in(g, "vault-token"), "root\n");
    setenv("TRELLIS_SECRET_TOKEN", g->env, 1);
    crypto_hash_sha256(hash, (const unsigned char *)TOKEN, sizeof(TOKEN) - 1);
    sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    buf_addf(&config,
             "transport: { plugin: nats, url: \"%s\" }\nstore: { plugin: nats-kv, url: \"%s\", "
             "bucket: silence }\n"
             "log: { level: debug }\n"
             "policy: { all: [ { plugin: rules, rules: [ { name: all, match: { app: nobody }, "
             "verdict: deny, message: never } ] } ] }\n"
             "secrets:\n  house: { plugin: file, dir: %s/secrets, poll_ms: 200 }\n"
             "  env: { plugin: env, unset: true }\n"
             "  kv: { plugin: nats-kv, name: kv, encryption_seed_file: %s/rest.seed, "
             "transit_seed_file: %s/transit.seed }\n"
             "  vault: { plugin: vault, address: \"%s\", timeout_ms: 2000, auth: { token_file: "
             "%s/vault-token } }\n"
             "extensions:\n  - { plugin: http, listen: \"127.0.0.1:0\", tokens: [ { name: t, role: "
             "admin, sha256: %s } ] }\n"
             "host_services:\n  secrets: { topic: wasmcloud.secrets, xkey_seed_file: "
             "%s/transit.seed }\n",
             s->url, s->url, g->dir, g->dir, g->dir, fake_http_url(g->vault_server), g->dir, hex,
             g->dir);
    snprintf(g->config, sizeof(g->config), "%s", path_in(g, "trellis.yaml"));
    write_secret(g->config, config.ptr);
    assert_int_equal(natsConnection_ConnectTo(&g->tap, s->url), NATS_OK);
    assert_int_equal(natsConnection_Subscribe(&g->all, g->tap, ">", on_message, g), NATS_OK);
    natsConnection_Flush(g->tap);
    site_serve_start(s, 0, config.ptr);
    assert_true(proc_wait(&s->serve[0], "serving the API", 1, SITE_MS));
    WAIT(site_ask(s, "trellis.api._.server.info", ""), SITE_MS);
    unsetenv("TRELLIS_SECRET_TOKEN");
    find_port(g);
    assert_true(web_stream_open(&g->stream, g->port, TOKEN, "/api/v1/stream"));
    leaks_add(g->leaks, "the secret of the environment", g->env);
    buf_finish(&config);
}

static void put_kv(struct stage *g) {
    const char *value = path_in(g, "value");
    char file[600];
    char *text = NULL;
    snprintf(file, sizeof(file), "%s", value);
    write_secret(file, g->kv);
    const char *const argv[] = {
        TRELLIS_BINARY, "secret", "put", "kv",           "prod/db",          "-c",
        g->config,      "--file", file,  "--plugin-dir", TRELLIS_PLUGIN_DIR, NULL};
    int rc = proc_run(argv, SITE_MS, &text);
    if (rc != 0) {
        fail_msg("secret put: %d %s", rc, text);
    }
    assert_int_equal(leaks_in_bytes(g->leaks, "what `secret put` said", text, strlen(text)), 0);
    free(text);
    unlink(file);
}

static const char app[] =
    "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: shop\n"
    "  annotations: { \"trellis.dev/on-change.db\": roll }\n"
    "spec:\n  policies:\n"
    "    - { name: house, type: policy.secret.wasmcloud.dev/v1alpha1, properties: { backend: house "
    "} "
    "}\n"
    "    - { name: kv, type: policy.secret.wasmcloud.dev/v1alpha1, properties: { backend: kv } }\n"
    "    - { name: env, type: policy.secret.wasmcloud.dev/v1alpha1, properties: { backend: env } "
    "}\n"
    "  components:\n    - name: web\n      type: component\n      properties:\n"
    "        image: reg.example/web:1\n        secrets:\n"
    "          - { name: db, properties: { policy: house, key: db } }\n"
    "          - { name: prod, properties: { policy: kv, key: prod/db } }\n"
    "          - { name: token, properties: { policy: env, key: token } }\n"
    "      traits:\n        - { type: spreadscaler, properties: { instances: 1 } }\n";

/* A host reads it. want NULL: it must be refused. */
static void host_reads(struct stage *g, const char *backend, const char *key, const char *want) {
    static struct hostask_box box;
    char subject[128];
    natsMsg *m = NULL, *out = NULL;
    const char *header = NULL;
    snprintf(subject, sizeof(subject), "wasmcloud.secrets.v1alpha1.%s.server_xkey", backend);
    assert_int_equal(natsConnection_RequestString(&m, g->s->nc, subject, "", 5000), NATS_OK);
    hostask_seal(&(struct hostask){.key = key},
                 str_n(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m)), &box);
    natsMsg_Destroy(m);
    snprintf(subject, sizeof(subject), "wasmcloud.secrets.v1alpha1.%s.get", backend);
    assert_int_equal(natsMsg_Create(&out, subject, NULL, (const char *)box.bytes, (int)box.n),
                     NATS_OK);
    natsMsgHeader_Set(out, "WasmCloud-Host-Xkey", box.own_text);
    assert_int_equal(natsConnection_RequestMsg(&m, g->s->nc, out, 20000), NATS_OK);
    natsMsg_Destroy(out);
    str body = str_n(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m));
    bool sealed = natsMsgHeader_Get(m, "Server-Response-Xkey", &header) == NATS_OK;
    if (sealed != (want != NULL)) {
        fail_msg("%s %s: %.*s", backend, key, PSTR(body));
    }
    if (sealed) {
        char *text = hostask_open(&box, str_c(header), body);
        assert_non_null(text);
        assert_non_null(strstr(text, want));
        free(text);
    }
    natsMsg_Destroy(m);
}

static void use_them(struct stage *g) {
    struct site *s = g->s;
    char entity[NKEY_PUBLIC_LEN + 1], subject[160];
    natsMsg *m = NULL;
    hostask_entity(entity);
    snprintf(subject, sizeof(subject), "wasmcloud.secrets.v1alpha1.kv.add_mapping.%s", entity);
    assert_int_equal(natsConnection_RequestString(&m, s->nc, subject, "[\"prod/db\"]", 10000),
                     NATS_OK);
    natsMsg_Destroy(m);
    site_model(s, "put", app, "created");
    site_ask(s, "trellis.api.default.app.plan.shop", "");
    site_model(s, "deploy.shop", "", "acknowledged");
    WAIT(site_is(s, "shop", "deployed"), SITE_MS);
    host_reads(g, "house", "db", g->file);
    host_reads(g, "kv", "prod/db", g->kv);
    host_reads(g, "env", "token", g->env);
    host_reads(g, "vault", "db", g->vault);
}

static void fail_them(struct stage *g) {
    host_reads(g, "house", "nothing", NULL);
    host_reads(g, "kv", "nothing", NULL);
    host_reads(g, "env", "nothing", NULL);
    chmod(path_in(g, "secrets/db"), 0666);
    host_reads(g, "house", "db", NULL);
    chmod(path_in(g, "secrets/db"), 0600);
    site_ask(g->s, "trellis.api.default.secret.check",
             "{\"backend\":\"kv\",\"key\":\"prod/db\",\"version\":\"99\"}");
    for (int mood = CUT; mood <= DENYING; mood++) {
        g->mood = mood;
        host_reads(g, "vault", "db", NULL);
        site_ask(g->s, "trellis.api.default.secret.check",
                 "{\"backend\":\"vault\",\"key\":\"db\"}");
    }
    g->mood = GOOD;
    host_reads(g, "vault", "db", g->vault);
}

#define D "/api/v1/lattices/default/"

/* Metrics and a dump of all there is. */
static void read_http(struct stage *g) {
    static const char *const paths[] = {"/metrics",
                                        "/readyz",
                                        "/api/v1/server",
                                        "/api/v1/lattices",
                                        D "apps",
                                        D "apps/shop",
                                        D "apps/shop/status",
                                        D "apps/shop/versions",
                                        D "apps/shop/history",
                                        D "apps/shop/events",
                                        D "apps/shop/plan",
                                        D "policy",
                                        D "policy/log",
                                        D "policy/log/shop",
                                        D "secrets",
                                        D "secrets/check?backend=house&key=db",
                                        D "secrets/check?backend=env&key=token",
                                        D "hosts?running=true",
                                        D "events"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        int status = web_get(g->port, TOKEN, paths[i], &g->rest);
        if (status != 200) {
            fail_msg("%s: %d", paths[i], status);
        }
    }
    assert_non_null(memmem(g->rest.ptr, g->rest.len, "trellis_", 8));
    WAIT(web_stream_has(&g->stream, "secret_rotated"), SITE_MS);
}

/* As a crash would leave it. A sanitizer's shadow is too large for a file: there what of the memory
 * would be in it is searched instead, as it is anyhow. */
static unsigned in_core_file(struct stage *g) {
    static const char gdb[] = "/usr/bin/gdb";
    char pid[16], line[640], *text = NULL;
    const char *core = path_in(g, "core");
    const char *const argv[] = {gdb, "-nx", "-batch", "-p", pid, "-ex", line, NULL};
    struct leaks *control = leaks_create();
    if (SANITIZED || access(gdb, X_OK) != 0) {
        print_message("no core file is made: %s\n", SANITIZED ? "sanitizer" : "no gdb");
        leaks_destroy(control);
        return 0;
    }
    snprintf(pid, sizeof(pid), "%d", (int)g->s->serve[0].pid);
    snprintf(line, sizeof(line), "gcore %s", core);
    assert_int_equal(proc_run(argv, 10 * SITE_MS, &text), 0); /* it reads all symbols first */
    free(text);
    leaks_add(control, "the image of the app (as it should)", "reg.example/web:1");
    assert_true(leaks_in_file(control, core) > 0);
    unsigned found = leaks_in_file(g->leaks, core);
    unlink(core);
    leaks_destroy(control);
    return found;
}

static void rotate(struct stage *g) {
    write_secret(path_in(g, "secrets/db"), g->rotated);
    assert_true(proc_wait(&g->s->serve[0], "was rotated", 1, SITE_MS));
    host_reads(g, "house", "db", g->rotated);
    WAIT(site_is(g->s, "shop", "deployed"), SITE_MS);
}

static void dump_state(struct stage *g) {
    static const char *const all[] = {"app.get.shop", "app.status.shop", "app.versions.shop",
                                      "events.list",  "policy.log",      "secret.backends",
                                      "policy.list",  "app.list"};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char subject[80];
        snprintf(subject, sizeof(subject), "trellis.api.default.%s", all[i]);
        assert_non_null(site_ask(g->s, subject, ""));
    }
}

/* What a core file would have, and all of its memory: there the secret of the environment must be
 * found, which it holds for good, else the search is worth nothing. */
static unsigned in_memory(struct stage *g) {
    struct leaks *released = leaks_create(), *held = leaks_create();
    size_t bytes = 0;
    pid_t pid = g->s->serve[0].pid;
    leaks_add(released, "the secret in the file", g->file);
    leaks_add(released, "the rotated secret", g->rotated);
    leaks_add(released, "the secret in NATS", g->kv);
    leaks_add(released, "the secret in the vault", g->vault);
    leaks_add(held, "the held secret of the environment (as it should)", g->env);
    unsigned found = leaks_in_process(released, pid, 0, &bytes);
    assert_true(bytes > 1000000);
    assert_true(leaks_in_process(held, pid, 0, &bytes) > 0);
    /* A sanitizer keeps a copy of the environment of its own, from before the program begins. */
    found += leaks_in_process(SANITIZED ? released : g->leaks, pid, 1, &bytes);
    assert_true(bytes > 1000000);
    leaks_destroy(released);
    leaks_destroy(held);
    return found;
}

static void nothing_is_told(void **state) {
    struct stage g;
    struct site *s = *state;
    char line[600];
    assert_true(sodium_init() >= 0);
    setup_stage(&g, s);
    put_kv(&g);
    site_sim_secrets(s, "2");
    use_them(&g);
    fail_them(&g);
    rotate(&g);
    dump_state(&g);
    read_http(&g);
    unsigned found = in_memory(&g) + in_core_file(&g);
    web_stream_close(&g.stream);
    found +=
        leaks_in_bytes(g.leaks, "what the event stream said", g.stream.text.ptr, g.stream.text.len);
    found += leaks_in_bytes(g.leaks, "what HTTP said", g.rest.ptr, g.rest.len);
    pthread_mutex_lock(&s->serve[0].lock);
    found += leaks_in_bytes(g.leaks, "what was logged", s->serve[0].text, s->serve[0].len);
    assert_non_null(strstr(s->serve[0].text, "was rotated")); /* the log was on */
    pthread_mutex_unlock(&s->serve[0].lock);
    proc_end(&s->serve[0], SIGABRT);
    natsConnection_Flush(g.tap);
    pthread_mutex_lock(&g.lock);
    assert_non_null(memmem(g.traffic.ptr, g.traffic.len, "shop", 4)); /* the tap heard it all */
    found += leaks_in_bytes(g.leaks, "what went over NATS", g.traffic.ptr, g.traffic.len);
    pthread_mutex_unlock(&g.lock);
    unlink(path_in(&g, "secrets/db"));
    found += leaks_in_tree(g.leaks, s->nats.dir);
    found += leaks_in_tree(g.leaks, g.dir);
    assert_int_equal(found, 0);
    natsSubscription_Destroy(g.all);
    natsConnection_Destroy(g.tap);
    leaks_destroy(g.leaks);
    buf_finish(&g.traffic);
    buf_finish(&g.stream.text);
    buf_finish(&g.rest);
    fake_http_destroy(g.vault_server);
    snprintf(line, sizeof(line), "rm -rf %s", g.dir);
    assert_int_equal(system(line), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {SITE_TEST(nothing_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
