/* SPDX-License-Identifier: Apache-2.0
 *
 * What the engine promises, by name: each test runs a whole control plane against simulated hosts.
 * Here: what becomes of applications.
 */
#include "shop.h"

static void deploy_takes_the_minimum_of_commands(void **state) {
    (void)state;
    struct rig *r = rig_of(3);
    bring_up(r, &(struct shape){.app = "shop", .instances = 3});
    /* two configs, three hosts scaled, two providers, two links */
    assert_int_equal(rig_ops(r, D, SIM_OP_CONFIG_PUT), 2);
    assert_int_equal(rig_ops(r, D, SIM_OP_SCALE), 3);
    assert_int_equal(rig_ops(r, D, SIM_OP_PROVIDER_START), 2);
    assert_int_equal(rig_ops(r, D, SIM_OP_LINK_PUT), 2);
    assert_int_equal(rig_commands(r, D), 9);
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 3);
    assert_true(rig_has_config(r, D, "shop-greeting", "text", "hello"));
    assert_string_equal(r->told_log.at[0], "shop reconciling");
    assert_int_equal(r->n_told, 2); /* and deployed: what was in between took no 20 ms */
    rig_run(r, 300 * SECOND);
    assert_int_equal(rig_commands(r, D), 9);
    assert_int_equal(r->n_told, 2);
    rig_destroy(r);
}

static void what_is_put_is_read_only_if_that_failed(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    bring_up(r, &(struct shape){.app = "shop"});
    uint64_t gets = rig_ops(r, D, SIM_OP_CONFIG_GET);
    bring_up(r, &(struct shape){.app = "cafe"});
    assert_int_equal(rig_ops(r, D, SIM_OP_CONFIG_PUT), 4);
    assert_int_equal(rig_ops(r, D, SIM_OP_CONFIG_GET), gets);
    struct sim_faults f = *world_faults(r->world);
    f.nack = 1;
    world_set_faults(r->world, &f);
    put_and_deploy(r, &(struct shape){.app = "kiosk"});
    rig_run(r, SECOND / 2);
    assert_true(rig_ops(r, D, SIM_OP_CONFIG_GET) >= gets + 2);
    f.nack = 0;
    world_set_faults(r->world, &f);
    assert_true(deployed(r, "kiosk", 60 * SECOND));
    assert_true(rig_has_config(r, D, "kiosk-greeting", "text", "hello"));
    rig_destroy(r);
}

