/* SPDX-License-Identifier: Apache-2.0
 *
 * One deployment, one trace: whoever asks for it finds the call, what judged it, the plans, the
 * commands and what hosts reported, all connected.
 */
#include "../unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define D     "default"
#define GIVEN "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static const char APP[] =
    "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: shop\n  annotations:\n"
    "    description: test\nspec:\n"
    "  components:\n    - name: web\n      type: component\n      properties:\n"
    "        image: reg.example/web:1\n        config:\n          - name: greeting\n"
    "            properties:\n              text: hello\n      traits:\n"
    "        - type: spreadscaler\n          properties:\n            instances: 2\n"
    "    - name: http\n      type: capability\n      properties:\n"
    "        image: reg.example/http:1\n      traits:\n        - type: link\n"
    "          properties:\n            namespace: wasi\n            package: http\n"
    "            interfaces: [incoming-handler]\n            target:\n              name: web\n";

static const struct node *trace_of(struct rig *r, const char *id) {
    char body[64];
    snprintf(body, sizeof(body), "{\"trace\":\"%s\"}", id ? id : "");
    const struct node *n = rig_request(r, "trellis.api.default.trace.get.shop", id ? body : "");
    assert_true(str_is(node_text(n, "result", STR("")), "ok"));
    return node_get(n, "data");
}

static str text(const struct node *n, const char *key) {
    return node_text(n, key, STR(""));
}

static const struct node *attribute(const struct node *span, const char *key) {
    return node_get(node_get(span, "attributes"), key);
}

static const struct node *span_of(const struct node *trace, const char *name) {
    const struct node *list = node_get(trace, "spans");
    for (uint32_t i = 0; i < list->n; i++) {
        if (str_is(text(list->items[i], "name"), name)) {
            return list->items[i];
        }
    }
    return NULL;
}

static const struct node *by_id(const struct node *trace, str id) {
    const struct node *list = node_get(trace, "spans");
    for (uint32_t i = 0; id.len && i < list->n; i++) {
        if (str_eq(text(list->items[i], "span"), id)) {
            return list->items[i];
        }
    }
    return NULL;
}

/* All but one have their parent in the trace; the one is what it began with, and came from
 * `parent`. */
static void assert_connected(const struct node *trace, const char *root, const char *parent) {
    const struct node *list = node_get(trace, "spans");
    uint32_t roots = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        const struct node *s = list->items[i];
        if (!by_id(trace, text(s, "parent"))) {
            assert_true(str_is(text(s, "name"), root));
            assert_true(str_is(text(s, "parent"), parent));
            roots++;
        }
    }
    assert_int_equal(roots, 1);
}

static void assert_child(const struct node *trace, const char *name, const char *of) {
    const struct node *s = span_of(trace, name);
    assert_non_null(s);
    const struct node *parent = by_id(trace, text(s, "parent"));
    assert_non_null(parent);
    assert_true(str_is(text(parent, "name"), of));
}

/* Was policy asked at that point, and it said yes? */
static bool policy_at(const struct node *trace, const char *point, const char *of) {
    const struct node *list = node_get(trace, "spans");
    bool found = false;
    for (uint32_t i = 0; i < list->n; i++) {
        const struct node *s = list->items[i], *parent = by_id(trace, text(s, "parent"));
        found |= str_is(text(s, "name"), "policy") && str_is(attribute(s, "point")->text, point) &&
                 str_is(attribute(s, "verdict")->text, "allow") && parent &&
                 str_is(text(parent, "name"), of);
    }
    return found;
}

/* The trace ids of all command records, each once. */
static uint32_t command_traces(struct rig *r, str *to, uint32_t cap) {
    const struct node *n =
        rig_request(r, "trellis.api.default.events.list.shop", "{\"limit\":1000}");
    const struct node *list = node_get(n, "data");
    uint32_t found = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        str id = text(list->items[i], "trace_id");
        bool known = !str_is(text(list->items[i], "kind"), "command");
        for (uint32_t k = 0; k < found; k++) {
            known |= str_eq(to[k], id);
        }
        if (!known) {
            assert_int_equal(id.len, 32);
            assert_true(found < cap);
            to[found++] = id;
        }
    }
    return found;
}

