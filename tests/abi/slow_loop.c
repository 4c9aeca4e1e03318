/* SPDX-License-Identifier: Apache-2.0
 *
 * A store on the loop whose put does not return at once, and whose get does.
 */
#include <time.h>

#include "store_base.h"

#define KEEP_NS (110 * 1000000ll)

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void slow_put(trl_inst *in, trl_op *op, const trl_put *p) {
    long long until = now_ns() + KEEP_NS;
    (void)p;
    while (now_ns() < until) {
    }
    base_answer(in, op);
}

static const trl_store_v1 table = {sizeof(table), 0,          base_get,  slow_put,
                                   base_del,      base_batch, base_list, base_watch,
                                   base_end,      base_end,   NULL};
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static const trl_component component = BASE_COMPONENT("slow-loop", TRL_LOOP);
TRL_PLUGIN("test.slow-loop", "1.0", 0, &component);
