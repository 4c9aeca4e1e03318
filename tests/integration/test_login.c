/* SPDX-License-Identifier: Apache-2.0
 *
 * Servers that want to know who comes: `trellis serve` by its configuration, the command line by
 * its options.
 */
#include "../unit/cmocka_all.h"

#include "site.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A server with that config and a plane that logs in by `login` (lines of a NATS block); then a
 * command with those options asks it. */
static void login_works(struct site *s, const char *conf, const char *scheme, const char *login,
                        const char *const options[]) {
    struct buf config = BUF_INIT;
    const char *argv[24] = {TRELLIS_BINARY,     "app",        "list", "-o", "json", "--plugin-dir",
                            TRELLIS_PLUGIN_DIR, "--nats-url", s->url};
    char *text = NULL;
    int n = 9;
    site_open(s, conf);
    snprintf(s->url, sizeof(s->url), "%s://127.0.0.1:%d", scheme, s->nats.port);
    buf_addf(&config,
             "transport: { plugin: nats, url: \"%s\", %s }\n"
             "store: { plugin: nats-kv, url: \"%s\", %s }\n",
             s->url, login, s->url, login);
    site_serve_start(s, 0, config.ptr);
    assert_true(proc_wait(&s->serve[0], "serving the API", 1, SITE_MS));
    for (int i = 0; options[i]; i++) {
        argv[n++] = options[i];
    }
    argv[n] = NULL;
    int rc = proc_run(argv, SITE_MS, &text);
    if (rc != 0) {
        fail_msg("app list: %d: %s", rc, text);
    }
    free(text);
    argv[9] = NULL; /* without: refused, in one line */
    rc = proc_run(argv, SITE_MS, &text);
    assert_int_not_equal(rc, 0);
    free(text);
    assert_int_equal(proc_count(&s->serve[0], "pa55word"), 0); /* never in a log */
    assert_int_equal(proc_end(&s->serve[0], SIGTERM), 0);
    buf_finish(&config);
}

static void test_password(void **state) {
    const char *const options[] = {"--nats-user", "ada", "--nats-password-env", "TEST_PASSWORD",
                                   NULL};
    setenv("TEST_PASSWORD", "pa55word", 1);
    login_works(*state, "authorization { user: ada, password: pa55word }\n", "nats",
                "user: ada, password: pa55word", options);
}

static void test_token(void **state) {
    const char *const options[] = {"--nats-token-env", "TEST_PASSWORD", NULL};
    setenv("TEST_PASSWORD", "pa55word", 1);
    login_works(*state, "authorization { token: pa55word }\n", "nats", "token: pa55word", options);
}

/* A key pair for tests only, made for this file. */
#define SEED   "SUAD7LKARIQFPHC3LIMEBOMBX7VFQ6QZBQOGWNU6AC2JVB7HXUPBDNKVR4"
#define PUBLIC "UCPLVQN4UPH2TVENYE47FYO3ZAM22ZAIQOKQ3BNVVMGL5NCAVECOE6RK"

static void test_nkey(void **state) {
    const char *const options[] = {"--nats-seed", SEED, NULL};
    login_works(*state, "authorization { users: [ { nkey: " PUBLIC " } ] }\n", "nats",
                "nkey_seed: " SEED, options);
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
    const char *const clean[] = {"rm", "-r", dir, NULL};
    assert_int_equal(run(clean), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_password),
        SITE_TEST(test_token),
        SITE_TEST(test_nkey),
        SITE_TEST(test_tls),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return rc;
}
