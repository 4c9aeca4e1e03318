/* SPDX-License-Identifier: Apache-2.0
 *
 * What should be: deployed versions expanded to resources with stable identity, over all apps of a
 * lattice, with the indexes that answer "who else uses this?".
 */
#ifndef TRELLIS_ENGINE_DESIRED_H
#define TRELLIS_ENGINE_DESIRED_H

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "engine/status.h"
#include "model/manifest.h"
#include "plug/scaler.h"
#include "plug/tracer.h"

struct want_config {
    str name;     /* as seen in the lattice */
    bool managed; /* we write it; else it must be there */
    bool secret;
    bool roll;     /* its users are restarted when it changes */
    str body;      /* JSON map of strings (managed) */
    uint64_t hash; /* trl_config_hash of it */
};

struct want_unit {
    str id, item, image, app;
    bool provider;
    struct want_config **configs; /* in order: configs, then secrets */
    str *config_names;
    uint32_t n_configs;
    struct scaler_spec *spec;       /* owned by the app_spec; NULL: nothing places it */
    str scaler_id, scaler_id_other; /* as SpreadScaler / DaemonScaler of the same content */
    str status_kind, trait;
    str *peers; /* ids it is linked with, in this app */
    uint32_t n_peers;
    uint64_t names_hash; /* of the config name list, and of the settings */
    uint64_t list_hash;  /* the same, and the contents it is restarted for (on-change: roll) */
    bool has_secrets, rolls;
    str settings; /* properties of its trait `process`, JSON; ptr NULL: none */
};

struct want_link {
    str source, target, name, ns, package;
    str *interfaces, *source_config, *target_config;
    uint32_t n_interfaces, n_source_config, n_target_config;
    struct want_config **configs;
    uint32_t n_configs;
    uint64_t content;
    str key, delete_key; /* link_key, link_delete_key */
    str scaler_id, display;
    bool from_provider; /* provider -> component: goes first on the way down */
};

enum want_what { WANT_UNIT, WANT_LINK, WANT_FIXED };
struct want_scaler { /* one line of the status, in wadm's order (RC 4.3) */
    enum want_what what;
    uint32_t index;     /* into units or links */
    str id, kind, name; /* WANT_FIXED */
    bool failed;
    str message;
};

struct app_spec { /* immutable; shared (refcount) */
    struct arena arena;
    uint32_t refs;
    str app, version;
    uint32_t n; /* version number; 0: a preview */
    struct want_unit *units;
    struct want_link *links;
    struct want_config **configs; /* each name once */
    struct want_scaler *scalers;
    uint32_t n_units, n_links, n_configs, n_scalers;
    str *shared_units; /* ids of other apps' units it uses */
    uint32_t n_shared_units;
    str *shared_apps;
    uint32_t n_shared_apps;
};

struct expand_env {
    /* The manifest whose units a shared reference means: deployed, or still running for its users.
     * NULL: none. */
    const struct manifest *(*shared)(void *arg, str app);
    /* The scaler for a trait type; NULL: no plugin of that name. */
    struct scaler *(*scaler)(void *arg, str trait);
    /* The version of a secret that version n of the app uses; empty: none is known. NULL: none. */
    str (*pin)(void *arg, str app, uint32_t n, str secret, bool *ret_fixed);
    void *arg;
};
struct app_spec *app_spec_expand(const struct manifest *m, uint32_t n,
                                 const struct expand_env *env);
struct app_spec *app_spec_ref(struct app_spec *s);
void app_spec_unref(struct app_spec *s); /* NULL is fine */

/* What a scaler id meant: it is the fingerprint of what runs. */
struct known_scaler {
    str image; /* owned */
    uint64_t list_hash, names_hash;
};

struct applied { /* a version whose resources may exist */
    uint32_t n;
    bool ours; /* whatever was asked for its sake, was asked in this life, or has been seen */
};

struct desired_app {
    str name; /* owned */
    uint64_t generation;
    str version;                 /* owned; deployed version's text */
    struct app_spec *cur;        /* deployed; NULL: being taken down */
    VEC(struct app_spec *) olds; /* applied versions other than cur */
    VEC(str) refresh;            /* owned; delete keys of links to renew */
    struct map known;            /* scaler id -> struct known_scaler */
    bool known_all;              /* all stored versions are in `known` */
    bool prompted;               /* an API call led here and is not yet fulfilled */
    bool deleting;
    /* the engine's */
    VEC(struct applied) applied;
    bool looked_at; /* planned once */
    bool dirty;
    bool settling;           /* a catalog_settle is under way */
    bool guarded;            /* removals wait for consent */
    char *condition;         /* owned; told with the status: NULL: nothing */
    uint32_t asking;         /* questions to policy under way */
    struct app_status *told; /* owned; last status */
    bool untold;             /* not published yet */
    struct trace_ctx trace;  /* of the call that led to this generation; or none */
    struct span work;        /* from then until it is done, or of what is done later */
    bool converged, healing; /* this generation was reached once; work began after that */
};

struct desired {
    struct map apps;         /* name -> struct desired_app */
    struct map unit_users;   /* unit id -> struct users: deployed specs that own it or share it */
    struct map config_users; /* config name -> struct users */
    struct map link_users;   /* link key -> struct users */
    struct map link_sources; /* unit id -> struct users: deployed specs with a link from it */
    struct map link_targets; /* unit id -> struct users: deployed specs with a link to it */
    struct map app_users;    /* app -> struct users: deployed specs that share a unit of it */
    struct map old_users;    /* unit id, link source, link key, config name -> struct users: applied
                                versions other than cur */
};

struct use {
    struct desired_app *app;
    const void *what; /* want_unit (NULL: shared use), want_config, want_link */
};
struct users {
    VEC(struct use) at;
};

void desired_init(struct desired *d);
void desired_finish(struct desired *d);
struct desired_app *desired_find(const struct desired *d, str app);
struct desired_app *desired_add(struct desired *d, str app);
void desired_remove(struct desired *d, struct desired_app *a);
/* Replaces the deployed spec (taken; NULL: none) and keeps the indexes. */
void desired_set_cur(struct desired *d, struct desired_app *a, struct app_spec *spec);
void desired_add_old(struct desired *d, struct desired_app *a, struct app_spec *spec); /* taken */
void desired_clear_olds(struct desired *d, struct desired_app *a);
void desired_set_refresh(struct desired_app *a, const str *keys, uint32_t n); /* copied */
void desired_learn(struct desired_app *a, const struct app_spec *spec);
const struct users *desired_users(const struct map *index, str key); /* NULL: none */
/* Does a deployed app other than `not_app` (NULL: any) use it? */
bool desired_used(const struct map *index, str key, const struct desired_app *not_app);
/* The value that a managed config should have: of several apps that name it, the one whose value is
 * there already, else the first by name. NULL: nobody manages it. */
const struct use *desired_config_owner(const struct desired *d, str name, bool present,
                                       uint64_t seen_hash);

#endif
