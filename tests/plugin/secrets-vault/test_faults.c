/* SPDX-License-Identifier: Apache-2.0
 *
 * What the backend makes of a server's answers, good and bad, slow and none: each has one outcome,
 * a clear text, and never a value in it.
 */
#include "../../unit/cmocka_all.h"
#include "base/mem.h"
#include "rig.h"

static struct rig rig;

static int setup(void **state) {
    (void)state;
    rig_init(&rig);
    rig_usual(&rig);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    rig_finish(&rig);
    return 0;
}

static void field(const char *data, const char *name, trl_status st, const char *want) {
    static char bodies[16][512]; /* the server's threads read them */
    static unsigned turn;
    char *body = bodies[turn++ % 16];
    snprintf(body, sizeof(bodies[0]),
             "{\"data\":{\"data\":%s,\"metadata\":{\"version\":3,\"destroyed\":false}}}", data);
    size_t u = RULE(&rig, .path = "/v1/secret/data/a", .status = 200, .body = body);
    const struct answer *a = ask_fetch(rig.tk, rig.in, QF("a", name));
    ASK_ST(rig.tk, a, st);
    if (st == TRL_OK) {
        ASK_TEXT(rig.tk, a, want);
        TK_CHECK(rig.tk, strcmp(a->version, "3") == 0);
    }
    rig_drop(&rig, u);
}

static void test_fields(void **state) {
    (void)state;
    rig_open(&rig, "");
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v1");
    field("{\"value\":\"a\\\"b\\n\\u20ac\\ud83d\\ude00\"}", "", TRL_OK,
          "a\"b\n\xe2\x82\xac\xf0\x9f\x98\x80");
    field("{\"n\":5432,\"value\":\"x\"}", "n", TRL_OK, "5432");
    field("{\"n\":true}", "n", TRL_OK, "true");
    field("{\"n\":{\"a\":[1, 2]}}", "n", TRL_OK, "{\"a\":[1, 2]}");
    field("{\"a\": \"1\",\"b\":2}", "*", TRL_OK, "{\"a\": \"1\",\"b\":2}");
    field("{\"q\\\"\\u0075\":\"odd\"}", "q\"u", TRL_OK, "odd");
    field("{\"n\":null}", "n", TRL_E_NOTFOUND, "");
    field("{\"n\":\"\"}", "n", TRL_OK, "");
    field("{\"n\":1}", "m", TRL_E_NOTFOUND, "");
    field("{\"n\":1}", "a\nb", TRL_E_INVALID, "");
    field("[]", "n", TRL_E_INTERNAL, "");
    field("null", "n", TRL_E_INTERNAL, "");
    field("{\"n\":\"\\ud800\"}", "n", TRL_E_INTERNAL, "");
}

/* What came of one fetch, all of it. */
struct full {
    bool done;
    trl_status st;
    trl_err err;
    uint32_t flags;
    size_t n;
    char value[64];
};

static void on_full(void *arg, trl_status st, const struct secret_found *f, const trl_err *e) {
    struct full *u = arg;
    u->done = true;
    u->st = st;
    if (e) {
        u->err = *e;
    }
    if (f) {
        str v = guarded_bytes(f->value);
        u->flags = f->flags;
        u->n = v.len;
        memcpy(u->value, v.ptr, v.len < 63 ? v.len : 63);
        guarded_free(f->value);
    }
}

static struct secrets_call *begin(struct full *u, const char *properties, int64_t timeout_ns) {
    trl_secret_ref ref = {
        .struct_size = sizeof(ref), .key = trl_cstr("a"), .properties = trl_cstr(properties)};
    memset(u, 0, sizeof(*u));
    return secrets_fetch(rig.in, &ref, timeout_ns, on_full, u);
}

