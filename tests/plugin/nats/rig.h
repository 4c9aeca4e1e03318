/* SPDX-License-Identifier: Apache-2.0
 *
 * A server, a core of the test's own, and up to two components on it.
 */
#ifndef TESTS_NATS_RIG_H
#define TESTS_NATS_RIG_H

#include <stdlib.h>

#include "../../unit/cmocka_all.h"
#include "fake.h"
#include "server.h"

struct rig {
    struct server server;
    struct fake *f;
    struct comp s, t; /* a store, a transport */
    char err[256];
};

static inline int setup(void **state) {
    struct rig *r = calloc(1, sizeof(*r));
    *state = r;
    server_init(&r->server);
    r->f = fake_new();
    return 0;
}

static inline int teardown(void **state) {
    struct rig *r = *state;
    comp_close(&r->s);
    comp_close(&r->t);
    fake_free(r->f);
    server_end(&r->server);
    free(r);
    return 0;
}

#define NEED_SERVER()                                                                              \
    do {                                                                                           \
        if (!server_present()) {                                                                   \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* With options for quick tests and `more` (",..." or empty). */
static inline trl_status open_as(struct rig *r, struct comp *c, const char *name,
                                 const char *more) {
    char config[4096];
    snprintf(config, sizeof(config), "{%s,\"reconnect_max_ms\":100,\"ping_interval_ms\":500%s}",
             server_url(&r->server), more);
    return comp_open(c, r->f, name, config, r->err);
}

#endif
