/* SPDX-License-Identifier: Apache-2.0
 *
 * Links as hosts keep them: one immutable value per link, and all links of one source as a value.
 */
#ifndef TRELLIS_HOSTWIRE_LINKS_H
#define TRELLIS_HOSTWIRE_LINKS_H

#include "hostwire/strs.h"

struct vlink {
    uint32_t refs;
    str source, target, name, ns, package; /* part of it */
    struct strs *interfaces, *source_config, *target_config;
};
/* A copy: texts copied, lists taken. */
struct vlink *vlink_new(const struct vlink *like);
struct vlink *vlink_ref(struct vlink *l);
void vlink_unref(struct vlink *l);
void vlink_write(const struct vlink *l, struct jw *w); /* the eight members, without braces */

/* The links of one source as a value: whoever changes them reads a set and writes another, which is
 * how concurrent puts lose links. NULL is the empty set. */
struct linkset {
    uint32_t refs, n;
    struct vlink *at[];
};
struct linkset *linkset_ref(struct linkset *s);
void linkset_unref(struct linkset *s);
struct linkset *linkset_put(const struct linkset *s, struct vlink *l); /* replaced or appended */
bool linkset_conflict(const struct linkset *s, const struct vlink *l);
/* Without the first that fits; *ret_found: that one, referenced, NULL when none does. */
struct linkset *linkset_del(const struct linkset *s, str ns, str package, str name,
                            struct vlink **ret_found);

#endif
