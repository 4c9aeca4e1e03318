/* SPDX-License-Identifier: Apache-2.0
 *
 * The secrets backends of a control plane by the names that manifests use, and the questions the
 * core asks them: is it there, which version is it, tell me when that changes. Values pass through
 * secrets_fetch() of plug only, for the service that hosts ask. All on the loop.
 */
#ifndef TRELLIS_SECRETS_SECRETS_H
#define TRELLIS_SECRETS_SECRETS_H

#include "base/arena.h"
#include "base/log.h"
#include "plug/secrets.h"

struct secrets;
struct secrets_asked;
struct secrets_follow;

struct secrets_backend {
    struct plug_inst *in; /* started secrets/1 instance, borrowed */
    str name;             /* borrowed for the life of the room */
    int64_t timeout_ns;   /* of one call; <= 0: 5 s */
};

struct secrets_env {
    struct loop *loop;
    const struct log *log;
    const struct secrets_backend *backends; /* copied */
    uint32_t n_backends;
};
struct secrets *secrets_create(const struct secrets_env *env);
void secrets_destroy(struct secrets *s); /* no callback any more; NULL is fine */

/* NULL: no backend of that name is configured here: hosts ask somebody else for it. s may be NULL.
 */
const struct secrets_backend *secrets_find(const struct secrets *s, str name);
void secrets_each(const struct secrets *s, void (*fn)(void *arg, const struct secrets_backend *b),
                  void *arg);

/* A secret as a manifest or a request names it; strings are borrowed for the call. */
struct secret_want {
    str backend;
    trl_secret_ref ref;
};
struct secret_have {
    trl_status st;
    str version; /* TRL_OK: what fetch would give now */
    str text;    /* else: why not, one line */
};
/* Checks n references at once, without values. An unknown backend gives UNSUPP. done runs exactly
 * once, in a later turn, with n answers in order (borrowed for the call). */
struct secrets_asked *secrets_ask(struct secrets *s, const struct secret_want *w, uint32_t n,
                                  void (*done)(void *arg, const struct secret_have *h), void *arg);
void secrets_asked_cancel(struct secrets_asked *a); /* no callback any more */

/* Tells the version now and whenever it changes; empty: gone, or unreadable now. Where a backend
 * cannot watch it is checked every 30 s. */
struct secrets_follow *secrets_follow(struct secrets *s, const struct secret_want *w,
                                      void (*on_version)(void *arg, str version), void *arg);
void secrets_follow_end(struct secrets_follow *f); /* NULL is fine */

#endif