static void test_base64(void **state) {
    struct full u;
    (void)state;
    rig_open(&rig, "");
    RULE(&rig, .path = "/v1/secret/data/a", .status = 200,
         .body = RIG_DATA("{\"value\":\"AAEC/w==\"}", "1"));
    begin(&u, "{\"encoding\":\"base64\",\"other\":1}", 0);
    tk_until_set(rig.tk, &u.done);
    TK_CHECK_ST(rig.tk, u.st, TRL_OK);
    TK_CHECK(rig.tk, u.n == 4 && memcmp(u.value, "\0\1\2\xff", 4) == 0);
    TK_CHECK(rig.tk, u.flags == TRL_SECRET_BINARY);
    begin(&u, "{\"encoding\":\"rot13\"}", 0);
    tk_until_set(rig.tk, &u.done);
    TK_CHECK_ST(rig.tk, u.st, TRL_E_INVALID);
    begin(&u, "[", 0);
    tk_until_set(rig.tk, &u.done);
    TK_CHECK_ST(rig.tk, u.st, TRL_E_INVALID);
    RULE(&rig, .path = "/v1/secret/data/a", .status = 200,
         .body = RIG_DATA("{\"value\":\"hush!\"}", "1"));
    begin(&u, "{\"encoding\":\"base64\"}", 0);
    tk_until_set(rig.tk, &u.done);
    TK_CHECK_ST(rig.tk, u.st, TRL_E_INVALID);
    TK_CHECK(rig.tk, !strstr(u.err.msg, "hush"));
}

static void test_statuses(void **state) {
    static const struct {
        int status;
        const char *more, *body;
        trl_status st;
        uint32_t retry_ms;
        const char *text;
    } all[] = {
        {400, "", "{\"errors\":[\"odd\\u0007 request\"]}", TRL_E_INVALID, 0, "odd  request"},
        {401, "", "{}", TRL_E_DENIED, 0, "policy"},
        {403, "", "{\"errors\":[\"permission denied\"]}", TRL_E_DENIED, 0, "secret/a"},
        {404, "", "{\"errors\":[]}", TRL_E_NOTFOUND, 0, "secret/a is not there"},
        {404, "", "{\"errors\":[\"no handler for route 'x'\"]}", TRL_E_NOTFOUND, 0, "mounted"},
        {404, "", "not JSON", TRL_E_NOTFOUND, 0, "is not there"},
        {404, "",
         "{\"data\":{\"data\":null,\"metadata\":{\"version\":2,\"deletion_time\":"
         "\"2020-01-01T00:00:00Z\",\"destroyed\":false}}}",
         TRL_E_NOTFOUND, 0, "version 2 was deleted"},
        {404, "",
         "{\"data\":{\"data\":null,\"metadata\":{\"version\":2,\"deletion_time\":\"\","
         "\"destroyed\":true}}}",
         TRL_E_NOTFOUND, 0, "version 2 was destroyed"},
        {405, "", "{}", TRL_E_UNSUPP, 0, "cannot do"},
        {412, "", "{}", TRL_E_UNAVAIL, 200, "caught up"},
        {429, "Retry-After: 7\r\n", "{}", TRL_E_UNAVAIL, 7000, "too many"},
        {429, "Retry-After: soon\r\n", "{}", TRL_E_UNAVAIL, 1000, "too many"},
        {429, "Retry-After: 99999\r\n", "{}", TRL_E_UNAVAIL, 3600000, "too many"},
        {500, "", "{\"errors\":[\"internal\"]}", TRL_E_UNAVAIL, 1000, "HTTP 500"},
        {502, "", "<html>", TRL_E_UNAVAIL, 1000, "HTTP 502"},
        {503, "", "{\"errors\":[\"Vault is sealed\"]}", TRL_E_UNAVAIL, 5000, "sealed"},
        {307, "Location: http://127.0.0.1:1/\r\n", "", TRL_E_UNAVAIL, 5000, "another"},
        {302, "", "", TRL_E_UNAVAIL, 5000, "another"},
        {204, "", "", TRL_E_INVALID, 0, "HTTP 204"},
    };
    (void)state;
    rig_open(&rig, "");
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct full u;
        size_t rule = RULE(&rig, .path = "/v1/secret/data/a", .status = all[i].status,
                           .more = all[i].more, .body = all[i].body);
        begin(&u, "", 0);
        tk_until_set(rig.tk, &u.done);
        TK_CHECK_F(rig.tk, u.st == all[i].st && u.err.retry_after_ms == all[i].retry_ms,
                   "HTTP %d (%zu): %s, %u ms, %s", all[i].status, i, err_name(u.st),
                   u.err.retry_after_ms, u.err.msg);
        TK_CHECK_F(rig.tk, strstr(u.err.msg, all[i].text), "HTTP %d (%zu): '%s' is without '%s'",
                   all[i].status, i, u.err.msg, all[i].text);
        rig_drop(&rig, rule);
    }
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v1");
}

