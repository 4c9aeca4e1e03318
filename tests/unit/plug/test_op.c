/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include <pthread.h>

#include "base/mem.h"
#include "plug/inst_priv.h"
#include "testkit.h"

/* The test plays the plugin: it completes ops through the instance's host table. */

struct heard {
    uint32_t done, items, bytes, order_faults;
    trl_status st;
    char result[64], text[256];
    size_t result_len;
    bool inline_call, in_call;
};

static void on_done(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct heard *h = arg;
    h->done++;
    h->st = st;
    h->inline_call |= h->in_call;
    h->result_len = result.len;
    memcpy(h->result, result.ptr ? result.ptr : "",
           result.len < sizeof(h->result) ? result.len : sizeof(h->result));
    snprintf(h->text, sizeof(h->text), "%s", err ? err->msg : "");
}

static void on_item(void *arg, trl_bytes item) {
    struct heard *h = arg;
    uint32_t n = h->items;
    if (item.len >= sizeof(n)) {
        memcpy(&n, item.ptr, sizeof(n));
    }
    h->order_faults += n != h->items;
    h->items++;
    h->bytes += (uint32_t)item.len;
}

static struct op_handler handler(struct heard *h) {
    return (struct op_handler){on_done, on_item, NULL, h};
}

struct rig {
    struct tk *tk;
    struct plug_inst *in;
};

static struct rig open_rig(void **state) {
    struct rig r;
    r.tk = tk_create_in(*state != NULL, TEST_PLUGIN_DIR);
    r.in = tk_open(r.tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    assert_non_null(r.in);
    return r;
}

static void close_rig(struct rig r) {
    tk_close(r.tk, r.in);
    assert_int_equal(tk_destroy(r.tk), 0);
}

static const trl_bytes none = {NULL, 0};

static void done_comes_later_and_is_copied(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0};
    struct op_handler oh = handler(&h);
    char big[5000], text[] = "answer";
    trl_bytes res = {text, 6};
    trl_op *op = op_begin(r.in, 0, &oh);
    assert_int_equal(op_outstanding(r.in), 1);
    h.in_call = true;
    assert_int_equal(r.in->host.op_done(op, TRL_OK, res, NULL), TRL_OK);
    h.in_call = false;
    memset(text, 'x', sizeof(text));
    assert_true(tk_until_count(r.tk, &h.done, 1));
    assert_int_equal(h.st, TRL_OK);
    assert_memory_equal(h.result, "answer", 6);
    assert_false(h.inline_call);
    assert_int_equal(op_outstanding(r.in), 0);
    memset(big, 'b', sizeof(big));
    res = (trl_bytes){big, sizeof(big)};
    op = op_begin(r.in, 0, &oh);
    r.in->host.op_done(op, TRL_OK, res, NULL);
    assert_true(tk_until_count(r.tk, &h.done, 2));
    assert_int_equal(h.result_len, 5000);
    close_rig(r);
}

static void errors_are_copied_and_always_have_a_text(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0};
    struct op_handler oh = handler(&h);
    trl_err e = {.struct_size = sizeof(e)};
    trl_errf(&e, TRL_E_CONFLICT, "somebody else was first");
    r.in->host.op_done(op_begin(r.in, 0, &oh), TRL_E_CONFLICT, none, &e);
    memset(&e, 0, sizeof(e));
    assert_true(tk_until_count(r.tk, &h.done, 1));
    assert_int_equal(h.st, TRL_E_CONFLICT);
    assert_string_equal(h.text, "somebody else was first");
    r.in->host.op_done(op_begin(r.in, 0, &oh), TRL_E_NOTFOUND, none, NULL);
    assert_true(tk_until_count(r.tk, &h.done, 2));
    assert_string_equal(h.text, "NOTFOUND");
    r.in->host.op_done(op_begin(r.in, 0, &oh), -4711, none, NULL); /* unknown codes */
    r.in->host.op_done(op_begin(r.in, 0, &oh), 3, none, NULL);
    assert_true(tk_until_count(r.tk, &h.done, 4));
    assert_int_equal(h.st, TRL_E_INTERNAL);
    e.struct_size = sizeof(e);
    e.msg_len = 100000; /* a plugin that cannot count */
    r.in->host.op_done(op_begin(r.in, 0, &oh), TRL_E_DENIED, none, &e);
    assert_true(tk_until_count(r.tk, &h.done, 5));
    close_rig(r);
}

