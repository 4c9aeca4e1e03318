/* SPDX-License-Identifier: Apache-2.0
 *
 * Ways to log in and to encrypt, each right and wrong; secrets stay out of the log.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jwt.h"
#include "rig.h"

#define SECRET "very-secret-3141"

static int quiet_teardown(void **state) {
    struct rig *r = *state;
    comp_close(&r->t);
    assert_int_equal(fake_logged(r->f, SECRET), 0);
    return teardown(state);
}

static void open_with(struct rig *r, const char *scheme, const char *user, const char *more) {
    char config[8192];
    snprintf(config, sizeof(config),
             "{\"url\":\"%s://%s127.0.0.1:%d\",\"reconnect_max_ms\":100%s%s}", scheme, user,
             r->server.port, *more ? "," : "", more);
    assert_int_equal(comp_open(&r->t, r->f, "nats", config, r->err), TRL_OK);
}

/* Messages go round. */
static void works(struct rig *r, const char *scheme, const char *user, const char *more) {
    trl_op *op;
    open_with(r, scheme, user, more);
    op = comp_request(&r->t, "nobody", "x", 0);
    assert_true(fake_done(op));
    if (op->st != TRL_E_NORESPONDER) {
        fprintf(stderr, "%s: %s\n", more, op->msg);
    }
    assert_int_equal(op->st, TRL_E_NORESPONDER);
    fake_op_free(op);
    comp_close(&r->t);
}

/* No link, and the log says why, once. */
static void fails(struct rig *r, const char *scheme, const char *user, const char *more,
                  const char *why) {
    trl_op *op;
    int before = fake_logged(r->f, why);
    open_with(r, scheme, user, more);
    op = comp_request(&r->t, "nobody", "x", 0);
    assert_true(fake_done(op));
    assert_int_equal(op->st, TRL_E_UNAVAIL);
    fake_op_free(op);
    if (fake_logged(r->f, why) != before + 1) {
        fprintf(stderr, "%s: not said: %s\n", more, why);
    }
    assert_int_equal(fake_logged(r->f, why), before + 1);
    comp_close(&r->t);
}

static void test_user(void **state) {
    struct rig *r = *state;
    char more[512];
    NEED_SERVER();
    server_start(&r->server, "authorization { user: joe, password: \"" SECRET "\" }\n");
    works(r, "nats", "joe:" SECRET "@", "");
    works(r, "nats", "", "\"user\":\"joe\",\"password\":\"" SECRET "\"");
    works(r, "nats", "somebody:else@", "\"user\":\"joe\",\"password\":\"" SECRET "\"");
    snprintf(more, sizeof(more), "\"user\":\"joe\",\"password_file\":\"%s\"",
             server_file(&r->server, "pw", "  " SECRET "\n\n"));
    works(r, "nats", "", more);
    fails(r, "nats", "", "", "the server wants a login");
    fails(r, "nats", "joe:" SECRET "x@", "", "does not accept user and password");
    fails(r, "nats", "", "\"user\":\"joe\",\"password_file\":\"/nowhere/pw\"",
          "password_file: cannot read /nowhere/pw: No such file");
}

static void test_token(void **state) {
    struct rig *r = *state;
    char more[512];
    NEED_SERVER();
    server_start(&r->server, "authorization { token: \"" SECRET "\" }\n");
    works(r, "nats", SECRET "@", "");
    works(r, "nats", "", "\"token\":\"" SECRET "\"");
    snprintf(more, sizeof(more), "\"token_file\":\"%s\"",
             server_file(&r->server, "token", SECRET "\n"));
    works(r, "nats", "", more);
    fails(r, "nats", "", "\"token\":\"" SECRET "x\"", "does not accept the token");
}

