/* SPDX-License-Identifier: Apache-2.0
 *
 * plan(desired, observed, ledger, now): the one pure function that `trellis app plan`, the tests,
 * the simulation and the live engine call.
 */
#ifndef TRELLIS_ENGINE_PLAN_H
#define TRELLIS_ENGINE_PLAN_H

#include "engine/desired.h"
#include "engine/ledger.h"
#include "engine/status.h"
#include "lattice/observed.h"

enum plan_target { PLAN_UNIT, PLAN_LINK, PLAN_CONFIG };

/* Something to do, with its reason. Strings live in the plan's arena or in the spec it came from.
 */
struct plan_action {
    uint32_t verb; /* TRL_DO_* */
    enum plan_target target;
    str app;
    str host_id;                      /* units only */
    uint32_t host;                    /* slot in observed; OBS_NONE for links and configs */
    uint32_t id;                      /* interned unit id, link key or config name */
    str name;                         /* unit id, link's display name, config name */
    const struct want_unit *unit;     /* what it should become; NULL for removals */
    const struct want_unit *unit_old; /* UPDATE: how to go back, when known */
    const struct want_link *link;
    const struct want_config *config;
    const struct seen_link *seen_link; /* LINK_DEL of something seen */
    uint32_t count, count_old;
    str image_old;
    str group;       /* spread name */
    uint32_t flags;  /* TRL_ACT_* */
    bool removal;    /* takes something away: subject to the guard */
    bool unprompted; /* a removal that follows from no API call */
    str reason;      /* for people and for the command stream */
};

/* What was decided for one host and unit: `plan` shows it. */
struct plan_place {
    str unit, host_id, host_name, group, why;
    uint32_t now, wanted;
};

struct plan {
    struct arena arena, scratch; /* scratch: the planner's */
    struct plan_action *actions;
    uint32_t n_actions, cap_actions;
    struct plan_place *places; /* with explain only */
    uint32_t n_places, cap_places;
    struct app_status status; /* of the app planned */
    bool needs_known;         /* a scaler id is unknown: learn all stored versions, plan again */
    int64_t wake_ns;          /* look again then (back-off, deadline); INT64_MAX: no need */
    bool pending;             /* something is in flight or waits for a gate */
    uint32_t gone[8], n_gone; /* applied versions that left nothing behind */
    str renewed[16];          /* refresh keys that are done */
    uint32_t n_renewed;
    bool done_undeploy;     /* nothing of the app is left */
    struct app_spec *keeps; /* a preview's own spec; shared */
};

struct plan_in {
    const struct desired *desired;
    const struct observed *observed;
    const struct ledger *ledger;
    int64_t now_ns;
    int64_t wall_offset_ms; /* UNIX time minus monotonic, fixed per engine, for texts */
    bool ever_host;         /* the lattice had a host at some time */
    uint64_t seed;
    bool explain; /* fill places */
    /* driver's pure helpers; NULL allowed */
    size_t (*normal_image)(void *arg, uint32_t run_kind, str image, char *buf, size_t cap);
    /* Hosts that policy denies to a unit (stop: what runs there must go); NULL: none. */
    void (*denied)(void *arg, const struct want_unit *u,
                   void (*fn)(void *fn_arg, str host, bool stop, str text), void *fn_arg);
    str (*why)(void *arg, str host, str unit); /* of the last start that failed; or NULL */
    /* Could that host run the unit? Asked only of hosts that the scaler chose, first. */
    bool (*can_run)(void *arg, const trl_unit_view *unit, const trl_host_view *host);
    void *arg;
};

/* Plans one app. *out is reset first. Pure: same input, same plan. */
void plan_app(const struct plan_in *in, struct desired_app *app, struct plan *out);
void plan_init(struct plan *p);
void plan_finish(struct plan *p);
void plan_destroy(struct plan *p); /* finish and free; for engine_preview's */

#endif
