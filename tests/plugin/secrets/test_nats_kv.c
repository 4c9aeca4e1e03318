/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets/1 "nats-kv" on a real nats-server (skipped without one): the suite; what is in the
 * buckets opened and made by hand, as the reference backend has it; grants; the operations on the
 * bus.
 */
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../unit/cmocka_all.h"
#include "../nats/server.h"
#include "ask.h"
#include "suite_secrets.h"
#include "xkey.h"

#define ENTITY  "MCF367LVELER2E76GPUYPQODC23KYU7H2PLMLL7ATFUMLCJF4XMIBOXA"
#define ENTITY2 "VDBZ2SLZDG3M54MYVYWCGIPQYXIO5JG5YRIOQYVQNH3PKE27ENGM34RV"
#define ANOTHER "XCHUBRNNW2HSKYSK4WZBJ2TWPJXMSTMCTU6XWXQ22G5G6PRBHAUF76G7"
#define CONF    "max_payload: 4MB\n" JETSTREAM

struct rig {
    struct server server;
    struct tk *tk;
    struct plug_inst *transport, *in;
    struct bus *bus;
    struct plug_iface iface;
    char config[512];
    struct xkey rest, transit;
};

static void seed_file(struct rig *r, const char *name, unsigned from, struct xkey *out) {
    char seed[NKEY_SEED_LEN + 1];
    uint8_t raw[32];
    for (unsigned i = 0; i < 32; i++) {
        raw[i] = (uint8_t)(from + i);
    }
    nkey_encode_seed(NKEY_CURVE, raw, seed);
    chmod(server_file(&r->server, name, seed), 0400);
    assert_true(xkey_from_seed(trl_cstr(seed), out));
}

static int setup(void **state) {
    struct rig *r = calloc(1, sizeof(*r));
    server_init(&r->server);
    seed_file(r, "rest", 0, &r->rest);
    seed_file(r, "transit", 0x20, &r->transit);
    snprintf(r->config, sizeof(r->config),
             "{\"encryption_seed_file\":\"%s/rest\",\"transit_seed_file\":\"%s/transit\"}",
             r->server.dir, r->server.dir);
    *state = r;
    return 0;
}

static int teardown(void **state) {
    struct rig *r = *state;
    server_end(&r->server);
    free(r);
    return 0;
}

static void bus_open(struct rig *r) {
    char config[128];
    snprintf(config, sizeof(config), "{%s}", server_url(&r->server));
    r->transport = tk_open(r->tk, TRL_KIND_TRANSPORT, "nats", config, NULL, 0);
    assert_non_null(r->transport);
    r->bus = bus_create(r->transport);
    r->iface = (struct plug_iface){TRL_HOST_TRANSPORT_V1, &bus_host_iface, r->bus};
}

static void bus_close(struct rig *r) {
    bus_destroy(r->bus);
    tk_close(r->tk, r->transport);
}

static void open_all(struct rig *r, const char *conf) {
    server_start(&r->server, conf);
    r->tk = tk_create(false);
    bus_open(r);
    r->in = tk_open(r->tk, TRL_KIND_SECRETS, "nats-kv", r->config, &r->iface, 1);
    assert_non_null(r->in);
}

static void close_all(struct rig *r) {
    tk_close(r->tk, r->in);
    bus_close(r);
    assert_int_equal(tk_destroy(r->tk), 0);
}

/* The suite */

static const struct plug_iface *enter(void *ctx, struct tk *tk, uint32_t *n) {
    struct rig *r = ctx;
    r->tk = tk;
    bus_open(r);
    *n = 1;
    return &r->iface;
}

static void leave(void *ctx, struct tk *tk) {
    (void)tk;
    bus_close(ctx);
}

static void outage(void *ctx, int down) {
    struct rig *r = ctx;
    if (down) {
        server_kill(&r->server);
    } else {
        server_start(&r->server, CONF);
    }
}

static void test_suite(void **state) {
    struct rig *r = *state;
    struct suite_secrets s = {.component = "nats-kv",
                              .config = r->config,
                              .ctx = r,
                              .enter = enter,
                              .leave = leave,
                              .outage = outage};
    if (!server_present()) {
        skip();
    }
    server_start(&r->server, CONF);
    assert_int_equal(suite_secrets(&s), 0);
}

