/* SPDX-License-Identifier: Apache-2.0
 *
 * "remote" with a policy service that is absent, silent, wrong, slow or changes its mind; on the
 * in-process transport, and the main path on NATS.
 */
#include <stdlib.h>

#include "../../unit/cmocka_all.h"
#include "../nats/server.h"
#include "service.h"

#define SUBJECT(image)                                                                             \
    "{\"kind\":\"startComponent\",\"lattice\":\"default\",\"unit\":{\"name\":\"web\",\"image\":"   \
    "\"" image "\"},\"count\":1,\"host\":{\"id\":\"N1\"}}"
#define GOOD  SUBJECT("i:1")
#define BAD   SUBJECT("i:latest")
#define PLAIN "{\"topic\":\"" TOPIC "\",\"request_timeout_ms\":60000}"
#define CHANGING                                                                                   \
    "{\"topic\":\"" TOPIC "\",\"changes_topic\":\"" CHANGES "\",\"request_timeout_ms\":60000}"

static void open_inproc(struct rig *r, const char *config) {
    rig_open(r, "inproc", "{}", config);
}

static void expect(struct rig *r, uint32_t point, const char *subject, int32_t verdict,
                   const char *reason) {
    struct asked a;
    ask_wait(r, &a, point, subject);
    if (a.st != TRL_OK || a.verdict != verdict || !strstr(a.reasons, reason)) {
        fail_msg("%s: %d %s, verdict %d %s", subject, a.st, a.msg, a.verdict, a.reasons);
    }
}

static void expect_failure(struct rig *r, const char *subject, trl_status st, const char *text) {
    struct asked a;
    ask_wait(r, &a, TRL_POINT_HOST, subject);
    if (a.st != st || !strstr(a.msg, text)) {
        fail_msg("%s: %d %s", subject, a.st, a.msg);
    }
}

static void test_failures(void **state) {
    static const struct {
        enum service_mode mode;
        trl_status st;
        const char *text;
    } bad[] = {
        {SERVICE_SILENT, TRL_E_TIMEOUT, TOPIC ": no answer in time"},
        {SERVICE_RUBBISH, TRL_E_INTERNAL, "no JSON object"},
        {SERVICE_EMPTY, TRL_E_INTERNAL, "no JSON object"},
        {SERVICE_NO_ID, TRL_E_INTERNAL, "requestId is missing"},
        {SERVICE_NO_PERMITTED, TRL_E_INTERNAL, "permitted is no boolean"},
        {SERVICE_ODD_PERMITTED, TRL_E_INTERNAL, "permitted is no boolean"},
        {SERVICE_ODD_MESSAGE, TRL_E_INTERNAL, "message is no text"},
    };
    struct rig r;
    (void)state;
    open_inproc(&r, "{\"topic\":\"" TOPIC "\",\"request_timeout_ms\":100}");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        r.service->mode = bad[i].mode;
        expect_failure(&r, GOOD, bad[i].st, bad[i].text);
    }
    assert_true(tk_logged(r.tk, "no answer in time"));
    struct asked a;
    r.service->mode = SERVICE_HUGE; /* a no all the same; its reason is cut */
    ask_wait(&r, &a, TRL_POINT_HOST, GOOD);
    assert_int_equal(a.st, TRL_OK);
    assert_int_equal(a.verdict, TRL_V_DENY);
    assert_non_null(strstr(a.reasons, "xxxxxxxx"));
    assert_true(strlen(a.reasons) < sizeof(a.reasons) - 1);
    r.service->mode = SERVICE_OTHER_ID; /* hosts do not look at it either */
    expect(&r, TRL_POINT_HOST, GOOD, TRL_V_ALLOW, "");
    assert_true(tk_logged(r.tk, "is answered again"));
    expect_failure(&r, "{\"kind\":\"startComponent\"}", TRL_E_INVALID, "unit is missing");
    service_down(r.service);
    r.service = NULL;
    expect_failure(&r, GOOD, TRL_E_NORESPONDER, "is the policy service running?");
    rig_close(&r);
}

