/* SPDX-License-Identifier: Apache-2.0
 *
 * What each operation makes of a head. Pure: after a conflict the change is applied again to what
 * is there now.
 */
#ifndef TRELLIS_CATALOG_CHANGE_H
#define TRELLIS_CATALOG_CHANGE_H

#include "catalog/head.h"

enum change_kind {
    CHANGE_PUT,
    CHANGE_DEPLOY,
    CHANGE_UNDEPLOY,
    CHANGE_DELETE,
    CHANGE_SETTLE,
    CHANGE_PIN
};

struct change {
    enum change_kind kind;
    str tenant, lattice, name;
    str version; /* DEPLOY, DELETE: ptr NULL: none given */
    /* PUT */
    str hash, fresh_uid; /* fresh_uid: for an app that is new */
    int64_t now_ms;
    bool if_changed;
    uint32_t min_n;                /* not below: numbers that others claimed */
    const struct secret_pin *pins; /* DEPLOY; PIN: one */
    uint32_t n_pins;
    bool newest;        /* DEPLOY: only while that version is the newest */
    bool keep_pins;     /* DEPLOY: a rollback */
    const str *refresh; /* DEPLOY, PIN */
    uint32_t n_refresh;
    struct trace_ctx trace; /* DEPLOY, UNDEPLOY, DELETE */
    uint64_t generation;    /* SETTLE */
    const uint32_t *gone;
    uint32_t n_gone;
    const str *renewed;
    uint32_t n_renewed;
};

enum change_act { CHANGE_NOTHING, CHANGE_WRITE, CHANGE_REMOVE };

/* What the change makes of a head (NULL: none). *r is filled (its strings live in *ret or in old or
 * in ch). *ret: owned, the new head (for REMOVE: its last state), NULL for NOTHING. */
enum change_act change_apply(const struct app *old, const struct change *ch, struct head **ret,
                             struct catalog_result *r);

#endif
