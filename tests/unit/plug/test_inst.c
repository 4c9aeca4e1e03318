/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include "base/mem.h"
#include "plug/inst_priv.h"
#include "testkit.h"

static struct tk *make(void **state) {
    return tk_create_in(*state != NULL, TEST_PLUGIN_DIR);
}

static void set(void *arg) {
    *(bool *)arg = true;
}

static void count(void *arg) {
    ++*(uint32_t *)arg;
}

static void start_that_fails(void **state) {
    struct tk *tk = make(state);
    struct plug_inst *in =
        tk_create_inst(tk, TRL_KIND_STORE, "good", "{\"start\":\"fail\"}", NULL, 0);
    assert_int_equal(tk_start(tk, in), TRL_E_UNAVAIL);
    assert_string_equal(tk_error(tk), "no luck");
    assert_false(plug_inst_ready(in));
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

struct started {
    uint32_t n;
    trl_status st;
};

static void on_started(void *arg, trl_status st, const trl_err *e) {
    struct started *s = arg;
    (void)e;
    s->n++;
    s->st = st;
}

static void start_that_takes_too_long(void **state) {
    struct tk *tk = make(state);
    struct plug_inst *in =
        tk_create_inst(tk, TRL_KIND_STORE, "good", "{\"start\":\"never\"}", NULL, 0);
    struct started s = {0, 0};
    plug_inst_start(in, 3 * TK_MS, on_started, &s);
    assert_int_equal(s.n, 0);
    assert_true(tk_until_count(tk, &s.n, 1));
    assert_int_equal(s.st, TRL_E_TIMEOUT);
    tk_close(tk, in);
    assert_int_equal(s.n, 1);
    assert_int_equal(tk_destroy(tk), 0);
}

static void stop_during_start(void **state) {
    struct tk *tk = make(state);
    struct plug_inst *in =
        tk_create_inst(tk, TRL_KIND_STORE, "good", "{\"start\":\"never\"}", NULL, 0);
    struct started s = {0, 0};
    plug_inst_start(in, 0, on_started, &s);
    tk_close(tk, in);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.st, TRL_E_CANCELLED);
    assert_int_equal(tk_destroy(tk), 0);
}

static void stop_and_destroy_without_start(void **state) {
    struct tk *tk = make(state);
    tk_close(tk, tk_create_inst(tk, TRL_KIND_STORE, "good", NULL, NULL, 0));
    struct plug_inst *in = NULL;
    assert_int_equal(
        plug_inst_create(tk_plug(tk), TRL_KIND_STORE, "good", STR_NONE, NULL, 0, &in, NULL), 0);
    plug_inst_destroy(in);
    plug_inst_destroy(NULL);
    assert_int_equal(tk_destroy(tk), 0);
}

