/* SPDX-License-Identifier: Apache-2.0
 *
 * The suite of driver/1 on the process driver: real processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "place.h"
#include "suite_driver.h"

static void *up(struct bus *bus, struct loop *loop) {
    (void)bus;
    return loop; /* the host is this machine */
}

static void down(void *hosts) {
    (void)hosts;
}

static void over_libuv(void **state) {
    struct place p;
    char config[512];
    (void)state;
    place_make(&p);
    place_config(&p, "", config, sizeof(config));
    struct suite_hosts hosts = {.up = up, .down = down, .host = PLACE_HOST, .n_hosts = 1};
    hosts.image = hosts.provider = place_script(
        &p, "app", "#!/bin/sh\ntrap 'exit 0' TERM\necho up\nwhile :; do sleep 600 & wait; done\n");
    place_script(&p, "app-2",
                 "#!/bin/sh\ntrap 'exit 0' TERM\necho up\nwhile :; do sleep 600 & wait; done\n");
    hosts.bad_image = "file:///nonexistent/program";
    assert_int_equal(suite_driver("process", config, &hosts, 0), 0);
    assert_int_equal(place_remove(&p), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(over_libuv)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
