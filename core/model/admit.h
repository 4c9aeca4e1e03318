/* SPDX-License-Identifier: Apache-2.0
 *
 * May this text become a version of an application? Everything a put checks before it looks at the
 * store (WA 2.4), in its order.
 */
#ifndef TRELLIS_MODEL_ADMIT_H
#define TRELLIS_MODEL_ADMIT_H

#include "model/manifest.h"

#define ADMIT_MAX_NAME    190u /* bytes: the store's keys hold that much */
#define ADMIT_MAX_DEPTH   125u /* levels of the stored model: clients read two more at most */
#define ADMIT_REPLY_BYTES 320u /* what replies and events need around a model */

/* content_type: the header's value, ptr NULL: there was none. max_payload: of a message of the
 * transport; 0: no limit. Faults and warnings are added to f. On refusal (TRL_E_INVALID)
 * *wadm_message is the text of wadm's error envelope (owned). *ret is set when the text could be
 * decoded, also when it is then refused; the caller destroys it. */
int model_admit(str body, str content_type, size_t max_payload, struct manifest **ret,
                struct findings *f, char **wadm_message);

#endif