/* 1 */
static void image_change_keeps_config_and_links_and_never_leaves_a_gap(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    bring_up(r, &(struct shape){.app = "shop"});
    uint64_t puts = rig_ops(r, D, SIM_OP_CONFIG_PUT), links = rig_ops(r, D, SIM_OP_LINK_PUT);
    truth_reset(&world_find_lattice(r->world, STR(D))->truth, loop_now_ns(r->loop));
    put_and_deploy(r, &(struct shape){.app = "shop", .image = "reg.example/web:2"});
    assert_true(deployed(r, "shop", 60 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", "reg.example/web:2"), 1);
    assert_int_equal(rig_running(r, D, "shop-web", "reg.example/web:1"), 0);
    assert_int_equal(rig_ops(r, D, SIM_OP_CONFIG_DEL), 0);
    assert_int_equal(rig_ops(r, D, SIM_OP_CONFIG_PUT), puts);
    assert_int_equal(rig_ops(r, D, SIM_OP_LINK_PUT), links);
    assert_int_equal(rig_ops(r, D, SIM_OP_LINK_DEL), 0);
    assert_int_equal(rig_ops(r, D, SIM_OP_UPDATE), 0);
    assert_int_equal(
        truth_find(&world_find_lattice(r->world, STR(D))->truth.components, STR("shop-web"))->gaps,
        0);
    assert_true(rig_has_config(r, D, "shop-greeting", "text", "hello"));
    rig_destroy(r);
}

static void image_change_on_the_only_host_runs_the_new_code_with_its_config(void **state) {
    (void)state;
    struct rig *r = rig_of(1);
    bring_up(r, &(struct shape){.app = "shop", .instances = 4});
    put_and_deploy(r, &(struct shape){.app = "shop", .instances = 5, .image = "reg.example/web:2"});
    assert_true(deployed(r, "shop", 60 * SECOND));
    struct sim_running x;
    assert_true(world_running(rig_host_running(r, D, "shop-web"), STR("shop-web"), &x));
    assert_true(str_is(x.code, "reg.example/web:2"));
    assert_int_equal(x.count, 5);
    assert_int_equal(rig_ops(r, D, SIM_OP_CONFIG_DEL), 0);
    rig_destroy(r);
}

static void a_bad_image_touches_nothing(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    bring_up(r, &(struct shape){.app = "shop"});
    world_image_fault(r->world, STR("reg.example/web:bad"), "failed to fetch component: not found");
    truth_reset(&world_find_lattice(r->world, STR(D))->truth, loop_now_ns(r->loop));
    put_and_deploy(r, &(struct shape){.app = "shop", .image = "reg.example/web:bad"});
    rig_run(r, 40 * SECOND);
    assert_int_equal(rig_running(r, D, "shop-web", "reg.example/web:1"), 1);
    assert_int_equal(
        truth_find(&world_find_lattice(r->world, STR(D))->truth.components, STR("shop-web"))->gaps,
        0);
    const struct app_status *s = rig_status(r, D, "shop");
    assert_int_equal(s->type, STATUS_FAILED);
    assert_non_null(strstr(s->message.ptr, "not found"));
    /* and back */
    put_and_deploy(r, &(struct shape){.app = "shop"});
    assert_true(deployed(r, "shop", 60 * SECOND));
    assert_int_equal(
        truth_find(&world_find_lattice(r->world, STR(D))->truth.components, STR("shop-web"))->gaps,
        0);
    rig_destroy(r);
}

static void many_hosts_are_updated_one_after_another(void **state) {
    (void)state;
    struct rig *r = rig_create(&(struct rig_options){.seed = 1, .hosts = 8, .slow = true});
    bring_up(r, &(struct shape){.app = "shop", .instances = 8});
    truth_reset(&world_find_lattice(r->world, STR(D))->truth, loop_now_ns(r->loop));
    put_and_deploy(r, &(struct shape){.app = "shop", .instances = 8, .image = "reg.example/web:2"});
    assert_true(deployed(r, "shop", 300 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", "reg.example/web:2"), 8);
    assert_int_equal(
        truth_find(&world_find_lattice(r->world, STR(D))->truth.components, STR("shop-web"))->gaps,
        0);
    rig_destroy(r);
}

/* 2 */
static void config_change_reaches_users_without_restart(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    bring_up(r, &(struct shape){.app = "shop"});
    uint64_t scales = rig_ops(r, D, SIM_OP_SCALE), starts = rig_ops(r, D, SIM_OP_PROVIDER_START);
    put_and_deploy(r, &(struct shape){.app = "shop", .text = "good day"});
    assert_true(deployed(r, "shop", 10 * SECOND));
    assert_true(rig_has_config(r, D, "shop-greeting", "text", "good day"));
    assert_int_equal(rig_ops(r, D, SIM_OP_SCALE), scales);
    assert_int_equal(rig_ops(r, D, SIM_OP_PROVIDER_START), starts);
    assert_int_equal(rig_ops(r, D, SIM_OP_LINK_DEL), 0);
    rig_destroy(r);
}

static void config_of_a_link_is_delivered_by_renewing_the_link(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    bring_up(r, &(struct shape){.app = "shop"});
    uint64_t links = rig_ops(r, D, SIM_OP_LINK_PUT);
    put_and_deploy(r, &(struct shape){.app = "shop", .kv_config = "two"});
    assert_true(deployed(r, "shop", 10 * SECOND));
    rig_run(r, 5 * SECOND);
    assert_true(rig_has_config(r, D, "shop-kvcfg", "bucket", "two"));
    assert_int_equal(rig_ops(r, D, SIM_OP_LINK_DEL), 1);
    assert_int_equal(rig_ops(r, D, SIM_OP_LINK_PUT), links + 1);
    assert_int_equal(rig_links(r, D), 2);
    rig_run(r, 100 * SECOND);
    assert_int_equal(rig_ops(r, D, SIM_OP_LINK_DEL), 1);
    rig_destroy(r);
}

static void a_longer_list_of_configs_loses_none(void **state) {
    (void)state;
    struct rig *r = rig_of(1);
    struct shape s = {.app = "shop", .instances = 2};
    bring_up(r, &s);
    char *text = yaml(&s);
    struct buf more = BUF_INIT;
    const char *cut = strstr(text, "      traits:");
    buf_add(&more, text, (size_t)(cut - text));
    buf_addf(&more, "          - name: second\n            properties: {a: b}\n%s", cut);
    rig_put(r, D, more.ptr);
    rig_deploy(r, D, "shop");
    assert_true(deployed(r, "shop", 20 * SECOND));
    struct sim_running x;
    assert_true(world_running(rig_host_running(r, D, "shop-web"), STR("shop-web"), &x));
    assert_int_equal(x.count, 2);
    assert_int_equal(strs_n(x.config), 2);
    assert_true(rig_has_config(r, D, "shop-greeting", "text", "hello"));
    assert_true(rig_has_config(r, D, "shop-second", "a", "b"));
    assert_int_equal(rig_ops(r, D, SIM_OP_CONFIG_DEL), 0);
    uint64_t commands = rig_commands(r, D);
    rig_run(r, 100 * SECOND);
    assert_int_equal(rig_commands(r, D), commands);
    buf_finish(&more);
    mem_free(text);
    rig_destroy(r);
}

/* 3 */
static void a_late_config_starts_its_user_at_once(void **state) {
    (void)state;
    struct rig *r = rig_of(1);
    const char *text =
        "apiVersion: v1\nkind: Application\nmetadata: {name: late, annotations: {}}\nspec:\n  "
        "components:\n"
        "    - name: web\n      type: component\n      properties:\n        image: "
        "reg.example/web:1\n"
        "        config: [{name: outside}]\n      traits:\n        - type: spreadscaler\n"
        "          properties: {instances: 1}\n";
    rig_put(r, D, text);
    rig_deploy(r, D, "late");
    assert_true(rig_until_type(r, D, "late", "failed", 5 * SECOND));
    assert_non_null(strstr(rig_status(r, D, "late")->message.ptr,
                           "Specified configuration outside does not exist"));
    assert_int_equal(rig_ops(r, D, SIM_OP_SCALE), 0);
    rig_run(r, 3 * SECOND);
    rig_ctl(r, D, "config.put.outside", "{\"a\":\"b\"}");
    assert_true(deployed(r, "late", SECOND)); /* the next heartbeat is far away */
    rig_destroy(r);
}

static void the_first_host_of_a_lattice_starts_what_waits_for_it(void **state) {
    (void)state;
    struct rig *r = rig_create(&(struct rig_options){.seed = 5, .hosts = 1, .no_hosts = true});
    put_and_deploy(r, &(struct shape){.app = "shop"});
    assert_true(rig_until_type(r, D, "shop", "waiting", 5 * SECOND));
    world_start(r->world, loop_now_ns(r->loop));
    assert_true(deployed(r, "shop", 5 * SECOND));
    rig_destroy(r);
}

/* 4 */
static void a_shared_config_goes_with_its_last_user(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    const char *user =
        "apiVersion: v1\nkind: Application\nmetadata: {name: user, annotations: {}}\nspec:\n  "
        "components:\n"
        "    - name: web\n      type: component\n      properties:\n        image: "
        "reg.example/u:1\n"
        "        config: [{name: shop-greeting}]\n      traits:\n        - type: spreadscaler\n"
        "          properties: {instances: 1}\n";
    bring_up(r, &(struct shape){.app = "shop"});
    rig_bring_up(r, D, "user", user);
    rig_undeploy(r, D, "shop");
    assert_true(rig_until_type(r, D, "shop", "undeployed", 20 * SECOND));
    rig_run(r, 40 * SECOND);
    assert_true(rig_has_config(r, D, "shop-greeting", "text", "hello"));
    assert_int_equal(rig_running(r, D, "user-web", NULL), 1);
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    rig_undeploy(r, D, "user");
    assert_true(rig_until_type(r, D, "user", "undeployed", 20 * SECOND));
    rig_run(r, 20 * SECOND);
    assert_false(rig_has_config(r, D, "shop-greeting", "text", "hello"));
    rig_destroy(r);
}

static const char OWNER[] =
    "apiVersion: v1\nkind: Application\nmetadata:\n  name: base\n  annotations:\n"
    "    experimental.wasmcloud.dev/shared: \"true\"\nspec:\n  components:\n    - name: kv\n"
    "      type: capability\n      properties:\n        image: reg.example/kv:1\n"
    "        config: [{name: kvc, properties: {x: y}}]\n";
static const char USER[] =
    "apiVersion: v1\nkind: Application\nmetadata: {name: %s, annotations: {}}\nspec:\n  "
    "components:\n"
    "    - name: web\n      type: component\n      properties: {image: reg.example/u:1}\n      "
    "traits:\n"
    "        - type: spreadscaler\n          properties: {instances: 1}\n        - type: link\n"
    "          properties:\n            namespace: wasi\n            package: keyvalue\n"
    "            interfaces: [store]\n            target: {name: kv}\n    - name: kv\n      type: "
    "capability\n"
    "      properties:\n        application: {name: base, component: kv}\n";

static void a_shared_provider_goes_with_its_last_user(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    rig_bring_up(r, D, "base", OWNER);
    for (int i = 0; i < 2; i++) {
        struct buf b = BUF_INIT;
        buf_addf(&b, "%.*s%s%s", (int)(strstr(USER, "%s") - USER), USER, i ? "two" : "one",
                 strstr(USER, "%s") + 2);
        rig_bring_up(r, D, i ? "two" : "one", b.ptr);
        buf_finish(&b);
    }
    assert_int_equal(rig_running(r, D, "base-kv", NULL), 1);
    rig_undeploy(r, D, "base"); /* its users go on */
    rig_run(r, 60 * SECOND);
    assert_int_equal(rig_running(r, D, "base-kv", NULL), 1);
    assert_true(rig_has_config(r, D, "base-kvc", "x", "y"));
    rig_undeploy(r, D, "one");
    assert_true(rig_until_type(r, D, "one", "undeployed", 20 * SECOND));
    rig_run(r, 60 * SECOND);
    assert_int_equal(rig_running(r, D, "base-kv", NULL), 1);
    assert_int_equal(rig_status(r, D, "two")->type, STATUS_DEPLOYED);
    rig_undeploy(r, D, "two");
    rig_run(r, 20 * SECOND);
    assert_int_equal(rig_running(r, D, "base-kv", NULL), 0);
    assert_int_equal(rig_links(r, D), 0);
    rig_destroy(r);
}

/* 5 */
static void undeploy_and_delete_touch_only_what_is_ours(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    struct buf subject = BUF_INIT, body = BUF_INIT;
    bring_up(r, &(struct shape){.app = "shop"});
    const char *host = vhost_id(world_host(r->world, 0));
    buf_addf(&subject, "component.scale.%s", host);
    buf_addf(&body,
             "{\"component_id\":\"byhand\",\"component_ref\":\"reg/"
             "x:1\",\"count\":2,\"host_id\":\"%s\"}",
             host);
    rig_ctl(r, D, subject.ptr, body.ptr);
    rig_ctl(r, D, "link.put",
            "{\"source_id\":\"byhand\",\"target\":\"shop-kv\",\"wit_namespace\":\"wasi\",\"wit_"
            "package\":\"keyvalue\",\"interfaces\":[\"store\"]}");
    rig_ctl(r, D, "config.put.theirs", "{\"a\":\"b\"}");
    rig_run(r, 40 * SECOND);
    rig_undeploy(r, D, "shop");
    assert_true(rig_until_type(r, D, "shop", "undeployed", 20 * SECOND));
    rig_run(r, 40 * SECOND);
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    assert_int_equal(rig_running(r, D, "shop-kv", NULL), 0);
    assert_int_equal(rig_running(r, D, "byhand", NULL), 2);
    assert_int_equal(rig_links(r, D), 1);
    assert_true(rig_has_config(r, D, "theirs", "a", "b"));
    assert_false(rig_has_config(r, D, "shop-greeting", "text", "hello"));
    rig_delete(r, D, "shop");
    rig_run(r, 40 * SECOND);
    assert_int_equal(rig_running(r, D, "byhand", NULL), 2);
    buf_finish(&subject);
    buf_finish(&body);
    rig_destroy(r);
}

/* 12 */
static void scale_up_down_and_to_zero(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    static const uint32_t counts[] = {1, 7, 3, 8};
    for (size_t i = 0; i < 4; i++) {
        put_and_deploy(r, &(struct shape){.app = "shop", .instances = counts[i]});
        assert_true(deployed(r, "shop", 20 * SECOND));
        assert_int_equal(rig_running(r, D, "shop-web", NULL), counts[i]);
    }
    const char *zero = "apiVersion: v1\nkind: Application\nmetadata: {name: shop, annotations: "
                       "{}}\nspec:\n  components:\n"
                       "    - name: web\n      type: component\n      properties: {image: "
                       "reg.example/web:1}\n      traits:\n"
                       "        - type: spreadscaler\n          properties: {instances: 0}\n";
    rig_put(r, D, zero);
    rig_deploy(r, D, "shop");
    assert_true(deployed(r, "shop", 20 * SECOND));
    rig_run(r, 5 * SECOND);
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    assert_int_equal(rig_running(r, D, "shop-kv", NULL), 0);
    assert_int_equal(rig_links(r, D), 0);
    assert_false(rig_has_config(r, D, "shop-greeting", "text", "hello"));
    rig_destroy(r);
}

/* 13 */
static void rollback_restores_the_config(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    bring_up(r, &(struct shape){.app = "shop", .version = "v1", .text = "old", .kv_config = "k1"});
    bring_up(r, &(struct shape){.app = "shop",
                                .version = "v2",
                                .text = "new",
                                .kv_config = "k2",
                                .image = "reg.example/web:2"});
    assert_true(rig_has_config(r, D, "shop-greeting", "text", "new"));
    rig_deploy_version(r, D, "shop", "v1");
    assert_true(deployed(r, "shop", 60 * SECOND));
    rig_run(r, SECOND);
    assert_true(rig_has_config(r, D, "shop-greeting", "text", "old"));
    assert_true(rig_has_config(r, D, "shop-kvcfg", "bucket", "k1"));
    assert_int_equal(rig_running(r, D, "shop-web", "reg.example/web:1"), 1);
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 1);
    rig_destroy(r);
}

/* 14 */
static void an_unknown_trait_is_told_in_the_status(void **state) {
    (void)state;
    struct rig *r = rig_of(1);
    const char *text = "apiVersion: v1\nkind: Application\nmetadata: {name: odd, annotations: "
                       "{}}\nspec:\n  components:\n"
                       "    - name: web\n      type: component\n      properties: {image: "
                       "reg.example/web:1}\n      traits:\n"
                       "        - type: binpack\n          properties: {density: high}\n";
    rig_put(r, D, text);
    rig_deploy(r, D, "odd");
    assert_true(rig_until_type(r, D, "odd", "failed", 5 * SECOND));
    assert_non_null(
        strstr(rig_status(r, D, "odd")->message.ptr, "trait 'binpack': no plugin of that name"));
    rig_destroy(r);
}

/* 15 */
static void two_lattices_do_not_mix(void **state) {
    (void)state;
    const char *const names[] = {"east", "west"};
    struct rig *r = rig_create(
        &(struct rig_options){.seed = 9, .hosts = 2, .lattices = names, .n_lattices = 2});
    char *east = yaml(&(struct shape){.app = "shop", .instances = 2});
    char *west = yaml(&(struct shape){.app = "shop", .instances = 5});
    rig_bring_up(r, "east", "shop", east);
    assert_int_equal(rig_commands(r, "west"), 0);
    rig_bring_up(r, "west", "shop", west);
    assert_int_equal(rig_running(r, "east", "shop-web", NULL), 2);
    assert_int_equal(rig_running(r, "west", "shop-web", NULL), 5);
    rig_undeploy(r, "east", "shop");
    assert_true(rig_until_type(r, "east", "shop", "undeployed", 20 * SECOND));
    rig_run(r, 10 * SECOND);
    assert_int_equal(rig_running(r, "east", "shop-web", NULL), 0);
    assert_int_equal(rig_running(r, "west", "shop-web", NULL), 5);
    mem_free(east);
    mem_free(west);
    rig_destroy(r);
}

/* 16 */
static void undeployed_is_said_when_it_is_gone(void **state) {
    (void)state;
    struct rig *r = rig_create(&(struct rig_options){.seed = 3, .hosts = 2, .slow = true});
    bring_up(r, &(struct shape){.app = "shop", .instances = 4});
    rig_undeploy(r, D, "shop");
    for (int i = 0; i < 2000; i++) {
        rig_run(r, SECOND / 100);
        const struct app_status *s = rig_status(r, D, "shop");
        if (!s || s->type == STATUS_UNDEPLOYED) {
            break;
        }
    }
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    assert_int_equal(rig_running(r, D, "shop-kv", NULL), 0);
    assert_int_equal(rig_running(r, D, "shop-http", NULL), 0);
    assert_int_equal(rig_links(r, D), 0);
    assert_string_equal(map_get(&r->told, STR("shop")), "undeployed: Manifest has been undeployed");
    rig_destroy(r);
}

static void details_of_a_status_are_told_a_moment_later(void **state) {
    (void)state;
    struct rig *r = rig_create(&(struct rig_options){.seed = 3, .hosts = 2, .slow = true});
    put_and_deploy(r, &(struct shape){.app = "shop", .instances = 4});
    char *seen = mem_strdup("");
    uint32_t unchanged = 0, compared = 0;
    for (int i = 0; i < 3000 && !deployed(r, "shop", 0); i++) {
        rig_run(r, SECOND / 100);
        const char *told = map_get(&r->told, STR("shop"));
        const struct app_status *s = rig_status(r, D, "shop");
        str message = s ? s->message : STR("");
        unchanged = str_is(message, seen) ? unchanged + 1 : 0;
        mem_free(seen);
        seen = str_dup(message);
        if (s && unchanged >= 3) { /* for 20 ms, and the message's way */
            assert_true(str_ends(str_c(told), message));
            compared++;
        }
    }
    mem_free(seen);
    assert_true(compared > 10 && r->n_told >= 3);
    assert_string_equal(r->told_log.at[r->n_told - 1], "shop deployed");
    rig_destroy(r);
}

/* 17 */
static void what_wadm_started_is_taken_over_not_doubled(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    struct buf subject = BUF_INIT, body = BUF_INIT;
    const char *host = vhost_id(world_host(r->world, 1));
    buf_addf(&subject, "component.scale.%s", host);
    /* wadm put all three on one host, under the id that my-app/web of this manifest has */
    buf_addf(&body,
             "{\"component_id\":\"my_app-web\",\"component_ref\":\"registry.example/"
             "web:1.0.0\",\"count\":3,"
             "\"host_id\":\"%s\",\"annotations\":{\"wasmcloud.dev/managed-by\":\"wadm\","
             "\"wasmcloud.dev/appspec\":\"my-app\",\"wasmcloud.dev/spread_name\":\"default\","
             "\"wasmcloud.dev/scaler\":"
             "\"67bc5352c34f486da0de3bef6a063b1eae965f2608c51865b4038c66f1ce7f23\"}}",
             host);
    rig_ctl(r, D, subject.ptr, body.ptr);
    rig_run(r, SECOND);
    uint64_t before = rig_commands(r, D);
    const char *text =
        "apiVersion: v1\nkind: Application\nmetadata: {name: my-app, annotations: {}}\nspec:\n  "
        "components:\n"
        "    - name: web\n      type: component\n      properties: {image: "
        "\"registry.example/web:1.0.0\"}\n"
        "      traits:\n        - type: spreadscaler\n          properties: {instances: 3}\n";
    rig_put(r, D, text);
    rig_deploy(r, D, "my-app");
    assert_true(deployed(r, "my-app", 10 * SECOND));
    assert_int_equal(rig_running(r, D, "my_app-web", NULL), 3);
    assert_int_equal(rig_commands(r, D), before);
    buf_finish(&subject);
    buf_finish(&body);
    rig_destroy(r);
}

/* 18 */
static void a_changed_link_replaces_just_that_link(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    struct shape s = {.app = "shop"};
    bring_up(r, &s);
    uint64_t scales = rig_ops(r, D, SIM_OP_SCALE), starts = rig_ops(r, D, SIM_OP_PROVIDER_START),
             puts = rig_ops(r, D, SIM_OP_LINK_PUT);
    char *text = yaml(&s);
    char *iface = strstr(text, "[store]");
    memcpy(iface, "[batch]", 7);
    rig_put(r, D, text);
    rig_deploy(r, D, "shop");
    assert_true(deployed(r, "shop", 10 * SECOND));
    assert_int_equal(rig_ops(r, D, SIM_OP_LINK_PUT), puts + 1);
    assert_int_equal(rig_ops(r, D, SIM_OP_SCALE), scales);
    assert_int_equal(rig_ops(r, D, SIM_OP_PROVIDER_START), starts);
    assert_int_equal(rig_links(r, D), 2);
    mem_free(text);
    rig_destroy(r);
}

static void damage_by_hand_is_repaired_at_once(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    bring_up(r, &(struct shape){.app = "shop", .instances = 2});
    rig_ctl(r, D, "link.del",
            "{\"source_id\":\"shop-web\",\"wit_namespace\":\"wasi\",\"wit_package\":\"keyvalue\"}");
    rig_ctl(r, D, "config.put.shop-greeting", "{\"text\":\"vandal\"}");
    struct vhost *h = rig_host_running(r, D, "shop-kv");
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "provider.stop.%s", vhost_id(h));
    rig_ctl(r, D, subject.ptr, "{\"provider_id\":\"shop-kv\"}");
    rig_run(r, SECOND);
    assert_true(deployed(r, "shop", SECOND));
    assert_int_equal(rig_links(r, D), 2);
    assert_int_equal(rig_running(r, D, "shop-kv", NULL), 1);
    assert_true(rig_has_config(r, D, "shop-greeting", "text", "hello"));
    buf_finish(&subject);
    rig_destroy(r);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deploy_takes_the_minimum_of_commands),
        cmocka_unit_test(what_is_put_is_read_only_if_that_failed),
        cmocka_unit_test(image_change_keeps_config_and_links_and_never_leaves_a_gap),
        cmocka_unit_test(image_change_on_the_only_host_runs_the_new_code_with_its_config),
        cmocka_unit_test(a_bad_image_touches_nothing),
        cmocka_unit_test(many_hosts_are_updated_one_after_another),
        cmocka_unit_test(config_change_reaches_users_without_restart),
        cmocka_unit_test(config_of_a_link_is_delivered_by_renewing_the_link),
        cmocka_unit_test(a_longer_list_of_configs_loses_none),
        cmocka_unit_test(a_late_config_starts_its_user_at_once),
        cmocka_unit_test(the_first_host_of_a_lattice_starts_what_waits_for_it),
        cmocka_unit_test(a_shared_config_goes_with_its_last_user),
        cmocka_unit_test(a_shared_provider_goes_with_its_last_user),
        cmocka_unit_test(undeploy_and_delete_touch_only_what_is_ours),
        cmocka_unit_test(scale_up_down_and_to_zero),
        cmocka_unit_test(rollback_restores_the_config),
        cmocka_unit_test(an_unknown_trait_is_told_in_the_status),
        cmocka_unit_test(two_lattices_do_not_mix),
        cmocka_unit_test(undeployed_is_said_when_it_is_gone),
        cmocka_unit_test(details_of_a_status_are_told_a_moment_later),
        cmocka_unit_test(what_wadm_started_is_taken_over_not_doubled),
        cmocka_unit_test(a_changed_link_replaces_just_that_link),
        cmocka_unit_test(damage_by_hand_is_repaired_at_once),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]); /* RIG_VERBOSE=1 shows what happens */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