static void test_malformed(void **state) {
    static const struct {
        const char *raw;
        trl_status st;
    } all[] = {
        {"", TRL_E_UNAVAIL}, /* closed at once */
        {"garbage\r\n\r\n", TRL_E_INTERNAL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"data\":{\"data\":{\"value\":\"hush",
         TRL_E_INTERNAL},
        {"HTTP/1.1 200 OK\r\n\r\n{\"data\":{\"data\":{\"value\":\"hush\"},", TRL_E_INTERNAL},
        {"HTTP/1.1 200 OK\r\n\r\n{\"data\":{\"data\":{\"value\":\"hush\"}}}", TRL_E_INTERNAL},
        {"HTTP/1.1 200 OK\r\n\r\n{\"data\":{\"data\":{\"value\":\"hush\"},\"metadata\":{}}}",
         TRL_E_INTERNAL},
        {"HTTP/1.1 200 OK\r\n\r\n{\"data\":{\"data\":{\"value\":\"hush\"},\"metadata\":{\"version"
         "\":-1}}}",
         TRL_E_INTERNAL},
        {"HTTP/1.1 200 OK\r\n\r\n{\"data\":{\"value\":\"hush\"}}", TRL_E_INTERNAL},
        {"HTTP/1.1 200 OK\r\n\r\n[\"hush\"]", TRL_E_INTERNAL},
        {"HTTP/1.1 200 OK\r\n\r\n", TRL_E_INTERNAL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", TRL_E_INVALID},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhush\r\n", TRL_E_INTERNAL},
    };
    (void)state;
    rig_open(&rig, ",\"max_answer_bytes\":4096");
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct full u;
        size_t rule = RULE(&rig, .path = "/v1/secret/data/a", .body = all[i].raw);
        begin(&u, "", 0);
        tk_until_set(rig.tk, &u.done);
        TK_CHECK_F(rig.tk, u.st == all[i].st, "answer %zu: %s %s", i, err_name(u.st), u.err.msg);
        TK_CHECK_F(rig.tk, !strstr(u.err.msg, "hush"), "answer %zu: %s", i, u.err.msg);
        rig_drop(&rig, rule);
    }
    TK_CHECK(rig.tk, !tk_logged(rig.tk, "hush"));
}

static void test_huge(void **state) {
    static char huge[1200000];
    const size_t n = sizeof(huge) - 1;
    (void)state;
    memset(huge, 'x', n);
    memcpy(huge, "{\"data\":{\"data\":{\"value\":\"", 26);
    memcpy(huge + n - 40, "\"},\"metadata\":{\"version\":1,\"d\":\"\"}}}    ", 40);
    rig_open(&rig, "");
    RULE(&rig, .path = "/v1/secret/data/a", .status = 200, .body = huge, .len = n);
    ASK_ST(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), TRL_E_INVALID); /* above 1 MiB */
    rig_close(&rig);
    rig_open(&rig, ",\"max_answer_bytes\":8192");
    const struct answer *a = ask_fetch(rig.tk, rig.in, Q("a"));
    ASK_ST(rig.tk, a, TRL_E_INVALID);
    TK_CHECK(rig.tk, strstr(a->why, "max_answer_bytes"));
}

/* The op's deadline is TIMEOUT, the server's silence before it UNAVAIL; a cancel ends it soon. */
static void test_slow(void **state) {
    struct full u;
    (void)state;
    size_t held = RULE(&rig, .path = "/v1/secret/data/a", .hold = 1);
    rig_open(&rig, ",\"request_timeout_ms\":150");
    begin(&u, "", 60000 * TK_MS);
    tk_until_set(rig.tk, &u.done);
    TK_CHECK_ST(rig.tk, u.st, TRL_E_UNAVAIL);
    TK_CHECK_F(rig.tk, strstr(u.err.msg, "request_timeout_ms") && u.err.retry_after_ms, "%s",
               u.err.msg);
    rig_close(&rig);
    rig_open(&rig, ",\"request_timeout_ms\":600000");
    begin(&u, "", 100 * TK_MS);
    tk_until_set(rig.tk, &u.done);
    TK_CHECK_ST(rig.tk, u.st, TRL_E_TIMEOUT);
    uint32_t before = rig_asked(&rig, held);
    struct secrets_call *c = begin(&u, "", 0);
    rig_wait_asked(&rig, held, before + 1);
    secrets_cancel(c);
    rig_close(&rig); /* waits for what is outstanding: nothing, soon */
    rig_open(&rig, ",\"request_timeout_ms\":600000");
    begin(&u, "", 0);
    rig_wait_asked(&rig, held, before + 2);
    rig_close(&rig);
    TK_CHECK(rig.tk, u.done && u.st != TRL_OK);
}

