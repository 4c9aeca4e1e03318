/* SPDX-License-Identifier: Apache-2.0
 *
 * Against a real OpenBao server: the logins, lives of tokens, versions, policies, namespaces, and
 * the example as it is shipped.
 */
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "../../unit/cmocka_all.h"
#include "../secrets/ask.h"
#include "bao.h"
#include "plug/loop.h"

static struct bao bao;
static struct tk *tk;
static struct plug_inst *in;

static void policy(const char *name, const char *rules) {
    assert_int_equal(bao_run(&bao, rules, strlen(rules), NULL,
                             (const char *const[]){"policy", "write", name, "-", NULL}),
                     0);
}

static int setup(void **state) {
    (void)state;
    if (!bao_present()) {
        return 0;
    }
    bao_start(&bao, 0);
    policy("all", "path \"secret/*\" { capabilities = [\"create\",\"read\",\"update\",\"list\"] }");
    tk = tk_create(false);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (!tk) {
        return 0;
    }
    tk_close(tk, in);
    in = NULL;
    int failed = tk_destroy(tk);
    tk = NULL;
    bao_end(&bao);
    assert_int_equal(failed, 0);
    return 0;
}

static void need_bao(void) {
    if (!tk) {
        skip();
    }
}

static void open_with(const char *auth, const char *more) {
    char config[1400];
    tk_close(tk, in);
    snprintf(config, sizeof(config), "{\"address\":\"%s\",\"poll_interval_ms\":50,\"auth\":{%s}%s}",
             bao.address, auth, more);
    in = tk_open(tk, TRL_KIND_SECRETS, "vault", config, NULL, 0);
    assert_non_null(in);
}

/* With a new token of that policy and life. */
static void open_token(const char *policy, const char *ttl, const char *more) {
    char token[4096], arg[64], life[64], auth[300];
    snprintf(arg, sizeof(arg), "-policy=%s", policy);
    snprintf(life, sizeof(life), "-ttl=%s", ttl);
    BAO_OUT(&bao, token, "token", "create", "-field=token", arg, life);
    snprintf(auth, sizeof(auth), "\"token_file\":\"%s\"", bao_file(&bao, "token", token));
    open_with(auth, more);
}

static long info_number(const char *name) {
    const struct answer *a = ask_info(tk, in);
    json_t *j = json_loads(a->text, 0, NULL);
    long n = (long)json_integer_value(json_object_get(json_object_get(j, "auth"), name));
    json_decref(j);
    return n;
}

static void test_versions(void **state) {
    (void)state;
    need_bao();
    open_token("all", "1h", "");
    BAO(&bao, "kv", "put", "secret/db", "value=one", "user=me");
    BAO(&bao, "kv", "put", "secret/db", "value=two", "user=me");
    BAO(&bao, "kv", "put", "secret/db", "value=three", "user=you");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "three");
    ASK_TEXT(tk, ask_fetch(tk, in, QV("db", "1")), "one");
    ASK_TEXT(tk, ask_fetch(tk, in, QF("db", "user")), "you");
    ASK_TEXT(tk, ask_check(tk, in, Q("db")), "3");
    ASK_TEXT(tk, ask_check(tk, in, QV("db", "2")), "2");
    ASK_ST(tk, ask_fetch(tk, in, QV("db", "4")), TRL_E_NOTFOUND);
    ASK_ST(tk, ask_check(tk, in, QV("db", "4")), TRL_E_NOTFOUND);
    ASK_ST(tk, ask_check(tk, in, QF("db", "none")), TRL_E_NOTFOUND);
    BAO(&bao, "kv", "delete", "-versions=3", "secret/db");
    ASK_ST(tk, ask_fetch(tk, in, Q("db")), TRL_E_NOTFOUND);
    const struct answer *a = ask_check(tk, in, Q("db"));
    ASK_ST(tk, a, TRL_E_NOTFOUND);
    TK_CHECK_F(tk, strstr(a->why, "version 3 was deleted"), "%s", a->why);
    a = ask_fetch(tk, in, QV("db", "3"));
    TK_CHECK_F(tk, strstr(a->why, "version 3 was deleted"), "%s", a->why);
    ASK_TEXT(tk, ask_fetch(tk, in, QV("db", "2")), "two");
    BAO(&bao, "kv", "undelete", "-versions=3", "secret/db");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "three");
    BAO(&bao, "kv", "destroy", "-versions=1", "secret/db");
    a = ask_fetch(tk, in, QV("db", "1"));
    ASK_ST(tk, a, TRL_E_NOTFOUND);
    TK_CHECK_F(tk, strstr(a->why, "version 1 was destroyed"), "%s", a->why);
    ASK_ST(tk, ask_check(tk, in, QV("db", "1")), TRL_E_NOTFOUND);
    /* a time of deletion that is still to come */
    BAO(&bao, "kv", "metadata", "put", "-delete-version-after=3000h", "secret/later");
    BAO(&bao, "kv", "put", "secret/later", "value=now");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("later")), "now");
    ASK_TEXT(tk, ask_check(tk, in, Q("later")), "1");
}

