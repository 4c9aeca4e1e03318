/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis.api: hosts, lattices, the server itself.
 */
#include "api/api_priv.h"

static str name_of(const struct observed *o, uint32_t id) {
    return id == INTERN_NONE ? STR("") : intern_str(&o->names, id);
}

static void write_labels(struct jw *w, const struct seen_host *h) {
    jw_key(w, "labels");
    jw_object(w);
    for (uint32_t i = 0; i < h->n_labels; i++) {
        jw_key_str(w, h->labels[i].key);
        jw_str(w, h->labels[i].value);
    }
    jw_end_object(w);
}

static void write_host(struct jw *w, const struct seen_host *h, int64_t now_ns) {
    jw_kv(w, "id", h->id);
    jw_kv(w, "name", h->name);
    jw_kv(w, "version", h->version);
    jw_kv(w, "state", h->suspect ? STR("suspect") : h->stale ? STR("stale") : STR("ready"));
    jw_kv_bool(w, "cordoned", h->cordoned);
    jw_kv_u64(w, "uptime_s", h->uptime_s);
    jw_kv_u64(w, "seen_ms_ago",
              now_ns > h->seen_ns ? (uint64_t)((now_ns - h->seen_ns) / 1000000) : 0);
    jw_kv_u64(w, "heartbeat_ms", h->interval_ns > 0 ? (uint64_t)(h->interval_ns / 1000000) : 0);
    jw_kv_u64(w, "units", h->entries.n);
    jw_kv_u64(w, "instances", h->total);
    write_labels(w, h);
}

static void write_entry(struct jw *w, const struct observed *o, const struct seen_entry *x) {
    static const char *const health[] = {"unknown", "ok", "failing"};
    jw_object(w);
    jw_kv(w, "id", name_of(o, x->unit));
    jw_kv(w, "kind", x->kind == TRL_RUN_PROVIDER ? STR("provider") : STR("component"));
    jw_kv_u64(w, "count", x->count);
    jw_kv(w, "image", name_of(o, x->image));
    jw_kv(w, "app", name_of(o, x->app));
    jw_kv(w, "spread", name_of(o, x->spread));
    jw_kv(w, "scaler", name_of(o, x->scaler));
    jw_kv_bool(w, "managed", x->managed);
    jw_kv(w, "health", str_c(x->health < ARRAY_LEN(health) ? health[x->health] : "unknown"));
    jw_end_object(w);
}

static void write_running(struct jw *w, const struct observed *o, const struct seen_host *h) {
    jw_key(w, "running");
    jw_array(w);
    for (uint32_t i = 0; i < h->entries.n; i++) {
        write_entry(w, o, &h->entries.at[i]);
    }
    jw_end_array(w);
}

void trellis_host_list(struct req *r) {
    struct engine *e = req_engine(r, false);
    const struct observed *o = e ? engine_observed(e) : NULL;
    struct err err = ERR_INIT;
    struct node *root = NULL;
    struct buf data = BUF_INIT;
    struct jw w;
    if (r->body.len && json_parse(r->body, &r->arena, &root, &err) < 0) {
        req_fail(r, "INVALID", "Unable to parse the request: %s", err.msg);
        return;
    }
    bool running = node_bool_or(root, "running", false);
    jw_init(&w, &data, false);
    jw_array(&w);
    for (uint32_t i = 0; o && i < o->order.n; i++) {
        const struct seen_host *h = &o->hosts.at[o->order.at[i]];
        jw_object(&w);
        write_host(&w, h, loop_now_ns(r->api->env.loop));
        if (running) {
            write_running(&w, o, h);
        }
        jw_end_object(&w);
    }
    jw_end_array(&w);
    req_ok(r, &data);
}

void trellis_host_inspect(struct req *r) {
    struct engine *e = req_engine(r, false);
    const struct observed *o = e ? engine_observed(e) : NULL;
    uint32_t slot = o ? observed_find_host(o, r->s.name) : OBS_NONE;
    struct buf data = BUF_INIT;
    struct jw w;
    if (slot == OBS_NONE) {
        req_fail(r, "NOT_FOUND", "No host %.*s is known in lattice %.*s", PSTR(r->s.name),
                 PSTR(r->s.lattice));
        return;
    }
    const struct seen_host *h = &o->hosts.at[slot];
    jw_init(&w, &data, false);
    jw_object(&w);
    write_host(&w, h, loop_now_ns(r->api->env.loop));
    write_running(&w, o, h);
    jw_end_object(&w);
    req_ok(r, &data);
}

