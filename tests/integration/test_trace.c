/* SPDX-License-Identifier: Apache-2.0
 *
 * The trace context on the wire: in with a call, out to hosts, with the reply, status and events.
 */
#include "../unit/cmocka_all.h"

#include "site.h"

#include <signal.h>
#include <string.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define GIVEN "00-" TRACE "-00f067aa0ba902b7-01"

/* Is the message in the trace, as a child of what was given? */
static void assert_in_trace(natsMsg *m) {
    const char *value = NULL;
    assert_int_equal(natsMsgHeader_Get(m, "traceparent", &value), NATS_OK);
    assert_int_equal(strlen(value), strlen(GIVEN));
    assert_int_equal(strncmp(value, GIVEN, 36), 0);
    assert_true(strncmp(value + 36, GIVEN + 36, 16) != 0);
    assert_string_equal(value + 52, "-01");
}

/* The next message whose subject has that in it. */
static natsMsg *next(natsSubscription *sub, const char *part) {
    natsMsg *m = NULL;
    for (;;) {
        assert_int_equal(natsSubscription_NextMsg(&m, sub, SITE_MS), NATS_OK);
        if (strstr(natsMsg_GetSubject(m), part)) {
            return m;
        }
        natsMsg_Destroy(m);
    }
}

static void expect_in_trace(natsSubscription *sub, const char *part) {
    natsMsg *m = next(sub, part);
    assert_in_trace(m);
    natsMsg_Destroy(m);
}

static natsSubscription *listen(struct site *s, const char *subject) {
    natsSubscription *sub = NULL;
    assert_int_equal(natsConnection_SubscribeSync(&sub, s->nc, subject), NATS_OK);
    return sub;
}

static void test_trace_context(void **state) {
    struct site *s = *state;
    natsMsg *m = NULL, *reply = NULL;
    char config[300];
    site_open(s, "");
    site_connect(s);
    snprintf(config, sizeof(config),
             "transport: { plugin: nats, url: \"%s\" }\nstore: { plugin: nats-kv, url: \"%s\" }\n",
             s->url, s->url);
    site_serve_start(s, 0, config);
    assert_true(proc_wait(&s->serve[0], "serving the API", 1, SITE_MS));
    site_sim(s, "3");
    WAIT(site_hosts(s, NULL) == 3, SITE_MS);
    site_put_hello(s);
    natsSubscription *control = listen(s, "wasmbus.ctl.v1.default.>");
    natsSubscription *status = listen(s, "wadm.status.default.hello");
    natsSubscription *events = listen(s, "*.evt.default.>");
    natsSubscription *commands = listen(s, "trellis.cmd.default");
    assert_int_equal(natsConnection_Flush(s->nc), NATS_OK);
    assert_int_equal(natsMsg_Create(&m, "wadm.api.default.model.deploy.hello", NULL, "", 0),
                     NATS_OK);
    assert_int_equal(natsMsgHeader_Set(m, "traceparent", GIVEN), NATS_OK);
    assert_int_equal(natsConnection_RequestMsg(&reply, s->nc, m, SITE_MS), NATS_OK);
    assert_in_trace(reply);
    natsMsg_Destroy(reply);
    natsMsg_Destroy(m);
    expect_in_trace(control, ".component.scale.");
    expect_in_trace(status, "wadm.status.");
    expect_in_trace(events, "wadm.evt.default.manifest_published");
    expect_in_trace(events, "trellis.evt.default.app_deployed");
    expect_in_trace(events, "trellis.evt.default.status_changed");
    expect_in_trace(commands, "trellis.cmd.");
    WAIT(site_is(s, "hello", "deployed"), SITE_MS);
    /* What was given is what is found. */
    const struct node *n = node_get(site_ask(s, "trellis.api.default.trace.get.hello", ""), "data");
    assert_string_equal(node_text(n, "trace", STR("")).ptr, TRACE);
    const struct node *first = node_get(n, "spans")->items[0];
    assert_string_equal(node_text(first, "name", STR("")).ptr, "model.deploy");
    assert_string_equal(node_text(first, "parent", STR("")).ptr, "00f067aa0ba902b7");
    natsSubscription_Destroy(control);
    natsSubscription_Destroy(status);
    natsSubscription_Destroy(events);
    natsSubscription_Destroy(commands);
    assert_int_equal(proc_end(&s->serve[0], SIGTERM), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_trace_context),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return rc;
}
