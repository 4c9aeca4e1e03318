/* SPDX-License-Identifier: Apache-2.0
 *
 * store "nats-kv" against a real server: what the common suite does not ask.
 */
#include <jansson.h>
#include <stdlib.h>

#include "rig.h"

#define QUICK ",\"heartbeat_ms\":200,\"check_interval_ms\":200"

static void open_s(struct rig *r, const char *more) {
    assert_int_equal(open_as(r, &r->s, "nats-kv", more), TRL_OK);
}

/* A request to the API by the transport; the answer (owned). */
static char *api(struct rig *r, const char *subject, const char *body) {
    trl_op *op;
    char *text;
    if (!r->t.in) {
        assert_int_equal(open_as(r, &r->t, "nats", ""), TRL_OK);
    }
    op = comp_request(&r->t, subject, body, 0);
    assert_true(fake_done(op));
    assert_int_equal(op->st, TRL_OK);
    text = strdup(op->items[0].value);
    fake_op_free(op);
    return text;
}

static void api_has(struct rig *r, const char *subject, const char *body, const char *want) {
    char *text = api(r, subject, body);
    if (!strstr(text, want)) {
        fprintf(stderr, "no %s in %s\n", want, text);
    }
    assert_non_null(strstr(text, want));
    free(text);
}

static void expect(struct rig *r, const char *key, const char *want) {
    char value[64];
    trl_status st = comp_get(&r->s, key, value, sizeof(value), NULL);
    assert_int_equal(st, want ? TRL_OK : TRL_E_NOTFOUND);
    assert_string_equal(value, want ? want : "");
}

static void basics(struct rig *r) {
    uint64_t r1 = 0, r2 = 0;
    assert_int_equal(comp_put(&r->s, "a.b", "1", TRL_REV_ABSENT, &r1), TRL_OK);
    assert_int_equal(comp_put(&r->s, "a.b", "2", TRL_REV_ABSENT, NULL), TRL_E_CONFLICT);
    assert_int_equal(comp_put(&r->s, "a.b", "2", r1 + 7, NULL), TRL_E_CONFLICT);
    assert_int_equal(comp_put(&r->s, "a.b", "2", r1, &r2), TRL_OK);
    assert_true(r2 > r1);
    expect(r, "a.b", "2");
    assert_int_equal(comp_del(&r->s, "a.b", r1, NULL), TRL_E_CONFLICT);
    assert_int_equal(comp_del(&r->s, "a.b", r2, NULL), TRL_OK);
    expect(r, "a.b", NULL);
    assert_int_equal(comp_put(&r->s, "a.b", "3", TRL_REV_ABSENT, &r1), TRL_OK); /* a tombstone */
    expect(r, "a.b", "3");
    expect(r, "never", NULL);
}

static void test_basics(void **state) {
    struct rig *r = *state;
    char *info;
    NEED_SERVER();
    server_start(&r->server, JETSTREAM);
    open_s(r, "");
    basics(r);
    api_has(r, "$JS.API.STREAM.INFO.KV_trellis", "", "\"subjects\":[\"$KV.trellis.\\u003e\"]");
    api_has(r, "$JS.API.STREAM.INFO.KV_trellis", "", "\"deny_delete\":true");
    api_has(r, "$JS.API.STREAM.INFO.KV_trellis", "", "\"allow_rollup_hdrs\":true");
    api_has(r, "$JS.API.STREAM.INFO.KV_trellis", "", "\"allow_direct\":true");
    api_has(r, "$JS.API.STREAM.INFO.KV_trellis", "", "\"discard\":\"new\"");
    info = comp_info(&r->s);
    assert_non_null(strstr(info, "\"bucket\":\"trellis\""));
    assert_non_null(strstr(info, "\"state\":\"ready\""));
    assert_non_null(strstr(info, "\"drift\":[]"));
    free(info);
}

