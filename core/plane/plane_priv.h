/* SPDX-License-Identifier: Apache-2.0 — shared by plane.c and lattices.c. */
#ifndef TRELLIS_PLANE_PLANE_PRIV_H
#define TRELLIS_PLANE_PLANE_PRIV_H

#include "base/mem.h"
#include "catalog/catalog.h"
#include "catalog/lease.h"
#include "plane/gates.h"
#include "plane/logs.h"
#include "plane/plane.h"
#include "plug/kv.h"
#include "plug/tracer.h"
#include "serve/policy_service.h"
#include "serve/secret_read.h"
#include "serve/secrets_service.h"

struct lattice_slot {
    struct plane *plane;
    char *tenant, *name, *id; /* id: as drivers name it */
    struct engine *engine;
    struct lease *lease;
};

struct plane_scaler {
    char *trait;
    struct plug_inst *inst;
    struct scaler *scaler;
};

struct plane {
    struct plane_env env;
    char *holder, *prefix;
    struct plug *plug;
    struct plug_inst *transport, *store, *driver;
    struct bus *bus;
    struct kv *kv;
    struct catalog *catalog;
    struct gates *gates;
    struct policy_service *policy_service;   /* NULL: none */
    struct secrets_service *secrets_service; /* NULL: none */
    struct secret_reads *secret_reads;       /* for the driver; NULL: not yet */
    struct api *api;
    struct measure *measure;
    struct tracer *tracer;
    struct logs *logs;             /* env.log goes through them */
    struct extensions *extensions; /* NULL: none, or not yet */
    struct import *import;         /* under way, else NULL */
    struct plane_scaler *scalers;
    struct scaler_alias *aliases;
    uint32_t n_scalers;
    struct map lattices; /* id -> struct lattice_slot */
    struct map owners;   /* lattice name -> slot: a name belongs to its first account */
    struct loop_timer peer_retry;
    struct bus_call *peer_call;
    int64_t drain_until_ns;
    bool begun, catalog_loaded, driver_ready, serving, stopping, failed, told_peer;
    void (*on_stopped)(void *arg);
    void *stop_arg;
};

void plane_teardown(struct plane *p);

#endif
