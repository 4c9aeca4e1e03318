/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit in the memory store: bounded by bytes and age, with two writers, and with more records
 * at once than one value of a store can hold.
 */
#include "../cmocka_all.h"

#include <trellis/kind/policy.h>

#include "base/mem.h"
#include "codec/json.h"
#include "plug/kv.h"
#include "policy/audit.h"
#include "testkit.h"

struct fix {
    struct tk *tk;
    struct plug_inst *store;
    struct kv *kv;
    bool done;
    uint32_t keys;
    size_t bytes, largest;
    uint32_t n; /* records read */
};

static void setup(struct fix *f) {
    *f = (struct fix){0};
    f->tk = tk_create(true);
    f->store = tk_open(f->tk, TRL_KIND_STORE, "memory", NULL, NULL, 0);
    f->kv = kv_create(f->store);
}

static void teardown(struct fix *f) {
    tk_settle(f->tk);
    kv_destroy(f->kv);
    tk_close(f->tk, f->store);
    assert_int_equal(tk_destroy(f->tk), 0);
}

static struct audit *open_audit(struct fix *f, int64_t age_ms, uint64_t bytes) {
    return audit_create(tk_loop(f->tk), f->kv, NULL, &(struct audit_limits){age_ms, bytes});
}

/* n denials, each of about that many bytes. */
static void add(struct audit *a, uint32_t n, size_t bytes) {
    struct ruling *r = ruling_new();
    char *text = mem_alloc(bytes + 1);
    memset(text, 'x', bytes);
    ruling_add(r, STR("one"), TRL_V_DENY, 0, TRL_TTL_RULES, STR_NONE);
    for (uint32_t i = 0; i < n; i++) {
        struct audit_record x = {.point = TRL_POINT_PUT, .what = str_n(text, bytes), .ruling = r};
        audit_add(a, &x);
    }
    mem_free(text);
    ruling_unref(r);
}

static void on_entry(void *arg, const struct kv_entry *e) {
    struct fix *f = arg;
    f->keys++;
    f->bytes += e->value.len;
    f->largest = e->value.len > f->largest ? e->value.len : f->largest;
}

static void on_listed(void *arg, trl_status st, const trl_err *err) {
    (void)err;
    assert_int_equal(st, TRL_OK);
    ((struct fix *)arg)->done = true;
}

static void measure(struct fix *f) {
    tk_settle(f->tk);
    f->done = false;
    f->keys = 0;
    f->bytes = f->largest = 0;
    kv_list(f->kv, STR("3.audit."), STR(""), 0, on_entry, on_listed, f);
    tk_until_set(f->tk, &f->done);
}

static void on_read(void *arg, trl_status st, str json) {
    struct fix *f = arg;
    struct arena a = ARENA_INIT;
    struct node *root = NULL;
    assert_int_equal(st, TRL_OK);
    assert_int_equal(json_parse(json, &a, &root, NULL), 0);
    f->n = root->n;
    f->done = true;
    arena_finish(&a);
}

static bool is_idle(void *arg) {
    return audit_idle(arg);
}

static uint32_t records(struct fix *f, struct audit *a) {
    assert_true(tk_until(f->tk, is_idle, a));
    f->done = false;
    audit_read(a, &(struct audit_query){.limit = 100000}, on_read, f);
    tk_until_set(f->tk, &f->done);
    return f->n;
}

static void more_at_once_than_a_value_holds(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    struct audit *a = open_audit(&f, 0, 0);
    add(a, 3000, 1000); /* while the store has not answered yet */
    assert_int_equal(records(&f, a), 3000);
    measure(&f);
    assert_true(f.largest < 32768);
    add(a, 1, 300000); /* no store would take it: it does not hold up the others */
    add(a, 1, 10);
    assert_int_equal(records(&f, a), 3001);
    assert_true(audit_idle(a));
    add(a, 500, 1000);
    audit_destroy(a); /* the last ones too */
    a = open_audit(&f, 0, 0);
    assert_int_equal(records(&f, a), 3501);
    measure(&f);
    assert_true(f.largest < 32768);
    audit_destroy(a);
    teardown(&f);
}

