/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing, listing and watching: what goes over the wire, and what comes of the answers.
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

#define POSTED(version) "{\"data\":{\"version\":" version "}}"

static void test_put(void **state) {
    (void)state;
    rig_open(&rig, "");
    RULE(&rig, .method = "GET", .path = "/v1/secret/data/a", .status = 200,
         .body = RIG_DATA("{\"user\":\"me\",\"value\":\"old\",\"port\":5432}", "4"));
    size_t post = RULE(&rig, .method = "POST", .path = "/v1/secret/data/a", .status = 200,
                       .body = POSTED("5"));
    ASK_TEXT(rig.tk, ask_put(rig.tk, rig.in, Q("a"), "n\"ew\n", 5), "5");
    TK_CHECK(rig.tk, rig_sent(&rig, "{\"options\":{\"cas\":4},\"data\":{\"user\":\"me\","
                                    "\"port\":5432,\"value\":\"n\\\"ew\\n\"}}"));
    ASK_TEXT(rig.tk, ask_put(rig.tk, rig.in, QF("a", "pass"), "x", 1), "5");
    TK_CHECK(rig.tk, rig_sent(&rig, "{\"options\":{\"cas\":4},\"data\":{\"user\":\"me\",\"value\":"
                                    "\"old\",\"port\":5432,\"pass\":\"x\"}}"));
    ASK_TEXT(rig.tk, ask_put(rig.tk, rig.in, QF("a", "*"), "{\"k\": 1}", 8), "5");
    TK_CHECK(rig.tk, rig_sent(&rig, "{\"options\":{\"cas\":4},\"data\":{\"k\": 1}}"));
    uint32_t before = rig_asked(&rig, post);
    ASK_ST(rig.tk, ask_put(rig.tk, rig.in, QF("a", "*"), "[1]", 3), TRL_E_INVALID);
    ASK_ST(rig.tk, ask_put(rig.tk, rig.in, QF("a", "*"), "{\"a\":1} x", 9), TRL_E_INVALID);
    ASK_ST(rig.tk, ask_put(rig.tk, rig.in, Q("a"), "\xff\xfe", 2), TRL_E_INVALID);
    ASK_ST(rig.tk, ask_put(rig.tk, rig.in, QV("a", "3"), "x", 1), TRL_E_CONFLICT);
    TK_CHECK_F(rig.tk, rig_asked(&rig, post) == before, "nothing is written");
    ASK_TEXT(rig.tk, ask_put(rig.tk, rig.in, QV("a", "4"), "x", 1), "5");
}

/* Not there, or deleted: written anew; cas is the last version there was. */
static void test_put_new(void **state) {
    (void)state;
    rig_open(&rig, "");
    RULE(&rig, .method = "GET", .path = "/v1/secret/data/a", .status = 404,
         .body = "{\"errors\":[]}");
    size_t post = RULE(&rig, .method = "POST", .path = "/v1/secret/data/a", .status = 200,
                       .body = POSTED("1"));
    ASK_TEXT(rig.tk, ask_put(rig.tk, rig.in, Q("a"), "x", 1), "1");
    TK_CHECK(rig.tk, rig_sent(&rig, "{\"options\":{\"cas\":0},\"data\":{\"value\":\"x\"}}"));
    RULE(&rig, .method = "GET", .path = "/v1/secret/data/a", .status = 404,
         .body = "{\"data\":{\"data\":null,\"metadata\":{\"version\":7,\"deletion_time\":"
                 "\"2020-01-01T00:00:00Z\",\"destroyed\":false}}}");
    ASK_TEXT(rig.tk, ask_put(rig.tk, rig.in, Q("a"), "x", 1), "1");
    TK_CHECK(rig.tk, rig_sent(&rig, "{\"options\":{\"cas\":7},\"data\":{\"value\":\"x\"}}"));
    (void)post;
}

static void test_put_errors(void **state) {
    const struct answer *a;
    (void)state;
    rig_open(&rig, "");
    size_t lost = RULE(
        &rig, .method = "POST", .path = "/v1/secret/data/a", .status = 400,
        .body = "{\"errors\":[\"check-and-set parameter did not match the current version\"]}");
    ASK_ST(rig.tk, ask_put(rig.tk, rig.in, Q("a"), "x", 1), TRL_E_CONFLICT);
    TK_CHECK_F(rig.tk, rig_asked(&rig, lost) == 3, "tried %u times", rig_asked(&rig, lost));
    rig_drop(&rig, lost);
    RULE(&rig, .method = "POST", .path = "/v1/secret/data/a", .status = 400,
         .body = "{\"errors\":[\"hush-hush is too short\"]}");
    a = ask_put(rig.tk, rig.in, Q("a"), "hush-hush", 9);
    ASK_ST(rig.tk, a, TRL_E_INVALID);
    TK_CHECK_F(rig.tk, !strstr(a->why, "hush"), "%s", a->why);
    RULE(&rig, .method = "POST", .path = "/v1/secret/data/a", .status = 200, .body = "{}");
    ASK_ST(rig.tk, ask_put(rig.tk, rig.in, Q("a"), "x", 1), TRL_E_INTERNAL);
    RULE(&rig, .method = "POST", .path = "/v1/secret/data/a", .body = "");
    ASK_ST(rig.tk, ask_put(rig.tk, rig.in, Q("a"), "x", 1), TRL_E_UNAVAIL);
    RULE(&rig, .method = "GET", .path = "/v1/secret/data/a", .status = 403, .body = "{}");
    ASK_ST(rig.tk, ask_put(rig.tk, rig.in, Q("a"), "x", 1), TRL_E_DENIED);
    TK_CHECK(rig.tk, !tk_logged(rig.tk, "hush"));
}

