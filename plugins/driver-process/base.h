/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts, answers in a later turn, jobs for the worker pool, files of the state directory.
 */
#ifndef DRIVER_PROCESS_BASE_H
#define DRIVER_PROCESS_BASE_H

#include "../common/xtext.h"
#include "driver.h"

uint64_t text_hash(uint64_t h, const char *text); /* with its end */

/* json_t helpers: NULL objects are empty ones. Returned texts are borrowed. */
const char *j_str(const json_t *o, const char *key, const char *otherwise);
int64_t j_int(const json_t *o, const char *key, int64_t otherwise);
json_t *j_of(trl_str s); /* owned; a JSON string; "" when it is no UTF-8 */

/* OK, in a later turn: until then it can be cancelled. before: reports what the answer stands for,
 * in that turn; or NULL. */
void op_ok_later(struct trl_inst *d, trl_op *op, void (*before)(struct trl_inst *d));
void ops_forget(struct trl_inst *d); /* those, when the instance goes */

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