static void stop_twice_tells_both(void **state) {
    struct tk *tk = make(state);
    struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    uint32_t told = 0;
    plug_inst_stop(in, count, &told);
    plug_inst_stop(in, count, &told);
    assert_int_equal(told, 0);
    assert_true(tk_until_count(tk, &told, 2));
    plug_inst_stop(in, count, &told); /* it is stopped already */
    assert_true(tk_until_count(tk, &told, 3));
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

static void a_hundred_lives(void **state) {
    struct tk *tk = make(state);
    for (int i = 0; i < 100; i++) {
        struct plug_inst *a = tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
        struct plug_inst *b = tk_open(tk, TRL_KIND_TRANSPORT, "good", NULL, NULL, 0);
        tk_close(tk, a);
        tk_close(tk, b);
    }
    assert_int_equal(tk_destroy(tk), 0);
}

static void two_planes_in_one_process(void **state) {
    struct tk *one = make(state), *two = make(state);
    struct plug_inst *a = tk_open(one, TRL_KIND_STORE, "good", NULL, NULL, 0);
    struct plug_inst *b = tk_open(two, TRL_KIND_STORE, "good", NULL, NULL, 0);
    assert_ptr_not_equal(plug_inst_raw(a), plug_inst_raw(b));
    tk_close(one, a);
    assert_int_equal(tk_destroy(one), 0);
    assert_true(plug_inst_ready(b));
    tk_close(two, b);
    assert_int_equal(tk_destroy(two), 0);
}

/* The host's services, used as a plugin does. */

static void timers(void **state) {
    struct tk *tk = make(state);
    struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    const trl_host_loop_v1 *l = in->host.get_interface(in->host.ctx, TRL_HOST_LOOP_V1);
    uint32_t fired = 0, dead = 0;
    uint64_t a = l->timer_start(in->host.ctx, TK_MS, count, &fired);
    uint64_t b = l->timer_start(in->host.ctx, TK_MS, count, &dead);
    assert_true(a > 0 && b > 0 && a != b);
    l->timer_stop(in->host.ctx, b);
    l->timer_stop(in->host.ctx, b);
    l->timer_stop(in->host.ctx, 0);
    l->timer_stop(in->host.ctx, UINT64_MAX);
    assert_true(tk_until_count(tk, &fired, 1));
    uint64_t c = l->timer_start(in->host.ctx, TK_MS, count, &fired);
    l->timer_stop(in->host.ctx, a); /* a dead id does not hit whoever has its place now */
    l->timer_stop(in->host.ctx, b);
    assert_true(c != a && c != b);
    assert_true(tk_until_count(tk, &fired, 2));
    l->timer_start(in->host.ctx, TK_MS, count, &dead); /* the stop below comes first */
    assert_int_equal(dead, 0);
    uint64_t r = l->random(in->host.ctx);
    assert_true(r != l->random(in->host.ctx));
    assert_true(l->wall_ms(in->host.ctx) > 1600000000000ll);
    assert_true(in->host.now_ns(in->host.ctx) > 0);
    tk_close(tk, in);
    assert_int_equal(dead, 0);
    assert_int_equal(tk_destroy(tk), 0);
}

struct work {
    uint32_t worked, done;
};

static void do_work(void *arg) {
    ((struct work *)arg)->worked = 1;
}
static void work_done(void *arg) {
    struct work *w = arg;
    w->done = w->worked;
}

static void work_and_posts(void **state) {
    struct tk *tk = make(state);
    struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    const trl_host_work_v1 *work = in->host.get_interface(in->host.ctx, TRL_HOST_WORK_V1);
    struct work w[50];
    uint32_t posts = 0;
    memset(w, 0, sizeof(w));
    assert_int_equal(work->queue(in->host.ctx, do_work, work_done, &w[0]), TRL_OK);
    assert_true(tk_until_count(tk, &w[0].done, 1));
    for (int i = 1; i < 50; i++) {
        work->queue(in->host.ctx, do_work, work_done, &w[i]);
        in->host.post(in->host.ctx, count, &posts);
    }
    assert_int_equal(posts, 0);
    tk_close(tk, in); /* done always runs, and so does what was posted */
    for (int i = 0; i < 50; i++) {
        assert_int_equal(w[i].done, 1);
    }
    assert_int_equal(posts, 49);
    assert_int_equal(tk_destroy(tk), 0);
}

static void nothing_after_stop(void **state) {
    struct tk *tk = make(state);
    struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    const trl_host_loop_v1 *l = in->host.get_interface(in->host.ctx, TRL_HOST_LOOP_V1);
    const trl_host_work_v1 *work = in->host.get_interface(in->host.ctx, TRL_HOST_WORK_V1);
    uint32_t told = 0, late = 0;
    plug_inst_stop(in, count, &told);
    assert_true(tk_until_count(tk, &told, 1));
    assert_int_equal(in->host.post(in->host.ctx, count, &late), TRL_E_CLOSED);
    assert_int_equal(work->queue(in->host.ctx, count, count, &late), TRL_E_CLOSED);
    assert_int_equal(l->timer_start(in->host.ctx, 0, count, &late), 0);
    in->host.log(in->host.ctx, TRL_LOG_INFO, STR("still allowed"), STR_NONE);
    tk_settle(tk);
    assert_int_equal(late, 0);
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

static void logs_name_the_instance(void **state) {
    struct tk *tk = make(state);
    struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    in->host.log(in->host.ctx, TRL_LOG_WARN, STR("hot"), STR_NONE);
    assert_true(tk_logged(tk, "1 store/1 'good' (test.good 1.2.3): hot"));
    const trl_store_v1 *t = plug_inst_table(in);
    trl_op *op = op_begin(in, 0, &(struct op_handler){0});
    t->get(in->raw, op, STR("work")); /* logs from a pool thread */
    tk_close(tk, in);
    assert_true(tk_logged(tk, "2 store/1 'good' (test.good 1.2.3): on a thread"));
    assert_int_equal(tk_destroy(tk), 0);
}

static void interfaces_of_the_core(void **state) {
    struct tk *tk = make(state);
    static const uint32_t table = 4;
    int owner;
    struct plug_iface f[] = {{TRL_HOST_OBSERVE_V1, &table, &owner}};
    struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, "good", NULL, f, 1);
    void *ctx = in->host.ctx;
    assert_ptr_equal(in->host.get_interface(ctx, TRL_HOST_OBSERVE_V1), &table);
    assert_null(in->host.get_interface(ctx, TRL_HOST_TRANSPORT_V1));
    assert_null(in->host.get_interface(ctx, "host.loop/1x"));
    assert_null(in->host.get_interface(ctx, NULL));
    assert_ptr_equal(plug_iface_ctx(ctx, TRL_HOST_OBSERVE_V1), &owner);
    assert_null(plug_iface_ctx(ctx, TRL_HOST_TRANSPORT_V1));
    assert_ptr_equal(plug_inst_of(ctx), in);
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

/* Destroys what was given up, for tk_close would complain of what it leaves behind. */
static void a_stuck_plugin_is_given_up(void **state) {
    struct tk *tk = make(state);
    if (!*state) { /* five seconds of grace: on the virtual clock only */
        assert_int_equal(tk_destroy(tk), 0);
        return;
    }
    struct plug_inst *in = NULL;
    struct started s = {0, 0};
    bool stopped = false;
    assert_int_equal(
        plug_inst_create(tk_plug(tk), TRL_KIND_STORE, "stuck", STR_NONE, NULL, 0, &in, NULL), 0);
    plug_inst_start(in, 0, on_started, &s);
    assert_true(tk_until_count(tk, &s.n, 1));
    struct op_handler h = {0};
    trl_op *op = op_begin(in, 0, &h);
    const trl_store_v1 *t = plug_inst_table(in);
    t->watch(plug_inst_raw(in), op, STR("x"), 0);
    trl_host host = in->host;
    int64_t before = loop_now_ns(tk_loop(tk));
    plug_inst_stop(in, set, &stopped);
    assert_true(tk_until_set(tk, &stopped));
    assert_true(loop_now_ns(tk_loop(tk)) - before >= 5000 * TK_MS);
    assert_true(tk_logged(tk, "an operation left unfinished after 5000 ms"));
    assert_true(tk_logged(tk, "stop left unfinished after 5000 ms"));
    assert_true(tk_logged(tk, "it is given up and stays mapped"));
    plug_inst_destroy(in);
    trl_bytes none = {NULL, 0};
    assert_int_equal(host.op_done(op, TRL_OK, none, NULL), TRL_E_CLOSED); /* years later */
    assert_int_equal(host.post(host.ctx, set, &stopped), TRL_E_CLOSED);
    assert_int_equal(tk_destroy(tk), 0);
}

#define BOTH(f)                                                                                    \
    {#f " (uv)", f, NULL, NULL, NULL}, {                                                           \
#f " (virtual)", f, NULL, NULL, &virtual_kind                                              \
    }

int main(void) {
    static int virtual_kind;
    const struct CMUnitTest tests[] = {
        BOTH(start_that_fails),
        BOTH(start_that_takes_too_long),
        BOTH(stop_during_start),
        BOTH(stop_and_destroy_without_start),
        BOTH(stop_twice_tells_both),
        BOTH(a_hundred_lives),
        BOTH(two_planes_in_one_process),
        BOTH(timers),
        BOTH(work_and_posts),
        BOTH(nothing_after_stop),
        BOTH(logs_name_the_instance),
        BOTH(interfaces_of_the_core),
        BOTH(a_stuck_plugin_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
