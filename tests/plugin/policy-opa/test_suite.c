/* SPDX-License-Identifier: Apache-2.0
 *
 * The common suite of policy/1 on "opa", against a server of the test's own: one request per
 * subject, batches in one request, batches that have to be split.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rig.h"
#include "suite_policy.h"

struct server {
    struct fake_http *f;
    atomic_uint revision;
};

static void on_req(void *arg, struct fake_conn *c, const struct fake_req *q) {
    struct server *s = arg;
    char text[128];
    if (strcmp(q->method, "GET") != 0) {
        rig_answer(c, q);
        return;
    }
    snprintf(text, sizeof(text), "{\"result\":[{\"id\":\"p\",\"raw\":\"%u\"}]}",
             atomic_load(&s->revision));
    fake_json(c, 200, text);
}

static void change(void *arg) {
    struct server *s = arg;
    atomic_fetch_add(&s->revision, 1);
}

static const struct suite_policy_case cases[] = {
    {TRL_POINT_HOST, GOOD_SUBJECT, TRL_V_ALLOW, NULL},
    {TRL_POINT_HOST, BAD_SUBJECT, TRL_V_DENY, "images need a version"},
    {TRL_POINT_PUT, "{\"app\":\"a\",\"units\":[{\"image\":\"x:1\"},{\"image\":\"y:latest\"}]}",
     TRL_V_DENY, "\"code\":\"latest\""},
    {TRL_POINT_PUT, "{\"app\":\"a\",\"units\":[]}", TRL_V_ALLOW, NULL},
    {TRL_POINT_SECRET, "{\"secret\":{\"key\":\"k\"}}", TRL_V_ALLOW, NULL},
};

static void run(const char *more) {
    struct server s = {.f = NULL};
    char config[512];
    struct suite_policy p = {
        .component = "opa",
        .config = config,
        .cases = cases,
        .n_cases = ARRAY_LEN(cases),
        .change = change,
        .arg = &s,
    };
    s.f = fake_http_create(on_req, &s);
    snprintf(
        config, sizeof(config),
        "{\"url\":\"%s\",\"path\":\"t/{point}\",\"watch_ms\":5,\"request_timeout_ms\":60000%s}",
        fake_http_url(s.f), more);
    assert_int_equal(suite_policy(&p), 0);
    fake_http_destroy(s.f);
}

static void test_alone(void **state) {
    (void)state;
    run("");
}

static void test_batch(void **state) {
    (void)state;
    run(",\"batch_path\":\"t/batch\",\"max_connections\":1");
}

static void test_split(void **state) {
    (void)state;
    run(",\"batch_path\":\"t/batch\",\"max_request_bytes\":1024");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
