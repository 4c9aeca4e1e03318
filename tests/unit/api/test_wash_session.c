/* SPDX-License-Identifier: Apache-2.0
 *
 * Recorded sessions of wash with a real wadm, replayed: the same requests must get the same
 * replies. The engine says what the recorded wadm published as status. Needs TRELLIS_FIXTURES.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../catalog/fake_kv.h"
#include "fake_bus.h"
#include "harness.h"
#include "recorded.h"

struct session {
    struct harness h;
    struct fake_store store;
    struct map asked;    /* recorded inbox -> the recorded request's line (owned) */
    struct map versions; /* generated version of the recording -> ours (owned string) */
    uint32_t replies, published, unpublished; /* of the recording */
    int line;
};

static void request(struct session *s, const struct node *m, struct reply *r) {
    struct buf body = BUF_INIT;
    const char *type = NULL;
    const struct node *headers = node_get(m, "headers");
    char *subject = str_dup(node_text(m, "subject", STR("")));
    char *header = str_dup(node_text(headers, "Content-Type", STR("")));
    write_body(node_get(m, "data"), &body);
    translate(&s->versions, &body);
    type = header[0] ? header : NULL;
    ask_typed(&s->h, subject, type, buf_str(&body), r);
    buf_finish(&body);
    mem_free(header);
    mem_free(subject);
}

/* Deployed, and no status published yet: wadm says "undeployed" for a moment, we say "waiting". */
static bool same_early_status(const struct node *theirs, const struct node *ours) {
    const struct node *a = node_get(node_get(theirs, "status"), "status");
    const struct node *b = node_get(node_get(ours, "status"), "status");
    return a && b && a->n == 1 && str_is(node_text(a, "type", STR("")), "undeployed") &&
           str_is(node_text(b, "type", STR("")), "waiting");
}

/* The request is made when its reply was recorded: some were answered by nobody. */
static void compare(struct session *s, const struct node *m) {
    char *asked = map_del(&s->asked, node_text(m, "subject", STR("")));
    struct buf text = BUF_INIT;
    struct arena a = ARENA_INIT;
    struct node *question = NULL, *theirs = NULL;
    struct reply r = {0};
    assert_non_null(asked);
    assert_int_equal(json_parse(str_c(asked), &a, &question, NULL), 0);
    request(s, question, &r);
    learn_version(&s->versions, node_get(m, "data"), r.root);
    write_body(node_get(m, "data"), &text);
    translate(&s->versions, &text);
    assert_int_equal(json_parse(buf_str(&text), &a, &theirs, NULL), 0);
    if (!same(theirs, r.root) && !same_put_note(theirs, r.root) &&
        !same_early_status(theirs, r.root)) {
        fail_msg("line %d, %.*s\n  wadm: %s\n  ours: %s", s->line,
                 PSTR(node_text(m, "in_reply_to", STR(""))), text.ptr, r.text);
    }
    s->replies++;
    arena_finish(&a);
    buf_finish(&text);
    reply_finish(&r);
    mem_free(asked);
}

static enum status_type read_type(const struct node *status) {
    str name = node_text(status, "type", STR(""));
    for (int t = STATUS_FAILED; t <= STATUS_DEPLOYED; t++) {
        if (str_is(name, status_type_name((enum status_type)t))) {
            return (enum status_type)t;
        }
    }
    fail_msg("status type %.*s", PSTR(name));
    return STATUS_FAILED;
}

