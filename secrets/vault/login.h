/* SPDX-License-Identifier: Apache-2.0
 *
 * The login methods and the renewal: requests and answers, without any state of the instance.
 */
#ifndef VAULT_LOGIN_H
#define VAULT_LOGIN_H

#include "conn.h"
#include "sbuf.h"

#define LOGIN_TOKEN_MAX (64u * 1024u)

struct grant {
    struct sbuf token; /* guarded; the caller finishes it. Empty after a renewal */
    int64_t life_ns;   /* 0: until it is revoked */
    bool renewable;
    bool unsure; /* method token: the server would not say anything about it */
};

/* By the configured method. DENIED: the server refuses what it was shown. */
trl_status login(trl_inst *in, const struct patience *w, struct grant *g, trl_err *err);
trl_status login_renew(trl_inst *in, const struct patience *w, const struct sbuf *token,
                       struct grant *g, trl_err *err);
/* TRL_OK: the server knows the token. DENIED: it does not (or the token may not ask). */
trl_status login_lookup(trl_inst *in, const struct patience *w, const struct sbuf *token,
                        struct grant *g, trl_err *err);
/* Method token: reads the file. */
trl_status login_read_token(trl_inst *in, struct sbuf *to, trl_err *err);

#endif