/* The first version of the engine: digests for versions, the same for the same key file. */
static void test_version_one(void **state) {
    char more[300], first[256];
    const struct answer *a;
    (void)state;
    RULE(&rig, .method = "GET", .path = "/v1/secret/a", .status = 200,
         .body = "{\"lease_duration\":60,\"data\":{\"value\":\"v1\",\"o\":1}}");
    RULE(&rig, .method = "POST", .path = "/v1/secret/a", .status = 204, .body = "");
    snprintf(more, sizeof(more), ",\"kv_version\":1,\"version_key\":\"%s\"",
             rig_file(&rig, "vkey", NULL));
    rig_open(&rig, more);
    a = ask_fetch(rig.tk, rig.in, Q("a"));
    ASK_TEXT(rig.tk, a, "v1");
    snprintf(first, sizeof(first), "%s", a->version);
    rig_close(&rig);
    rig_open(&rig, more);
    a = ask_check(rig.tk, rig.in, Q("a"));
    ASK_TEXT(rig.tk, a, first);
    ASK_TEXT(rig.tk, ask_fetch(rig.tk, rig.in, QV("a", first)), "v1");
    ASK_ST(rig.tk, ask_fetch(rig.tk, rig.in, QV("a", "1")), TRL_E_NOTFOUND);
    a = ask_put(rig.tk, rig.in, QV("a", first), "v2", 2);
    ASK_ST(rig.tk, a, TRL_OK);
    TK_CHECK(rig.tk, strlen(a->text) == 32 && strcmp(a->text, first) != 0);
    TK_CHECK(rig.tk, rig_sent(&rig, "{\"o\":1,\"value\":\"v2\"}"));
    ASK_ST(rig.tk, ask_put(rig.tk, rig.in, QV("a", "other"), "v2", 2), TRL_E_CONFLICT);
    RULE(&rig, .method = "GET", .path = "/v1/secret/a", .status = 404,
         .body = "{\"errors\":null,\"warnings\":[\"Invalid path for a versioned K/V secrets "
                 "engine\"]}");
    a = ask_fetch(rig.tk, rig.in, Q("a"));
    ASK_ST(rig.tk, a, TRL_E_NOTFOUND);
    TK_CHECK_F(rig.tk, strstr(a->why, "set kv_version to 2"), "%s", a->why);
}

static void test_list(void **state) {
    (void)state;
    rig_open(&rig, "");
    RULE(&rig, .method = "LIST", .path = "/v1/secret/metadata/", .status = 200,
         .body = "{\"data\":{\"keys\":[\"b/\",\"a\",\"b\",\"b-c\",\"\",\"z/\"]}}");
    RULE(&rig, .method = "LIST", .path = "/v1/secret/metadata/b/", .status = 200,
         .body = "{\"data\":{\"keys\":[\"y\",\"x/\"]}}");
    RULE(&rig, .method = "LIST", .path = "/v1/secret/metadata/b/x/", .status = 200,
         .body = "{\"data\":{\"keys\":[\"\\u00e9\"]}}");
    ASK_ST(rig.tk, ask_list(rig.tk, rig.in, ""), TRL_OK);
    const struct answer *a = ask_list(rig.tk, rig.in, "");
    TK_CHECK_F(rig.tk, strcmp(a->text, "a b b-c b/x/\xc3\xa9 b/y ") == 0, "%s", a->text);
    a = ask_list(rig.tk, rig.in, "b/x");
    TK_CHECK_F(rig.tk, strcmp(a->text, "b/x/\xc3\xa9 ") == 0, "%s", a->text);
    a = ask_list(rig.tk, rig.in, "none/");
    TK_CHECK(rig.tk, a->st == TRL_OK && a->items == 0);
    ASK_ST(rig.tk, ask_list(rig.tk, rig.in, "../x"), TRL_E_INVALID);
    ASK_ST(rig.tk, ask_list(rig.tk, rig.in, "a//x"), TRL_E_INVALID);
    RULE(&rig, .method = "LIST", .path = "/v1/secret/metadata/z/", .status = 403, .body = "{}");
    ASK_ST(rig.tk, ask_list(rig.tk, rig.in, "z/"), TRL_E_DENIED);
    RULE(&rig, .method = "LIST", .path = "/v1/secret/metadata/z/", .status = 200,
         .body = "{\"data\":7}");
    ASK_ST(rig.tk, ask_list(rig.tk, rig.in, "z/"), TRL_E_INTERNAL);
    RULE(&rig, .method = "LIST", .path = "/v1/secret/metadata/z/", .status = 200,
         .body = "{\"data\":{\"keys\":[\"a\",");
    ASK_ST(rig.tk, ask_list(rig.tk, rig.in, "z/"), TRL_E_INTERNAL);
}

