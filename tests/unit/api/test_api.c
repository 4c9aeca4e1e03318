/* SPDX-License-Identifier: Apache-2.0
 *
 * Both APIs over a fake store and bus: every operation, the texts that clients match on, order,
 * limits, faults.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fix.h"

static void test_garbage(void **state) {
    static const char *const bodies[] = {"", " ", "null", "{", "[]", "\xff\xfe", "{\"version\":1}"};
    static const char *const subjects[] = {
        "",
        ".",
        "wadm",
        "wadm.api",
        "wadm.api.",
        "wadm.api..",
        "wadm.api.default",
        "wadm.api.default.model",
        "wadm.api.default.model.",
        "wadm.api.default.model.get.a.b.c",
        "wadm.api.default.blah.get.a",
        "wadm.api.default.model.put.x",
        "wadm.api.default.model.list.x",
        "wadm.api.default.model.status",
        "trellis.api",
        "trellis.api.l.app",
        "trellis.api.l.app.get",
        "trellis.api.l.app.put",
        "trellis.api.l.app.apply.x",
        "trellis.api.l.app.plan",
        "trellis.api.l.app.plan.x",
        "trellis.api.l.app.rollback.x",
        "trellis.api.l.app.validate",
        "trellis.api.l.app.get.x.y",
        "trellis.api.l.host.inspect.x",
        "trellis.api.l.events.list.x",
        "wadm.api.l.model.put",
        "wadm.api.l.model.get.x",
        "wadm.api.l.model.del.x",
        "wadm.api.l.model.deploy.x",
        "wadm.api.l.model.undeploy.x",
        "wadm.api.* >.model.del.x",
        "wadm.api.l.model.get.\xff\xfe",
    };
    struct fix f;
    (void)state;
    setup(&f);
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        for (size_t k = 0; k < ARRAY_LEN(bodies); k++) {
            ask(&f.h, subjects[i], bodies[k], &f.r);
            if (f.r.n != 1 || !f.r.root || f.r.root->type != NODE_OBJECT ||
                !node_get(f.r.root, "result")) {
                fail_msg("%s with %s: %s", subjects[i], bodies[k], f.r.text);
            }
        }
    }
    ask(&f.h, "wadm.api.default.blah.get.a", "", &f.r);
    SAYS("message", "Unsupported subject: wadm.api.default.blah.get.a");
    ask(&f.h, "wadm.api.default.model", "", &f.r);
    SAYS("message", "Invalid subject: Expected to find operation");
    ask(&f.h, "wadm.api.default.model.del.x", " ", &f.r);
    SAYS("result", "error");
    ask(&f.h, "wadm.api.default.model.del.x", "{\"version\":\"a\",\"version\":\"b\"}", &f.r);
    SAYS("message", "Unable to parse delete application request: version: is there twice, the "
                    "second time at line "
                    "1 column 26");
    ask(&f.h,
        "wadm.api.a1234567890123456789012345678901234567890123456789012345678901234.model.undeploy."
        "x",
        "", &f.r);
    SAYS("message", "Application with the name x not found");
    ask(&f.h, "wadm.api.default.model.history.x", "", &f.r);
    SAYS("message", "Model deployment history is not currently supported. It may be added in a "
                    "future version");
    teardown(&f);
}

static void test_model_life(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    put(&f, "shop", "v1");
    SAYS("result", "created");
    SAYS("message", "Successfully put manifest shop ");
    put(&f, "shop", "v1");
    SAYS("message", "Manifest version v1 already exists");
    put(&f, "shop", "v2");
    SAYS("result", "newversion");
    SAYS("message", "Successfully put manifest shop v1");
    ask(&f.h, "wadm.api.default.model.get.shop", "{\"version\":\"v1\"}", &f.r);
    SAYS("message", "Successfully fetched application shop v1");
    ask(&f.h, "wadm.api.default.model.get.shop", "{\"version\":\"latest\"}", &f.r);
    SAYS("message", "Application shop with version latest doesn't exist");
    ask(&f.h, "wadm.api.default.model.deploy.shop", "{\"version\":\"v9\"}", &f.r);
    SAYS("message", "Application with the name 'shop' does not have a version 'v9' to deploy");
    SAYS("version", "v9");
    ask(&f.h, "wadm.api.default.model.deploy.shop", "{\"version\":null}", &f.r);
    SAYS("message", "Successfully deployed application shop v2");
    assert_non_null(strstr(harness_last(&f.h, "wadm.evt.default.manifest_published"),
                           "\"type\":\"com.wadm.manifest_published\""));
    ask(&f.h, "wadm.api.default.model.versions.shop", "", &f.r);
    assert_non_null(strstr(f.r.text, "[{\"version\":\"v1\",\"deployed\":false},{\"version\":\"v2\","
                                     "\"deployed\":true}]"));
    ask(&f.h, "wadm.api.default.model.undeploy.shop", "[]", &f.r);
    SAYS("message", "Unable to parse undeploy application request: expected an object at line 1 "
                    "column 1");
    ask(&f.h, "trellis.api.default.app.undeploy.shop", "garbage", &f.r);
    SAYS("code", "INVALID");
    ask(&f.h, "wadm.api.default.model.undeploy.shop", "{\"whatever\":1}", &f.r);
    SAYS("message", "Successfully undeployed application shop");
    assert_true(node_is_null(node_get(f.r.root, "version")) && node_get(f.r.root, "version"));
    ask(&f.h, "wadm.api.default.model.undeploy.shop", "", &f.r);
    SAYS("message", "Application shop was already undeployed");
    harness_forget_said(&f.h);
    ask(&f.h, "wadm.api.default.model.del.shop", "{\"version\":\"v9\"}", &f.r);
    SAYS("result", "noop");
    assert_int_equal(f.h.said.n, 0); /* wadm would take the app down here */
    ask(&f.h, "wadm.api.default.model.del.shop", "{\"version\":\"v1\"}", &f.r);
    SAYS("message", "Successfully deleted version v1 of application shop");
    assert_null(harness_last(&f.h, "wadm.evt.default.manifest_unpublished"));
    ask(&f.h, "wadm.api.default.model.del.shop", "{\"version\":\"v2\"}", &f.r);
    SAYS("message", "Successfully deleted last version of application shop");
    assert_non_null(strstr(harness_last(&f.h, "wadm.evt.default.manifest_unpublished"),
                           "\"data\":{\"name\":\"shop\"}"));
    assert_int_equal(f.h.gone, 1);
    assert_string_equal(f.h.bus->forgotten.at[0].subject, "wadm.status.default.shop");
    harness_forget_said(&f.h);
    ask(&f.h, "wadm.api.default.model.del.shop", "", &f.r);
    SAYS("message", "Application shop doesn't exist or was already deleted");
    assert_non_null(harness_last(&f.h, "wadm.evt.default.manifest_unpublished"));
    teardown(&f);
}

