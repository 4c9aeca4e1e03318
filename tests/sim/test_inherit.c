/* SPDX-License-Identifier: Apache-2.0
 *
 * When a deleted application is forgotten: at once where nothing of it can be left, after the host
 * time-out where a host that nobody has heard of since the start may still have something.
 */
#include "../unit/cmocka_all.h"

#include "rig.h"

#define D "default"

static char *yaml(const char *trait) {
    struct buf b = BUF_INIT;
    buf_addf(
        &b,
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: shop, "
        "annotations: {}}\n"
        "spec:\n  components:\n    - name: web\n      type: component\n      properties:\n"
        "        image: reg.example/web:1\n        config:\n          - name: greeting\n"
        "            properties:\n              text: hello\n      traits:\n"
        "        - type: %s\n          properties:\n            instances: 3\n"
        "        - type: link\n          properties: {namespace: wasi, package: keyvalue, "
        "interfaces: [store], target: {name: kv}}\n"
        "    - name: kv\n      type: capability\n      properties: {image: reg.example/kv:1}\n",
        trait);
    return buf_take(&b);
}

static void bring_up(struct rig *r, const char *trait) {
    char *text = yaml(trait);
    rig_bring_up(r, D, "shop", text);
    mem_free(text);
}

static void restart(struct rig *r) {
    rig_plane_stop(r);
    rig_run(r, SECOND);
    rig_plane_start(r);
}

/* Neither as an app that is being deleted, nor as a retained status. */
static bool forgotten(struct rig *r) {
    const struct node *n = rig_request(r, "trellis.api.default.app.list", "");
    const struct node *list = node_get(n, "data");
    return list && list->type == NODE_ARRAY && list->n == 0;
}

static bool forgotten_within(struct rig *r, int64_t ns) {
    bool yes = forgotten(r);
    for (int64_t t = 0; t < ns && !yes; t += SECOND / 10) {
        rig_run(r, SECOND / 10);
        yes = forgotten(r);
    }
    return yes;
}

static void a_new_app_is_forgotten_at_once(void **state) {
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = 2});
    (void)state;
    bring_up(r, "daemonscaler");
    rig_delete(r, D, "shop");
    assert_true(forgotten_within(r, 3 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    rig_destroy(r);
}

static void an_app_found_complete_is_forgotten_at_once(void **state) {
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = 2});
    (void)state;
    bring_up(r, "spreadscaler");
    restart(r);
    assert_true(rig_until_type(r, D, "shop", "deployed", 3 * SECOND));
    rig_delete(r, D, "shop");
    assert_true(forgotten_within(r, 3 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    assert_false(rig_has_config(r, D, "shop-greeting", "text", "hello"));
    rig_destroy(r);
}

/* How many a daemon scaler wants follows from the hosts: one more may be out there. */
static void an_app_for_every_host_waits(void **state) {
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = 2});
    (void)state;
    bring_up(r, "daemonscaler");
    restart(r);
    assert_true(rig_until_type(r, D, "shop", "deployed", 3 * SECOND));
    rig_delete(r, D, "shop");
    rig_run(r, 30 * SECOND);
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    assert_false(forgotten(r));
    assert_true(forgotten_within(r, 45 * SECOND));
    rig_destroy(r);
}

/* Two versions that may have left something name the same link: it is removed once. */
static void what_two_versions_share_is_removed_once(void **state) {
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = 2});
    (void)state;
    bring_up(r, "daemonscaler");
    restart(r);
    char *text = yaml("spreadscaler");
    rig_put(r, D, text);
    mem_free(text);
    rig_deploy(r, D, "shop");
    assert_true(rig_until_settled(r, 10 * SECOND));
    uint64_t before = rig_ops(r, D, SIM_OP_LINK_DEL);
    rig_delete(r, D, "shop");
    rig_run(r, 30 * SECOND);
    assert_int_equal(rig_ops(r, D, SIM_OP_LINK_DEL), before + 1);
    rig_destroy(r);
}