/* All units must be permitted; a no of one is enough, whatever became of the others. */
static void test_manifests(void **state) {
    struct rig r;
    struct asked a;
    (void)state;
    open_inproc(&r, "{\"topic\":\"" TOPIC "\",\"request_timeout_ms\":100}");
#define UNIT(name, image, n)                                                                       \
    "{\"name\":\"" name "\",\"kind\":\"component\",\"image\":\"" image                             \
    "\",\"path\":\"/spec/components/" n "\"}"
    expect(&r, TRL_POINT_PUT,
           "{\"app\":\"a\",\"units\":[" UNIT("x", "i:1", "0") "," UNIT("y", "j:2", "1") "]}",
           TRL_V_ALLOW, "");
    assert_int_equal(r.service->requests, 2);
    expect(&r, TRL_POINT_DEPLOY,
           "{\"app\":\"a\",\"units\":[" UNIT("x", "i:latest", "0") "," UNIT(
               "y", "j:2", "1") "," UNIT("z", "k:latest", "2") "]}",
           TRL_V_DENY, "/spec/components/0\"},{");
    assert_int_equal(r.service->requests, 5);
    expect(
        &r, TRL_POINT_PUT,
        "{\"app\":\"a\",\"units\":[" UNIT("x", "silent:1", "0") "," UNIT("y", "j:latest", "1") "]}",
        TRL_V_DENY, "\"text\":\"y: images need a version\",\"path\":\"/spec/components/1\"");
    ask_wait(
        &r, &a, TRL_POINT_PUT,
        "{\"app\":\"a\",\"units\":[" UNIT("x", "silent:1", "0") "," UNIT("y", "j:1", "1") "]}");
    assert_int_equal(a.st, TRL_E_TIMEOUT);
    expect(&r, TRL_POINT_COMMAND, "{\"verb\":\"config-put\"}", TRL_V_ABSTAIN, "");
    assert_int_equal(policy_points(r.in), (1u << TRL_POINT_SECRET) - 1);
    rig_close(&r);
}

/* In one batch: one subject denied, another without an answer: the call fails. */
static void on_batch(void *arg, trl_status st, const struct policy_verdict *v, const trl_err *e) {
    trl_status *to = arg;
    (void)v;
    (void)e;
    *to = st == TRL_OK ? 1 : st;
}

static bool is_told(void *arg) {
    return *(trl_status *)arg != 0;
}

static void test_batch_fails_whole(void **state) {
    static const char twice[] =
        "{\"app\":\"a\",\"units\":[" UNIT("x", "silent:1", "0") "," UNIT("y", "j:latest", "1") "]}";
    str subjects[] = {str_c(twice),
                      STR("{\"app\":\"a\",\"units\":[" UNIT("s", "silent:2", "0") "]}")};
    struct rig r;
    trl_status st = 0;
    (void)state;
    open_inproc(&r, "{\"topic\":\"" TOPIC "\",\"request_timeout_ms\":100}");
    policy_decide(r.in, TRL_POINT_PUT, subjects, 2, 0, on_batch, &st);
    assert_true(tk_until(r.tk, is_told, &st));
    assert_int_equal(st, TRL_E_TIMEOUT);
    rig_close(&r);
}

static void test_times(void **state) {
    struct rig r;
    struct asked a;
    struct told t;
    (void)state;
    open_inproc(&r, "{\"topic\":\"" TOPIC "\",\"ttl_ms\":1234,\"request_timeout_ms\":60000}");
    ask_wait(&r, &a, TRL_POINT_HOST, GOOD);
    assert_int_equal(a.ttl_ms, 1234);
    ask_wait(&r, &a, TRL_POINT_HOST, BAD); /* who mends the rules should not wait */
    assert_int_equal(a.ttl_ms, TRL_TTL_NONE);
    told_begin(&r, &t);
    assert_null(t.watch);
    rig_close(&r);
    open_inproc(&r, CHANGING);
    ask_wait(&r, &a, TRL_POINT_HOST, GOOD);
    assert_int_equal(a.ttl_ms, TRL_TTL_RULES);
    ask_wait(&r, &a, TRL_POINT_HOST, BAD);
    assert_int_equal(a.ttl_ms, TRL_TTL_RULES);
    rig_close(&r);
}