/* wadm says so of an app that nobody deployed, too: in its status stream and in every reply. */
static void test_undeploy_never_deployed(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    put(&f, "shop", "v1");
    ask(&f.h, "wadm.api.default.model.undeploy.shop", "", &f.r);
    SAYS("message", "Application shop was already undeployed");
    assert_string_equal(harness_last(&f.h, "wadm.status.default.shop"),
                        "{\"status\":{\"type\":\"undeployed\",\"message\":\"" ENVELOPE_UNDEPLOYED
                        "\"},\"version\":\"\",\"components\":[]}");
    ask(&f.h, "wadm.api.default.model.status.shop", "", &f.r);
    assert_non_null(strstr(f.r.text, ENVELOPE_UNDEPLOYED));
    ask(&f.h, "wadm.api.default.model.list", "", &f.r);
    assert_true(
        str_is(node_text(f.r.root->items[0], "status_message", STR("")), ENVELOPE_UNDEPLOYED));
    harness_forget_said(&f.h);
    ask(&f.h, "wadm.api.default.model.undeploy.shop", "", &f.r);
    assert_null(harness_last(&f.h, "wadm.status.default.shop")); /* on change only */
    teardown(&f);
}

/* Another instance took the put, and the watch has not told of it yet. */
static void test_two_instances(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    struct kv *kv = fake_kv(&f.store);
    struct catalog_env env = {.loop = f.h.loop, .kv = kv, .log = &f.h.log};
    struct catalog *other = catalog_create(&env);
    loop_advance(f.h.loop, 1);
    f.h.kv->deaf = true;
    for (uint32_t v = 1; v <= 3; v++) {
        struct manifest *m = NULL;
        struct findings found;
        char version[8];
        snprintf(version, sizeof(version), "v%u", v);
        findings_init(&found);
        manifest_parse(str_c(manifest(&f, "shop", version, version)), MANIFEST_JSON, &m, &found);
        catalog_put(other, STR("_"), STR("default"), m, str_c(version), false, NULL, NULL);
        loop_advance(f.h.loop, 1);
        manifest_destroy(m);
        findings_finish(&found);
        if (v == 1) {
            ask(&f.h, "wadm.api.default.model.get.shop", "", &f.r);
            SAYS("result", "success");
        } else if (v == 2) {
            ask(&f.h, "wadm.api.default.model.deploy.shop", "{\"version\":\"v2\"}", &f.r);
            SAYS("result", "acknowledged");
        } else {
            ask(&f.h, "wadm.api.default.model.deploy.shop", "", &f.r); /* the newest there is */
            SAYS("version", "v3");
        }
    }
    uint32_t gets = f.h.kv->gets;
    ask(&f.h, "wadm.api.default.model.deploy.shop", "{\"version\":\"v2\"}", &f.r);
    ask(&f.h, "wadm.api.default.model.get.shop", "", &f.r);
    assert_int_equal(f.h.kv->gets, gets); /* what is known costs nothing */
    ask(&f.h, "wadm.api.default.model.get.nosuch", "", &f.r);
    SAYS("result", "notfound");
    f.h.kv->fail_get = TRL_E_TIMEOUT;
    ask(&f.h, "wadm.api.default.model.deploy.nosuch", "", &f.r);
    SAYS("result", "error");
    f.h.kv->fail_get = TRL_OK;
    fake_unmute(f.h.kv);
    catalog_destroy(other);
    kv_destroy(kv);
    teardown(&f);
}