/* Requests of others on the bus */

struct reply {
    bool done;
    trl_status st;
    char body[8192];
    size_t len;
};

static void on_reply(void *arg, trl_status st, const struct bus_msg *m) {
    struct reply *a = arg;
    a->done = true;
    a->st = st;
    if (m) {
        a->len = m->body.len < sizeof(a->body) - 1 ? m->body.len : sizeof(a->body) - 1;
        memcpy(a->body, m->body.ptr, a->len);
    }
}

static const struct reply *request(struct rig *r, const char *subject, const trl_label *headers,
                                   uint32_t n_headers, const void *body, size_t n) {
    static struct reply replies[2];
    static int turn;
    struct reply *a = &replies[turn++ % 2];
    struct bus_msg m = {.subject = str_c(subject),
                        .headers = headers,
                        .n_headers = n_headers,
                        .body = str_n(body, n)};
    memset(a, 0, sizeof(*a));
    bus_request(r->bus, &m, TK_PATIENCE / 2, on_reply, a);
    tk_until_set(r->tk, &a->done);
    return a;
}

#define PREFIX "wasmcloud.secrets.v1alpha1.nats-kv."

static void expect(struct rig *r, const char *subject, const char *body, const char *want) {
    const struct reply *a = request(r, subject, NULL, 0, body, strlen(body));
    TK_CHECK_F(r->tk, a->st == TRL_OK && strstr(a->body, want), "%s: %s '%s', not '%s'", subject,
               err_name(a->st), a->body, want);
}

/* The stored message of a key, decoded from JetStream's own answer. */
static size_t stored(struct rig *r, const char *bucket, const char *key, uint8_t *out, size_t cap) {
    char subject[128], body[200];
    const struct reply *a;
    const char *data;
    json_t *v;
    size_t n = 0;
    snprintf(subject, sizeof(subject), "$JS.API.STREAM.MSG.GET.KV_%s", bucket);
    snprintf(body, sizeof(body), "{\"last_by_subj\":\"$KV.%s.%s\"}", bucket, key);
    a = request(r, subject, NULL, 0, body, strlen(body));
    v = json_loadb(a->body, a->len, 0, NULL);
    data = json_string_value(json_object_get(json_object_get(v, "message"), "data"));
    if (!data || sodium_base642bin(out, cap, data, strlen(data), NULL, &n, NULL,
                                   sodium_base64_VARIANT_ORIGINAL) != 0) {
        n = 0;
    }
    json_decref(v);
    return n;
}

static void expect_config(struct rig *r, const char *stream, const char *part) {
    char subject[128];
    const struct reply *a;
    snprintf(subject, sizeof(subject), "$JS.API.STREAM.INFO.%s", stream);
    a = request(r, subject, NULL, 0, "", 0);
    TK_CHECK_F(r->tk, strstr(a->body, part) != NULL, "%s is without %s: %s", stream, part, a->body);
}

