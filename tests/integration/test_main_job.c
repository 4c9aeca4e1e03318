/* SPDX-License-Identifier: Apache-2.0
 *
 * The main job over NATS: a manifest becomes a running application on a hundred simulated hosts.
 */
#include "../unit/cmocka_all.h"

#include "site.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static void check_status_stream(struct site *s) {
    const struct node *n = site_ask(s, "$JS.API.STREAM.INFO.wadm_status", "");
    const struct node *config = node_get(n, "config");
    assert_int_equal(node_u64_or(config, "max_msgs_per_subject", 0), 10);
    assert_true(node_bool_or(config, "allow_direct", false));
    n = site_ask(s, "$JS.API.DIRECT.GET.wadm_status",
                 "{\"last_by_subj\":\"wadm.status.default.hello\"}");
    assert_string_equal(
        node_text(node_get(node_get(n, "status") ? n : NULL, "status"), "type", STR("")).ptr,
        "deployed");
}

/* Every command has its reason and a trace id; every event its kind. */
static void check_streams(struct site *s) {
    uint32_t commands = 0, events = 0;
    const struct node *n;
    for (uint64_t seq = 1; (n = site_stored(s, "trellis_commands", NULL, seq)); seq++) {
        assert_true(node_text(n, "reason", STR("")).len > 0);
        assert_true(node_text(n, "trace_id", STR("")).len > 0);
        assert_true(node_text(n, "verb", STR("")).len > 0);
        commands++;
    }
    for (uint64_t seq = 1; (n = site_stored(s, "trellis_events", NULL, seq)); seq++) {
        assert_true(node_text(n, "kind", STR("")).len > 0);
        events++;
    }
    print_message("%u command records, %u events kept\n", commands, events);
    assert_true(commands >= 2 * 5);
    assert_true(events >= 3);
}

static void test_main_job(void **state) {
    struct site *s = *state;
    uint32_t instances = 0;
    char config[300];
    site_open(s, "");
    site_connect(s);
    site_tap(s);
    /* By file; an application is forgotten for good cleanup_interval after the start. */
    snprintf(config, sizeof(config),
             "transport: { plugin: nats, url: \"%s\" }\nstore: { plugin: nats-kv, url: \"%s\" }\n"
             "cleanup_interval: 5\n",
             s->url, s->url);
    site_serve_start(s, 0, config);
    assert_true(proc_wait(&s->serve[0], "serving the API", 1, SITE_MS));
    site_sim(s, "100");
    WAIT(site_hosts(s, NULL) == 100, SITE_MS);
    site_put_hello(s);
    site_model(s, "deploy.hello", "", "acknowledged");
    WAIT(site_is(s, "hello", "deployed"), SITE_MS);
    WAIT(site_hosts(s, &instances) == 100 && instances == 5, SITE_MS);
    check_status_stream(s);
    check_streams(s);
    print_message("%u control requests that change something\n", atomic_load(&s->commands));
    site_model(s, "undeploy.hello", "", "acknowledged");
    WAIT(site_is(s, "hello", "undeployed"), SITE_MS);
    WAIT(site_hosts(s, &instances) == 100 && instances == 0, SITE_MS);
    site_model(s, "del.hello", "", "deleted");
    WAIT(!site_stored(s, "wadm_status", "wadm.status.default.hello", 0), SITE_MS);
    assert_int_equal(proc_end(&s->serve[0], SIGTERM), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_main_job),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return rc;
}
