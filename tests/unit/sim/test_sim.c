/* SPDX-License-Identifier: Apache-2.0 */
#include "simtest.h"

#include "sim/sim.h"

/* Virtual hosts on the in-process transport and the virtual clock. Counts as skipped when the
 * transport plugin is not built. */
struct stage {
    struct loop *loop;
    struct plug *plug;
    struct plug_inst *in;
    struct bus *bus;
    struct sim *sim;
    bool flag;
    uint32_t heard;
};

static void set_flag(void *arg) {
    *(bool *)arg = true;
}

static bool flag(void *arg) {
    return *(bool *)arg;
}

static void on_started(void *arg, trl_status st, const trl_err *e) {
    struct stage *s = arg;
    (void)e;
    assert_int_equal(st, TRL_OK);
    s->flag = true;
}

static void on_event(void *arg, const struct bus_msg *m) {
    (void)m;
    ++*(uint32_t *)arg;
}

static void stage_open(struct stage *s, const struct sim_config *c) {
    static const char *const dirs[] = {TRELLIS_PLUGIN_DIR};
    struct err err = ERR_INIT;
    *s = (struct stage){.heard = 0};
    s->loop = loop_create_virtual(S, INT64_C(1763690400000), 1);
    s->plug = plug_create(s->loop, NULL, dirs, 1);
    if (plug_inst_create(s->plug, TRL_KIND_TRANSPORT, "inproc", STR_NONE, NULL, 0, &s->in, &err) <
        0) {
        print_message("%s\n", err.msg);
        plug_destroy(s->plug);
        loop_destroy(s->loop);
        skip();
    }
    plug_inst_start(s->in, S, on_started, s);
    assert_true(loop_run_until(s->loop, flag, &s->flag, S));
    s->bus = bus_create(s->in);
    if (sim_create(s->loop, s->bus, c, &s->sim, &err) < 0) {
        fail_msg("%s", err.msg);
    }
}

static void stage_close(struct stage *s) {
    bool stopped = false;
    sim_destroy(s->sim);
    bus_destroy(s->bus);
    plug_inst_stop(s->in, set_flag, &stopped);
    assert_true(loop_run_until(s->loop, flag, &stopped, S));
    plug_inst_destroy(s->in);
    plug_destroy(s->plug);
    loop_destroy(s->loop);
}

struct answer {
    uint32_t n;
    trl_status end;
    bool over;
    char last[400];
};

static void on_reply(void *arg, trl_status st, const struct bus_msg *m) {
    struct answer *a = arg;
    if (m) {
        a->n++;
        snprintf(a->last, sizeof(a->last), "%.*s", PSTR(m->body));
    } else {
        a->end = st;
    }
    a->over = !m || st != TRL_OK;
}

static bool over(void *arg) {
    struct answer *a = arg;
    return a->over || a->n > 0;
}

static bool ended(void *arg) {
    return ((struct answer *)arg)->over;
}

static struct answer ask(struct stage *s, const char *what, const struct vhost *h,
                         const char *body) {
    struct answer a = {.n = 0};
    char subject[200];
    snprintf(subject, sizeof(subject), "wasmbus.ctl.v1.default.%s%s%s", what, h ? "." : "",
             h ? vhost_id(h) : "");
    struct bus_msg m = {.subject = str_c(subject), .body = str_c(body)};
    bus_request(s->bus, &m, 2 * S, on_reply, &a);
    assert_true(loop_run_until(s->loop, over, &a, 5 * S));
    return a;
}

