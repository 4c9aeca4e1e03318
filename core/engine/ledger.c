/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger.h"

#include <string.h>

#include "base/mem.h"

void ledger_init(struct ledger *l) {
    memset(l, 0, sizeof(*l));
}

static void item_free(struct ledger_item *i) {
    if (i) {
        mem_free(i->text);
        mem_free(i->app);
        mem_free(i);
    }
}

void ledger_finish(struct ledger *l) {
    for (uint32_t i = 0; i < l->items.n; i++) {
        item_free(l->items.at[i].value);
    }
    map_finish(&l->items);
    for (uint32_t i = 0; i < l->by_unit.n; i++) {
        VEC_FREE(&l->by_unit.at[i].slots);
    }
    VEC_FREE(&l->by_unit);
    VEC_FREE(&l->pending);
    l->n_inflight = 0;
}

#define UNIT_KEY 9u

static str unit_key(char buf[UNIT_KEY], uint32_t host_slot, uint32_t unit) {
    buf[0] = 'u';
    memcpy(buf + 1, &host_slot, 4);
    memcpy(buf + 5, &unit, 4);
    return str_n(buf, UNIT_KEY);
}

struct ledger_item *ledger_unit(const struct ledger *l, uint32_t host_slot, uint32_t unit) {
    char buf[UNIT_KEY];
    return map_get(&l->items, unit_key(buf, host_slot, unit));
}

static struct ledger_item *add(struct ledger *l, str key) {
    struct ledger_item *i = mem_zalloc(sizeof(*i));
    map_set(&l->items, key, i);
    i->key = l->items.at[l->items.n - 1].key;
    return i;
}

struct ledger_item *ledger_unit_get(struct ledger *l, uint32_t host_slot, uint32_t unit) {
    char buf[UNIT_KEY];
    str key = unit_key(buf, host_slot, unit);
    struct ledger_item *i = map_get(&l->items, key);
    if (!i) {
        i = add(l, key);
        i->host = host_slot + 1;
        while (l->by_unit.n <= unit) {
            VEC_ADD(&l->by_unit);
        }
        i->at = l->by_unit.at[unit].slots.n;
        *VEC_ADD(&l->by_unit.at[unit].slots) = host_slot;
    }
    return i;
}

static struct ledger_item *text_item(const struct ledger *l, char kind, str name,
                                     struct ledger *make_in) {
    struct buf key = BUF_INIT;
    buf_add_c(&key, kind);
    buf_add_str(&key, name);
    struct ledger_item *i = map_get(&l->items, buf_str(&key));
    if (!i && make_in) {
        i = add(make_in, buf_str(&key));
    }
    buf_finish(&key);
    return i;
}

struct ledger_item *ledger_text(const struct ledger *l, char kind, str name) {
    return text_item(l, kind, name, NULL);
}

struct ledger_item *ledger_text_get(struct ledger *l, char kind, str name) {
    return text_item(l, kind, name, l);
}

static uint32_t *pending_of(struct ledger *l, const struct ledger_item *i) {
    while (l->pending.n < i->host) {
        VEC_ADD(&l->pending);
    }
    return &l->pending.at[i->host - 1];
}

static void landed(struct ledger *l, struct ledger_item *i) {
    if (i->inflight) {
        i->inflight = false;
        l->n_inflight--;
        if (i->host) {
            *pending_of(l, i) -= i->adds;
        }
        i->adds = 0;
    }
}

static void forget_slot(struct ledger *l, const struct ledger_item *i) {
    uint32_t unit;
    memcpy(&unit, i->key.ptr + 5, 4);
    struct unit_slots *u = &l->by_unit.at[unit];
    uint32_t moved = u->slots.at[--u->slots.n];
    if (i->at < u->slots.n) {
        u->slots.at[i->at] = moved;
        ledger_unit(l, moved, unit)->at = i->at;
    }
}

