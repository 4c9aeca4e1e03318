/* SPDX-License-Identifier: Apache-2.0 — cannot do without a newer core */
#include "store_base.h"

static const trl_store_v1 table = BASE_TABLE(sizeof(table));
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static const trl_component component = BASE_COMPONENT("needs-newer", TRL_LOOP);
TRL_PLUGIN("test.needs-newer", "1.0", 99, &component);
