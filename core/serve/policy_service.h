/* SPDX-License-Identifier: Apache-2.0
 *
 * wasmCloud's policy protocol for hosts (lattice protocol, section 6): a host asks before it starts
 * or invokes something, and keeps the answer for its whole life. So decisions are remembered here,
 * judged again when rules change or a verdict's time is over, and what changed is published on the
 * changes topic: that replaces what the host keeps.
 */
#ifndef TRELLIS_SERVE_POLICY_SERVICE_H
#define TRELLIS_SERVE_POLICY_SERVICE_H

#include "plug/bus.h"
#include "policy/policy.h"

struct policy_service;

struct policy_service_env { /* borrowed for the life of the service */
    struct loop *loop;
    const struct log *log;
    struct bus *bus;
    struct policy_chains *policy; /* NULL: everything is permitted */
    str topic, changes_topic;     /* changes_topic may be empty: nothing is taken back */
};
struct policy_service *policy_service_create(const struct policy_service_env *env);
void policy_service_changed(struct policy_service *s); /* rulings may differ now */
void policy_service_destroy(
    struct policy_service *s); /* before the bus and the chains; NULL is fine */

#endif