static void test_unreachable(void **state) {
    struct full u;
    char config[400];
    (void)state;
    snprintf(config, sizeof(config),
             "{\"address\":\"http://127.0.0.1:1\",\"auth\":{\"token_file\":\"%s\"}}",
             rig_file(&rig, "token", "x"));
    rig.in = tk_open(rig.tk, TRL_KIND_SECRETS, "vault", config, NULL, 0);
    begin(&u, "", 0);
    tk_until_set(rig.tk, &u.done);
    TK_CHECK_ST(rig.tk, u.st, TRL_E_UNAVAIL);
    TK_CHECK_F(rig.tk, strstr(u.err.msg, "127.0.0.1:1") && u.err.retry_after_ms, "%s", u.err.msg);
    TK_CHECK(rig.tk, tk_logged(rig.tk, "cannot be reached"));
    rig_close(&rig);
    snprintf(config, sizeof(config),
             "{\"address\":\"https://%s\",\"auth\":{\"token_file\":\"%s\"}}",
             fake_http_url(rig.http) + 7, rig_file(&rig, "token", "x"));
    rig.in = tk_open(rig.tk, TRL_KIND_SECRETS, "vault", config, NULL, 0);
    RULE(&rig, .body = "no TLS here\r\n\r\n");
    begin(&u, "", 3000 * TK_MS);
    tk_until_set(rig.tk, &u.done);
    TK_CHECK_F(rig.tk, u.st == TRL_E_UNAVAIL || u.st == TRL_E_TIMEOUT, "%s", err_name(u.st));
}

static void test_keep_alive(void **state) {
    (void)state;
    rig_open(&rig, "");
    for (int i = 0; i < 10; i++) {
        ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v1");
    }
    uint32_t before = fake_http_accepted(rig.http);
    TK_CHECK_F(rig.tk, before <= 2, "%u connections", before);
    size_t u = RULE(&rig, .path = "/v1/secret/data/a", .status = 200,
                    .more = "Connection: close\r\n", .body = RIG_DATA("{\"value\":\"v2\"}", "2"));
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v2");
    rig_drop(&rig, u);
    /* A kept connection that the server drops unanswered: asked again on a new one. */
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v1");
    RULE(&rig, .path = "/v1/secret/data/a", .times = 1, .body = "");
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v1");
}

static void test_request(void **state) {
    (void)state;
    rig.base = "/gate/";
    RULE(&rig, .path = "/gate/v1/auth/token/lookup-self", .status = 200, .body = RIG_LOOKUP);
    size_t u = RULE(&rig, .path = "/gate/v1/kv/team/data/pre/fix/d%20b/%C3%A9%25?version=4",
                    .status = 200, .body = RIG_DATA("{\"user\":\"me\"}", "4"));
    rig_open(&rig, ",\"mount\":\"/kv/team/\",\"prefix\":\"pre/fix\",\"namespace\":\"a/b\","
                   "\"field\":\"user\"");
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, QV("d b/\xc3\xa9%", "4")), "me");
    TK_CHECK(rig.tk, rig_asked(&rig, u) == 1);
    TK_CHECK(rig.tk, rig_saw(&rig, "\r\nX-Vault-Namespace: a/b\r\n"));
    TK_CHECK(rig.tk, rig_saw(&rig, "\r\nX-Vault-Request: true\r\n"));
    TK_CHECK(rig.tk, rig_saw(&rig, "\r\nX-Vault-Token: first\r\n"));
    TK_CHECK(rig.tk, rig_saw(&rig, "\r\nHost: 127.0.0.1:"));
}

/* Through a proxy: a tunnel, so that it sees no token where there is TLS. */
static void test_proxy(void **state) {
    char more[200];
    (void)state;
    size_t tunnel = RULE(&rig, .method = "CONNECT", .status = 200, .body = "");
    snprintf(more, sizeof(more), ",\"proxy\":\"%s\"", fake_http_url(rig.http));
    rig_open(&rig, more);
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v1");
    TK_CHECK(rig.tk, rig_asked(&rig, tunnel) >= 1);
    rig_close(&rig);
    RULE(&rig, .method = "CONNECT", .status = 407, .body = "");
    rig_open(&rig, more);
    const struct answer *a = ask_fetch(rig.tk, rig.in, Q("a"));
    ASK_ST(rig.tk, a, TRL_E_UNAVAIL);
    TK_CHECK_F(rig.tk, strstr(a->why, "cannot be reached"), "%s", a->why);
}

