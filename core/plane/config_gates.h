/* SPDX-License-Identifier: Apache-2.0
 *
 * The sections `policy`, `secrets` and `host_services` of trellis.yaml.
 */
#ifndef TRELLIS_PLANE_CONFIG_GATES_H
#define TRELLIS_PLANE_CONFIG_GATES_H

#include "base/arena.h"
#include <trellis/kind/policy.h>

#include "codec/json.h"
#include "model/finding.h"

struct plugin_choice {
    str name;              /* component name: "nats" */
    str config;            /* JSON text of an object */
    const struct node *at; /* for places; NULL: a default */
};

struct policy_choice { /* one backend; equal blocks at several points are one */
    struct plugin_choice plugin;
    str name;                        /* for people: its name under `backends`, else the plugin's */
    uint32_t points;                 /* bit n: in the chain of point n */
    uint32_t open;                   /* bit n: on_error: allow there */
    uint64_t timeout_ms[TRL_POINTS]; /* 0: the default */
};

struct secrets_choice {
    str name; /* the backend as manifests call it */
    struct plugin_choice plugin;
    uint64_t timeout_ms;
};

struct config_gates { /* strings of the config's arena */
    struct policy_choice *policies;
    uint32_t n_policies;
    uint64_t audit_days, audit_megabytes; /* 0: the defaults */
    struct secrets_choice *secrets;
    uint32_t n_secrets;
    str policy_topic, policy_changes_topic; /* empty: no service for hosts */
    str secrets_topic, secrets_seed_file;
};

/* JSON Schema members for the three sections, to be joined into the file's schema. */
extern const char config_gates_schema[];
/* root: the file. All faults into f; what is right is taken. */
void config_gates_take(struct config_gates *g, struct arena *a, const struct node *root,
                       struct findings *f);
/* The sections as members of an open object; nothing when empty. */
void config_gates_write(const struct config_gates *g, struct jw *w);

/* A plugin block: its name, and the rest as JSON. Members named in `not` (NULL-terminated) are the
 * core's own. */
struct plugin_choice config_choice(struct arena *a, const struct node *n, const char *const * not );
void config_choice_write(struct jw *w, const struct plugin_choice *p);

#endif
