/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis.api, the journal, tenants and limits, over a fake store and bus.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fix.h"

static void test_sizes(void **state) {
    struct fix f;
    char name[220];
    (void)state;
    setup_env(&f, (struct api_env){.max_payload = 4096});
    char *more = mem_alloc(3800);
    memset(more, 'x', 3799);
    more[3799] = '\0';
    put(&f, "shop", "v1");
    ask(&f.h, "wadm.api.default.model.put", manifest(&f, "shop", "v2", more), &f.r);
    assert_non_null(strstr(f.r.text, "Manifest is too large"));
    assert_true(f.r.took_ns == 0);
    mem_free(more);
    memset(name, 'n', 200);
    name[200] = '\0';
    put(&f, name, "v1");
    assert_non_null(strstr(f.r.text, "limit is 190"));
    ask(&f.h, "wadm.api.bad lattice.model.put", manifest(&f, "shop", "v2", ""), &f.r);
    assert_non_null(strstr(f.r.text, "lattice name"));
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "app-%02d", i);
        put(&f, name, "v1");
    }
    ask(&f.h, "wadm.api.default.model.list", "", &f.r);
    SAYS("result", "error");
    assert_non_null(strstr(f.r.text, "limit of 4096 bytes"));
    teardown(&f);
}

static void test_readonly(void **state) {
    struct fix f;
    (void)state;
    setup_env(&f, (struct api_env){.readonly = true});
    put(&f, "shop", "v1");
    SAYS("result", "error");
    ask(&f.h, "trellis.api.default.app.deploy.shop", "", &f.r);
    SAYS("code", "READONLY");
    ask(&f.h, "wadm.api.default.model.list", "", &f.r);
    assert_string_equal(f.r.text, "[]");
    teardown(&f);
}

static void test_multitenant(void **state) {
    struct fix f;
    (void)state;
    setup_env(&f, (struct api_env){.multitenant = true, .prefix = "my.api"});
    ask(&f.h, "ACME.my.api.l1.model.put", manifest(&f, "shop", "v1", ""), &f.r);
    SAYS("result", "created");
    ask(&f.h, "OTHER.my.api.l1.model.list", "", &f.r);
    assert_string_equal(f.r.text, "[]");
    ask(&f.h, "OTHER.my.api.l1.model.put", manifest(&f, "shop", "v1", ""), &f.r);
    assert_non_null(strstr(f.r.text, "in use by another account"));
    ask(&f.h, "OTHER.my.api.l2.model.put", manifest(&f, "shop", "v1", ""), &f.r);
    SAYS("result", "created");
    ask(&f.h, "ACME.trellis.api._.lattice.list", "", &f.r);
    assert_non_null(strstr(f.r.text, "\"lattice\":\"l1\""));
    assert_null(strstr(f.r.text, "\"lattice\":\"l2\""));
    api_serve(f.h.api);
    assert_string_equal(f.h.bus->subs.at[0]->subject, "*.my.api.>");
    assert_string_equal(f.h.bus->subs.at[0]->queue, "wadm_server");
    assert_string_equal(f.h.bus->subs.at[1]->subject, "*.trellis.api.>");
    teardown(&f);
}

static void test_trellis_apps(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    ask(&f.h, "trellis.api.default.app.put", manifest(&f, "shop", NULL, ""), &f.r);
    assert_non_null(strstr(f.r.text, "\"result\":\"created\""));
    ask(&f.h, "trellis.api.default.app.put.shop", manifest(&f, "shop", NULL, ""), &f.r);
    assert_non_null(strstr(f.r.text, "\"result\":\"unchanged\""));
    ask(&f.h, "trellis.api.default.app.put.site", manifest(&f, "shop", NULL, ""), &f.r);
    SAYS("code", "INVALID");
    ask(&f.h, "trellis.api.default.app.apply", manifest(&f, "shop", NULL, ""), &f.r);
    assert_non_null(strstr(f.r.text, "\"result\":\"deployed\""));
    ask(&f.h, "trellis.api.default.app.apply", manifest(&f, "shop", NULL, ""), &f.r);
    assert_non_null(strstr(f.r.text, "\"result\":\"unchanged\""));
    ask(&f.h, "trellis.api.default.app.apply", manifest(&f, "shop", "v2", "b"), &f.r);
    assert_non_null(strstr(f.r.text, "\"version\":\"v2\""));
    ask(&f.h, "trellis.api.default.app.apply", manifest(&f, "shop", "v2", "c"), &f.r);
    SAYS("code", "EXISTS");
    ask(&f.h, "trellis.api.default.app.apply", manifest(&f, "shop", NULL, ""), &f.r);
    ask(&f.h, "trellis.api.default.app.versions.shop", "", &f.r); /* A, B, A makes three */
    assert_int_equal(node_get(f.r.root, "data")->n, 3);
    ask(&f.h, "trellis.api.default.app.rollback.shop", "", &f.r);
    assert_non_null(strstr(f.r.text, "\"version\":\"v2\""));
    ask(&f.h, "trellis.api.default.app.get.shop", "{\"version\":\"v2\"}", &f.r);
    assert_non_null(strstr(f.r.text, "\"deployed\":true,\"manifest\":{"));
    ask(&f.h, "trellis.api.default.app.status.shop", "", &f.r);
    assert_non_null(strstr(f.r.text, "\"type\":\"waiting\""));
    ask(&f.h, "trellis.api.default.app.list", "", &f.r);
    assert_int_equal(node_get(f.r.root, "data")->n, 1);
    ask(&f.h, "trellis.api.default.app.plan.shop", "{\"version\":\"v2\"}", &f.r);
    assert_non_null(strstr(f.r.text, "\"verb\":\"scale\""));
    ask(&f.h, "trellis.api.default.app.plan.shop", "{\"undeploy\":true}", &f.r);
    assert_non_null(strstr(f.r.text, "\"verb\":\"link_del\""));
    ask(&f.h, "trellis.api.default.app.plan", manifest(&f, "shop", NULL, "z"), &f.r);
    SAYS("result", "ok");
    ask(&f.h, "trellis.api.default.app.validate", manifest(&f, "shop", NULL, "z"), &f.r);
    assert_non_null(strstr(f.r.text, "\"valid\":true"));
    ask(&f.h, "trellis.api.default.app.validate", "{", &f.r);
    assert_non_null(strstr(f.r.text, "\"valid\":false"));
    f.h.keep_applied = true;
    ask(&f.h, "trellis.api.default.app.delete.shop", "", &f.r);
    assert_non_null(strstr(f.r.text, "\"was_deployed\":true"));
    ask(&f.h, "trellis.api.default.app.list", "",
        &f.r); /* still there for those who look closely */
    assert_non_null(strstr(f.r.text, "\"deleting\":true"));
    ask(&f.h, "trellis.api.default.app.get.shop", "", &f.r);
    SAYS("code", "NOT_FOUND");
    teardown(&f);
}