static void drop(struct ledger *l, struct ledger_item *i) {
    landed(l, i);
    l->n_uncertain -= i->uncertain;
    l->n_doubts -= i->uncertain && i->host == 0;
    l->n_failed -= i->fails > 0;
    if (i->host) {
        forget_slot(l, i);
    }
    map_del(&l->items, i->key);
    item_free(i);
}

/* Else what comes and goes would be remembered for ever. */
static void drop_if_idle(struct ledger *l, struct ledger_item *i) {
    if (!i->inflight && !i->fails && !i->uncertain && !i->accepted && !i->retried) {
        drop(l, i);
    }
}

void ledger_send(struct ledger *l, struct ledger_item *i, str app, uint32_t verb, uint32_t count,
                 uint32_t adds, uint64_t want_hash, int64_t now_ns, int64_t deadline_ns) {
    landed(l, i);
    l->n_inflight++;
    i->inflight = true;
    i->adds = adds;
    if (i->host) {
        *pending_of(l, i) += adds;
    }
    i->acked = false;
    i->verb = verb;
    i->count = count;
    i->want_hash = want_hash;
    i->sent_ns = now_ns;
    i->deadline_ns = deadline_ns;
    mem_free(i->app);
    i->app = str_dup(app);
}

void ledger_settle(struct ledger *l, struct ledger_item *i) {
    landed(l, i);
    l->n_failed -= i->fails > 0;
    i->fails = 0;
    i->next_ns = 0;
    i->failed_hash = 0;
    mem_free(i->text);
    i->text = NULL;
    drop_if_idle(l, i);
}

void ledger_fail(struct ledger *l, struct ledger_item *i, str text, int64_t now_ns, int64_t wall_ms,
                 struct rng *rng) {
    landed(l, i);
    int64_t delay = LEDGER_BACKOFF_MIN_NS;
    for (uint32_t k = 0; k < i->fails && delay < LEDGER_BACKOFF_MAX_NS; k++) {
        delay *= 2;
    }
    delay = delay > LEDGER_BACKOFF_MAX_NS ? LEDGER_BACKOFF_MAX_NS : delay;
    delay = delay * 8 / 10 + (int64_t)rng_below(rng, (uint64_t)(delay * 4 / 10));
    l->n_failed += i->fails == 0;
    i->fails++;
    i->refused = false;
    i->failed_hash = i->want_hash;
    i->next_ns = now_ns + delay;
    i->next_wall_ms = wall_ms + delay / 1000000;
    i->accepted = 0;
    mem_free(i->text);
    i->text = str_dup(text);
}

void ledger_doubt(struct ledger *l, struct ledger_item *i) {
    l->n_uncertain += !i->uncertain;
    l->n_doubts += !i->uncertain && i->host == 0;
    i->uncertain = true;
}

/* Items go while these walk over them: backwards, as a removal moves the last one. */

void ledger_certain(struct ledger *l, uint32_t host_slot) {
    for (uint32_t k = l->items.n; l->n_uncertain && k-- > 0;) {
        struct ledger_item *i = l->items.at[k].value;
        if (i->uncertain && i->host == host_slot + 1) {
            i->uncertain = false;
            l->n_uncertain--;
            l->n_doubts -= i->host == 0;
            drop_if_idle(l, i);
        }
    }
}

void ledger_forgive(struct ledger *l, str app) {
    for (uint32_t k = l->items.n; l->n_failed && k-- > 0;) {
        struct ledger_item *i = l->items.at[k].value;
        if (i->fails && !i->inflight && i->app && str_is(app, i->app)) {
            ledger_settle(l, i);
        }
    }
}

void ledger_forgive_refused(struct ledger *l) {
    for (uint32_t k = l->items.n; l->n_failed && k-- > 0;) {
        struct ledger_item *i = l->items.at[k].value;
        if (i->fails && i->refused && !i->inflight) {
            ledger_settle(l, i);
        }
    }
}

void ledger_drop_host(struct ledger *l, uint32_t host_slot) {
    for (uint32_t k = l->items.n; k-- > 0;) {
        struct ledger_item *i = l->items.at[k].value;
        if (i->host == host_slot + 1) {
            drop(l, i);
        }
    }
}
