/* SPDX-License-Identifier: Apache-2.0
 *
 * The suite of driver/1 on the lattice driver with the simulator's hosts, which know nothing of the
 * driver: well-behaved ones, slow ones, and ones whose events come twice and late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sim/sim.h"
#include "suite_driver.h"

#define HOST "NAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSWB"

static void *begin(struct bus *bus, struct loop *loop, struct sim_config c) {
    static const char *const lattices[] = {"suite"}, *const ids[] = {HOST};
    static const struct sim_image_fault faults[] = {{"*broken*", "no such image"}};
    struct err err = ERR_INIT;
    struct sim *s = NULL;
    c.seed = 7;
    c.hosts = 2;
    c.lattices = lattices;
    c.n_lattices = 1;
    c.host_ids = ids;
    c.n_host_ids = 1;
    c.image_faults = faults;
    c.n_image_faults = 1;
    if (sim_create(loop, bus, &c, &s, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    sim_start(s);
    return s;
}

static void *up_instant(struct bus *bus, struct loop *loop) {
    return begin(bus, loop, sim_config_instant());
}

static void *up_default(struct bus *bus, struct loop *loop) {
    struct sim_config c = sim_config_default();
    c.start_spread_ns = 0;
    return begin(bus, loop, c);
}

static void *up_unruly(struct bus *bus, struct loop *loop) {
    struct sim_config c = sim_config_default();
    c.start_spread_ns = 0;
    c.link_lag_ns = 500000000;
    c.faults.event_dup = 0.5;
    c.faults.link = (struct sim_delay){1000000, 50000000};
    return begin(bus, loop, c);
}

static void down(void *s) {
    sim_destroy(s);
}

static struct suite_hosts hosts_with(void *(*up)(struct bus *bus, struct loop *loop)) {
    return (struct suite_hosts){.up = up,
                                .down = down,
                                .host = HOST,
                                .image = "reg.example/hello:1",
                                .bad_image = "reg.example/broken:1",
                                .provider = "oci://reg.example/http:1"};
}

static void instant_hosts(void **state) {
    const struct suite_hosts hosts = hosts_with(up_instant);
    (void)state;
    assert_int_equal(suite_driver("lattice", "{}", &hosts, SUITE_VIRTUAL), 0);
    assert_int_equal(suite_driver("lattice", "{\"ping_ms\":50}", &hosts, 0), 0);
}

static void hosts_as_they_are(void **state) {
    const struct suite_hosts hosts = hosts_with(up_default);
    (void)state;
    assert_int_equal(suite_driver("lattice", "{}", &hosts, SUITE_VIRTUAL), 0);
}

static void unruly_hosts(void **state) {
    const struct suite_hosts hosts = hosts_with(up_unruly);
    (void)state;
    assert_int_equal(suite_driver("lattice", "{}", &hosts, SUITE_VIRTUAL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instant_hosts),
        cmocka_unit_test(hosts_as_they_are),
        cmocka_unit_test(unruly_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
