/* SPDX-License-Identifier: Apache-2.0
 *
 * A store that holds nothing, for test plugins that differ from a good one in one point. Each
 * includes it once and names its component.
 */
#ifndef TESTS_ABI_STORE_BASE_H
#define TESTS_ABI_STORE_BASE_H

#include <stdlib.h>
#include <trellis/trellis.h>

struct trl_inst {
    const trl_host *host;
};

static void base_answer(trl_inst *in, trl_op *op) {
    trl_op_fail(in->host, op, TRL_E_NOTFOUND, "this store is empty");
}
static inline void base_get(trl_inst *in, trl_op *op, trl_str key) {
    (void)key;
    base_answer(in, op);
}
static inline void base_put(trl_inst *in, trl_op *op, const trl_put *p) {
    (void)p;
    base_answer(in, op);
}
static inline void base_del(trl_inst *in, trl_op *op, trl_str key, uint64_t rev) {
    (void)key;
    (void)rev;
    base_answer(in, op);
}
static inline void base_batch(trl_inst *in, trl_op *op, const void *p, uint32_t n,
                              uint32_t stride) {
    (void)p;
    (void)n;
    (void)stride;
    base_answer(in, op);
}
static inline void base_list(trl_inst *in, trl_op *op, trl_str prefix, trl_str after, uint32_t n) {
    (void)prefix;
    (void)after;
    (void)n;
    base_answer(in, op);
}
static inline void base_watch(trl_inst *in, trl_op *op, trl_str prefix, uint64_t rev) {
    (void)prefix;
    (void)rev;
    base_answer(in, op);
}
static inline void base_end(trl_inst *in, trl_op *op) {
    (void)in;
    (void)op;
}
static inline trl_status base_create(const trl_host *h, trl_str config, trl_inst **out,
                                     trl_err *err) {
    (void)config;
    (void)err;
    *out = calloc(1, sizeof(**out));
    (*out)->host = h;
    return TRL_OK;
}
static inline void base_destroy(trl_inst *in) {
    free(in);
}

#define BASE_TABLE(SIZE)                                                                           \
    {                                                                                              \
        (SIZE), 0, base_get, base_put, base_del, base_batch, base_list, base_watch, base_end,      \
            base_end, NULL                                                                         \
    }
#define BASE_COMPONENT(NAME, MODEL)                                                                \
    {                                                                                              \
        .struct_size = sizeof(trl_component), .thread_model = (MODEL), .iface = TRL_KIND_STORE,    \
        .name = (NAME), .summary = "test", .create = base_create, .destroy = base_destroy,         \
        .get_interface = get_interface,                                                            \
    }

#endif
