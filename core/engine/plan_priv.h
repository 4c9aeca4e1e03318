/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the planner: plan.c (order and status), plan_config.c (the gate),
 * plan_unit.c (placement, start, count), plan_update.c (image changes), plan_link.c, plan_remove.c
 * (leftovers).
 */
#ifndef TRELLIS_ENGINE_PLAN_PRIV_H
#define TRELLIS_ENGINE_PLAN_PRIV_H

#include "engine/plan.h"

enum gate { GATE_OPEN, GATE_WAIT, GATE_FAIL };

struct planner {
    const struct plan_in *in;
    const struct desired *d;
    const struct observed *o;
    const struct ledger *l;
    struct desired_app *app;
    uint32_t app_id; /* interned name in observed, INTERN_NONE: never seen */
    struct plan *out;
    struct arena *a;
    bool can_talk;    /* some host is heard from: link and config requests have a listener */
    bool unconfirmed; /* something of the new state is not there yet */
    uint32_t n_hosts;
    trl_host_view *views;  /* by position (sorted by id) */
    uint32_t *flags;       /* by position: state of the host, for every unit */
    struct arena *scratch; /* per unit */
};

/* plan.c */
struct plan_action *plan_add(struct planner *p, uint32_t verb, enum plan_target target);
void plan_wake(struct planner *p, int64_t at_ns);
/* The back-off's text for the status: error, try, next time. Empty when the item does not block. */
bool plan_blocked(struct planner *p, const struct ledger_item *i, str *ret_text);
bool plan_mine(const struct planner *p, const struct seen_entry *e);
str plan_time(struct planner *p, int64_t mono_ns); /* "2026-01-31T10:00:00Z" */

/* plan_config.c: may what names these configs go ahead? Adds the puts that are missing. */
enum gate plan_gate(struct planner *p, struct want_config *const *configs, uint32_t n,
                    str *ret_text);

/* plan_unit.c */
void plan_unit(struct planner *p, const struct want_unit *u, struct scaler_status *st);
/* plan_link.c */
void plan_link(struct planner *p, const struct want_link *l, struct scaler_status *st);
/* plan_remove.c: what applied versions left behind; done: nothing is left. */
void plan_leftovers(struct planner *p);

/* What was decided about one unit, position by position. */
struct unit_plan {
    struct planner *p;
    const struct want_unit *u;
    uint32_t uid;
    uint32_t *current, *foreign, *failing, *flags, *wanted, *group, *reasons;
    const struct seen_entry **entry; /* own entry, else NULL */
    struct ledger_item **item;
    bool *planned;           /* an action for it is in the plan */
    bool *outdated, *relist; /* other image; other config list */
    bool *denied;            /* policy denies it the host */
    uint32_t *hot, n_hot;    /* positions that have the unit, or should */
    enum gate gate;
    str gate_text;
    uint32_t n_running, n_fresh; /* own entries with instances; those with the wanted image */
    uint32_t n_commands;         /* planned or in flight */
    uint32_t n_updating;
    bool adds_pending; /* something is yet to come: removals wait */
    bool removing_ineligible;
    uint32_t n_denied; /* hosts that policy denies */
    str denied_text;   /* why, of the first */
    bool blocked;      /* an item's back-off holds something back */
    str blocked_text;
    str note; /* worth saying although all is well */
};
struct plan_action *unit_action(struct unit_plan *x, uint32_t pos, uint32_t verb, uint32_t count,
                                const char *reason);
/* plan_update.c: entries with another image, or another config list. */
void unit_classify(struct unit_plan *x, uint32_t pos);
void unit_updates(struct unit_plan *x);
bool unit_place(struct unit_plan *x, uint32_t *current, uint32_t *flags, trl_place_out *out);

#endif