/* Opened and sealed here with libsodium alone, from the bytes of the key. */
static void test_storage(void **state) {
    struct rig *r = *state;
    uint8_t box[512], plain[512], nonce[24];
    size_t n;
    if (!server_present()) {
        skip();
    }
    open_all(r, CONF);
    ASK_ST(r->tk, ask_put(r->tk, r->in, Q("prod/db"), "s3cr3t", 6), TRL_OK);
    n = stored(r, "WASMCLOUD_SECRETS", "prod/db", box, sizeof(box));
    TK_CHECK_F(r->tk, n == 44 + 6 && memcmp(box, "xkv1", 4) == 0, "%zu bytes", n);
    TK_CHECK_F(
        r->tk,
        crypto_box_open_easy(plain, box + 28, n - 28, box + 4, r->rest.pub, r->rest.secret) == 0 &&
            memcmp(plain, "s3cr3t", 6) == 0,
        "sealed by the key at rest to itself");
    memset(nonce, 7, sizeof(nonce));
    memcpy(box, "xkv1", 4);
    memcpy(box + 4, nonce, 24);
    assert_int_equal(crypto_box_easy(box + 28, (const uint8_t *)"by hand", 7, nonce, r->rest.pub,
                                     r->rest.secret),
                     0);
    n = request(r, "$KV.WASMCLOUD_SECRETS.hand", NULL, 0, box, 44 + 7)->len;
    TK_CHECK_F(r->tk, n > 0, "published");
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, Q("hand")), "by hand");
    /* not text: the reference backend gives such away still sealed */
    assert_int_equal(crypto_box_easy(box + 28, (const uint8_t *)"\xff\x00\xfe", 3, nonce,
                                     r->rest.pub, r->rest.secret),
                     0);
    request(r, "$KV.WASMCLOUD_SECRETS.bin", NULL, 0, box, 44 + 3);
    TK_CHECK_F(r->tk, ask_fetch(r->tk, r->in, Q("bin"))->flags == TRL_SECRET_BINARY, "binary");
    TK_CHECK_F(r->tk, ask_fetch(r->tk, r->in, Q("bin"))->value_len == 3, "binary");
    /* damaged, and no box at all */
    box[40] ^= 1;
    request(r, "$KV.WASMCLOUD_SECRETS.bad", NULL, 0, box, 44 + 3);
    request(r, "$KV.WASMCLOUD_SECRETS.short", NULL, 0, "xkv1", 4);
    request(r, "$KV.WASMCLOUD_SECRETS.empty", NULL, 0, "", 0);
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, Q("bad")), TRL_E_INTERNAL);
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, Q("short")), TRL_E_INTERNAL);
    ASK_ST(r->tk, ask_check(r->tk, r->in, Q("empty")), TRL_E_INTERNAL);
    /* a deletion; a revision of another key; an older one */
    trl_label del = {trl_cstr("KV-Operation"), trl_cstr("DEL")};
    request(r, "$KV.WASMCLOUD_SECRETS.hand", &del, 1, "", 0);
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, Q("hand")), TRL_E_NOTFOUND);
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, QV("hand", "2")), "by hand");
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, QV("hand", "1")), TRL_E_NOTFOUND);
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, QV("prod/db", "1")), "s3cr3t");
    ASK_TEXT(r->tk, ask_list(r->tk, r->in, ""), "bad bin empty prod/db short ");
    expect_config(r, "KV_WASMCLOUD_SECRETS", "\"max_msgs_per_subject\":64");
    expect_config(r, "KV_SECRETS_nats-kv_state", "\"max_msgs_per_subject\":1");
    expect_config(r, "SECRETS_nats-kv_state_lock", "\"max_age\":3000000000");
    expect_config(r, "SECRETS_nats-kv_state_lock", "\"discard_new_per_subject\":true");
    close_all(r);
}

static void test_grants(void **state) {
    struct rig *r = *state;
    uint8_t list[512];
    size_t n;
    if (!server_present()) {
        skip();
    }
    open_all(r, CONF);
    ASK_ST(r->tk, ask_put(r->tk, r->in, Q("a"), "va", 2), TRL_OK);
    ASK_ST(r->tk, ask_put(r->tk, r->in, Q("b"), "vb", 2), TRL_OK);
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, Q("a")), "va");
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, QE("a", ENTITY)), TRL_E_DENIED);
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, QE("none", ENTITY)), TRL_E_DENIED);
    expect(r, PREFIX "add_mapping." ENTITY, "[\"a\",\"c\"]", "ok");
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, QE("a", ENTITY)), "va");
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, QE("b", ENTITY)), TRL_E_DENIED);
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, QE("c", ENTITY)), TRL_E_NOTFOUND);
    ASK_ST(r->tk, ask_check(r->tk, r->in, QE("a", ENTITY2)), TRL_E_DENIED);
    expect(r, PREFIX "add_mapping." ENTITY, "[\"b\",\"a\"]", "ok");
    n = stored(r, "SECRETS_nats-kv_state", ENTITY, list, sizeof(list));
    TK_CHECK_F(r->tk, n == 13 && memcmp(list, "[\"a\",\"c\",\"b\"]", 13) == 0, "'%.*s'", (int)n,
               (char *)list);
    expect(r, PREFIX "remove_mapping." ENTITY, "[\"a\",\"zzz\"]", "ok");
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, QE("a", ENTITY)), TRL_E_DENIED);
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, QE("b", ENTITY)), "vb");
    expect(r, PREFIX "remove_mapping." ENTITY2, "[\"a\"]", "ok");
    expect(r, PREFIX "remove_mapping." ENTITY, "[\"b\",\"c\"]", "ok");
    n = stored(r, "SECRETS_nats-kv_state", ENTITY, list, sizeof(list));
    TK_CHECK_F(r->tk, n == 2 && memcmp(list, "[]", 2) == 0, "'%.*s'", (int)n, (char *)list);
    /* what makes no sense changes nothing */
    expect(r, PREFIX "add_mapping." ENTITY, "", "not a JSON list");
    expect(r, PREFIX "add_mapping." ENTITY, "{}", "not a JSON list");
    expect(r, PREFIX "add_mapping." ENTITY, "[1]", "no key");
    expect(r, PREFIX "add_mapping." ENTITY, "[\"a b\"]", "no key");
    TK_CHECK_ST(r->tk, request(r, PREFIX "add_mapping", NULL, 0, "[]", 2)->st, TRL_E_NORESPONDER);
    request(r, "$KV.SECRETS_nats-kv_state." ENTITY, NULL, 0, "what", 4);
    expect(r, PREFIX "add_mapping." ENTITY, "[\"a\"]", "not a JSON list; nothing was changed");
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, QE("a", ENTITY)), TRL_E_UNAVAIL);
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, QE("a", "not.one")), TRL_E_DENIED);
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, QE("a", ">")), TRL_E_DENIED);
    close_all(r);
}

