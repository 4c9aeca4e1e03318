/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include "base/mem.h"
#include "testkit.h"

struct rig {
    struct tk *tk;
    struct plug_inst *in;
    struct scaler *s;
    trl_host_view hosts[2];
    uint32_t flags[2], current[2], wanted[2], group[2], reasons[2];
    trl_unit_view unit;
    trl_place_in place;
    trl_place_out out;
};

static int make(void **state) {
    struct rig *r = mem_zalloc(sizeof(*r));
    r->tk = tk_create_in(true, TEST_PLUGIN_DIR);
    r->in = tk_create_inst(r->tk, TRL_KIND_SCALER, "place", NULL, NULL, 0);
    if (!r->in) {
        return -1;
    }
    r->s = scaler_create(r->in);
    r->hosts[0] = (trl_host_view){.struct_size = sizeof(r->hosts[0]), .id = STR("N1")};
    r->hosts[1] = (trl_host_view){.struct_size = sizeof(r->hosts[0]), .id = STR("N2")};
    r->flags[0] = r->flags[1] = TRL_HOST_READY;
    r->place = (trl_place_in){.unit = &r->unit,
                              .hosts = r->hosts,
                              .host_stride = sizeof(r->hosts[0]),
                              .n_hosts = 2,
                              .host_flags = r->flags,
                              .current = r->current};
    r->out = (trl_place_out){.wanted = r->wanted, .group = r->group, .reasons = r->reasons};
    *state = r;
    return 0;
}

static int finish(void **state) {
    struct rig *r = *state;
    scaler_destroy(r->s);
    tk_close(r->tk, r->in);
    int bad = tk_destroy(r->tk);
    mem_free(r);
    return bad;
}

static int place(struct rig *r, const char *properties, struct err *err) {
    struct scaler_spec *sp;
    memset(r->wanted, 0xff, sizeof(r->wanted)); /* the core zeroes it */
    assert_int_equal(scaler_compile(r->s, str_c(properties), &sp, err), 0);
    int rc = scaler_place(sp, &r->place, &r->out, err);
    scaler_release(sp);
    return rc;
}

static void expect(struct rig *r, const char *properties, const char *text) {
    struct err err = ERR_INIT;
    assert_true(place(r, properties, &err) < 0);
    if (!strstr(err.msg, text) || !strstr(err.msg, "'place'")) {
        fail_msg("'%s' lacks '%s'", err.msg, text);
    }
}

static void answers(void **state) {
    struct rig *r = *state;
    struct err err = ERR_INIT;
    struct scaler_spec *sp;
    char text[64] = "x";
    assert_string_equal(scaler_status_kind(r->s), "PlaceScaler");
    assert_int_equal(place(r, "3", &err), 0);
    assert_int_equal(r->wanted[0], 3);
    assert_int_equal(r->group[1], TRL_NO_GROUP);
    assert_int_equal(scaler_compile(r->s, STR("bad"), &sp, &err), TRL_E_INVALID);
    assert_string_equal(err.msg, "/instances must be a number");
    assert_int_equal(scaler_compile(r->s, STR("1"), &sp, &err), 0);
    assert_true(str_is(scaler_group_name(sp, 0), "default")); /* the plugin has none */
    scaler_describe(sp, 3, &r->hosts[0], text, sizeof(text));
    assert_string_equal(text, "reason 3 of scaler 'place'");
    scaler_release(sp);
    scaler_release(NULL);
}

static void every_answer_is_checked(void **state) {
    struct rig *r = *state;
    expect(r, "fail", "cannot count");
    r->flags[1] = TRL_HOST_STALE;
    r->current[1] = 2;
    expect(r, "3", "gives host N2 3 instances where 2 run: a host that is not heard from");
    assert_int_equal(place(r, "2", NULL), 0);
    r->flags[1] = TRL_HOST_SUSPECT;
    expect(r, "1", "not heard from");
    r->flags[1] = TRL_HOST_EXCLUDED;
    expect(r, "1", "an excluded host gets none");
    r->flags[1] = TRL_HOST_CORDONED;
    assert_int_equal(place(r, "2", NULL), 0);
    expect(r, "3", "a cordoned host gets nothing new");
    r->flags[1] = TRL_HOST_READY;
    r->unit.flags = TRL_UNIT_SINGLETON_PER_HOST;
    expect(r, "2", "of a provider a host runs one at most");
    assert_int_equal(place(r, "1", NULL), 0);
    r->place.host_flags = NULL; /* then the views' own flags count */
    r->hosts[0].flags = TRL_HOST_EXCLUDED;
    expect(r, "1", "gives host N1 1");
}

/* The plugin's reasons count: 100 and how often it was asked; what rests is told as kept. */
static bool asked(struct rig *r, struct scaler_spec *sp, uint64_t revision) {
    struct err err = ERR_INIT;
    memset(r->wanted, 0xff, sizeof(r->wanted));
    assert_int_equal(scaler_place_again(sp, &r->place, revision, &r->out, &err), 0);
    assert_int_equal(r->wanted[0], 3);
    assert_int_equal(r->wanted[1], 3);
    return r->reasons[0] > 100;
}

static void nothing_is_asked_twice(void **state) {
    struct rig *r = *state;
    struct scaler_spec *sp;
    struct err err = ERR_INIT;
    assert_int_equal(scaler_compile(r->s, STR("3"), &sp, &err), 0);
    assert_true(asked(r, sp, 7) && r->reasons[1] == 101);
    assert_true(asked(r, sp, 7) && r->reasons[1] == 101);
    r->hosts[1].n_instances = 1; /* what is added goes by the loads */
    assert_true(asked(r, sp, 7) && r->reasons[1] == 102);
    r->hosts[1].n_instances = 0;
    r->hosts[0].n_instances = 1;
    assert_true(asked(r, sp, 7) && r->reasons[1] == 103);
    assert_true(asked(r, sp, 8) && r->reasons[1] == 104);
    assert_true(asked(r, sp, 8) && r->reasons[1] == 104);
    r->current[0] = 1; /* a host may have to lose some: that has reasons of its own */
    assert_true(asked(r, sp, 8) && r->reasons[1] == 105);
    assert_true(asked(r, sp, 8) && r->reasons[1] == 106);
    scaler_release(sp);
}

static void what_rests_is_not_asked_again(void **state) {
    struct rig *r = *state;
    struct scaler_spec *sp;
    struct err err = ERR_INIT;
    assert_int_equal(scaler_compile(r->s, STR("3"), &sp, &err), 0);
    assert_true(asked(r, sp, 7));
    r->current[0] = r->current[1] = 3; /* done as it said: law 2 */
    r->hosts[0].n_instances = 99;
    assert_false(asked(r, sp, 7));
    assert_int_equal(r->reasons[1], TRL_WHY_KEPT);
    assert_true(asked(r, sp, 8)); /* hosts or labels changed */
    assert_false(asked(r, sp, 8));
    r->flags[1] = TRL_HOST_CORDONED;
    assert_true(asked(r, sp, 8));
    assert_false(asked(r, sp, 8));
    r->place.flags = TRL_PLACE_EXPLAIN;
    assert_true(asked(r, sp, 8));
    r->place.flags = 0;
    r->flags[1] = TRL_HOST_READY;
    r->current[1] = 2;
    assert_true(asked(r, sp, 8));
    scaler_release(sp);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, finish)
int main(void) {
    const struct CMUnitTest tests[] = {T(answers), T(every_answer_is_checked),
                                       T(nothing_is_asked_twice), T(what_rests_is_not_asked_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
