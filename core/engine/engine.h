/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine of one lattice: wanted against running, actions out, status told. Level-triggered:
 * events only say where to look. Owns the lattice's observed state and ledger.
 */
#ifndef TRELLIS_ENGINE_ENGINE_H
#define TRELLIS_ENGINE_ENGINE_H

#include "base/log.h"
#include "catalog/catalog.h"
#include "engine/plan.h"
#include "engine/status.h"
#include "lattice/observed.h"
#include "plug/plug.h"
#include "plug/scaler.h"
#include "plug/tracer.h"
#include "policy/policy.h"
#include "secrets/secrets.h"

struct engine;

/* Which scaler serves a trait type: the alias table of the configuration. */
struct scaler_alias {
    const char *trait;     /* "spreadscaler" */
    struct scaler *scaler; /* borrowed */
};

struct command_record { /* one command, for the durable stream; borrowed */
    uint64_t seq;       /* counts from 1 per engine */
    int64_t wall_ms;
    str lattice, app, verb, host_id, subject; /* subject: unit, link or config */
    str reason, trace_id;
    const struct trace_ctx *trace; /* of the command's span; may be none */
    int32_t outcome;               /* 1: sent; 0: done; < 0: TRL_E_* */
    str text;                      /* host's error, else empty */
};

struct engine_env {
    struct loop *loop;
    const struct log *log;
    struct catalog *catalog;
    struct plug_inst *driver;           /* started driver/1 instance, borrowed */
    struct policy_chains *policy;       /* NULL: everything is allowed; borrowed */
    struct secrets *secrets;            /* NULL: none here; borrowed */
    struct tracer *tracer;              /* NULL: no spans; borrowed */
    const struct scaler_alias *scalers; /* borrowed */
    uint32_t n_scalers;
    int64_t host_timeout_ns; /* --cleanup-interval: silent and unreachable hosts are given up,
                                default 70 s */
    /* Told on change only; s is borrowed. While an app is being reconciled, details alone are told
     * 20 ms late and together. Gone apps: type UNDEPLOYED "Manifest has been undeployed". */
    void (*on_status)(void *arg, struct engine *e, str app, const struct app_status *s);
    void (*on_command)(void *arg, struct engine *e, const struct command_record *r);
    void (*on_pass)(void *arg, struct engine *e, int64_t took_ns); /* or NULL */
    void *arg;
};

/* tenant: "_" in a single-tenant plane. Drivers know the lattice as "name" or "tenant/name". */
struct engine *engine_create(const struct engine_env *env, str tenant, str lattice);
/* After the catalog, before the driver and the scalers. */
void engine_destroy(struct engine *e);
str engine_lattice(const struct engine *e);
str engine_tenant(const struct engine *e);
/* Acting is allowed (lease held). Starts with false; observing goes on either way. */
void engine_set_active(struct engine *e, bool active);
/* A head changed (catalog's on_change). */
void engine_app_changed(struct engine *e, const struct app *a);
/* That version is about to be deployed, the store is writing it: what can be made ready, is. */
void engine_app_coming(struct engine *e, str app, uint32_t n);
/* Everything is read again: after a reconnect. */
void engine_resync(struct engine *e);
bool engine_active(const struct engine *e);
/* Something worth saying of a deployed app whatever it runs: policy denies it now. Shown with its
 * status until the next generation, or an empty text. Unknown apps are ignored. */
void engine_set_condition(struct engine *e, str app, str text);
/* The heads that were stored before are all told: those from now on follow from API calls. */
void engine_loaded(struct engine *e);
bool engine_synced(const struct engine *e); /* the first resync is over */
bool engine_settled(
    const struct engine *e); /* nothing dirty, nothing in flight, nothing to do later but watch */

struct engine_load {
    uint32_t in_flight; /* commands not settled */
    uint32_t queued;    /* apps that wait for a pass */
    bool active;        /* acting is allowed */
};
void engine_read_load(const struct engine *e, struct engine_load *ret);

/* Reports, from host.observe/1. */
void engine_report(struct engine *e, const trl_report *r);
void engine_host_gone(struct engine *e, str host, int32_t why);
void engine_links(struct engine *e, const trl_link *links, uint32_t n, uint32_t stride, bool full);
void engine_link_gone(struct engine *e, const trl_link *key);
void engine_configs(struct engine *e, const trl_config_seen *c, uint32_t n, uint32_t stride);
void engine_note(struct engine *e, str host, str unit, int32_t code, str text);
/* Rulings may differ now: what was refused is tried again, what runs is looked at again. */
void engine_policy_changed(struct engine *e);
void engine_link_state(struct engine *e, bool up);

/* The last status of a deployed (or being taken down) app; NULL: never deployed. Borrowed until the
 * next turn. */
const struct app_status *engine_status(const struct engine *e, str app);
/* The trace in which the app is worked on, or was deployed. NULL: unknown app. Borrowed until the
 * next turn, as below. */
const struct trace_ctx *engine_trace(const struct engine *e, str app);
/* What is under way for it; NULL: nothing. */
const struct span *engine_work(const struct engine *e, str app, str *ret_name);
const struct observed *engine_observed(const struct engine *e);
struct plug_inst *engine_driver(const struct engine *e); /* borrowed */
str engine_id(const struct engine *e);                   /* the lattice as drivers name it */
/* What would be done if m were the deployed version of its app (NULL manifest: if app were
 * undeployed). By the very function that acts. *ret is owned: plan_destroy. */
int engine_preview(struct engine *e, str app, const struct manifest *m, struct plan **ret,
                   struct err *err);
/* Would deploying m clash (explicit ids of other deployed apps, unresolved shared references)?
 * wadm's text into err. */
int engine_check_deploy(struct engine *e, const struct manifest *m, struct err *err);
/* Delete keys of links of m whose config content differs from what was deployed before (decision: a
 * link's changed config content must be delivered by renewing it). Strings live in the arena. */
/* ... and of deployed links of the app that have that secret (by its name in the manifest). */
uint32_t engine_links_with_secret(struct engine *e, str app, str secret, struct arena *a,
                                  str **ret_keys);
uint32_t engine_links_to_renew(struct engine *e, const struct manifest *old,
                               const struct manifest *m, struct arena *a, str **ret_keys);

#endif
