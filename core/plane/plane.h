/* SPDX-License-Identifier: Apache-2.0
 *
 * One control plane: built from a configuration, owns everything, tears it down. Several live in
 * one process, each with its own loop and clock.
 */
#ifndef TRELLIS_PLANE_PLANE_H
#define TRELLIS_PLANE_PLANE_H

#include "api/api.h"
#include "engine/engine.h"
#include "plane/config.h"
#include "plug/bus.h"

struct plane;

struct plane_env {
    struct loop *loop;
    const struct log *log;
    const struct config *config; /* borrowed for the plane's life */
    const char *version;         /* of the program */
    str holder;                  /* who holds leases: unique per process; empty: made up */
    /* An already running transport and store to use instead of those in config (tests share a bus
     * with simulated hosts). NULL: by config. */
    struct plug_inst *transport, *store;
    bool import_wadm; /* take over models in wadm's form from the store's bucket */
    void (*on_ready)(void *arg, struct plane *p);                    /* serving */
    void (*on_failed)(void *arg, struct plane *p, const char *text); /* cannot start: one line */
    void *arg;
};
struct plane *plane_create(const struct plane_env *env); /* starts at once */
/* Finishes acknowledged work, stops plugins; done runs when everything is gone. */
void plane_stop(struct plane *p, void (*done)(void *arg), void *arg);

struct api *plane_api(struct plane *p);
struct bus *plane_bus(struct plane *p); /* NULL until the transport is up */
struct engine *plane_engine(struct plane *p, str tenant, str lattice); /* NULL: unknown */
/* Nothing to do in any lattice, no write under way. */
bool plane_settled(const struct plane *p);

#endif
