/* SPDX-License-Identifier: Apache-2.0
 *
 * How an agent gets secrets: who it says it is, what it sends to a service of the test's own, and
 * what it makes of every answer, and of none.
 */
#include "agenttest.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <trellis/kind/driver.h>
#include <trellis/kind/secrets.h>
#include <unistd.h>

#include "agent/host_secrets.h"
#include "agent/key.h"
#include "agent/secret_wire.h"
#include "base/guarded.h"
#include "jwt.h"
#include "jwt_issue.h"
#include "xkey.h"

#define VALUE "a value that nobody shall see"

/* Files */

struct place {
    char dir[64], state[96], file[96];
};

static void place_make(struct place *p) {
    snprintf(p->dir, sizeof(p->dir), "/tmp/trellis-agent-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->state, sizeof(p->state), "%s/state", p->dir);
    snprintf(p->file, sizeof(p->file), "%s/account", p->dir);
}

static void place_remove(struct place *p) {
    char path[160];
    snprintf(path, sizeof(path), "%s/host.seed", p->state);
    unlink(path);
    snprintf(path, sizeof(path), "%s/account.seed", p->state);
    unlink(path);
    unlink(p->file);
    rmdir(p->state);
    assert_int_equal(rmdir(p->dir), 0);
}

static void write_file(const char *path, const char *text, mode_t mode) {
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void test_seeds_are_kept(void **state) {
    struct place p;
    struct err e = ERR_INIT;
    struct stat meta;
    uint8_t a[32], b[32], c[32];
    char path[160];
    (void)state;
    place_make(&p);
    assert_int_equal(key_host(p.state, a, &e), 0);
    assert_int_equal(key_host(p.state, b, &e), 0);
    assert_memory_equal(a, b, 32);
    assert_int_equal(key_account(p.state, NULL, b, &e), 0);
    assert_int_equal(key_account(p.state, NULL, c, &e), 0);
    assert_memory_equal(b, c, 32);
    assert_memory_not_equal(a, b, 32);
    snprintf(path, sizeof(path), "%s/account.seed", p.state);
    assert_int_equal(stat(path, &meta), 0);
    assert_int_equal(meta.st_mode & 0777, 0600);
    write_file(path, "SNAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H2D5U\n", 0600);
    assert_int_equal(key_account(p.state, NULL, c, &e), TRL_E_INVALID);
    assert_non_null(strstr(e.msg, "no seed of an account"));
    assert_null(strstr(e.msg, "SNAAAAIC"));
    assert_int_equal(key_account(p.state, p.file, c, &e), TRL_E_INVALID);
    assert_non_null(strstr(e.msg, "cannot be read"));
    nkey_encode_seed(NKEY_ACCOUNT, b, path);
    write_file(p.file, path, 0644);
    assert_int_equal(key_account(p.state, p.file, c, &e), TRL_E_DENIED);
    assert_non_null(strstr(e.msg, "chmod 600"));
    write_file(p.file, path, 0600);
    assert_int_equal(key_account(p.state, p.file, c, &e), 0);
    assert_memory_equal(b, c, 32);
    assert_int_equal(key_host("relative", a, &e), TRL_E_INVALID);
    place_remove(&p);
}

/* One account, two hosts: a unit is the same wherever it runs, and no other. */
static void test_units_have_keys(void **state) {
    struct place p, q;
    struct identity *x = NULL, *y = NULL;
    struct err e = ERR_INIT;
    uint8_t account[32];
    char seed[NKEY_SEED_LEN + 1], web[NKEY_PUBLIC_LEN + 1], k[NKEY_PUBLIC_LEN + 1];
    (void)state;
    place_make(&p);
    place_make(&q);
    assert_int_equal(identity_open(p.state, NULL, &x, &e), 0);
    assert_int_equal(key_account(p.state, NULL, account, &e), 0);
    nkey_encode_seed(NKEY_ACCOUNT, account, seed);
    write_file(q.file, seed, 0600);
    assert_int_equal(identity_open(q.state, q.file, &y, &e), 0);
    assert_string_equal(identity_account(x), identity_account(y));
    assert_string_not_equal(identity_host(x), identity_host(y));
    identity_unit(x, false, STR("default"), STR("shop-web"), web);
    identity_unit(y, false, STR("default"), STR("shop-web"), k);
    assert_string_equal(web, k);
    assert_int_equal(web[0], 'M');
    identity_unit(x, true, STR("default"), STR("shop-web"), k);
    assert_int_equal(k[0], 'V');
    assert_string_not_equal(web + 1, k + 1);
    identity_unit(x, false, STR("other"), STR("shop-web"), k);
    assert_string_not_equal(web, k);
    identity_unit(x, false, STR("default"), STR("shop-we"), k);
    assert_string_not_equal(web, k);
    assert_null(identity_unit_token(x, false, STR("default"), STR("\xff"), 1000));
    identity_close(x);
    identity_close(y);
    place_remove(&p);
    place_remove(&q);
}

static void test_tokens(void **state) {
    struct place p;
    struct identity *x = NULL;
    struct err e = ERR_INIT;
    struct jwt j;
    char why[200], key[NKEY_PUBLIC_LEN + 1];
    (void)state;
    place_make(&p);
    assert_int_equal(identity_open(p.state, NULL, &x, &e), 0);
    char *host = identity_host_token(x, STR("quiet-river-0042"), 1000);
    assert_int_equal(jwt_verify(str_c(host), JWT_HOST, 1000, &j, why, sizeof(why)), 1);
    assert_string_equal(j.iss, identity_host(x));
    assert_string_equal(j.sub, identity_host(x));
    assert_string_equal(j.name, "quiet-river-0042");
    for (int provider = 0; provider < 2; provider++) {
        char *unit = identity_unit_token(x, provider, STR("default"), STR("shop-web"), 1000);
        unsigned kind = provider ? JWT_PROVIDER : JWT_COMPONENT;
        identity_unit(x, provider, STR("default"), STR("shop-web"), key);
        assert_int_equal(jwt_verify(str_c(unit), kind, 1000, &j, why, sizeof(why)), 1);
        assert_int_equal(jwt_verify(str_c(unit), kind, 1000 + 3601, &j, why, sizeof(why)), 0);
        assert_non_null(strstr(why, "expired"));
        assert_string_equal(j.iss, identity_account(x));
        assert_string_equal(j.sub, key);
        unit[strlen(unit) - 3] = unit[strlen(unit) - 3] == 'A' ? 'B' : 'A';
        assert_int_equal(jwt_verify(str_c(unit), kind, 1000, &j, why, sizeof(why)), 0);
        mem_free(unit);
    }
    mem_free(host);
    identity_close(x);
    place_remove(&p);
}

/* A service */

enum how { SEALED, PLAIN, RUBBISH, FOR_OTHERS, SILENT };

struct fix {
    struct rig g;
    struct place p;
    struct identity *identity;
    struct host_secrets *secrets;
    struct plug_inst *driver;
    struct xkey service;
    struct bus_sub *sub;
    enum how how;
    const char *answer;      /* JSON */
    uint32_t keys_told;      /* server_xkey */
    uint32_t gets, unsealed; /* requests; those that opened */
    char host_xkey[NKEY_PUBLIC_LEN + 1];
    char *plain; /* of the last request */
    uint32_t answers;
    trl_status st;
    char value[4096], why[600], version[64];
    size_t n;
    uint32_t flags;
    struct buf log;
};

static void keep_log(void *arg, int level, str msg, str fields) {
    struct fix *f = arg;
    (void)level;
    (void)fields;
    buf_addf(&f->log, "%.*s\n", PSTR(msg));
}

static void answer_sealed(struct fix *f, const struct bus_msg *m, str host) {
    uint8_t to[32], box[8192];
    struct xkey own, other;
    char text[NKEY_PUBLIC_LEN + 1];
    size_t n = strlen(f->answer);
    assert_true(xkey_parse_public(host, to));
    xkey_generate(&own);
    xkey_generate(&other);
    xkey_public_text(own.pub, text);
    assert_true(xkey_seal(&own, f->how == FOR_OTHERS ? other.pub : to, f->answer, n, box));
    trl_label h = {STR("Server-Response-Xkey"), str_c(text)};
    struct bus_msg r = {.subject = m->reply,
                        .headers = &h,
                        .n_headers = 1,
                        .body = str_n((const char *)box, f->how == RUBBISH ? 20 : n + 44)};
    bus_publish(f->g.bus, &r);
}

static void on_get(struct fix *f, const struct bus_msg *m) {
    uint8_t from[32];
    str host = m->n_headers == 1 ? m->headers[0].value : STR_NONE;
    size_t n = m->body.len - XKEY_OVERHEAD;
    f->gets++;
    assert_true(str_is(m->headers[0].key, "WasmCloud-Host-Xkey"));
    assert_true(xkey_parse_public(host, from));
    assert_false(str_is(host, f->host_xkey)); /* a key serves once */
    snprintf(f->host_xkey, sizeof(f->host_xkey), "%.*s", PSTR(host));
    mem_free(f->plain);
    f->plain = mem_zalloc(n + 1);
    if (!xkey_open(&f->service, from, m->body.ptr, m->body.len, (uint8_t *)f->plain)) {
        bus_publish(f->g.bus, &(struct bus_msg){.subject = m->reply,
                                                .body = STR("{\"error\":\"DecryptionError\"}")});
        return;
    }
    f->unsealed++;
    if (f->how == PLAIN) {
        bus_publish(f->g.bus, &(struct bus_msg){.subject = m->reply, .body = str_c(f->answer)});
    } else if (f->how != SILENT) {
        answer_sealed(f, m, host);
    }
}

static void on_question(void *arg, const struct bus_msg *m) {
    struct fix *f = arg;
    char text[NKEY_PUBLIC_LEN + 1];
    if (str_is(m->subject, "wasmcloud.secrets.v1alpha1.vault.server_xkey")) {
        f->keys_told++;
        assert_int_equal(m->body.len, 0);
        xkey_public_text(f->service.pub, text);
        bus_publish(f->g.bus, &(struct bus_msg){.subject = m->reply, .body = str_c(text)});
    } else {
        assert_true(str_is(m->subject, "wasmcloud.secrets.v1alpha1.vault.get"));
        on_get(f, m);
    }
}

static void setup(struct fix *f) {
    struct err e = ERR_INIT;
    bool started = false;
    memset(f, 0, sizeof(*f));
    rig_open(&f->g);
    f->g.log = (struct log){TRL_LOG_DEBUG, keep_log, f};
    place_make(&f->p);
    assert_int_equal(identity_open(f->p.state, NULL, &f->identity, &e), 0);
    struct host_secrets_env env = {.loop = f->g.loop,
                                   .log = &f->g.log,
                                   .bus = f->g.bus,
                                   .identity = f->identity,
                                   .topic = STR("wasmcloud.secrets"),
                                   .name = STR("quiet-river-0042")};
    f->secrets = host_secrets_create(&env);
    struct plug_iface iface = {TRL_HOST_SECRET_READ_V1, &host_secrets_iface, f->secrets};
    assert_int_equal(
        plug_inst_create(f->g.plug, TRL_KIND_STORE, "memory", STR("{}"), &iface, 1, &f->driver, &e),
        0);
    plug_inst_start(f->driver, 10 * SECOND, rig_flag, &started);
    assert_true(loop_run_until(f->g.loop, rig_is_set, &started, 10 * SECOND));
    xkey_generate(&f->service);
    f->sub = bus_subscribe(f->g.bus, STR("wasmcloud.secrets.v1alpha1.vault.>"), STR_NONE,
                           on_question, f);
    f->answer =
        "{\"secret\":{\"version\":\"3\",\"string_secret\":\"" VALUE "\",\"binary_secret\":null}}";
    rig_pass(&f->g, 1000000);
}

static void teardown(struct fix *f) {
    host_secrets_finish(f->secrets);
    rig_stop_plugin(&f->g, f->driver);
    host_secrets_destroy(f->secrets);
    rig_close(&f->g);
    identity_close(f->identity);
    place_remove(&f->p);
    assert_null(f->log.ptr ? strstr(f->log.ptr, VALUE) : NULL);
    buf_finish(&f->log);
    mem_free(f->plain);
}

static void on_value(void *arg, trl_status st, const trl_secret *s, trl_str why) {
    struct fix *f = arg;
    f->answers++;
    f->st = st;
    snprintf(f->why, sizeof(f->why), "%.*s", PSTR(why));
    assert_true((st == TRL_OK) == (s != NULL));
    f->n = s ? s->value.len : 0;
    if (s) {
        assert_true(f->n < sizeof(f->value));
        memcpy(f->value, s->value.ptr, f->n);
        f->flags = s->flags;
        snprintf(f->version, sizeof(f->version), "%.*s", PSTR(s->version));
    }
    f->value[f->n] = '\0';
}

static uint64_t begin(struct fix *f, const char *backend, const char *key) {
    trl_secret_ref ref = {.struct_size = sizeof(ref),
                          .key = str_c(key),
                          .field = STR("password"),
                          .properties = STR("{\"role\":\"app\"}"),
                          .lattice = STR("default"),
                          .app = STR("shop"),
                          .entity = STR("shop-web")};
    trl_secret_read r = {.struct_size = sizeof(r),
                         .kind = TRL_RUN_COMPONENT,
                         .backend = str_c(backend),
                         .host_id = STR(DRIVER),
                         .ref = &ref};
    return host_secrets_iface.fetch(f->driver, &r, on_value, f);
}

static trl_status read_one(struct fix *f, const char *backend, const char *key) {
    uint32_t before = f->answers;
    assert_true(begin(f, backend, key) > 0);
    assert_int_equal(f->answers, before); /* never in the call */
    rig_pass(&f->g, 11 * SECOND);
    assert_int_equal(f->answers, before + 1);
    return f->st;
}

static void check_question(struct fix *f) {
    struct node *n = NULL;
    struct jwt j;
    char why[200], key[NKEY_PUBLIC_LEN + 1];
    int64_t now_s = loop_wall_ms(f->g.loop) / 1000;
    assert_int_equal(json_parse(str_c(f->plain), &f->g.a, &n, NULL), 0);
    assert_true(str_is(node_text(n, "key", STR("")), "prod/db"));
    assert_true(str_is(node_text(n, "field", STR("")), "password"));
    assert_int_equal(node_get(n, "version")->type, NODE_NULL);
    const struct node *c = node_get(n, "context"), *app = node_get(c, "application");
    assert_true(str_is(node_text(app, "name", STR("")), "shop"));
    assert_true(str_is(node_text(app, "policy", STR("")),
                       "{\"type\":\"properties.secret.wasmcloud.dev/v1alpha1\","
                       "\"properties\":{\"role\":\"app\"}}"));
    str entity = node_text(c, "entity_jwt", STR("")), host = node_text(c, "host_jwt", STR(""));
    assert_int_equal(jwt_verify(entity, JWT_COMPONENT, now_s, &j, why, sizeof(why)), 1);
    identity_unit(f->identity, false, STR("default"), STR("shop-web"), key);
    assert_string_equal(j.sub, key);
    assert_string_equal(j.name, "shop-web");
    assert_int_equal(jwt_verify(host, JWT_HOST, now_s, &j, why, sizeof(why)), 1);
    assert_string_equal(j.sub, identity_host(f->identity));
    assert_non_null(strstr(f->log.ptr, key)); /* what a grant has to name */
}

static void test_values(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    assert_int_equal(read_one(&f, "vault", "prod/db"), TRL_OK);
    assert_string_equal(f.value, VALUE);
    assert_string_equal(f.version, "3");
    assert_int_equal(f.flags, 0);
    check_question(&f);
    f.answer =
        "{\"secret\":{\"version\":\"4\",\"string_secret\":null,\"binary_secret\":[0,255,7]}}";
    assert_int_equal(read_one(&f, "vault", "bytes"), TRL_OK);
    assert_int_equal(f.n, 3);
    assert_memory_equal(f.value, "\0\xff\7", 3);
    assert_int_equal(f.flags, TRL_SECRET_BINARY);
    f.answer = "{\"secret\":{\"version\":\"5\",\"string_secret\":\"\\u00e4\\n\\\"\"}}";
    assert_int_equal(read_one(&f, "vault", "escapes"), TRL_OK);
    assert_string_equal(f.value, "\xc3\xa4\n\"");
    f.answer = "{\"secret\":{\"version\":\"6\",\"string_secret\":\"\"}}";
    assert_int_equal(read_one(&f, "vault", "empty"), TRL_OK);
    assert_int_equal(f.n, 0);
    assert_int_equal(f.keys_told, 1); /* asked once */
    teardown(&f);
}

static void test_refusals(void **state) {
    static const struct {
        const char *answer;
        trl_status st;
        const char *why;
    } cases[] = {
        {"{\"error\":\"SecretNotFound\"}", TRL_E_NOTFOUND, "no such key, field or version"},
        {"{\"error\":\"Unauthorized\"}", TRL_E_DENIED, ": unauthorized"},
        {"{\"error\":{\"InvalidEntityJWT\":\"who is\\u0007this\"}}", TRL_E_DENIED, "who is this"},
        {"{\"error\":{\"UpstreamError\":\"it is down\"}}", TRL_E_UNAVAIL, "it is down"},
        {"{\"error\":{\"PolicyError\":\"nobody decides\"}}", TRL_E_UNAVAIL, "nobody decides"},
        {"{\"error\":\"InvalidRequest\"}", TRL_E_INVALID, "makes no sense"},
        {"{\"error\":\"DecryptionError\"}", TRL_E_UNAVAIL, "cannot open"},
        {"{\"error\":\"Brandnew\"}", TRL_E_UNAVAIL, "nobody knows: Brandnew"},
        {"{\"error\":null}", TRL_E_UNAVAIL, "no answer of this protocol"},
        {"{\"secret\":{\"version\":\"1\",\"string_secret\":\"" VALUE "\"}}", TRL_E_UNAVAIL,
         "no answer of this protocol"},
        {"no JSON", TRL_E_UNAVAIL, "no answer of this protocol"},
    };
    struct fix f;
    char key[NKEY_PUBLIC_LEN + 1];
    (void)state;
    setup(&f);
    f.how = PLAIN;
    identity_unit(f.identity, false, STR("default"), STR("shop-web"), key);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        f.answer = cases[i].answer;
        assert_int_equal(read_one(&f, "vault", "prod/db"), cases[i].st);
        if (!strstr(f.why, cases[i].why) || strstr(f.why, VALUE)) {
            fail_msg("%s: %s", cases[i].answer, f.why);
        }
        assert_true((strstr(f.why, key) != NULL) == (cases[i].st == TRL_E_DENIED));
    }
    assert_int_equal(f.keys_told, 2); /* once more after "cannot open" */
    teardown(&f);
}

static void test_broken_answers(void **state) {
    static const char *const none[] = {
        "{}",
        "{\"secret\":null}",
        "{\"error\":\"Unauthorized\"}",
        "{\"secret\":{\"string_secret\":\"" VALUE "\"}}",
        "{\"secret\":{\"version\":\"1\"}}",
        "{\"secret\":{\"version\":1,\"string_secret\":\"" VALUE "\"}}",
        "{\"secret\":{\"version\":\"1\",\"string_secret\":[\"" VALUE "\"]}}",
        "{\"secret\":{\"version\":\"1\",\"binary_secret\":[1,256]}}",
        "{\"secret\":{\"version\":\"1\",\"string_secret\":\"" VALUE "\"}} more",
        "{\"secret\":{\"version\":\"1\",\"string_secret\":\"" VALUE "\"",
    };
    struct fix f;
    (void)state;
    setup(&f);
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        f.answer = none[i];
        assert_int_equal(read_one(&f, "vault", "prod/db"), TRL_E_INTERNAL);
        assert_non_null(strstr(f.why, "no secret that can be read"));
        assert_null(strstr(f.why, VALUE));
    }
    f.how = FOR_OTHERS;
    assert_int_equal(read_one(&f, "vault", "prod/db"), TRL_E_INTERNAL);
    assert_non_null(strstr(f.why, "does not open"));
    f.how = RUBBISH;
    assert_int_equal(read_one(&f, "vault", "prod/db"), TRL_E_INTERNAL);
    f.how = SILENT;
    assert_int_equal(read_one(&f, "vault", "prod/db"), TRL_E_TIMEOUT);
    assert_int_equal(read_one(&f, "nobody", "prod/db"), TRL_E_UNAVAIL);
    assert_non_null(strstr(f.why, "nobody answers for the secrets backend 'nobody'"));
    assert_int_equal(read_one(&f, "a.b", "prod/db"), TRL_E_INVALID);
    assert_int_equal(read_one(&f, "vault", ""), TRL_E_INVALID);
    teardown(&f);
}

