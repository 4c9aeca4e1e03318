/* SPDX-License-Identifier: Apache-2.0 — keeps its ops and never finishes its stop */
#include "store_base.h"

static void watch(trl_inst *in, trl_op *op, trl_str prefix, uint64_t rev) {
    (void)in;
    (void)op;
    (void)prefix;
    (void)rev;
}
static const trl_store_v1 table = {sizeof(table), 0,     base_get, base_put, base_del, base_batch,
                                   base_list,     watch, base_end, base_end, NULL};
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static void stop(trl_inst *in, trl_op *op) {
    (void)in;
    (void)op;
}
static const trl_component component = {.struct_size = sizeof(trl_component),
                                        .thread_model = TRL_LOOP,
                                        .iface = TRL_KIND_STORE,
                                        .name = "stuck",
                                        .create = base_create,
                                        .stop = stop,
                                        .destroy = base_destroy,
                                        .get_interface = get_interface};
TRL_PLUGIN("test.stuck", "1.0", 0, &component);