/* No more requests under way than allowed; those that wait go on when places become free. */
static void test_limit(void **state) {
    struct rig r;
    struct asked a[4];
    (void)state;
    open_inproc(&r, "{\"topic\":\"" TOPIC "\",\"max_requests\":2,\"request_timeout_ms\":60000}");
    r.service->mode = SERVICE_SILENT;
    for (int i = 0; i < 4; i++) {
        ask(&r, &a[i], TRL_POINT_HOST, GOOD, 0);
    }
    assert_true(tk_until_count(r.tk, &r.service->requests, 2));
    tk_settle(r.tk);
    assert_int_equal(r.service->requests, 2);
    policy_call_cancel(a[0].call);
    assert_true(tk_until_count(r.tk, &r.service->requests, 3));
    policy_call_cancel(a[3].call); /* waits still */
    r.service->mode = SERVICE_RULE;
    policy_call_cancel(a[1].call);
    expect(&r, TRL_POINT_HOST, GOOD, TRL_V_ALLOW, "");
    assert_int_equal(r.service->requests, 4);
    assert_false(a[2].done);
    rig_close(&r);
    assert_true(a[2].done);
}

static void test_deadline(void **state) {
    struct rig r;
    struct asked a;
    (void)state;
    open_inproc(&r, PLAIN);
    r.service->mode = SERVICE_SILENT;
    ask(&r, &a, TRL_POINT_HOST, GOOD, 50);
    assert_true(tk_until_set(r.tk, &a.done));
    assert_int_equal(a.st, TRL_E_TIMEOUT);
    service_answer(r.service, r.service->id, true, NULL); /* too late */
    r.service->mode = SERVICE_RULE;
    expect(&r, TRL_POINT_HOST, BAD, TRL_V_DENY, "images need a version");
    rig_close(&r);
}

static void test_overrides(void **state) {
    struct rig r;
    struct asked a;
    struct told t;
    char good_id[64];
    (void)state;
    open_inproc(&r, CHANGING);
    told_begin(&r, &t);
    expect(&r, TRL_POINT_HOST, GOOD, TRL_V_ALLOW, "");
    snprintf(good_id, sizeof(good_id), "%s", r.service->id);
    assert_int_equal(strlen(good_id), 36);
    /* not ours, and nonsense: nothing changes */
    service_change(r.service, "01a1fbf4-0000-0000-0000-000000000000", false, NULL);
    service_raw(r.service, CHANGES, "nope");
    service_raw(r.service, CHANGES, "{\"requestId\":\"x\"}");
    expect(&r, TRL_POINT_HOST, GOOD, TRL_V_ALLOW, "");
    assert_int_equal(t.n, 0);
    assert_true(tk_logged(r.tk, "permitted is no boolean"));
    /* ours: from now on without a request, for this id, image and host only */
    service_change(r.service, good_id, false, "stop");
    assert_true(tk_until_count(r.tk, &t.n, 1));
    assert_non_null(strstr(t.last, "is denied now"));
    uint32_t before = r.service->requests;
    expect(&r, TRL_POINT_HOST, GOOD, TRL_V_DENY, "\"text\":\"stop\"");
    assert_int_equal(r.service->requests, before);
    expect(&r, TRL_POINT_HOST, SUBJECT("i:2"), TRL_V_ALLOW, "");
    service_change(r.service, good_id, true, NULL);
    assert_true(tk_until_count(r.tk, &t.n, 2));
    expect(&r, TRL_POINT_HOST, GOOD, TRL_V_ALLOW, "");
    assert_int_equal(r.service->requests, before + 1);
    /* one that overtakes its answer */
    r.service->mode = SERVICE_SILENT;
    before = r.service->requests;
    ask(&r, &a, TRL_POINT_HOST, SUBJECT("i:3"), 0);
    assert_true(tk_until_count(r.tk, &r.service->requests, before + 1));
    service_change(r.service, r.service->id, false, "no");
    assert_true(tk_until_count(r.tk, &t.n, 3));
    service_answer(r.service, r.service->id, true, NULL);
    assert_true(tk_until_set(r.tk, &a.done));
    assert_int_equal(a.verdict, TRL_V_DENY);
    assert_int_equal(a.ttl_ms, TRL_TTL_NONE);
    policy_watch_end(t.watch);
    rig_close(&r);
}

