/* SPDX-License-Identifier: Apache-2.0
 *
 * "opa" against a real Open Policy Agent with the rules of the examples: the common suite, the
 * example configurations, rules that change, TLS with client certificates, tokens, a Unix socket,
 * and its own ways to fail. Skipped where tests/tools/opa.sh could not build one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "rig.h"
#include "server.h"
#include "suite_policy.h"

#define EXAMPLES TRELLIS_SOURCE_DIR "/policy/opa/examples/"
#define RULES    EXAMPLES "trellis.rego"

static void begin(struct server *s) {
    if (!server_find(s)) {
        print_message("no Open Policy Agent here: skipped\n");
        skip();
    }
}

/* An example configuration with its server, and files for those of the example. */
static char *example(struct server *s, const char *name, bool tls) {
    char path[512], url[64];
    json_error_t e;
    snprintf(path, sizeof(path), EXAMPLES "%s", name);
    json_t *j = json_load_file(path, 0, &e);
    assert_non_null(j);
    snprintf(url, sizeof(url), "%s://127.0.0.1:%d", tls ? "https" : "http", s->port);
    assert_memory_equal(json_string_value(json_object_get(j, "url")), url, 17);
    json_object_set_new(j, "url", json_string(url));
    json_object_set_new(j, "request_timeout_ms", json_integer(60000));
    json_object_set_new(j, "watch_ms", json_integer(20));
    if (tls) {
        json_t *t = json_object_get(j, "tls");
        json_object_set_new(j, "token_file", json_string(server_file(s, "token", NULL)));
        json_object_set_new(t, "ca", json_string(server_file(s, "ca.pem", NULL)));
        json_object_set_new(t, "cert", json_string(server_file(s, "client.pem", NULL)));
        json_object_set_new(t, "key", json_string(server_file(s, "client.key", NULL)));
    }
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return text;
}

static const struct suite_policy_case cases[] = {
    {TRL_POINT_PUT,
     "{\"point\":\"put\",\"app\":\"a\",\"units\":[{\"name\":\"web\",\"image\":"
     "\"ghcr.io/acme/web:1.0.0\",\"path\":\"/spec/components/0\"}]}",
     TRL_V_ALLOW, NULL},
    {TRL_POINT_PUT,
     "{\"point\":\"put\",\"app\":\"a\",\"units\":[{\"image\":\"ghcr.io/acme/web:1.0.0\","
     "\"path\":\"/spec/components/0\"},{\"image\":\"ghcr.io/acme/web:latest\",\"path\":"
     "\"/spec/components/1\"}]}",
     TRL_V_DENY, "\"path\":\"/spec/components/1\""},
    {TRL_POINT_DEPLOY,
     "{\"point\":\"deploy\",\"units\":[{\"image\":\"docker.io/web:1\",\"path\":\"/x\"}]}",
     TRL_V_WARN, "does not come from ghcr.io/acme/"},
    {TRL_POINT_PLACE,
     "{\"point\":\"place\",\"app\":\"toy\",\"host\":{\"labels\":{\"zone\":\"prod\"}}}", TRL_V_DENY,
     "not signed off"},
    {TRL_POINT_PLACE,
     "{\"point\":\"place\",\"app\":\"shop\",\"host\":{\"labels\":{\"zone\":\"prod\"}}}",
     TRL_V_ALLOW, NULL},
    {TRL_POINT_HOST, "{\"point\":\"host\",\"unit\":{\"image\":\"ghcr.io/acme/web\"}}", TRL_V_DENY,
     "has no version"},
    {TRL_POINT_SECRET, "{\"point\":\"secret\",\"app\":\"a\",\"secret\":{\"key\":\"b/db\"}}",
     TRL_V_DENY, "a secret of another"},
};

static void change(void *arg) {
    static int version;
    char rules[64];
    snprintf(rules, sizeof(rules), "package other\nversion := %d\n", ++version);
    assert_int_equal(server_send(arg, "PUT", "/v1/policies/other", rules), 200);
}