static void test_put(void **state) {
    char out[4096];
    (void)state;
    need_bao();
    open_token("all", "1h", "");
    BAO(&bao, "kv", "put", "secret/db", "user=me");
    BAO(&bao, "kv", "metadata", "put", "-cas-required=true", "secret/db");
    ASK_TEXT(tk, ask_put(tk, in, QF("db", "pass"), "p\"1\n", 4), "2");
    ASK_TEXT(tk, ask_fetch(tk, in, QF("db", "pass")), "p\"1\n");
    ASK_TEXT(tk, ask_fetch(tk, in, QF("db", "user")), "me");
    ASK_ST(tk, ask_put(tk, in, QV("db", "1"), "x", 1), TRL_E_CONFLICT);
    ASK_TEXT(tk, ask_put(tk, in, Q("a/b/new"), "fresh", 5), "1");
    BAO_OUT(&bao, out, "kv", "get", "-field=value", "secret/a/b/new");
    TK_CHECK_STR(tk, str_c(out), "fresh");
    BAO(&bao, "kv", "delete", "secret/a/b/new");
    ASK_TEXT(tk, ask_put(tk, in, Q("a/b/new"), "again", 5), "2");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("a/b/new")), "again");
    const struct answer *a = ask_list(tk, in, "a/");
    TK_CHECK_F(tk, strcmp(a->text, "a/b/new ") == 0, "%s", a->text);
    ASK_ST(tk, ask_list(tk, in, ""), TRL_OK);
}

static void test_policy(void **state) {
    static const char narrow[] = "path \"secret/data/open\" { capabilities = [\"read\"] }\n"
                                 "path \"secret/metadata/*\" { capabilities = [\"read\"] }\n";
    static const char only_data[] = "path \"secret/data/*\" { capabilities = [\"read\"] }\n";
    (void)state;
    need_bao();
    BAO(&bao, "kv", "put", "secret/open", "value=o");
    BAO(&bao, "kv", "put", "secret/shut", "value=s");
    policy("narrow", narrow);
    policy("only-data", only_data);
    open_token("narrow", "1h", "");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("open")), "o");
    ASK_TEXT(tk, ask_check(tk, in, Q("open")), "1");
    const struct answer *a = ask_fetch(tk, in, Q("shut"));
    ASK_ST(tk, a, TRL_E_DENIED);
    TK_CHECK_F(tk, strstr(a->why, "secret/shut"), "%s", a->why);
    ASK_ST(tk, ask_check(tk, in, Q("shut")), TRL_E_DENIED);
    ASK_ST(tk, ask_put(tk, in, Q("open"), "x", 1), TRL_E_DENIED);
    ASK_ST(tk, ask_list(tk, in, ""), TRL_E_DENIED);
    open_token("only-data", "1h", "");
    ASK_TEXT(tk, ask_check(tk, in, Q("open")), "1");
    ASK_ST(tk, ask_check(tk, in, Q("none")), TRL_E_NOTFOUND);
    open_token("narrow", "1h", ",\"mount\":\"elsewhere\"");
    ASK_ST(tk, ask_fetch(tk, in, Q("open")), TRL_E_DENIED);
}

