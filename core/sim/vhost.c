/* SPDX-License-Identifier: Apache-2.0
 *
 * One host: what it says about itself, its labels, its end.
 */
#include <string.h>

#include "hostwire/decode.h"
#include "hostwire/wire.h"
#include "sim/image.h"
#include "sim/world_priv.h"

bool vhost_refuses(struct vhost *h, const struct request *r) {
    if (!world_chance(world_of(h), faults_of(h)->nack)) {
        return false;
    }
    world_reply(h, r, false, "request refused (simulated)");
    return true;
}

bool vhost_dies(struct vhost *h) {
    if (!world_chance(world_of(h), faults_of(h)->die_after_ack)) {
        return false;
    }
    world_host_crash(h, world_of(h)->now_ns);
    return true;
}

struct unit *vhost_unit(const struct vhost *h, str id) {
    for (uint32_t i = 0; i < h->units.n; i++) {
        if (str_eq(h->units.at[i].id, id)) {
            return &h->units.at[i];
        }
    }
    return NULL;
}

struct provider *vhost_provider(const struct vhost *h, str id) {
    for (uint32_t i = 0; i < h->providers.n; i++) {
        if (str_eq(h->providers.at[i].id, id)) {
            return &h->providers.at[i];
        }
    }
    return NULL;
}

bool vhost_matches(const struct vhost *h, const struct node *constraints) {
    for (uint32_t i = 0; i < constraints->n; i++) {
        str value;
        if (!pairs_get(h->labels, constraints->members[i].key, &value) ||
            !str_eq(value, constraints->members[i].value->text)) {
            return false;
        }
    }
    return true;
}

bool vhost_resolve(struct vhost *h, const struct strs *list, bool *ret_secrets, struct buf *why) {
    const struct world *w = world_of(h);
    *ret_secrets = false;
    for (uint32_t i = 0; i < strs_n(list); i++) {
        str name = strs_at(list, i);
        if (str_starts(name, STR("SECRET"))) {
            *ret_secrets = true;
        } else if (!map_has(&h->watched, name)) {
            if (!vlattice_config(h->lattice, name)) {
                buf_addf(why, "Unable to fetch requested config: Config %.*s does not exist",
                         PSTR(name));
                return false;
            }
            map_set(&h->watched, name, h);
        }
    }
    if (*ret_secrets && w->c.secrets == SIM_SECRETS_NONE) {
        buf_addf(why, "Unable to fetch requested secrets: secret store not configured, could not "
                      "fetch secrets");
        return false;
    }
    for (uint32_t i = 0; *ret_secrets && i < strs_n(list); i++) {
        str name = strs_at(list, i);
        if (str_starts(name, STR("SECRET")) && !vlattice_config(h->lattice, name)) {
            buf_addf(why,
                     "Unable to fetch requested secrets: Secret config %.*s not found in config "
                     "store, could not create secret request",
                     PSTR(name));
            return false;
        }
    }
    return true;
}

bool vhost_image(struct vhost *h, bool provider, str ref, struct buf *why) {
    struct world *w = world_of(h);
    const char *text = world_image_fault_of(w, ref);
    if (text && strcmp(text, SIM_FREEZE_ON_REBUILD) != 0) {
        buf_addf(why, "%s", text);
        return false;
    }
    if (!sim_image_ok(provider ? SIM_IMAGE_PROVIDER : SIM_IMAGE_COMPONENT, ref, w->c.allow_latest,
                      why)) {
        return false;
    }
    if (world_chance(w, faults_of(h)->start_fail)) {
        buf_addf(why, "failed to start %s (simulated)", provider ? "provider" : "component");
        return false;
    }
    return true;
}

static uint64_t uptime(const struct vhost *h) {
    return (uint64_t)((world_of(h)->now_ns - h->started_ns) / 1000000000);
}

static void write_uptime(const struct vhost *h, struct jw *w) {
    struct buf text = BUF_INIT;
    wire_uptime(uptime(h), &text);
    jw_kv(w, "uptime_human", buf_str(&text));
    jw_kv_u64(w, "uptime_seconds", uptime(h));
    buf_finish(&text);
}

