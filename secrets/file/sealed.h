/* SPDX-License-Identifier: Apache-2.0
 *
 * One file with many secrets: "trellis-sealed-1\n", a nonce of 24 bytes, and a secretbox
 * (XSalsa20-Poly1305) of records { u32le key length, u32le value length, key, value }, in order of
 * the keys. Plain records are in guarded memory only. Pure but for the randomness of a nonce.
 */
#ifndef SECRETS_FILE_SEALED_H
#define SECRETS_FILE_SEALED_H

#include "../common/safe.h"

#define SEALED_PLAIN_MAX                                                                           \
    (2u * 1024u * 1024u) /* two of them fit into the usual limit of locked memory */
#define SEALED_OVERHEAD (17u + 24u + 16u)
#define SEALED_FILE_MAX (SEALED_PLAIN_MAX + SEALED_OVERHEAD)

/* INVALID: not such a file, another key, or damaged. */
trl_status sealed_open(const struct safe *s, const struct safe_bytes *file, const uint8_t key[32],
                       const char *name, struct safe_bytes *ret, trl_err *err);
/* out: plain.len + SEALED_OVERHEAD bytes. */
void sealed_seal(const struct safe_bytes *plain, const uint8_t key[32], uint8_t *out);

/* The record at *at, which moves on. 0: the end, or (never in what sealed_open gave) no record. */
int sealed_next(const struct safe_bytes *plain, size_t *at, trl_str *ret_key, trl_bytes *ret_value);
int sealed_find(const struct safe_bytes *plain, trl_str key, trl_bytes *ret_value);
/* A new plain with the record put into its place. */
trl_status sealed_put(const struct safe *s, const struct safe_bytes *plain, trl_str key,
                      trl_bytes value, struct safe_bytes *ret, trl_err *err);

#endif