static void on_info(void *arg, trl_status st, str json) {
    snprintf(arg, 1024, "%d %.*s", st, PSTR(json));
}

static bool is_filled(void *arg) {
    return *(const char *)arg != '\0';
}

static void test_info(void **state) {
    struct rig r;
    char text[1024] = "";
    (void)state;
    open_inproc(&r, CHANGING);
    expect(&r, TRL_POINT_HOST, GOOD, TRL_V_ALLOW, "");
    expect(&r, TRL_POINT_HOST, BAD, TRL_V_DENY, "");
    policy_info(r.in, on_info, text);
    assert_true(tk_until(r.tk, is_filled, text));
    assert_non_null(strstr(text, "\"asked\":2,\"permitted\":1,\"denied\":1,\"failures\":0"));
    rig_close(&r);
}

/* The example configuration, as it is. */
static void test_example(void **state) {
    char config[1024];
    FILE *f = fopen(TRELLIS_SOURCE_DIR "/policy/remote/examples/remote.json", "r");
    (void)state;
    assert_non_null(f);
    config[fread(config, 1, sizeof(config) - 1, f)] = '\0';
    fclose(f);
    struct rig r;
    open_inproc(&r, config);
    assert_int_equal(policy_points(r.in),
                     1u << TRL_POINT_DEPLOY | 1u << TRL_POINT_PLACE | 1u << TRL_POINT_HOST);
    expect_failure(&r, GOOD, TRL_E_NORESPONDER, "wasmcloud.policy:");
    rig_close(&r);
}

static void test_nats(void **state) {
    struct server s;
    struct rig r;
    struct told t;
    char config[256];
    (void)state;
    if (!server_present()) {
        skip();
    }
    server_init(&s);
    server_start(&s, "");
    snprintf(config, sizeof(config), "{%s}", server_url(&s));
    rig_open(&r, "nats", config, CHANGING);
    struct asked a;
    do { /* until the link is up, and the service subscribed */
        ask_wait(&r, &a, TRL_POINT_HOST, GOOD);
    } while (a.st == TRL_E_UNAVAIL || a.st == TRL_E_NORESPONDER);
    expect(&r, TRL_POINT_HOST, GOOD, TRL_V_ALLOW, "");
    expect(&r, TRL_POINT_HOST, BAD, TRL_V_DENY, "images need a version");
    told_begin(&r, &t);
    service_change(r.service, r.service->id, true, NULL);
    assert_true(tk_until_count(r.tk, &t.n, 1));
    expect(&r, TRL_POINT_HOST, BAD, TRL_V_ALLOW, "");
    service_down(r.service);
    r.service = NULL;
    expect_failure(&r, GOOD, TRL_E_NORESPONDER, "nobody answers");
    server_kill(&s);
    expect_failure(&r, GOOD, TRL_E_UNAVAIL, "link is down");
    server_start(&s, "");
    assert_true(tk_until_count(r.tk, &t.n, 2));
    assert_non_null(strstr(t.last, "may have been missed"));
    policy_watch_end(t.watch);
    rig_close(&r);
    server_end(&s);
}

static void test_trace(void **state) {
    static const char trace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    struct rig r;
    (void)state;
    open_inproc(&r, "{\"topic\":\"" TOPIC "\"}");
    r.trace = trace;
    expect(&r, TRL_POINT_HOST, GOOD, TRL_V_ALLOW, "");
    assert_string_equal(r.service->trace, trace);
    r.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203\r\nX: 1-01"; /* no such thing */
    expect(&r, TRL_POINT_HOST, GOOD, TRL_V_ALLOW, "");
    assert_string_equal(r.service->trace, "");
    r.trace = NULL;
    expect(&r, TRL_POINT_HOST, GOOD, TRL_V_ALLOW, "");
    assert_string_equal(r.service->trace, "");
    rig_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_manifests),
        cmocka_unit_test(test_batch_fails_whole),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_nats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
