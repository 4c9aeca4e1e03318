/* SPDX-License-Identifier: Apache-2.0
 *
 * Configurations, right and wrong, and logins: which requests are made when, what is told when they
 * fail, and that no credential is.
 */
#include "../../unit/cmocka_all.h"
#include "base/mem.h"
#include "rig.h"

#define LOGIN(token, life, renewable)                                                              \
    "{\"auth\":{\"client_token\":\"" token "\",\"lease_duration\":" life                           \
    ",\"renewable\":" renewable "}}"

static struct rig rig;

static int setup(void **state) {
    (void)state;
    rig_init(&rig);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    rig_finish(&rig);
    return 0;
}

static void test_config(void **state) {
    static const struct {
        const char *config, *part;
    } all[] = {
        {"{}", "needs token_file"},
        {"{\"address\":\"vault:8200\",\"auth\":{\"token_file\":\"f\"}}", "https://host:port"},
        {"{\"address\":\"ftp://v\",\"auth\":{\"token_file\":\"f\"}}", "https only"},
        {"{\"address\":\"https://me:hush@v\",\"auth\":{\"token_file\":\"f\"}}", "no user"},
        {"{\"address\":\"https://v/?a=hush\",\"auth\":{\"token_file\":\"f\"}}", "no query"},
        {"{\"mount\":\"a/../b\",\"auth\":{\"token_file\":\"f\"}}", "mount:"},
        {"{\"mount\":\"a b\",\"auth\":{\"token_file\":\"f\"}}", "mount:"},
        {"{\"prefix\":\"a//b\",\"auth\":{\"token_file\":\"f\"}}", "prefix:"},
        {"{\"namespace\":\"a\\r\\nX: y\",\"auth\":{\"token_file\":\"f\"}}", "namespace:"},
        {"{\"kv_version\":3,\"auth\":{\"token_file\":\"f\"}}", "kv_version"},
        {"{\"auth\":{\"method\":\"ldap\"}}", "method"},
        {"{\"auth\":{\"method\":\"approle\"}}", "needs role_id"},
        {"{\"auth\":{\"method\":\"approle\",\"role_id\":\"a\",\"role_id_file\":\"b\"}}",
         "keep one"},
        {"{\"auth\":{\"method\":\"jwt\",\"role\":\"a\"}}", "needs jwt_file"},
        {"{\"auth\":{\"method\":\"kubernetes\"}}", "needs role"},
        {"{\"auth\":{\"token_file\":\"f\",\"role_id\":\"a\"}}", "auth.role_id does not belong"},
        {"{\"auth\":{\"token\":\"hush\"}}", "token"},
        {"{\"auth\":{\"token_file\":\"f\"},\"tls\":{\"cert\":\"c\"}}", "cert and key"},
        {"{\"address\":\"http://v\",\"auth\":{\"token_file\":\"f\"},\"tls\":{\"ca\":\"c\"}}",
         "write https://"},
        {"{\"auth\":{\"token_file\":\"f\"},\"version_key\":\"k\"}", "kv_version 1 only"},
        {"{\"kv_version\":1,\"auth\":{\"token_file\":\"f\"},\"version_key\":\"/nowhere/k\"}",
         "cannot be created"},
        {"{\"request_timeout_ms\":0,\"auth\":{\"token_file\":\"f\"}}", "request_timeout_ms"},
    };
    (void)state;
    char path[300] = "{\"mount\":\"";
    memset(path + 10, 'm', 201);
    memcpy(path + 211, "\"}", 3);
    ask_refused(rig.tk, "vault", path, "longer than 200", NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        ask_refused(rig.tk, "vault", all[i].config, all[i].part, NULL, 0);
        TK_CHECK_F(rig.tk, !strstr(tk_error(rig.tk), "hush"), "%s", tk_error(rig.tk));
    }
}

/* Over the network without TLS: said once. */
static void test_open_net(void **state) {
    char config[300];
    (void)state;
    snprintf(
        config, sizeof(config),
        "{\"address\":\"http://192.0.2.1\",\"request_timeout_ms\":50,\"connect_timeout_ms\":50,"
        "\"auth\":{\"token_file\":\"%s\"}}",
        rig_file(&rig, "token", "x"));
    rig.in = tk_open(rig.tk, TRL_KIND_SECRETS, "vault", config, NULL, 0);
    TK_CHECK(rig.tk, tk_logged(rig.tk, "for everybody to read"));
}

static void data_needs(const char *value) {
    RULE(&rig, .path = "/v1/secret/data/a", .status = 200, .body = value);
}