static void a_host_that_was_silent_at_the_start_is_waited_for(void **state) {
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = 2});
    (void)state;
    bring_up(r, "spreadscaler");
    struct vhost *h = rig_host_running(r, D, "shop-web");
    rig_plane_stop(r);
    world_host_freeze(h, loop_now_ns(r->loop));
    rig_plane_start(r);
    rig_run(r, 10 * SECOND); /* on the other one meanwhile */
    rig_delete(r, D, "shop");
    rig_run(r, 40 * SECOND);
    assert_false(forgotten(r));
    world_host_unfreeze(h, loop_now_ns(r->loop));
    assert_true(forgotten_within(r, 60 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0); /* also what it had */
    rig_destroy(r);
}

static void an_interrupted_undeploy_waits(void **state) {
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = 2});
    (void)state;
    bring_up(r, "spreadscaler");
    struct vhost *h = rig_host_running(r, D, "shop-web");
    world_host_freeze(h, loop_now_ns(r->loop));
    rig_delete(r, D, "shop");
    rig_run(r, 2 * SECOND);
    restart(r);
    rig_run(r, 30 * SECOND);
    assert_false(forgotten(r));
    world_host_unfreeze(h, loop_now_ns(r->loop));
    assert_true(forgotten_within(r, 60 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    rig_destroy(r);
}

static bool says_deployed(void *arg) {
    const char *told = map_get(&((struct rig *)arg)->told, STR("shop"));
    return told && strncmp(told, "deployed", 8) == 0;
}

static struct rig *rig_unmet(uint32_t hosts) {
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = hosts, .no_plane = true});
    rig_run(r, 5 * SECOND); /* what the hosts said when they started is not heard */
    rig_plane_start(r);
    assert_null(rig_engine(r, D));
    return r;
}

/* Answers to the ping are collected for a second: a deploy meanwhile does not wait for that. */
static void the_first_deploy_in_a_lattice_goes_ahead(void **state) {
    struct rig *r = rig_unmet(3);
    char *text = yaml("spreadscaler");
    (void)state;
    rig_put(r, D, text);
    rig_deploy(r, D, "shop");
    assert_true(rig_until(r, says_deployed, r, SECOND / 5));
    assert_int_equal(rig_commands(r, D), 6);
    rig_run(r, 100 * SECOND);
    assert_int_equal(rig_commands(r, D), 6);
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 3);
    mem_free(text);
    rig_destroy(r);
}

/* But what was deployed in a former life may run on a host that has not answered yet. */
static void what_was_deployed_before_waits_for_all_answers(void **state) {
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = 3});
    (void)state;
    bring_up(r, "spreadscaler");
    rig_plane_stop(r);
    rig_run(r, SECOND);
    world_host_stop(rig_host_running(r, D, "shop-web"), loop_now_ns(r->loop));
    uint64_t before = rig_commands(r, D);
    rig_plane_start(r);
    rig_deploy(r, D, "shop");
    rig_run(r, SECOND / 2);
    assert_int_equal(rig_commands(r, D), before);
    rig_run(r, SECOND);
    assert_true(rig_commands(r, D) > before);
    assert_true(rig_until_type(r, D, "shop", "deployed", 10 * SECOND));
    rig_destroy(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_app_is_forgotten_at_once),
        cmocka_unit_test(an_app_found_complete_is_forgotten_at_once),
        cmocka_unit_test(an_app_for_every_host_waits),
        cmocka_unit_test(what_two_versions_share_is_removed_once),
        cmocka_unit_test(a_host_that_was_silent_at_the_start_is_waited_for),
        cmocka_unit_test(an_interrupted_undeploy_waits),
        cmocka_unit_test(the_first_deploy_in_a_lattice_goes_ahead),
        cmocka_unit_test(what_was_deployed_before_waits_for_all_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