static void one_deployment_is_one_connected_trace(void **state) {
    (void)state;
    struct rig *r = rig_create(&(struct rig_options){.seed = 42, .hosts = 3});
    rig_put(r, D, APP);
    rig_deploy(r, D, "shop");
    assert_true(rig_until_type(r, D, "shop", "deployed", 60 * SECOND));
    const struct node *t = trace_of(r, NULL);
    str ids[4];
    assert_connected(t, "model.deploy", "");
    assert_true(str_is(text(span_of(t, "model.deploy"), "kind"), "server"));
    assert_child(t, "store", "model.deploy");
    assert_child(t, "converge", "model.deploy");
    assert_child(t, "plan", "converge");
    assert_child(t, "scale", "plan");
    assert_child(t, "report", "scale");
    assert_child(t, "provider_start", "plan");
    assert_child(t, "config_put", "plan");
    assert_child(t, "link_put", "plan");
    assert_true(str_is(text(span_of(t, "scale"), "kind"), "client"));
    assert_true(attribute(span_of(t, "scale"), "host")->text.len > 0);
    assert_true(str_is(attribute(span_of(t, "scale"), "unit")->text, "shop-web"));
    assert_true(str_is(text(span_of(t, "converge"), "outcome"), "ok"));
    assert_int_equal(command_traces(r, ids, 4), 1);
    assert_true(str_eq(ids[0], text(t, "trace")));
    /* What only stores is a trace of its own. */
    const struct node *others = node_get(t, "traces");
    assert_int_equal(others->n, 2);
    char *id = str_dup(text(others->items[1], "trace"));
    t = trace_of(r, id);
    mem_free(id);
    assert_connected(t, "model.put", "");
    assert_child(t, "validate", "model.put");
    rig_destroy(r);
}

struct answer {
    bool came;
    char trace[64];
};

static void on_reply(void *arg, trl_status st, const struct bus_msg *m) {
    struct answer *a = arg;
    a->came = true;
    assert_int_equal(st, TRL_OK);
    for (uint32_t i = 0; i < m->n_headers; i++) {
        if (str_is(m->headers[i].key, "traceparent")) {
            snprintf(a->trace, sizeof(a->trace), "%.*s", PSTR(m->headers[i].value));
        }
    }
}

static bool came(void *arg) {
    return ((struct answer *)arg)->came;
}

static void ask_in_trace(struct rig *r, const char *subject, const char *trace, struct answer *a) {
    trl_label h = {STR("traceparent"), str_c(trace)};
    struct bus_msg m = {.subject = str_c(subject), .headers = &h, .n_headers = 1};
    *a = (struct answer){false, ""};
    bus_request(r->bus, &m, 5 * SECOND, on_reply, a);
    assert_true(rig_until(r, came, a, 10 * SECOND));
}

/* Whoever asks in a trace finds everything in it, also with policy between, and the answer says
 * so. */
