/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of secrets/1 with what came of them, values that can be told apart and found again, for the
 * cases of the secrets suite. All on the loop's thread.
 */
#ifndef TRELLIS_TESTKIT_SUITE_SECRETS_PRIV_H
#define TRELLIS_TESTKIT_SUITE_SECRETS_PRIV_H

#include "suite_secrets.h"

#define SX_MARK_LEN 28u
#define SX_TIMEOUT  (TK_PATIENCE / 2)

struct sx {
    const struct suite_secrets *b;
    struct tk *tk;
    struct plug_inst *in;
    const trl_secrets_v1 *table;
    uint64_t nonce;     /* values of this run */
    uint32_t n_planted; /* values 0..n-1 were in use: none of them may be seen anywhere */
    struct buf said;    /* all error texts and results */
};

enum sx_what { SX_FETCH, SX_CHECK, SX_WATCH, SX_PUT, SX_LIST, SX_INFO };

struct sx_call {
    struct sx *x;
    trl_op *op; /* NULL once it is over */
    enum sx_what what;
    bool done;
    trl_status st;
    char msg[256];
    char version[1025]; /* of a fetch; or the text of the result */
    uint32_t secret_flags;
    struct guarded *value; /* of a fetch; owned */
    char (*items)[256];    /* owned */
    uint32_t n_items, cap_items;
};

/* Writes mark number i: SX_MARK_LEN letters and digits that occur nowhere else. */
void sx_mark(const struct sx *x, uint32_t i, char out[SX_MARK_LEN]);
/* Value number i of n bytes: its mark, then filling. binary: all byte values. */
void sx_value(const struct sx *x, uint32_t i, uint8_t *out, size_t n, bool binary);

/* field and version: "" is none. */
void sx_begin(struct sx *x, struct sx_call *c, enum sx_what what, const char *key,
              const char *field, const char *version, int64_t timeout_ns);
/* The key with its length: for keys with NUL in them. */
void sx_begin_n(struct sx *x, struct sx_call *c, enum sx_what what, const char *key, size_t key_len,
                const char *field, const char *version, struct guarded *put, int64_t timeout_ns);
bool sx_wait(struct sx_call *c);
bool sx_wait_items(struct sx_call *c, uint32_t n);
void sx_cancel(struct sx_call *c);
void sx_free(struct sx_call *c);

/* Begin, wait, free. ret_version: of 1025 bytes, or NULL. */
trl_status sx_do(struct sx *x, enum sx_what what, const char *key, const char *field,
                 const char *version, char *ret_version);
/* A new value under the key, n bytes (0: a short one); its number. UINT32_MAX: it cannot be. */
uint32_t sx_plant(struct sx *x, const char *key, const char *field, size_t n, bool binary);
/* fetch() gives value number i. */
void sx_expect(struct sx *x, const char *key, const char *field, const char *version, uint32_t i,
               size_t n, bool binary);
/* Counts failures for every value seen in the log and in what was said. */
void sx_check_silence(struct sx *x);
/* After everything was wiped: the process has none of the values. */
void sx_check_memory(struct sx *x);

/* The cases of suite_secrets_flow.c */
void sx_case_watch(struct sx *x);
void sx_case_cancel(struct sx *x);
void sx_case_deadline(struct sx *x);
void sx_case_load(struct sx *x);
void sx_case_outage(struct sx *x);
void sx_case_stop(struct sx *x);

#endif