static void a_second_completion_is_refused_and_counted(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0};
    struct op_handler oh = handler(&h);
    trl_op *op = op_begin(r.in, 0, &oh);
    r.in->host.op_ref(op);
    assert_int_equal(r.in->host.op_done(op, TRL_OK, none, NULL), TRL_OK);
    assert_int_equal(r.in->host.op_done(op, TRL_E_INTERNAL, none, NULL), TRL_E_CLOSED);
    assert_int_equal(r.in->host.op_emit(op, none), TRL_E_CLOSED);
    tk_settle(r.tk);
    assert_int_equal(r.in->host.op_done(op, TRL_OK, none, NULL), TRL_E_CLOSED);
    r.in->host.op_unref(op);
    /* and even without a reference, as the op rests */
    assert_int_equal(r.in->host.op_done(op, TRL_OK, none, NULL), TRL_E_CLOSED);
    assert_int_equal(h.done, 1);
    assert_int_equal(h.st, TRL_OK);
    assert_int_equal(op_refused_completions(r.in), 3);
    atomic_store(&r.in->gate->refused, 0); /* else closing complains, rightly */
    close_rig(r);
}

static void deadline_cancel_husk(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0};
    struct op_handler oh = handler(&h);
    trl_op *op = op_begin(r.in, 5 * TK_MS, &oh);
    int64_t deadline = r.in->host.op_deadline_ns(op);
    assert_true(deadline > loop_now_ns(tk_loop(r.tk)));
    assert_false(r.in->host.op_cancelled(op));
    assert_true(tk_until_count(r.tk, &h.done, 1));
    assert_int_equal(h.st, TRL_E_TIMEOUT);
    assert_true(loop_now_ns(tk_loop(r.tk)) >= deadline);
    assert_true(r.in->host.op_cancelled(op));
    assert_int_equal(r.in->husks, 1);
    assert_int_equal(op_outstanding(r.in), 1); /* a husk */
    assert_int_equal(r.in->host.op_done(op, TRL_OK, none, NULL), TRL_OK);
    tk_settle(r.tk);
    assert_int_equal(h.done, 1);
    assert_int_equal(op_outstanding(r.in), 0);
    assert_int_equal(r.in->husks, 0);
    close_rig(r);
}

static void an_answer_before_its_turn_beats_the_deadline(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0};
    struct op_handler oh = handler(&h);
    trl_op *op = op_begin(r.in, 1, &oh);
    r.in->host.op_done(op, TRL_OK, none, NULL);
    assert_true(tk_until_count(r.tk, &h.done, 1));
    assert_int_equal(h.st, TRL_OK);
    close_rig(r);
}

static void items_before_their_turn_beat_the_deadline(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0};
    struct op_handler oh = handler(&h);
    uint32_t n = 0;
    trl_bytes item = {&n, sizeof(n)};
    trl_op *op = op_begin(r.in, 1, &oh);
    r.in->host.op_emit(op, item);
    while (loop_now_ns(tk_loop(r.tk)) < r.in->host.op_deadline_ns(op) && !*state) {
    }
    assert_true(tk_until_count(r.tk, &h.done, 1));
    assert_int_equal(h.st, TRL_E_TIMEOUT);
    assert_int_equal(h.items, 1);
    r.in->host.op_done(op, TRL_OK, none, NULL);
    close_rig(r);
}

