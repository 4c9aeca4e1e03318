/* SPDX-License-Identifier: Apache-2.0
 *
 * Virtual wasmCloud 1.9 hosts as a state machine: requests and time in, replies and events out. It
 * knows no loop, no clock and no transport; sim.h binds it to those.
 *
 * now_ns never goes back. Whoever drives it calls world_advance at the time world_next_due names.
 */
#ifndef TRELLIS_SIM_WORLD_H
#define TRELLIS_SIM_WORLD_H

#include "sim/config.h"
#include "sim/vlattice.h"

struct world_out {
    /* A reply or an event. */
    void (*publish)(void *arg, str subject, str body);
    /* A host begins or ends to listen. For the first and the last of a lattice the common subjects
     * begin and end too. NULL: nobody wants to know. */
    void (*listen)(void *arg, struct vhost *h, bool on);
    /* Something is due earlier than was known. NULL: nobody wants to know. */
    void (*wake)(void *arg, int64_t due_ns);
    void *arg;
};

/* wall_ms: UNIX time at now_ns. No host runs yet. */
int world_create(const struct sim_config *c, const struct world_out *out, int64_t now_ns,
                 int64_t wall_ms, struct world **ret, struct err *err);
void world_destroy(struct world *w); /* silently: nothing is said on the bus */

void world_start(struct world *w, int64_t now_ns);    /* all hosts, within the start spread */
void world_shutdown(struct world *w, int64_t now_ns); /* all hosts, orderly */
bool world_next_due(const struct world *w, int64_t *ret_due_ns);
void world_advance(struct world *w, int64_t now_ns);
/* One message of the bus. False: with real hosts nobody would have been listening. */
bool world_request(struct world *w, str subject, str reply, str body, int64_t now_ns);

/* Hosts. The pointers stay valid as long as the world. */
uint32_t world_n_hosts(const struct world *w);
struct vhost *world_host(struct world *w, uint32_t i); /* lattice by lattice */
struct vhost *world_find(struct world *w, str id);     /* NULL: none of ours */
uint32_t world_n_lattices(const struct world *w);
struct vlattice *world_lattice(struct world *w, uint32_t i);
struct vlattice *world_find_lattice(struct world *w, str name);

enum vhost_state { VHOST_OFF, VHOST_UP, VHOST_FROZEN };
const char *vhost_id(const struct vhost *h);
const char *vhost_name(const struct vhost *h); /* of the present or last life */
struct vlattice *vhost_lattice(const struct vhost *h);
enum vhost_state vhost_state(const struct vhost *h);

/* What can be done to a host. Each does nothing when it does not apply. */
void world_host_start(struct vhost *h, int64_t now_ns);    /* empty, same id, new name */
void world_host_stop(struct vhost *h, int64_t now_ns);     /* orderly: host_stopped */
void world_host_crash(struct vhost *h, int64_t now_ns);    /* silence; requests find nobody */
void world_host_freeze(struct vhost *h, int64_t now_ns);   /* silence; requests time out */
void world_host_unfreeze(struct vhost *h, int64_t now_ns); /* does all it missed at once */
/* Stops and starts without a word, as kill -9 and a supervisor: host_started alone tells. */
void world_host_restart(struct vhost *h, int64_t now_ns);
void world_host_label(struct vhost *h, str key, str value, int64_t now_ns); /* as label.put */
/* The labels it starts with from now on; labels: taken. */
void world_host_given_labels(struct vhost *h, struct strs *labels);
/* What a probe of a provider finds; 'h' healthy, 'u' unhealthy, 's' no answer. False: not there. */
bool world_provider_health(struct vhost *h, str id, char health);

void world_set_faults(struct world *w, const struct sim_faults *f);
const struct sim_faults *world_faults(const struct world *w);
void world_host_faults(struct vhost *h, const struct sim_faults *f); /* NULL: as all again */
const struct sim_faults *world_host_faults_now(const struct vhost *h);
/* text NULL takes the pattern back. */
void world_image_fault(struct world *w, str pattern, const char *text);

/* What really runs, whatever hosts said. Borrowed until the next call that changes something. */
struct sim_running {
    str id, image;  /* as the host reports it */
    str code;       /* what is really loaded */
    str stale;      /* code of an update that still serves callers over NATS; or empty */
    uint32_t count; /* providers: 1 */
    const struct strs *annotations; /* pairs */
    const struct strs *config;      /* names */
    bool provider;
};
uint32_t world_n_running(const struct vhost *h);
bool world_running_at(const struct vhost *h, uint32_t i, struct sim_running *ret);
bool world_running(const struct vhost *h, str id, struct sim_running *ret); /* component first */
const struct strs *world_labels(const struct vhost *h);

#endif
