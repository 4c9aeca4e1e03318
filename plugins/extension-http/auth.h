/* SPDX-License-Identifier: Apache-2.0
 *
 * Who asks: bearer tokens of the configuration, and sessions opened by the one-time login token.
 * Only hashes are kept, so nothing that lies in this memory opens anything. HTTP thread only.
 */
#ifndef HTTP_AUTH_H
#define HTTP_AUTH_H

#include "conf.h"

#define AUTH_SESSIONS   256u
#define AUTH_IDLE_NS    (12ll * 3600 * 1000000000ll) /* a session unused for this long is over */
#define AUTH_TOKEN_SIZE 44u                          /* 32 random bytes as text, with NUL */

struct auth_session {
    unsigned char hash[32];
    int64_t used_ns; /* 0: free */
    uint32_t number; /* names it in the audit */
};

struct auth {
    const struct conf *conf; /* borrowed */
    struct auth_session sessions[AUTH_SESSIONS];
    uint32_t next_number;
    unsigned char login_hash[32];
    int login_open; /* the one-time token was not used yet */
};

struct who {
    enum role role; /* ROLE_NONE: nobody we know */
    char name[72];  /* "ci", "login-3" */
};

void auth_init(struct auth *a, const struct conf *c);
void auth_finish(struct auth *a);
/* header: the value of Authorization, NULL when absent. */
struct who auth_check(struct auth *a, const char *header, int64_t now_ns);
/* A fresh one-time token; the one before is dead. ret is wiped by the caller. */
void auth_new_login(struct auth *a, char ret[AUTH_TOKEN_SIZE]);
/* Trades the one-time token for a session's. 0: it is not the one, or was used. */
int auth_login(struct auth *a, trl_str token, int64_t now_ns, char ret[AUTH_TOKEN_SIZE],
               struct who *who);
int auth_logout(struct auth *a, const char *header); /* 0: no session's token */

#endif