static void write_approle(const char *ttl) {
    char id[4096], arg[64];
    snprintf(arg, sizeof(arg), "token_ttl=%s", ttl);
    BAO(&bao, "auth", "enable", "approle");
    BAO(&bao, "write", "auth/approle/role/web", "token_policies=all", arg, "token_max_ttl=1h");
    BAO_OUT(&bao, id, "read", "-field=role_id", "auth/approle/role/web/role-id");
    bao_file(&bao, "role-id", id);
    BAO_OUT(&bao, id, "write", "-f", "-field=secret_id", "auth/approle/role/web/secret-id");
    bao_file(&bao, "secret-id", id);
}

static const char *approle_auth(void) {
    static char auth[400];
    snprintf(auth, sizeof(auth),
             "\"method\":\"approle\",\"role_id_file\":\"%s\",\"secret_id_file\":\"%s\"",
             bao_file(&bao, "role-id", NULL), bao_file(&bao, "secret-id", NULL));
    return auth;
}

static bool renewed(void *arg) {
    return info_number("renewals") >= *(long *)arg;
}

/* Every token of a role is revoked, behind the backend's back: it logs in again. */
static void test_approle(void **state) {
    char id[4096];
    (void)state;
    need_bao();
    write_approle("1h");
    BAO(&bao, "kv", "put", "secret/db", "value=one");
    open_with(approle_auth(), "");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "one");
    TK_CHECK(tk, info_number("logins") == 1);
    assert_int_equal(BAO(&bao, "lease", "revoke", "-prefix", "-sync", "auth/approle/login"), 0);
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "one");
    TK_CHECK(tk, info_number("logins") == 2);
    /* a secret id that is not valid any more */
    BAO_OUT(&bao, id, "write", "-f", "auth/approle/role/web/secret-id");
    bao_file(&bao, "secret-id", "hush-hush-hush");
    open_with(approle_auth(), "");
    const struct answer *a = ask_fetch(tk, in, Q("db"));
    ASK_ST(tk, a, TRL_E_DENIED);
    TK_CHECK_F(tk, strstr(a->why, "auth/approle/login") && !strstr(a->why, "hush"), "%s", a->why);
    TK_CHECK(tk, tk_logged(tk, "refuses the login") && !tk_logged(tk, "hush"));
}

static void test_renewal(void **state) {
    long want = 2;
    (void)state;
    need_bao();
    write_approle("1s");
    BAO(&bao, "kv", "put", "secret/db", "value=one");
    open_with(approle_auth(), "");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "one");
    int64_t until = loop_now_ns(tk_loop(tk)) + TK_PATIENCE;
    while (!renewed(&want) && loop_now_ns(tk_loop(tk)) < until) {
        tk_settle(tk);
    }
    TK_CHECK(tk, renewed(&want));
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "one");
}

