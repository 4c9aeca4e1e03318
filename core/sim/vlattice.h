/* SPDX-License-Identifier: Apache-2.0
 *
 * What the hosts of one lattice share: links, configs, counters. With real hosts links and configs
 * live in two buckets; here they are memory of the simulating process, also over NATS, so they are
 * gone when it ends and real hosts beside it do not see them.
 */
#ifndef TRELLIS_SIM_VLATTICE_H
#define TRELLIS_SIM_VLATTICE_H

#include "base/mem.h"
#include "hostwire/links.h"
#include "sim/truth.h"

struct world;
struct vhost;

#define SIM_OPS(X)                                                                                 \
    X(PING, "host.ping")                                                                           \
    X(HOST_GET, "host.get")                                                                        \
    X(HOST_STOP, "host.stop")                                                                      \
    X(LABEL_PUT, "label.put")                                                                      \
    X(LABEL_DEL, "label.del")                                                                      \
    X(COMPONENT_AUCTION, "component.auction")                                                      \
    X(SCALE, "component.scale")                                                                    \
    X(UPDATE, "component.update")                                                                  \
    X(PROVIDER_AUCTION, "provider.auction")                                                        \
    X(PROVIDER_START, "provider.start")                                                            \
    X(PROVIDER_STOP, "provider.stop")                                                              \
    X(LINK_PUT, "link.put")                                                                        \
    X(LINK_DEL, "link.del")                                                                        \
    X(LINK_GET, "link.get")                                                                        \
    X(CONFIG_PUT, "config.put")                                                                    \
    X(CONFIG_GET, "config.get")                                                                    \
    X(CONFIG_DEL, "config.del")                                                                    \
    X(CLAIMS_GET, "claims.get")                                                                    \
    X(REGISTRY_PUT, "registry.put")                                                                \
    X(UNSUPPORTED, "unsupported")
enum sim_op {
#define X(id, name) SIM_OP_##id,
    SIM_OPS(X)
#undef X
        SIM_OP_N
};
const char *sim_op_name(enum sim_op op); /* static */
bool sim_op_reads(enum sim_op op);       /* asks only */

#define SIM_EVENTS(X)                                                                              \
    X(HOST_STARTED, "host_started")                                                                \
    X(HOST_HEARTBEAT, "host_heartbeat")                                                            \
    X(HOST_STOPPED, "host_stopped")                                                                \
    X(LABELS_CHANGED, "labels_changed")                                                            \
    X(COMPONENT_SCALED, "component_scaled")                                                        \
    X(COMPONENT_SCALE_FAILED, "component_scale_failed")                                            \
    X(PROVIDER_STARTED, "provider_started")                                                        \
    X(PROVIDER_START_FAILED, "provider_start_failed")                                              \
    X(PROVIDER_STOPPED, "provider_stopped")                                                        \
    X(HEALTH_PASSED, "health_check_passed")                                                        \
    X(HEALTH_FAILED, "health_check_failed")                                                        \
    X(HEALTH_STATUS, "health_check_status")                                                        \
    X(LINKDEF_SET, "linkdef_set")                                                                  \
    X(LINKDEF_SET_FAILED, "linkdef_set_failed")                                                    \
    X(LINKDEF_DELETED, "linkdef_deleted")                                                          \
    X(CONFIG_SET, "config_set")                                                                    \
    X(CONFIG_DELETED, "config_deleted")
enum sim_event {
#define X(id, name) SIM_EV_##id,
    SIM_EVENTS(X)
#undef X
        SIM_EV_N
};
const char *sim_event_name(enum sim_event ev); /* static */

struct vsource { /* the spec record of a component or provider */
    struct linkset *now, *before;
    int64_t changed_ns;
};

struct vlattice {
    struct world *world;
    char *name;
    char *subject;             /* "wasmbus.ctl.v1.<name>." */
    struct map sources;        /* struct vsource * */
    struct map configs;        /* struct vconfig * */
    VEC(struct vhost *) hosts; /* all */
    VEC(struct vhost *) up;    /* running or frozen: members of the queue groups */
    struct truth truth;
    struct {
        uint64_t ops[SIM_OP_N], events[SIM_EV_N];
        uint64_t replies, refused;                      /* refused: success:false */
        uint64_t starts, stops, rebuilds, noops, fails; /* of components and providers */
        uint64_t lost, dup, reordered, unanswered, lost_requests, deaths;
        uint64_t links_lost; /* overwritten by a concurrent put of the same source */
    } count;
};

struct vconfig {
    struct strs *data;
};

struct vlattice *vlattice_create(struct world *w, str name, const char *ctl_prefix);
void vlattice_destroy(struct vlattice *l);                   /* hosts are the world's */
struct vsource *vlattice_source(struct vlattice *l, str id); /* made when new */
const struct vconfig *vlattice_config(const struct vlattice *l, str name); /* NULL: absent */
void vlattice_config_put(struct vlattice *l, str name, struct strs *data); /* data: taken */
void vlattice_config_del(struct vlattice *l, str name);
/* Writes what was read as `read` and changed to `set` (taken). */
void vlattice_links_write(struct vlattice *l, str source, const struct linkset *read,
                          struct linkset *set, int64_t now_ns);
/* All links as a reader sees them who is lag_ns behind. */
void vlattice_links_json(const struct vlattice *l, int64_t lag_ns, int64_t now_ns, struct jw *w);

#endif
