/* SPDX-License-Identifier: Apache-2.0
 *
 * transport "nats" against a real server: what the common suite does not ask.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rig.h"

static void open_t(struct rig *r, struct comp *t, const char *more) {
    assert_int_equal(open_as(r, t, "nats", more), TRL_OK);
}

static void test_messages(void **state) {
    struct rig *r = *state;
    trl_op *sub, *req, *many, *nobody;
    NEED_SERVER();
    server_start(&r->server, "");
    open_t(r, &r->t, "");
    nobody = comp_request(&r->t, "nobody.home", "x", 0);
    assert_true(fake_done(nobody));
    assert_int_equal(nobody->st, TRL_E_NORESPONDER);
    assert_non_null(strstr(nobody->msg, "nobody.home"));
    fake_op_free(nobody);
    nobody = comp_request(&r->t, "nobody.home", "x", 1);
    assert_true(fake_done(nobody));
    assert_int_equal(nobody->st, TRL_E_NORESPONDER);
    fake_op_free(nobody);
    sub = comp_sub(&r->t, "svc.*", "");
    req = comp_request(&r->t, "svc.a", "ask", 0);
    many = comp_request(&r->t, "svc.b", "all", 1);
    assert_true(fake_items(sub, 2));
    assert_string_equal(sub->items[0].value, "ask");
    comp_pub(&r->t, sub->items[0].reply, "answer");
    comp_pub(&r->t, sub->items[0].reply, "too late");
    comp_pub(&r->t, sub->items[1].reply, "one");
    comp_pub(&r->t, sub->items[1].reply, "two");
    assert_true(fake_done(req));
    assert_int_equal(req->st, TRL_OK);
    assert_int_equal(req->n, 1);
    assert_string_equal(req->items[0].value, "answer");
    assert_true(fake_items(many, 2));
    assert_string_equal(many->items[1].value, "two");
    fake_op_free(req);
    comp_cancel(&r->t, many);
    comp_cancel(&r->t, sub);
}

/* Nothing that would break the protocol leaves the house. */
static void test_bad_messages(void **state) {
    struct rig *r = *state;
    static const char *const bad[] = {"", ".", "a..b", "a b", "a.*", "a.>", "a\r\nPUB x 0", ".a"};
    char *big = calloc(1, 2 << 20);
    trl_label header = {trl_cstr("a b"), trl_cstr("x")};
    trl_msg m = {.struct_size = sizeof(m)};
    trl_op *op;
    NEED_SERVER();
    server_start(&r->server, "");
    open_t(r, &r->t, "");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        op = comp_request(&r->t, bad[i], "x", 0);
        assert_true(fake_done(op));
        assert_int_equal(op->st, TRL_E_INVALID);
        fake_op_free(op);
    }
    for (int i = 0; i < 3; i++) {
        m.subject = trl_cstr("ok");
        m.payload.ptr = big;
        m.payload.len = i == 0 ? 2 << 20 : 0;
        m.headers = &header;
        m.n_headers = i > 0;
        header.key = trl_cstr(i == 1 ? "a b" : "a");
        header.value = trl_cstr(i == 1 ? "x" : "x\r\ny");
        op = fake_op(r->f);
        r->t.t->publish(r->t.in, op, &m);
        assert_true(fake_done(op));
        assert_int_equal(op->st, TRL_E_INVALID);
        fake_op_free(op);
    }
    op = comp_sub(&r->t, "ok", "a queue");
    assert_true(fake_done(op));
    assert_int_equal(op->st, TRL_E_INVALID);
    fake_op_free(op);
    op = comp_request(&r->t, "still.there", "x", 0); /* the link lives */
    assert_true(fake_done(op));
    assert_int_equal(op->st, TRL_E_NORESPONDER);
    fake_op_free(op);
    free(big);
}