/* More names than the core takes at once. */
static void test_long_list(void **state) {
    enum { MANY = 5000 };
    static char body[MANY * 16];
    size_t n = (size_t)snprintf(body, sizeof(body), "{\"data\":{\"keys\":[");
    (void)state;
    for (int i = 0; i < MANY; i++) {
        n += (size_t)snprintf(body + n, sizeof(body) - n, "%s\"%05d\"", i ? "," : "", i);
    }
    snprintf(body + n, sizeof(body) - n, "]}}");
    rig_open(&rig, "");
    RULE(&rig, .method = "LIST", .path = "/v1/secret/metadata/", .status = 200, .body = body);
    const struct answer *a = ask_list(rig.tk, rig.in, "");
    TK_CHECK_F(rig.tk, a->st == TRL_OK && a->items == MANY, "%s, %u names", err_name(a->st),
               a->items);
}

struct seen {
    uint32_t n;
    char last[64];
};

static void on_item(void *arg, str item) {
    struct seen *s = arg;
    s->n++;
    snprintf(s->last, sizeof(s->last), "%.*s", PSTR(item));
}

static void on_over(void *arg, trl_status st, str text, const trl_err *e) {
    (void)arg, (void)st, (void)text, (void)e;
}

#define META(version)                                                                              \
    "{\"data\":{\"current_version\":" version ",\"versions\":{\"" version                          \
    "\":{\"deletion_time\":\"\",\"destroyed\":false}}}}"

/* Unknown is not gone: an outage is not told, only logged, once. */
static void test_watch(void **state) {
    struct seen s = {0};
    trl_secret_ref ref = {.struct_size = sizeof(ref), .key = trl_cstr("a")};
    (void)state;
    rig_open(&rig, ",\"poll_interval_ms\":50");
    size_t m1 = RULE(&rig, .path = "/v1/secret/metadata/a", .status = 200, .body = META("1"));
    struct secrets_call *c = secrets_watch(rig.in, &ref, on_item, on_over, &s);
    tk_until_count(rig.tk, &s.n, 1);
    TK_CHECK(rig.tk, strcmp(s.last, "1") == 0);
    rig_wait_asked(&rig, m1, 3);
    TK_CHECK_F(rig.tk, s.n == 1, "what has not changed is not told again");
    rig_drop(&rig, m1);
    size_t down = RULE(&rig, .path = "/v1/secret/metadata/a", .status = 503, .body = "{}");
    rig_wait_asked(&rig, down, 3);
    TK_CHECK_F(rig.tk, s.n == 1, "an outage is not told");
    TK_CHECK(rig.tk, tk_logged(rig.tk, "cannot be looked after"));
    rig_drop(&rig, down);
    size_t m2 = RULE(&rig, .path = "/v1/secret/metadata/a", .status = 200, .body = META("2"));
    tk_until_count(rig.tk, &s.n, 2);
    TK_CHECK(rig.tk, strcmp(s.last, "2") == 0);
    rig_drop(&rig, m2);
    RULE(&rig, .path = "/v1/secret/metadata/a", .status = 404, .body = "{\"errors\":[]}");
    tk_until_count(rig.tk, &s.n, 3);
    TK_CHECK(rig.tk, strcmp(s.last, "") == 0);
    secrets_cancel(c);
}

/* Cancelled while its round hangs: over at once. */
static void test_watch_cancel(void **state) {
    struct seen s = {0};
    trl_secret_ref ref = {.struct_size = sizeof(ref), .key = trl_cstr("a")};
    (void)state;
    rig_open(&rig, ",\"poll_interval_ms\":50,\"request_timeout_ms\":600000");
    size_t held = RULE(&rig, .path = "/v1/secret/metadata/a", .hold = 1);
    struct secrets_call *c = secrets_watch(rig.in, &ref, on_item, on_over, &s);
    rig_wait_asked(&rig, held, 1);
    secrets_cancel(c);
    rig_drop(&rig, held);
    RULE(&rig, .path = "/v1/secret/metadata/a", .status = 200, .body = META("1"));
    struct seen t = {0};
    c = secrets_watch(rig.in, &ref, on_item, on_over, &t);
    tk_until_count(rig.tk, &t.n, 1);
    secrets_cancel(c);
    TK_CHECK(rig.tk, s.n == 0);
}

int main(void) {
#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_put),  CASE(test_put_new),   CASE(test_put_errors), CASE(test_version_one),
        CASE(test_list), CASE(test_long_list), CASE(test_watch),      CASE(test_watch_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
