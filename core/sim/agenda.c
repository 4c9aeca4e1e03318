/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/agenda.h"

#include "base/mem.h"

static bool before(const struct agenda_slot *x, const struct agenda_slot *y) {
    return x->due_ns != y->due_ns ? x->due_ns < y->due_ns : x->seq < y->seq;
}

void agenda_add(struct agenda *a, struct task *t, int64_t due_ns) {
    struct agenda_slot s = {due_ns, a->seq++, t};
    a->at = mem_grow(a->at, &a->cap, a->n + 1, sizeof(*a->at));
    uint32_t i = a->n++;
    while (i > 0 && before(&s, &a->at[(i - 1) / 2])) {
        a->at[i] = a->at[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    a->at[i] = s;
}

bool agenda_next(const struct agenda *a, int64_t *ret_due_ns) {
    if (a->n == 0) {
        return false;
    }
    *ret_due_ns = a->at[0].due_ns;
    return true;
}

struct task *agenda_pop(struct agenda *a, int64_t now_ns) {
    if (a->n == 0 || a->at[0].due_ns > now_ns) {
        return NULL;
    }
    struct task *t = a->at[0].task;
    struct agenda_slot last = a->at[--a->n];
    uint32_t i = 0;
    for (;;) {
        uint32_t c = 2 * i + 1;
        if (c >= a->n) {
            break;
        }
        if (c + 1 < a->n && before(&a->at[c + 1], &a->at[c])) {
            c++;
        }
        if (!before(&a->at[c], &last)) {
            break;
        }
        a->at[i] = a->at[c];
        i = c;
    }
    if (a->n) {
        a->at[i] = last;
    }
    return t;
}

void agenda_finish(struct agenda *a) {
    for (uint32_t i = 0; i < a->n; i++) {
        a->at[i].task->drop(a->at[i].task);
    }
    mem_free(a->at);
    *a = (struct agenda)AGENDA_INIT;
}
