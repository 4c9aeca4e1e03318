/* SPDX-License-Identifier: Apache-2.0
 *
 * The common suites of transport/1 and store/1 on this plugin, through the core's side of the
 * border.
 */
#include "../../unit/cmocka_all.h"
#include "server.h"
#include "suite.h"

static int setup(void **state) {
    static struct server s;
    server_init(&s);
    *state = &s;
    return 0;
}

static int teardown(void **state) {
    server_end(*state);
    return 0;
}

static void test_transport(void **state) {
    struct server *s = *state;
    char config[256];
    if (!server_present()) {
        skip();
    }
    server_start(s, "max_payload: 4MB\n");
    snprintf(config, sizeof(config), "{%s}", server_url(s));
    assert_int_equal(suite_transport("nats", config, 0), 0);
}

/* history: the suite wants every one of many quick changes of a key, and a bucket keeps for a slow
 * watch only as many as that. */
static void test_store(void **state) {
    struct server *s = *state;
    char config[256];
    if (!server_present()) {
        skip();
    }
    server_start(s, "max_payload: 4MB\n" JETSTREAM);
    snprintf(config, sizeof(config), "{%s,\"bucket\":\"suite\",\"history\":64}", server_url(s));
    assert_int_equal(suite_store("nats-kv", config, SUITE_DURABLE), 0);
}

static void test_store_memory(void **state) {
    struct server *s = *state;
    char config[256];
    if (!server_present()) {
        skip();
    }
    server_start(s, JETSTREAM);
    snprintf(config, sizeof(config),
             "{%s,\"bucket\":\"suite\",\"history\":64,\"storage\":\"memory\"}", server_url(s));
    assert_int_equal(suite_store("nats-kv", config, SUITE_DURABLE | SUITE_SMALL_VALUES), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_transport, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