static void base64url(char *to, size_t size, const void *p, size_t n) {
    sodium_bin2base64(to, size, p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* A token signed with Ed25519, whose public key the server is given as PEM. */
static void test_jwt(void **state) {
    static const unsigned char spki[12] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                           0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    unsigned char pub[32], key[64], der[44], sig[64];
    char text[100], pem[300], claims[300], token[1200], auth[400];
    (void)state;
    need_bao();
    crypto_sign_keypair(pub, key);
    memcpy(der, spki, 12);
    memcpy(der + 12, pub, 32);
    sodium_bin2base64(text, sizeof(text), der, 44, sodium_base64_VARIANT_ORIGINAL);
    snprintf(pem, sizeof(pem),
             "jwt_validation_pubkeys=-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n",
             text);
    BAO(&bao, "auth", "enable", "jwt");
    assert_int_equal(BAO(&bao, "write", "auth/jwt/config", pem, "jwt_supported_algs=EdDSA"), 0);
    assert_int_equal(BAO(&bao, "write", "auth/jwt/role/web", "role_type=jwt", "user_claim=sub",
                         "bound_audiences=trellis", "token_policies=all"),
                     0);
    snprintf(claims, sizeof(claims),
             "{\"sub\":\"web-1\",\"aud\":\"trellis\",\"iat\":%lld,\"exp\":%lld}",
             (long long)time(NULL) - 10, (long long)time(NULL) + 3600);
    base64url(token, sizeof(token), "{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}", 27);
    size_t n = strlen(token);
    token[n++] = '.';
    base64url(token + n, sizeof(token) - n, claims, strlen(claims));
    n = strlen(token);
    crypto_sign_detached(sig, NULL, (const unsigned char *)token, n, key);
    token[n++] = '.';
    base64url(token + n, sizeof(token) - n, sig, 64);
    snprintf(auth, sizeof(auth), "\"method\":\"jwt\",\"role\":\"web\",\"jwt_file\":\"%s\"",
             bao_file(&bao, "jwt", token));
    BAO(&bao, "kv", "put", "secret/db", "value=one");
    open_with(auth, "");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "one");
    token[n] = token[n] == 'A' ? 'B' : 'A';
    bao_file(&bao, "jwt", token);
    open_with(auth, "");
    const struct answer *a = ask_fetch(tk, in, Q("db"));
    ASK_ST(tk, a, TRL_E_DENIED);
    TK_CHECK_F(tk, strstr(a->why, "role and jwt_file"), "%s", a->why);
}

/* A token that dies, and its successor in the same file. */
static void test_token_file(void **state) {
    char token[4096], old[4096];
    (void)state;
    need_bao();
    BAO(&bao, "kv", "put", "secret/db", "value=one");
    open_token("all", "1h", "");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "one");
    FILE *f = fopen(bao_file(&bao, "token", NULL), "r");
    assert_non_null(f);
    assert_non_null(fgets(old, sizeof(old), f));
    fclose(f);
    assert_int_equal(BAO(&bao, "token", "revoke", old), 0);
    ASK_ST(tk, ask_fetch(tk, in, Q("db")), TRL_E_DENIED);
    BAO_OUT(&bao, token, "token", "create", "-field=token", "-policy=all");
    bao_file(&bao, "token", token);
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "one");
}

static void test_namespace(void **state) {
    (void)state;
    need_bao();
    if (BAO(&bao, "namespace", "create", "team") != 0) {
        printf("skipped: this server has no namespaces\n");
        skip();
    }
    bao.ns = "team";
    assert_int_equal(BAO(&bao, "secrets", "enable", "-path=secret", "-version=2", "kv"), 0);
    policy("all", "path \"secret/*\" { capabilities = [\"read\"] }");
    BAO(&bao, "kv", "put", "secret/db", "value=of the team");
    open_token("all", "1h", ",\"namespace\":\"team\"");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "of the team");
    ASK_TEXT(tk, ask_check(tk, in, Q("db")), "1");
    bao.ns = NULL;
    BAO(&bao, "kv", "put", "secret/db", "value=of all");
    open_token("all", "1h", "");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "of all");
}

static void test_sealed(void **state) {
    (void)state;
    need_bao();
    BAO(&bao, "kv", "put", "secret/db", "value=one");
    open_token("all", "1h", "");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "one");
    assert_int_equal(BAO(&bao, "operator", "seal"), 0);
    const struct answer *a = ask_fetch(tk, in, Q("db"));
    ASK_ST(tk, a, TRL_E_UNAVAIL);
    TK_CHECK_F(tk, strstr(a->why, "sealed"), "%s", a->why);
    ASK_ST(tk, ask_check(tk, in, Q("db")), TRL_E_UNAVAIL);
}

