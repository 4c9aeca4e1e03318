/* SPDX-License-Identifier: Apache-2.0
 *
 * A tiny core for driver tests: the host table, a bus, timers and ops on a clock that only moves
 * when told. What the driver observes is written down as lines of text, so that a test can look for
 * them.
 */
#ifndef TESTS_DRIVER_FAKECORE_H
#define TESTS_DRIVER_FAKECORE_H

#include <trellis/trellis.h>

struct core;
struct core_op {
    int done;
    trl_status st;
    char msg[256];
};

struct core *core_create(const char *config); /* created and started driver */
void core_destroy(struct core *c);            /* stopped, destroyed; asserts that nothing is left */
void core_stop(struct core *c);               /* driver's stop only */
void core_run(struct core *c, int64_t ms);    /* all that is due, then the clock stands at + ms */
int64_t core_now_ms(const struct core *c);
void core_link(struct core *c, int up); /* the transport went up or down */

/* The driver's functions. Ops live as long as the core. */
struct core_op *core_apply(struct core *c, const trl_action *a);
struct core_op *core_resync(struct core *c, const char *lattice);
struct core_op *core_read(struct core *c, const char *lattice, const char *const *names,
                          uint32_t n);
struct core_op *core_probe(struct core *c, const char *lattice, const char *host);
void core_cancel(struct core *c, struct core_op *op);
const trl_driver_v1 *core_table(struct core *c);
trl_inst *core_inst(struct core *c);

/* Lines observed: "report …", "gone …", "link …", "links …", "linkgone …", "config …", "note …",
 * "seen …", "up …". part may hold '*' for anything. */
uint32_t core_count(const struct core *c, const char *part);
void core_forget(struct core *c); /* empties the log */
void core_print(const struct core *c);
size_t core_log_lines(const struct core *c);

/* The bus, for whoever plays a host. */
typedef void (*core_msg_fn)(void *arg, const char *subject, const char *reply, const char *body,
                            size_t len);
void core_subscribe(struct core *c, const char *subject, core_msg_fn fn, void *arg);
void core_publish(struct core *c, const char *subject, const char *body);
void core_after(struct core *c, int64_t ms, void (*fn)(void *arg), void *arg);
uint32_t core_subscriptions(const struct core *c); /* of the driver */

int text_match(const char *text, const char *part);

#endif
