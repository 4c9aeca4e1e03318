/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include <string.h>

#include "base/mem.h"
#include "plane/logs.h"

struct seen {
    uint32_t n;
    int level;
    int64_t wall_ns;
    char msg[1100], fields[1100];
};

static void copy(char *to, size_t cap, str s) {
    assert_true(s.len < cap);
    memcpy(to, s.len ? s.ptr : "", s.len);
    to[s.len] = '\0';
}

static void see(void *arg, const trl_log_record *r) {
    struct seen *x = arg;
    x->n++;
    x->level = r->level;
    x->wall_ns = r->wall_ns;
    copy(x->msg, sizeof(x->msg), r->msg);
    copy(x->fields, sizeof(x->fields), r->fields_json);
}

static void count(void *arg, int level, str msg, str fields) {
    (void)level, (void)msg, (void)fields;
    ++*(uint32_t *)arg;
}

static void more(void *arg) {
    ++*(uint32_t *)arg;
}

static void lines_are_kept_beside_where_they_go(void **state) {
    (void)state;
    struct loop *loop = loop_create_virtual(0, 1700000000123, 1);
    uint32_t told = 0, woken = 0;
    struct log to = {TRL_LOG_INFO, count, &told};
    struct logs *l = logs_create(loop, &to);
    struct seen x = {0};
    const struct log *log = logs_log(l);
    logs_watch(l, more, &woken);
    log_info(log, "hello %d", 7);
    log_debug(log, "nobody asked for that");
    log_error(log, "oh no");
    assert_int_equal(told, 2);
    assert_int_equal(woken, 2);
    assert_int_equal(logs_next(l, 0, 1, see, &x), 1);
    assert_string_equal(x.msg, "hello 7");
    assert_int_equal(x.level, TRL_LOG_INFO);
    assert_true(x.wall_ns == 1700000000123000000);
    assert_int_equal(logs_next(l, 1, 10, see, &x), 2);
    assert_string_equal(x.msg, "oh no");
    assert_int_equal(logs_next(l, 2, 10, see, &x), 2);
    logs_destroy(l);
    loop_destroy(loop);
}

static void the_ring_is_bounded_and_lines_are_cut(void **state) {
    (void)state;
    struct loop *loop = loop_create_virtual(0, 1700000000000, 1);
    struct logs *l = logs_create(loop, NULL);
    const struct log *log = logs_log(l);
    struct seen x = {0};
    char longest[3000];
    for (uint32_t i = 0; i < LOGS_LINES + 5; i++) {
        log_warn(log, "line %u", i);
    }
    assert_int_equal(logs_first(l), 6);
    assert_int_equal(logs_last(l), LOGS_LINES + 5);
    assert_int_equal(logs_next(l, 0, UINT32_MAX, see, &x), LOGS_LINES + 5);
    assert_int_equal(x.n, LOGS_LINES);
    log->sink(log->arg, TRL_LOG_INFO, STR("told"), STR("{\"a\":1}"));
    logs_next(l, LOGS_LINES + 5, 1, see, &x);
    assert_string_equal(x.fields, "{\"a\":1}");
    for (size_t i = 0; i < sizeof(longest); i += 3) { /* three bytes a character */
        memcpy(longest + i, "\xe2\x82\xac", 3);
    }
    log->sink(log->arg, TRL_LOG_INFO, str_n(longest, sizeof(longest)), STR("{\"a\":1}"));
    logs_next(l, LOGS_LINES + 6, 1, see, &x);
    assert_true(strlen(x.msg) > 500 && strlen(x.msg) % 3 == 0);
    assert_string_equal(x.fields, ""); /* half an object is none */
    logs_destroy(l);
    logs_destroy(NULL);
    loop_destroy(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_kept_beside_where_they_go),
        cmocka_unit_test(the_ring_is_bounded_and_lines_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
