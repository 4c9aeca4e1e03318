/* SPDX-License-Identifier: Apache-2.0
 *
 * Two control planes on one bus and one store (the real plugins): each request is answered once, by
 * either, and both know what was written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "harness.h"
#include "plugins.h"

struct fix {
    struct loop *loop;
    struct plugins p;
    struct harness a, b;
    uint32_t n_events, events_at_reply;
    uint32_t replies, failures;
    char last[512];
};

static void on_event(void *arg, const struct bus_msg *m) {
    struct fix *f = arg;
    (void)m;
    f->n_events++;
}

static void on_answer(void *arg, trl_status st, const struct bus_msg *m) {
    struct fix *f = arg;
    f->replies++;
    f->failures += st != TRL_OK;
    f->events_at_reply = f->n_events;
    snprintf(f->last, sizeof(f->last), "%.*s", m ? (int)m->body.len : 0, m ? m->body.ptr : "");
}

static void open_side(struct fix *f, struct harness *h) {
    h->loop = f->loop;
    h->bus = f->p.bus;
    h->kv = f->p.kv;
    harness_open(h, (struct api_env){0});
    api_serve(h->api);
}

static void setup(struct fix *f) {
    *f = (struct fix){0};
    f->loop = loop_create_virtual(0, 1700000000000, 1);
    plugins_open(&f->p, f->loop);
    open_side(f, &f->a);
    open_side(f, &f->b);
    bus_subscribe(f->p.bus, STR("wadm.evt.>"), STR(""), on_event, f);
    loop_advance(f->loop, 1000000);
}

static void teardown(struct fix *f) {
    harness_close(&f->a);
    harness_close(&f->b);
    plugins_close(&f->p);
    loop_run(f->loop);
    loop_destroy(f->loop);
}

static void ask_bus(struct fix *f, const char *subject, const char *body) {
    struct bus_msg m = {.subject = str_c(subject), .body = str_c(body)};
    bus_request(f->p.bus, &m, 1000000000ll, on_answer, f);
}

#define MANIFEST(version)                                                                          \
    "{\"apiVersion\":\"core.oam.dev/v1beta1\",\"kind\":\"Application\",\"metadata\":{\"name\":"    \
    "\"shop\",\"annotations\":{\"version\":\"" version "\"}},\"spec\":{\"components\":[{\"name\":" \
    "\"web\",\"type\":\"component\",\"properties\":{\"image\":\"reg/web:1\"}}]}}"

static void test_one_answer_each(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    for (int i = 0; i < 50; i++) {
        ask_bus(&f, "wadm.api.default.model.list", "");
        ask_bus(&f, "trellis.api._.server.info", "");
    }
    loop_advance(f.loop, 2000000000ll);
    assert_int_equal(f.replies, 100);
    assert_int_equal(f.failures, 0);
    teardown(&f);
}

static void test_both_write(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    ask_bus(&f, "wadm.api.default.model.put", MANIFEST("v1"));
    ask_bus(&f, "wadm.api.default.model.put", MANIFEST("v2"));
    ask_bus(&f, "wadm.api.default.model.put", MANIFEST("v3"));
    ask_bus(&f, "wadm.api.default.model.put", MANIFEST("v4"));
    loop_advance(f.loop, 1000000);
    assert_int_equal(f.replies, 4);
    for (struct harness *h = &f.a; h; h = h == &f.a ? &f.b : NULL) {
        const struct app *a = catalog_find(h->catalog, STR("_"), STR("default"), STR("shop"));
        assert_int_equal(a->n_versions, 4);
        for (uint32_t i = 0; i < 4; i++) {
            assert_non_null(catalog_manifest(h->catalog, a, a->versions[i].n));
        }
    }
    teardown(&f);
}

static void test_event_before_reply(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    ask_bus(&f, "wadm.api.default.model.put", MANIFEST("v1"));
    loop_advance(f.loop, 1000000);
    ask_bus(&f, "wadm.api.default.model.deploy.shop", "");
    loop_advance(f.loop, 1000000);
    assert_non_null(strstr(f.last, "acknowledged"));
    assert_int_equal(f.events_at_reply, 1);
    ask_bus(&f, "wadm.api.default.model.del.shop", "");
    loop_advance(f.loop, 1000000);
    assert_int_equal(f.events_at_reply, 2);
    teardown(&f);
}

static void test_garbage(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    ask_bus(&f, "wadm.api.default", "\xff");
    ask_bus(&f, "wadm.api.default.model.put", "\xff");
    ask_bus(&f, "trellis.api.x", "");
    loop_advance(f.loop, 1000000);
    assert_int_equal(f.replies, 3);
    assert_int_equal(f.failures, 0);
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_answer_each),
        cmocka_unit_test(test_both_write),
        cmocka_unit_test(test_event_before_reply),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
