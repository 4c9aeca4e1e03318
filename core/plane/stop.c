/* SPDX-License-Identifier: Apache-2.0
 *
 * A plane stops step by step, backwards: extensions, work that was acknowledged, api, engines,
 * driver, store, transport.
 */
#include "plane/plane.h"

#include "catalog/import.h"
#include "plane/extensions.h"
#include "plane/gates.h"
#include "plane/lattices.h"
#include "plane/measure.h"
#include "plane/plane_priv.h"

static void free_scalers(struct plane *p) {
    for (uint32_t i = 0; i < p->n_scalers; i++) {
        scaler_destroy(p->scalers[i].scaler);
        plug_inst_destroy(p->scalers[i].inst);
        mem_free(p->scalers[i].trait);
    }
    mem_free(p->scalers);
    mem_free(p->aliases);
}

static void finished(void *arg) {
    struct plane *p = arg;
    if (p->transport && p->transport != p->env.transport) {
        plug_inst_destroy(p->transport);
    }
    free_scalers(p);
    plug_destroy(p->plug);
    tracer_destroy(p->tracer);
    logs_destroy(p->logs);
    mem_free(p->prefix);
    mem_free(p->holder);
    void (*done)(void *) = p->on_stopped;
    void *done_arg = p->stop_arg;
    mem_free(p);
    if (done) {
        done(done_arg);
    }
}

static void stop_transport(void *arg) {
    struct plane *p = arg;
    if (p->store && p->store != p->env.store) {
        plug_inst_destroy(p->store);
    }
    bus_destroy(p->bus);
    if (p->transport && p->transport != p->env.transport) {
        plug_inst_stop(p->transport, finished, p);
    } else {
        loop_post(p->env.loop, finished, p);
    }
}

static void gates_stopped(void *arg);

/* Leases that are given back let another instance act at once: they get a moment to go out. */
static void stop_store(void *arg) {
    struct plane *p = arg;
    if (p->kv && !kv_idle(p->kv) && loop_now_ns(p->env.loop) < p->drain_until_ns) {
        loop_timer_init(&p->peer_retry, p->env.loop, stop_store, p);
        loop_timer_start(&p->peer_retry, 1000000);
        return;
    }
    plug_inst_destroy(p->driver);
    secret_reads_destroy(p->secret_reads);
    gates_stop(p->gates, gates_stopped, p);
}

static void gates_stopped(void *arg) {
    struct plane *p = arg;
    kv_destroy(p->kv);
    if (p->store && p->store != p->env.store) {
        plug_inst_stop(p->store, stop_transport, p);
    } else {
        stop_transport(p);
    }
}

void plane_teardown(struct plane *p) {
    loop_timer_stop(&p->peer_retry);
    if (p->peer_call) {
        bus_call_cancel(p->peer_call);
    }
    api_destroy(p->api);
    if (p->import) {
        catalog_import_cancel(p->import);
    }
    catalog_destroy(p->catalog);
    lattices_finish(p);
    extensions_finish(p->extensions);
    p->extensions = NULL;
    measure_destroy(p->measure);
    p->measure = NULL;
    policy_service_destroy(p->policy_service);
    secrets_service_destroy(p->secrets_service);
    secret_reads_finish(p->secret_reads);
    gates_finish(p->gates);
    if (p->driver) {
        plug_inst_stop(p->driver, stop_store, p);
    } else {
        stop_store(p);
    }
}

/* What was acknowledged is in the store; what is being written is waited for a little. */
static void drain(void *arg) {
    struct plane *p = arg;
    if (p->catalog && !catalog_idle(p->catalog) && loop_now_ns(p->env.loop) < p->drain_until_ns) {
        loop_timer_start(&p->peer_retry, 1000000);
        return;
    }
    plane_teardown(p);
}

static void begin_drain(void *arg) {
    struct plane *p = arg;
    loop_timer_stop(&p->peer_retry);
    loop_timer_init(&p->peer_retry, p->env.loop, drain, p);
    p->drain_until_ns = loop_now_ns(p->env.loop) + 2000000000ll;
    drain(p);
}

void plane_stop(struct plane *p, void (*done)(void *arg), void *arg) {
    p->stopping = true;
    p->on_stopped = done;
    p->stop_arg = arg;
    if (!p->begun) {
        return; /* begin() goes on */
    }
    if (p->extensions) {
        extensions_stop(p->extensions, begin_drain, p);
    } else {
        begin_drain(p);
    }
}
