/* SPDX-License-Identifier: Apache-2.0
 *
 * Files with a key of 32 bytes: as bytes, or as 64 hexadecimal digits. Blocking: for threads of the
 * pool. The key goes into memory of the caller's, guarded or wiped.
 */
#ifndef SECRETS_COMMON_KEYFILE_H
#define SECRETS_COMMON_KEYFILE_H

#include "safe.h"

/* NOTFOUND: there is no such file. */
trl_status keyfile_load(const struct safe *s, const char *path, uint8_t out[32], trl_err *err);
/* Made of random bytes when it is missing; the first of several processes makes it. */
trl_status keyfile_load_or_make(const struct safe *s, const char *path, uint8_t out[32],
                                trl_err *err);

/* Versions for backends that have none of their own: keyed by what no reader of a version knows,
 * and different for every key and field, so it tells neither a value nor that two are equal. */
#define VERSION_LEN 32u
void version_digest(const uint8_t key[32], trl_str name, trl_str field, trl_bytes value,
                    char out[VERSION_LEN + 1]);

#endif