/* The example as it is shipped, but for where the server and the files are: under exactly the
 * policy beside it everything works, and nothing outside its prefix does. */
static void test_example(void **state) {
    char path[400];
    (void)state;
    need_bao();
    bao_end(&bao);
    bao_start(&bao, 1);
    snprintf(path, sizeof(path), "%s/secrets/vault/examples/approle.json", TRELLIS_SOURCE_DIR);
    json_t *j = json_load_file(path, 0, NULL);
    assert_non_null(j);
    snprintf(path, sizeof(path), "%s/secrets/vault/examples/policy.hcl", TRELLIS_SOURCE_DIR);
    assert_int_equal(BAO(&bao, "policy", "write", "all", path), 0);
    write_approle("1h");
    json_object_set_new(j, "address", json_string(bao.address));
    json_t *b_auth = json_object_get(j, "auth");
    json_object_set_new(b_auth, "role_id_file", json_string(bao_file(&bao, "role-id", NULL)));
    json_object_set_new(b_auth, "secret_id_file", json_string(bao_file(&bao, "secret-id", NULL)));
    json_object_set_new(json_object_get(j, "tls"), "ca",
                        json_string(bao_file(&bao, "vault-ca.pem", NULL)));
    char *config = json_dumps(j, 0);
    json_decref(j);
    BAO(&bao, "kv", "put", "secret/trellis/db", "value=one");
    BAO(&bao, "kv", "put", "secret/other", "value=two");
    in = tk_open(tk, TRL_KIND_SECRETS, "vault", config, NULL, 0);
    free(config);
    ASK_TEXT(tk, ask_fetch(tk, in, Q("db")), "one");
    ASK_TEXT(tk, ask_check(tk, in, Q("db")), "1");
    ASK_TEXT(tk, ask_put(tk, in, Q("db"), "three", 5), "2");
    ASK_TEXT(tk, ask_put(tk, in, Q("new/one"), "x", 1), "1");
    const struct answer *a = ask_list(tk, in, "");
    TK_CHECK_F(tk, a->st == TRL_OK && strcmp(a->text, "db new/one ") == 0, "%s %s", a->text,
               a->why);
    ASK_ST(tk, ask_fetch(tk, in, Q("../other")), TRL_E_INVALID);
    ASK_ST(tk, ask_fetch(tk, in, Q("none")), TRL_E_NOTFOUND);
}

/* A server whose certificate nobody here trusts. */
static void test_untrusted(void **state) {
    char auth[300];
    (void)state;
    need_bao();
    bao_end(&bao);
    bao_start(&bao, 1);
    snprintf(auth, sizeof(auth), "\"token_file\":\"%s\"", bao_file(&bao, "token", "root"));
    open_with(auth, "");
    const struct answer *a = ask_fetch(tk, in, Q("db"));
    ASK_ST(tk, a, TRL_E_UNAVAIL);
    TK_CHECK_F(tk, strstr(a->why, "certificate is not accepted") && strstr(a->why, "tls.ca"), "%s",
               a->why);
    open_with(auth, ",\"tls\":{\"ca\":\"/nowhere/ca.pem\"}");
    a = ask_fetch(tk, in, Q("db"));
    ASK_ST(tk, a, TRL_E_UNAVAIL);
    TK_CHECK_F(tk, strstr(a->why, "/nowhere/ca.pem"), "%s", a->why);
}

int main(void) {
#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_versions), CASE(test_put),     CASE(test_policy),     CASE(test_approle),
        CASE(test_renewal),  CASE(test_jwt),     CASE(test_token_file), CASE(test_namespace),
        CASE(test_sealed),   CASE(test_example), CASE(test_untrusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
