/* SPDX-License-Identifier: Apache-2.0
 *
 * Several servers on one bus: of our own kind, and a wadm.
 */
#include "../unit/cmocka_all.h"

#include "site.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

static void manifest(struct buf *out, const char *name, const char *version, uint32_t n) {
    buf_clear(out);
    buf_addf(out,
             "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: %s\n"
             "  annotations:\n    version: %s\nspec:\n  components:\n    - name: web\n"
             "      type: component\n      properties:\n        image: reg.example/%s:1\n"
             "      traits:\n        - type: spreadscaler\n          properties:\n"
             "            instances: %u\n",
             name, version, name, n);
}

/* Either instance may get the deploy: it knows of a put that the other one answered. */
static void put_and_deploy(struct site *s, const char *name, const char *version, uint32_t n) {
    struct buf text = BUF_INIT;
    char op[64];
    manifest(&text, name, version, n);
    site_model(s, "put", text.ptr, "created");
    snprintf(op, sizeof(op), "deploy.%s", name);
    site_model(s, op, "", "acknowledged");
    WAIT(site_is(s, name, "deployed"), SITE_MS);
    buf_finish(&text);
}

static void test_two(void **state) {
    struct site *s = *state;
    uint32_t instances = 0;
    char name[16];
    site_open(s, "");
    site_connect(s);
    site_sim(s, "10");
    site_serve(s, 0);
    site_serve(s, 1);
    WAIT(site_hosts(s, NULL) == 10, SITE_MS);
    site_tap(s);
    for (uint32_t i = 0; i < 10; i++) { /* requests go to either of them */
        snprintf(name, sizeof(name), "app%u", i);
        put_and_deploy(s, name, "v1", 1);
    }
    WAIT(site_hosts(s, &instances) == 10 && instances == 10, SITE_MS);
    assert_int_equal(atomic_load(&s->commands), 10); /* nothing twice */
    int holder = proc_count(&s->serve[0], ": held, epoch") ? 0 : 1;
    assert_int_equal(proc_count(&s->serve[1 - holder], ": held, epoch"), 0);
    assert_true(WIFSIGNALED(proc_end(&s->serve[holder], SIGKILL)));
    int64_t from_ms = now_ms();
    put_and_deploy(s, "later", "v1", 1); /* after the lease of the first ran out */
    print_message("the other one took over %lld ms after the kill\n",
                  (long long)(now_ms() - from_ms));
    assert_int_equal(atomic_load(&s->commands), 11);
    assert_int_equal(proc_end(&s->serve[1 - holder], SIGTERM), 0);
}

static void on_list(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *arg) {
    (void)sub, (void)arg;
    natsConnection_PublishString(nc, natsMsg_GetReply(m), "[]");
    natsMsg_Destroy(m);
}

static void test_wadm_beside(void **state) {
    struct site *s = *state;
    natsSubscription *wadm = NULL;
    site_open(s, "");
    site_connect(s);
    assert_int_equal(
        natsConnection_QueueSubscribe(&wadm, s->nc, "wadm.api.>", "wadm_server", on_list, NULL),
        NATS_OK);
    natsConnection_Flush(s->nc);
    site_serve_start(s, 0, NULL);
    assert_true(proc_wait(&s->serve[0], "a wadm serves this bus already", 1, SITE_MS));
    assert_null(site_ask(s, "trellis.api._.server.info", ""));
    assert_int_equal(proc_count(&s->serve[0], "serving the API"), 0);
    natsSubscription_Unsubscribe(wadm);
    natsSubscription_Destroy(wadm);
    assert_true(proc_wait(&s->serve[0], "serving the API", 1, SITE_MS));
    assert_int_equal(proc_count(&s->serve[0], "a wadm serves this bus already"), 1);
    WAIT(site_ask(s, "trellis.api._.server.info", ""), SITE_MS);
    assert_int_equal(proc_end(&s->serve[0], SIGTERM), 0);
}

/* Puts go on until the server is dead; every one that was answered is there afterwards. */
static void kill_under_load(struct site *s, uint32_t round) {
    struct buf text = BUF_INIT;
    char name[32], version[16], op[64];
    uint32_t acked[8] = {0}, sum = 0;
    natsSubscription *sub = NULL;
    char inbox[64];
    snprintf(inbox, sizeof(inbox), "test.reply.%u", round);
    assert_int_equal(natsConnection_SubscribeSync(&sub, s->nc, inbox), NATS_OK);
    for (uint32_t v = 1; v <= 40; v++) { /* all at once; each app's puts are answered in order */
        for (uint32_t a = 0; a < 8; a++) {
            snprintf(name, sizeof(name), "load%u-%u", round, a);
            snprintf(version, sizeof(version), "v%u", v);
            manifest(&text, name, version, v);
            natsConnection_PublishRequestString(s->nc, "wadm.api.default.model.put", inbox,
                                                text.ptr);
        }
    }
    natsConnection_Flush(s->nc);
    bool killed = false;
    natsMsg *m = NULL;
    while (natsSubscription_NextMsg(&m, sub, killed ? 300 : SITE_MS) == NATS_OK) {
        struct arena arena = ARENA_INIT;
        struct node *n = NULL;
        json_parse(str_n(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m)), &arena, &n, NULL);
        str who = node_text(n, "name", STR(""));
        assert_true(str_starts(who, STR("load")));
        acked[who.ptr[who.len - 1] - '0']++;
        sum++;
        arena_finish(&arena);
        natsMsg_Destroy(m);
        if (sum == 20 + round * 45) {
            assert_true(WIFSIGNALED(proc_end(&s->serve[0], SIGKILL)));
            killed = true;
        }
    }
    assert_true(killed);
    natsSubscription_Destroy(sub);
    site_serve(s, 0);
    for (uint32_t a = 0; a < 8; a++) {
        snprintf(op, sizeof(op), "versions.load%u-%u", round, a);
        const struct node *n = acked[a] ? site_model(s, op, "", "success") : NULL;
        uint32_t there = n ? node_get(n, "versions")->n : 0;
        if (there < acked[a]) {
            fail_msg("%s: %u acknowledged, %u there", op, acked[a], there);
        }
        for (uint32_t v = 1; v <= acked[a]; v++) {
            char body[64];
            snprintf(op, sizeof(op), "get.load%u-%u", round, a);
            snprintf(body, sizeof(body), "{\"version\":\"v%u\"}", v);
            site_model(s, op, body, "success");
        }
    }
    print_message("killed after %u acknowledged puts: all there\n", sum);
    buf_finish(&text);
}

static void test_kill_under_load(void **state) {
    struct site *s = *state;
    site_open(s, "");
    site_connect(s);
    site_serve(s, 0);
    for (uint32_t round = 0; round < 4; round++) {
        kill_under_load(s, round);
    }
    assert_int_equal(proc_end(&s->serve[0], SIGTERM), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_two),
        SITE_TEST(test_wadm_beside),
        SITE_TEST(test_kill_under_load),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return rc;
}
