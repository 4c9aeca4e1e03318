/* SPDX-License-Identifier: Apache-2.0
 *
 * Policy in a whole control plane: what each point refuses, and that nothing changes by it.
 */
#include <stdlib.h>
#include <unistd.h>

#include "../unit/cmocka_all.h"

#include "rig.h"

#define D "default"

static char *app_text(const char *image, uint32_t instances) {
    struct buf b = BUF_INIT;
    buf_addf(
        &b,
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: shop\n  "
        "annotations: {}\n"
        "spec:\n  components:\n    - name: web\n      type: component\n      properties:\n"
        "        image: %s\n      traits:\n        - type: spreadscaler\n          properties:\n"
        "            instances: %u\n",
        image, instances);
    return buf_take(&b);
}

/* A file of rules, rewritten as tests go on. */
struct rules {
    char dir[40], path[64];
};

static void rules_write(struct rules *r, const char *text) {
    char tmp[80];
    snprintf(tmp, sizeof(tmp), "%s.new", r->path);
    FILE *f = fopen(tmp, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(rename(tmp, r->path), 0);
}

static struct rig *begin(struct rules *rules, const char *text, const char *chains,
                         const struct rig_options *o) {
    struct buf config = BUF_INIT;
    snprintf(rules->dir, sizeof(rules->dir), "/tmp/trlpolicy.XXXXXX");
    assert_non_null(mkdtemp(rules->dir));
    snprintf(rules->path, sizeof(rules->path), "%s/rules.yaml", rules->dir);
    rules_write(rules, text);
    buf_addf(&config, "policy:\n  backends:\n    house: { plugin: rules, file: %s }\n%s",
             rules->path, chains);
    struct rig_options with = *o;
    with.config = config.ptr;
    struct rig *r = rig_create(&with);
    buf_finish(&config);
    return r;
}

static void end(struct rig *r, struct rules *rules) {
    rig_destroy(r);
    unlink(rules->path);
    rmdir(rules->dir);
}

static str code_of(const struct node *reply) {
    return node_text(reply, "code", STR(""));
}

static str text_of(struct rig *r, const struct node *reply) {
    struct buf b = BUF_INIT;
    struct jw w;
    jw_init(&w, &b, false);
    jw_node(&w, reply);
    str s = arena_str(&r->arena, buf_str(&b));
    buf_finish(&b);
    return s;
}

static bool says(struct rig *r, const struct node *reply, const char *needle) {
    return strstr(text_of(r, reply).ptr, needle) != NULL;
}

static const char tag_rule[] = "rules:\n"
                               "  - name: tagged\n"
                               "    match: { image: { tag: nightly } }\n"
                               "    verdict: deny\n"
                               "    message: nightly is no version\n"
                               "    remedy: name a tag\n";

static void a_denied_put_stores_nothing(void **state) {
    struct rules rules;
    (void)state;
    struct rig *r = begin(&rules, tag_rule, "  put: [house]\n", &(struct rig_options){.hosts = 1});
    char *bad = app_text("reg.example/web:nightly", 1), *good = app_text("reg.example/web:1", 1);
    const struct node *reply = rig_request(r, "trellis.api." D ".app.put", bad);
    assert_true(str_is(code_of(reply), "DENIED"));
    assert_true(says(r, reply, "nightly is no version"));
    assert_true(says(r, reply, "name a tag"));
    assert_true(says(r, reply, "\"line\":8")); /* the component that is at fault */
    reply = rig_request(r, "wadm.api." D ".model.put", bad);
    assert_true(says(r, reply, "denied by policy"));
    reply = rig_request(r, "wadm.api." D ".model.get.shop", "");
    assert_true(says(r, reply, "notfound"));
    rig_put(r, D, good);
    mem_free(bad);
    mem_free(good);
    end(r, &rules);
}

static void a_denied_deploy_changes_nothing_and_plan_tells_it(void **state) {
    struct rules rules;
    (void)state;
    struct rig *r =
        begin(&rules, tag_rule, "  deploy: [house]\n", &(struct rig_options){.hosts = 1});
    char *bad = app_text("reg.example/web:nightly", 1);
    rig_put(r, D, bad);
    rig_request(r, "trellis.api." D ".app.plan.shop", ""); /* the lattice is read now */
    rig_run(r, 5 * SECOND);
    const struct node *reply = rig_request(r, "trellis.api." D ".app.plan.shop", "");
    assert_true(says(r, reply, "\"policy\":{\"verdict\":\"deny\""));
    reply = rig_request(r, "trellis.api." D ".app.deploy.shop", "");
    assert_true(str_is(code_of(reply), "DENIED"));
    reply = rig_request(r, "wadm.api." D ".model.deploy.shop", "");
    assert_true(says(r, reply, "denied by policy: nightly is no version"));
    rig_run(r, 10 * SECOND);
    assert_int_equal(rig_commands(r, D), 0);
    reply = rig_request(r, "trellis.api." D ".policy.log", "{\"verdict\":\"deny\"}");
    assert_true(says(r, reply, "\"point\":\"deploy\""));
    assert_true(says(r, reply, "\"caller\":\"{\\\"via\\\":\\\"transport\\\"}\""));
    mem_free(bad);
    end(r, &rules);
}

/* A plan is made and told for rules that look at one: at its actions, or their numbers. */
static void rules_about_the_plan_see_it(void **state) {
    static const char *const texts[] = {
        "rules:\n  - name: many\n    points: [deploy]\n    match: { verb: scale, instances: { "
        "over: 2 } "
        "}\n    verdict: deny\n    message: too many at once\n",
        "rules:\n  - name: many\n    match: { plan: { start: { min: 1 } } }\n    verdict: deny\n"
        "    message: too many at once\n"};
    struct rules rules;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct rig *r =
            begin(&rules, texts[i], "  deploy: [house]\n", &(struct rig_options){.hosts = 1});
        char *text = app_text("reg.example/web:1", 5);
        rig_put(r, D, text);
        rig_request(r, "trellis.api." D ".app.plan.shop", ""); /* the lattice is read now */
        rig_run(r, 5 * SECOND);
        const struct node *reply = rig_request(r, "trellis.api." D ".app.deploy.shop", "");
        assert_true(str_is(code_of(reply), "DENIED"));
        assert_true(says(r, reply, "too many at once"));
        assert_int_equal(rig_commands(r, D), 0);
        mem_free(text);
        end(r, &rules);
    }
}

