/* SPDX-License-Identifier: Apache-2.0
 *
 * A nats-server, control planes, simulated hosts — all real processes — and a client of the bus.
 */
#ifndef TRELLIS_TESTS_SITE_H
#define TRELLIS_TESTS_SITE_H

#include <nats/nats.h>
#include <stdatomic.h>

#include "../plugin/nats/server.h"
#include "codec/json.h"
#include "proc.h"

#define SITE_MS 30000 /* patience with what normally takes moments: sanitizers, a busy machine */

struct site {
    struct server nats;
    char url[64];
    natsConnection *nc;
    struct arena arena; /* of replies; lives as long as the site */
    struct proc serve[2], sim;
    natsSubscription *tap;
    atomic_uint commands; /* control requests that change something, seen since site_tap */
    atomic_uint scales, ends;
    bool verbose;
};

/* Of each test: *state is its struct site; the end of a test, good or bad, ends what it started. */
int site_setup(void **state);
int site_teardown(void **state);
#define SITE_TEST(f) cmocka_unit_test_setup_teardown(f, site_setup, site_teardown)
/* Skips the test when there is no nats-server. conf: further lines for the server. */
void site_open(struct site *s, const char *conf);
void site_connect(struct site *s); /* the client; the server is up */
/* Starts `trellis serve`; config: lines of a trellis.yaml in the site's directory, NULL: none. */
void site_serve_start(struct site *s, int i, const char *config);
void site_serve(struct site *s, int i);           /* ... and waits until it serves */
void site_sim(struct site *s, const char *hosts); /* hosts, and waits until they are there */
void site_sim_secrets(struct site *s, const char *hosts); /* ... that find every secret */
void site_tap(struct site *s);                            /* counts from now */
/* The reply, parsed, borrowed until the next look at a condition; NULL: nobody answers (or not in
 * time). */
const struct node *site_ask(struct site *s, const char *subject, const char *body);
/* wadm.api.default.model.<op>; fails the test unless the result is as given. */
const struct node *site_model(struct site *s, const char *op, const char *body, const char *result);
void site_put_hello(struct site *s);                             /* docs/examples/wasm/hello.yaml */
bool site_is(struct site *s, const char *app, const char *type); /* wadm.status says so */
uint32_t site_hosts(struct site *s, uint32_t *ret_instances);    /* as host.list says */
/* The last message of a subject in a stream, or message seq; NULL: none. Parsed. */
const struct node *site_stored(struct site *s, const char *stream, const char *subject,
                               uint64_t seq);
bool site_lattice_settled(struct site *s); /* synced, settled */

#endif
