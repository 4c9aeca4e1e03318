/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/stats.h"

#include "sim/world_priv.h"

static const char *state_name(enum vhost_state s) {
    return s == VHOST_UP ? "up" : s == VHOST_FROZEN ? "frozen" : "off";
}

static void write_ids(const char *key, const struct map *m, int64_t now_ns, struct jw *j) {
    jw_key(j, key);
    jw_object(j);
    for (uint32_t i = 0; i < m->n; i++) {
        const struct truth_id *t = m->at[i].value;
        jw_key_str(j, m->at[i].key);
        jw_object(j);
        jw_kv_u64(j, "count", (uint64_t)t->count);
        jw_kv_u64(j, "max_count", (uint64_t)t->max_count);
        jw_kv_u64(j, "hosts", t->hosts);
        jw_kv_u64(j, "max_hosts", t->max_hosts);
        jw_kv_u64(j, "starts", t->starts);
        jw_kv_u64(j, "stops", t->stops);
        jw_kv_u64(j, "gaps", t->gaps);
        jw_kv_u64(j, "zero_ms", (uint64_t)(truth_zero_ns(t, now_ns) / 1000000));
        jw_end_object(j);
    }
    jw_end_object(j);
}

static void write_counts(const struct vlattice *l, struct jw *j) {
    jw_key(j, "requests");
    jw_object(j);
    for (int i = 0; i < SIM_OP_N; i++) {
        if (l->count.ops[i]) {
            jw_kv_u64(j, sim_op_name((enum sim_op)i), l->count.ops[i]);
        }
    }
    jw_end_object(j);
    jw_key(j, "events");
    jw_object(j);
    for (int i = 0; i < SIM_EV_N; i++) {
        if (l->count.events[i]) {
            jw_kv_u64(j, sim_event_name((enum sim_event)i), l->count.events[i]);
        }
    }
    jw_end_object(j);
    jw_kv_u64(j, "replies", l->count.replies);
    jw_kv_u64(j, "refused", l->count.refused);
    jw_kv_u64(j, "starts", l->count.starts);
    jw_kv_u64(j, "stops", l->count.stops);
    jw_kv_u64(j, "rebuilds", l->count.rebuilds);
    jw_kv_u64(j, "noops", l->count.noops);
    jw_kv_u64(j, "start_failures", l->count.fails);
    jw_kv_u64(j, "events_lost", l->count.lost);
    jw_kv_u64(j, "events_doubled", l->count.dup);
    jw_kv_u64(j, "events_late", l->count.reordered);
    jw_kv_u64(j, "requests_lost", l->count.lost_requests);
    jw_kv_u64(j, "replies_lost", l->count.unanswered);
    jw_kv_u64(j, "deaths", l->count.deaths);
    jw_kv_u64(j, "links_overwritten", l->count.links_lost);
}

static void write_lattice(struct vlattice *l, int64_t now_ns, struct jw *j) {
    uint64_t links = 0, running = 0, frozen = 0;
    for (uint32_t i = 0; i < l->sources.n; i++) {
        const struct vsource *s = l->sources.at[i].value;
        links += s->now ? s->now->n : 0;
    }
    for (uint32_t i = 0; i < l->up.n; i++) {
        running += world_n_running(l->up.at[i]);
        frozen += l->up.at[i]->state == VHOST_FROZEN;
    }
    jw_key_str(j, str_c(l->name));
    jw_object(j);
    jw_kv_u64(j, "hosts", l->hosts.n);
    jw_kv_u64(j, "up", l->up.n - frozen);
    jw_kv_u64(j, "frozen", frozen);
    jw_kv_u64(j, "running", running);
    jw_kv_u64(j, "links", links);
    jw_kv_u64(j, "configs", l->configs.n);
    write_counts(l, j);
    write_ids("components", &l->truth.components, now_ns, j);
    write_ids("providers", &l->truth.providers, now_ns, j);
    jw_end_object(j);
}

void stats_write(struct world *w, int64_t now_ns, struct jw *j) {
    jw_object(j);
    jw_kv_u64(j, "run_ms", (uint64_t)((now_ns - w->start_ns) / 1000000));
    jw_key(j, "lattices");
    jw_object(j);
    for (uint32_t i = 0; i < w->lattices.n; i++) {
        write_lattice(w->lattices.at[i], now_ns, j);
    }
    jw_end_object(j);
    jw_end_object(j);
}

void stats_write_host(const struct vhost *h, struct jw *j) {
    jw_object(j);
    jw_kv(j, "id", str_c(h->id));
    jw_kv(j, "name", str_c(h->name));
    jw_kv(j, "lattice", str_c(h->lattice->name));
    jw_kv(j, "state", str_c(state_name(h->state)));
    jw_key(j, "labels");
    pairs_write(h->labels, j);
    jw_key(j, "running");
    jw_array(j);
    for (uint32_t i = 0; i < world_n_running(h); i++) {
        struct sim_running x;
        world_running_at(h, i, &x);
        jw_object(j);
        jw_kv(j, "id", x.id);
        jw_kv(j, "kind", x.provider ? STR("provider") : STR("component"));
        jw_kv(j, "image", x.image);
        jw_kv(j, "code", x.code);
        if (x.stale.len) {
            jw_kv(j, "stale", x.stale);
        }
        jw_kv_u64(j, "count", x.count);
        jw_key(j, "annotations");
        pairs_write(x.annotations, j);
        jw_key(j, "config");
        strs_write(x.config, j);
        jw_end_object(j);
    }
    jw_end_array(j);
    jw_end_object(j);
}
