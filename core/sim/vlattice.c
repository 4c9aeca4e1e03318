/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/vlattice.h"

#include "sim/world_priv.h"

const char *sim_op_name(enum sim_op op) {
    static const char *const names[] = {
#define X(id, name) name,
        SIM_OPS(X)
#undef X
    };
    return names[op];
}

bool sim_op_reads(enum sim_op op) {
    return op == SIM_OP_PING || op == SIM_OP_HOST_GET || op == SIM_OP_COMPONENT_AUCTION ||
           op == SIM_OP_PROVIDER_AUCTION || op == SIM_OP_LINK_GET || op == SIM_OP_CONFIG_GET ||
           op == SIM_OP_CLAIMS_GET || op == SIM_OP_UNSUPPORTED;
}

const char *sim_event_name(enum sim_event ev) {
    static const char *const names[] = {
#define X(id, name) name,
        SIM_EVENTS(X)
#undef X
    };
    return names[ev];
}

struct vlattice *vlattice_create(struct world *w, str name, const char *ctl_prefix) {
    struct vlattice *l = mem_zalloc(sizeof(*l));
    struct buf b = BUF_INIT;
    l->world = w;
    l->name = str_dup(name);
    buf_addf(&b, "%s.v1.%s.", ctl_prefix, l->name);
    l->subject = buf_take(&b);
    return l;
}

void vlattice_destroy(struct vlattice *l) {
    for (uint32_t i = 0; i < l->sources.n; i++) {
        struct vsource *s = l->sources.at[i].value;
        linkset_unref(s->now);
        linkset_unref(s->before);
        mem_free(s);
    }
    map_finish(&l->sources);
    for (uint32_t i = 0; i < l->configs.n; i++) {
        struct vconfig *c = l->configs.at[i].value;
        strs_unref(c->data);
        mem_free(c);
    }
    map_finish(&l->configs);
    truth_finish(&l->truth);
    VEC_FREE(&l->hosts);
    VEC_FREE(&l->up);
    mem_free(l->subject);
    mem_free(l->name);
    mem_free(l);
}

struct vsource *vlattice_source(struct vlattice *l, str id) {
    struct vsource *s = map_get(&l->sources, id);
    if (!s) {
        s = mem_zalloc(sizeof(*s));
        map_set(&l->sources, id, s);
    }
    return s;
}

const struct vconfig *vlattice_config(const struct vlattice *l, str name) {
    return map_get(&l->configs, name);
}

void vlattice_config_put(struct vlattice *l, str name, struct strs *data) {
    struct vconfig *c = map_get(&l->configs, name);
    if (!c) {
        c = mem_zalloc(sizeof(*c));
        map_set(&l->configs, name, c);
    }
    strs_unref(c->data);
    c->data = data;
}

void vlattice_config_del(struct vlattice *l, str name) {
    struct vconfig *c = map_del(&l->configs, name);
    if (c) {
        strs_unref(c->data);
        mem_free(c);
    }
}

void vlattice_links_write(struct vlattice *l, str source, const struct linkset *read,
                          struct linkset *set, int64_t now_ns) {
    struct vsource *s = vlattice_source(l, source);
    if (s->now != read) { /* somebody wrote since: what they did is lost */
        l->count.links_lost++;
    }
    linkset_unref(s->before);
    s->before = s->now;
    s->now = set;
    s->changed_ns = now_ns;
}

void vlattice_links_json(const struct vlattice *l, int64_t lag_ns, int64_t now_ns, struct jw *w) {
    jw_array(w);
    for (uint32_t i = 0; i < l->sources.n; i++) {
        const struct vsource *s = l->sources.at[i].value;
        const struct linkset *set = now_ns - s->changed_ns < lag_ns ? s->before : s->now;
        for (uint32_t k = 0; set && k < set->n; k++) {
            jw_object(w);
            vlink_write(set->at[k], w);
            jw_end_object(w);
        }
    }
    jw_end_array(w);
}