/* Six at once, and a lock that somebody left behind: all are in the list at the end. */
static void test_grants_race(void **state) {
    enum { MANY = 6 };
    struct rig *r = *state;
    struct reply replies[MANY];
    char body[MANY][32], key[16];
    if (!server_present()) {
        skip();
    }
    open_all(r, CONF);
    ASK_ST(r->tk, ask_put(r->tk, r->in, Q("k5"), "v", 1), TRL_OK);
    request(r, "SECRETS_nats-kv_state_lock." ENTITY2, NULL, 0, "lock", 4);
    for (int i = 0; i < MANY; i++) {
        struct bus_msg m = {.subject = str_c(i % 3 == 2 ? PREFIX "add_mapping." ENTITY2
                                                        : PREFIX "add_mapping." ENTITY)};
        memset(&replies[i], 0, sizeof(replies[i]));
        snprintf(body[i], sizeof(body[i]), "[\"k%d\"]", i);
        m.body = str_c(body[i]);
        bus_request(r->bus, &m, TK_PATIENCE / 2, on_reply, &replies[i]);
    }
    for (int i = 0; i < MANY; i++) {
        tk_until_set(r->tk, &replies[i].done);
        TK_CHECK_STR(r->tk, str_n(replies[i].body, replies[i].len), "ok");
    }
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, QE("k5", ENTITY2)), "v");
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        TK_CHECK_F(r->tk,
                   ask_check(r->tk, r->in, QE(key, i % 3 == 2 ? ENTITY2 : ENTITY))->st !=
                       TRL_E_DENIED,
                   "grant %d is there", i);
    }
    close_all(r);
}

static const struct reply *put_secret(struct rig *r, const char *json, const char *header) {
    static uint8_t box[4096];
    struct xkey mine;
    char text[NKEY_PUBLIC_LEN + 1];
    trl_label h = {trl_cstr("WasmCloud-Host-Xkey"), {NULL, 0}};
    size_t n = strlen(json);
    xkey_generate(&mine);
    xkey_public_text(mine.pub, text);
    h.value = trl_cstr(header ? header : text);
    assert_true(xkey_seal(&mine, r->transit.pub, json, n, box));
    return request(r, PREFIX "put_secret", &h, 1, box, n + XKEY_OVERHEAD);
}

static void expect_put(struct rig *r, const char *json, const char *want) {
    const struct reply *a = put_secret(r, json, NULL);
    TK_CHECK_STR(r->tk, str_n(a->body, a->len), want);
}

#define FAILS(error) "{\"revision\":0,\"error\":\"" error "\"}"

