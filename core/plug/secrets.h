/* SPDX-License-Identifier: Apache-2.0
 *
 * A secrets backend as the core uses it. All on the loop; callbacks run in a later turn. Values
 * come in guarded memory and belong to the callback; errors and versions never tell them.
 */
#ifndef TRELLIS_PLUG_SECRETS_H
#define TRELLIS_PLUG_SECRETS_H

#include "base/guarded.h"
#include "plug/plug.h"

struct secrets_call;

struct secret_found {
    struct guarded *value; /* the callee's */
    uint32_t flags;        /* TRL_SECRET_* */
    str version;           /* borrowed for the call */
    int64_t lease_ns;      /* 0: until rotated */
};

/* in: a started secrets/1 instance; ref is copied. Each calls done exactly once unless cancelled.
 * found is NULL unless st is TRL_OK. */
struct secrets_call *secrets_fetch(struct plug_inst *in, const trl_secret_ref *ref,
                                   int64_t timeout_ns,
                                   void (*done)(void *arg, trl_status st,
                                                const struct secret_found *found, const trl_err *e),
                                   void *arg);
/* text: version (check, put) or the backend's info as JSON; borrowed, empty unless TRL_OK. */
typedef void (*secrets_text_fn)(void *arg, trl_status st, str text, const trl_err *e);
struct secrets_call *secrets_check(struct plug_inst *in, const trl_secret_ref *ref,
                                   int64_t timeout_ns, secrets_text_fn done, void *arg);
/* value: borrowed until done. UNSUPP where the backend is read-only. */
struct secrets_call *secrets_put(struct plug_inst *in, const trl_secret_ref *ref,
                                 const struct guarded *value, uint32_t flags, int64_t timeout_ns,
                                 secrets_text_fn done, void *arg);
struct secrets_call *secrets_info(struct plug_inst *in, int64_t timeout_ns, secrets_text_fn done,
                                  void *arg);
/* on_item: names of keys (list), or versions (watch; empty: gone or unreadable now). done: the end.
 * UNSUPP where the backend cannot. A watch has no deadline. */
struct secrets_call *secrets_list(struct plug_inst *in, str prefix, int64_t timeout_ns,
                                  void (*on_item)(void *arg, str item), secrets_text_fn done,
                                  void *arg);
struct secrets_call *secrets_watch(struct plug_inst *in, const trl_secret_ref *ref,
                                   void (*on_item)(void *arg, str item), secrets_text_fn done,
                                   void *arg);
void secrets_cancel(struct secrets_call *c); /* no callback any more */

bool secrets_can_put(struct plug_inst *in);
bool secrets_can_watch(struct plug_inst *in);

#endif
