/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include "base/mem.h"
#include "plug/inst_priv.h"
#include "testkit.h"

struct rig {
    struct tk *tk;
    struct plug_inst *in;
    struct bus *bus;
};

static struct rig open_rig(void **state) {
    struct rig r;
    r.tk = tk_create_in(*state != NULL, TEST_PLUGIN_DIR);
    r.in = tk_open(r.tk, TRL_KIND_TRANSPORT, "good", NULL, NULL, 0);
    assert_non_null(r.in);
    r.bus = bus_create(r.in);
    return r;
}

static void close_rig(struct rig r) {
    bus_destroy(r.bus);
    tk_close(r.tk, r.in);
    assert_int_equal(tk_destroy(r.tk), 0);
}

struct heard {
    uint32_t msgs, ends;
    trl_status st;
    char body[32], header[32];
};

static void keep(struct heard *h, const struct bus_msg *m) {
    h->msgs++;
    snprintf(h->body, sizeof(h->body), "%.*s %.*s", PSTR(m->subject), PSTR(m->body));
    if (m->n_headers) {
        snprintf(h->header, sizeof(h->header), "%.*s=%.*s", PSTR(m->headers[0].key),
                 PSTR(m->headers[0].value));
    }
}
static void on_reply(void *arg, trl_status st, const struct bus_msg *m) {
    struct heard *h = arg;
    if (m) {
        assert_int_equal(st, TRL_OK);
        keep(h, m);
    } else {
        h->ends++;
        h->st = st;
    }
}
static void on_msg(void *arg, const struct bus_msg *m) {
    keep(arg, m);
}

static const trl_label header = {STR("k"), STR("v")};
static struct bus_msg msg(const char *subject) {
    return (struct bus_msg){
        .subject = str_c(subject), .headers = &header, .n_headers = 1, .body = STR("hello")};
}

static void on_status(void *arg, trl_status st) {
    struct heard *h = arg;
    h->ends++;
    h->st = st;
}

static void publish_and_subscribe(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0}, p = {0};
    struct bus_msg m = msg("a.b");
    struct bus_sub *s = bus_subscribe(r.bus, STR("a.>"), STR_NONE, on_msg, &h);
    bus_publish(r.bus, &m);
    assert_int_equal(h.msgs, 0);
    bus_publish_cb(r.bus, &m, on_status, &p);
    assert_true(tk_until_count(r.tk, &h.msgs, 2));
    assert_true(tk_until_count(r.tk, &p.ends, 1));
    assert_int_equal(p.st, TRL_OK);
    assert_string_equal(h.body, "a.b hello");
    assert_string_equal(h.header, "k=v");
    bus_publish(r.bus, &m);
    bus_unsubscribe(s); /* what is under way is not heard any more */
    tk_settle(r.tk);
    assert_int_equal(h.msgs, 2);
    s = bus_subscribe(r.bus, STR("broken"), STR_NONE, on_msg, &h);
    tk_settle(r.tk);
    assert_true(tk_logged(r.tk, "the subscription of 'broken' ended: not for you"));
    bus_unsubscribe(s);
    bus_unsubscribe(NULL);
    close_rig(r);
}

static void requests(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0};
    struct bus_msg m = msg("echo"), silent = msg("silent"), nobody = msg("x"), liar = msg("liar");
    bus_request(r.bus, &m, 100 * TK_MS, on_reply, &h);
    assert_true(tk_until_count(r.tk, &h.msgs, 1));
    tk_settle(r.tk);
    assert_int_equal(h.ends, 0); /* exactly one callback */
    bus_request(r.bus, &nobody, 100 * TK_MS, on_reply, &h);
    assert_true(tk_until_count(r.tk, &h.ends, 1));
    assert_int_equal(h.st, TRL_E_NORESPONDER);
    bus_request(r.bus, &silent, 2 * TK_MS, on_reply, &h);
    assert_true(tk_until_count(r.tk, &h.ends, 2));
    assert_int_equal(h.st, TRL_E_TIMEOUT);
    bus_request(r.bus, &liar, 0, on_reply, &h);
    assert_true(tk_until_count(r.tk, &h.ends, 3));
    assert_int_equal(h.st, TRL_E_INTERNAL);
    bus_request_many(r.bus, &m, 3 * TK_MS, on_reply, &h);
    assert_true(tk_until_count(r.tk, &h.ends, 4));
    assert_int_equal(h.st, TRL_E_TIMEOUT); /* the normal end */
    assert_int_equal(h.msgs, 3);
    bus_call_cancel(bus_request(r.bus, &m, 0, on_reply, &h));
    bus_call_cancel(bus_request(r.bus, &silent, 0, on_reply, &h));
    tk_settle(r.tk);
    assert_int_equal(h.msgs + h.ends, 7);
    bus_request(r.bus, &silent, 0, on_reply, &h); /* ends without a word with the bus */
    close_rig(r);
    assert_int_equal(h.msgs + h.ends, 7);
}

struct link {
    uint32_t n;
    bool up;
};
static void on_link(void *arg, bool up) {
    struct link *l = arg;
    l->n++;
    l->up = up;
}