/* A refused token: the file is read again, and asked with once more if it has changed. */
static void test_token_file(void **state) {
    (void)state;
    RULE(&rig, .path = "/v1/auth/token/lookup-self", .status = 200, .body = RIG_LOOKUP);
    data_needs(RIG_DATA("{\"value\":\"v\"}", "1"));
    rig_open(&rig, "");
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v");
    size_t no = RULE(&rig, .path = "/v1/secret/data/a", .status = 403, .body = "{}");
    ASK_ST(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), TRL_E_DENIED);
    TK_CHECK_F(rig.tk, rig_asked(&rig, no) == 1, "asked once with an unchanged token");
    rig_drop(&rig, no);
    RULE(&rig, .path = "/v1/secret/data/a", .times = 1, .status = 403, .body = "{}");
    rig_file(&rig, "token", "second");
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v");
    TK_CHECK(rig.tk, rig_saw(&rig, "X-Vault-Token: second\r\n"));
}

static void test_token_file_bad(void **state) {
    char auth[300];
    const struct answer *a;
    (void)state;
    snprintf(auth, sizeof(auth), ",\"auth\":{\"token_file\":\"%s\"}", rig_file(&rig, "none", NULL));
    rig_open(&rig, auth);
    a = ask_fetch(rig.tk, rig.in, Q("a"));
    ASK_ST(rig.tk, a, TRL_E_UNAVAIL);
    TK_CHECK_F(rig.tk, strstr(a->why, "none cannot be opened"), "%s", a->why);
    rig_close(&rig);
    snprintf(auth, sizeof(auth), ",\"auth\":{\"token_file\":\"%s\"}",
             rig_file(&rig, "torn", "hush\r\nX-Evil: 1"));
    rig_open(&rig, auth);
    a = ask_fetch(rig.tk, rig.in, Q("a"));
    ASK_ST(rig.tk, a, TRL_E_INVALID);
    TK_CHECK_F(rig.tk, strstr(a->why, "control character"), "%s", a->why);
    TK_CHECK(rig.tk, !tk_logged(rig.tk, "hush"));
}

static const char *approle(void) {
    static char auth[400];
    snprintf(auth, sizeof(auth),
             ",\"auth\":{\"method\":\"approle\",\"role_id\":\"rid\",\"secret_id_file\":\"%s\"}",
             rig_file(&rig, "sid", "hush-secret-id\n"));
    return auth;
}

static void test_approle(void **state) {
    (void)state;
    size_t login = RULE(&rig, .method = "POST", .path = "/v1/auth/approle/login", .status = 200,
                        .body = LOGIN("t1", "3600", "true"));
    data_needs(RIG_DATA("{\"value\":\"v\"}", "1"));
    rig_open(&rig, approle());
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v");
    TK_CHECK(rig.tk, rig_saw(&rig, "X-Vault-Token: t1\r\n"));
    TK_CHECK(rig.tk, rig_asked(&rig, login) == 1);
    TK_CHECK(rig.tk, rig_sent(&rig, "{\"role_id\":\"rid\",\"secret_id\":\"hush-secret-id\"}"));
    /* 403, and the server does not know the token any more: one login, one more try */
    size_t lookup = RULE(&rig, .path = "/v1/auth/token/lookup-self", .status = 403, .body = "{}");
    RULE(&rig, .path = "/v1/auth/approle/login", .status = 200, .body = LOGIN("t2", "0", "false"));
    RULE(&rig, .path = "/v1/secret/data/a", .times = 1, .status = 403, .body = "{}");
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v");
    TK_CHECK(rig.tk, rig_saw(&rig, "X-Vault-Token: t2\r\n"));
    TK_CHECK(rig.tk, rig_asked(&rig, lookup) == 1);
}

/* The token is not valid any more and nobody gives another: that is not the policy's doing. */
static void test_lost_token(void **state) {
    const struct answer *a;
    (void)state;
    size_t login = RULE(&rig, .path = "/v1/auth/approle/login", .status = 200,
                        .body = LOGIN("t1", "3600", "true"));
    data_needs(RIG_DATA("{\"value\":\"v\"}", "1"));
    rig_open(&rig, approle());
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v");
    RULE(&rig, .path = "/v1/auth/token/lookup-self", .status = 403, .body = "{}");
    RULE(&rig, .path = "/v1/secret/data/a", .times = 1, .status = 403, .body = "{}");
    size_t down = RULE(&rig, .path = "/v1/auth/approle/login", .status = 503, .body = "{}");
    ASK_ST(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), TRL_E_UNAVAIL);
    TK_CHECK(rig.tk, rig_asked(&rig, down) == 1 && rig_asked(&rig, login) == 1);
    rig_close(&rig);
    rig_drop(&rig, down);
    rig_open(&rig, approle());
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v");
    RULE(&rig, .path = "/v1/secret/data/a", .times = 1, .status = 403, .body = "{}");
    RULE(&rig, .path = "/v1/auth/approle/login", .status = 400, .body = "{}");
    a = ask_fetch(rig.tk, rig.in, Q("a"));
    ASK_ST(rig.tk, a, TRL_E_DENIED);
    TK_CHECK_F(rig.tk, strstr(a->why, "refuses the login"), "%s", a->why);
}

