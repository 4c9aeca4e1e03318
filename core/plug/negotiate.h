/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may meet whom: pure checks of what a library says about itself, and its tables copied into
 * the newest form the core knows (what an older plugin lacks is zero). After this no code asks for
 * a version.
 */
#ifndef TRELLIS_PLUG_NEGOTIATE_H
#define TRELLIS_PLUG_NEGOTIATE_H

#include <trellis/trellis.h>

#include "base/err.h"
#include "plug/note.h"

struct kind_info {
    const char *iface;         /* "store/1" */
    const char *word;          /* "store": the prefix of a library's file name */
    uint32_t size;             /* of the newest table */
    uint32_t models;           /* bit n: thread model n may serve it */
    uint32_t cancel, resume;   /* offsets in the table; 0: it has none */
    const struct kind_fn *fns; /* what must be there */
    uint32_t n_fns;
};
struct kind_fn {
    const char *name;
    uint32_t offset;
};

/* NULL for kinds this core does not load. */
const struct kind_info *kind_find(const char *iface);
/* The same with a reason. */
const struct kind_info *kind_need(const char *iface, struct err *err);
void (*kind_cancel(const struct kind_info *k, const void *table))(trl_inst *, trl_op *);
void (*kind_resume(const struct kind_info *k, const void *table))(trl_inst *, trl_op *);

/* Only the note: may the library be loaded at all? what: how messages call it (its path). */
int negotiate_note(const char *what, const struct note_info *n, struct err *err);
/* p: as the entry returned it. ret: normalised. */
int negotiate_plugin(const char *what, const struct note_info *n, const trl_plugin *p,
                     trl_plugin *ret, struct err *err);
int negotiate_component(const char *what, const trl_component *c, trl_component *ret,
                        struct err *err);
/* table: as get_interface returned it; ret has k->size bytes. */
int negotiate_table(const char *what, const struct kind_info *k, const void *table, void *ret,
                    struct err *err);
/* A request struct that begins with struct_size, into the core's form of size bytes: a shorter one
 * is filled up with zeros, a longer one must be zero beyond it (else UNSUPP: ignoring a request
 * would be a wrong answer). */
trl_status negotiate_request(void *ret, size_t size, const void *request);

#endif
