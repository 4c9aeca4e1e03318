/* SPDX-License-Identifier: Apache-2.0 — a newer store: more functions, a longer component */
#include "store_base.h"

static const struct {
    trl_store_v1 v1;
    void (*future)(trl_inst *);
} table = {BASE_TABLE(sizeof(table)), (void (*)(trl_inst *))8};
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static const struct {
    trl_component c;
    const char *future;
} component = {{.struct_size = sizeof(component),
                .thread_model = TRL_LOOP,
                .iface = TRL_KIND_STORE,
                .name = "long-table",
                .create = base_create,
                .destroy = base_destroy,
                .get_interface = get_interface},
               "more"};
TRL_PLUGIN("test.long-table", "1.0", 0, &component.c);