static void publish_status(struct session *s, str app, const struct node *data) {
    struct app_status *x = mem_zalloc(sizeof(*x));
    const struct node *info = node_get(data, "status"), *list = node_get(data, "scalers");
    x->type = read_type(info);
    x->message = arena_str(&x->arena, node_text(info, "message", STR("")));
    x->n_scalers = list ? list->n : 0;
    x->scalers = ARENA_ARRAY(&x->arena, struct scaler_status, x->n_scalers + 1);
    for (uint32_t i = 0; i < x->n_scalers; i++) {
        const struct node *o = list->items[i];
        struct scaler_status *y = &x->scalers[i];
        y->id = arena_str(&x->arena, node_text(o, "id", STR("")));
        y->kind = arena_str(&x->arena, node_text(o, "kind", STR("")));
        y->name = arena_str(&x->arena, node_text(o, "name", STR("")));
        y->type = read_type(node_get(o, "status"));
        y->message = arena_str(&x->arena, node_text(node_get(o, "status"), "message", STR("")));
    }
    harness_wanted(&s->h, STR("_"), STR("default"));
    struct reply r = {0};
    char subject[128];
    fake_engine_set(harness_find(&s->h, STR("_"), STR("default")), app, x);
    snprintf(subject, sizeof(subject), "wadm.api.default.model.status.%.*s", PSTR(app));
    ask(&s->h, subject, "", &r);
    assert_true(same(data, node_get(r.root, "status")));
    reply_finish(&r);
}

static void step(void *arg, const struct node *m, str line) {
    struct session *s = arg;
    str subject = node_text(m, "subject", STR("")), to = node_text(m, "in_reply_to", STR(""));
    str rest;
    s->line++;
    bool by_wadm = str_is(node_text(m, "from", STR("")), "wadm");
    if (str_starts(subject, STR("wadm.api."))) {
        map_set(&s->asked, node_text(m, "reply", STR("")), str_dup(line));
    } else if (str_starts(to, STR("wadm.api.")) && by_wadm) {
        compare(s, m);
    } else if (str_starts(to, STR("wadm.api."))) { /* no responders: nobody was there */
        mem_free(map_del(&s->asked, subject));
    } else if (str_starts(subject, STR("wadm.status.default."))) {
        rest = str_skip(subject, strlen("wadm.status.default."));
        publish_status(s, rest, node_get(m, "data"));
    }
    s->published += str_ends(subject, STR(".manifest_published")) && by_wadm;
    s->unpublished += str_ends(subject, STR(".manifest_unpublished")) && by_wadm;
}

static uint32_t count_said(const struct session *s, const char *what) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->h.said.n; i++) {
        n += str_ends(str_c(s->h.said.at[i].subject), str_c(what));
    }
    return n;
}

static void replay(const char *name, uint32_t replies, uint32_t silent) {
    struct session s = {0};
    if (!getenv("TRELLIS_FIXTURES")) {
        skip();
    }
    s.store.loop = s.h.loop = loop_create_virtual(0, 1700000000000, 1);
    s.h.kv = fake_kv(&s.store);
    s.h.bus = fake_bus(s.h.loop);
    s.h.keep_status = true;
    harness_open(&s.h, (struct api_env){0});
    assert_true(recorded_each(name, step, &s));
    assert_int_equal(s.replies, replies);
    assert_int_equal(count_said(&s, ".manifest_published"), s.published);
    /* wadm also takes an app down when an unknown version of it is deleted. */
    assert_int_equal(count_said(&s, ".manifest_unpublished") + silent, s.unpublished);
    for (uint32_t i = 0; i < s.versions.n; i++) {
        mem_free(s.versions.at[i].value);
    }
    assert_int_equal(s.asked.n, 0); /* every request was answered */
    map_finish(&s.asked);
    map_finish(&s.versions);
    harness_close(&s.h);
    kv_destroy(s.h.kv);
    bus_destroy(s.h.bus);
    loop_run(s.h.loop);
    loop_destroy(s.h.loop);
    fake_store_finish(&s.store);
}

static void test_wash_44(void **state) {
    (void)state;
    replay("B-wash-app", 124, 4);
}

static void test_wash_43(void **state) {
    (void)state;
    replay("B2-wash-0.43", 124, 4);
}

static void test_deploy(void **state) {
    (void)state;
    replay("C1-deploy", 19, 0);
}

static void test_two_apps(void **state) {
    (void)state;
    replay("L-two-apps", 38, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wash_44),
        cmocka_unit_test(test_wash_43),
        cmocka_unit_test(test_deploy),
        cmocka_unit_test(test_two_apps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
