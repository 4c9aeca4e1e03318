/* SPDX-License-Identifier: Apache-2.0
 *
 * host.secret_read/1: how a driver that runs things itself gets the secrets of its units. The chain
 * of TRL_POINT_SECRET is asked as it is for hosts (secrets_service.h); values stay in guarded
 * memory and are lent to the driver for one call. All on the loop.
 */
#ifndef TRELLIS_SERVE_SECRET_READ_H
#define TRELLIS_SERVE_SECRET_READ_H

#include "policy/policy.h"
#include "secrets/secrets.h"

struct secret_reads;

struct secret_reads_env { /* borrowed until secret_reads_finish */
    struct loop *loop;
    const struct log *log;
    struct policy_chains *policy; /* NULL: whoever runs here may read */
    struct secrets *secrets;      /* NULL: no backend is configured */
};
struct secret_reads *secret_reads_create(const struct secret_reads_env *env);
/* Before the chains and the backends: no callback runs any more, and new calls fail with CLOSED. */
void secret_reads_finish(struct secret_reads *s);
void secret_reads_destroy(struct secret_reads *s); /* after the instances; NULL is fine */

extern const trl_host_secret_read_v1 secret_reads_iface; /* ctx of the iface: the secret_reads */

#endif
