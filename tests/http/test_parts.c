/* SPDX-License-Identifier: Apache-2.0
 *
 * The pure parts of the HTTP extension: configuration, hosts and origins, limits, tokens, routes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth.h"
#include "limit.h"
#include "origin.h"
#include "route.h"
#include "text.h"

#define HASH              "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" /* of "test" */
#define TOKEN(name, role) "{\"name\":\"" name "\",\"role\":\"" role "\",\"sha256\":\"" HASH "\"}"

static trl_status parse(const char *json, struct conf *c, trl_err *e) {
    *e = (trl_err){.struct_size = sizeof(*e)};
    return conf_parse(trl_cstr(json), c, e);
}

static void refused(const char *json, const char *needle) {
    struct conf c;
    trl_err e;
    assert_int_equal(parse(json, &c, &e), TRL_E_INVALID);
    if (!strstr(e.msg, needle)) {
        fail_msg("%s: '%s' lacks '%s'", json, e.msg, needle);
    }
    conf_finish(&c);
}

static void configuration(void **state) {
    struct conf c;
    trl_err e;
    (void)state;
    assert_int_equal(parse("{}", &c, &e), TRL_OK);
    assert_true(c.loopback && c.login && c.ui && c.max_body_bytes == 1048576);
    conf_finish(&c);
    assert_int_equal(
        parse("{\"listen\":\"[::1]:0\",\"tokens\":[" TOKEN("ci", "operate") "]}", &c, &e), TRL_OK);
    assert_true(c.loopback && !c.login && c.n_tokens == 1 && c.tokens[0].role == ROLE_OPERATE);
    conf_finish(&c);
    refused("{\"listen\":\"example.org:80\"}", "an address, not a name");
    refused("{\"listen\":\"127.0.0.1\"}", "no address:port");
    refused("{\"listen\":\"127.0.0.1:99999\"}", "no address:port");
    refused("{\"listen\":\"127.0.0.1:-1\"}", "no address:port");
    refused("{\"listen\":\"0.0.0.0:80\"}", "needs tls and tokens");
    refused("{\"listen\":\"192.0.2.1:80\",\"tokens\":[" TOKEN("a", "read") "]}", "needs tls");
    refused("{\"listen\":\"192.0.2.1:80\",\"tls\":{\"cert\":\"c\",\"key\":\"k\"}}", "and tokens");
    refused("{\"listen\":\"0.0.0.0:80\",\"tls\":{\"cert\":\"c\",\"key\":\"k\"},\"tokens\":[" TOKEN(
                "a", "read") "]}",
            "/hosts");
    refused("{\"tokens\":[" TOKEN("a b", "read") "]}", "/tokens/0/name");
    refused("{\"tokens\":[{\"name\":\"a\",\"role\":\"read\",\"sha256\":\"12\"}]}", "sha256");
}

