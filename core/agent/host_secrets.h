/* SPDX-License-Identifier: Apache-2.0
 *
 * host.secret_read/1 on an agent: asked of the lattice's secrets service as a wasmCloud host does
 * it. Each question is sealed with a key made for it and carries the tokens of the host and of the
 * unit; the value is opened in guarded memory and lent to the driver for one call. Never blocks;
 * every step has a deadline. All on the loop.
 */
#ifndef TRELLIS_AGENT_HOST_SECRETS_H
#define TRELLIS_AGENT_HOST_SECRETS_H

#include "agent/identity.h"
#include "base/log.h"
#include "plug/bus.h"

struct host_secrets;

struct host_secrets_env { /* borrowed until host_secrets_finish */
    struct loop *loop;
    const struct log *log;
    struct bus *bus;
    const struct identity *identity;
    str topic; /* "wasmcloud.secrets" */
    str name;  /* the host's friendly one; copied */
};
struct host_secrets *host_secrets_create(const struct host_secrets_env *env);
/* Before the bus: no callback runs any more, and new calls fail with CLOSED. NULL is fine. */
void host_secrets_finish(struct host_secrets *s);
void host_secrets_destroy(struct host_secrets *s); /* after the driver; NULL is fine */

extern const trl_host_secret_read_v1 host_secrets_iface; /* ctx of the iface: the host_secrets */

/* Tokens of letters, digits, dashes and underscores, joined by dots. */
bool host_secrets_topic_ok(str topic);

#endif
