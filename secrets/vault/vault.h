/* SPDX-License-Identifier: Apache-2.0
 *
 * The instance, and what the files of this library share. Requests block, so they run on the
 * threads of the core's pools; only timers and the list of watches belong to the loop. Tokens and
 * values are in guarded memory (struct sbuf) everywhere.
 */
#ifndef VAULT_H
#define VAULT_H

#include "auth.h"
#include "conf.h"
#include "conn.h"
#include "sbuf.h"

struct watch;

struct trl_inst {
    const trl_host *h;
    const trl_host_loop_v1 *loop;
    const trl_host_work_v1 *work;
    struct sbuf_mem mem;
    struct conf conf;
    struct pool pool;
    struct auth auth;
    atomic_bool stopping;
    unsigned char
        digest_key[32];    /* kv_version 1; guarded memory is not needed for a key of digests */
    bool digest_key_ready; /* under auth.lock */
    atomic_ullong requests, failures;

    struct watch *watches; /* [loop] */
    uint64_t timer;        /* [loop] of the next round; 0: none */
    bool polling;          /* [loop] a round is under way */
    bool told_outage;      /* [loop] */
    uint64_t auth_timer;   /* [loop] */
    bool renewing;         /* [loop] */
};

extern const char vault_schema[];

#define VAULT_RETRY_MS 1000u

/* The time an op has: its deadline, and request_timeout_ms per request inside ask(). */
struct patience vault_patience(trl_inst *in, trl_op *op);
void vault_fail(trl_inst *in, trl_op *op, const trl_err *err);
void vault_text(trl_inst *in, trl_op *op, const char *text);
trl_err vault_err(void);
void vault_auth_changed(trl_inst *in); /* [any] there is a new time to renew at */
trl_status vault_no_memory(trl_err *err);

#endif
