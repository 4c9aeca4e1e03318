/* SPDX-License-Identifier: Apache-2.0
 *
 * The token: got by one of the login methods when it is first needed, renewed at two thirds of its
 * life, got anew when the server says 403 or its life ends. One thread logs in, others that need
 * the token meanwhile wait for it and share how it ended.
 */
#ifndef VAULT_AUTH_H
#define VAULT_AUTH_H

#include <pthread.h>

#include "conn.h"
#include "sbuf.h"

struct auth {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct sbuf token; /* empty: none */
    uint64_t gen;      /* of the token; 0: never had one */
    bool busy;         /* a thread is logging in or renewing */
    bool renewable;
    int64_t got_ns, life_ns; /* life 0: until it is revoked */
    int64_t first_life_ns;   /* as the login gave it: renewals get less near its maximum */
    int64_t retry_ns;        /* the last renewal failed: try again then; 0: none */
    int64_t not_before_ns;   /* the last login was refused: none before */
    int64_t no_again_ns;     /* the last login after a 403: no other before */
    uint32_t backoff_ms;
    uint64_t attempts, logins, renewals;
    trl_err last;     /* how the last attempt ended; code TRL_OK: well */
    char logged[256]; /* the last failure that was logged */
};

void auth_init(trl_inst *in);
void auth_finish(trl_inst *in);
/* Logs in unless there is a token. */
trl_status auth_need(trl_inst *in, const struct patience *w, trl_err *err);
/* Adds the header with the token; logs in when there is none. *ret_gen: which one. */
trl_status auth_header(trl_inst *in, const struct patience *w, struct sbuf *r, uint64_t *ret_gen,
                       trl_err *err);
/* The server said 403 to token `gen`. TRL_OK: there is another token now, ask again. DENIED: it is
 * not for want of a token. */
trl_status auth_again(trl_inst *in, const struct patience *w, uint64_t gen, trl_err *err);
/* A thread's work when auth_due_ns() has come: renews, or logs in. */
void auth_renew(trl_inst *in, const struct patience *w);
/* When to renew: INT64_MAX never. */
int64_t auth_due_ns(trl_inst *in);

#endif