static void cancel_and_forget(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0}, f = {0};
    struct op_handler oh = handler(&h), of = handler(&f);
    const trl_store_v1 *t = plug_inst_table(r.in);
    trl_op *op = op_begin(r.in, 0, &oh);
    t->get(r.in->raw, op, STR("never"));
    tk_settle(r.tk);
    assert_int_equal(h.done, 0);
    op_cancel(op);
    op_cancel(op);
    assert_int_equal(r.in->host.op_emit(op, none), TRL_E_CLOSED);
    assert_true(tk_until_count(r.tk, &h.done, 1));
    assert_int_equal(h.st, TRL_E_CANCELLED);
    op = op_begin(r.in, TK_MS, &of);
    t->get(r.in->raw, op, STR("never"));
    op_forget(op);
    op = op_begin(r.in, 0, &of);
    trl_bytes item = {"x", 1};
    r.in->host.op_emit(op, item);
    t->get(r.in->raw, op, STR("now"));
    op_forget(op); /* its item and its end are on their way already */
    tk_settle(r.tk);
    assert_int_equal(f.done + f.items, 0);
    assert_int_equal(op_outstanding(r.in), 0);
    close_rig(r);
}

static void an_instance_that_is_not_ready_answers_closed(void **state) {
    struct tk *tk = tk_create_in(*state != NULL, TEST_PLUGIN_DIR);
    struct plug_inst *in = tk_create_inst(tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    struct heard h = {0};
    struct op_handler oh = handler(&h);
    trl_op *op = op_begin(in, TK_MS, &oh);
    assert_int_equal(in->host.op_done(op, TRL_OK, none, NULL), TRL_E_CLOSED);
    assert_true(tk_until_count(tk, &h.done, 1));
    assert_int_equal(h.st, TRL_E_CLOSED);
    assert_int_equal(op_refused_completions(in), 0);
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

/* Streams */

static trl_status emit(struct plug_inst *in, trl_op *op, uint32_t n, size_t len) {
    static char zero[1 << 20];
    char *bytes = mem_zalloc(len < sizeof(zero) ? len : sizeof(zero));
    memcpy(bytes, &n, sizeof(n));
    trl_bytes item = {bytes, len};
    trl_status st = in->host.op_emit(op, item);
    mem_free(bytes);
    return st;
}

static void streams_stop_at_the_high_mark(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0};
    struct op_handler oh = handler(&h);
    trl_op *op = op_begin(r.in, 0, &oh);
    uint32_t n = 0;
    while (emit(r.in, op, n, 8) == TRL_OK) {
        n++;
    }
    assert_int_equal(n, 1024);
    assert_int_equal(emit(r.in, op, n, 8), TRL_E_BUSY);
    assert_true(tk_until_count(r.tk, &h.items, 1024));
    assert_int_equal(h.order_faults, 0);
    assert_int_equal(emit(r.in, op, n, 8), TRL_OK);
    tk_settle(r.tk);
    uint32_t before = h.items;
    for (n = 0; emit(r.in, op, before + n, 1 << 20) == TRL_OK; n++) {
    }
    assert_int_equal(n, 4); /* 4 MiB */
    r.in->host.op_done(op, TRL_OK, none, NULL);
    assert_true(tk_until_count(r.tk, &h.done, 1));
    assert_int_equal(h.items, before + 4); /* items come before the end */
    close_rig(r);
}

static void a_stream_is_resumed(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0};
    struct op_handler oh = handler(&h);
    const trl_store_v1 *t = plug_inst_table(r.in);
    trl_op *op = op_begin(r.in, 0, &oh);
    t->watch(r.in->raw, op, STR("flood"), 0);
    assert_true(tk_until_count(r.tk, &h.items, 3001));
    assert_int_equal(h.items, 3001);
    op_cancel(op);
    assert_true(tk_until_count(r.tk, &h.done, 1));
    close_rig(r);
}

