/* SPDX-License-Identifier: Apache-2.0 — note and descriptor disagree */
#include "store_base.h"

static const trl_store_v1 table = BASE_TABLE(sizeof(table));
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static const trl_component component = BASE_COMPONENT("note-lies", TRL_LOOP);
/* A note that is right, and a descriptor that is not. */
__attribute__((used, section(".note.trellis"), aligned(4))) static const struct {
    uint32_t namesz, descsz, type;
    char name[4];
    char desc[128];
} note = {4, 128, 1, "TRL",
          "{\"id\":\"test\",\"version\":\"1\",\"abi_major\":0,\"abi_minor_built\":1,"
          "\"abi_minor_needed\":0}                                          "};
static const trl_component *const components[] = {&component, NULL};
static const trl_plugin plugin = {TRL_MAGIC, sizeof(plugin), 0, 1, 0, 0, "other", "1", "",
                                  "",        components};
TRL_EXPORT const trl_plugin *trl_plugin_entry(uint32_t host_major) {
    return host_major == TRL_ABI_MAJOR ? &plugin : NULL;
}
