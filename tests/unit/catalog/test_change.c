/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "catalog/change.h"
#include "catalog/version.h"

/* A head under test: every change goes through its JSON form too. */
struct fix {
    struct head *h;
    struct catalog_result r;
    enum change_act act;
    struct buf text;
};

static void apply(struct fix *f, struct change ch) {
    struct head *next = NULL;
    ch.tenant = STR("_");
    ch.lattice = STR("l");
    ch.name = STR("shop");
    f->act = change_apply(f->h ? &f->h->app : NULL, &ch, &next, &f->r);
    if (f->act == CHANGE_NOTHING) {
        assert_null(next);
        return;
    }
    head_destroy(f->h);
    f->h = NULL;
    if (f->act == CHANGE_WRITE) {
        struct err err = ERR_INIT;
        buf_clear(&f->text);
        head_write(&next->app, &f->text);
        assert_int_equal(head_parse(buf_str(&f->text), &f->h, &err), 0);
    }
    head_destroy(next);
    memset(&f->r.version, 0, sizeof(f->r.version));
    memset(&f->r.previous, 0, sizeof(f->r.previous));
}

static void put(struct fix *f, const char *version, const char *hash, bool if_changed) {
    apply(f, (struct change){.kind = CHANGE_PUT,
                             .version = str_c(version),
                             .hash = str_c(hash),
                             .fresh_uid = STR("01UID"),
                             .now_ms = 5,
                             .if_changed = if_changed});
}

static void deploy(struct fix *f, const char *version) {
    apply(f,
          (struct change){.kind = CHANGE_DEPLOY, .version = version ? str_c(version) : STR_NONE});
}

static void del(struct fix *f, const char *version) {
    apply(f,
          (struct change){.kind = CHANGE_DELETE, .version = version ? str_c(version) : STR_NONE});
}

static void settle(struct fix *f, uint64_t generation, uint32_t gone) {
    apply(f, (struct change){
                 .kind = CHANGE_SETTLE, .generation = generation, .gone = &gone, .n_gone = 1});
}

static void finish(struct fix *f) {
    head_destroy(f->h);
    buf_finish(&f->text);
}

static void test_versions(void **state) {
    struct fix f = {0};
    (void)state;
    put(&f, "v1", "h1", false);
    assert_true(f.r.first && f.r.total == 1 && f.r.n == 1);
    put(&f, "v1", "h2", false);
    assert_int_equal(f.r.code, CATALOG_EXISTS);
    put(&f, "v2", "h1", true);
    assert_int_equal(f.r.code, CATALOG_UNCHANGED);
    assert_true(str_is(f.r.version, "v1"));
    put(&f, "", "h2", false);
    assert_true(!f.r.first && f.r.total == 2 && f.r.n == 2);
    put(&f, "", "h3", false);
    assert_int_equal(f.r.code, CATALOG_EXISTS);
    del(&f, "v1");
    assert_int_equal(f.act, CHANGE_WRITE);
    put(&f, "v1", "h1", false); /* comes back at the end, with a new number */
    assert_int_equal(f.r.n, 3);
    assert_true(str_is(app_current(&f.h->app)->version, "v1"));
    del(&f, "v9");
    assert_int_equal(f.r.code, CATALOG_NO_VERSION);
    finish(&f);
}

static void test_deploy_and_take_down(void **state) {
    struct fix f = {0};
    (void)state;
    deploy(&f, NULL);
    assert_int_equal(f.r.code, CATALOG_NOT_FOUND);
    put(&f, "", "h0", false);
    put(&f, "v1", "h1", false);
    deploy(&f, "");
    assert_int_equal(f.h->app.deployed, 1);
    deploy(&f, "v9");
    assert_int_equal(f.r.code, CATALOG_NO_VERSION);
    deploy(&f, "latest");
    assert_true(f.h->app.deployed == 2 && f.h->app.n_applied == 2 && f.h->app.generation == 2);
    settle(&f, 1, 1); /* an older generation: no longer true */
    assert_int_equal(f.act, CHANGE_NOTHING);
    settle(&f, 2, 2); /* deployed: never gone */
    assert_int_equal(f.act, CHANGE_NOTHING);
    settle(&f, 2, 1);
    assert_true(f.h->app.n_applied == 1 && f.h->app.applied[0] == 2);
    del(&f, "v1");
    assert_true(f.r.was_deployed && !f.r.last && f.h->app.deployed == 0);
    assert_true(head_names(&f.h->app, 2)); /* still to be cleaned up */
    del(&f, "");
    assert_true(f.r.last && f.h->app.deleting);
    del(&f, NULL);
    assert_int_equal(f.r.code, CATALOG_NOT_FOUND);
    settle(&f, f.h->app.generation, 2);
    assert_int_equal(f.act, CHANGE_REMOVE);
    finish(&f);
}

static void test_put_while_deleting(void **state) {
    struct fix f = {0};
    (void)state;
    put(&f, "v1", "h1", false);
    deploy(&f, NULL);
    del(&f, NULL);
    assert_true(f.h->app.deleting && f.h->app.n_versions == 0 && f.h->app.n_applied == 1);
    put(&f, "v1", "h1", true);
    assert_true(f.r.first && f.r.n == 2 && f.r.total == 1);
    assert_true(!f.h->app.deleting && f.h->app.n_applied == 1 && f.h->app.deployed == 0);
    finish(&f);
}