static void test_empty_version(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    put(&f, "shop", "");
    SAYS("current_version", "");
    put(&f, "shop", "v2");
    ask(&f.h, "wadm.api.default.model.deploy.shop", "{\"version\":\"\"}", &f.r);
    SAYS("version", "");
    put(&f, "gen", NULL);
    assert_int_equal(node_text(f.r.root, "current_version", STR("")).len, 26);
    teardown(&f);
}

static void test_status_and_list(void **state) {
    struct fix f;
    struct app_status *s = mem_zalloc(sizeof(*s));
    (void)state;
    setup(&f);
    ask(&f.h, "wadm.api.default.model.list", "", &f.r);
    assert_string_equal(f.r.text, "[]");
    ask(&f.h, "wadm.api.default.model.get", "junk", &f.r);
    assert_string_equal(f.r.text, "{\"result\":\"success\",\"message\":\"Successfully fetched list "
                                  "of applications\",\"models\":[]}");
    put(&f, "shop", "v1");
    put(&f, "an-app", "v1");
    ask(&f.h, "wadm.api.default.model.list", "", &f.r);
    assert_true(str_is(node_text(f.r.root->items[0], "name", STR("")), "an-app"));
    assert_true(str_is(node_text(f.r.root->items[1], "status", STR("")), "undeployed"));
    assert_true(str_is(node_text(f.r.root->items[1], "description", STR("")), "d"));
    assert_true(
        str_is(node_text(f.r.root->items[1], "status_message", STR("")), ENVELOPE_NO_HOSTS));
    ask(&f.h, "wadm.api.default.model.status.shop", "", &f.r);
    assert_string_equal(f.r.text,
                        "{\"result\":\"ok\",\"message\":\"Successfully fetched status for "
                        "application shop\",\"status\":{\"status\":{\"type\":\"undeployed\"},"
                        "\"version\":\"\",\"components\":[]}}");
    ask(&f.h, "wadm.api.default.model.status.nosuch", "", &f.r);
    SAYS("result", "ok");
    ask(&f.h, "wadm.api.default.model.deploy.shop", "", &f.r);
    s->type = STATUS_DEPLOYED;
    s->version = STR("v1");
    api_on_status(f.h.api, f.h.engines.at[0], STR("shop"), s);
    fake_engine_set(f.h.engines.at[0], STR("shop"), s);
    assert_string_equal(harness_last(&f.h, "wadm.status.default.shop"),
                        "{\"status\":{\"type\":\"deployed\"},\"version\":\"\",\"components\":[]}");
    assert_non_null(
        strstr(harness_last(&f.h, "trellis.evt.default.status_changed"), "\"version\":\"v1\""));
    ask(&f.h, "wadm.api.default.model.list", "", &f.r);
    assert_true(str_is(node_text(f.r.root->items[1], "status", STR("")), "deployed"));
    ask(&f.h, "wadm.api.elsewhere.model.list", "", &f.r);
    assert_string_equal(f.r.text, "[]");
    teardown(&f);
}

