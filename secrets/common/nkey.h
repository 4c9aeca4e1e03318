/* SPDX-License-Identifier: Apache-2.0
 *
 * The text form of keys in a lattice: base32 of a prefix byte, 32 key bytes and a checksum; seeds
 * have the prefix spread over two bytes. Pure; all memory is the caller's. Seeds are secret: the
 * functions wipe what they copied. Errors: 0 is "this is no such text".
 */
#ifndef SECRETS_COMMON_NKEY_H
#define SECRETS_COMMON_NKEY_H

#include <trellis/abi.h>

#define NKEY_PUBLIC_LEN 56u
#define NKEY_SEED_LEN   58u

#define NKEY_ACCOUNT 0x00u /* A: issuer    */
#define NKEY_MODULE  0x60u /* M: component */
#define NKEY_SERVER  0x68u /* N: host      */
#define NKEY_USER    0xA0u /* U            */
#define NKEY_SERVICE 0xA8u /* V: provider  */
#define NKEY_CURVE   0xB8u /* X: X25519; all others are Ed25519 */

/* NUL-terminated text. */
void nkey_encode_public(unsigned prefix, const uint8_t key[32], char out[NKEY_PUBLIC_LEN + 1]);
void nkey_encode_seed(unsigned prefix, const uint8_t seed[32], char out[NKEY_SEED_LEN + 1]);
/* 1: decoded. Refuses wrong length, alphabet, checksum and prefixes that are none of the above. */
int nkey_decode_public(trl_str text, unsigned *ret_prefix, uint8_t ret_key[32]);
int nkey_decode_seed(trl_str text, unsigned *ret_prefix, uint8_t ret_seed[32]);
/* Ed25519 kinds: 1 and the public text that belongs to a seed. */
int nkey_public_of_seed(trl_str seed, char out[NKEY_PUBLIC_LEN + 1]);

#endif
