/* SPDX-License-Identifier: Apache-2.0
 *
 * What is expanded and placed while the store still writes its deploy: used if it is what was
 * deployed, and only then.
 */
#include "../unit/cmocka_all.h"

#include "rig.h"

#define D "default"

static void put(struct rig *r, const char *version, const char *image) {
    struct buf b = BUF_INIT;
    buf_addf(&b,
             "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: shop, "
             "annotations: {version: %s}}\n"
             "spec:\n  components:\n    - name: web\n      type: component\n      properties:\n"
             "        image: %s\n        config:\n          - name: greeting\n"
             "            properties: {text: %s}\n      traits:\n"
             "        - type: spreadscaler\n          properties: {instances: 2}\n",
             version, image, version);
    rig_put(r, D, b.ptr);
    buf_finish(&b);
}

static void coming(struct rig *r, uint32_t n) {
    engine_app_coming(rig_engine(r, D), STR("shop"), n);
    rig_run(r, SECOND / 1000);
}

static void runs(struct rig *r, const char *image, const char *text) {
    assert_true(rig_until_settled(r, 20 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", image), 2);
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 2);
    assert_true(rig_has_config(r, D, "shop-greeting", "text", text));
}

static void what_was_expanded_ahead_is_deployed(void **state) {
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = 2});
    (void)state;
    put(r, "v1", "reg.example/web:1");
    coming(r, 1);
    rig_deploy(r, D, "shop");
    runs(r, "reg.example/web:1", "v1");
    put(r, "v2", "reg.example/web:2");
    coming(r, 2);
    rig_deploy(r, D, "shop");
    runs(r, "reg.example/web:2", "v2");
    coming(r, 2); /* its write failed */
    rig_deploy_version(r, D, "shop", "v1");
    runs(r, "reg.example/web:1", "v1");
    rig_destroy(r);
}

/* The same name and number, but another application. */
static void a_former_life_is_not_deployed(void **state) {
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = 2});
    (void)state;
    put(r, "v1", "reg.example/web:1");
    coming(r, 1); /* its write failed */
    rig_delete(r, D, "shop");
    rig_run(r, SECOND);
    put(r, "v1", "reg.example/web:9");
    rig_deploy(r, D, "shop");
    runs(r, "reg.example/web:9", "v1");
    rig_destroy(r);
}

/* More than are kept, for names that nobody has, and at the end of the engine. */
static void many_are_coming(void **state) {
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = 2});
    char name[16];
    (void)state;
    put(r, "v1", "reg.example/web:1");
    for (int i = 0; i < 3; i++) { /* asked for again before the first was written: none is left */
        coming(r, 1);
    }
    rig_deploy(r, D, "shop");
    runs(r, "reg.example/web:1", "v1");
    put(r, "v2", "reg.example/web:2");
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "app-%d", i);
        engine_app_coming(rig_engine(r, D), i % 5 ? str_c(name) : STR("shop"), 2);
    }
    rig_run(r, SECOND);
    rig_deploy(r, D, "shop");
    runs(r, "reg.example/web:2", "v2");
    coming(r, 1);
    rig_destroy(r);
}

/* Where its units go was worked out with a host that is gone when it is deployed. */
static void hosts_change_meanwhile(void **state) {
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = 3});
    (void)state;
    put(r, "v1", "reg.example/web:1");
    coming(r, 1); /* one instance on each of two hosts */
    world_host_stop(world_host(r->world, 0), loop_now_ns(r->loop));
    world_host_stop(world_host(r->world, 1), loop_now_ns(r->loop));
    rig_run(r, SECOND);
    assert_int_equal(rig_commands(r, D), 0); /* what is only coming does nothing */
    assert_null(rig_status(r, D, "shop"));
    rig_deploy(r, D, "shop");
    runs(r, "reg.example/web:1", "v1");
    assert_int_equal(rig_hosts_running(r, D, "shop-web"), 1);
    rig_destroy(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_expanded_ahead_is_deployed),
        cmocka_unit_test(a_former_life_is_not_deployed),
        cmocka_unit_test(many_are_coming),
        cmocka_unit_test(hosts_change_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
