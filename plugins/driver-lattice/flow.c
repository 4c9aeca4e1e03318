/* SPDX-License-Identifier: Apache-2.0 */
#include "flow.h"

#include "text.h"

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
    t->traceparent[0] = '\0';
    if (a->traceparent.len < sizeof(t->traceparent)) {
        snprintf(t->traceparent, sizeof(t->traceparent), "%.*s", STR_ARG(a->traceparent));
    }
}