static void test_put_secret(void **state) {
    struct rig *r = *state;
    trl_label other = {trl_cstr("Other"), trl_cstr("x")};
    const struct reply *a;
    if (!server_present()) {
        skip();
    }
    open_all(r, CONF);
    expect_put(
        r,
        "{\"key\":\"a\",\"version\":\"\",\"string_secret\":\"v\\u00e4\\n\",\"binary_secret\":null}",
        "{\"revision\":1,\"error\":null}");
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, Q("a")), "v\xc3\xa4\n");
    expect_put(
        r, "{\"key\":\"a\",\"version\":\"1\",\"string_secret\":null,\"binary_secret\":[0,255, 1]}",
        "{\"revision\":2,\"error\":null}");
    TK_CHECK_F(r->tk, ask_fetch(r->tk, r->in, Q("a"))->value_len == 3, "three bytes");
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, QV("a", "1")), "v\xc3\xa4\n");
    expect_put(r, "{\"key\":\"a\",\"string_secret\":null,\"binary_secret\":null}",
               FAILS("InvalidPayload"));
    expect_put(r, "{\"key\":\"a\",\"binary_secret\":[256]}", FAILS("InvalidPayload"));
    expect_put(r, "{\"key\":\"a b\",\"string_secret\":\"v\"}", FAILS("InvalidPayload"));
    expect_put(r, "{\"key\":\"../a\",\"string_secret\":\"v\"}", FAILS("InvalidPayload"));
    expect_put(r, "{\"key\":\"a\",\"key\":\"b\",\"string_secret\":\"v\"}", FAILS("InvalidPayload"));
    expect_put(r, "{\"key\":\"a\",\"string_secret\":\"v\"", FAILS("InvalidPayload"));
    expect_put(r, "{\"key\":\"a\",\"string_secret\":\"\\ud800\"}", FAILS("InvalidPayload"));
    expect_put(r, "[]", FAILS("InvalidPayload"));
    a = put_secret(r, "{}", ANOTHER);
    TK_CHECK_STR(r->tk, str_n(a->body, a->len), FAILS("DecryptionError"));
    a = put_secret(r, "{}", "XNOKEY");
    TK_CHECK_STR(r->tk, str_n(a->body, a->len), FAILS("InvalidXKey"));
    a = request(r, PREFIX "put_secret", &other, 1, "x", 1);
    TK_CHECK_STR(r->tk, str_n(a->body, a->len), FAILS("InvalidXKey"));
    a = request(r, PREFIX "put_secret", NULL, 0, "x", 1);
    TK_CHECK_STR(r->tk, str_n(a->body, a->len), FAILS("InvalidHeaders"));
    a = request(r, PREFIX "put_secret", NULL, 0, "", 0);
    TK_CHECK_STR(r->tk, str_n(a->body, a->len), FAILS("InvalidPayload"));
    /* these two are the core's */
    TK_CHECK_ST(r->tk, request(r, PREFIX "get", NULL, 0, "", 0)->st, TRL_E_NORESPONDER);
    TK_CHECK_ST(r->tk, request(r, PREFIX "server_xkey", NULL, 0, "", 0)->st, TRL_E_NORESPONDER);
    ASK_TEXT(r->tk, ask_list(r->tk, r->in, ""), "a ");
    close_all(r);
}

/* Another key at rest; a value larger than the server takes; no JetStream. */
static void test_trouble(void **state) {
    struct rig *r = *state;
    char *large = calloc(1, TRL_SECRET_MAX_BYTES + 1);
    struct xkey k;
    if (!server_present()) {
        free(large);
        skip();
    }
    open_all(r, JETSTREAM);
    ASK_ST(r->tk, ask_put(r->tk, r->in, Q("a"), "v", 1), TRL_OK);
    ASK_ST(r->tk, ask_put(r->tk, r->in, Q("fits"), large, 900000), TRL_OK);
    TK_CHECK_F(r->tk, ask_fetch(r->tk, r->in, Q("fits"))->value_len == 900000, "900000 bytes");
    ASK_ST(r->tk, ask_put(r->tk, r->in, Q("large"), large, TRL_SECRET_MAX_BYTES), TRL_E_INVALID);
    ASK_ST(r->tk, ask_put(r->tk, r->in, Q("larger"), large, TRL_SECRET_MAX_BYTES + 1),
           TRL_E_INVALID);
    tk_close(r->tk, r->in);
    unlink(server_file(&r->server, "rest", NULL));
    seed_file(r, "rest", 0x40, &k);
    r->in = tk_open(r->tk, TRL_KIND_SECRETS, "nats-kv", r->config, &r->iface, 1);
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, Q("a")), TRL_E_INTERNAL);
    TK_CHECK_F(r->tk,
               strstr(ask_check(r->tk, r->in, Q("a"))->why, "sealed with another key") != NULL,
               "it says why");
    TK_CHECK_F(r->tk, strstr(ask_info(r->tk, r->in)->text, "\"ready\":true") != NULL, "ready");
    close_all(r);
    server_kill(&r->server);
    open_all(r, "");
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, Q("a")), TRL_E_UNAVAIL);
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, QE("a", ENTITY)), TRL_E_UNAVAIL);
    ASK_ST(r->tk, ask_put(r->tk, r->in, Q("a"), "v", 1), TRL_E_UNAVAIL);
    ASK_ST(r->tk, ask_list(r->tk, r->in, ""), TRL_E_UNAVAIL);
    TK_CHECK_F(r->tk, tk_logged(r->tk, "is it enabled"), "the log says it once");
    close_all(r);
    free(large);
}

