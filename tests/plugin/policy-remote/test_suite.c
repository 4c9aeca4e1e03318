/* SPDX-License-Identifier: Apache-2.0
 *
 * The common suite of policy/1 on "remote", on a real loop and on the virtual one.
 */
#include "../../unit/cmocka_all.h"
#include "service.h"
#include "suite_policy.h"

static const struct suite_policy_case cases[] = {
    {TRL_POINT_HOST,
     "{\"kind\":\"startComponent\",\"unit\":{\"name\":\"w\",\"image\":\"i:1\"},\"count\":2}",
     TRL_V_ALLOW, NULL},
    {TRL_POINT_HOST,
     "{\"kind\":\"startProvider\",\"unit\":{\"name\":\"w\",\"image\":\"i:latest\"}}", TRL_V_DENY,
     "images need a version"},
    {TRL_POINT_PLACE,
     "{\"app\":\"a\",\"unit\":{\"name\":\"w\",\"kind\":\"component\",\"image\":\"i:1\"},\"host\":{"
     "\"id\":\"N1\"}}",
     TRL_V_ALLOW, NULL},
    {TRL_POINT_COMMAND, "{\"app\":\"a\",\"verb\":\"link-put\"}", TRL_V_ABSTAIN, NULL},
    {TRL_POINT_PUT,
     "{\"app\":\"a\",\"units\":[{\"name\":\"x\",\"kind\":\"component\",\"image\":\"i:1\"},{"
     "\"name\":\"y\",\"kind\":\"component\",\"image\":\"i:latest\",\"path\":\"/spec/y\"}]}",
     TRL_V_DENY, "\"text\":\"y: images need a version\",\"path\":\"/spec/y\""},
    {TRL_POINT_SECRET, "{\"secret\":{\"key\":\"k\"}}", TRL_V_ABSTAIN, NULL},
};

struct peer {
    struct service *service;
};

static void *up(void *arg, struct bus *bus, struct loop *loop) {
    struct peer *p = arg;
    (void)loop;
    return p->service = service_up(bus);
}

static void down(void *arg, void *peer) {
    (void)arg;
    service_down(peer);
}

/* What it says again holds from then on without a request. */
static void change(void *arg) {
    struct peer *p = arg;
    bool latest = strstr(p->service->body, ":latest") != NULL;
    service_change(p->service, p->service->id, !latest, latest ? "images need a version" : NULL);
}

static void run(const char *config, uint32_t flags, bool changes) {
    struct peer peer = {NULL};
    struct suite_policy p = {
        .component = "remote",
        .config = config,
        .cases = cases,
        .n_cases = ARRAY_LEN(cases),
        .flags = flags,
        .change = changes ? change : NULL,
        .up = up,
        .down = down,
        .arg = &peer,
    };
    assert_int_equal(suite_policy(&p), 0);
}

static void test_changes(void **state) {
    (void)state;
    run("{\"topic\":\"" TOPIC "\",\"changes_topic\":\"" CHANGES "\",\"request_timeout_ms\":60000}",
        0, true);
}

static void test_virtual(void **state) {
    (void)state;
    run("{\"topic\":\"" TOPIC "\",\"changes_topic\":\"" CHANGES "\"}", SUITE_VIRTUAL, true);
}

static void test_one_by_one(void **state) {
    (void)state;
    run("{\"topic\":\"" TOPIC "\",\"request_timeout_ms\":60000,\"max_requests\":1}", 0, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_virtual),
        cmocka_unit_test(test_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
