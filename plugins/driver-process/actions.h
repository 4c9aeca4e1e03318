/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs.
 */
#ifndef DRIVER_PROCESS_ACTIONS_H
#define DRIVER_PROCESS_ACTIONS_H

#include "driver.h"

#define ACTIONS_VERBS                                                                              \
    ((1u << TRL_DO_SCALE) | (1u << TRL_DO_UPDATE) | (1u << TRL_DO_PROVIDER_START) |                \
     (1u << TRL_DO_PROVIDER_STOP) | (1u << TRL_DO_LINK_PUT) | (1u << TRL_DO_LINK_DEL) |            \
     (1u << TRL_DO_LINK_RENEW) | (1u << TRL_DO_CONFIG_PUT) | (1u << TRL_DO_CONFIG_DEL) |           \
     (1u << TRL_DO_LABEL_PUT) | (1u << TRL_DO_LABEL_DEL))

void actions_apply(struct trl_inst *d, trl_op *op, const trl_action *a);

#endif
