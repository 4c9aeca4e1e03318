/* SPDX-License-Identifier: Apache-2.0 */
#include "simtest.h"

#include "sim/control.h"

static void say(struct rig *g, const char *line, const char *want) {
    struct buf out = BUF_INIT;
    buf_add(&out, "", 0);
    assert_true(control_line(g->w, str_c(line), g->now_ns, &out));
    if (strncmp(out.ptr, want, strlen(want)) != 0) {
        fail_msg("%s: %s", line, out.ptr);
    }
    buf_finish(&out);
    rig_pass(g, 0);
}

static void test_lines(void **state) {
    struct rig g;
    struct sim_config c = sim_config_instant();
    struct buf id = BUF_INIT, out = BUF_INIT;
    (void)state;
    c.hosts = 5;
    rig_open(&g, &c);
    say(&g, "start all", "ok\n");
    say(&g, "  crash   1-2 ", "ok\n");
    assert_int_equal(vhost_state(world_host(g.w, 2)), VHOST_OFF);
    assert_int_equal(vhost_state(world_host(g.w, 3)), VHOST_UP);
    say(&g, "freeze 3", "ok\n");
    assert_int_equal(vhost_state(world_host(g.w, 3)), VHOST_FROZEN);
    say(&g, "unfreeze 3", "ok\n");
    buf_addf(&id, "stop %s", vhost_id(world_host(g.w, 4)));
    say(&g, id.ptr, "ok\n");
    assert_int_equal(vhost_state(world_host(g.w, 4)), VHOST_OFF);
    say(&g, "label 0 zone=a b", "ok\n");
    str v;
    assert_true(pairs_get(world_labels(world_host(g.w, 0)), STR("zone"), &v) && str_is(v, "a b"));
    say(&g, "set 0 nack-rate 100%", "ok\n");
    say(&g, "set all lose-events 1", "ok\n");
    assert_true(world_faults(g.w)->event_lost > 0.9 && world_faults(g.w)->nack < 0.1);
    say(&g, "set 0 reset", "ok\n");
    say(&g, "fail-image r/*:bad=no such image", "ok\n");
    say(&g, "fail-image r/*:bad", "ok\n");
    say(&g, "health 0 kv silent", "ok, 0\n");
    say(&g, "show 0-1", "{\"id\":\"N");
    say(&g, "stats", "{\"run_ms\":0,\"lattices\":{\"default\":{\"hosts\":5,");
    say(&g, "reset", "ok\n");
    say(&g, "help", "start|stop");
    say(&g, "", "");
    say(&g, "# remark", "");
    assert_false(control_line(g.w, STR("quit"), g.now_ns, &out));
    buf_finish(&id);
    rig_close(&g);
}

static void test_mistakes(void **state) {
    struct rig g;
    static const char *const lines[] = {"crash 7",
                                        "crash",
                                        "crash 2-1",
                                        "crash x",
                                        "label 0 zone",
                                        "label 0 =x",
                                        "set 0 nope 1",
                                        "set 0 nack-rate 7",
                                        "set 0",
                                        "fail-image",
                                        "health 0 kv sick",
                                        "nonsense",
                                        "crash 99999999999999999999",
                                        "label"};
    (void)state;
    rig_instant(&g);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        say(&g, lines[i], "error: ");
    }
    rig_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines),
                                       cmocka_unit_test(test_mistakes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