static void bounded_by_bytes(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    struct audit *a = open_audit(&f, 0, 100000);
    for (uint32_t i = 0; i < 50; i++) {
        add(a, 10, 1000);
        tk_settle(f.tk);
    }
    measure(&f);
    assert_true(f.bytes <= 100000 + 32768);
    assert_true(f.bytes > 50000);
    audit_destroy(a);
    a = open_audit(&f, 0, 30000); /* what a former life left counts */
    add(a, 1, 10);
    measure(&f);
    assert_true(f.bytes <= 30000 + 32768);
    audit_destroy(a);
    teardown(&f);
}

static void bounded_by_age(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    kv_put(f.kv, STR("3.audit.0000000000001-A"), STR("[{\"ms\":1}]"), TRL_REV_ANY, NULL, NULL);
    kv_put(f.kv, STR("3.audit.0000000000002-B"), STR("[{\"ms\":2}]"), TRL_REV_ANY, NULL, NULL);
    tk_settle(f.tk);
    struct audit *a = open_audit(&f, 1000, 0);
    add(a, 1, 10);
    tk_settle(f.tk);
    measure(&f);
    assert_true(f.keys <= 2); /* the newest of the old ones may wait for the next chunk */
    audit_destroy(a);
    teardown(&f);
}

static void two_writers_keep_each_others_records(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    struct audit *a = open_audit(&f, 0, 0), *b = open_audit(&f, 0, 0);
    for (uint32_t i = 0; i < 30; i++) {
        add(a, 1, 1000);
        add(b, 1, 1000);
        tk_settle(f.tk);
    }
    assert_int_equal(records(&f, a), 60);
    assert_int_equal(records(&f, b), 60);
    audit_destroy(a);
    audit_destroy(b);
    teardown(&f);
}

static bool in_store(void *arg) {
    struct fix *f = arg;
    return f->keys > 0;
}

static void allow(struct audit *a) {
    struct ruling *r = ruling_new();
    audit_add(a, &(struct audit_record){.point = TRL_POINT_PUT, .what = STR("x"), .ruling = r});
    ruling_unref(r);
}

static void look(struct fix *f) {
    f->done = false;
    f->keys = 0;
    f->bytes = 0;
    kv_list(f->kv, STR("3.audit."), STR(""), 0, on_entry, on_listed, f);
    tk_until_set(f->tk, &f->done);
}

/* Plain allows are written together; what matters more goes at once, and takes them along. Who
 * reads the record sees all of it. */
static void plain_allows_wait_for_each_other(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    struct audit *a = open_audit(&f, 0, 0);
    look(&f); /* the past is read */
    allow(a);
    look(&f);
    assert_false(in_store(&f));
    assert_false(audit_idle(a));
    allow(a);
    loop_advance(tk_loop(f.tk), 99 * TK_MS);
    look(&f);
    assert_false(in_store(&f));
    loop_advance(tk_loop(f.tk), 2 * TK_MS);
    assert_true(tk_until(f.tk, is_idle, a));
    look(&f);
    assert_true(in_store(&f));
    size_t before = f.bytes;
    allow(a);
    add(a, 1, 10);
    assert_true(tk_until(f.tk, is_idle, a));
    look(&f);
    assert_true(f.bytes > before);
    allow(a);
    f.done = false;
    audit_read(a, &(struct audit_query){0}, on_read, &f);
    tk_until_set(f.tk, &f.done);
    assert_int_equal(f.n, 5);
    allow(a);
    audit_destroy(a);
    a = open_audit(&f, 0, 0);
    assert_int_equal(records(&f, a), 6);
    audit_destroy(a);
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_at_once_than_a_value_holds),
        cmocka_unit_test(bounded_by_bytes),
        cmocka_unit_test(bounded_by_age),
        cmocka_unit_test(plain_allows_wait_for_each_other),
        cmocka_unit_test(two_writers_keep_each_others_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
