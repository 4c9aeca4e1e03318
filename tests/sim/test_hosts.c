/* SPDX-License-Identifier: Apache-2.0
 *
 * What the engine promises, by name: each test runs a whole control plane against simulated hosts.
 * Here: what hosts do, and what is heard of them.
 */
#include "shop.h"

/* 6 */
static void an_orderly_stop_moves_what_ran_there_at_once(void **state) {
    (void)state;
    struct rig *r = rig_of(3);
    bring_up(r, &(struct shape){.app = "shop", .instances = 2});
    uint64_t before = rig_commands(r, D);
    struct vhost *h = rig_host_running(r, D, "shop-web");
    world_host_stop(h, loop_now_ns(r->loop));
    rig_run(r, SECOND / 10);
    assert_true(deployed(r, "shop", 5 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 2);
    assert_in_range(rig_commands(r, D) - before, 1,
                    3); /* one component, and the providers it held */
    rig_destroy(r);
}

static void a_silent_death_is_noticed_and_repaired(void **state) {
    (void)state;
    struct rig *r = rig_of(3);
    bring_up(r, &(struct shape){.app = "shop", .instances = 3});
    rig_run(r, 65 * SECOND);
    struct vhost *h = rig_host_running(r, D, "shop-http");
    world_host_crash(h, loop_now_ns(r->loop));
    rig_run(r, 45 * SECOND);
    assert_true(deployed(r, "shop", 5 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 3);
    assert_int_equal(rig_running(r, D, "shop-http", NULL), 1);
    rig_destroy(r);
}

static void a_joining_host_gets_nothing_that_runs_elsewhere(void **state) {
    (void)state;
    struct rig *r = rig_of(3);
    world_host_stop(world_host(r->world, 2), loop_now_ns(r->loop));
    rig_run(r, SECOND);
    bring_up(r, &(struct shape){.app = "shop", .instances = 4});
    uint64_t before = rig_commands(r, D);
    world_host_start(world_host(r->world, 2), loop_now_ns(r->loop));
    rig_run(r, 60 * SECOND);
    assert_int_equal(rig_commands(r, D), before);
    rig_destroy(r);
}

static void a_changed_label_moves_what_may_not_stay(void **state) {
    (void)state;
    const char *const labels[] = {"zone=a|b"};
    struct rig *r =
        rig_create(&(struct rig_options){.seed = 2, .hosts = 2, .labels = labels, .n_labels = 1});
    const char *text = "apiVersion: v1\nkind: Application\nmetadata: {name: zoned, annotations: "
                       "{}}\nspec:\n  components:\n"
                       "    - name: web\n      type: component\n      properties: {image: "
                       "reg.example/web:1}\n      traits:\n"
                       "        - type: spreadscaler\n          properties:\n            "
                       "instances: 2\n            spread:\n"
                       "              - {name: only-a, requirements: {zone: a}}\n";
    rig_bring_up(r, D, "zoned", text);
    struct vhost *a = rig_host_running(r, D, "zoned-web");
    struct vhost *b =
        a == world_host(r->world, 0) ? world_host(r->world, 1) : world_host(r->world, 0);
    world_host_label(b, STR("zone"), STR("a"), loop_now_ns(r->loop));
    world_host_label(a, STR("zone"), STR("b"), loop_now_ns(r->loop));
    rig_run(r, SECOND);
    assert_true(deployed(r, "zoned", 5 * SECOND));
    assert_ptr_equal(rig_host_running(r, D, "zoned-web"), b);
    assert_int_equal(rig_running(r, D, "zoned-web", NULL), 2);
    rig_destroy(r);
}

static void daemons_follow_joining_and_leaving_hosts(void **state) {
    (void)state;
    struct rig *r = rig_of(3);
    const char *text = "apiVersion: v1\nkind: Application\nmetadata: {name: every, annotations: "
                       "{}}\nspec:\n  components:\n"
                       "    - name: web\n      type: component\n      properties: {image: "
                       "reg.example/web:1}\n      traits:\n"
                       "        - type: daemonscaler\n          properties: {instances: 2}\n";
    world_host_stop(world_host(r->world, 2), loop_now_ns(r->loop));
    rig_run(r, SECOND);
    rig_bring_up(r, D, "every", text);
    assert_int_equal(rig_running(r, D, "every-web", NULL), 4);
    world_host_start(world_host(r->world, 2), loop_now_ns(r->loop));
    rig_run(r, 2 * SECOND);
    assert_int_equal(rig_running(r, D, "every-web", NULL), 6);
    world_host_stop(world_host(r->world, 0), loop_now_ns(r->loop));
    rig_run(r, 2 * SECOND);
    assert_int_equal(rig_running(r, D, "every-web", NULL), 4);
    assert_int_equal(rig_status(r, D, "every")->type, STATUS_DEPLOYED);
    rig_destroy(r);
}

/* 7 */
static void failing_starts_back_off_and_block_nobody(void **state) {
    (void)state;
    struct rig *r = rig_of(1);
    world_image_fault(r->world, STR("reg.example/web:bad"),
                      "failed to fetch component: no such image");
    put_and_deploy(r,
                   &(struct shape){.app = "sick", .image = "reg.example/web:bad", .no_kv = true});
    bring_up(r, &(struct shape){.app = "well"});
    rig_run(r, 60 * SECOND);
    const struct app_status *s = rig_status(r, D, "sick");
    assert_int_equal(s->type, STATUS_FAILED);
    assert_non_null(strstr(s->message.ptr, "no such image"));
    assert_non_null(strstr(s->message.ptr, "(try "));
    assert_non_null(strstr(s->message.ptr, ", next 2"));
    uint64_t tries = world_find_lattice(r->world, STR(D))->count.fails;
    assert_in_range(tries, 4, 8); /* 1, 2, 4, 8, 16, 32 s */
    world_image_fault(r->world, STR("reg.example/web:bad"), NULL);
    assert_true(deployed(r, "sick", 90 * SECOND));
    rig_destroy(r);
}

/* 8 */
static void lost_doubled_and_reordered_events_converge(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct rig *r = rig_create(&(struct rig_options){.seed = seed, .hosts = 3, .slow = true});
        struct sim_faults f = *world_faults(r->world);
        f.event_lost = 0.3;
        f.event_dup = 0.2;
        f.event_reordered = 0.3;
        f.reorder = (struct sim_delay){SECOND / 10, 2 * SECOND};
        world_set_faults(r->world, &f);
        put_and_deploy(r, &(struct shape){.app = "shop", .instances = 5});
        rig_run(r, 120 * SECOND);
        f.event_lost = f.event_dup = f.event_reordered = 0;
        world_set_faults(r->world, &f);
        assert_true(deployed(r, "shop", 65 * SECOND));
        assert_int_equal(rig_running(r, D, "shop-web", NULL), 5);
        assert_in_range(
            truth_find(&world_find_lattice(r->world, STR(D))->truth.components, STR("shop-web"))
                ->max_count,
            5, 5);
        assert_int_equal(rig_running(r, D, "shop-http", NULL), 1);
        rig_destroy(r);
    }
}

/* 9 */
static void a_restart_sends_nothing_when_nothing_changed(void **state) {
    (void)state;
    struct rig *r = rig_of(3);
    bring_up(r, &(struct shape){.app = "shop", .instances = 4});
    bring_up(r, &(struct shape){.app = "mall", .instances = 2});
    uint64_t before = rig_commands(r, D);
    rig_plane_stop(r);
    rig_run(r, 10 * SECOND);
    rig_plane_start(r);
    assert_true(rig_until_settled(r, 5 * SECOND));
    assert_true(deployed(r, "shop", 2 * SECOND));
    assert_true(deployed(r, "mall", 2 * SECOND));
    rig_run(r, 100 * SECOND);
    assert_int_equal(rig_commands(r, D), before);
    rig_destroy(r);
}

static void what_changed_during_a_restart_is_repaired_after_it(void **state) {
    (void)state;
    struct rig *r = rig_of(3);
    bring_up(r, &(struct shape){.app = "shop", .instances = 3});
    rig_plane_stop(r);
    world_host_restart(rig_host_running(r, D, "shop-web"), loop_now_ns(r->loop));
    rig_ctl(r, D, "config.del.shop-greeting", "");
    rig_run(r, 2 * SECOND);
    rig_plane_start(r);
    assert_true(deployed(r, "shop", 10 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 3);
    assert_true(rig_has_config(r, D, "shop-greeting", "text", "hello"));
    rig_destroy(r);
}

/* 11 */
static void nothing_is_stopped_on_hosts_not_heard_from(void **state) {
    (void)state;
    struct rig *r = rig_of(3);
    bring_up(r, &(struct shape){.app = "shop", .instances = 3});
    rig_run(r, 65 * SECOND);
    struct vhost *h = rig_host_running(r, D, "shop-web");
    world_host_freeze(h, loop_now_ns(r->loop));
    rig_run(r, 40 * SECOND); /* suspect by now */
    uint64_t before = rig_commands(r, D);
    rig_undeploy(r, D, "shop");
    rig_run(r, 15 * SECOND);
    assert_true(rig_commands(r, D) > before);
    assert_int_equal(rig_status(r, D, "shop")->type, STATUS_RECONCILING); /* one host is left */
    world_host_unfreeze(h, loop_now_ns(r->loop));
    assert_true(rig_until_type(r, D, "shop", "undeployed", 60 * SECOND));
    rig_run(r, 2 * SECOND);
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    rig_destroy(r);
}

static void a_host_that_acknowledges_and_dies_is_noticed(void **state) {
    (void)state;
    struct rig *r = rig_of(2);
    struct sim_faults f = *world_faults(r->world);
    f.die_after_ack = 1;
    world_host_faults(world_host(r->world, 0), &f);
    world_host_faults(world_host(r->world, 1), NULL);
    put_and_deploy(r, &(struct shape){.app = "shop", .instances = 2});
    rig_run(r, 100 * SECOND);
    assert_true(deployed(r, "shop", 20 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 2);
    rig_destroy(r);
}

/* Agents for processes among hosts for components: each gets what it can run, and nobody waits. */
static void hosts_that_cannot_run_an_image_are_left_out(void **state) {
    (void)state;
    const char *const labels[] = {"hostcore.driver=process|wasmtime"};
    struct rig *r =
        rig_create(&(struct rig_options){.seed = 3, .hosts = 4, .labels = labels, .n_labels = 1});
    bring_up(r, &(struct shape){.app = "shop", .instances = 4});
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 4);
    assert_int_equal(rig_hosts_running(r, D, "shop-web"), 2);
    assert_string_equal(map_get(&r->told, STR("shop")), "deployed: ");
    while (rig_running(r, D, "shop-web", NULL)) {
        world_host_stop(rig_host_running(r, D, "shop-web"), loop_now_ns(r->loop));
    }
    assert_true(rig_until_type(r, D, "shop", "failed", 5 * SECOND));
    rig_run(r, 10 * SECOND);
    assert_non_null(strstr(map_get(&r->told, STR("shop")), "cannot run image reg.example/web:1"));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    rig_destroy(r);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_orderly_stop_moves_what_ran_there_at_once),
        cmocka_unit_test(a_silent_death_is_noticed_and_repaired),
        cmocka_unit_test(a_joining_host_gets_nothing_that_runs_elsewhere),
        cmocka_unit_test(a_changed_label_moves_what_may_not_stay),
        cmocka_unit_test(daemons_follow_joining_and_leaving_hosts),
        cmocka_unit_test(failing_starts_back_off_and_block_nobody),
        cmocka_unit_test(lost_doubled_and_reordered_events_converge),
        cmocka_unit_test(a_restart_sends_nothing_when_nothing_changed),
        cmocka_unit_test(what_changed_during_a_restart_is_repaired_after_it),
        cmocka_unit_test(nothing_is_stopped_on_hosts_not_heard_from),
        cmocka_unit_test(a_host_that_acknowledges_and_dies_is_noticed),
        cmocka_unit_test(hosts_that_cannot_run_an_image_are_left_out),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]); /* RIG_VERBOSE=1 shows what happens */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