static void test_suite(void **state) {
    static const char *const args[] = {RULES, NULL};
    struct server s;
    (void)state;
    begin(&s);
    server_start(&s, NULL, args);
    char *config = example(&s, "opa.json", false);
    struct suite_policy p = {
        .component = "opa",
        .config = config,
        .cases = cases,
        .n_cases = ARRAY_LEN(cases),
        .change = change,
        .arg = &s,
    };
    assert_int_equal(suite_policy(&p), 0);
    free(config);
    server_end(&s);
}

static void expect(struct rig *r, uint32_t point, const char *subject, uint32_t n, trl_status st,
                   int32_t verdict, const char *text) {
    struct asked *a = mem_array(1, sizeof(*a));
    ask(r, a, point, subject, n, 0);
    asked_wait(r, a);
    if (a->st != st || !strstr(st == TRL_OK ? a->v[0].reasons.ptr : a->msg, text)) {
        fail_msg("%s: %d %s %s", subject, a->st, a->msg, st ? "" : a->v[0].reasons.ptr);
    }
    for (uint32_t i = 0; st == TRL_OK && i < n; i++) {
        assert_int_equal(a->v[i].verdict, verdict);
    }
    asked_free(a);
    mem_free(a);
}

#define ALLOWED "{\"point\":\"host\",\"unit\":{\"image\":\"ghcr.io/acme/web:1.2.3\"}}"
#define DENIED  "{\"point\":\"host\",\"unit\":{\"image\":\"ghcr.io/acme/web:latest\"}}"

/* Client certificates, and tokens on top, by the second example. */
static void test_tls(void **state) {
    struct server s;
    struct rig r;
    (void)state;
    begin(&s);
    server_certificates(&s);
    server_file(&s, "token", "s3cret-token\n");
    const char *authz = server_file(&s, "authz.rego",
                                    "package system.authz\ndefault allow := false\n"
                                    "allow if input.identity == \"s3cret-token\"\n");
    const char *data =
        server_file(&s, "data.json",
                    "{\"system\":{\"bundles\":{\"main\":{\"manifest\":{\"revision\":\"r1\"}}}}}");
    char cert[256], key[256], ca[256];
    snprintf(cert, sizeof(cert), "--tls-cert-file=%s", server_file(&s, "server.pem", NULL));
    snprintf(key, sizeof(key), "--tls-private-key-file=%s", server_file(&s, "server.key", NULL));
    snprintf(ca, sizeof(ca), "--tls-ca-cert-file=%s", server_file(&s, "ca.pem", NULL));
    const char *const args[] = {
        "--authentication=token", "--authorization=basic", cert, key, ca, RULES, authz, data, NULL};
    server_start(&s, NULL, args);
    char *config = example(&s, "opa-tls.json", true);
    rig_open(&r, config);
    expect(&r, TRL_POINT_HOST, ALLOWED, 1, TRL_OK, TRL_V_ALLOW, "");
    expect(&r, TRL_POINT_HOST, DENIED, 512, TRL_OK, TRL_V_DENY, "another one tomorrow");
    server_file(&s, "token", "wrong");
    expect(&r, TRL_POINT_HOST, ALLOWED, 1, TRL_E_DENIED, 0, "token_file");
    str log = tk_log(r.tk);
    assert_true(log.len == 0 || !memmem(log.ptr, log.len, "s3cret", 6));
    rig_close(&r);
    free(config);
    /* an authority we do not know, and a server that wants a certificate we do not show */
    char bare[256];
    snprintf(bare, sizeof(bare), "{\"url\":\"https://127.0.0.1:%d\",\"path\":\"a\"}", s.port);
    rig_open(&r, bare);
    expect(&r, TRL_POINT_HOST, ALLOWED, 1, TRL_E_DENIED, 0, "its certificate is not trusted");
    rig_close(&r);
    server_stop(&s);
    const char *const strict[] = {"--authentication=tls", cert, key, ca, RULES, NULL};
    server_start(&s, NULL, strict);
    char more[512];
    snprintf(more, sizeof(more),
             "{\"url\":\"https://127.0.0.1:%d\",\"path\":\"trellis/decision\",\"tls\":{\"ca\":"
             "\"%s\"}}",
             s.port, server_file(&s, "ca.pem", NULL));
    rig_open(&r, more);
    expect(&r, TRL_POINT_HOST, ALLOWED, 1, TRL_E_UNAVAIL, 0, "https://127.0.0.1");
    rig_close(&r);
    server_file(&s, "token", "any");
    config = example(&s, "opa-tls.json", true);
    rig_open(&r, config);
    expect(&r, TRL_POINT_HOST, ALLOWED, 1, TRL_OK, TRL_V_ALLOW, "");
    rig_close(&r);
    free(config);
    server_end(&s);
}