struct lattices {
    struct req *r;
    struct jw *w;
    struct map seen; /* names told already */
};

static void count_app(void *arg, const struct app *a) {
    uint32_t *n = arg;
    n[0] += !a->deleting;
    n[1] += a->deployed != 0;
}

static void write_lattice(struct lattices *l, str tenant, str lattice, struct engine *e) {
    uint32_t n[2] = {0, 0};
    if (!str_eq(tenant, l->r->s.account) || map_has(&l->seen, lattice)) {
        return;
    }
    map_set(&l->seen, lattice, l);
    catalog_each(l->r->api->env.catalog, tenant, lattice, count_app, n);
    jw_object(l->w);
    jw_kv(l->w, "lattice", lattice);
    jw_kv_u64(l->w, "apps", n[0]);
    jw_kv_u64(l->w, "deployed", n[1]);
    jw_kv_u64(l->w, "hosts", e ? observed_n_hosts(engine_observed(e)) : 0);
    jw_kv_bool(l->w, "synced", e && engine_synced(e));
    jw_kv_bool(l->w, "settled", e && engine_settled(e));
    jw_end_object(l->w);
}

static void add_engine(void *arg, struct engine *e) {
    write_lattice(arg, key_tenant(engine_tenant(e)), engine_lattice(e), e);
}

static void add_lattice(void *arg, str tenant, str lattice) {
    write_lattice(arg, tenant, lattice, NULL);
}

static void write_lattices(struct req *r, struct jw *w) {
    struct lattices l = {r, w, MAP_INIT};
    jw_key(w, "lattices");
    jw_array(w);
    if (r->api->env.each_engine) {
        r->api->env.each_engine(r->api->env.arg, add_engine, &l);
    }
    catalog_lattices(r->api->env.catalog, add_lattice, &l);
    jw_end_array(w);
    map_finish(&l.seen);
}

static void write_info(struct jw *w, const char *key, str durability, str info) {
    jw_key(w, key);
    jw_object(w);
    if (durability.len) {
        jw_kv(w, "durability", durability);
    }
    if (info.len) {
        jw_key(w, "info");
        jw_raw(w, info);
    }
    jw_end_object(w);
}

static void write_server(struct req *r, struct jw *w) {
    struct api *a = r->api;
    uint32_t flags = kv_flags(a->env.kv);
    write_info(w, "store",
               flags & TRL_S_SYNCED  ? STR("synced")
               : flags & TRL_S_ACKED ? STR("acknowledged")
                                     : STR("memory"),
               r->store_info);
    write_info(w, "transport", STR(""), r->bus_info);
}

static void info_ready(struct req *r) {
    struct api *a = r->api;
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    if (str_is(r->s.category, "lattice")) {
        write_lattices(r, &w);
    } else {
        jw_kv(&w, "server", STR("trellis"));
        jw_kv(&w, "version", str_c(a->env.version));
        jw_kv_u64(&w, "uptime_ms",
                  (uint64_t)((loop_now_ns(a->env.loop) - a->started_ns) / 1000000));
        jw_kv(&w, "wadm_prefix", a->prefix);
        jw_kv_bool(&w, "multitenant", a->env.multitenant);
        jw_kv_bool(&w, "readonly", a->env.readonly);
        jw_kv_u64(&w, "max_payload_bytes", a->max_payload);
    }
    write_server(r, &w);
    jw_end_object(&w);
    req_ok(r, &data);
}

static void on_store_info(void *arg, trl_status st, str json) {
    struct req *r = arg;
    if (st == TRL_OK) {
        r->store_info = arena_str(&r->arena, json);
    }
    if (--r->waiting == 0) {
        info_ready(r);
    }
}

static void on_bus_info(void *arg, trl_status st, str json) {
    struct req *r = arg;
    if (st == TRL_OK) {
        r->bus_info = arena_str(&r->arena, json);
    }
    if (--r->waiting == 0) {
        info_ready(r);
    }
}

static void ask_info(struct req *r) {
    r->waiting = 2;
    kv_info(r->api->env.kv, on_store_info, r);
    bus_info(r->api->env.bus, on_bus_info, r);
}

void trellis_lattice_list(struct req *r) {
    ask_info(r);
}

void trellis_server_info(struct req *r) {
    ask_info(r);
}
