/* SPDX-License-Identifier: Apache-2.0 */
#include "simtest.h"

#include <signal.h>
#include <unistd.h>

#include "sim/inputs.h"

struct got {
    char lines[400];
    uint32_t n, signals, want;
};

static void on_line(void *arg, str line) {
    struct got *g = arg;
    size_t len = strlen(g->lines);
    snprintf(g->lines + len, sizeof(g->lines) - len, "%.*s|", line.len > 100 ? 3 : (int)line.len,
             line.ptr);
    g->n++;
}

static void on_signal(void *arg) {
    struct got *g = arg;
    g->signals++;
    g->n++;
}

static bool enough(void *arg) {
    struct got *g = arg;
    return g->n >= g->want;
}

static void put(int fd, const char *text) {
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void test_lines_and_signals(void **state) {
    struct got g = {.want = 3};
    struct inputs_to to = {on_line, on_signal, &g};
    int p[2];
    (void)state;
    inputs_block_signals();
    struct loop *l = loop_create_uv(1);
    assert_int_equal(pipe(p), 0);
    struct inputs *in = inputs_create(l, p[0], &to);
    assert_non_null(in);
    put(p[1], "one\ntw");
    put(p[1], "o\n\nhalf");
    assert_true(loop_run_until(l, enough, &g, 10 * S));
    assert_string_equal(g.lines, "one|two||");
    close(p[1]); /* the end of input is not the end of the program */
    g.want = 4;
    kill(getpid(), SIGTERM);
    assert_true(loop_run_until(l, enough, &g, 10 * S));
    assert_int_equal(g.signals, 1);
    inputs_destroy(in);
    close(p[0]);
    loop_destroy(l);
}

static void test_long_line_is_left_out(void **state) {
    struct got g = {.want = 1};
    struct inputs_to to = {on_line, on_signal, &g};
    static char big[200001];
    int p[2];
    (void)state;
    struct loop *l = loop_create_uv(1);
    assert_int_equal(pipe(p), 0);
    struct inputs *in = inputs_create(l, p[0], &to);
    memset(big, 'x', sizeof(big) - 1);
    put(p[1], big);
    put(p[1], "\nend\n");
    assert_true(loop_run_until(l, enough, &g, 10 * S));
    assert_string_equal(g.lines, "end|");
    put(p[1], "more\n");
    inputs_destroy(in); /* with something under way */
    close(p[0]);
    close(p[1]);
    loop_destroy(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines_and_signals),
                                       cmocka_unit_test(test_long_line_is_left_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