/* A bucket of somebody else: other history, no direct reads. Used as it is, and said. */
static void test_foreign_bucket(void **state) {
    struct rig *r = *state;
    NEED_SERVER();
    server_start(&r->server, JETSTREAM);
    api_has(r, "$JS.API.STREAM.CREATE.KV_other",
            "{\"name\":\"KV_other\",\"subjects\":[\"$KV.other.>\"],\"max_msgs_per_subject\":5,"
            "\"storage\":\"memory\",\"num_replicas\":1,\"retention\":\"limits\"}",
            "\"type\"");
    open_s(r, ",\"bucket\":\"other\"");
    basics(r);
    assert_int_equal(fake_logged(r->f, "allow_direct: have false, want true"), 1);
    assert_int_equal(fake_logged(r->f, "max_msgs_per_subject: have 5, want 1"), 1);
    comp_close(&r->s);
    api_has(r, "$JS.API.STREAM.CREATE.KV_no",
            "{\"name\":\"KV_no\",\"subjects\":[\"$KV.no.>\"],\"storage\":\"memory\","
            "\"num_replicas\":1,\"retention\":\"limits\"}",
            "\"type\"");
    assert_int_equal(open_as(r, &r->s, "nats-kv", ",\"bucket\":\"no\""), TRL_E_INVALID);
    assert_non_null(strstr(r->err, "is no bucket"));
}

static void test_domain(void **state) {
    struct rig *r = *state;
    NEED_SERVER();
    server_start(&r->server, "jetstream { store_dir: \"%DIR%/js\", domain: hub }\n");
    open_s(r, ",\"js_domain\":\"hub\"");
    basics(r);
    trl_op *w = comp_watch(&r->s, "a.", 0);
    assert_true(fake_items(w, 2));
    assert_string_equal(w->items[0].key, "a.b");
    assert_int_equal(w->items[1].flags, TRL_ENTRY_SYNC);
    comp_cancel(&r->s, w);
    comp_close(&r->s);
    assert_int_equal(open_as(r, &r->s, "nats-kv", ",\"js_domain\":\"nowhere\""), TRL_E_UNAVAIL);
    assert_non_null(strstr(r->err, "correct js_domain"));
}

static void test_no_jetstream(void **state) {
    struct rig *r = *state;
    NEED_SERVER();
    server_start(&r->server, "");
    assert_int_equal(open_as(r, &r->s, "nats-kv", ""), TRL_E_UNAVAIL);
    assert_non_null(strstr(r->err, "start nats-server with --jetstream"));
}

static void test_down_at_start(void **state) {
    struct rig *r = *state;
    trl_op *w;
    NEED_SERVER();
    server_start(&r->server, JETSTREAM);
    server_kill(&r->server);
    open_s(r, "");
    assert_int_equal(comp_put(&r->s, "a", "1", TRL_REV_ANY, NULL), TRL_E_UNAVAIL);
    w = comp_watch(&r->s, "", 0);
    server_start(&r->server, JETSTREAM);
    assert_true(fake_items(w, 1));
    assert_int_equal(w->items[0].flags, TRL_ENTRY_SYNC);
    assert_int_equal(comp_put(&r->s, "a", "1", TRL_REV_ANY, NULL), TRL_OK);
    assert_true(fake_items(w, 2));
    assert_string_equal(w->items[1].key, "a");
    comp_cancel(&r->s, w);
}

static size_t syncs(const trl_op *w) {
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        n += w->items[i].flags == TRL_ENTRY_SYNC;
    }
    return n;
}

struct sync_goal {
    trl_op *w;
    size_t n;
};

static int has_syncs(void *arg) {
    const struct sync_goal *g = arg;
    return syncs(g->w) >= g->n;
}

static int wait_syncs(struct rig *r, trl_op *w, size_t n) {
    struct sync_goal g = {w, n};
    return fake_run(r->f, has_syncs, &g, FAKE_PATIENCE_MS);
}