static const char zone_rule[] = "rules:\n"
                                "  - name: eu-only\n"
                                "    points: [place]\n"
                                "    match: { image: \"**\" }\n"
                                "    unless: { host: { labels: { zone: eu } } }\n"
                                "    verdict: deny\n"
                                "    message: the data must stay in the EU\n";

static void a_denied_place_is_left_out(void **state) {
    struct rules rules;
    static const char *const eu[] = {"zone=eu"};
    (void)state;
    struct rig *r = begin(&rules, zone_rule, "  place: [house]\n",
                          &(struct rig_options){.hosts = 3, .labels = eu, .n_labels = 1});
    char *text = app_text("reg.example/web:1", 6);
    rig_bring_up(r, D, "shop", text);
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 6);
    mem_free(text);
    end(r, &rules);
    r = begin(&rules, zone_rule, "  place: [house]\n", &(struct rig_options){.hosts = 3});
    text = app_text("reg.example/web:1", 6);
    rig_put(r, D, text);
    rig_deploy(r, D, "shop");
    rig_run(r, 10 * SECOND);
    const struct app_status *s = rig_status(r, D, "shop");
    assert_int_equal(s->type, STATUS_FAILED);
    assert_non_null(strstr(s->message.ptr, "the data must stay in the EU"));
    assert_int_equal(rig_commands(r, D), 0);
    mem_free(text);
    end(r, &rules);
}

