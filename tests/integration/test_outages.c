/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes down comes back: NATS, its data, Trellis itself. Nothing is commanded that is not
 * needed.
 */
#include "../unit/cmocka_all.h"

#include "site.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

static void bring_up(struct site *s, const char *hosts) {
    site_open(s, "");
    site_connect(s);
    site_serve(s, 0);
    site_sim(s, hosts);
    site_put_hello(s);
    site_model(s, "deploy.hello", "", "acknowledged");
    WAIT(site_is(s, "hello", "deployed") && site_lattice_settled(s), SITE_MS);
    site_tap(s);
}

static bool all_as_before(struct site *s) {
    uint32_t instances = 0;
    return site_hosts(s, &instances) == 10 && instances == 5 && site_is(s, "hello", "deployed") &&
           site_lattice_settled(s);
}

static void test_nats_late(void **state) {
    struct site *s = *state;
    site_open(s, "");
    server_kill(&s->nats); /* its port is known, nobody listens there */
    site_serve_start(s, 0, NULL);
    assert_true(
        proc_wait(&s->serve[0], s->url + 7, 1, SITE_MS)); /* said which server is not there */
    server_start(&s->nats, JETSTREAM);
    assert_true(proc_wait(&s->serve[0], "serving the API", 1, SITE_MS));
    assert_int_equal(proc_count(&s->serve[0], " warn "), 1); /* once */
    site_connect(s);
    WAIT(site_ask(s, "wadm.api.default.model.list", ""), SITE_MS);
    assert_int_equal(proc_end(&s->serve[0], SIGTERM), 0);
}

static void test_nats_restart(void **state) {
    struct site *s = *state;
    bring_up(s, "10");
    server_kill(&s->nats);
    server_start(&s->nats, JETSTREAM);
    WAIT(all_as_before(s), SITE_MS);
    assert_int_equal(atomic_load(&s->commands), 0);
    /* and it works on */
    site_model(s, "undeploy.hello", "", "acknowledged");
    WAIT(site_is(s, "hello", "undeployed"), SITE_MS);
    assert_int_equal(proc_end(&s->serve[0], SIGTERM), 0);
}

/* What is wanted is written back from memory, whole: a restart finds it. */
static void check_restored(struct site *s) {
    WAIT(all_as_before(s), SITE_MS);
    assert_int_equal(atomic_load(&s->commands), 0);
    assert_true(proc_wait(&s->serve[0], "were written back", 1, SITE_MS));
    assert_true(WIFSIGNALED(proc_end(&s->serve[0], SIGKILL)));
    site_serve(s, 0);
    WAIT(all_as_before(s), SITE_MS);
    const struct node *n = site_model(s, "get.hello", "", "success");
    assert_non_null(node_get(n, "manifest"));
    assert_int_equal(atomic_load(&s->commands), 0);
}

static void test_store_wiped(void **state) {
    struct site *s = *state;
    bring_up(s, "10");
    server_kill(&s->nats);
    server_wipe(&s->nats);
    server_start(&s->nats, JETSTREAM);
    check_restored(s);
}

static void test_bucket_deleted(void **state) {
    struct site *s = *state;
    bring_up(s, "10");
    assert_non_null(site_ask(s, "$JS.API.STREAM.DELETE.KV_trellis", ""));
    check_restored(s);
}

static void test_bucket_purged(void **state) {
    struct site *s = *state;
    bring_up(s, "10");
    assert_non_null(site_ask(s, "$JS.API.STREAM.PURGE.KV_trellis", ""));
    site_model(s, "deploy.hello", "", "acknowledged"); /* a write before anybody noticed */
    check_restored(s);
}

static void restart(struct site *s, int signum) {
    bring_up(s, "10");
    int status = proc_end(&s->serve[0], signum);
    assert_true(signum == SIGTERM ? status == 0 : WIFSIGNALED(status));
    site_serve(s, 0);
    if (signum == SIGTERM) { /* the lease was given back */
        assert_true(proc_wait(&s->serve[0], ": held, epoch 2", 1, 5000));
    }
    int64_t from_ms = now_ms();
    WAIT(all_as_before(s), SITE_MS);
    print_message("known again %lld ms after serving\n", (long long)(now_ms() - from_ms));
    assert_int_equal(atomic_load(&s->commands), 0);
    assert_int_equal(proc_end(&s->serve[0], SIGTERM), 0);
    assert_int_equal(atomic_load(&s->commands), 0);
}

static void test_serve_restart(void **state) {
    restart(*state, SIGTERM);
}

static void test_serve_killed(void **state) {
    restart(*state, SIGKILL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_nats_late),     SITE_TEST(test_nats_restart),
        SITE_TEST(test_store_wiped),   SITE_TEST(test_bucket_deleted),
        SITE_TEST(test_bucket_purged), SITE_TEST(test_serve_restart),
        SITE_TEST(test_serve_killed),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return rc;
}
