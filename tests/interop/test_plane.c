/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest corpus and the recorded wash sessions against a whole control plane with its real
 * engine, on a virtual clock. Needs TRELLIS_FIXTURES.
 */
#include "../unit/cmocka_all.h"

#include "../sim/rig.h"
#include "../unit/api/corpus.h"
#include "replay.h"

static void test_corpus(void **state) {
    struct rig *r;
    (void)state;
    if (!getenv("TRELLIS_FIXTURES")) {
        skip();
    }
    r = rig_create(&(struct rig_options){.seed = 1, .hosts = 1});
    struct corpus k = {.loop = r->loop, .api = plane_api(r->plane)};
    assert_true(corpus_run(&k));
    rig_destroy(r);
    assert_int_equal(k.failed, 0);
    assert_true(k.passed > 600);
}

static char *ask(void *arg, const char *subject, const char *content_type, str body) {
    struct rig *r = arg;
    trl_label header = {STR("Content-Type"), str_c(content_type)};
    struct reply reply = {0};
    api_request(plane_api(r->plane), str_c(subject), &header, content_type ? 1 : 0, body, on_reply,
                &reply);
    loop_run_until(r->loop, reply_there, &reply, HARNESS_TIMEOUT_NS);
    char *text = reply.text;
    reply.text = NULL;
    reply_finish(&reply);
    return text;
}

static void pass(void *arg) {
    rig_run(arg, SECOND / 100);
}

static void session(const char *name, uint32_t replies) {
    struct replay_counts n;
    struct rig *r;
    if (!getenv("TRELLIS_FIXTURES")) {
        skip();
    }
    r = rig_create(&(struct rig_options){.seed = 1, .hosts = 5});
    struct carrier c = {ask, pass, r};
    rig_run(r, 5 * SECOND);
    assert_true(replay_session(name, &c, &n));
    rig_destroy(r);
    print_message("session %s: %u replies compared: %u equal, %u of states, %u wrong\n", name,
                  n.replies, n.equal, n.statuses, n.wrong);
    assert_int_equal(n.wrong, 0);
    assert_int_equal(n.replies, replies);
}

static void test_wash_44(void **state) {
    (void)state;
    session("B-wash-app", 124);
}

static void test_wash_43(void **state) {
    (void)state;
    session("B2-wash-0.43", 124);
}

static void test_deploy(void **state) {
    (void)state;
    session("C1-deploy", 19);
}

static void test_two_apps(void **state) {
    (void)state;
    session("L-two-apps", 38);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus),   cmocka_unit_test(test_wash_44),
        cmocka_unit_test(test_wash_43),  cmocka_unit_test(test_deploy),
        cmocka_unit_test(test_two_apps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