/* The service begins anew with another key: asked for, and the secret comes. */
static void test_another_key(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    assert_int_equal(read_one(&f, "vault", "prod/db"), TRL_OK);
    xkey_generate(&f.service);
    assert_int_equal(read_one(&f, "vault", "prod/db"), TRL_OK);
    assert_string_equal(f.value, VALUE);
    assert_int_equal(f.keys_told, 2);
    assert_int_equal(f.gets, 3);
    teardown(&f);
}

static void test_taken_back(void **state) {
    struct fix f;
    struct {
        trl_secret_read r;
        uint64_t more;
    } newer = {{.struct_size = sizeof(newer), .backend = STR("vault")}, 1};
    (void)state;
    setup(&f);
    uint64_t id = begin(&f, "vault", "prod/db");
    host_secrets_iface.cancel(f.driver, id);
    host_secrets_iface.cancel(f.driver, id);
    host_secrets_iface.cancel(f.driver, 99);
    rig_pass(&f.g, 30 * SECOND);
    assert_int_equal(f.answers, 0);
    host_secrets_iface.fetch(f.driver, &newer.r, on_value, &f);
    rig_pass(&f.g, 1000000);
    assert_int_equal(f.st, TRL_E_UNSUPP);
    f.how = SILENT;
    begin(&f, "vault", "prod/db");
    begin(&f, "nobody", "prod/db");
    host_secrets_finish(f.secrets);
    rig_pass(&f.g, 30 * SECOND);
    assert_int_equal(f.answers, 1);
    assert_int_equal(read_one(&f, "vault", "prod/db"), TRL_E_CLOSED);
    begin(&f, "vault", "prod/db"); /* and nobody waits for it */
    teardown(&f);
}

static void test_topics(void **state) {
    (void)state;
    assert_true(host_secrets_topic_ok(STR("wasmcloud.secrets")));
    assert_true(host_secrets_topic_ok(STR("a-b_c")));
    assert_false(host_secrets_topic_ok(STR("")));
    assert_false(host_secrets_topic_ok(STR("a..b")));
    assert_false(host_secrets_topic_ok(STR("a.")));
    assert_false(host_secrets_topic_ok(STR("a.*")));
    assert_false(host_secrets_topic_ok(STR("a b")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_are_kept), cmocka_unit_test(test_units_have_keys),
        cmocka_unit_test(test_tokens),         cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_broken_answers),
        cmocka_unit_test(test_another_key),    cmocka_unit_test(test_taken_back),
        cmocka_unit_test(test_topics)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
