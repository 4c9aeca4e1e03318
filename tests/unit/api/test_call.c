/* SPDX-License-Identifier: Apache-2.0
 *
 * The operations in process: what extensions call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/journal.h"
#include "fix.h"

struct heard {
    uint32_t n;
    trl_status st;
    char text[4096];
};

static void on_called(void *arg, trl_status st, str json) {
    struct heard *h = arg;
    h->n++;
    h->st = st;
    snprintf(h->text, sizeof(h->text), "%.*s", PSTR(json));
}

static bool heard_it(void *arg) {
    return ((struct heard *)arg)->n > 0;
}

static trl_status call(struct fix *f, const char *operation, const char *name, const char *body,
                       struct heard *h) {
    trl_api_call c = {.struct_size = sizeof(c),
                      .operation = str_c(operation),
                      .lattice = STR("default"),
                      .name = str_c(name),
                      .body = str_c(body),
                      .caller = STR("{\"via\":\"test\"}")};
    *h = (struct heard){0};
    trl_status st = api_call(f->h.api, &c, on_called, h);
    if (st == TRL_OK) {
        assert_true(loop_run_until(f->h.loop, heard_it, h, HARNESS_TIMEOUT_NS));
        assert_int_equal(h->n, 1);
    }
    return st;
}

static void test_calls(void **state) {
    struct fix f;
    struct heard h;
    (void)state;
    setup(&f);
    assert_int_equal(call(&f, "app.put", "", manifest(&f, "shop", "v1", ""), &h), TRL_OK);
    assert_int_equal(h.st, TRL_OK);
    assert_int_equal(call(&f, "app.list", "", "", &h), TRL_OK);
    assert_non_null(strstr(h.text, "\"name\":\"shop\""));
    call(&f, "app.get", "nope", "", &h);
    assert_int_equal(h.st, TRL_E_NOTFOUND);
    call(&f, "app.put", "", "{", &h);
    assert_int_equal(h.st, TRL_E_INVALID);
    call(&f, "model.list", "", "", &h);
    assert_int_equal(h.st, TRL_OK);
    assert_true(h.text[0] == '[');
    call(&f, "model.get", "nope", "", &h);
    assert_int_equal(h.st, TRL_E_NOTFOUND);
    call(&f, "model.history", "shop", "", &h);
    assert_int_equal(h.st, TRL_E_INVALID);
    call(&f, "app.get", "", "", &h);
    assert_int_equal(h.st, TRL_E_INVALID);
    teardown(&f);
}

/* A lattice named "x.app.delete" must not become another operation. */
static void test_no_smuggling(void **state) {
    struct fix f;
    struct heard h;
    (void)state;
    setup(&f);
    assert_int_equal(call(&f, "app.nothing", "", "", &h), TRL_E_INVALID);
    assert_int_equal(call(&f, "app", "", "", &h), TRL_E_INVALID);
    assert_int_equal(call(&f, "", "", "", &h), TRL_E_INVALID);
    assert_int_equal(call(&f, "app.get", "a.b", "", &h), TRL_E_INVALID);
    assert_int_equal(call(&f, "app.get", "a b", "", &h), TRL_E_INVALID);
    assert_int_equal(call(&f, "app.get", "a>", "", &h), TRL_E_INVALID);
    assert_int_equal(call(&f, "app.get", "*", "", &h), TRL_E_INVALID);
    assert_int_equal(h.n, 0);
    teardown(&f);
}

static uint32_t said(struct fix *f, const char *subject, const char *needle) {
    uint32_t n = 0;
    harness_wait(&f->h);
    for (uint32_t i = 0; i < f->h.said.n; i++) {
        n += strcmp(f->h.said.at[i].subject, subject) == 0 &&
             strstr(f->h.said.at[i].body, needle) != NULL;
    }
    return n;
}

/* Changes are audited, also those refused; questions are not. */
static void test_audit(void **state) {
    static const char subject[] = "trellis.evt.default.audit";
    struct fix f;
    struct heard h;
    (void)state;
    setup(&f);
    call(&f, "app.put", "", manifest(&f, "shop", "v1", ""), &h);
    call(&f, "app.deploy", "nope", "", &h);
    call(&f, "app.list", "", "", &h);
    assert_int_equal(said(&f, subject, ""), 2);
    assert_int_equal(said(&f, subject,
                          "\"app\":\"shop\",\"operation\":\"app.put\",\"outcome\":"
                          "\"ok\",\"caller\":{\"via\":\"test\"}"),
                     1);
    assert_int_equal(said(&f, subject,
                          "\"app\":\"nope\",\"operation\":\"app.deploy\","
                          "\"outcome\":\"NOT_FOUND\""),
                     1);
    teardown(&f);
}

static void count_operation(void *arg, const trl_api_operation *o) {
    uint32_t *n = arg;
    n[0]++;
    n[1] += str_is(o->name, "app.delete") && (o->flags & TRL_API_CHANGES);
    n[2] += str_is(o->name, "model.get") && (o->flags & TRL_API_WADM);
}

static void test_table(void **state) {
    uint32_t n[3] = {0, 0, 0};
    (void)state;
    api_each_operation(count_operation, n);
    assert_true(n[0] >= 28);
    assert_int_equal(n[1], 1);
    assert_int_equal(n[2], 2);
}

static void keep_seq(void *arg, const struct journal_entry *e) {
    uint64_t *at = arg;
    at[0] = at[0] ? at[0] : e->seq;
    at[1] = e->seq;
    at[2]++;
}

static void test_journal_forward(void **state) {
    struct journal *j = journal_create(NULL, NULL, NULL);
    struct journal_entry e = {.json = STR("{}")};
    uint64_t first, last, loaded, at[3] = {0};
    (void)state;
    assert_true(journal_span(j, &first, &last, &loaded));
    assert_int_equal(first + last + loaded, 0);
    assert_int_equal(journal_next(j, 0, 10, keep_seq, at), 0);
    for (uint32_t i = 0; i < JOURNAL_ENTRIES + 5; i++) {
        journal_add(j, &e);
    }
    journal_span(j, &first, &last, &loaded);
    assert_int_equal(first, 6);
    assert_int_equal(last, JOURNAL_ENTRIES + 5);
    assert_int_equal(journal_next(j, 0, 10, keep_seq, at), 15);
    assert_int_equal(at[0], 6);
    assert_int_equal(at[1], 15);
    assert_int_equal(at[2], 10);
    assert_int_equal(journal_next(j, last, 10, keep_seq, at), last);
    assert_int_equal(at[2], 10);
    journal_destroy(j);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),           cmocka_unit_test(test_no_smuggling),
        cmocka_unit_test(test_audit),           cmocka_unit_test(test_table),
        cmocka_unit_test(test_journal_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