/* kill -9: acknowledged writes stay, the watch shows the state again with another SYNC. */
static void test_restart(void **state) {
    struct rig *r = *state;
    trl_op *w, *del;
    uint64_t rev = 0;
    NEED_SERVER();
    server_start(&r->server, JETSTREAM);
    open_s(r, "");
    assert_int_equal(comp_put(&r->s, "k.a", "1", TRL_REV_ANY, &rev), TRL_OK);
    assert_int_equal(comp_put(&r->s, "k.b", "1", TRL_REV_ANY, NULL), TRL_OK);
    w = comp_watch(&r->s, "k.", 0);
    assert_true(wait_syncs(r, w, 1));
    for (size_t i = 0; i < 3; i++) {
        size_t had = w->n;
        trl_op *p = fake_op(r->f);
        trl_put put = {
            .struct_size = sizeof(put), .key = trl_cstr("k.c"), .expect_rev = TRL_REV_ANY};
        server_kill(&r->server);
        r->s.s->put(r->s.in, p, &put);
        assert_true(fake_done(p));
        assert_int_equal(p->st, TRL_E_UNAVAIL);
        fake_op_free(p);
        server_start(&r->server, JETSTREAM);
        assert_true(wait_syncs(r, w, 2 + i));
        assert_int_equal(w->n - had, 3);
        assert_string_equal(w->items[had].key, "k.a");
        assert_int_equal(w->items[had].revision, rev);
        expect(r, "k.a", "1");
    }
    del = fake_op(r->f);
    r->s.s->del(r->s.in, del, trl_cstr("k.b"), TRL_REV_ANY);
    assert_true(fake_done(del));
    fake_op_free(del);
    assert_true(fake_items(w, 13));
    assert_int_equal(w->items[w->n - 1].flags, TRL_ENTRY_DELETED);
    comp_cancel(&r->s, w);
    assert_int_equal(fake_logged(r->f, "gone, with everything"), 0);
}

static void test_wiped_while_down(void **state) {
    struct rig *r = *state;
    trl_op *w;
    uint64_t rev = 0;
    size_t had;
    NEED_SERVER();
    server_start(&r->server, JETSTREAM);
    open_s(r, "");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(comp_put(&r->s, "k.a", "1", TRL_REV_ANY, &rev), TRL_OK);
    }
    w = comp_watch(&r->s, "", 0);
    assert_true(wait_syncs(r, w, 1));
    server_kill(&r->server);
    server_wipe(&r->server);
    server_start(&r->server, JETSTREAM);
    assert_true(wait_syncs(r, w, 2));
    for (size_t i = 2; i < w->n; i++) { /* after k.a and SYNC: marks only, no entry */
        assert_string_equal(w->items[i].key, "");
    }
    had = w->n;
    assert_int_equal(fake_logged(r->f, "it was gone, with everything in it"), 1);
    expect(r, "k.a", NULL);
    assert_int_equal(comp_put(&r->s, "k.a", "2", rev, NULL), TRL_E_CONFLICT);
    assert_int_equal(comp_put(&r->s, "k.a", "2", TRL_REV_ABSENT, &rev), TRL_OK);
    assert_int_equal(rev, 1);
    assert_true(fake_items(w, had + 1));
    assert_string_equal(w->items[had].key, "k.a");
    comp_cancel(&r->s, w);
}

/* The stream is deleted, or purged, under our feet. A write finds out at once; without one the look
 * from time to time does. */
static void test_wiped_while_up(void **state) {
    struct rig *r = *state;
    trl_op *w;
    NEED_SERVER();
    server_start(&r->server, JETSTREAM);
    open_s(r, QUICK);
    assert_int_equal(comp_put(&r->s, "k.a", "1", TRL_REV_ANY, NULL), TRL_OK);
    w = comp_watch(&r->s, "", 0);
    assert_true(wait_syncs(r, w, 1));
    api_has(r, "$JS.API.STREAM.DELETE.KV_trellis", "", "\"success\":true");
    assert_int_equal(comp_put(&r->s, "k.b", "1", TRL_REV_ABSENT, NULL), TRL_OK);
    assert_true(wait_syncs(r, w, 2));
    expect(r, "k.a", NULL);
    expect(r, "k.b", "1");
    api_has(r, "$JS.API.STREAM.DELETE.KV_trellis", "", "\"success\":true");
    assert_true(wait_syncs(r, w, 3));
    assert_int_equal(fake_logged(r->f, "it was gone, with everything in it"), 2);
    assert_int_equal(comp_put(&r->s, "k.c", "1", TRL_REV_ABSENT, NULL), TRL_OK);
    expect(r, "k.c", "1");
    assert_true(fake_run(r->f, has_syncs, &(struct sync_goal){w, 3}, 1000));
    api_has(r, "$JS.API.STREAM.PURGE.KV_trellis", "", "\"success\":true");
    assert_true(wait_syncs(r, w, 4));
    expect(r, "k.c", NULL);
    comp_cancel(&r->s, w);
}

