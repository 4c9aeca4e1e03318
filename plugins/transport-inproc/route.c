/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include "../common/xmem.h"

struct recv *recv_new(trl_inst *in, enum recv_kind kind, trl_op *op, trl_str label) {
    struct recv *r = x_zalloc(sizeof(*r) + label.len);
    r->kind = kind;
    r->op = op;
    r->label_len = label.len;
    if (label.len) {
        memcpy(r->label, label.ptr, label.len);
    }
    r->prev = in->last;
    if (in->last) {
        in->last->next = r;
    } else {
        in->first = r;
    }
    in->last = r;
    u64map_put(&in->by_op, u64map_ptr_key(op), r);
    if (kind == RECV_REQUEST || kind == RECV_MANY) {
        r->inbox = ++in->last_inbox;
        u64map_put(&in->by_inbox, r->inbox, r);
    }
    return r;
}

static void group_unref(trl_inst *in, struct group *g) {
    struct group **at = &in->groups;
    if (--g->refs) {
        return;
    }
    while (*at != g) {
        at = &(*at)->next;
    }
    *at = g->next;
    free(g);
}

void recv_free(trl_inst *in, struct recv *r) {
    u64map_take(&in->by_op, u64map_ptr_key(r->op));
    if (r->inbox) {
        u64map_take(&in->by_inbox, r->inbox);
    }
    if (r->kind == RECV_SUB) {
        trie_remove(&in->trie, &r->link);
        in->count.subs--;
    }
    if (r->group) {
        group_unref(in, r->group);
    }
    *(r->prev ? &r->prev->next : &in->first) = r->next;
    *(r->next ? &r->next->prev : &in->last) = r->prev;
    held_finish(&r->held);
    free(r);
}

void recv_end(trl_inst *in, struct recv *r, trl_status st) {
    trl_op *op = r->op;
    trl_bytes none = {NULL, 0};
    recv_free(in, r);
    in->host->op_done(op, st, none, NULL);
}

void recv_join(trl_inst *in, struct recv *r, trl_str name) {
    struct group *g;
    for (g = in->groups; g; g = g->next) {
        if (trl_str_eq(trl_strn(g->name, g->name_len), name)) {
            g->refs++;
            r->group = g;
            return;
        }
    }
    g = x_zalloc(sizeof(*g) + name.len);
    g->refs = 1;
    g->name_len = name.len;
    memcpy(g->name, name.ptr, name.len);
    g->next = in->groups;
    in->groups = g;
    r->group = g;
}

void recv_resume(trl_inst *in, struct recv *r) {
    while (held_first(&r->held)) {
        trl_status st = in->msg->deliver(r->op, held_first(&r->held));
        if (st == TRL_E_BUSY) {
            return;
        }
        if (st != TRL_OK) {
            r->over = 1;
            return;
        }
        in->count.delivered++;
        held_pop(&r->held);
    }
    r->paused = 0;
    if (r->slow) {
        r->slow = 0;
        trl_logf(in->host, TRL_LOG_WARN,
                 "consumer of %.*s caught up; %llu messages were dropped so far", (int)r->label_len,
                 r->label, (unsigned long long)r->dropped);
    }
    if (r->answered) {
        recv_end(in, r, TRL_OK);
    }
}

static void hold(trl_inst *in, struct recv *r, const trl_msg *m, struct held_msg **shared) {
    if (r->held.n && ((int64_t)r->held.n >= in->max_pending ||
                      (int64_t)(r->held.bytes + held_cost(m)) > in->max_pending_bytes)) {
        r->dropped++;
        in->count.dropped++;
        if (!r->slow) {
            r->slow = 1;
            in->count.slow++;
            trl_logf(in->host, TRL_LOG_WARN,
                     "slow consumer of %.*s: %zu messages (%zu bytes) wait, new ones are "
                     "dropped until it catches up",
                     (int)r->label_len, r->label, r->held.n, r->held.bytes);
        }
        return;
    }
    if (!*shared) {
        *shared = held_copy(m);
    }
    held_push(&r->held, *shared);
}

