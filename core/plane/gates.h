/* SPDX-License-Identifier: Apache-2.0
 *
 * Policy and secrets backends of a control plane: made from its configuration, started before
 * anything is served, stopped after everything else.
 */
#ifndef TRELLIS_PLANE_GATES_H
#define TRELLIS_PLANE_GATES_H

#include "plane/config.h"
#include "plug/bus.h"
#include "plug/kv.h"
#include "policy/policy.h"
#include "secrets/secrets.h"

struct gates;

struct gates_env {
    struct loop *loop;
    const struct log *log;
    struct plug *plug;
    struct bus *bus;
    struct kv *kv;
    const struct config_gates *config;              /* borrowed */
    void (*on_policy_change)(void *arg);            /* rulings may differ now */
    void (*on_ready)(void *arg);                    /* in a later turn */
    void (*on_failed)(void *arg, const char *text); /* one line; instead of on_ready */
    void *arg;
};
struct gates *gates_start(const struct gates_env *env);
struct policy_chains *gates_policy(struct gates *g); /* NULL: no chain is configured */
struct audit *gates_audit(struct gates *g);          /* NULL: the same */
struct secrets *gates_secrets(struct gates *g);      /* NULL: no backend is configured */
/* No callback runs any more; what asks them must be gone. NULL is fine. */
void gates_finish(struct gates *g);
/* After gates_finish: stops the instances and frees. done runs in a later turn. NULL is fine. */
void gates_stop(struct gates *g, void (*done)(void *arg), void *arg);

#endif
