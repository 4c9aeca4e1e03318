/* SPDX-License-Identifier: Apache-2.0 — a store that cannot put */
#include "store_base.h"

static const trl_store_v1 table = {sizeof(table), 0,          base_get,  NULL,
                                   base_del,      base_batch, base_list, base_watch,
                                   base_end,      base_end,   NULL};
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static const trl_component component = BASE_COMPONENT("missing-fn", TRL_LOOP);
TRL_PLUGIN("test.missing-fn", "1.0", 0, &component);