struct order {
    struct harness *h;
    uint32_t n, said_before[64];
    char text[64][160];
};

static void on_ordered(void *arg, str json) {
    struct order *o = arg;
    o->said_before[o->n] = o->h->said.n;
    snprintf(o->text[o->n++], sizeof(o->text[0]), "%.*s", PSTR(json));
}

static bool all_there(void *arg) {
    return ((struct order *)arg)->n == 40;
}

static void test_order(void **state) {
    struct fix f;
    struct order o = {0};
    (void)state;
    setup(&f);
    o.h = &f.h;
    for (int i = 0; i < 10; i++) {
        char body[16];
        snprintf(body, sizeof(body), "v%d", i);
        const char *m = manifest(&f, "shop", body, "");
        api_request(f.h.api, STR("wadm.api.default.model.put"), NULL, 0, str_c(m), on_ordered, &o);
        api_request(f.h.api, STR("wadm.api.default.model.deploy.shop"), NULL, 0, STR(""),
                    on_ordered, &o);
        api_request(f.h.api, STR("wadm.api.default.model.get.shop"), NULL, 0, STR(""), on_ordered,
                    &o);
        api_request(f.h.api, STR("trellis.api.default.app.undeploy.shop"), NULL, 0, STR(""),
                    on_ordered, &o);
    }
    assert_true(loop_run_until(f.h.loop, all_there, &o, HARNESS_TIMEOUT_NS));
    for (int i = 0; i < 10; i++) {
        char want[80];
        snprintf(want, sizeof(want), "\"current_version\":\"v%d\"", i);
        assert_non_null(strstr(o.text[i * 4], want));
        snprintf(want, sizeof(want), "Successfully deployed application shop v%d", i);
        assert_non_null(strstr(o.text[i * 4 + 1], want));
        assert_non_null(strstr(o.text[i * 4 + 2], "success"));
        assert_non_null(strstr(o.text[i * 4 + 3], "\"undeployed\""));
        assert_true(o.said_before[i * 4 + 1] > o.said_before[i * 4]); /* manifest_published */
    }
    teardown(&f);
}