/* A server that stands still: each call ends at its own deadline or at timeout_ms, and a grant's
 * change is told to have failed; afterwards all goes on. */
static void test_slow(void **state) {
    struct rig *r = *state;
    struct plug_inst *in;
    char config[600];
    if (!server_present()) {
        skip();
    }
    open_all(r, CONF);
    ASK_ST(r->tk, ask_put(r->tk, r->in, Q("a"), "v", 1), TRL_OK);
    snprintf(config, sizeof(config), "%.*s,\"timeout_ms\":300,\"operations\":false}",
             (int)strlen(r->config) - 1, r->config);
    in = tk_open(r->tk, TRL_KIND_SECRETS, "nats-kv", config, &r->iface, 1);
    kill(r->server.pid, SIGSTOP);
    assert_int_equal(waitpid(r->server.pid, NULL, WUNTRACED), r->server.pid); /* it stands */
    ASK_ST(r->tk, ask_fetch(r->tk, in, Q("a")), TRL_E_TIMEOUT);
    ASK_ST(r->tk, ask_check(r->tk, in, QE("a", ENTITY)), TRL_E_TIMEOUT);
    ASK_ST(r->tk, ask_put(r->tk, in, Q("a"), "w", 1), TRL_E_TIMEOUT);
    ASK_ST(r->tk, ask_list(r->tk, in, ""), TRL_E_TIMEOUT);
    tk_close(r->tk, in);
    /* starting is not held up for ever either */
    in = tk_open(r->tk, TRL_KIND_SECRETS, "nats-kv", config, &r->iface, 1);
    kill(r->server.pid, SIGCONT);
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, QV("a", "1")), "v");
    tk_close(r->tk, in);
    close_all(r);
}

static void test_config(void **state) {
    static const char *const bad[][2] = {
        {"{}", "encryption_seed_file"},
        {"{\"encryption_seed_file\":\"/none\"}", "no such file"},
        {"{\"encryption_seed_file\":\"/x\",\"name\":\"a.b\"}", "/name"},
        {"{\"encryption_seed_file\":\"/x\",\"bucket\":\"a b\"}", "/bucket"},
        {"{\"encryption_seed_file\":\"/x\",\"topic\":\"a..b\"}", "/topic"},
        {"{\"encryption_seed_file\":\"/x\",\"topic\":\"a.\"}", "/topic"},
        {"{\"encryption_seed_file\":\"/x\",\"topic\":\"a.*\"}", "/topic"},
        {"{\"encryption_seed_file\":\"/x\",\"history\":65}", "/history"},
        {"{\"encryption_seed\":\"SX\"}", "encryption_seed"},
    };
    struct rig *r = *state;
    char config[512];
    if (!server_present()) {
        skip();
    }
    server_start(&r->server, CONF);
    r->tk = tk_create(false);
    bus_open(r);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ask_refused(r->tk, "nats-kv", bad[i][0], bad[i][1], &r->iface, 1);
    }
    ask_refused(r->tk, "nats-kv", r->config, "host.transport/1", NULL, 0);
    chmod(server_file(&r->server, "rest", NULL), 0440);
    ask_refused(r->tk, "nats-kv", r->config, "chmod go=", &r->iface, 1);
    chmod(server_file(&r->server, "rest", NULL), 0400);
    snprintf(config, sizeof(config), "{\"encryption_seed_file\":\"%s\"}",
             server_file(&r->server, "no-seed", "SUAKEY\n"));
    chmod(server_file(&r->server, "no-seed", NULL), 0600);
    ask_refused(r->tk, "nats-kv", config, "not the seed of a curve key", &r->iface, 1);
    bus_close(r);
    assert_int_equal(tk_destroy(r->tk), 0);
}

