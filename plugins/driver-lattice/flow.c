/* SPDX-License-Identifier: Apache-2.0 */
#include "flow.h"

#include <string.h>

void flow_join(struct trl_inst *d, struct flow *f, void (*destroy)(struct flow *f)) {
    f->destroy = destroy;
    f->next = d->flows;
    f->link = &d->flows;
    if (f->next) {
        f->next->link = &f->next;
    }
    d->flows = f;
}

void flow_leave(struct flow *f) {
    *f->link = f->next;
    if (f->next) {
        f->next->link = f->link;
    }
}

void flows_destroy(struct trl_inst *d) {
    while (d->flows) {
        struct flow *f = d->flows;
        flow_leave(f);
        f->destroy(f);
    }
}

void trail_keep(struct trail *t, const trl_action *a) {
    size_t n = a->traceparent.len < sizeof(t->traceparent) ? a->traceparent.len : 0;
    if (n) {
        memcpy(t->traceparent, a->traceparent.ptr, n);
    }
    t->traceparent[n] = '\0';
}