static void write_unit(const struct unit *u, struct jw *w) {
    jw_object(w);
    jw_key(w, "annotations");
    pairs_write(u->annotations, w);
    jw_kv(w, "id", u->id);
    jw_kv(w, "image_ref", u->image);
    jw_key(w, "limits");
    if (u->has_limits) {
        pairs_write(u->limits, w);
    } else {
        jw_null(w);
    }
    jw_kv_u64(w, "max_instances", u->count);
    jw_kv_u64(w, "revision", 0);
    jw_end_object(w);
}

void vhost_inventory(const struct vhost *h, struct jw *w) {
    jw_key(w, "components");
    jw_array(w);
    for (uint32_t i = 0; i < h->units.n; i++) {
        write_unit(&h->units.at[i], w);
    }
    jw_end_array(w);
    jw_kv(w, "friendly_name", str_c(h->name));
    jw_kv(w, "host_id", str_c(h->id));
    jw_key(w, "labels");
    pairs_write(h->labels, w);
    jw_key(w, "providers");
    jw_array(w);
    for (uint32_t i = 0; i < h->providers.n; i++) {
        const struct provider *p = &h->providers.at[i];
        jw_object(w);
        jw_key(w, "annotations");
        pairs_write(p->annotations, w);
        jw_kv(w, "id", p->id);
        jw_kv(w, "image_ref", p->image);
        jw_kv_u64(w, "revision", 0);
        jw_end_object(w);
    }
    jw_end_array(w);
    write_uptime(h, w);
    jw_kv(w, "version", str_c(world_of(h)->version));
}

/* While something starts, inventories wait for the tables. */
static int64_t tables_free(const struct vhost *h) {
    return h->components_ns > h->providers_ns ? h->components_ns : h->providers_ns;
}

static void beat_drop(struct task *t) {
    mem_free(t);
}

static void beat_plan(struct vhost *h, struct task *t) {
    struct world *w = world_of(h);
    int64_t off = (int64_t)(w->c.jitter * (double)w->c.heartbeat_ns);
    h->beat_ns += w->c.heartbeat_ns;
    if (h->beat_ns < w->now_ns) { /* it was frozen: no burst */
        h->beat_ns = w->now_ns + w->c.heartbeat_ns;
    }
    int64_t due = h->beat_ns;
    if (off > 0) {
        due += (int64_t)rng_below(&w->rng, (uint64_t)(2 * off + 1)) - off;
    }
    world_later(h, t, due);
}

static void beat_run(struct task *t, int64_t now_ns) {
    struct vhost *h = t->host;
    if (tables_free(h) > now_ns) {
        world_later(h, t, tables_free(h));
        return;
    }
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    vhost_inventory(h, &w);
    jw_end_object(&w);
    world_event(h, SIM_EV_HOST_HEARTBEAT, &data);
    beat_plan(h, t);
}

void vhost_beat(struct vhost *h) {
    if (world_of(h)->c.heartbeat_ns > 0) {
        struct task *t = mem_zalloc(sizeof(*t));
        *t = (struct task){.run = beat_run, .drop = beat_drop};
        h->beat_ns = world_of(h)->now_ns;
        beat_plan(h, t);
    }
}

int64_t vhost_ping(struct vhost *h, struct request *r, int64_t now_ns) {
    struct buf b = BUF_INIT;
    struct jw w;
    (void)now_ns;
    jw_init(&w, &b, false);
    jw_object(&w);
    jw_kv(&w, "id", str_c(h->id));
    jw_kv(&w, "friendly_name", str_c(h->name));
    jw_key(&w, "labels");
    pairs_write(h->labels, &w);
    jw_kv(&w, "lattice", str_c(h->lattice->name));
    write_uptime(h, &w);
    jw_kv(&w, "version", str_c(world_of(h)->version));
    jw_kv(&w, "rpc_host", str_c(world_of(h)->nats_url));
    jw_kv(&w, "ctl_host", str_c(world_of(h)->nats_url));
    jw_end_object(&w);
    world_reply_json(h, r, &b);
    buf_finish(&b);
    return 0;
}

