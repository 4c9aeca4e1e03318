/* SPDX-License-Identifier: Apache-2.0
 *
 * wasmCloud's secrets protocol for hosts (lattice protocol, section 5): every configured backend
 * answers at <topic>.v1alpha1.<backend>.server_xkey and .get. Values leave in sealed boxes only;
 * before that they are in guarded memory. Who may read what is asked of the policy chain of
 * TRL_POINT_SECRET, with the identities that the tokens prove.
 */
#ifndef TRELLIS_SERVE_SECRETS_SERVICE_H
#define TRELLIS_SERVE_SECRETS_SERVICE_H

#include "plug/bus.h"
#include "policy/policy.h"
#include "secrets/secrets.h"

struct secrets_service;

struct secrets_service_env { /* borrowed for the life of the service */
    struct loop *loop;
    const struct log *log;
    struct bus *bus;
    struct policy_chains *policy; /* NULL: whoever has valid tokens may read */
    struct secrets *secrets;
    str topic;
    const char *seed_file; /* the transit key's seed: the same for all instances, for ever */
};
/* NULL: the seed file is missing, readable by others, or holds no such seed; err says what to do.
 */
struct secrets_service *secrets_service_create(const struct secrets_service_env *env,
                                               struct err *err);
/* Before the bus, the chains and the backends; NULL is fine. */
void secrets_service_destroy(struct secrets_service *s);

#endif
