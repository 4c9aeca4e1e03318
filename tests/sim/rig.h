/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole control plane on a virtual clock: in-process transport, memory store, lattice driver,
 * both scalers — all loaded through the border — and simulated hosts. One seed decides everything.
 */
#ifndef TRELLIS_TESTS_RIG_H
#define TRELLIS_TESTS_RIG_H

#include "codec/json.h"
#include "plane/plane.h"
#include "sim/sim.h"

#define SECOND 1000000000ll

struct rig {
    struct loop *loop;
    struct log log;
    struct plug *plug; /* of the shared transport and store */
    struct plug_inst *transport, *store;
    struct bus *bus; /* the hosts' and the test's own */
    struct sim *sim;
    struct world *world;
    struct config config;
    struct plane *plane; /* NULL while it is down */
    uint32_t planes;     /* started so far */
    bool plane_ready, stopped, verbose;
    char *failed;         /* why the plane could not start */
    struct arena arena;   /* of replies; lives as long as the rig */
    struct map told;      /* app -> last status text published, "type: message"; owned */
    uint32_t n_told;      /* status messages published */
    VEC(char *) told_log; /* "app type" in order; owned */
};

struct rig_options {
    uint64_t seed;
    uint32_t hosts;
    const char *const *labels;
    uint32_t n_labels;
    const char *const *lattices; /* none: "default" */
    uint32_t n_lattices;
    bool slow;               /* real-looking delays instead of everything at once */
    int64_t heartbeat_ns;    /* 0: 30 s */
    bool no_plane, no_hosts; /* not started yet */
    bool secrets;            /* hosts find every secret */
    const char *config;      /* trellis.yaml over the defaults; NULL: none */
};

struct rig *rig_create(const struct rig_options *o);
void rig_destroy(struct rig *r);
void rig_plane_start(struct rig *r); /* and waits until it serves */
void rig_plane_stop(struct rig *r);  /* orderly; store and hosts stay */

/* Time passes. */
void rig_run(struct rig *r, int64_t ns);
/* Until done(arg), at most that long; returns whether. */
bool rig_until(struct rig *r, bool (*done)(void *arg), void *arg, int64_t timeout_ns);
/* Until nothing is left to do and the app says so. */
bool rig_until_type(struct rig *r, const char *lattice, const char *app, const char *type,
                    int64_t timeout_ns);
bool rig_until_settled(struct rig *r, int64_t timeout_ns);

/* Requests over the bus, as clients make them. The reply's root lives in the rig's arena. */
const struct node *rig_request(struct rig *r, const char *subject, const char *body);
/* wadm.api: asserts the result. */
void rig_put(struct rig *r, const char *lattice, const char *yaml);
void rig_deploy(struct rig *r, const char *lattice, const char *app); /* the newest version */
void rig_deploy_version(struct rig *r, const char *lattice, const char *app, const char *version);
void rig_undeploy(struct rig *r, const char *lattice, const char *app);
void rig_delete(struct rig *r, const char *lattice, const char *app);
/* put, deploy, and until deployed (at most 60 s). */
void rig_bring_up(struct rig *r, const char *lattice, const char *app, const char *yaml);
/* As a host's peer by hand: control requests that no manager made. */
const struct node *rig_ctl(struct rig *r, const char *lattice, const char *suffix,
                           const char *body);

const struct app_status *rig_status(struct rig *r, const char *lattice, const char *app);
struct engine *rig_engine(struct rig *r, const char *lattice);

/* What really runs: instances of an id over all hosts (of an image; NULL: any). */
uint32_t rig_running(struct rig *r, const char *lattice, const char *id, const char *image);
uint32_t rig_hosts_running(struct rig *r, const char *lattice, const char *id);
struct vhost *rig_host_running(struct rig *r, const char *lattice, const char *id);
uint64_t rig_commands(struct rig *r, const char *lattice); /* requests that change something */
uint64_t rig_ops(struct rig *r, const char *lattice, enum sim_op op);
uint32_t rig_links(struct rig *r, const char *lattice);
bool rig_has_config(struct rig *r, const char *lattice, const char *name, const char *key,
                    const char *value);

#endif
