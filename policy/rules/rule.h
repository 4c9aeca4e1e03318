/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules, compiled: what is looked at (facts), what must hold of it (conditions), what is said then.
 */
#ifndef POLICY_RULES_RULE_H
#define POLICY_RULES_RULE_H

#include <trellis/kind/policy.h>

#include "glob.h"
#include "tree.h"

#define AT(point)  (1u << (point))
#define AT_ALL     ((1u << TRL_POINTS) - 1)
#define RULES_MAX  2000u
#define NAME_BYTES 100u
#define SAID_BYTES 400u /* of a message or a remedy */

/* What a rule is about: the things it is held against one by one. */
enum about {
    ABOUT_WHOLE,
    ABOUT_UNIT,
    ABOUT_ACTION,
    ABOUT_LINK,
    ABOUT_SECRET,
    ABOUT_CONFIG,
    ABOUTS
};

/* Texts of the subject as a whole. */
enum whole_slot {
    W_APP,
    W_LATTICE,
    W_TENANT,
    W_VERSION,
    W_CALLER_ID,
    W_CALLER_VIA,
    W_HOST_ID,
    W_HOST_NAME,
    W_HOST_ISSUER,
    W_REQUEST,
    W_INTERFACE,
    W_FUNCTION,
    W_ENTITY_KIND,
    W_ENTITY_SUBJECT,
    W_ENTITY_ISSUER,
    W_ENTITY_NAME,
    WHOLE_SLOTS
};
/* Maps of texts. */
enum map_slot { M_LABELS, M_ANNOTATIONS, M_CLAIMS, M_PROPERTIES, MAP_SLOTS };
/* Numbers of a plan. */
enum plan_slot { P_START, P_STOP, P_UPDATE, P_LINK, P_CONFIG, PLAN_SLOTS };
/* Texts of one thing. Its name comes first always. */
enum unit_slot {
    U_NAME,
    U_KIND,
    U_IMAGE,
    U_REGISTRY,
    U_REPOSITORY,
    U_TAG,
    U_DIGEST,
    U_VERB,
    U_HOST
};
enum link_slot { L_NAME, L_SOURCE, L_TARGET, L_NAMESPACE, L_PACKAGE };
enum secret_slot { S_NAME, S_BACKEND, S_KEY, S_FIELD, S_VERSION, S_UNIT };
enum config_slot { C_NAME, C_UNIT };
#define THING_SLOTS 9u

enum cond_type {
    COND_WHOLE, /* a text of the subject fits one of the patterns */
    COND_THING, /* a text of the thing does */
    COND_LIST,  /* one of the thing's interfaces does */
    COND_MAP,   /* the text under a key does */
    COND_HAS,   /* a text of the thing is there */
    COND_LACKS, /* ... is not */
    COND_COUNT, /* the thing's instances are within bounds */
    COND_PLAN   /* a number of the plan is */
};

struct cond {
    enum cond_type type;
    uint32_t slot;
    const char *key;    /* COND_MAP; borrowed from the tree */
    struct glob *globs; /* owned, n of them: any */
    uint32_t n;
    double min, max; /* inclusive */
};

struct block { /* all of it must hold */
    struct cond *conds;
    uint32_t n, cap;
};

struct blocks { /* any of them */
    struct block *at;
    uint32_t n;
};

struct rule {
    const char *name, *code, *message,
        *remedy;     /* borrowed from the tree; the last two may be NULL */
    uint32_t line;   /* 0: not of a file */
    uint32_t points; /* AT() */
    enum about about;
    bool needs_image; /* only things that have one */
    bool of_verbs;    /* it looks at verbs: else what takes away is not its business */
    bool of_hosts;    /* it looks at which host it is */
    bool of_labels;   /* it looks at the labels of the host */
    bool of_plan;     /* it looks at actions or their numbers */
    bool of_callers;  /* it looks at who asks: then what nobody asked is not its business */
    struct blocks match, unless;
    int32_t verdict;
    bool stop;
    uint32_t ttl_ms;
    uint64_t hits; /* atomic */
};

struct ruleset { /* never changes; references are counted on the loop */
    uint32_t refs;
    struct tree_node *tree; /* owned */
    const char *source;     /* for texts: the file, or "config"; borrowed */
    struct rule *rules;
    uint32_t n;
    int32_t fallback; /* where no rule speaks */
    uint32_t fallback_points, points;
    uint32_t hosts_at, labels_at, plans_at; /* bit n: a rule at point n looks at them */
    uint32_t n_at[TRL_POINTS];              /* how many rules hold there */
    uint32_t abouts[TRL_POINTS]; /* bit per enum about: which things are asked for at the point */
};

/* tree: taken, also on failure. NULL: why is in *err ("12:5: text"). */
struct ruleset *rules_compile(struct tree_node *tree, const char *source, struct text *err);
struct ruleset *rules_ref(struct ruleset *rs);
void rules_free(struct ruleset *rs); /* drops a reference, the last one frees; NULL is fine */

#endif