static void hosts(void **state) {
    static const char *const good[] = {"127.0.0.1:8181", "localhost:8181", "[::1]:8181",
                                       "LOCALHOST",      "127.0.0.1",      "trellis.example"};
    static const char *const bad[] = {
        "evil.example",        "127.0.0.1:80800",   "localhost.evil.example", "127.0.0.1:1", "",
        "localhost:8181.evil", "trellis.example:1", "127.0.0.1:8181x"};
    struct conf c;
    trl_err e;
    (void)state;
    assert_int_equal(parse("{\"hosts\":[\"trellis.example\",\"via.example:4443\"]}", &c, &e),
                     TRL_OK);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(origin_host_ok(&c, 8181, good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(origin_host_ok(&c, 8181, bad[i]));
    }
    assert_true(origin_host_ok(&c, 8181, "via.example:4443"));
    assert_false(origin_host_ok(&c, 8181, "via.example"));
    assert_false(origin_host_ok(&c, 8181, NULL));
    assert_true(origin_ok(&c, NULL, NULL, "localhost:8181"));
    assert_true(origin_ok(&c, "http://localhost:8181", "same-origin", "localhost:8181"));
    assert_true(origin_ok(&c, NULL, "none", "localhost:8181"));
    assert_false(origin_ok(&c, "http://evil.example", NULL, "localhost:8181"));
    assert_false(origin_ok(&c, "https://localhost:8181", NULL, "localhost:8181"));
    assert_false(origin_ok(&c, "http://localhost:8182", NULL, "localhost:8181"));
    assert_false(origin_ok(&c, "null", NULL, "localhost:8181"));
    assert_false(origin_ok(&c, NULL, "cross-site", "localhost:8181"));
    assert_false(origin_ok(&c, NULL, "same-site", "localhost:8181"));
    conf_finish(&c);
}

static void limits(void **state) {
    struct limit *l = malloc(sizeof(*l));
    int64_t s = 1000000000ll, now = 100 * s;
    (void)state;
    limit_init(l, 2, 4);
    for (int i = 0; i < 4; i++) {
        assert_true(limit_take(l, 7, now));
    }
    assert_false(limit_take(l, 7, now));
    assert_true(limit_empty(l, 7, now));
    assert_true(limit_take(l, 8, now)); /* another address */
    assert_true(limit_take(l, 7, now + s / 2));
    assert_false(limit_take(l, 7, now + s / 2));
    for (uint64_t key = 1000; key < 100000; key++) { /* addresses without end: bounded */
        limit_take(l, key, now + s);
    }
    assert_true(limit_take(l, 7, now + 2 * s));
    free(l);
}

static void tokens(void **state) {
    struct auth *a = calloc(1, sizeof(*a));
    struct conf c;
    trl_err e;
    char login[AUTH_TOKEN_SIZE], session[AUTH_TOKEN_SIZE], bearer[80];
    struct who w;
    (void)state;
    parse("{\"login_role\":\"operate\",\"tokens\":[" TOKEN("ci", "read") "]}", &c, &e);
    auth_init(a, &c);
    w = auth_check(a, "Bearer test", 1);
    assert_int_equal(w.role, ROLE_READ);
    assert_string_equal(w.name, "ci");
    static const char *const bad[] = {
        "Bearer tesT", "Bearer test ", "Basic test", "test", "Bearer ", "", ("Bearer " HASH)};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(auth_check(a, bad[i], 1).role, ROLE_NONE);
    }
    assert_int_equal(auth_check(a, NULL, 1).role, ROLE_NONE);
    assert_false(auth_login(a, trl_cstr(""), 1, session, &w)); /* none was made yet */
    auth_new_login(a, login);
    assert_int_equal(strlen(login), AUTH_TOKEN_SIZE - 1);
    assert_false(auth_login(a, trl_cstr("wrong"), 1, session, &w));
    assert_true(auth_login(a, trl_cstr(login), 1, session, &w));
    assert_false(auth_login(a, trl_cstr(login), 1, session, &w)); /* once */
    snprintf(bearer, sizeof(bearer), "Bearer %s", session);
    w = auth_check(a, bearer, 2);
    assert_int_equal(w.role, ROLE_OPERATE);
    assert_string_equal(w.name, "login-1");
    assert_int_equal(auth_check(a, bearer, AUTH_IDLE_NS + 2).role, ROLE_OPERATE);
    assert_int_equal(auth_check(a, bearer, 2 * AUTH_IDLE_NS + 10).role, ROLE_NONE);
    auth_new_login(a, login);
    assert_true(auth_login(a, trl_cstr(login), 5, session, &w));
    snprintf(bearer, sizeof(bearer), "Bearer %s", session);
    assert_true(auth_logout(a, bearer));
    assert_int_equal(auth_check(a, bearer, 6).role, ROLE_NONE);
    auth_finish(a);
    conf_finish(&c);
    free(a);
}

static void paths(void **state) {
    struct route_parts p;
    char allow[64], longest[400];
    const struct route *r;
    (void)state;
    r = route_find("GET", "/api/v1/lattices/prod/apps/shop", &p, allow);
    assert_non_null(r);
    assert_string_equal(r->operation, "app.get");
    assert_string_equal(p.lattice, "prod");
    assert_string_equal(p.name, "shop");
    r = route_find("HEAD", "/livez", &p, allow);
    assert_true(r && r->does == DOES_LIVE);
    assert_null(route_find("POST", "/api/v1/lattices/prod/hosts", &p, allow));
    assert_string_equal(allow, "GET");
    assert_null(route_find("POST", "/api/v1/lattices/prod/apps/shop", &p, allow));
    assert_string_equal(allow, "GET, PUT, DELETE");
    assert_null(route_find("GET", "/api/v1/lattices//apps", &p, allow));
    assert_null(route_find("GET", "/api/v1/lattices/prod/apps/", &p, allow));
    assert_null(route_find("GET", "/api/v1/lattices/prod/apps/a/b/c", &p, allow));
    assert_null(route_find("GET", "", &p, allow));
    snprintf(longest, sizeof(longest), "/api/v1/lattices/%0300d/apps", 0);
    assert_null(route_find("GET", longest, &p, allow));
    assert_int_equal(route_role("app.list", 0), ROLE_READ);
    assert_int_equal(route_role("app.deploy", 1), ROLE_OPERATE);
    assert_int_equal(route_role("model.put", 1), ROLE_OPERATE);
    assert_int_equal(route_role("app.delete", 1), ROLE_ADMIN);
    assert_int_equal(route_role("model.del", 1), ROLE_ADMIN);
    assert_int_equal(route_role("secrets.put", 1), ROLE_ADMIN);
}

static void json_strings(void **state) {
    struct text t = {NULL, 0, 0};
    (void)state;
    text_add_json(&t, trl_cstr("a\"b\\c\n\x01 \xc3\xa9 \xff\xc3"));
    assert_string_equal(t.ptr, "\"a\\\"b\\\\c\\n\\u0001 \xc3\xa9 ??\"");
    text_finish(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configuration), cmocka_unit_test(hosts), cmocka_unit_test(limits),
        cmocka_unit_test(tokens),        cmocka_unit_test(paths), cmocka_unit_test(json_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
