/* SPDX-License-Identifier: Apache-2.0
 *
 * Curve keys ("xkeys") and the sealed boxes hosts and secrets backends exchange: "xkv1", a nonce of
 * 24 bytes, then NaCl's crypto_box. Pure; all memory is the caller's, who keeps a struct xkey in
 * guarded memory or wipes it. Errors: 0 is failure, without a hint why a box does not open.
 */
#ifndef SECRETS_COMMON_XKEY_H
#define SECRETS_COMMON_XKEY_H

#include "nkey.h"

#define XKEY_NONCE_LEN 24u
#define XKEY_OVERHEAD  44u /* a box is so much longer than what is in it */

struct xkey {
    uint8_t secret[32];
    uint8_t pub[32];
};

void xkey_generate(struct xkey *out);
int xkey_from_seed(trl_str seed_text, struct xkey *out); /* "SX..." */
int xkey_parse_public(trl_str text, uint8_t out[32]);    /* "X..." */
void xkey_public_text(const uint8_t pub[32], char out[NKEY_PUBLIC_LEN + 1]);

/* out: n + XKEY_OVERHEAD bytes. 0: `to` is no usable key. */
int xkey_seal(const struct xkey *from, const uint8_t to[32], const void *plain, size_t n,
              uint8_t *out);
/* With a nonce of the caller's: for recorded vectors only. */
int xkey_seal_with(const struct xkey *from, const uint8_t to[32],
                   const uint8_t nonce[XKEY_NONCE_LEN], const void *plain, size_t n, uint8_t *out);
/* out: n - XKEY_OVERHEAD bytes (n at least XKEY_OVERHEAD, else 0), untouched on failure; it may not
 * overlap with the box. */
int xkey_open(const struct xkey *to, const uint8_t from[32], const void *box, size_t n,
              uint8_t *out);

#endif
