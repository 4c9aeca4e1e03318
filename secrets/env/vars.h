/* SPDX-License-Identifier: Apache-2.0
 *
 * The secrets of an environment: read once, values in one block of guarded memory. A name has one
 * key and a key one name, so that a policy about keys cannot be walked around: '/' in a key is '_'
 * in the name, "__" comes before a field, letters are capitals in the name.
 */
#ifndef SECRETS_ENV_VARS_H
#define SECRETS_ENV_VARS_H

#include <trellis/trellis.h>

struct var {
    char *name; /* "key" or "key field", as list tells it; owned */
    size_t key_len;
    size_t at, len; /* of the value in the block */
};

struct vars {
    const trl_host_secret_v1 *mem;
    void *ctx;       /* of mem */
    struct var *all; /* sorted by name */
    size_t n, cap;
    char *block;  /* guarded; NULL when there is nothing */
    size_t n_odd; /* names with the prefix that are no key */
};

/* unset: wipes what was read, and takes it out of the environment. */
trl_status vars_read(struct vars *v, const char *prefix, int unset, trl_err *err);
void vars_finish(struct vars *v);

/* INVALID or OK: may it be a key, a field? */
trl_status vars_check(const char *prefix, trl_str key, trl_str field, trl_err *err);
const struct var *vars_find(const struct vars *v, trl_str key, trl_str field);

extern const char env_schema[];

#endif