/* Credentials that are put right while we try are used without a restart. */
static void test_rotation(void **state) {
    struct rig *r = *state;
    trl_op *link;
    char more[512];
    NEED_SERVER();
    server_start(&r->server, "authorization { token: \"" SECRET "\" }\n");
    snprintf(more, sizeof(more), "\"token_file\":\"%s\"",
             server_file(&r->server, "token", "wrong\n"));
    open_with(r, "nats", "", more);
    link = fake_op(r->f);
    r->t.t->watch_link(r->t.in, link);
    assert_int_equal(fake_logged(r->f, "does not accept the token"), 1);
    server_file(&r->server, "token", SECRET "\n");
    assert_true(fake_items(link, 2));
    assert_int_equal(link->items[1].flags, TRL_LINK_UP);
    server_kill(&r->server); /* and the other way round */
    server_start(&r->server, "authorization { token: \"" SECRET "2\" }\n");
    assert_true(fake_items(link, 3));
    assert_true(fake_wait_log(r->f, "lost the connection"));
    server_file(&r->server, "token", SECRET "2\n");
    assert_true(fake_items(link, 4));
    comp_cancel(&r->t, link);
}

static void test_nkey(void **state) {
    struct rig *r = *state;
    struct key user, other;
    char conf[256], more[512];
    NEED_SERVER();
    key_make(&user, 'U');
    key_make(&other, 'U');
    snprintf(conf, sizeof(conf), "authorization { users: [ { nkey: %s } ] }\n", user.pub);
    server_start(&r->server, conf);
    snprintf(more, sizeof(more), "\"nkey_seed\":\"%s\"", user.seed);
    works(r, "nats", "", more);
    snprintf(conf, sizeof(conf), "\n%s \n", user.seed);
    snprintf(more, sizeof(more), "\"nkey_seed\":\"%s\"", server_file(&r->server, "seed", conf));
    works(r, "nats", "", more);
    snprintf(more, sizeof(more), "\"nkey_seed\":\"%s\"", other.seed);
    fails(r, "nats", "", more, "does not accept nkey_seed/jwt");
    other.seed[20] = other.seed[20] == 'A' ? 'B' : 'A';
    snprintf(more, sizeof(more), "\"nkey_seed\":\"%s\"", other.seed);
    fails(r, "nats", "", more, "nkey_seed: no valid seed");
    assert_int_equal(fake_logged(r->f, user.seed), 0);
    assert_int_equal(fake_logged(r->f, other.seed), 0);
}

#define LIMITS                                                                                     \
    "\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,\"exports\":-1,"            \
    "\"wildcards\":true,\"conn\":-1,\"leaf\":-1},"

/* An operator's server: the user shows a JWT and signs with the seed. */
static void test_jwt(void **state) {
    struct rig *r = *state;
    struct key op, account, user, stranger;
    char *op_jwt, *account_jwt, *user_jwt, *conf = calloc(1, 8192), *more = calloc(1, 8192);
    NEED_SERVER();
    key_make(&op, 'O');
    key_make(&account, 'A');
    key_make(&user, 'U');
    key_make(&stranger, 'U');
    op_jwt = jwt_make(&op, &op, "op", "{\"type\":\"operator\",\"version\":2}");
    account_jwt = jwt_make(&account, &op, "acc",
                           "{" LIMITS "\"default_permissions\":{\"pub\":{},\"sub\":{}},"
                           "\"type\":\"account\",\"version\":2}");
    user_jwt = jwt_make(&user, &account, "user",
                        "{\"pub\":{},\"sub\":{},\"subs\":-1,\"data\":-1,\"payload\":-1,"
                        "\"type\":\"user\",\"version\":2}");
    snprintf(conf, 8192, "operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s }\n", op_jwt,
             account.pub, account_jwt);
    server_start(&r->server, conf);
    snprintf(more, 8192, "\"nkey_seed\":\"%s\",\"jwt\":\"%s\"", user.seed, user_jwt);
    works(r, "nats", "", more);
    snprintf(conf, 8192, "%s\n", user_jwt);
    snprintf(more, 8192, "\"nkey_seed\":\"%s\",\"jwt\":\"%s\"", user.seed,
             server_file(&r->server, "user.jwt", conf));
    works(r, "nats", "", more);
    snprintf(conf, 8192,
             "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
             "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
             user_jwt, user.seed);
    snprintf(more, 8192, "\"creds\":\"%s\"", server_file(&r->server, "user.creds", conf));
    works(r, "nats", "", more);
    snprintf(more, 8192, "\"nkey_seed\":\"%s\",\"jwt\":\"%s\"", stranger.seed, user_jwt);
    fails(r, "nats", "", more, "does not accept nkey_seed/jwt");
    fails(r, "nats", "", "\"creds\":\"/nowhere/c\"", "creds: cannot read /nowhere/c");
    assert_int_equal(fake_logged(r->f, user.seed), 0);
    assert_int_equal(fake_logged(r->f, user_jwt), 0);
    free(op_jwt);
    free(account_jwt);
    free(user_jwt);
    free(conf);
    free(more);
}

