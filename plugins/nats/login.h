/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns our options into those of the library for one attempt to connect. Files are read at each
 * attempt, so that replaced credentials are used without a restart.
 */
#ifndef NATS_LOGIN_H
#define NATS_LOGIN_H

#include <nats/nats.h>

#include "opts.h"

struct login {
    char *seed, *jwt; /* of this attempt; used by the library's callbacks */
};

/* [worker] Fills *l and sets options of `to`. Returns NULL, or an owned text that says what is
 * wrong, where, and what to do, without secrets. Either way login_finish must follow, after
 * connecting. */
char *login_apply(struct login *l, const struct opts *o, const struct opts_url *url,
                  natsOptions *to);
void login_finish(struct login *l);

/* The login signs what the server asks (nonce). nats.c 3.4.1 leaves a signature away whose first
 * byte is 0, one of 256: a refusal counts only if the next nonce is refused as well. */
int login_signs(const struct opts *o);

/* What the library said about its last failure on this thread, in words for people (owned). */
char *login_explain(natsStatus st, const struct opts *o, const struct opts_url *url);

#endif
