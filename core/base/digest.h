/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 in hex (scaler ids, content hashes) and ULIDs (generated versions, event ids).
 */
#ifndef TRELLIS_BASE_DIGEST_H
#define TRELLIS_BASE_DIGEST_H

#include "base/rand.h"
#include "base/str.h"

void digest_sha256_hex(const str *parts, uint32_t n, char ret[65]); /* of the plain concatenation */
/* 128 bits, to tell contents apart; not text. */
void digest_128(const str *parts, uint32_t n, unsigned char ret[16]);
#define ULID_LEN 26
void ulid_text(int64_t unix_ms, struct rng *r, char ret[27]); /* Crockford base32, upper case */
void ulid_uuid_text(int64_t unix_ms, struct rng *r,
                    char ret[37]); /* the same bits as lower-case UUID */

#endif