/* A server that lets in who signs: the first time it asks for a signature whose first byte is 0. */
struct door {
    const struct key *user;
    int listens, visits;
};

static void find_nonce(const struct key *user, int zero, char nonce[16]) {
    unsigned char sig[64];
    for (int i = 0;; i++) {
        snprintf(nonce, 16, "nonce%d", i);
        crypto_sign_detached(sig, NULL, (unsigned char *)nonce, strlen(nonce), user->secret);
        if ((sig[0] == 0) == zero) {
            return;
        }
    }
}

static void say(int fd, const char *text) {
    send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* One visitor, until he goes or is refused. */
static void receive(int fd, const char *nonce) {
    char text[4096];
    size_t n = 0;
    ssize_t got;
    snprintf(text, sizeof(text),
             "INFO {\"server_id\":\"DOOR\",\"version\":\"2.9.10\",\"headers\":true,\"proto\":1,"
             "\"max_payload\":1024,\"auth_required\":true,\"nonce\":\"%s\"}\r\n",
             nonce);
    say(fd, text);
    while ((got = recv(fd, text + n, sizeof(text) - 1 - n, 0)) > 0) {
        n += (size_t)got;
        text[n] = '\0';
        if (strstr(text, "PING\r\n")) {
            if (strstr(text, "CONNECT") && !strstr(text, "\"sig\":\"")) {
                say(fd, "-ERR 'Authorization Violation'\r\n");
                return;
            }
            say(fd, "PONG\r\n");
            n = 0;
        }
    }
}

static void *keep_door(void *arg) {
    struct door *d = arg;
    int fd;
    while ((fd = accept(d->listens, NULL, NULL)) >= 0) {
        char nonce[16];
        find_nonce(d->user, d->visits++ == 0, nonce);
        receive(fd, nonce);
        close(fd);
    }
    return NULL;
}

/* nats.c 3.4.1 leaves such a signature away, and is refused. That is not the user's trouble. */
static void test_zero_signature(void **state) {
    struct rig *r = *state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    struct key user;
    struct door d = {.user = &user, .listens = socket(AF_INET, SOCK_STREAM, 0)};
    char more[128];
    pthread_t t;
    key_make(&user, 'U');
    assert_int_equal(bind(d.listens, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(d.listens, 4), 0);
    getsockname(d.listens, (struct sockaddr *)&at, &len);
    r->server.port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&t, NULL, keep_door, &d), 0);
    snprintf(more, sizeof(more), "\"nkey_seed\":\"%s\"", user.seed);
    open_with(r, "nats", "", more);
    assert_int_equal(fake_logged(r->f, "connected to nats://127.0.0.1"), 1);
    assert_int_equal(fake_logged(r->f, "not connected"), 0);
    comp_close(&r->t);
    shutdown(d.listens, SHUT_RDWR);
    pthread_join(t, NULL);
    close(d.listens);
    assert_in_range(d.visits, 1, 2);
}

/* ca.pem, other.pem: authorities; server.pem, client.pem with keys, for 127.0.0.1. Returns 0
 * without an openssl to make them. */
static int make_certificates(struct server *s) {
    static const char script[] =
        "set -e; cd \"$0\"\n"
        "for n in ca other; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        " -keyout $n.key -out $n.pem -subj /CN=$n -days 3; done\n"
        "for n in server client; do\n"
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $n.key -out $n.csr"
        " -subj /CN=$n\n"
        "printf 'subjectAltName=IP:127.0.0.1,DNS:nats.test' > $n.ext\n"
        "openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $n.pem -days 3"
        " -extfile $n.ext\n"
        "done\n";
    const char *const argv[] = {"sh", "-c", script, s->dir, NULL};
    return run(argv) == 0;
}

#define TLS_CONF "tls { cert_file: \"%DIR%/server.pem\", key_file: \"%DIR%/server.key\""

