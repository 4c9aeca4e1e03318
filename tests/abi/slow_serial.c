/* SPDX-License-Identifier: Apache-2.0
 *
 * TRL_SERIAL: counts how many calls run at once (must be one) and answers get with that count. get
 * "block" waits until it is cancelled.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <trellis/trellis.h>

struct trl_inst {
    const trl_host *h;
    atomic_uint inside, most;
};

static void enter(trl_inst *in) {
    unsigned now = atomic_fetch_add(&in->inside, 1) + 1, most = atomic_load(&in->most);
    while (now > most && !atomic_compare_exchange_weak(&in->most, &most, now)) {
    }
    for (int i = 0; i < 20; i++) {
        sched_yield();
    }
}
static void leave(trl_inst *in, trl_op *op) {
    uint64_t most = atomic_load(&in->most);
    trl_bytes b = {&most, sizeof(most)};
    atomic_fetch_sub(&in->inside, 1);
    in->h->op_done(op, TRL_OK, b, NULL);
}
static void get(trl_inst *in, trl_op *op, trl_str key) {
    if (trl_str_is(key, "block")) {
        while (!in->h->op_cancelled(op)) {
            sched_yield();
        }
        trl_op_fail(in->h, op, TRL_E_CANCELLED, "cancelled");
        return;
    }
    enter(in);
    char scratch[400];
    trl_bytes none = {NULL, 0};
    trl_entry_emit(in->h, op, scratch, 0, atomic_load(&in->most), key, none);
    leave(in, op);
}
static void put(trl_inst *in, trl_op *op, const trl_put *p) {
    (void)p;
    enter(in);
    leave(in, op);
}
static void del(trl_inst *in, trl_op *op, trl_str key, uint64_t rev) {
    (void)key;
    (void)rev;
    enter(in);
    leave(in, op);
}
static void batch(trl_inst *in, trl_op *op, const void *p, uint32_t n, uint32_t stride) {
    (void)p;
    (void)n;
    (void)stride;
    enter(in);
    leave(in, op);
}
static void list(trl_inst *in, trl_op *op, trl_str prefix, trl_str after, uint32_t limit) {
    (void)prefix;
    (void)after;
    (void)limit;
    enter(in);
    leave(in, op);
}
static void watch(trl_inst *in, trl_op *op, trl_str prefix, uint64_t rev) {
    (void)rev;
    (void)prefix;
    (void)in;
    (void)op; /* until cancel */
}
static void cancel(trl_inst *in, trl_op *op) {
    trl_op_fail(in->h, op, TRL_E_CANCELLED, "cancelled");
}
static void resume(trl_inst *in, trl_op *op) {
    (void)in;
    (void)op;
}
static const trl_store_v1 table = {sizeof(table), 0,     get,    put,    del, batch,
                                   list,          watch, cancel, resume, NULL};
static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    (void)config;
    (void)err;
    *out = calloc(1, sizeof(**out));
    (*out)->h = h;
    return TRL_OK;
}
static void destroy(trl_inst *in) {
    free(in);
}
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
#ifndef MODEL
#define MODEL TRL_SERIAL
#define NAME  "slow-serial"
#endif
static const trl_component component = {.struct_size = sizeof(trl_component),
                                        .thread_model = MODEL,
                                        .iface = TRL_KIND_STORE,
                                        .name = NAME,
                                        .create = create,
                                        .destroy = destroy,
                                        .get_interface = get_interface};
TRL_PLUGIN("test." NAME, "1.0", 0, &component);
