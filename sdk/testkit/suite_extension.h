/* SPDX-License-Identifier: Apache-2.0
 *
 * Conformance suite of extension/1: a made-up core that answers, keeps silent, refuses and floods,
 * and an extension that has to bear it, start and stop at any moment, and leave nothing behind.
 */
#ifndef TRELLIS_TESTKIT_SUITE_EXTENSION_H
#define TRELLIS_TESTKIT_SUITE_EXTENSION_H

#include <trellis/trellis.h>

struct suite_poke {
    /* Makes the extension ask the core for something (a request to its socket, say); info: what its
     * info() told. May be called often. NULL: it asks by itself or never. */
    void (*poke)(void *arg, trl_str info);
    /* Lets go of what poke() holds, before the instance is stopped or after. */
    void (*let_go)(void *arg);
    void *arg;
    int64_t loop_age_ns; /* what host.health/1 says of the loop */
};

/* Prints what failed and how many checks there were; returns how many failed. */
int suite_extension(const char *component, const char *config_json, const struct suite_poke *poke);

#endif
