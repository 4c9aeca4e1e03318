/* SPDX-License-Identifier: Apache-2.0
 *
 * What a program on every machine is good for: it tells how this one is doing.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/utsname.h>

#include "http.h"

static void measure(const struct request *r, struct answer *a) {
    struct utsname machine;
    double load = 0;
    (void)r;
    uname(&machine);
    getloadavg(&load, 1);
    say(a, "%s%s: load %.2f (version %s)\n", env("prefix", ""), machine.nodename, load, VERSION);
}

int main(void) {
    return http_serve("meter", measure);
}