static const char scale_rule[] = "rules:\n"
                                 "  - name: few\n"
                                 "    points: [command]\n"
                                 "    match: { instances: { over: 2 } }\n"
                                 "    verdict: deny\n"
                                 "    message: no more than two at once\n";
static const char no_rule[] = "rules:\n"
                              "  - name: nothing\n"
                              "    match: { app: nobody }\n"
                              "    verdict: deny\n"
                              "    message: never\n";

static void a_denied_command_waits_for_other_rules(void **state) {
    struct rules rules;
    (void)state;
    struct rig *r =
        begin(&rules, scale_rule, "  command: [house]\n", &(struct rig_options){.hosts = 1});
    char *text = app_text("reg.example/web:1", 5);
    rig_put(r, D, text);
    rig_deploy(r, D, "shop");
    rig_run(r, 20 * SECOND);
    const struct app_status *s = rig_status(r, D, "shop");
    assert_int_equal(s->type, STATUS_FAILED);
    assert_non_null(strstr(s->message.ptr, "no more than two at once"));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    rules_write(&rules, no_rule);
    assert_true(rig_until_type(r, D, "shop", "deployed", 30 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 5);
    mem_free(text);
    end(r, &rules);
}

static void a_later_denial_is_a_condition(void **state) {
    struct rules rules;
    (void)state;
    struct rig *r =
        begin(&rules, no_rule, "  deploy: [house]\n", &(struct rig_options){.hosts = 1});
    char *text = app_text("reg.example/web:nightly", 2);
    rig_bring_up(r, D, "shop", text);
    uint64_t before = rig_commands(r, D);
    rules_write(&rules, tag_rule);
    rig_run(r, 10 * SECOND);
    const struct app_status *s = rig_status(r, D, "shop");
    assert_int_equal(s->type, STATUS_DEPLOYED);
    assert_non_null(strstr(s->message.ptr, "nightly is no version"));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 2);
    assert_int_equal(rig_commands(r, D), before);
    rules_write(&rules, no_rule);
    rig_run(r, 10 * SECOND);
    assert_null(strstr(rig_status(r, D, "shop")->message.ptr, "nightly"));
    mem_free(text);
    end(r, &rules);
}