/* The consumer of a watch is taken away: silence is noticed and the state comes again. */
static void test_consumer_lost(void **state) {
    struct rig *r = *state;
    trl_op *w;
    char *names, subject[128], *at, *end;
    NEED_SERVER();
    server_start(&r->server, JETSTREAM);
    open_s(r, QUICK);
    assert_int_equal(comp_put(&r->s, "k.a", "1", TRL_REV_ANY, NULL), TRL_OK);
    w = comp_watch(&r->s, "", 0);
    assert_true(wait_syncs(r, w, 1));
    names = api(r, "$JS.API.CONSUMER.NAMES.KV_trellis", "");
    at = strstr(names, "\"consumers\":[\"");
    assert_non_null(at);
    at += strlen("\"consumers\":[\"");
    end = strchr(at, '"');
    assert_non_null(end);
    *end = '\0';
    snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.DELETE.KV_trellis.%s", at);
    free(names);
    api_has(r, subject, "", "\"success\":true");
    assert_true(wait_syncs(r, w, 2));
    assert_int_equal(w->n, 4);
    assert_int_equal(comp_put(&r->s, "k.b", "1", TRL_REV_ANY, NULL), TRL_OK);
    assert_true(fake_items(w, 5));
    comp_cancel(&r->s, w);
    api_has(r, "$JS.API.CONSUMER.NAMES.KV_trellis", "", "\"consumers\":[]");
}

/* A full watcher: the server waits too (flow control), nothing is lost, in order. */
static void test_back_pressure(void **state) {
    enum { MANY = 2000 };
    struct rig *r = *state;
    trl_op *w, *list, **puts = calloc(MANY, sizeof(*puts));
    char *value = malloc(4001);
    NEED_SERVER();
    memset(value, 'v', 4000);
    value[4000] = '\0';
    server_start(&r->server, JETSTREAM);
    open_s(r, QUICK);
    for (int i = 0; i < MANY; i++) {
        char key[32];
        trl_put p = {.struct_size = sizeof(p), .expect_rev = TRL_REV_ABSENT};
        snprintf(key, sizeof(key), "bp.%d", i);
        p.key = trl_cstr(key);
        p.value.ptr = value;
        p.value.len = 4000;
        puts[i] = fake_op(r->f);
        r->s.s->put(r->s.in, puts[i], &p);
    }
    for (int i = 0; i < MANY; i++) {
        assert_true(fake_done(puts[i]));
        assert_int_equal(puts[i]->st, TRL_OK);
        fake_op_free(puts[i]);
    }
    w = fake_op(r->f);
    w->room = 10;
    r->s.s->watch(r->s.in, w, trl_cstr("bp."), 0);
    list = fake_op(r->f);
    list->room = 0;
    r->s.s->list(r->s.in, list, trl_cstr("bp."), trl_cstr(""), 0);
    assert_true(fake_items(w, 10));
    assert_false(fake_run(r->f, has_syncs, &(struct sync_goal){w, 1}, 1500)); /* heartbeats pass */
    while (w->n < MANY + 1) {
        w->room += 300;
        r->s.s->resume(r->s.in, w);
        assert_true(fake_items(w, w->room < MANY + 1 ? w->room : MANY + 1));
    }
    assert_int_equal(w->items[MANY].flags, TRL_ENTRY_SYNC);
    for (int i = 1; i < MANY; i++) {
        assert_true(w->items[i].revision > w->items[i - 1].revision);
    }
    list->room = SIZE_MAX;
    r->s.s->resume(r->s.in, list);
    assert_true(fake_done(list));
    assert_int_equal(list->n, MANY);
    fake_op_free(list);
    comp_cancel(&r->s, w);
    free(puts);
    free(value);
}

