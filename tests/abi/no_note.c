/* SPDX-License-Identifier: Apache-2.0 — an entry, but no note */
#include "store_base.h"

static const trl_store_v1 table = BASE_TABLE(sizeof(table));
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static const trl_component component = BASE_COMPONENT("no-note", TRL_LOOP);
static const trl_component *const components[] = {&component, NULL};
static const trl_plugin plugin = {TRL_MAGIC,      sizeof(plugin), 0,  1,  0,         0,
                                  "test.no-note", "1.0",          "", "", components};
TRL_EXPORT const trl_plugin *trl_plugin_entry(uint32_t host_major) {
    return host_major == TRL_ABI_MAJOR ? &plugin : NULL;
}