static void items_nobody_expects_are_refused(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0};
    struct op_handler oh = {on_done, NULL, NULL, &h};
    const trl_host_msg_v1 *msg = r.in->host.get_interface(r.in->host.ctx, TRL_HOST_MSG_V1);
    trl_msg m = {.struct_size = sizeof(m), .subject = STR("a")};
    trl_op *op = op_begin(r.in, 0, &oh);
    assert_int_equal(r.in->host.op_emit(op, none), TRL_E_INVALID);
    assert_int_equal(msg->deliver(op, &m), TRL_E_INVALID);
    r.in->host.op_done(op, TRL_OK, none, NULL);
    assert_true(tk_until_count(r.tk, &h.done, 1));
    close_rig(r);
}

/* Threads */

#define N_THREADS 64
#define OPS_EACH  50

struct completer {
    pthread_t thread;
    struct plug_inst *in;
    trl_op *ops[OPS_EACH];
    uint32_t closed;
};

static void *complete(void *arg) {
    struct completer *c = arg;
    for (uint32_t i = 0; i < OPS_EACH; i++) {
        trl_bytes item = {&i, 0};
        c->in->host.op_emit(c->ops[i], item);
        if (i % 2) { /* twice, one of them perhaps long after the end */
            c->in->host.op_ref(c->ops[i]);
            c->closed += c->in->host.op_done(c->ops[i], TRL_OK, none, NULL) == TRL_E_CLOSED;
            c->closed += c->in->host.op_done(c->ops[i], TRL_OK, none, NULL) == TRL_E_CLOSED;
            c->in->host.op_unref(c->ops[i]);
        } else {
            c->in->host.op_done(c->ops[i], TRL_OK, none, NULL);
        }
    }
    return NULL;
}

static void exactly_once_from_64_threads(void **state) {
    void *uv = NULL;
    (void)state;
    struct rig r = open_rig(&uv);
    struct heard h = {0};
    struct op_handler oh = handler(&h);
    struct completer *c = mem_array(N_THREADS, sizeof(*c));
    uint32_t closed = 0;
    for (uint32_t t = 0; t < N_THREADS; t++) {
        c[t].in = r.in;
        for (uint32_t i = 0; i < OPS_EACH; i++) {
            c[t].ops[i] = op_begin(r.in, i % 5 ? 0 : TK_MS, &oh);
            if (i % 7 == 0) {
                op_cancel(c[t].ops[i]);
            }
        }
    }
    for (uint32_t t = 0; t < N_THREADS; t++) {
        assert_int_equal(pthread_create(&c[t].thread, NULL, complete, &c[t]), 0);
    }
    assert_true(tk_until_count(r.tk, &h.done, N_THREADS * OPS_EACH));
    for (uint32_t t = 0; t < N_THREADS; t++) {
        pthread_join(c[t].thread, NULL);
        closed += c[t].closed;
    }
    tk_settle(r.tk);
    assert_int_equal(h.done, N_THREADS * OPS_EACH);
    assert_int_equal(op_outstanding(r.in), 0);
    assert_int_equal(closed, N_THREADS * OPS_EACH / 2);
    assert_int_equal(op_refused_completions(r.in), closed);
    atomic_store(&r.in->gate->refused, 0);
    mem_free(c);
    close_rig(r);
}

static void on_stopped(void *arg) {
    *(bool *)arg = true;
}

static void ops_end_while_the_instance_stops(void **state) {
    void *uv = NULL;
    bool stopped = false;
    (void)state;
    struct rig r = open_rig(&uv);
    struct heard h = {0};
    struct op_handler oh = handler(&h);
    struct completer *c = mem_array(8, sizeof(*c));
    for (uint32_t t = 0; t < 8; t++) {
        c[t].in = r.in;
        for (uint32_t i = 0; i < OPS_EACH; i++) {
            c[t].ops[i] = op_begin(r.in, 0, &oh);
        }
    }
    plug_inst_stop(r.in, on_stopped, &stopped);
    for (uint32_t t = 0; t < 8; t++) {
        assert_int_equal(pthread_create(&c[t].thread, NULL, complete, &c[t]), 0);
    }
    assert_true(tk_until_set(r.tk, &stopped));
    assert_int_equal(h.done, 8 * OPS_EACH);
    for (uint32_t t = 0; t < 8; t++) {
        pthread_join(c[t].thread, NULL);
    }
    atomic_store(&r.in->gate->refused, 0);
    mem_free(c);
    close_rig(r);
}

