/* SPDX-License-Identifier: Apache-2.0
 *
 * Identity of a host: a valid server nkey made from a seed, and the friendly names of hosts.
 */
#ifndef TRELLIS_HOSTWIRE_HOSTID_H
#define TRELLIS_HOSTWIRE_HOSTID_H

#include "base/rand.h"
#include "base/str.h"

#define HOSTID_LEN  56
#define HOSTID_NAME 40 /* bytes a friendly name needs at most, with the NUL */

/* The public key text "N..." of the key pair with this 32-byte private seed. */
void hostid_of_key(const unsigned char key[32], char ret[HOSTID_LEN + 1]);
/* The same (seed, lattice, index) gives the same id. */
void hostid_make(uint64_t seed, str lattice, uint32_t index, char ret[HOSTID_LEN + 1]);
/* "quiet-river-0042"; hosts take a new one at each start. */
void hostid_name(struct rng *r, char ret[HOSTID_NAME]);

#endif