int64_t vhost_get(struct vhost *h, struct request *r, int64_t now_ns) {
    struct buf b = BUF_INIT;
    struct jw w;
    if (tables_free(h) > now_ns) {
        return tables_free(h);
    }
    jw_init(&w, &b, false);
    jw_object(&w);
    vhost_inventory(h, &w);
    jw_end_object(&w);
    world_reply_json(h, r, &b);
    buf_finish(&b);
    return 0;
}

int64_t vhost_stop(struct vhost *h, struct request *r, int64_t now_ns) {
    struct in {
        str host_id;
        uint64_t timeout;
    } in = {STR_NONE, 0};
    static const struct wire_field fields[] = {
        {"host_id", NULL, WIRE_F_STR, false, false, offsetof(struct in, host_id)},
        {"timeout", NULL, WIRE_F_U64, false, true, offsetof(struct in, timeout)},
    };
    struct arena a = ARENA_INIT;
    if (r->body.len && !wire_decode(r->body, fields, ARRAY_LEN(fields), &in, &a)) {
        world_reply(h, r, false, "failed to deserialize stop command");
    } else if (in.host_id.len && !str_is(in.host_id, h->id)) {
        struct buf b = BUF_INIT;
        buf_addf(&b, "invalid host_id [%.*s]", PSTR(in.host_id));
        world_reply(h, r, false, b.ptr);
        buf_finish(&b);
    } else if (!vhost_refuses(h, r)) {
        world_reply(h, r, true, "successfully handled stop host");
        world_host_stop(h, now_ns);
    }
    arena_finish(&a);
    return 0;
}

static void labels_changed(struct vhost *h, struct strs *labels) {
    struct buf data = BUF_INIT;
    struct jw w;
    strs_unref(h->labels);
    h->labels = labels;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "host_id", str_c(h->id));
    jw_key(&w, "labels");
    pairs_write(h->labels, &w);
    jw_end_object(&w);
    world_event(h, SIM_EV_LABELS_CHANGED, &data);
}

void world_host_label(struct vhost *h, str key, str value, int64_t now_ns) {
    if (h->state == VHOST_UP) {
        world_enter(world_of(h), now_ns);
        labels_changed(h, pairs_with(h->labels, key, value));
        world_leave(world_of(h));
    }
}

static bool hostcore(str key) {
    static const char prefix[] = "hostcore.";
    return key.len >= strlen(prefix) && strncasecmp(key.ptr, prefix, strlen(prefix)) == 0;
}

int64_t vhost_label_put(struct vhost *h, struct request *r, int64_t now_ns) {
    struct in {
        str key, value;
    } in = {STR_NONE, STR_NONE};
    static const struct wire_field fields[] = {
        {"key", NULL, WIRE_F_STR, true, false, offsetof(struct in, key)},
        {"value", NULL, WIRE_F_STR, true, false, offsetof(struct in, value)},
    };
    struct arena a = ARENA_INIT;
    (void)now_ns;
    if (!wire_decode(r->body, fields, ARRAY_LEN(fields), &in, &a)) {
        world_reply(h, r, false, "failed to deserialize put label request");
    } else if (hostcore(in.key)) {
        world_reply(h, r, false, "hostcore.* labels cannot be set dynamically");
    } else if (!vhost_refuses(h, r)) {
        labels_changed(h, pairs_with(h->labels, in.key, in.value));
        world_reply(h, r, true, "successfully put label");
    }
    arena_finish(&a);
    return 0;
}

int64_t vhost_label_del(struct vhost *h, struct request *r, int64_t now_ns) {
    struct in {
        str key;
    } in = {STR_NONE};
    static const struct wire_field fields[] = {
        {"key", NULL, WIRE_F_STR, true, false, offsetof(struct in, key)},
    };
    struct arena a = ARENA_INIT;
    (void)now_ns;
    if (!wire_decode(r->body, fields, ARRAY_LEN(fields), &in, &a)) {
        world_reply(h, r, false, "failed to deserialize delete label request");
    } else if (!vhost_refuses(h, r)) {
        if (pairs_get(h->labels, in.key, NULL)) {
            labels_changed(h, pairs_without(h->labels, in.key));
            world_reply(h, r, true, "successfully deleted label");
        } else {
            world_reply(h, r, true, "successfully deleted label (no such label)");
        }
    }
    arena_finish(&a);
    return 0;
}