static void test_undeploy(void **state) {
    struct fix f = {0};
    struct change undeploy = {.kind = CHANGE_UNDEPLOY};
    (void)state;
    put(&f, "v1", "h1", false);
    apply(&f, undeploy);
    assert_int_equal(f.act, CHANGE_WRITE); /* remembered once, so that the status can say so */
    apply(&f, undeploy);
    assert_int_equal(f.act, CHANGE_NOTHING);
    assert_int_equal(f.r.code, CATALOG_OK);
    deploy(&f, NULL);
    apply(&f, undeploy);
    assert_true(f.r.was_deployed && f.h->app.deployed == 0 && f.h->app.n_applied == 1);
    del(&f, NULL);
    assert_true(f.h->app.deleting);
    finish(&f);
}

static void test_refresh(void **state) {
    struct fix f = {0};
    str keys[2] = {STR("a\nns\np\nd"), STR("b\nns\np\nd")};
    (void)state;
    put(&f, "v1", "h1", false);
    apply(&f, (struct change){.kind = CHANGE_DEPLOY, .refresh = keys, .n_refresh = 2});
    apply(&f, (struct change){.kind = CHANGE_DEPLOY, .refresh = keys, .n_refresh = 1});
    assert_int_equal(f.h->app.n_refresh, 2);
    apply(&f,
          (struct change){.kind = CHANGE_SETTLE, .generation = 2, .renewed = keys, .n_renewed = 1});
    assert_true(f.h->app.n_refresh == 1 && str_eq(f.h->app.refresh[0], keys[1]));
    finish(&f);
}

static void test_history_is_bounded(void **state) {
    struct fix f = {0};
    char version[16];
    (void)state;
    put(&f, "v0", "h", false);
    deploy(&f, NULL);
    for (unsigned i = 1; i < 150; i++) {
        snprintf(version, sizeof(version), "v%u", i);
        put(&f, version, "h", false);
    }
    assert_int_equal(f.h->app.n_versions, CATALOG_KEEP_VERSIONS);
    assert_int_equal(f.h->app.versions[0].n, 1); /* deployed: kept */
    assert_int_equal(f.h->app.versions[1].n, 52);
    assert_true(str_is(app_current(&f.h->app)->version, "v149"));
    finish(&f);
}

static void test_damaged_heads(void **state) {
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"format\":2,\"uid\":\"A\",\"next\":1,\"versions\":[]}",
        "{\"format\":1,\"uid\":\"A.b\",\"next\":1,\"versions\":[]}",
        "{\"format\":1,\"uid\":\"A\",\"next\":0,\"versions\":[]}",
        "{\"format\":1,\"uid\":\"A\",\"next\":2,\"versions\":{}}",
        "{\"format\":1,\"uid\":\"A\",\"next\":2,\"versions\":[{\"n\":2,\"version\":\"\"}]}",
        "{\"format\":1,\"uid\":\"A\",\"next\":2,\"versions\":[{\"n\":1}]}",
        "{\"format\":1,\"uid\":\"A\",\"next\":2,\"versions\":[],\"deployed\":1}",
        "{\"format\":1,\"uid\":\"A\",\"next\":2,\"versions\":[],\"applied\":[\"x\"]}",
        "{\"format\":1,\"uid\":\"A\",\"next\":2,\"versions\":[],\"refresh\":[1]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct head *h = NULL;
        struct err err = ERR_INIT;
        assert_true(head_parse(str_c(bad[i]), &h, &err) < 0);
        assert_null(h);
        assert_true(err.msg[0]);
    }
}

static void test_version_record(void **state) {
    struct buf b = BUF_INIT;
    struct arena a = ARENA_INIT;
    struct version_record v, in = {3, STR("a,\"manifest\":b"), 77, 0, 7, STR("{\"a\":1}")};
    struct err err = ERR_INIT;
    (void)state;
    version_format(&in, &b);
    assert_int_equal(version_parse(buf_str(&b), &a, &v, &err), 0);
    assert_true(v.n == 3 && v.created_ms == 77 && str_eq(v.manifest, in.manifest));
    assert_true(str_eq(v.version, in.version));
    for (size_t cut = 0; cut < b.len; cut++) {
        assert_true(version_parse(str_n(b.ptr, cut), &a, &v, &err) < 0);
    }
    assert_int_equal(version_parts(VERSION_PART_BYTES), 0);
    assert_int_equal(version_parts(VERSION_PART_BYTES + 1), 2);
    arena_finish(&a);
    buf_finish(&b);
}

/* The trace of the call that changed the head last, through its JSON; old records have none. */
static void test_trace_of_the_call(void **state) {
    (void)state;
    struct fix f = {0};
    struct trace_ctx t;
    trace_parse(STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), &t);
    put(&f, "v1", "h1", false);
    assert_false(trace_known(&f.h->app.trace));
    apply(&f, (struct change){.kind = CHANGE_DEPLOY, .trace = t});
    assert_true(f.h->app.trace.lo == t.lo && f.h->app.trace.span == t.span);
    put(&f, "v2", "h2", false);
    assert_true(f.h->app.trace.lo == t.lo);
    t.lo++;
    apply(&f, (struct change){.kind = CHANGE_UNDEPLOY, .trace = t});
    assert_true(f.h->app.trace.lo == t.lo);
    deploy(&f, "v2"); /* a call that told none */
    assert_false(trace_known(&f.h->app.trace));
    head_destroy(f.h);
    buf_finish(&f.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),           cmocka_unit_test(test_deploy_and_take_down),
        cmocka_unit_test(test_trace_of_the_call),  cmocka_unit_test(test_put_while_deleting),
        cmocka_unit_test(test_undeploy),           cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_history_is_bounded), cmocka_unit_test(test_damaged_heads),
        cmocka_unit_test(test_version_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
