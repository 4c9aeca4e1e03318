/* SPDX-License-Identifier: Apache-2.0 — cannot live without an interface nobody offers */
#include "store_base.h"

static const trl_store_v1 table = BASE_TABLE(sizeof(table));
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static const char *const needs[] = {TRL_HOST_LOOP_V1, "host.teapot/1", NULL};
static const trl_component component = {
    .struct_size = sizeof(trl_component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_STORE,
    .name = "needs-iface",
    .needs = needs,
    .create = base_create,
    .destroy = base_destroy,
    .get_interface = get_interface,
};
TRL_PLUGIN("test.needs-iface", "1.0", 0, &component);
