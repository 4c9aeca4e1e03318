/* SPDX-License-Identifier: Apache-2.0
 *
 * host.secret_read/1 as a test wants it: values by key, failures, answers that wait.
 */
#ifndef TESTS_DRIVER_PROCESS_VAULT_H
#define TESTS_DRIVER_PROCESS_VAULT_H

#include "testkit.h"

struct rig_vault;

struct rig_vault *vault_create(struct loop *loop);
void vault_destroy(struct rig_vault *v); /* no call may be open */
void vault_set(struct rig_vault *v, const char *key, const char *value, trl_status otherwise);
void vault_hold(struct rig_vault *v, bool hold);
uint32_t vault_reads(const struct rig_vault *v);
uint32_t vault_open(const struct rig_vault *v); /* calls without an answer */

extern const trl_host_secret_read_v1 vault_iface; /* ctx of the iface: the vault */

#endif