static void link_state(void **state) {
    struct rig r = open_rig(state);
    struct link a = {0, false}, b = {0, false};
    assert_false(bus_up(r.bus));
    bus_watch_link(r.bus, on_link, &a);
    assert_true(tk_until_count(r.tk, &a.n, 1));
    assert_true(a.up && bus_up(r.bus));
    bus_watch_link(r.bus, on_link, &b);
    assert_int_equal(b.n, 0);
    assert_true(tk_until_count(r.tk, &b.n, 1));
    assert_int_equal(a.n, 1);
    close_rig(r);
}

static void on_info(void *arg, trl_status st, str json) {
    (void)json;
    on_status(arg, st);
}

static void what_the_transport_lacks(void **state) {
    struct rig r = open_rig(state);
    struct heard h = {0};
    bus_forget(r.bus, STR("a"));
    bus_info(r.bus, on_info, &h);
    assert_true(tk_until_count(r.tk, &h.ends, 1));
    assert_int_equal(h.st, TRL_E_UNSUPP);
    close_rig(r);
}

/* As a plugin sees it */

struct plugin {
    uint32_t msgs, ends, links;
    trl_status st;
};
static void p_reply(void *arg, trl_status st, const trl_msg *m) {
    struct plugin *p = arg;
    p->msgs += m != NULL;
    p->ends += m == NULL;
    p->st = st;
}
static void p_msg(void *arg, const trl_msg *m) {
    struct plugin *p = arg;
    p->msgs += m->struct_size == sizeof(*m);
}
static void p_link(void *arg, int32_t up) {
    ((struct plugin *)arg)->links += up == 1;
}

static void the_bus_for_plugins(void **state) {
    struct rig r = open_rig(state);
    struct plug_iface f = {TRL_HOST_TRANSPORT_V1, &bus_host_iface, r.bus};
    struct plug_inst *user = tk_open(r.tk, TRL_KIND_STORE, "good", NULL, &f, 1);
    struct plug_inst *other = tk_open(r.tk, TRL_KIND_STORE, "good", NULL, &f, 1);
    void *ctx = user->host.ctx;
    const trl_host_transport_v1 *t = user->host.get_interface(ctx, TRL_HOST_TRANSPORT_V1);
    struct plugin p = {0}, q = {0};
    trl_msg m = {.struct_size = sizeof(m), .subject = STR("echo")};
    trl_msg silent = {.struct_size = sizeof(m), .subject = STR("silent")};
    uint64_t sub = t->subscribe(ctx, STR("a"), STR_NONE, p_msg, &p);
    uint64_t call = t->request(ctx, &m, 0, p_reply, &p);
    assert_true(sub > 0 && call > 0 && sub != call);
    assert_true(t->watch_link(ctx, p_link, &p) > 0);
    assert_true(tk_until_count(r.tk, &p.msgs, 1));
    assert_true(tk_until_count(r.tk, &p.links, 1));
    t->publish(ctx, &m);
    assert_true(tk_until_count(r.tk, &p.msgs, 2));
    t->request_many(ctx, &m, 2 * TK_MS, p_reply, &p);
    assert_true(tk_until_count(r.tk, &p.ends, 1));
    assert_int_equal(p.st, TRL_E_TIMEOUT);
    assert_int_equal(p.msgs, 4);
    t->cancel(ctx, call); /* long dead: its place may have a new owner */
    t->cancel(ctx, 0);
    t->cancel(ctx, UINT64_MAX);
    t->cancel(other->host.ctx, sub); /* not its own */
    t->publish(ctx, &m);
    assert_true(tk_until_count(r.tk, &p.msgs, 5));
    t->cancel(ctx, sub);
    t->publish(ctx, &m);
    tk_settle(r.tk);
    assert_int_equal(p.msgs, 5);
    struct {
        trl_msg m;
        uint64_t future;
    } newer = {m, 1};
    newer.m.struct_size = sizeof(newer);
    t->publish(ctx, &newer.m);
    assert_true(tk_logged(r.tk, "sends a message that this core cannot read: UNSUPP"));
    t->request(ctx, &silent, 0, p_reply, &p);
    t->subscribe(ctx, STR("a"), STR_NONE, p_msg, &p);
    t->subscribe(other->host.ctx, STR("a"), STR_NONE, p_msg, &q);
    tk_close(r.tk, user);
    bus_publish(r.bus, &(struct bus_msg){.subject = STR("a")});
    assert_true(tk_until_count(r.tk, &q.msgs, 1));
    assert_int_equal(p.msgs, 5); /* after stop no callback runs */
    assert_int_equal(p.ends, 1);
    bus_destroy(r.bus); /* and it may go before its last user */
    r.bus = NULL;
    tk_close(r.tk, other);
    close_rig(r);
}

#define BOTH(f)                                                                                    \
    {#f " (uv)", f, NULL, NULL, NULL}, {                                                           \
#f " (virtual)", f, NULL, NULL, &virtual_kind                                              \
    }

int main(void) {
    static int virtual_kind;
    const struct CMUnitTest tests[] = {
        BOTH(publish_and_subscribe),
        BOTH(requests),
        BOTH(link_state),
        BOTH(what_the_transport_lacks),
        BOTH(the_bus_for_plugins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