static void on_peer(void *arg, const struct bus_msg *m) {
    struct reply *a = arg;
    snprintf(a->body, sizeof(a->body), "%.*s", PSTR(m->body));
    a->done = true;
}

/* A Python with nats-py and PyNaCl, or "" and a line that says how to get it. */
static void find_python(char *out, int size) {
    FILE *f = popen("'" TRELLIS_SOURCE_DIR "/tests/tools/nats-py.sh' --have 2>/dev/null", "r");
    out[0] = '\0';
    if (f) {
        if (!fgets(out, size, f)) {
            out[0] = '\0';
        }
        pclose(f);
    }
    out[strcspn(out, "\n")] = '\0';
    if (!out[0]) {
        printf("skipped: no Python with nats-py and PyNaCl (tests/tools/nats-py.sh fetches it)\n");
    }
}

/* Somebody else's code puts, reads, seals and grants; then what it left is fetched here. */
static void test_peer(void **state) {
    struct rig *r = *state;
    struct reply said = {.done = false};
    char python[512], url[64];
    pid_t pid;
    find_python(python, sizeof(python));
    if (!server_present() || !python[0]) {
        skip();
    }
    open_all(r, CONF);
    bus_subscribe(r->bus, STR("peer.done"), STR_NONE, on_peer, &said);
    snprintf(url, sizeof(url), "nats://127.0.0.1:%d", r->server.port);
    pid = fork();
    if (pid == 0) {
        char rest[128], transit[128];
        snprintf(rest, sizeof(rest), "%s", server_file(&r->server, "rest", NULL));
        snprintf(transit, sizeof(transit), "%s", server_file(&r->server, "transit", NULL));
        execl(python, python, TRELLIS_SOURCE_DIR "/tests/plugin/secrets/peer.py", url, rest,
              transit, ENTITY, (char *)NULL);
        _exit(127);
    }
    tk_until_set(r->tk, &said.done);
    waitpid(pid, NULL, 0);
    TK_CHECK_STR(r->tk, str_c(said.body), "ok");
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, QE("from/put", ENTITY)),
             "gr\xc3\xbc\xc3\x9f"
             "e\n");
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, QE("by-peer", ENTITY)), "value 2");
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, QV("by-peer", "3")), "value 0");
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, QE("no", ENTITY)), TRL_E_DENIED);
    ASK_ST(r->tk, ask_fetch(r->tk, r->in, Q("deleted")), TRL_E_NOTFOUND);
    ASK_TEXT(r->tk, ask_list(r->tk, r->in, ""), "by-peer from.bytes from/put ");
    close_all(r);
}

/* The example as it is, where its files are. */
static void test_example(void **state) {
    struct rig *r = *state;
    char back[512], text[512];
    FILE *f = fopen(TRELLIS_SOURCE_DIR "/secrets/nats-kv/examples/nats-kv.json", "r");
    if (!server_present()) {
        fclose(f);
        skip();
    }
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    snprintf(r->config, sizeof(r->config), "%s", text);
    seed_file(r, "encryption.seed", 0, &r->rest);
    seed_file(r, "transit.seed", 0x20, &r->transit);
    assert_non_null(getcwd(back, sizeof(back)));
    assert_int_equal(chdir(r->server.dir), 0);
    open_all(r, CONF);
    expect_put(r, "{\"key\":\"a\",\"string_secret\":\"v\"}", "{\"revision\":1,\"error\":null}");
    ASK_TEXT(r->tk, ask_fetch(r->tk, r->in, Q("a")), "v");
    close_all(r);
    assert_int_equal(chdir(back), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_suite, setup, teardown),
        cmocka_unit_test_setup_teardown(test_storage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grants, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grants_race, setup, teardown),
        cmocka_unit_test_setup_teardown(test_put_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trouble, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_config, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_example, setup, teardown),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