static void test_refusals_at_deploy(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    put(&f, "shop", "v1");
    ask(&f.h, "wadm.api.default.model.deploy.nosuch", "", &f.r);
    SAYS("result", "notfound");
    ask(&f.h, "wadm.api.default.model.deploy.shop", "", &f.r);
    f.h.engines.at[0]->refuse = "Component identifier 'x' is already deployed";
    harness_forget_said(&f.h);
    ask(&f.h, "wadm.api.default.model.deploy.shop", "", &f.r);
    SAYS("result", "error");
    SAYS("message", "Component identifier 'x' is already deployed");
    assert_null(node_get(f.r.root, "name"));
    assert_int_equal(f.h.said.n, 0);
    f.h.engines.at[0]->refuse = NULL;
    f.h.engines.at[0]->renewed = 2;
    ask(&f.h, "wadm.api.default.model.deploy.shop", "", &f.r);
    SAYS("result", "acknowledged");
    assert_int_equal(catalog_find(f.h.catalog, STR("_"), STR("default"), STR("shop"))->n_refresh,
                     2);
    teardown(&f);
}

static void test_store_fails(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    put(&f, "shop", "v1");
    f.h.kv->fail_put = TRL_E_UNAVAIL;
    f.h.kv->n_fail_put = 4;
    harness_forget_said(&f.h);
    put(&f, "shop", "v2");
    SAYS("result", "error");
    assert_true(str_starts(node_text(f.r.root, "message", STR("")), STR("Internal storage error")));
    ask(&f.h, "wadm.api.default.model.deploy.shop", "", &f.r);
    SAYS("result", "error");
    SAYS("name", "shop");
    ask(&f.h, "wadm.api.default.model.del.shop", "", &f.r);
    SAYS("result", "error");
    assert_true(str_starts(node_text(f.r.root, "message", STR("")),
                           STR("Internal storage error when deleting application shop")));
    ask(&f.h, "trellis.api.default.app.undeploy.shop", "", &f.r);
    SAYS("code", "STORAGE");
    assert_int_equal(f.h.said.n, 0); /* nothing is told that is not true */
    teardown(&f);
}

static void test_over_the_bus(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    api_serve(f.h.api);
    assert_string_equal(f.h.bus->subs.at[0]->subject, "wadm.api.>");
    assert_string_equal(f.h.bus->subs.at[1]->queue, "trellis_server");
    trl_label header = {STR("Content-Type"), STR("application/json")};
    struct bus_msg m = {.subject = STR("wadm.api.default.model.put"),
                        .headers = &header,
                        .n_headers = 1,
                        .body = str_c(manifest(&f, "shop", "v1", ""))};
    f.h.bus->subs.at[0]->on_msg(f.h.bus->subs.at[0]->arg, &m); /* nobody waits: done all the same */
    loop_advance(f.h.loop, 20 * 1000000);                      /* events follow a moment later */
    assert_int_equal(f.h.bus->said.n, 1);                      /* trellis.evt */
    m = (struct bus_msg){.subject = STR("wadm.api.default.model.list"), .reply = STR("_INBOX.1")};
    f.h.bus->subs.at[0]->on_msg(f.h.bus->subs.at[0]->arg, &m);
    assert_string_equal(f.h.bus->said.at[1].subject, "_INBOX.1");
    assert_non_null(strstr(f.h.bus->said.at[1].body, "\"shop\""));
    teardown(&f);
}

static void never(void *arg, str json) {
    (void)json;
    ++*(uint32_t *)arg;
}

static void test_destroyed_in_flight(void **state) {
    struct fix f;
    uint32_t n = 0;
    (void)state;
    setup(&f);
    for (int i = 0; i < 3; i++) {
        api_request(f.h.api, STR("wadm.api.default.model.put"), NULL, 0,
                    str_c(manifest(&f, "shop", NULL, "")), never, &n);
        api_request(f.h.api, STR("wadm.api.default.model.del.shop"), NULL, 0, STR(""), never, &n);
    }
    teardown(&f);
    assert_int_equal(n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_model_life),
        cmocka_unit_test(test_undeploy_never_deployed),
        cmocka_unit_test(test_two_instances),
        cmocka_unit_test(test_empty_version),
        cmocka_unit_test(test_status_and_list),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_refusals_at_deploy),
        cmocka_unit_test(test_store_fails),
        cmocka_unit_test(test_over_the_bus),
        cmocka_unit_test(test_destroyed_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