/* 403 with a token that the server knows: it is the policy, and no login is made. */
static void test_denied(void **state) {
    (void)state;
    size_t login = RULE(&rig, .path = "/v1/auth/approle/login", .status = 200,
                        .body = LOGIN("t1", "3600", "true"));
    RULE(&rig, .path = "/v1/auth/token/lookup-self", .status = 200, .body = RIG_LOOKUP);
    size_t no = RULE(&rig, .path = "/v1/secret/data/a", .status = 403,
                     .body = "{\"errors\":[\"permission denied\"]}");
    rig_open(&rig, approle());
    for (int i = 0; i < 3; i++) {
        ASK_ST(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), TRL_E_DENIED);
    }
    TK_CHECK_F(rig.tk, rig_asked(&rig, login) == 1 && rig_asked(&rig, no) == 3,
               "%u logins, %u requests", rig_asked(&rig, login), rig_asked(&rig, no));
}

/* A refused login is not repeated for every request, and tells nothing of what was shown. */
static void test_refused_login(void **state) {
    const struct answer *a;
    (void)state;
    size_t login = RULE(&rig, .path = "/v1/auth/approle/login", .status = 400,
                        .body = "{\"errors\":[\"bad secret id: hush-secret-id is wrong\"]}");
    rig_open(&rig, approle());
    rig_wait_asked(&rig, login, 1);
    for (int i = 0; i < 20; i++) {
        a = ask_fetch(rig.tk, rig.in, Q("a"));
        ASK_ST(rig.tk, a, TRL_E_DENIED);
        TK_CHECK_F(rig.tk, strstr(a->why, "auth/approle/login") && !strstr(a->why, "hush"), "%s",
                   a->why);
    }
    TK_CHECK_F(rig.tk, rig_asked(&rig, login) < 10, "%u logins for 20 requests",
               rig_asked(&rig, login));
    TK_CHECK(rig.tk, tk_logged(rig.tk, "refuses the login") && !tk_logged(rig.tk, "hush"));
    rig_drop(&rig, login);
    RULE(&rig, .path = "/v1/auth/approle/login", .status = 200, .body = LOGIN("t", "0", "false"));
    data_needs(RIG_DATA("{\"value\":\"v\"}", "1"));
    do {
        tk_settle(rig.tk);
        a = ask_fetch(rig.tk, rig.in, Q("a"));
    } while (a->st == TRL_E_DENIED);
    ASK_TEXT(rig.tk, a, "v");
}

static void test_bad_login_answers(void **state) {
    static const char *const all[] = {"{}",
                                      "{\"auth\":null}",
                                      "{\"auth\":{\"client_token\":7}}",
                                      "{\"auth\":{\"client_token\":\"\"}}",
                                      "{\"auth\":{\"client_token\":\"a b\"}}",
                                      LOGIN("t", "-1", "true"),
                                      LOGIN("t", "\"x\"", "true"),
                                      "[",
                                      ""};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        size_t u = RULE(&rig, .path = "/v1/auth/approle/login", .status = 200, .body = all[i]);
        rig_open(&rig, approle());
        const struct answer *a = ask_fetch(rig.tk, rig.in, Q("a"));
        TK_CHECK_F(rig.tk, a->st == TRL_E_INTERNAL || a->st == TRL_E_INVALID, "%s: %s %s", all[i],
                   err_name(a->st), a->why);
        rig_close(&rig);
        rig_drop(&rig, u);
    }
    RULE(&rig, .path = "/v1/auth/approle/login", .status = 503, .body = "{}");
    rig_open(&rig, approle());
    ASK_ST(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), TRL_E_UNAVAIL);
}

static void test_jwt(void **state) {
    char auth[400];
    (void)state;
    RULE(&rig, .path = "/v1/auth/k8s/login", .status = 200, .body = LOGIN("t", "0", "false"));
    RULE(&rig, .path = "/v1/auth/jwt/login", .status = 200, .body = LOGIN("t", "0", "false"));
    data_needs(RIG_DATA("{\"value\":\"v\"}", "1"));
    snprintf(auth, sizeof(auth),
             ",\"auth\":{\"method\":\"kubernetes\",\"mount\":\"k8s\",\"role\":\"web\","
             "\"jwt_file\":\"%s\"}",
             rig_file(&rig, "jwt", "eyJ.a.b\n"));
    rig_open(&rig, auth);
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v");
    TK_CHECK(rig.tk, rig_sent(&rig, "{\"role\":\"web\",\"jwt\":\"eyJ.a.b\"}"));
    rig_close(&rig);
    snprintf(auth, sizeof(auth), ",\"auth\":{\"method\":\"jwt\",\"jwt_file\":\"%s\"}",
             rig_file(&rig, "jwt", NULL));
    rig_open(&rig, auth);
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v");
    TK_CHECK(rig.tk, rig_sent(&rig, "{\"jwt\":\"eyJ.a.b\"}"));
}

