/* SPDX-License-Identifier: Apache-2.0
 *
 * What a user wrote, as plain structs: one OAM application. Everything lives in the manifest's own
 * arena. Decoded from a node tree the way wadm decodes it; written back in wadm's member order,
 * with the members Trellis does not know kept.
 */
#ifndef TRELLIS_MODEL_MANIFEST_H
#define TRELLIS_MODEL_MANIFEST_H

#include "base/arena.h"
#include "codec/node.h"
#include "model/finding.h"

struct pair {
    str key, value;
};

struct config_item { /* ConfigProperty */
    str name;
    bool managed;            /* has properties */
    struct pair *properties; /* sorted by key */
    uint32_t n_properties;
    const struct node *at;
};

struct secret_item {
    str name, policy, key, field, version; /* field, version: ptr NULL when absent */
    const struct node *at;
};

struct policy {
    str name, type;
    struct pair *properties; /* sorted by key */
    uint32_t n_properties;
    const struct node *at;
};

enum item_kind { ITEM_COMPONENT, ITEM_CAPABILITY };
enum trait_shape { TRAIT_LINK, TRAIT_SCALER, TRAIT_CUSTOM }; /* by shape, not by type (WA 3.2) */

struct link_end { /* ConfigDefinition, TargetConfig */
    bool present;
    str name; /* target only; the item's name in this manifest */
    struct config_item *config;
    struct secret_item *secrets;
    uint32_t n_config, n_secrets;
};

struct link_trait {
    str ns, package, name; /* name: ptr NULL when absent ("default" at use) */
    str *interfaces;
    uint32_t n_interfaces;
    struct link_end source, target;
};

struct spread {
    str name;
    struct pair *requirements; /* sorted by key */
    uint32_t n_requirements;
    bool has_weight;
    uint64_t weight;
};

struct scaler_trait {
    uint64_t instances;
    struct spread *spread;
    uint32_t n_spread;
};

/* One reason why a trait's properties are no link, or no scaler. */
struct trait_fault {
    str path; /* full path of the member at fault; ptr NULL when there is none */
    str text; /* "expected a string, found null" */
    uint32_t line, column;
};

#define TRAIT_FAULTS_MAX 16u

struct trait_faults { /* in order of the members */
    struct trait_fault *at;
    uint32_t n; /* at most TRAIT_FAULTS_MAX are kept */
};

struct trait {
    str type;
    enum trait_shape shape;
    struct link_trait *link;       /* TRAIT_LINK   */
    struct scaler_trait *scaler;   /* TRAIT_SCALER */
    const struct node *properties; /* as written, always */
    str properties_json; /* compact JSON of what is stored; what a scaler plugin compiles */
    const struct node *at;
    struct trait_faults link_faults, scaler_faults;
};

struct item { /* a component or a capability (provider) */
    str name;
    enum item_kind kind;
    str image, id; /* ptr NULL when absent */
    bool shared;   /* has application */
    str shared_app, shared_component;
    struct config_item *config;
    struct secret_item *secrets;
    struct trait *traits;
    uint32_t n_config, n_secrets, n_traits;
    bool has_traits; /* [] is kept as [] */
    const struct node *at;
};

struct manifest {
    struct arena arena;                /* owns everything below */
    str api_version, kind, name;       /* name untrimmed */
    struct pair *annotations, *labels; /* sorted by key */
    uint32_t n_annotations, n_labels;
    struct item *items;
    struct policy *policies;
    uint32_t n_items, n_policies;
    const struct node *root;
};

/* How the text came (the Content-Type header). */
enum manifest_type { MANIFEST_ANY, MANIFEST_YAML, MANIFEST_JSON };

/* Text to manifest. All decoding faults are added to f (at least one when it fails); *ret is set
 * only on success. Warnings about members that will be dropped or mean nothing are added too. */
int manifest_parse(str text, enum manifest_type type, struct manifest **ret, struct findings *f);
void manifest_destroy(struct manifest *m); /* NULL is fine */

/* The version annotation; ptr NULL when absent. */
str manifest_version(const struct manifest *m);
str manifest_annotation(const struct manifest *m, const char *key); /* ptr NULL when absent */
/* Compact JSON in wadm's member order. version: replaces or adds the version annotation (ptr NULL:
 * as it is). */
void manifest_write(const struct manifest *m, str version, struct buf *out);
/* Stable hash (SHA-256 hex) of the canonical model without its version annotation. */
void manifest_hash(const struct manifest *m, char ret[65]);

/* Rules 1-13 of the reference (WA 4.1) in their order, then warnings of our own. Adds to f; returns
 * the number of errors. Pure. */
uint32_t manifest_validate(const struct manifest *m, struct findings *f);

/* Names seen in the lattice (WA 3.9): owned by the arena given. */
str model_sanitise(struct arena *a, str s);
str model_item_id(struct arena *a, str app, const struct item *it);
str model_config_name(struct arena *a, str app, const struct config_item *c);
str model_secret_name(struct arena *a, str app, const struct secret_item *s);
/* The string map stored under the secret's name (LP 5.1) as JSON; the policy must exist. */
bool model_secret_reference(struct arena *a, const struct manifest *m, const struct secret_item *s,
                            str *ret_json);
/* JSON object of a managed config, keys sorted. */
str model_config_json(struct arena *a, const struct config_item *c);

/* Field-by-field difference for people: lines "path: old -> new". */
void model_diff(const struct manifest *old, const struct manifest *new_, struct findings *out);

#endif