/* Threaded components */

static void call_get(trl_inst *raw, trl_op *op, void *arg) {
    const trl_store_v1 *t = ((struct plug_inst **)arg)[0]->table;
    t->get(raw, op, STR("k"));
}
static void call_block(trl_inst *raw, trl_op *op, void *arg) {
    const trl_store_v1 *t = ((struct plug_inst **)arg)[0]->table;
    t->get(raw, op, STR("block"));
}
static uint32_t most(const struct heard *h) {
    uint64_t v;
    memcpy(&v, h->result, sizeof(v));
    return (uint32_t)v;
}

static void on_any(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    on_done(arg, st, result, err);
}
static void ignore_item(void *arg, trl_bytes item) {
    (void)item;
    ((struct heard *)arg)->items++;
}

static void calls_by_thread_model(void **state) {
    static const char *const names[] = {"slow-serial", "parallel"};
    (void)state;
    for (int m = 0; m < 2; m++) {
        struct tk *tk = tk_create_in(false, TEST_PLUGIN_DIR);
        struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, names[m], NULL, NULL, 0);
        struct heard h = {0}, b = {0};
        struct op_handler oh = {on_any, ignore_item, NULL, &h},
                          ob = {on_any, ignore_item, NULL, &b};
        for (int i = 0; i < 200; i++) {
            op_call(in, 0, &oh, call_get, &in, NULL);
        }
        assert_true(tk_until_count(tk, &h.done, 200));
        assert_int_equal(h.items, 200);
        if (m == 0) {
            assert_int_equal(most(&h), 1); /* never two at once */
        }
        trl_op *blocked = op_call(in, 0, &ob, call_block, &in, NULL);
        trl_op *queued = op_call(in, 0, &ob, call_block, &in, NULL);
        op_cancel(queued); /* SERIAL: taken from the queue without being called */
        op_cancel(blocked);
        assert_true(tk_until_count(tk, &b.done, 2));
        assert_int_equal(b.st, TRL_E_CANCELLED);
        op_call(in, 2 * TK_MS, &ob, call_block, &in, NULL);
        assert_true(tk_until_count(tk, &b.done, 3));
        assert_int_equal(b.st, TRL_E_TIMEOUT);
        op_call(in, 0, &ob, call_block, &in, NULL); /* stop cancels it */
        tk_close(tk, in);
        assert_int_equal(b.done, 4);
        assert_int_equal(tk_destroy(tk), 0);
    }
}

#define BOTH(f)                                                                                    \
    {#f " (uv)", f, NULL, NULL, NULL}, {                                                           \
#f " (virtual)", f, NULL, NULL, &virtual_kind                                              \
    }

int main(void) {
    static int virtual_kind;
    const struct CMUnitTest tests[] = {
        BOTH(done_comes_later_and_is_copied),
        BOTH(errors_are_copied_and_always_have_a_text),
        BOTH(a_second_completion_is_refused_and_counted),
        BOTH(deadline_cancel_husk),
        BOTH(an_answer_before_its_turn_beats_the_deadline),
        BOTH(items_before_their_turn_beat_the_deadline),
        BOTH(cancel_and_forget),
        BOTH(an_instance_that_is_not_ready_answers_closed),
        BOTH(streams_stop_at_the_high_mark),
        BOTH(a_stream_is_resumed),
        BOTH(items_nobody_expects_are_refused),
        cmocka_unit_test(exactly_once_from_64_threads),
        cmocka_unit_test(ops_end_while_the_instance_stops),
        cmocka_unit_test(calls_by_thread_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
