/* SPDX-License-Identifier: Apache-2.0
 *
 * Control requests of one lattice, and what came of them.
 */
#ifndef DRIVER_LATTICE_CALL_H
#define DRIVER_LATTICE_CALL_H

#include "lattice.h"

struct call;

struct answer {
    trl_status st; /* of the request; TRL_E_INTERNAL: the reply was garbage */
    int success;   /* what the host said; only with TRL_OK */
    trl_str message;
    const struct jnode *b_response; /* NULL: none */
};
typedef void (*answer_fn)(void *arg, const struct answer *a);

/* operation: taken (NULL: garbage in a name). body: taken, NULL: empty. fn runs exactly once, in a
 * later turn, unless cancelled; the call is dead then. */
struct call *call_start(struct lattice *l, char *operation, char *body, int64_t timeout_ns,
                        answer_fn fn, void *arg);
/* The same in a trace: W3C traceparent, for a header; empty: none. */
struct call *call_traced(struct lattice *l, const char *traceparent, char *operation, char *body,
                         int64_t timeout_ns, answer_fn fn, void *arg);
/* Any number of answers with TRL_OK, then one with another status: the end. Garbage is passed over.
 */
struct call *call_many(struct lattice *l, char *operation, int64_t window_ns, answer_fn fn,
                       void *arg);
void call_cancel(struct call **c);     /* sets it to NULL; NULL inside is fine */
void calls_cancel(struct trl_inst *d); /* all that are left; their lattices may be gone */

static inline int answer_ok(const struct answer *a) {
    return a->st == TRL_OK && a->success;
}
/* The status an op ends with; a refusal by the host is TRL_E_DENIED. */
trl_status answer_status(const struct answer *a);
/* One line: what, where, why, what to do. subject: the operation with its host or name. */
void answer_text(const struct answer *a, const struct lattice *l, const char *subject, char *text,
                 size_t cap);

#endif
