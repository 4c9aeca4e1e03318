/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/health.h"

#include <stdatomic.h>
#include <stdio.h>

#include "plane/lattices.h"
#include "plane/plane_priv.h"

#define TICK_NS     (200ll * 1000000ll)
#define PATIENCE_NS (2000ll * 1000000ll)
#define PROBE_KEY   "2.health" /* never written: being told that it is absent is an answer */

struct asker {
    uint64_t id;
    void (*fn)(void *arg, const void *checks, uint32_t n, uint32_t stride);
    void *arg;
};

struct health {
    struct plane *plane;
    atomic_llong beat_ns; /* [any] the last turn of the tick */
    struct loop_timer tick, patience;
    VEC(struct asker) askers;
    uint64_t next_id;
    bool asking; /* the store was asked and has not answered */
};

static void on_tick(void *arg) {
    struct health *h = arg;
    atomic_store(&h->beat_ns, loop_now_ns(h->plane->env.loop));
    loop_timer_start(&h->tick, TICK_NS);
}

struct leadership {
    uint32_t n, held;
};

static void count_lease(void *arg, bool held) {
    struct leadership *l = arg;
    l->n++;
    l->held += held;
}

static void set(trl_health_check *c, const char *name, bool needed, bool ok, const char *reason) {
    *c = (trl_health_check){.struct_size = sizeof(*c),
                            .flags = needed ? TRL_CHECK_NEEDED : 0,
                            .ok = ok,
                            .name = str_c(name),
                            .reason = str_c(reason)};
}

static void tell(struct health *h, bool store_ok, const char *store_reason) {
    struct plane *p = h->plane;
    struct leadership l = {0, 0};
    char lead[96];
    trl_health_check c[5];
    lattices_each_lease(p, count_lease, &l);
    snprintf(lead, sizeof(lead), "acts on %u of %u lattices%s", l.held, l.n,
             p->env.config->observe_only ? " (only observes)" : "");
    bool up = bus_up(p->bus);
    set(&c[0], "loop", true, true, "ticking");
    set(&c[1], "store", true, store_ok, store_reason);
    set(&c[2], "transport", true, up, up ? "connected" : "not connected");
    set(&c[3], "serving", true, p->serving && !p->stopping,
        p->stopping  ? "stopping"
        : p->serving ? "answers the API"
                     : "not yet");
    set(&c[4], "leadership", false, l.held == l.n, lead);
    uint32_t n = h->askers.n; /* who asks meanwhile is told next time */
    for (uint32_t i = 0; i < n; i++) {
        struct asker a = h->askers.at[i];
        if (a.fn) {
            a.fn(a.arg, c, ARRAY_LEN(c), sizeof(c[0]));
        }
    }
    for (uint32_t i = n; i < h->askers.n; i++) {
        h->askers.at[i - n] = h->askers.at[i];
    }
    h->askers.n -= n;
}

static void on_store(void *arg, trl_status st, const struct kv_entry *e) {
    struct health *h = arg;
    (void)e;
    h->asking = false;
    loop_timer_stop(&h->patience);
    if (st == TRL_OK || st == TRL_E_NOTFOUND) {
        tell(h, true, "answers");
    } else {
        char reason[96];
        snprintf(reason, sizeof(reason), "does not answer: %s", err_name(st));
        tell(h, false, reason);
    }
}

/* The probe goes on: until it is answered nobody sends another. */
static void on_patience(void *arg) {
    tell(arg, false, "no answer within 2 s");
}

static struct health *of(void *ctx) {
    return plug_iface_ctx(ctx, TRL_HOST_HEALTH_V1);
}

static int64_t loop_age(void *ctx) {
    const struct health *h = of(ctx);
    int64_t age = loop_now_ns(h->plane->env.loop) - atomic_load(&h->beat_ns);
    return age > 0 ? age : 0;
}

static uint64_t check(void *ctx,
                      void (*fn)(void *arg, const void *checks, uint32_t n, uint32_t stride),
                      void *arg) {
    struct health *h = of(ctx);
    *VEC_ADD(&h->askers) = (struct asker){++h->next_id, fn, arg};
    if (!h->asking) {
        h->asking = true;
        kv_get(h->plane->kv, STR(PROBE_KEY), on_store, h);
    }
    if (!loop_timer_active(&h->patience)) {
        loop_timer_start(&h->patience, PATIENCE_NS);
    }
    return h->next_id;
}

static void cancel(void *ctx, uint64_t id) {
    struct health *h = of(ctx);
    for (uint32_t i = 0; i < h->askers.n; i++) {
        if (h->askers.at[i].id == id) {
            h->askers.at[i].fn = NULL;
        }
    }
}

const trl_host_health_v1 health_iface = {sizeof(health_iface), 0, loop_age, check, cancel};

struct health *health_create(struct plane *p) {
    struct health *h = mem_zalloc(sizeof(*h));
    h->plane = p;
    loop_timer_init(&h->tick, p->env.loop, on_tick, h);
    loop_timer_init(&h->patience, p->env.loop, on_patience, h);
    on_tick(h);
    return h;
}

void health_destroy(struct health *h) {
    if (!h) {
        return;
    }
    kv_forget(h->plane->kv, h);
    loop_timer_stop(&h->tick);
    loop_timer_stop(&h->patience);
    VEC_FREE(&h->askers);
    mem_free(h);
}
