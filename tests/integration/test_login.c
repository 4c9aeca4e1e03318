/* SPDX-License-Identifier: Apache-2.0
 *
 * Servers that want to know who comes: `trellis serve` by its configuration, the command line by
 * its options.
 */
#include "../unit/cmocka_all.h"

#include "../plugin/nats/jwt.h"
#include "site.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A command asks, with those options. Returns its exit code; *ret: what it printed, owned. */
static int ask(struct site *s, const char *const options[], char **ret) {
    const char *argv[24] = {TRELLIS_BINARY,     "app",        "list", "-o", "json", "--plugin-dir",
                            TRELLIS_PLUGIN_DIR, "--nats-url", s->url};
    int n = 9;
    for (int i = 0; options[i]; i++) {
        argv[n++] = options[i];
    }
    argv[n] = NULL;
    return proc_run(argv, SITE_MS, ret);
}

static void answered(struct site *s, const char *const options[]) {
    char *text = NULL;
    int rc = ask(s, options, &text);
    if (rc != 0) {
        fail_msg("app list: %d: %s", rc, text);
    }
    free(text);
}

static void refused(struct site *s, const char *const options[]) {
    char *text = NULL;
    assert_int_not_equal(ask(s, options, &text), 0);
    assert_int_not_equal(strlen(text), 0);
    free(text);
}

/* A server with that config and a plane that logs in by `login` (lines of a NATS block); then a
 * command with those options asks it. */
static void login_works(struct site *s, const char *conf, const char *scheme, const char *login,
                        const char *const options[]) {
    const char *const nothing[] = {NULL};
    struct buf config = BUF_INIT;
    site_open(s, conf);
    snprintf(s->url, sizeof(s->url), "%s://127.0.0.1:%d", scheme, s->nats.port);
    buf_addf(&config,
             "transport: { plugin: nats, url: \"%s\", %s }\n"
             "store: { plugin: nats-kv, url: \"%s\", %s }\n",
             s->url, login, s->url, login);
    site_serve_start(s, 0, config.ptr);
    assert_true(proc_wait(&s->serve[0], "serving the API", 1, SITE_MS));
    answered(s, options);
    refused(s, nothing);
    assert_int_equal(proc_count(&s->serve[0], "pa55word"), 0); /* never in a log */
    buf_finish(&config);
}

static void login_over(struct site *s) {
    assert_int_equal(proc_end(&s->serve[0], SIGTERM), 0);
}

static void test_password(void **state) {
    const char *const options[] = {"--nats-user", "ada", "--nats-password-env", "TEST_PASSWORD",
                                   NULL};
    setenv("TEST_PASSWORD", "pa55word", 1);
    login_works(*state, "authorization { user: ada, password: pa55word }\n", "nats",
                "user: ada, password: pa55word", options);
    login_over(*state);
}

static void test_token(void **state) {
    const char *const options[] = {"--nats-token-env", "TEST_PASSWORD", NULL};
    setenv("TEST_PASSWORD", "pa55word", 1);
    login_works(*state, "authorization { token: pa55word }\n", "nats", "token: pa55word", options);
    login_over(*state);
}

/* A key pair for tests only, made for this file. */
#define SEED   "SUAD7LKARIQFPHC3LIMEBOMBX7VFQ6QZBQOGWNU6AC2JVB7HXUPBDNKVR4"
#define PUBLIC "UCPLVQN4UPH2TVENYE47FYO3ZAM22ZAIQOKQ3BNVVMGL5NCAVECOE6RK"

static void test_nkey(void **state) {
    const char *const options[] = {"--nats-seed", SEED, NULL};
    login_works(*state, "authorization { users: [ { nkey: " PUBLIC " } ] }\n", "nats",
                "nkey_seed: " SEED, options);
    login_over(*state);
}

