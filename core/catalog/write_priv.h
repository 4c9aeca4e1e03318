/* SPDX-License-Identifier: Apache-2.0
 *
 * One write under way: shared by write.c (queues, heads, conflicts) and write_record.c (the records
 * of a version).
 */
#ifndef TRELLIS_CATALOG_WRITE_PRIV_H
#define TRELLIS_CATALOG_WRITE_PRIV_H

#include "catalog/catalog_priv.h"
#include "catalog/change.h"

struct write_op {
    struct catalog *c;
    struct entry *e;
    struct write_op *next;
    struct arena arena; /* owns the strings of change */
    struct change change;
    str manifest; /* PUT */
    catalog_done_fn done;
    void *arg;
    uint32_t tries;
    struct head *head; /* what is being written; NULL: nothing */
    str text;          /* ... as text, once it is on its way */
    struct head *old;  /* what it was made of; NULL: nothing */
    uint64_t expect;   /* ... and its revision: memory may move on while the record is written */
    enum change_act act;
    struct catalog_result result;
    str rec_uid;                         /* the version record written so far */
    uint32_t rec_n, rec_parts, rec_done; /* rec_done: 1: record, 1 + k: and k parts */
    bool reread;                         /* memory is known, or taken, to be behind */
    bool looked;                         /* it was read again */
    uint32_t looks;                      /* for a head that vanished without a word */
    struct loop_timer pause;
    bool too_long; /* no key can be made */
};

/* write.c. known: nothing of this write can be in the store, so its record may go at once. */
void write_fail(struct write_op *w, const char *text, bool known);
const char *write_store_text(struct write_op *w, const char *what, trl_status st,
                             const trl_err *err);
void write_retry(struct write_op *w, bool reread);
void write_the_head(struct write_op *w);

/* write_record.c: the version's record and parts, then the head. */
void record_start(struct write_op *w);
void record_drop(struct write_op *w);

#endif
