/* SPDX-License-Identifier: Apache-2.0
 *
 * What kv.c offers to the files beside it that read and write metadata.
 */
#ifndef VAULT_KV_PRIV_H
#define VAULT_KV_PRIV_H

#include "kv.h"

/* GET mount/kind/key and query; anything but 200 is an error, and the answer is still there. */
trl_status kv_get(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                  const char *kind, const char *query, struct answer *a, trl_err *err);
int64_t kv_number(trl_str object, const char *name); /* a whole number; 0: none */
/* metadata: of one version. TRL_OK when its data can be had. */
trl_status kv_state(trl_inst *in, const struct kv_ref *ref, int64_t version, trl_str meta,
                    trl_err *err);

#endif