static void test_tls(void **state) {
    struct site *s = *state;
    static char dir[] = "/tmp/trellis-tls-XXXXXX";
    char ca[64], key[64], conf[400], login[200];
    if (!server_present() || !mkdtemp(dir)) {
        skip();
    }
    snprintf(ca, sizeof(ca), "%s/cert.pem", dir);
    snprintf(key, sizeof(key), "%s/key.pem", dir);
    const char *const make[] = {"openssl",  "req",
                                "-x509",    "-newkey",
                                "rsa:2048", "-nodes",
                                "-days",    "2",
                                "-subj",    "/CN=localhost",
                                "-addext",  "subjectAltName=IP:127.0.0.1,DNS:localhost",
                                "-keyout",  key,
                                "-out",     ca,
                                NULL};
    const char *const options[] = {"--tls-ca", ca, NULL};
    if (run(make) != 0) {
        skip();
    }
    snprintf(conf, sizeof(conf), "tls { cert_file: \"%s\", key_file: \"%s\" }\n", ca, key);
    snprintf(login, sizeof(login), "tls: { ca: \"%s\" }", ca);
    login_works(s, conf, "tls", login, options);
    login_over(s);
    const char *const clean[] = {"rm", "-r", dir, NULL};
    assert_int_equal(run(clean), 0);
}

#define LIMITS                                                                                     \
    "\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,\"exports\":-1,"            \
    "\"wildcards\":true,\"conn\":-1,\"leaf\":-1%s},"

static char *account_jwt(const struct key *account, const struct key *operator, const char * name,
                         const char *limits) {
    char claims[512];
    snprintf(claims, sizeof(claims),
             "{" LIMITS "\"default_permissions\":{\"pub\":{},\"sub\":{}},\"type\":\"account\","
             "\"version\":2}",
             limits);
    return jwt_make(account, operator, name, claims);
}

/* The lines of an operator's server with JetStream: its accounts are known from JWTs that the
 * operator signed. *ret_jwt: of a user of the account. */
static void operator_conf(struct buf *conf, const struct key *user, char **ret_jwt) {
    struct key operator, system, account;
    key_make(&operator, 'O');
    key_make(&system, 'A');
    key_make(&account, 'A');
    char *op = jwt_make(&operator, & operator, "op", "{\"type\":\"operator\",\"version\":2}");
    char *sys = account_jwt(&system, &operator, "SYS", "");
    char *acc = account_jwt(&account, &operator, "APP",
                            ",\"mem_storage\":-1,\"disk_storage\":-1,\"streams\":-1,"
                            "\"consumer\":-1");
    *ret_jwt = jwt_make(user, &account, "user",
                        "{\"pub\":{},\"sub\":{},\"subs\":-1,\"data\":-1,\"payload\":-1,"
                        "\"type\":\"user\",\"version\":2}");
    buf_addf(conf,
             "operator: %s\nsystem_account: %s\nresolver: MEMORY\n"
             "resolver_preload: { %s: %s, %s: %s }\n",
             op, system.pub, system.pub, sys, account.pub, acc);
    free(op);
    free(sys);
    free(acc);
}

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Accounts, as at a hosted NATS: by a credentials file, and by seed and JWT. */
static void test_creds(void **state) {
    struct site *s = *state;
    char dir[] = "/tmp/trellis-creds-XXXXXX", path[64], other[64], login[100];
    struct key user, stranger;
    struct buf conf = BUF_INIT, text = BUF_INIT;
    char *jwt = NULL;
    if (!server_present()) {
        skip();
    }
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/user.creds", dir);
    snprintf(other, sizeof(other), "%s/user.jwt", dir);
    key_make(&user, 'U');
    key_make(&stranger, 'U');
    operator_conf(&conf, &user, &jwt);
    buf_addf(&text,
             "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
             "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
             jwt, user.seed);
    write_file(path, text.ptr);
    write_file(other, jwt);
    const char *const creds[] = {"--nats-creds", path, NULL};
    const char *const parts[] = {"--nats-seed", user.seed, "--nats-jwt", other, NULL};
    const char *const wrong[] = {"--nats-seed", stranger.seed, "--nats-jwt", other, NULL};
    snprintf(login, sizeof(login), "creds: \"%s\"", path);
    login_works(s, conf.ptr, "nats", login, creds);
    answered(s, parts);
    refused(s, wrong);
    assert_int_equal(proc_count(&s->serve[0], user.seed), 0);
    assert_int_equal(proc_count(&s->serve[0], jwt), 0);
    login_over(s);
    const char *const clean[] = {"rm", "-r", dir, NULL};
    assert_int_equal(run(clean), 0);
    free(jwt);
    buf_finish(&conf);
    buf_finish(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_password), SITE_TEST(test_token), SITE_TEST(test_nkey),
        SITE_TEST(test_creds),    SITE_TEST(test_tls),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return rc;
}