static void test_tls(void **state) {
    struct rig *r = *state;
    char more[1024];
    const char *dir = r->server.dir;
    NEED_SERVER();
    if (!make_certificates(&r->server)) {
        skip();
    }
    server_start(&r->server, TLS_CONF " }\n");
    snprintf(more, sizeof(more), "\"tls\":{\"ca\":\"%s/ca.pem\"}", dir);
    works(r, "nats", "", more);
    works(r, "tls", "", more);
    snprintf(more, sizeof(more), "\"tls\":{\"ca\":\"%s/ca.pem\",\"hostname\":\"nats.test\"}", dir);
    works(r, "nats", "", more);
    snprintf(more, sizeof(more), "\"tls\":{\"ca\":\"%s/ca.pem\",\"hostname\":\"evil.test\"}", dir);
    fails(r, "nats", "", more, "TLS failed");
    snprintf(more, sizeof(more),
             "\"tls\":{\"ca\":\"%s/ca.pem\",\"hostname\":\"evil.test\",\"hostname_check\":false}",
             dir);
    works(r, "nats", "", more);
    snprintf(more, sizeof(more), "\"tls\":{\"ca\":\"%s/other.pem\"}", dir);
    fails(r, "nats", "", more, "TLS failed");
    fails(r, "nats", "", "", "TLS failed");
    fails(r, "nats", "", "\"tls\":{\"ca\":\"/nowhere/ca\"}", "tls.ca: cannot read /nowhere/ca");
    server_kill(&r->server);
    server_start(&r->server, "");
    snprintf(more, sizeof(more), "\"tls\":{\"ca\":\"%s/ca.pem\"}", dir);
    fails(r, "nats", "", more, "this server does not offer it");
}

static void test_mutual_tls(void **state) {
    struct rig *r = *state;
    char more[1024];
    const char *dir = r->server.dir;
    NEED_SERVER();
    if (!make_certificates(&r->server)) {
        skip();
    }
    server_start(&r->server, TLS_CONF ", ca_file: \"%DIR%/ca.pem\", verify: true }\n");
    snprintf(more, sizeof(more),
             "\"tls\":{\"ca\":\"%s/ca.pem\",\"cert\":\"%s/client.pem\",\"key\":\"%s/client.key\"}",
             dir, dir, dir);
    works(r, "nats", "", more);
    snprintf(more, sizeof(more), "\"tls\":{\"ca\":\"%s/ca.pem\"}", dir);
    fails(r, "nats", "", more, "not connected");
}

/* What the server forbids is told to who asked, and said. */
static void test_permissions(void **state) {
    struct rig *r = *state;
    trl_op *op;
    NEED_SERVER();
    server_start(
        &r->server,
        "authorization { users: [ { user: joe, password: joe, permissions: {\n"
        "  publish: { deny: \"forbidden.>\" }, subscribe: { deny: \"hidden.>\" } } } ] }\n");
    open_with(r, "nats", "joe:joe@", "");
    op = comp_request(&r->t, "forbidden.x", "x", 0);
    assert_true(fake_done(op));
    assert_int_equal(op->st, TRL_E_DENIED);
    assert_non_null(strstr(op->msg, "forbidden.x"));
    fake_op_free(op);
    op = comp_sub(&r->t, "hidden.x", "");
    assert_true(fake_done(op));
    assert_int_equal(op->st, TRL_E_DENIED);
    fake_op_free(op);
    assert_int_equal(fake_logged(r->f, "the server refuses"), 2);
    op = comp_request(&r->t, "fine", "x", 0);
    assert_true(fake_done(op));
    assert_int_equal(op->st, TRL_E_NORESPONDER);
    fake_op_free(op);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_user, setup, quiet_teardown),
        cmocka_unit_test_setup_teardown(test_token, setup, quiet_teardown),
        cmocka_unit_test_setup_teardown(test_rotation, setup, quiet_teardown),
        cmocka_unit_test_setup_teardown(test_nkey, setup, quiet_teardown),
        cmocka_unit_test_setup_teardown(test_jwt, setup, quiet_teardown),
        cmocka_unit_test_setup_teardown(test_zero_signature, setup, quiet_teardown),
        cmocka_unit_test_setup_teardown(test_tls, setup, quiet_teardown),
        cmocka_unit_test_setup_teardown(test_mutual_tls, setup, quiet_teardown),
        cmocka_unit_test_setup_teardown(test_permissions, setup, quiet_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