/* At two thirds of its life a token is renewed; when it cannot be, there is a login. */
static void test_renewal(void **state) {
    (void)state;
    size_t login = RULE(&rig, .path = "/v1/auth/approle/login", .status = 200,
                        .body = LOGIN("t1", "1", "true"));
    size_t renew = RULE(&rig, .method = "POST", .path = "/v1/auth/token/renew-self", .status = 200,
                        .body = LOGIN("t1", "1", "true"));
    rig_open(&rig, approle());
    rig_wait_asked(&rig, renew, 2);
    TK_CHECK(rig.tk, rig_saw(&rig, "X-Vault-Token: t1\r\n"));
    TK_CHECK_F(rig.tk, rig_asked(&rig, login) == 1, "%u logins", rig_asked(&rig, login));
    rig_drop(&rig, renew);
    size_t no = RULE(&rig, .path = "/v1/auth/token/renew-self", .status = 403, .body = "{}");
    rig_wait_asked(&rig, login, 2);
    TK_CHECK(rig.tk, rig_asked(&rig, no) >= 1);
    rig_drop(&rig, no);
    /* a renewal that gives less than half of the first life: the maximum is near */
    rig_close(&rig);
    RULE(&rig, .path = "/v1/auth/approle/login", .times = 1, .status = 200,
         .body = LOGIN("t1", "1", "true"));
    size_t last = RULE(&rig, .path = "/v1/auth/token/renew-self", .status = 200,
                       .body = LOGIN("t1", "0", "true"));
    uint32_t before = rig_asked(&rig, login);
    rig_open(&rig, approle());
    rig_wait_asked(&rig, login, before + 1);
    TK_CHECK(rig.tk, rig_asked(&rig, last) >= 1);
    rig_close(&rig);
    /* not renewable at all */
    RULE(&rig, .path = "/v1/auth/approle/login", .status = 200, .body = LOGIN("t3", "1", "false"));
    size_t again = rig.n_rules - 1;
    rig_open(&rig, approle());
    rig_wait_asked(&rig, again, 2);
}

/* A thread that gives up while another logs in, and threads that share one login. */
static void test_shared_login(void **state) {
    enum { MANY = 30 };
    (void)state;
    size_t login = RULE(&rig, .path = "/v1/auth/approle/login", .status = 200,
                        .body = LOGIN("t1", "3600", "true"));
    data_needs(RIG_DATA("{\"value\":\"v\"}", "1"));
    size_t held = RULE(&rig, .path = "/v1/auth/approle/login", .times = 1, .hold = 1);
    char more[500];
    snprintf(more, sizeof(more), "%s,\"request_timeout_ms\":200", approle());
    rig_open(&rig, more);
    rig_wait_asked(&rig, held, 1); /* the first login: hangs until request_timeout_ms */
    const struct answer *a = ask_fetch(rig.tk, rig.in, Q("a"));
    TK_CHECK_F(rig.tk, a->st == TRL_E_UNAVAIL || a->st == TRL_OK, "%s %s", err_name(a->st), a->why);
    for (int i = 0; i < MANY; i++) {
        ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v");
    }
    TK_CHECK_F(rig.tk, rig_asked(&rig, login) == 1, "%u logins", rig_asked(&rig, login));
}

static void test_info(void **state) {
    (void)state;
    RULE(&rig, .path = "/v1/auth/approle/login", .status = 200,
         .body = LOGIN("hush", "99", "true"));
    data_needs(RIG_DATA("{\"value\":\"v\"}", "1"));
    rig_open(&rig, approle());
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, Q("a")), "v");
    const struct answer *a = ask_info(rig.tk, rig.in);
    TK_CHECK_F(rig.tk,
               strstr(a->text, "\"logged_in\":true") && strstr(a->text, "\"method\":\"approle\"") &&
                   strstr(a->text, "\"expires_in_s\":9") && !strstr(a->text, "hush"),
               "%s", a->text);
}

int main(void) {
#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_config),
        CASE(test_open_net),
        CASE(test_token_file),
        CASE(test_token_file_bad),
        CASE(test_approle),
        CASE(test_lost_token),
        CASE(test_denied),
        CASE(test_refused_login),
        CASE(test_bad_login_answers),
        CASE(test_jwt),
        CASE(test_renewal),
        CASE(test_shared_login),
        CASE(test_info),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
