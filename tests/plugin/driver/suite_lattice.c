/* SPDX-License-Identifier: Apache-2.0
 *
 * The suite of driver/1 on the lattice driver: the library through the border, transport-inproc,
 * scripted hosts; on the virtual loop and over libuv.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "busrig.h"
#include "fakehost.h"
#include "suite_driver.h"

struct player {
    struct core *core;
    struct fworld *world;
};

static void *up(struct bus *bus, struct loop *loop) {
    struct player *p = mem_zalloc(sizeof(*p));
    p->core = busrig_create(bus, loop);
    p->world = world_create(p->core, "suite", "wasmbus.ctl", "wasmbus.evt");
    p->world->fail_image = "broken";
    world_host(p->world, "H1");
    world_host(p->world, "H2");
    return p;
}

static void down(void *arg) {
    struct player *p = arg;
    busrig_destroy(p->core);
    world_destroy(p->world);
    mem_free(p);
}

static const struct suite_hosts hosts = {.up = up,
                                         .down = down,
                                         .host = "H1",
                                         .image = "reg/hello:1",
                                         .bad_image = "reg/broken:1",
                                         .provider = "oci://reg/http:1"};

static void on_the_virtual_loop(void **state) {
    (void)state;
    assert_int_equal(suite_driver("lattice", "{}", &hosts, SUITE_VIRTUAL), 0);
}

static void over_libuv(void **state) {
    (void)state;
    assert_int_equal(suite_driver("lattice", "{\"ping_ms\":50}", &hosts, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_the_virtual_loop),
        cmocka_unit_test(over_libuv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
