/* SPDX-License-Identifier: Apache-2.0 — built for another major of the ABI */
#include "store_base.h"

#undef TRL_ABI_MAJOR
#define TRL_ABI_MAJOR 9
static const trl_store_v1 table = BASE_TABLE(sizeof(table));
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static const trl_component component = BASE_COMPONENT("wrong-major", TRL_LOOP);
TRL_PLUGIN("test.wrong-major", "1.0", 0, &component);
