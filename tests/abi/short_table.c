/* SPDX-License-Identifier: Apache-2.0 — an older store: its table ends before info */
#include "store_base.h"

/* What lies behind the end must never be read: it would crash. */
static const trl_store_v1 table = {offsetof(trl_store_v1, info),
                                   TRL_S_HISTORY,
                                   base_get,
                                   base_put,
                                   base_del,
                                   base_batch,
                                   base_list,
                                   base_watch,
                                   base_end,
                                   base_end,
                                   (void (*)(trl_inst *, trl_op *))8};
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static const trl_component component = BASE_COMPONENT("short-table", TRL_LOOP);
TRL_PLUGIN("test.short-table", "1.0", 0, &component);
