/* SPDX-License-Identifier: Apache-2.0
 *
 * Which spread each instance counts for that runs. A host has one count, and instances on it may
 * count for any spread it matches, some for this one and some for that: only so much can run that
 * the fewest instances move. Each counts for its host's home first; then, as a flow, what is too
 * much for one spread counts for others that have too little, if need be by way of a third. No
 * instance is removed or added that a better count could save.
 */
#ifndef PLUGINS_SPREAD_CREDIT_H
#define PLUGINS_SPREAD_CREDIT_H

#include "view.h"

struct part { /* instances of one host that count for one spread */
    uint32_t host, spread, count;
};

struct credit {         /* arrays: the view's memory */
    uint64_t *have;     /* [k] instances that count for the spread */
    struct part *parts; /* a host's are next to each other */
    uint32_t n_parts;
    uint32_t *serves; /* [n] the spread most instances of the host count for; its home if empty */
};

/* homes: [n], in the view's memory; may become ret->serves. A spread that has too little afterwards
 * has a ready host to fill, or there is no way to give it one. */
void credit_all(struct view *v, uint32_t *homes, struct credit *ret);

#endif
