/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the state machine.
 */
#ifndef TRELLIS_SIM_WORLD_PRIV_H
#define TRELLIS_SIM_WORLD_PRIV_H

#include "hostwire/hostid.h"
#include "sim/agenda.h"
#include "sim/world.h"

struct unit { /* a running component */
    str id, image, code;
    uint32_t count;
    bool secrets; /* its list named some: looks changed at each scale */
    bool has_limits;
    bool freezes;                               /* at the next rebuild */
    struct strs *annotations, *config, *limits; /* config: without secrets */
    struct strs *list;                          /* config list as requested */
};

struct provider {
    str id, image; /* normalised */
    uint64_t serial;
    char health;  /* what probes find */
    bool healthy; /* what they found last */
    struct strs *annotations, *config;
};

struct stale {
    str id, code;
};

struct vhost {
    struct vlattice *lattice;
    char id[HOSTID_LEN + 1], name[HOSTID_NAME];
    uint32_t index, up_index; /* up_index: in lattice->up */
    uint32_t life;
    enum vhost_state state;
    int64_t started_ns, beat_ns; /* beat_ns: planned time of the next heartbeat */
    int64_t components_ns;       /* until then the table of components is locked */
    int64_t providers_ns;        /* the same for providers */
    struct strs *given_labels, *labels;
    struct sim_faults *faults; /* NULL: the world's */
    VEC(struct unit) units;
    VEC(struct provider) providers;
    VEC(struct stale) stale;
    struct map watched;      /* configs it has seen once: deleted ones read as empty */
    VEC(struct task *) held; /* due while frozen */
};

struct request {
    uint32_t refs;
    enum sim_op op;
    str reply, name, body; /* name: of a config */
};

struct image_fault {
    char *pattern, *text;
};

struct world {
    struct sim_config c; /* the pointers in it are not used after creation */
    char *version, *nats_url;
    char *prefix; /* "wasmbus.ctl.v1." */
    struct world_out out;
    struct rng rng;
    struct agenda agenda;
    struct intern names;
    struct map lattice_by_name, host_by_id;
    VEC(struct vlattice *) lattices;
    VEC(struct vhost *) hosts;
    VEC(struct image_fault) image_faults;
    int64_t start_ns, start_wall_ns, now_ns, armed_ns;
    uint64_t serial;
    bool down;      /* shut down: hosts that were to start later do not */
    uint32_t depth; /* of calls from outside: the outermost one settles */
};

/* Every call from outside is between these; the second tells when something is due. */
void world_enter(struct world *w, int64_t now_ns);
void world_leave(struct world *w);

static inline struct world *world_of(const struct vhost *h) {
    return h->lattice->world;
}
const struct sim_faults *faults_of(const struct vhost *h);
bool world_chance(struct world *w, double p);
str world_name(struct world *w, str s); /* interned */
void world_later(struct vhost *h, struct task *t, int64_t due_ns);
/* data: finished JSON, cleared for the next use. */
void world_event(struct vhost *h, enum sim_event ev, struct buf *data);
void world_reply(struct vhost *h, const struct request *r, bool ok, const char *message);
void world_reply_json(struct vhost *h, const struct request *r, const struct buf *response);
/* NULL: none fits. */
const char *world_image_fault_of(const struct world *w, str image);

void request_unref(struct request *r);
struct request *request_ref(struct request *r);

/* Handlers. Return 0, or the time at which the same request is to be tried again. */
typedef int64_t vhost_handler(struct vhost *h, struct request *r, int64_t now_ns);
vhost_handler vhost_ping, vhost_get, vhost_stop, vhost_label_put, vhost_label_del;
vhost_handler vhost_component_auction, vhost_scale, vhost_update;
vhost_handler vhost_provider_auction, vhost_provider_start, vhost_provider_stop;
vhost_handler vhost_link_put, vhost_link_del, vhost_link_get;
vhost_handler vhost_config_put, vhost_config_get, vhost_config_del;
vhost_handler vhost_claims_get, vhost_registry_put, vhost_unsupported;

/* The common start of a command: true when it is over already (refused on purpose). */
bool vhost_refuses(struct vhost *h, const struct request *r);
/* After the reply to a start: true when the host is gone now. */
bool vhost_dies(struct vhost *h);
void vhost_inventory(const struct vhost *h, struct jw *w); /* members, without braces */
void vhost_beat(struct vhost *h);                          /* plans the first heartbeat */
bool vhost_matches(const struct vhost *h, const struct node *constraints);

struct unit *vhost_unit(const struct vhost *h, str id);
struct provider *vhost_provider(const struct vhost *h, str id);
void vhost_unit_remove(struct vhost *h, struct unit *u, int64_t now_ns);
void vhost_provider_remove(struct vhost *h, struct provider *p, int64_t now_ns);
/* Resolves a list of config names: false with the text of the event in why. */
bool vhost_resolve(struct vhost *h, const struct strs *list, bool *ret_secrets, struct buf *why);
bool vhost_image(struct vhost *h, bool provider, str ref, struct buf *why);

#endif
