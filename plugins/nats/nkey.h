/* SPDX-License-Identifier: Apache-2.0
 *
 * NATS keys: ed25519 keys with a prefix and a checksum, in base32.
 */
#ifndef NATS_NKEY_H
#define NATS_NKEY_H

#include <stddef.h>
#include <stdint.h>

#define NKEY_PUBLIC_LEN  56u
#define NKEY_SEED_LEN    58u
#define NKEY_PREFIX_USER (20u << 3)

/* The public key that belongs to a seed, NUL-terminated. Returns 0 when seed is no seed. */
int nkey_public(const char *seed, char out[NKEY_PUBLIC_LEN + 1]);

/* Building blocks, for tests that make keys. */
void nkey_encode_public(unsigned prefix, const uint8_t key[32], char out[NKEY_PUBLIC_LEN + 1]);
void nkey_encode_seed(unsigned prefix, const uint8_t seed[32], char out[NKEY_SEED_LEN + 1]);

#endif
