/* SPDX-License-Identifier: Apache-2.0
 *
 * What wash sends, over a real NATS, to `trellis serve` with a hundred simulated hosts.
 */
#include "../unit/cmocka_all.h"

#include <signal.h>
#include <stdlib.h>

#include "../integration/site.h"
#include "base/mem.h"
#include "replay.h"

static char *ask(void *arg, const char *subject, const char *content_type, str body) {
    struct site *s = arg;
    natsMsg *m = NULL, *reply = NULL;
    char *text = NULL;
    natsMsg_Create(&m, subject, NULL, body.ptr ? body.ptr : "", (int)body.len);
    if (content_type) {
        natsMsgHeader_Set(m, "Content-Type", content_type);
    }
    if (natsConnection_RequestMsg(&reply, s->nc, m, 5000) == NATS_OK) {
        text = str_dup(str_n(natsMsg_GetData(reply), (size_t)natsMsg_GetDataLength(reply)));
    }
    natsMsg_Destroy(reply);
    natsMsg_Destroy(m);
    return text;
}

static void pass(void *arg) {
    (void)arg;
    pause_a_little();
}

static void session(struct site *s, const char *name, uint32_t replies) {
    struct carrier c = {ask, pass, s};
    struct replay_counts n;
    if (!getenv("TRELLIS_FIXTURES")) {
        skip();
    }
    site_open(s, "");
    site_connect(s);
    site_serve(s, 0);
    site_sim(s, "100");
    WAIT(site_hosts(s, NULL) == 100, SITE_MS);
    assert_true(replay_session(name, &c, &n));
    print_message("session %s: %u replies compared: %u equal, %u of states, %u wrong\n", name,
                  n.replies, n.equal, n.statuses, n.wrong);
    assert_int_equal(n.wrong, 0);
    assert_int_equal(n.replies, replies);
    assert_int_equal(proc_end(&s->serve[0], SIGTERM), 0);
}

static void test_wash_44(void **state) {
    session(*state, "B-wash-app", 124);
}

static void test_wash_43(void **state) {
    session(*state, "B2-wash-0.43", 124);
}

static void test_deploy(void **state) {
    session(*state, "C1-deploy", 19);
}

static void test_two_apps(void **state) {
    session(*state, "L-two-apps", 38);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_wash_44),
        SITE_TEST(test_wash_43),
        SITE_TEST(test_deploy),
        SITE_TEST(test_two_apps),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return rc;
}
