/* SPDX-License-Identifier: Apache-2.0 — a thread model nobody knows */
#include "store_base.h"

static const trl_store_v1 table = BASE_TABLE(sizeof(table));
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static const trl_component component = BASE_COMPONENT("bad-model", 7);
TRL_PLUGIN("test.bad-model", "1.0", 0, &component);