static void the_askers_trace_goes_on(void **state) {
    (void)state;
    char dir[] = "/tmp/trltrace.XXXXXX", path[64], config[300];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/rules.yaml", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("rules:\n  - name: sites\n    match: { image: { tag: nightly } }\n    verdict: deny\n"
          "    message: nightly is no version\n",
          f);
    fclose(f);
    snprintf(config, sizeof(config),
             "policy:\n  backends:\n    house: { plugin: rules, file: %s }\n  deploy: [house]\n"
             "  command: [house]\n",
             path);
    struct rig *r = rig_create(&(struct rig_options){.seed = 43, .hosts = 3, .config = config});
    struct answer a;
    char want[40];
    rig_put(r, D, APP);
    ask_in_trace(r, "wadm.api.default.model.deploy.shop", GIVEN, &a);
    snprintf(want, sizeof(want), "%.36s", GIVEN);
    assert_int_equal(strncmp(a.trace, want, 36), 0);
    assert_true(rig_until_type(r, D, "shop", "deployed", 60 * SECOND));
    const struct node *t = trace_of(r, NULL);
    str ids[4];
    assert_true(str_is(text(t, "trace"), "4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_connected(t, "model.deploy", "00f067aa0ba902b7");
    assert_child(t, "scale", "plan");
    assert_child(t, "report", "scale");
    assert_true(policy_at(t, "deploy", "model.deploy"));
    assert_true(policy_at(t, "command", "converge"));
    assert_int_equal(command_traces(r, ids, 4), 1);
    assert_true(str_eq(ids[0], text(t, "trace")));
    rig_destroy(r);
    unlink(path);
    rmdir(dir);
}

struct judge { /* a policy service on the bus */
    struct rig *r;
    uint32_t asked;
    char traces[64][TRACE_LEN + 1];
};

static void on_question(void *arg, const struct bus_msg *m) {
    struct judge *j = arg;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    struct buf b = BUF_INIT;
    struct trace_ctx ctx;
    assert_int_equal(json_parse(m->body, &a, &n, NULL), 0);
    assert_true(trace_of_headers(m->headers, m->n_headers, &ctx));
    assert_true(j->asked < ARRAY_LEN(j->traces));
    trace_text(&ctx, j->traces[j->asked++]);
    buf_addf(&b, "{\"requestId\":\"%.*s\",\"permitted\":true}", PSTR(text(n, "requestId")));
    bus_publish(j->r->bus, &(struct bus_msg){.subject = m->reply, .body = buf_str(&b)});
    buf_finish(&b);
    arena_finish(&a);
}

/* What a policy service is asked stands below the span that tells of it. */
static void a_policy_service_is_in_the_trace(void **state) {
    (void)state;
    struct rig *r = rig_create(&(struct rig_options){
        .seed = 46,
        .hosts = 3,
        .config = "policy:\n  backends:\n    judge: { plugin: remote, topic: test.judge }\n"
                  "  deploy: [judge]\n  command: [judge]\n"});
    struct judge j = {.r = r};
    struct answer a;
    bus_subscribe(r->bus, STR("test.judge"), STR_NONE, on_question, &j);
    rig_put(r, D, APP);
    ask_in_trace(r, "wadm.api.default.model.deploy.shop", GIVEN, &a);
    assert_true(rig_until_type(r, D, "shop", "deployed", 60 * SECOND));
    const struct node *t = trace_of(r, NULL);
    assert_true(j.asked >= 4); /* two units at the deploy, then their commands */
    for (uint32_t i = 0; i < j.asked; i++) {
        assert_int_equal(strncmp(j.traces[i], GIVEN, 36), 0);
        const struct node *span = by_id(t, str_n(j.traces[i] + 36, 16));
        assert_non_null(span);
        assert_true(str_is(text(span, "name"), "policy"));
    }
    rig_destroy(r);
}

/* Not sampled by the asker: nothing is kept, the trace goes on all the same. */
static void what_is_not_sampled_is_not_kept(void **state) {
    (void)state;
    struct rig *r = rig_create(&(struct rig_options){.seed = 44, .hosts = 2});
    struct answer a;
    str ids[4];
    rig_put(r, D, APP);
    ask_in_trace(r, "wadm.api.default.model.deploy.shop",
                 "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", &a);
    assert_true(rig_until_type(r, D, "shop", "deployed", 60 * SECOND));
    const struct node *t = trace_of(r, NULL);
    assert_int_equal(node_get(t, "spans")->n, 0);
    assert_true(strcmp(a.trace + 53, "00") == 0);
    assert_int_equal(command_traces(r, ids, 4), 1);
    assert_true(str_is(ids[0], "4bf92f3577b34da6a3ce929d0e0e4736"));
    rig_destroy(r);
}

static bool runs_on_two_others(void *arg) {
    struct rig *r = arg;
    return rig_running(r, D, "shop-web", NULL) == 2 && rig_hosts_running(r, D, "shop-web") == 2;
}

/* A host dies long after: no deployment led to that. */
static void a_failed_host_begins_a_trace_that_names_the_deployment(void **state) {
    (void)state;
    struct rig *r = rig_create(&(struct rig_options){.seed = 45, .hosts = 3});
    rig_bring_up(r, D, "shop", APP);
    const struct node *t = trace_of(r, NULL);
    str deployment = text(t, "trace");
    rig_run(r, 60 * SECOND);
    world_host_crash(rig_host_running(r, D, "shop-web"), loop_now_ns(r->loop));
    assert_true(rig_until(r, runs_on_two_others, r, 300 * SECOND));
    assert_true(rig_until_type(r, D, "shop", "deployed", 60 * SECOND));
    rig_run(r, 5 * SECOND);
    t = trace_of(r, NULL);
    const struct node *newest = node_get(t, "traces")->items[0];
    assert_true(str_eq(text(t, "trace"), deployment)); /* it stays the deployment's */
    assert_true(str_is(text(newest, "name"), "reconcile"));
    char *id = str_dup(text(newest, "trace"));
    t = trace_of(r, id);
    mem_free(id);
    assert_connected(t, "reconcile", "");
    assert_true(str_eq(attribute(span_of(t, "reconcile"), "deployment")->text, deployment));
    assert_child(t, "plan", "reconcile");
    assert_child(t, "scale", "plan");
    rig_destroy(r);
}

static bool commanded(void *arg) {
    return rig_commands(arg, D) > 0;
}

/* The control plane ends between the call and what it asked for: the next one goes on. */
static void a_restart_goes_on_in_the_trace(void **state) {
    (void)state;
    struct rig *r = rig_create(&(struct rig_options){.seed = 46, .hosts = 2, .no_hosts = true});
    struct answer a;
    str ids[4];
    rig_put(r, D, APP);
    ask_in_trace(r, "wadm.api.default.model.deploy.shop", GIVEN, &a);
    rig_plane_stop(r);
    rig_plane_start(r);
    assert_int_equal(rig_commands(r, D), 0);
    world_start(r->world, loop_now_ns(r->loop));
    assert_true(rig_until(r, commanded, r, 120 * SECOND));
    assert_true(rig_until_type(r, D, "shop", "deployed", 120 * SECOND));
    const struct node *t = trace_of(r, NULL);
    assert_true(str_is(text(t, "trace"), "4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_child(t, "plan", "converge");
    assert_child(t, "scale", "plan");
    assert_true(text(span_of(t, "converge"), "parent").len == 16);
    assert_null(span_of(t, "model.deploy")); /* that server is gone */
    assert_int_equal(command_traces(r, ids, 4), 1);
    assert_true(str_eq(ids[0], text(t, "trace")));
    rig_destroy(r);
}

static void what_is_asked_wrongly_is_told(void **state) {
    (void)state;
    struct rig *r = rig_create(&(struct rig_options){.seed = 47, .hosts = 1});
    const struct node *n = rig_request(r, "trellis.api.default.trace.get.nobody", "");
    assert_true(str_is(text(n, "code"), "NOT_FOUND"));
    rig_put(r, D, APP);
    n = rig_request(r, "trellis.api.default.trace.get.shop", "{\"trace\":\"xyz\"}");
    assert_true(str_is(text(n, "code"), "INVALID"));
    n = rig_request(r, "trellis.api.default.trace.get.shop", "{");
    assert_true(str_is(text(n, "code"), "INVALID"));
    /* A refusal is in its trace, with the reason. */
    rig_request(r, "trellis.api.default.app.deploy.shop", "{\"version\":\"v7\"}");
    const struct node *t = trace_of(r, NULL);
    const struct node *s = span_of(t, "app.deploy");
    assert_true(str_is(text(s, "outcome"), "error"));
    assert_true(text(s, "text").len > 10);
    rig_destroy(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_deployment_is_one_connected_trace),
        cmocka_unit_test(the_askers_trace_goes_on),
        cmocka_unit_test(a_policy_service_is_in_the_trace),
        cmocka_unit_test(what_is_not_sampled_is_not_kept),
        cmocka_unit_test(a_failed_host_begins_a_trace_that_names_the_deployment),
        cmocka_unit_test(a_restart_goes_on_in_the_trace),
        cmocka_unit_test(what_is_asked_wrongly_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
