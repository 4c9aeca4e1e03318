/* SPDX-License-Identifier: Apache-2.0
 *
 * A subject taken apart once, for all rules: texts of the whole, and the things in it. What the
 * subject does not say is not there (ptr NULL), and no condition about it holds.
 */
#ifndef POLICY_RULES_FACTS_H
#define POLICY_RULES_FACTS_H

#include "../../plugins/common/jtree.h"
#include "rule.h"

struct thing {
    trl_str slot[THING_SLOTS];      /* by the enum of what it is; borrowed from the subject */
    trl_str path;                   /* JSON pointer into the manifest */
    double count;                   /* instances; < 0: not known */
    const struct jnode *list, *map; /* borrowed: interfaces of a link, properties of a secret */
};

struct things {
    struct thing *at; /* owned */
    uint32_t n, cap;
};

struct named { /* a unit of the manifest, for those that only name it */
    trl_str name;
    const struct jnode *unit;
};

struct facts {
    struct jtree tree; /* the subject; its strings are borrowed from the subject's text */
    uint32_t point;
    bool removes; /* a command that takes away */
    bool by_self; /* nobody asked: Trellis looks again */
    trl_str whole[WHOLE_SLOTS];
    const struct jnode *maps[MAP_SLOTS]; /* borrowed from tree */
    double plan[PLAN_SLOTS];             /* < 0: not known */
    struct things things[ABOUTS];
    struct named *named; /* owned; sorted by name */
    uint32_t n_named;
};

/* abouts: bit per enum about, the things to look for. subject: borrowed until facts_clear(). False:
 * it is no JSON object. Zeroed memory is an empty facts; it may be read into again and again. */
bool facts_read(struct facts *f, uint32_t point, trl_str subject, uint32_t abouts);
void facts_clear(struct facts *f); /* of the subject; keeps memory */
void facts_finish(struct facts *f);

#endif