/* The longest names there are still fit. */
static void test_long_names(void **state) {
    static char more[700], part[201], key[257], path[1400];
    (void)state;
    memset(part, 'p', 200);
    memset(key, ' ', 256);
    size_t n = (size_t)snprintf(path, sizeof(path), "/v1/%s/data/%s/", part, part);
    for (size_t i = 0; i < 256; i++) {
        memcpy(path + n + 3 * i, "%20", 4);
    }
    struct rule u = {.status = 200, .body = RIG_DATA("{\"value\":\"long\"}", "1")};
    snprintf(u.path, sizeof(u.path), "%.190s*", path);
    rig_rule(&rig, u);
    snprintf(more, sizeof(more), ",\"mount\":\"%s\",\"prefix\":\"%s\"", part, part);
    rig_open(&rig, more);
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q(key)), "long");
    TK_CHECK(rig.tk, rig_saw(&rig, path));
}

static void test_check(void **state) {
    (void)state;
    rig_open(&rig, "");
    size_t data = RULE(&rig, .path = "/v1/secret/data/a", .status = 200,
                       .body = RIG_DATA("{\"value\":\"v1\"}", "2"));
    size_t meta = RULE(&rig, .path = "/v1/secret/metadata/a", .status = 200,
                       .body = "{\"data\":{\"current_version\":2,\"versions\":{"
                               "\"1\":{\"deletion_time\":\"\",\"destroyed\":true},"
                               "\"2\":{\"deletion_time\":\"2999-01-01T00:00:00Z\","
                               "\"destroyed\":false}}}}");
    size_t keys =
        RULE(&rig, .path = "/v1/secret/subkeys/a*", .status = 200,
             .body = "{\"data\":{\"subkeys\":{\"value\":null},\"metadata\":{\"version\":2,"
                     "\"deletion_time\":\"2999-01-01T00:00:00Z\",\"destroyed\":false}}}");
    ASK_TEXT(rig.tk, ask_check(rig.tk, rig.in, Q("a")), "2");
    ASK_ST(rig.tk, ask_check(rig.tk, rig.in, QF("a", "other")), TRL_E_NOTFOUND);
    ASK_ST(rig.tk, ask_check(rig.tk, rig.in, QV("a", "1")), TRL_E_NOTFOUND);
    ASK_ST(rig.tk, ask_check(rig.tk, rig.in, QV("a", "9")), TRL_E_NOTFOUND);
    TK_CHECK_F(rig.tk, rig_asked(&rig, data) == 0, "check reads no value");
    size_t caps = RULE(&rig, .path = "/v1/sys/capabilities-self", .status = 200,
                       .body = "{\"data\":{\"capabilities\":[\"list\",\"create\"]}}");
    ASK_ST(rig.tk, ask_check(rig.tk, rig.in, Q("a")), TRL_E_DENIED);
    rig_drop(&rig, caps);
    /* metadata denied: subkeys; these too: the value is read and wiped */
    RULE(&rig, .path = "/v1/secret/metadata/a", .status = 403, .body = "{}");
    ASK_TEXT(rig.tk, ask_check(rig.tk, rig.in, Q("a")), "2");
    TK_CHECK(rig.tk, rig_asked(&rig, data) == 0);
    RULE(&rig, .path = "/v1/secret/subkeys/a*", .status = 404, .body = "{\"errors\":[]}");
    ASK_TEXT(rig.tk, ask_check(rig.tk, rig.in, Q("a")), "2");
    TK_CHECK(rig.tk, rig_asked(&rig, data) == 1);
    RULE(&rig, .path = "/v1/secret/metadata/a", .status = 503, .body = "{}");
    ASK_ST(rig.tk, ask_check(rig.tk, rig.in, Q("a")), TRL_E_UNAVAIL);
    (void)meta, (void)keys;
}

int main(void) {
#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_fields),  CASE(test_base64), CASE(test_statuses),    CASE(test_malformed),
        CASE(test_huge),    CASE(test_slow),   CASE(test_unreachable), CASE(test_keep_alive),
        CASE(test_request), CASE(test_proxy),  CASE(test_long_names),  CASE(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