static void a_rule_that_stops_undeploys(void **state) {
    struct rules rules;
    struct buf stop = BUF_INIT;
    (void)state;
    struct rig *r =
        begin(&rules, no_rule, "  deploy: [house]\n", &(struct rig_options){.hosts = 1});
    char *text = app_text("reg.example/web:nightly", 2);
    rig_bring_up(r, D, "shop", text);
    buf_addf(&stop, "%s    enforce: stop\n", tag_rule);
    rules_write(&rules, stop.ptr);
    assert_true(rig_until_type(r, D, "shop", "undeployed", 30 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    buf_finish(&stop);
    mem_free(text);
    end(r, &rules);
}

static void backends_are_listed(void **state) {
    struct rules rules;
    (void)state;
    struct rig *r = begin(&rules, zone_rule,
                          "  all: [house]\n  put: [ { use: house, on_error: "
                          "allow } ]\n",
                          &(struct rig_options){.hosts = 1});
    const struct node *reply = rig_request(r, "trellis.api." D ".policy.list", "");
    assert_true(says(r, reply, "\"name\":\"house\",\"plugin\":\"rules\",\"points\":[\"place\"]"));
    end(r, &rules);
}

/* A denial is about an image: another one of the same unit is another question. */
static void a_denied_image_is_denied_alone(void **state) {
    struct rules rules;
    (void)state;
    struct rig *r =
        begin(&rules, tag_rule, "  place: [house]\n", &(struct rig_options){.hosts = 2});
    char *bad = app_text("reg.example/web:nightly", 2), *good = app_text("reg.example/web:1", 2);
    rig_put(r, D, bad);
    rig_deploy(r, D, "shop");
    rig_run(r, 10 * SECOND);
    assert_int_equal(rig_status(r, D, "shop")->type, STATUS_FAILED);
    rig_put(r, D, good);
    rig_deploy(r, D, "shop");
    assert_true(rig_until_type(r, D, "shop", "deployed", 30 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 2);
    mem_free(bad);
    mem_free(good);
    end(r, &rules);
}

static void an_update_to_a_denied_image_leaves_what_runs(void **state) {
    struct rules rules;
    (void)state;
    struct rig *r =
        begin(&rules, tag_rule, "  place: [house]\n", &(struct rig_options){.hosts = 1});
    char *bad = app_text("reg.example/web:nightly", 2), *good = app_text("reg.example/web:1", 2);
    rig_bring_up(r, D, "shop", good);
    uint64_t before = rig_commands(r, D);
    rig_put(r, D, bad);
    rig_deploy(r, D, "shop");
    rig_run(r, 20 * SECOND);
    const struct app_status *s = rig_status(r, D, "shop");
    assert_int_equal(s->type, STATUS_FAILED);
    assert_non_null(strstr(s->message.ptr, "nightly is no version"));
    assert_int_equal(rig_running(r, D, "shop-web", "reg.example/web:1"), 2);
    assert_int_equal(rig_commands(r, D), before);
    rules_write(&rules, no_rule);
    assert_true(rig_until_type(r, D, "shop", "deployed", 60 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", "reg.example/web:nightly"), 2);
    mem_free(bad);
    mem_free(good);
    end(r, &rules);
}

static struct rig *begin_script(const char *chains) {
    struct buf config = BUF_INIT;
    buf_addf(&config, "plugin_dirs: [%s, %s]\npolicy:\n%s", TEST_PLUGIN_DIR, TRELLIS_PLUGIN_DIR,
             chains);
    struct rig *r = rig_create(&(struct rig_options){.hosts = 2, .config = config.ptr});
    buf_finish(&config);
    return r;
}

/* Verdicts that nobody may keep: a start needs one of each point at the same time. */
static void verdicts_of_one_use_at_two_points(void **state) {
    (void)state;
    struct rig *r = begin_script("  place: [policy-script]\n  command: [policy-script]\n");
    char *text = app_text("reg.example/web:once", 2);
    rig_put(r, D, text);
    rig_deploy(r, D, "shop");
    assert_true(rig_until_type(r, D, "shop", "deployed", 30 * SECOND));
    mem_free(text);
    rig_destroy(r);
}

/* An answer that was under way when rules changed is no answer under the new ones. */
static void a_denial_under_old_rules_is_dropped(void **state) {
    (void)state;
    struct rig *r = begin_script("  put: [policy-script]\n"
                                 "  place: [ { plugin: policy-script, timeout_ms: 60000 } ]\n");
    char *text = app_text("reg.example/web:held", 2), *turn = app_text("reg.example/web:rotate", 2);
    rig_put(r, D, text);
    rig_deploy(r, D, "shop");
    rig_run(r, 5 * SECOND);
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 0);
    rig_put(r, D, turn);
    assert_true(rig_until_type(r, D, "shop", "deployed", 30 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", "reg.example/web:held"), 2);
    mem_free(text);
    mem_free(turn);
    rig_destroy(r);
}

/* A backend that is away when rules change says nothing about what runs. */
static void a_running_app_is_not_denied_by_a_failure(void **state) {
    (void)state;
    struct rig *r = begin_script("  deploy: [policy-script]\n");
    char *text = app_text("reg.example/web:moody", 2);
    rig_bring_up(r, D, "shop", text);
    rig_plane_stop(r);
    rig_plane_start(r);
    assert_true(rig_until_type(r, D, "shop", "deployed", 60 * SECOND));
    rig_run(r, 40 * SECOND);
    const struct node *reply = rig_request(r, "trellis.api." D ".policy.log", "");
    assert_true(says(r, reply, "in no mood"));
    reply = rig_request(r, "trellis.api." D ".app.status.shop", "");
    assert_false(says(r, reply, "in no mood"));
    mem_free(text);
    rig_destroy(r);
}

/* The app goes, and comes again, while a backend still thinks about it. */
static void an_app_comes_again_while_it_is_asked_about(void **state) {
    (void)state;
    struct rig *r = begin_script("  place: [ { plugin: policy-script, timeout_ms: 20000 } ]\n");
    char *slow = app_text("reg.example/web:hang", 2), *text = app_text("reg.example/web:1", 2);
    rig_put(r, D, slow);
    rig_deploy(r, D, "shop");
    rig_run(r, 2 * SECOND);
    rig_delete(r, D, "shop");
    rig_run(r, 2 * SECOND);
    rig_put(r, D, text);
    rig_deploy(r, D, "shop");
    assert_true(rig_until_type(r, D, "shop", "deployed", 60 * SECOND));
    rig_run(r, 30 * SECOND); /* the old question ends */
    char *more = app_text("reg.example/web:2", 4);
    rig_put(r, D, more);
    rig_deploy(r, D, "shop");
    assert_true(rig_until_type(r, D, "shop", "deployed", 60 * SECOND));
    assert_int_equal(rig_running(r, D, "shop-web", "reg.example/web:2"), 4);
    mem_free(slow);
    mem_free(text);
    mem_free(more);
    rig_destroy(r);
}

static uint64_t allowed(struct rig *r) {
    const struct node *reply = rig_request(r, "trellis.api." D ".policy.list", "");
    return node_u64_or(node_get(node_get(reply, "data"), "decisions"), "allow", 0);
}

/* Rules that look at no host decide once for all of them; those that look at labels, once for hosts
 * with the same; those that name hosts, for each. */
static void what_nobody_looks_at_is_not_asked_about(void **state) {
    static const char labelled[] = "rules:\n  - name: not-there\n    points: [command]\n"
                                   "    match: { host: { labels: { zone: nowhere } } }\n"
                                   "    verdict: deny\n    message: no\n";
    static const char named[] = "rules:\n  - name: not-there\n    points: [command]\n"
                                "    match: { host: { id: \"NOBODY*\" } }\n"
                                "    verdict: deny\n    message: no\n";
    static const struct {
        const char *text;
        uint64_t decisions;
    } cases[] = {{scale_rule, 1}, {labelled, 1}, {named, 20}};
    struct rules rules;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct rig *r = begin(&rules, cases[i].text, "  command: [house]\n",
                              &(struct rig_options){.hosts = 20});
        char *text = app_text("reg.example/web:1", 20);
        rig_bring_up(r, D, "shop", text);
        assert_int_equal(rig_running(r, D, "shop-web", NULL), 20);
        assert_int_equal(allowed(r), cases[i].decisions);
        mem_free(text);
        end(r, &rules);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_denied_put_stores_nothing),
        cmocka_unit_test(a_denied_deploy_changes_nothing_and_plan_tells_it),
        cmocka_unit_test(rules_about_the_plan_see_it),
        cmocka_unit_test(a_denied_place_is_left_out),
        cmocka_unit_test(a_denied_command_waits_for_other_rules),
        cmocka_unit_test(a_later_denial_is_a_condition),
        cmocka_unit_test(a_rule_that_stops_undeploys),
        cmocka_unit_test(backends_are_listed),
        cmocka_unit_test(what_nobody_looks_at_is_not_asked_about),
        cmocka_unit_test(a_denied_image_is_denied_alone),
        cmocka_unit_test(an_update_to_a_denied_image_leaves_what_runs),
        cmocka_unit_test(verdicts_of_one_use_at_two_points),
        cmocka_unit_test(a_denial_under_old_rules_is_dropped),
        cmocka_unit_test(a_running_app_is_not_denied_by_a_failure),
        cmocka_unit_test(an_app_comes_again_while_it_is_asked_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
