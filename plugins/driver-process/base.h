/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts, operations that wait for an end (tickets), timers that know their owner (wakes), and jobs
 * for the worker pool.
 */
#ifndef DRIVER_PROCESS_BASE_H
#define DRIVER_PROCESS_BASE_H

#include "driver.h"

#define STR_LIT(lit) trl_strn("" lit, sizeof(lit) - 1)
#define STR_ARG(s)   (int)(s).len, ((s).ptr ? (s).ptr : "") /* for "%.*s" */

char *text_dup(trl_str s);                                                     /* owned */
__attribute__((format(printf, 1, 2))) char *text_format(const char *fmt, ...); /* owned */
/* Copies at most cap - 1 bytes as one line, cut at the border of a character. */
void text_line(char *to, size_t cap, const char *from);
uint64_t text_hash(uint64_t h, const char *text); /* with its end */

/* json_t helpers: NULL objects are empty ones. Returned texts are borrowed. */
const char *j_str(const json_t *o, const char *key, const char *otherwise);
int64_t j_int(const json_t *o, const char *key, int64_t otherwise);
json_t *j_of(trl_str s); /* owned; a JSON string; "" when it is no UTF-8 */

/* A ticket whose op was cancelled is closed; what it stood for goes on. */
struct ticket {
    struct trl_inst *d;
    trl_op *op; /* NULL: closed */
};
void ticket_open(struct ticket *t, struct trl_inst *d, trl_op *op);
void ticket_ok(struct ticket *t);
void ticket_result(struct ticket *t, const char *text); /* OK, with it */
void ticket_fail(struct ticket *t, trl_status st, const char *text);
void tickets_cancel(struct trl_inst *d, trl_op *op); /* NULL: all */
__attribute__((format(printf, 4, 5))) void op_refuse(struct trl_inst *d, trl_op *op, trl_status st,
                                                     const char *fmt, ...);

/* OK, in a later turn: until then it can be cancelled. before: reports what the answer stands for,
 * in that turn; or NULL. */
void op_ok_later(struct trl_inst *d, trl_op *op, void (*before)(struct trl_inst *d));
void ops_forget(struct trl_inst *d); /* those, when the instance goes */

struct wake {
    struct trl_inst *d;
    uint64_t id; /* 0: not set */
    void (*fn)(void *arg);
    void *arg;
};
void wake_start(struct wake *w, struct trl_inst *d, int64_t delay_ns, void (*fn)(void *arg),
                void *arg); /* restarts when set */
void wake_stop(struct wake *w);

/* Embedded first. work on the pool, then done on the loop; done owns the job. */
struct job {
    struct trl_inst *d;
    void (*work)(struct job *j);
    void (*done)(struct job *j);
};
void job_start(struct job *j, struct trl_inst *d, void (*work)(struct job *j),
               void (*done)(struct job *j));

/* A small file of the state directory is replaced; in order. done (may be NULL) hears 0 or an
 * errno. text: taken (malloc). */
void save_file(struct trl_inst *d, const char *name, char *text, void (*done)(void *arg, int error),
               void *arg);

#endif