/* As another client's `kv purge`. */
static void purge_mark(struct rig *r, const char *subject) {
    trl_label headers[] = {{trl_cstr("KV-Operation"), trl_cstr("PURGE")},
                           {trl_cstr("Nats-Rollup"), trl_cstr("sub")}};
    trl_msg m = {.struct_size = sizeof(m), .headers = headers, .n_headers = 2};
    trl_op *op = fake_op(r->f);
    m.subject = trl_cstr(subject);
    r->t.t->request(r->t.in, op, &m);
    assert_true(fake_done(op));
    fake_op_free(op);
}

/* Until the bucket was looked at that many times: the requests are seen on the bus. */
static void wait_looks(struct rig *r, size_t n) {
    trl_op *seen = comp_sub(&r->t, "$JS.API.STREAM.INFO.KV_trellis", "");
    assert_true(
        fake_items(seen, n + 1)); /* what the last one led to is over when the next begins */
    comp_cancel(&r->t, seen);
}

static size_t resets(const trl_op *w) {
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        n += (w->items[i].flags & TRL_ENTRY_RESET) != 0;
    }
    return n;
}

/* With a history keys have more messages or fewer, but never none: a purge of some keys is told,
 * what writers do is not mistaken for one. */
static void test_purged_with_history(void **state) {
    struct rig *r = *state;
    trl_op *w, *del;
    NEED_SERVER();
    server_start(&r->server, JETSTREAM);
    open_s(r, QUICK ",\"history\":4");
    for (int i = 0; i < 6; i++) {
        assert_int_equal(comp_put(&r->s, "k.a", "1", TRL_REV_ANY, NULL), TRL_OK);
        assert_int_equal(comp_put(&r->s, "k.b", "1", TRL_REV_ANY, NULL), TRL_OK);
    }
    w = comp_watch(&r->s, "", 0);
    assert_true(wait_syncs(r, w, 1));
    del = fake_op(r->f);
    r->s.s->del(r->s.in, del, trl_cstr("k.b"), TRL_REV_ANY);
    assert_true(fake_done(del));
    fake_op_free(del);
    api_has(r, "$KV.trellis.k.c", "foreign", "\"seq\":14");
    purge_mark(r, "$KV.trellis.k.a"); /* rolls four messages up into one */
    wait_looks(r, 2);
    assert_int_equal(resets(w), 0);
    api_has(r, "$JS.API.STREAM.PURGE.KV_trellis", "{\"filter\":\"$KV.trellis.k.c\"}",
            "\"success\":true");
    assert_true(wait_syncs(r, w, 2));
    assert_int_equal(resets(w), 1);
    expect(r, "k.c", NULL);
    assert_int_equal(comp_put(&r->s, "k.c", "2", TRL_REV_ABSENT, NULL), TRL_OK);
    wait_looks(r, 2);
    assert_int_equal(resets(w), 1);
    comp_cancel(&r->s, w);
}

/* Entries of others, made as other clients make them: PURGE marks, values without our headers. */
static void test_purge_mark(void **state) {
    struct rig *r = *state;
    trl_op *w;
    NEED_SERVER();
    server_start(&r->server, JETSTREAM);
    open_s(r, "");
    api_has(r, "$KV.trellis.x.y", "foreign", "\"seq\":1");
    expect(r, "x.y", "foreign");
    w = comp_watch(&r->s, "x.", 0);
    assert_true(fake_items(w, 2));
    purge_mark(r, "$KV.trellis.x.y");
    assert_true(fake_items(w, 3));
    assert_int_equal(w->items[2].flags, TRL_ENTRY_DELETED);
    expect(r, "x.y", NULL);
    assert_int_equal(comp_put(&r->s, "x.y", "ours", TRL_REV_ABSENT, NULL), TRL_OK);
    comp_cancel(&r->s, w);
}