static void test_trellis_rest(void **state) {
    struct fix f;
    struct command_record c = {.seq = 1,
                               .lattice = STR("default"),
                               .app = STR("shop"),
                               .verb = STR("scale"),
                               .host_id = STR("NHOST"),
                               .outcome = -6,
                               .reason = STR("1 wanted"),
                               .wall_ms = 1700000000123};
    (void)state;
    setup(&f);
    put(&f, "shop", "v1");
    ask(&f.h, "wadm.api.default.model.deploy.shop", "", &f.r);
    api_on_command(f.h.api, f.h.engines.at[0], &c);
    assert_non_null(strstr(harness_last(&f.h, "trellis.cmd.default"), "\"outcome\":\"TIMEOUT\""));
    ask(&f.h, "trellis.api.default.events.list", "", &f.r);
    assert_int_equal(node_get(f.r.root, "data")->n, 3);
    assert_non_null(strstr(f.r.text, "\"seq\":3,\"time\":\"2023-11-14T22:13:20.123Z\""));
    ask(&f.h, "trellis.api.default.events.list.shop", "{\"after\":1,\"limit\":1}", &f.r);
    assert_int_equal(node_get(f.r.root, "data")->n, 1);
    ask(&f.h, "trellis.api.other.events.list", "", &f.r);
    assert_int_equal(node_get(f.r.root, "data")->n, 0);
    ask(&f.h, "trellis.api.default.host.list", "", &f.r);
    assert_int_equal(node_get(f.r.root, "data")->n, 0);
    ask(&f.h, "trellis.api.default.host.inspect.NHOST", "", &f.r);
    SAYS("code", "NOT_FOUND");
    ask(&f.h, "trellis.api._.server.info", "", &f.r);
    assert_non_null(strstr(f.r.text, "\"durability\":\"synced\""));
    ask(&f.h, "trellis.api._.lattice.list", "", &f.r);
    assert_non_null(strstr(f.r.text, "\"lattice\":\"default\",\"apps\":1,\"deployed\":1"));
    teardown(&f);
}

static void test_hosts(void **state) {
    struct fix f;
    trl_running run[1] = {{.struct_size = sizeof(trl_running),
                           .kind = TRL_RUN_COMPONENT,
                           .unit_id = STR("shop-web"),
                           .image = STR("reg/web:1"),
                           .count = 3}};
    trl_report rep = {.struct_size = sizeof(rep),
                      .flags = TRL_REPORT_FULL,
                      .host_id = STR("NHOST"),
                      .host_name = STR("quiet-sun"),
                      .version = STR("1.9.2"),
                      .entries = run,
                      .n_entries = 1,
                      .entry_stride = sizeof(run[0])};
    (void)state;
    setup(&f);
    put(&f, "shop", "v1");
    ask(&f.h, "wadm.api.default.model.deploy.shop", "", &f.r);
    observed_report(&f.h.engines.at[0]->o, &rep);
    ask(&f.h, "trellis.api.default.host.list", "", &f.r);
    assert_non_null(strstr(f.r.text, "\"name\":\"quiet-sun\""));
    ask(&f.h, "trellis.api.default.host.inspect.NHOST", "", &f.r);
    assert_non_null(strstr(f.r.text, "\"id\":\"shop-web\""));
    teardown(&f);
}

static void test_journal_survives(void **state) {
    struct fix f;
    (void)state;
    setup_env(&f, (struct api_env){.keep_journal = true});
    put(&f, "shop", "v1");
    put(&f, "shop", "v2");
    loop_advance(f.h.loop, 2000000000ll);
    assert_int_equal(fake_count(&f.store, "2.journal."), 1);
    put(&f, "shop", "v3");
    harness_close(&f.h); /* what waits goes out at the end */
    loop_run(f.h.loop);
    assert_int_equal(fake_count(&f.store, "2.journal."), 2);
    harness_open(&f.h, (struct api_env){.keep_journal = true});
    put(&f, "shop", "v4");
    ask(&f.h, "trellis.api.default.events.list", "", &f.r);
    assert_int_equal(node_get(f.r.root, "data")->n, 4);
    assert_non_null(strstr(f.r.text, "\"seq\":4"));
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_readonly),
        cmocka_unit_test(test_multitenant),
        cmocka_unit_test(test_trellis_apps),
        cmocka_unit_test(test_trellis_rest),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_journal_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