static void test_over_the_bus(void **state) {
    struct sim_config c = sim_config_default();
    struct stage s;
    (void)state;
    c.hosts = 3;
    stage_open(&s, &c);
    bus_subscribe(s.bus, STR("wasmbus.evt.default.>"), STR_NONE, on_event, &s.heard);
    sim_start(s.sim);
    struct vhost *h = world_host(sim_world(s.sim), 1);
    loop_advance(s.loop, 0);
    assert_int_equal(s.heard, 3);
    struct answer a = ask(&s, "component.scale", h,
                          "{\"component_id\":\"a\",\"component_ref\":\"r/a:1\",\"count\":1}");
    assert_string_equal(a.last, "{\"success\":true,\"message\":\"\"}");
    loop_advance(s.loop, S);
    assert_int_equal(s.heard, 5);
    a = ask(&s, "config.get.x", NULL, "");
    assert_string_equal(a.last, "{\"success\":true,\"message\":\"Configuration not found\"}");
    loop_advance(s.loop, 30 * S);
    assert_int_equal(s.heard, 8); /* heartbeats */
    struct answer pings = {.n = 0};
    struct bus_msg m = {.subject = STR("wasmbus.ctl.v1.default.host.ping")};
    bus_request_many(s.bus, &m, S, on_reply, &pings);
    assert_true(loop_run_until(s.loop, ended, &pings, 2 * S));
    assert_int_equal(pings.n, 3);
    struct buf stats = BUF_INIT;
    sim_stats_json(s.sim, &stats);
    assert_non_null(strstr(stats.ptr, "\"component.scale\":1"));
    buf_finish(&stats);
    stage_close(&s);
}

static void test_nobody_answers_for_the_dead(void **state) {
    struct sim_config c = sim_config_instant();
    struct stage s;
    (void)state;
    c.hosts = 2;
    stage_open(&s, &c);
    sim_start(s.sim);
    struct vhost *h = world_host(sim_world(s.sim), 0);
    struct vhost *o = world_host(sim_world(s.sim), 1);
    assert_int_equal(ask(&s, "host.get", h, "").n, 1);
    world_host_crash(h, loop_now_ns(s.loop));
    assert_int_equal(ask(&s, "host.get", h, "").end, TRL_E_NORESPONDER);
    world_host_freeze(o, loop_now_ns(s.loop));
    assert_int_equal(ask(&s, "host.get", o, "").end, TRL_E_TIMEOUT);
    assert_int_equal(ask(&s, "link.get", NULL, "").end, TRL_E_TIMEOUT);
    world_host_crash(o, loop_now_ns(s.loop));
    assert_int_equal(ask(&s, "link.get", NULL, "").end, TRL_E_NORESPONDER);
    world_host_restart(h, loop_now_ns(s.loop));
    assert_int_equal(ask(&s, "host.get", h, "").n, 1);
    assert_int_equal(ask(&s, "host.stop", h, "").n, 1); /* ends its own subscription */
    assert_int_equal(ask(&s, "host.ping", NULL, "").end, TRL_E_NORESPONDER);
    stage_close(&s);
}

static void test_wildcard(void **state) {
    struct sim_config c = sim_config_instant();
    struct stage s;
    (void)state;
    c.hosts = 2;
    c.wildcard = true;
    stage_open(&s, &c);
    sim_start(s.sim);
    struct vhost *h = world_host(sim_world(s.sim), 0);
    assert_int_equal(ask(&s, "host.get", h, "").n, 1);
    world_host_crash(h, loop_now_ns(s.loop));
    assert_string_equal(ask(&s, "host.get", h, "").last, ""); /* a Status header says why */
    stage_close(&s);
}

static void test_config_named_as_a_host(void **state) {
    struct sim_config c = sim_config_instant();
    struct stage s;
    (void)state;
    stage_open(&s, &c);
    sim_start(s.sim);
    struct vhost *h = world_host(sim_world(s.sim), 0);
    ask(&s, "config.put", h, "{}");
    loop_advance(s.loop, S);
    assert_int_equal(world_lattice(sim_world(s.sim), 0)->count.ops[SIM_OP_CONFIG_PUT], 1);
    stage_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_over_the_bus),
        cmocka_unit_test(test_nobody_answers_for_the_dead),
        cmocka_unit_test(test_wildcard),
        cmocka_unit_test(test_config_named_as_a_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
