/* SPDX-License-Identifier: Apache-2.0
 *
 * What the KV engine keeps: paths, versions, fields. All functions block (pool threads) and fail
 * with a text that names mount, key, field and version, never a value.
 */
#ifndef VAULT_KV_H
#define VAULT_KV_H

#include "ask.h"

#define KV_KEY_MAX     512u
#define KV_PATH_MAX    (3u * (KV_KEY_MAX + CONF_PATH_MAX) + 512u)
#define KV_VERSION_MAX 72u

/* A reference made sense of. Strings are copies: watches outlive the call. */
struct kv_ref {
    char key[KV_KEY_MAX];        /* with the prefix, as it is told in errors */
    char field[KV_KEY_MAX];      /* "*": the whole */
    int64_t version;             /* 0: the latest */
    char digest[KV_VERSION_MAX]; /* engine version 1: the one that is wanted; empty: any */
    bool base64;                 /* the field holds base64 of the value */
};

/* INVALID with what is wrong. */
trl_status kv_ref_parse(trl_inst *in, const trl_secret_ref *ref, struct kv_ref *r, trl_err *err);
/* "mount/kind/key" (kind NULL: version 1), encoded. room: KV_PATH_MAX. Also the name in errors. */
void kv_path(const trl_inst *in, const char *kind, const char *key, char *path);
void kv_name(const trl_inst *in, const char *key, char *to, size_t size);

/* One reading of a secret with its value. */
struct kv_read {
    struct answer answer; /* value points into it */
    trl_str data;         /* the object, raw */
    int64_t version;      /* of the engine; 0: version 1 */
    int64_t lease_ns;
};
void kv_read_init(trl_inst *in, struct kv_read *r);
void kv_read_finish(struct kv_read *r); /* wipes */
trl_status kv_read(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                   struct kv_read *r, trl_err *err);
/* The value of the field, decoded in place (so once). */
trl_status kv_field(trl_inst *in, const struct kv_ref *ref, struct kv_read *r, trl_str *ret,
                    trl_err *err);
/* The version as text: the engine's, or a keyed digest of the value. NOTFOUND: the reference asks
 * for another. */
trl_status kv_version(trl_inst *in, const struct kv_ref *ref, int64_t version, trl_str value,
                      char to[KV_VERSION_MAX], trl_err *err);
/* kv_version 1: a key for digests, of the configured file or of this start. */
trl_status kv_digest_key(trl_inst *in, trl_err *err);
/* The version of what a 404 told about: deleted or destroyed; 0: nothing was ever there. */
int64_t kv_last_version(const struct answer *a);
/* Is it there, may it be read? Without its value where the server allows that; full: also whether
 * the field is there and the policy allows reading. to: the version fetch would give. */
trl_status kv_check(trl_inst *in, const struct patience *w, const struct kv_ref *ref, bool full,
                    char to[KV_VERSION_MAX], trl_err *err);

#endif
