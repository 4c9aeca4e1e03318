/* SPDX-License-Identifier: Apache-2.0 */
#include "poll.h"

#include "../common/xmem.h"

struct poll_waiter {
    struct poll_waiter *next;
    poll_fn fn;
    void *arg;
};

void poll_init(struct poll *p, struct lane *lane, void (*begin)(struct poll *p)) {
    memset(p, 0, sizeof(*p));
    p->lane = lane;
    p->begin = begin;
}

static void append(struct poll_waiter **list, struct poll_waiter *more) {
    while (*list) {
        list = &(*list)->next;
    }
    *list = more;
}

static void pump(struct lane *lane) {
    while (lane->head && lane->in_flight < lane->limit) {
        struct poll *p = lane->head;
        lane->head = p->next_queued;
        if (!lane->head) {
            lane->tail = NULL;
        }
        p->next_queued = NULL;
        p->queued = 0;
        p->out = 1;
        p->again = 0;
        append(&p->now, p->next);
        p->next = NULL;
        lane->in_flight++;
        p->begin(p);
    }
}

static void enqueue(struct poll *p) {
    struct lane *lane = p->lane;
    if (p->queued) {
        return;
    }
    p->queued = 1;
    if (lane->tail) {
        lane->tail->next_queued = p;
    } else {
        lane->head = p;
    }
    lane->tail = p;
    pump(lane);
}

void poll_ask(struct poll *p, poll_fn fn, void *arg) {
    if (fn) {
        struct poll_waiter *w = x_zalloc(sizeof(*w));
        w->fn = fn;
        w->arg = arg;
        append(&p->next, w);
    }
    if (p->out) {
        p->again = 1;
    } else {
        enqueue(p);
    }
}

static void drop(struct poll_waiter **list, const void *arg) {
    while (*list) {
        struct poll_waiter *w = *list;
        if (!arg || w->arg == arg) {
            *list = w->next;
            free(w);
        } else {
            list = &w->next;
        }
    }
}

void poll_unask(struct poll *p, const void *arg) {
    drop(&p->now, arg);
    drop(&p->next, arg);
}

static void over(struct poll *p) {
    p->out = 0;
    p->lane->in_flight--;
}

void poll_repeat(struct poll *p) {
    over(p);
    append(&p->now, p->next);
    p->next = p->now;
    p->now = NULL;
    enqueue(p);
    pump(p->lane);
}

/* Waiters are taken one by one, so that a callback may withdraw another one. */
static void tell(struct poll *p, trl_status st, const char *text, const void *data) {
    while (p->now) {
        struct poll_waiter *w = p->now;
        p->now = w->next;
        w->fn(w->arg, st, text, data);
        free(w);
    }
}

void poll_settle(struct poll *p, trl_status st, const char *text, const void *data) {
    tell(p, st, text, data);
    over(p);
    if (p->again || p->next) {
        enqueue(p);
    }
    pump(p->lane);
}

int poll_busy(const struct poll *p) {
    return p->out || p->queued;
}

static void unqueue(struct poll *p) {
    if (p->queued) {
        struct poll **at = &p->lane->head, *before = NULL;
        while (*at != p) {
            before = *at;
            at = &(*at)->next_queued;
        }
        *at = p->next_queued;
        if (p->lane->tail == p) {
            p->lane->tail = before;
        }
        p->queued = 0;
    }
    if (p->out) {
        over(p);
    }
}

void poll_close(struct poll *p, trl_status st, const char *text) {
    unqueue(p);
    append(&p->now, p->next);
    p->next = NULL;
    tell(p, st, text, NULL);
    pump(p->lane);
}

void poll_finish(struct poll *p) {
    drop(&p->now, NULL);
    drop(&p->next, NULL);
    unqueue(p);
}
