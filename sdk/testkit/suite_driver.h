/* SPDX-License-Identifier: Apache-2.0
 *
 * Conformance suite of driver/1. It talks to the driver through the border and listens to what it
 * reports; hosts are played by whoever runs the suite.
 */
#ifndef TRELLIS_TESTKIT_SUITE_DRIVER_H
#define TRELLIS_TESTKIT_SUITE_DRIVER_H

#include "plug/bus.h"
#include "suite.h"

struct suite_hosts {
    /* n_hosts hosts at least, in lattice "suite", reachable over the bus; returns the player's own.
     */
    void *(*up)(struct bus *bus, struct loop *loop);
    void (*down)(void *hosts); /* after the driver is gone */
    const char *host;          /* id of one of them */
    const char *image;         /* a component it can start */
    const char *bad_image;     /* one it cannot */
    const char *provider;      /* image of a provider it can start, or NULL */
    uint32_t n_hosts;          /* so many report; 0: two */
};

/* Returns how many checks failed. The hosts and the driver meet on transport-inproc. */
int suite_driver(const char *component, const char *config_json, const struct suite_hosts *hosts,
                 uint32_t flags);

#endif
