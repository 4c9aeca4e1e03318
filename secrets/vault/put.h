/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing and listing: both block (pool threads).
 */
#ifndef VAULT_PUT_H
#define VAULT_PUT_H

#include "kv.h"

/* ref->version or digest: the version it must have now, else CONFLICT. to: the new one. */
trl_status kv_put(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                  const trl_secret *v, char to[KV_VERSION_MAX], trl_err *err);
/* Emits the names below the configured prefix that begin with `prefix`, in bytewise order. */
trl_status kv_list(trl_inst *in, const struct patience *w, trl_op *op, trl_str prefix,
                   trl_err *err);

#endif