static void say(int fd, const char *text) {
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Headers as other clients may send them: repeated, empty, in their order, broken. */
static void test_foreign_headers(void **state) {
    struct rig *r = *state;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    trl_op *sub;
    int fd;
    NEED_SERVER();
    server_start(&r->server, "");
    open_t(r, &r->t, "");
    sub = comp_sub(&r->t, "fh.>", "");
    comp_pub(&r->t, "fh.ready", "");
    assert_true(fake_items(sub, 1));
    fd = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_port = htons((uint16_t)r->server.port);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    say(fd, "CONNECT {\"verbose\":false,\"headers\":true}\r\n");
    say(fd, "HPUB fh.a re.ply 37 39\r\nNATS/1.0\r\nz:  \r\nA: 1\r\nb:x:y \r\nA:2\r\n\r\nok\r\n");
    say(fd, "HPUB fh.b 12 12\r\nNATS/1.0\r\n\r\n\r\n");
    say(fd, "HPUB fh.c 34 34\r\nNATS/1.0 100 Idle\r\nx\r\n: y\r\nc: \r\n\r\n\r\n");
    say(fd, "PUB fh.d 0\r\n\r\n");
    assert_true(fake_items(sub, 5));
    assert_string_equal(sub->items[1].headers, "z=;A=1;b=x:y;A=2;");
    assert_string_equal(sub->items[1].reply, "re.ply");
    assert_string_equal(sub->items[1].value, "ok");
    assert_string_equal(sub->items[2].headers, "");
    assert_string_equal(sub->items[3].headers, "c=;");
    assert_string_equal(sub->items[4].headers, "");
    close(fd);
    comp_cancel(&r->t, sub);
}

/* Full subscribers: their messages wait, in order, others go on. */
static void test_back_pressure(void **state) {
    struct rig *r = *state;
    trl_op *slow, *fast, *req, *svc;
    NEED_SERVER();
    server_start(&r->server, "");
    open_t(r, &r->t, "");
    slow = comp_sub(&r->t, "bp.x", "");
    slow->room = 3;
    fast = comp_sub(&r->t, "bp.>", "");
    for (int i = 0; i < 1000; i++) {
        char body[16];
        snprintf(body, sizeof(body), "%d", i);
        comp_pub(&r->t, "bp.x", body);
    }
    assert_true(fake_items(fast, 1000));
    assert_true(slow->was_busy);
    assert_int_equal(slow->n, 3);
    slow->room = 500;
    r->t.t->resume(r->t.in, slow);
    assert_int_equal(slow->n, 500);
    slow->room = SIZE_MAX;
    r->t.t->resume(r->t.in, slow);
    comp_pub(&r->t, "bp.x", "1000");
    assert_true(fake_items(slow, 1001));
    for (size_t i = 0; i < slow->n; i++) {
        assert_int_equal(strtol(slow->items[i].value, NULL, 10), i);
    }
    svc = comp_sub(&r->t, "bpsvc", ""); /* the answer waits, then the request is done */
    req = fake_op(r->f);
    req->room = 0;
    trl_msg m = {.struct_size = sizeof(m), .subject = trl_cstr("bpsvc")};
    r->t.t->request(r->t.in, req, &m);
    assert_true(fake_items(svc, 1));
    comp_pub(&r->t, svc->items[0].reply, "answer");
    comp_pub(&r->t, "bp.x", "fence");
    assert_true(fake_items(fast, 1002));
    assert_false(req->done);
    req->room = 1;
    r->t.t->resume(r->t.in, req);
    assert_true(fake_done(req));
    assert_int_equal(req->st, TRL_OK);
    assert_string_equal(req->items[0].value, "answer");
    fake_op_free(req);
    comp_cancel(&r->t, svc);
    comp_cancel(&r->t, slow);
    comp_cancel(&r->t, fast);
}

/* NATS down at start: started at once, said once, served as soon as it is there. */
static void test_down_at_start(void **state) {
    struct rig *r = *state;
    trl_op *link, *sub, *op;
    NEED_SERVER();
    server_start(&r->server, "");
    server_kill(&r->server);
    open_t(r, &r->t, "");
    link = fake_op(r->f);
    r->t.t->watch_link(r->t.in, link);
    assert_int_equal(link->n, 1);
    assert_int_equal(link->items[0].flags, TRL_LINK_DOWN);
    op = comp_request(&r->t, "x", "x", 0);
    assert_true(fake_done(op));
    assert_int_equal(op->st, TRL_E_UNAVAIL);
    fake_op_free(op);
    op = fake_op(r->f);
    r->t.t->forget(r->t.in, op, trl_cstr("x"));
    assert_true(fake_done(op));
    fake_op_free(op);
    sub = comp_sub(&r->t, "early", "");
    comp_pub(&r->t, "early", "kept"); /* nobody waits for it: it goes when it can */
    assert_int_equal(fake_logged(r->f, "not connected"), 1);
    server_start(&r->server, "");
    assert_true(fake_items(link, 2));
    assert_int_equal(link->items[1].flags, TRL_LINK_UP);
    assert_true(fake_items(sub, 1));
    assert_string_equal(sub->items[0].value, "kept");
    assert_int_equal(fake_logged(r->f, "not connected"), 1);
    assert_int_equal(fake_logged(r->f, "connected to"), 1);
    comp_cancel(&r->t, sub);
    comp_cancel(&r->t, link);
}

/* kill -9 and back on the same port, several times: subscriptions go on, requests are told. */
static void test_reconnect(void **state) {
    struct rig *r = *state;
    trl_op *link, *sub, *queue, *pending;
    NEED_SERVER();
    server_start(&r->server, "");
    open_t(r, &r->t, "");
    link = fake_op(r->f);
    r->t.t->watch_link(r->t.in, link);
    sub = comp_sub(&r->t, "re.>", "");
    queue = comp_sub(&r->t, "re.>", "team");
    for (size_t i = 0; i < 5; i++) {
        assert_true(fake_items(link, 1 + 2 * i));
        comp_pub(&r->t, "re.up", "x");
        assert_true(fake_items(sub, 2 * i + 1));
        pending = comp_request(&r->t, "re.ask", "x", 0);
        assert_true(fake_items(sub, 2 * i + 2));
        assert_true(fake_items(queue, 2 * i + 2));
        server_kill(&r->server);
        assert_true(fake_done(pending));
        assert_int_equal(pending->st, TRL_E_UNAVAIL);
        fake_op_free(pending);
        assert_true(fake_items(link, 2 + 2 * i));
        assert_int_equal(link->items[1 + 2 * i].flags, TRL_LINK_DOWN);
        server_start(&r->server, "");
    }
    assert_true(fake_items(link, 11));
    comp_cancel(&r->t, sub);
    comp_cancel(&r->t, queue);
    comp_cancel(&r->t, link);
}

/* A server that neither reads nor answers must not hold up the loop; pings find it out. */
static void test_stalled_server(void **state) {
    struct rig *r = *state;
    trl_op *link, *sub;
    char *body = malloc(64 << 10);
    NEED_SERVER();
    memset(body, 'x', 64 << 10);
    body[(64 << 10) - 1] = '\0';
    server_start(&r->server, "");
    open_t(r, &r->t, ",\"pending_bytes\":16777216");
    link = fake_op(r->f);
    r->t.t->watch_link(r->t.in, link);
    sub = comp_sub(&r->t, "st.x", "");
    comp_pub(&r->t, "st.x", "before");
    assert_true(fake_items(sub, 1));
    kill(r->server.pid, SIGSTOP);
    for (int i = 0; i < 1000; i++) { /* 64 MB */
        comp_pub(&r->t, "st.x", body);
        fake_turn(r->f);
    }
    assert_true(fake_longest_ms(r->f) < 1000);
    assert_int_equal(fake_logged(r->f, "new messages are refused"), 1);
    assert_true(fake_items(link, 2));
    assert_int_equal(link->items[1].flags, TRL_LINK_DOWN);
    kill(r->server.pid, SIGCONT);
    assert_true(fake_items(link, 3));
    comp_cancel(&r->t, sub);
    comp_cancel(&r->t, link);
    free(body);
}

#define STREAMS                                                                                    \
    ",\"streams\":[{\"name\":\"wadm_status\",\"subjects\":[\"wadm.status.*.*\"],"                  \
    "\"max_msgs_per_subject\":%d,\"allow_direct\":true},"                                          \
    "{\"name\":\"trellis_events\",\"subjects\":[\"trellis.evt.>\"],\"max_age_s\":3600,"            \
    "\"max_bytes\":1000000}]"

static char *wait_info(struct rig *r, const char *text) {
    char *info = NULL;
    for (int i = 0; i < 200; i++) { /* each asks the server, so this is no busy loop */
        free(info);
        info = comp_info(&r->t);
        if (strstr(info, text)) {
            break;
        }
    }
    if (!strstr(info, text)) {
        fprintf(stderr, "no %s in %s\n", text, info);
    }
    assert_non_null(strstr(info, text));
    return info;
}

/* A stream takes messages in a moment of its own: asked until it has them all. */
static trl_op *stream_with(struct rig *r, const char *stream_subject, const char *needle) {
    for (int tries = 0;; tries++) {
        trl_op *op = comp_request(&r->t, stream_subject, "", 0);
        assert_true(fake_done(op));
        if (strstr(op->items[0].value, needle)) {
            return op;
        }
        fake_op_free(op);
        assert_true(tries < 2000);
    }
}

static void test_streams(void **state) {
    struct rig *r = *state;
    char more[1024];
    trl_op *op;
    char *info;
    NEED_SERVER();
    server_start(&r->server, JETSTREAM);
    snprintf(more, sizeof(more), STREAMS, 10);
    open_t(r, &r->t, more);
    assert_true(fake_wait_log(r->f, "stream wadm_status created"));
    assert_true(fake_wait_log(r->f, "stream trellis_events created"));
    info = wait_info(r, "\"jetstream\":true");
    assert_non_null(strstr(info, "\"version\":"));
    assert_non_null(strstr(info, "\"server_name\":\"test\""));
    assert_non_null(strstr(info, "\"rtt_us\":"));
    assert_non_null(strstr(info, "\"drift\":[]"));
    free(info);
    comp_pub(&r->t, "wadm.status.default.app", "{}");
    comp_pub(&r->t, "wadm.status.default.other", "{}");
    op = stream_with(r, "$JS.API.STREAM.INFO.wadm_status", "\"messages\":2");
    assert_non_null(strstr(op->items[0].value, "\"max_msgs_per_subject\":10"));
    fake_op_free(op);
    op = fake_op(r->f);
    r->t.t->forget(r->t.in, op, trl_cstr("wadm.status.default.app"));
    assert_true(fake_done(op));
    assert_int_equal(op->st, TRL_OK);
    fake_op_free(op);
    op = comp_request(&r->t, "$JS.API.STREAM.INFO.wadm_status", "", 0);
    assert_true(fake_done(op));
    assert_non_null(strstr(op->items[0].value, "\"messages\":1"));
    fake_op_free(op);
    op = fake_op(r->f);
    r->t.t->forget(r->t.in, op, trl_cstr("no.such"));
    assert_true(fake_done(op));
    assert_int_equal(op->st, TRL_E_NOTFOUND);
    fake_op_free(op);
    /* another one wants something else: drift, and nothing is changed */
    comp_close(&r->t);
    snprintf(more, sizeof(more), STREAMS, 3);
    open_t(r, &r->t, more);
    assert_true(fake_wait_log(r->f, "max_msgs_per_subject: have 10, want 3"));
    info = wait_info(r, "\"field\":\"max_msgs_per_subject\",\"have\":10,\"want\":3");
    free(info);
}

static void test_no_jetstream(void **state) {
    struct rig *r = *state;
    char more[1024];
    char *info;
    NEED_SERVER();
    server_start(&r->server, "");
    snprintf(more, sizeof(more), STREAMS, 10);
    open_t(r, &r->t, more);
    assert_true(fake_wait_log(r->f, "start nats-server with --jetstream"));
    info = wait_info(r, "\"jetstream\":false");
    assert_non_null(strstr(info, "\"present\":false"));
    free(info);
}

/* Equal options: one connection for all; it ends with the last. */
static void test_shared(void **state) {
    struct rig *r = *state;
    struct comp second, third;
    char config[512], *info;
    trl_op *sub;
    NEED_SERVER();
    server_start(&r->server, JETSTREAM);
    open_t(r, &r->t, "");
    open_t(r, &second, "");
    snprintf(config, sizeof(config), "{%s,\"reconnect_max_ms\":100,\"ping_interval_ms\":500}",
             server_url(&r->server));
    assert_int_equal(comp_open(&third, r->f, "nats-kv", config, r->err), TRL_OK);
    info = wait_info(r, "\"instances\":3");
    assert_non_null(strstr(info, "\"connects\":1"));
    free(info);
    assert_int_equal(fake_logged(r->f, "connected to"), 1);
    sub = comp_sub(&second, "sh.x", "");
    comp_close(&third);
    comp_pub(&r->t, "sh.x", "one");
    assert_true(fake_items(sub, 1));
    comp_cancel(&second, sub);
    comp_close(&r->t);
    sub = comp_sub(&second, "sh.x", "");
    comp_pub(&second, "sh.x", "two");
    assert_true(fake_items(sub, 1));
    comp_cancel(&second, sub);
    comp_close(&second);
}

/* Stopped and destroyed with everything under way, and in every state. */
static void test_ends(void **state) {
    struct rig *r = *state;
    trl_op *ops[40], *op;
    trl_err err = {.struct_size = sizeof(err)};
    struct comp t;
    char config[256];
    NEED_SERVER();
    server_start(&r->server, "");
    open_t(r, &r->t, "");
    op = comp_sub(&r->t, "e.>", "");
    for (int i = 0; i < 40; i++) {
        ops[i] = i % 2 ? comp_request(&r->t, "e.x", "x", i % 4 == 1)
                       : comp_sub(&r->t, "e.*", i % 4 ? "q" : "");
    }
    comp_close(&r->t);
    for (int i = 0; i < 40; i++) {
        assert_true(ops[i]->done);
        fake_op_free(ops[i]);
    }
    fake_op_free(op);
    snprintf(config, sizeof(config), "{%s}", server_url(&r->server));
    t.c = comp_find("nats"); /* created only */
    assert_int_equal(t.c->create(fake_host(r->f), trl_cstr(config), &t.in, &err), TRL_OK);
    t.c->destroy(t.in);
    assert_int_equal(t.c->create(fake_host(r->f), trl_cstr(config), &t.in, &err), TRL_OK);
    ops[0] = fake_op(r->f); /* stopped while starting */
    ops[1] = fake_op(r->f);
    t.c->start(t.in, ops[0]);
    t.c->stop(t.in, ops[1]);
    assert_true(fake_done(ops[0]));
    assert_true(fake_done(ops[1]));
    t.c->destroy(t.in);
    fake_op_free(ops[0]);
    fake_op_free(ops[1]);
    assert_int_equal(t.c->create(fake_host(r->f), trl_cstr(config), &t.in, &err), TRL_OK);
    ops[0] = fake_op(r->f); /* destroyed without a stop */
    t.c->start(t.in, ops[0]);
    assert_true(fake_done(ops[0]));
    t.c->destroy(t.in);
    fake_op_free(ops[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_back_pressure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_down_at_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reconnect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stalled_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_jetstream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