/* Hands one message over, or holds it. *shared: the copy of m, made when first needed. Returns
 * TRL_OK only when it was handed over. */
static trl_status give(trl_inst *in, struct recv *r, const trl_msg *m, struct held_msg **shared) {
    trl_status st;
    if (r->over) {
        return TRL_E_CLOSED;
    }
    if (!r->paused) {
        st = in->msg->deliver(r->op, m);
        if (st == TRL_OK) {
            in->count.delivered++;
            return st;
        }
        if (st != TRL_E_BUSY) {
            r->over = 1;
            return st;
        }
        r->paused = 1;
    }
    hold(in, r, m, shared);
    return TRL_E_BUSY;
}

static void collect(void *arg, struct trie_link *l) {
    trl_inst *in = arg;
    struct recv *r = (struct recv *)l;
    struct group *g = r->group;
    if (g && g->publish != in->last_publish) {
        g->publish = in->last_publish;
        g->n_fit = 0;
        g->next_fit = NULL;
        *(in->groups_fit_last ? &in->groups_fit_last->next_fit : &in->groups_fit) = g;
        in->groups_fit_last = g;
    }
    if (g) {
        g->n_fit++;
    }
    in->fit = x_grow(in->fit, in->n_fit, &in->cap_fit, sizeof(struct recv *));
    in->fit[in->n_fit++] = r;
}

/* The member whose turn it is; one that is not paused, if there is such. */
static struct recv *group_pick(trl_inst *in, struct group *g) {
    size_t want = (size_t)(g->turn++ % g->n_fit), at = 0;
    struct recv *second = NULL, *wrapped = NULL;
    for (size_t i = 0; i < in->n_fit; i++) {
        struct recv *r = in->fit[i];
        if (r->group != g) {
            continue;
        }
        if (at == want) {
            second = r;
        }
        if (!r->paused && !r->over) {
            if (at >= want) {
                return r;
            }
            wrapped = wrapped ? wrapped : r;
        }
        at++;
    }
    return wrapped ? wrapped : second;
}

static struct recv *inbox_find(const trl_inst *in, trl_str subject) {
    uint64_t id = 0;
    size_t i = sizeof(INBOX) - 1;
    if (subject.len <= i || subject.len > i + 19 || memcmp(subject.ptr, INBOX, i) != 0) {
        return NULL;
    }
    for (; i < subject.len; i++) {
        if (subject.ptr[i] < '0' || subject.ptr[i] > '9') {
            return NULL;
        }
        id = id * 10 + (uint64_t)(subject.ptr[i] - '0');
    }
    return u64map_find(&in->by_inbox, id);
}

/* A reply for a request. */
static void answer(trl_inst *in, struct recv *r, const trl_msg *m, struct held_msg **shared) {
    if (give(in, r, m, shared) == TRL_OK && r->kind == RECV_REQUEST) {
        recv_end(in, r, TRL_OK);
        return;
    }
    if (r->kind == RECV_REQUEST && r->held.n) { /* no second one may join it */
        r->answered = 1;
        u64map_take(&in->by_inbox, r->inbox);
    }
}

size_t route(trl_inst *in, const trl_msg *m) {
    struct held_msg *shared = NULL;
    struct recv *inbox = inbox_find(in, m->subject);
    size_t n = inbox != NULL;
    in->count.published++;
    in->last_publish++;
    in->n_fit = 0;
    in->groups_fit = in->groups_fit_last = NULL;
    trie_match(&in->trie, m->subject, collect, in);
    n += in->n_fit;
    if (inbox) {
        answer(in, inbox, m, &shared);
    }
    for (size_t i = 0; i < in->n_fit; i++) {
        if (!in->fit[i]->group) {
            give(in, in->fit[i], m, &shared);
        }
    }
    for (struct group *g = in->groups_fit; g; g = g->next_fit) {
        give(in, group_pick(in, g), m, &shared);
    }
    held_unref(shared);
    return n;
}