static void test_unix_socket(void **state) {
    static const char *const args[] = {RULES, NULL};
    char address[128], config[256];
    struct server s;
    struct rig r;
    (void)state;
    begin(&s);
    snprintf(address, sizeof(address), "unix://%s/opa.sock", s.dir);
    server_start(&s, address, args);
    snprintf(config, sizeof(config),
             "{\"unix_socket\":\"%s/opa.sock\",\"path\":\"trellis/decision\",\"url\":"
             "\"http://opa\",\"request_timeout_ms\":60000}",
             s.dir);
    rig_open(&r, config);
    expect(&r, TRL_POINT_HOST, DENIED, 3, TRL_OK, TRL_V_DENY, "another one tomorrow");
    rig_close(&r);
    server_end(&s);
}

/* What a real server says when rules are missing, wrong, or it is not there any more. */
static void test_failures(void **state) {
    static const char rules[] = "package odd\ntwice := 1 if input.x\ntwice := 2 if input.x\n"
                                "text := \"yes\"\nsome_of if input.y\n"
                                "few := [d | some s in input; d := s.no]\n"
                                "deny contains \"never\" if input.x\n";
    const char *const args[] = {NULL};
    char config[256];
    struct server s;
    struct rig r;
    (void)state;
    static const struct {
        const char *path;
        trl_status st;
        int32_t verdict;
        const char *text;
    } odd[] = {
        {"odd/twice", TRL_E_INTERNAL, 0, "must not produce multiple outputs"},
        {"odd/text", TRL_E_INTERNAL, 0, "neither a boolean"},
        {"odd/some_of", TRL_OK, TRL_V_DENY, "\"code\":\"undefined\""},
        {"odd/missing", TRL_OK, TRL_V_DENY, "data.odd.missing"},
        {"odd/deny", TRL_OK, TRL_V_DENY, "never"},
    };
    begin(&s);
    server_start(&s, NULL, args);
    assert_int_equal(server_send(&s, "PUT", "/v1/policies/odd", rules), 200);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        snprintf(config, sizeof(config),
                 "{\"url\":\"http://127.0.0.1:%d\",\"path\":\"%s\",\"request_timeout_ms\":60000}",
                 s.port, odd[i].path);
        rig_open(&r, config);
        expect(&r, TRL_POINT_HOST, "{\"x\":true}", 1, odd[i].st, odd[i].verdict, odd[i].text);
        rig_close(&r);
    }
    snprintf(config, sizeof(config),
             "{\"url\":\"http://127.0.0.1:%d\",\"path\":\"odd/deny\",\"batch_path\":\"odd/few\","
             "\"request_timeout_ms\":60000}",
             s.port);
    rig_open(&r, config);
    expect(&r, TRL_POINT_HOST, "{\"y\":1}", 2, TRL_E_INTERNAL, 0, "0 decisions on 2 subjects");
    server_stop(&s);
    expect(&r, TRL_POINT_HOST, "{\"y\":1}", 1, TRL_E_UNAVAIL, 0, "http://127.0.0.1");
    rig_close(&r);
    server_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
