/* SPDX-License-Identifier: Apache-2.0 — exports one symbol too many */
#include "store_base.h"

static const trl_store_v1 table = BASE_TABLE(sizeof(table));
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static const trl_component component = BASE_COMPONENT("two-exports", TRL_LOOP);
TRL_EXPORT int helper(void);
int helper(void) {
    return 1;
}
TRL_PLUGIN("test.two-exports", "1.0", 0, &component);
