/* SPDX-License-Identifier: Apache-2.0 */
#include "simtest.h"

#include "sim/options.h"

static int parse(const char *const *args, struct sim_options *o, struct err *err) {
    char *argv[24] = {NULL};
    int argc = 0;
    static char store[24][100];
    snprintf(store[0], sizeof(store[0]), "sim");
    argv[argc++] = store[0];
    for (; args[argc - 1]; argc++) {
        snprintf(store[argc], sizeof(store[argc]), "%s", args[argc - 1]);
        argv[argc] = store[argc];
    }
    return sim_options_parse(argc, argv, o, err);
}

static void test_all_kinds(void **state) {
    static const char *const args[] = {"--hosts",
                                       "30",
                                       "--lattice",
                                       "one",
                                       "--lattice=two",
                                       "--label",
                                       "zone=a|b",
                                       "--seed",
                                       "7",
                                       "--heartbeat",
                                       "5s",
                                       "--jitter",
                                       "10%",
                                       "--lose-events",
                                       "0.5",
                                       "--for",
                                       "1m",
                                       "--stats",
                                       "-",
                                       "--fail-image",
                                       "r/*=no=no",
                                       "-v",
                                       NULL};
    struct sim_options o;
    struct err err = ERR_INIT;
    (void)state;
    if (parse(args, &o, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    assert_int_equal(o.config.hosts, 30);
    assert_int_equal(o.config.n_lattices, 2);
    assert_string_equal(o.config.lattices[1], "two");
    assert_string_equal(o.config.labels[0], "zone=a|b");
    assert_int_equal(o.config.seed, 7);
    assert_int_equal(o.config.heartbeat_ns, 5 * S);
    assert_true(o.config.faults.event_lost > 0.4);
    assert_int_equal(o.for_ns, 60 * S);
    assert_string_equal(o.config.image_faults[0].pattern, "r/*");
    assert_string_equal(o.config.image_faults[0].text, "no=no");
    assert_string_equal(o.transport, "nats");
    assert_true(o.verbose && !o.help);
    sim_options_finish(&o);
}

static void test_mistakes(void **state) {
    static const char *const cases[][3] = {
        {"--hosts", "0", NULL},
        {"--hosts", "x", NULL},
        {"--nonsense", NULL, NULL},
        {"--hosts", NULL, NULL},
        {"extra", NULL, NULL},
        {"--for", "5", NULL},
        {"--lose-events", "2", NULL},
        {"--host-id", "N1", NULL},
        {"--secrets", "x", NULL},
        {"--fail-image", "x", NULL},
        {"--start-delay", "2s-1s", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim_options o;
        struct err err = ERR_INIT;
        if (parse(cases[i], &o, &err) == 0 || err.msg[0] == '\0') {
            fail_msg("accepted: %s", cases[i][0]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_kinds),
                                       cmocka_unit_test(test_mistakes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