static char *read_example(const char *name) {
    char path[512], *text = calloc(1, 16384);
    FILE *f;
    snprintf(path, sizeof(path), "%s/plugins/nats/examples/%s", TRELLIS_SOURCE_DIR, name);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, 16383, f) > 0);
    fclose(f);
    return text;
}

/* The example, but for where the server is. */
static void open_example(struct rig *r, struct comp *c, const char *component, const char *name) {
    char *text = read_example(name), *config;
    json_t *j = json_loads(text, 0, NULL);
    char url[64];
    snprintf(url, sizeof(url), "nats://127.0.0.1:%d", r->server.port);
    json_object_set_new(j, "url", json_string(url));
    config = json_dumps(j, 0);
    assert_int_equal(comp_open(c, r->f, component, config, r->err), TRL_OK);
    free(config);
    json_decref(j);
    free(text);
}

/* The examples of the README under the permissions they name: nothing is refused. */
static void test_examples(void **state) {
    struct rig *r = *state;
    char *permissions, *conf = calloc(1, 32768), *info;
    trl_op *w, *op;
    NEED_SERVER();
    permissions = read_example("permissions.conf");
    snprintf(conf, 32768, "%s%s", JETSTREAM, permissions);
    server_start(&r->server, conf);
    open_example(r, &r->t, "nats", "transport.json");
    open_example(r, &r->s, "nats-kv", "store.json");
    assert_true(fake_wait_log(r->f, "stream trellis_events created"));
    basics(r);
    w = comp_watch(&r->s, "", 0);
    assert_true(fake_items(w, 2));
    comp_cancel(&r->s, w);
    op = fake_op(r->f);
    r->s.s->list(r->s.in, op, trl_cstr(""), trl_cstr(""), 0);
    assert_true(fake_done(op));
    assert_int_equal(op->n, 1);
    fake_op_free(op);
    comp_pub(&r->t, "wadm.status.default.app", "{}");
    op = fake_op(r->f);
    r->t.t->forget(r->t.in, op, trl_cstr("wadm.status.default.app"));
    assert_true(fake_done(op));
    assert_int_equal(op->st, TRL_OK);
    fake_op_free(op);
    op = comp_sub(&r->t, "wadm.api.>", "wadm_server");
    info = comp_info(&r->t);
    assert_non_null(strstr(info, "\"jetstream\":true"));
    assert_non_null(strstr(info, "\"instances\":2"));
    free(info);
    info = comp_info(&r->s);
    free(info);
    comp_cancel(&r->t, op);
    assert_int_equal(fake_logged(r->f, "the server refuses"), 0);
    free(permissions);
    free(conf);
}

static void test_ends(void **state) {
    struct rig *r = *state;
    trl_op *ops[60], *watch, *list;
    NEED_SERVER();
    server_start(&r->server, JETSTREAM);
    open_s(r, "");
    watch = comp_watch(&r->s, "", 0);
    list = fake_op(r->f);
    r->s.s->list(r->s.in, list, trl_cstr(""), trl_cstr(""), 0);
    for (int i = 0; i < 60; i++) {
        trl_put p = {.struct_size = sizeof(p), .key = trl_cstr("e"), .expect_rev = TRL_REV_ANY};
        ops[i] = fake_op(r->f);
        if (i % 3 == 0) {
            r->s.s->get(r->s.in, ops[i], trl_cstr("e"));
        } else if (i % 3 == 1) {
            r->s.s->put(r->s.in, ops[i], &p);
        } else {
            r->s.s->info(r->s.in, ops[i]);
        }
    }
    comp_close(&r->s);
    for (int i = 0; i < 60; i++) {
        assert_true(ops[i]->done);
        fake_op_free(ops[i]);
    }
    assert_int_equal(watch->st, TRL_E_CANCELLED);
    fake_op_free(watch);
    fake_op_free(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_basics, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_bucket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_domain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_jetstream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_down_at_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wiped_while_down, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wiped_while_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_consumer_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_back_pressure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_purge_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_purged_with_history, setup, teardown),
        cmocka_unit_test_setup_teardown(test_examples, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
