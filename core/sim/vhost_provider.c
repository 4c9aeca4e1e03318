/* SPDX-License-Identifier: Apache-2.0
 *
 * Providers of one host: auctions, start, stop, health.
 */
#include <string.h>

#include "hostwire/decode.h"
#include "hostwire/wire.h"
#include "sim/image.h"
#include "sim/world_priv.h"

#define SHUTDOWN_NS INT64_C(300000000) /* how long a host waits for a provider to end by itself */

void vhost_provider_remove(struct vhost *h, struct provider *p, int64_t now_ns) {
    truth_change(&h->lattice->truth.providers, p->id, -1, -1, now_ns);
    h->lattice->count.stops++;
    strs_unref(p->annotations);
    strs_unref(p->config);
    *p = h->providers.at[--h->providers.n];
}

int64_t vhost_provider_auction(struct vhost *h, struct request *r, int64_t now_ns) {
    struct in {
        str ref, id;
        const struct node *constraints;
    } in = {STR_NONE, STR_NONE, NULL};
    static const struct wire_field fields[] = {
        {"provider_ref", NULL, WIRE_F_STR, false, false, offsetof(struct in, ref)},
        {"provider_id", NULL, WIRE_F_STR, true, false, offsetof(struct in, id)},
        {"constraints", NULL, WIRE_F_MAP, true, false, offsetof(struct in, constraints)},
    };
    struct arena a = ARENA_INIT;
    if (!wire_decode(r->body, fields, ARRAY_LEN(fields), &in, &a)) {
        world_reply(h, r, false, "failed to deserialize provider auction command");
    } else if (h->providers_ns > now_ns) {
        arena_finish(&a);
        return h->providers_ns;
    } else if (vhost_matches(h, in.constraints) && !vhost_provider(h, in.id)) {
        struct buf b = BUF_INIT;
        struct strs *constraints = pairs_of_object(in.constraints);
        struct jw w;
        jw_init(&w, &b, false);
        jw_object(&w);
        jw_kv(&w, "host_id", str_c(h->id));
        jw_kv(&w, "provider_ref", in.ref);
        jw_kv(&w, "provider_id", in.id);
        jw_key(&w, "constraints");
        pairs_write(constraints, &w);
        jw_end_object(&w);
        world_reply_json(h, r, &b);
        buf_finish(&b);
        strs_unref(constraints);
    }
    arena_finish(&a);
    return 0;
}

struct start {
    struct task task;
    str id, ref, host_id; /* interned */
    struct strs *annotations, *config;
};

static void start_drop(struct task *t) {
    struct start *s = (struct start *)t;
    strs_unref(s->annotations);
    strs_unref(s->config);
    mem_free(s);
}

static void start_failed(struct vhost *h, const struct start *s, struct buf *why) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "error", buf_str(why));
    jw_kv(&w, "host_id", s->host_id);
    jw_kv(&w, "link_name", STR("default"));
    jw_kv(&w, "provider_id", s->id);
    jw_kv(&w, "provider_ref", s->ref);
    jw_end_object(&w);
    h->lattice->count.fails++;
    world_event(h, SIM_EV_PROVIDER_START_FAILED, &data);
}

struct probe {
    struct task task;
    str id;
    uint64_t serial;
};

static void probe_drop(struct task *t) {
    mem_free(t);
}

static void probe_run(struct task *t, int64_t now_ns) {
    struct probe *b = (struct probe *)t;
    struct vhost *h = t->host;
    struct provider *p = vhost_provider(h, b->id);
    if (!p || p->serial != b->serial) {
        mem_free(b);
        return;
    }
    if (p->health != 's') {
        struct buf data = BUF_INIT;
        struct jw w;
        bool healthy = p->health == 'h';
        enum sim_event ev = healthy == p->healthy ? SIM_EV_HEALTH_STATUS
                            : healthy             ? SIM_EV_HEALTH_PASSED
                                                  : SIM_EV_HEALTH_FAILED;
        p->healthy = healthy;
        jw_init(&w, &data, false);
        jw_object(&w);
        jw_kv(&w, "host_id", str_c(h->id));
        jw_kv(&w, "provider_id", p->id);
        jw_end_object(&w);
        world_event(h, ev, &data);
    }
    world_later(h, t, now_ns + world_of(h)->c.health_ns);
}

static void probe_plan(struct vhost *h, const struct provider *p) {
    const struct world *w = world_of(h);
    if (w->c.health_ns > 0) {
        struct probe *b = mem_zalloc(sizeof(*b));
        b->task = (struct task){.run = probe_run, .drop = probe_drop};
        b->id = p->id;
        b->serial = p->serial;
        world_later(h, &b->task, w->now_ns + w->c.health_first_ns);
    }
}

static void started(struct vhost *h, struct start *s, int64_t now_ns) {
    struct world *w = world_of(h);
    struct provider *p = VEC_ADD(&h->providers);
    p->id = s->id;
    p->image = world_name(w, sim_image_normal(s->ref));
    p->serial = ++w->serial;
    p->health = 'h';
    p->annotations = strs_ref(s->annotations);
    p->config = strs_ref(s->config);
    truth_change(&h->lattice->truth.providers, p->id, 1, 1, now_ns);
    h->lattice->count.starts++;
    struct buf data = BUF_INIT;
    struct jw j;
    jw_init(&j, &data, false);
    jw_object(&j);
    jw_key(&j, "annotations");
    pairs_write(p->annotations, &j);
    jw_kv(&j, "host_id", s->host_id);
    jw_kv(&j, "image_ref", p->image);
    jw_kv(&j, "provider_id", p->id);
    jw_end_object(&j);
    if (!sim_image_builtin(s->ref)) {
        probe_plan(h, p);
    }
    world_event(h, SIM_EV_PROVIDER_STARTED, &data);
}

/* An archive of the file system is unpacked to one place per host: nobody else can run from it. */
static bool file_busy(struct vhost *h, const struct start *s, struct buf *why) {
    str path = sim_image_normal(s->ref);
    for (uint32_t i = 0; str_starts(s->ref, STR("file://")) && i < h->providers.n; i++) {
        if (str_eq(h->providers.at[i].image, path) && !str_eq(h->providers.at[i].id, s->id)) {
            buf_addf(why,
                     "failed to fetch provider: failed to read provider: failed to open path "
                     "[/tmp/wasmcloudcache/%s/",
                     h->id);
            for (size_t k = 0; k < path.len; k++) {
                char c = path.ptr[k];
                bool plain =
                    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
                buf_add_c(why, plain ? c : '_');
            }
            buf_addf(why, "]: Text file busy (os error 26)");
            return true;
        }
    }
    return false;
}

static bool may_start(struct vhost *h, const struct start *s, struct buf *why) {
    bool secrets;
    if (!vhost_image(h, true, s->ref, why) || file_busy(h, s, why)) {
        return false;
    }
    if (!wire_key_ok(s->id)) {
        buf_addf(why, "failed to get component spec: key cannot be empty or start/end with `.`");
        return false;
    }
    vlattice_source(h->lattice, s->id);
    if (vhost_provider(h, s->id)) {
        buf_addf(why, "provider is already running with that ID");
        return false;
    }
    return vhost_resolve(h, s->config, &secrets, why);
}

static void start_run(struct task *t, int64_t now_ns) {
    struct start *s = (struct start *)t;
    struct vhost *h = t->host;
    struct buf why = BUF_INIT;
    if (h->providers_ns > now_ns) {
        world_later(h, t, h->providers_ns);
        return;
    }
    if (may_start(h, s, &why)) {
        started(h, s, now_ns);
    } else {
        start_failed(h, s, &why);
    }
    buf_finish(&why);
    start_drop(t);
}

struct start_in {
    str id, ref, host_id;
    const struct node *config, *annotations;
};

static void start_accept(struct vhost *h, const struct request *r, const struct start_in *in) {
    struct world *w = world_of(h);
    const struct sim_faults *f = faults_of(h);
    world_reply(h, r, true, "successfully started provider");
    if (vhost_dies(h)) {
        return;
    }
    struct start *s = mem_zalloc(sizeof(*s));
    s->task = (struct task){.run = start_run, .drop = start_drop};
    s->id = world_name(w, in->id);
    s->ref = world_name(w, in->ref);
    s->host_id = world_name(w, in->host_id);
    s->annotations = pairs_of_object(in->annotations);
    s->config = strs_of_array(in->config);
    int64_t delay = sim_delay_draw(&f->fetch, &w->rng);
    if (!sim_image_builtin(in->ref)) {
        delay += sim_delay_draw(&f->start_provider, &w->rng);
    }
    world_later(h, &s->task, w->now_ns + delay);
}

/* Builtins that are switched off are not even answered. */
static bool ignored(const struct vhost *h, str ref) {
    str name = sim_image_normal(ref);
    return !world_of(h)->c.builtins && sim_image_builtin(ref) &&
           (str_is(name, "http-server") || str_is(name, "messaging-nats"));
}

int64_t vhost_provider_start(struct vhost *h, struct request *r, int64_t now_ns) {
    static const struct wire_field fields[] = {
        {"provider_id", NULL, WIRE_F_STR, true, false, offsetof(struct start_in, id)},
        {"provider_ref", NULL, WIRE_F_STR, false, false, offsetof(struct start_in, ref)},
        {"host_id", NULL, WIRE_F_STR, false, false, offsetof(struct start_in, host_id)},
        {"config", NULL, WIRE_F_LIST, false, false, offsetof(struct start_in, config)},
        {"annotations", NULL, WIRE_F_MAP, false, true, offsetof(struct start_in, annotations)},
    };
    struct start_in in = {.config = NULL};
    struct arena a = ARENA_INIT;
    int64_t again = 0;
    if (!wire_decode(r->body, fields, ARRAY_LEN(fields), &in, &a)) {
        world_reply(h, r, false, "failed to deserialize provider start command");
    } else if (h->providers_ns > now_ns) {
        again = h->providers_ns;
    } else if (vhost_provider(h, in.id)) {
        world_reply(h, r, false, "provider with that ID is already running");
    } else if (!ignored(h, in.ref) && !vhost_refuses(h, r)) {
        start_accept(h, r, &in);
    }
    arena_finish(&a);
    return again;
}

struct stop {
    struct task task;
    struct request *r;
    str id, host_id; /* interned */
};

static void stop_drop(struct task *t) {
    struct stop *s = (struct stop *)t;
    request_unref(s->r);
    mem_free(s);
}

static void stop_run(struct task *t, int64_t now_ns) {
    struct stop *s = (struct stop *)t;
    struct vhost *h = t->host;
    struct provider *p = vhost_provider(h, s->id);
    if (p) {
        struct buf data = BUF_INIT;
        struct jw w;
        jw_init(&w, &data, false);
        jw_object(&w);
        jw_key(&w, "annotations");
        pairs_write(p->annotations, &w);
        jw_kv(&w, "host_id", s->host_id);
        jw_kv(&w, "instance_id", s->id);
        jw_kv(&w, "link_name", STR("default"));
        jw_kv(&w, "provider_id", s->id);
        jw_kv(&w, "public_key", s->id);
        jw_kv(&w, "reason", STR("stop"));
        jw_end_object(&w);
        vhost_provider_remove(h, p, now_ns);
        world_event(h, SIM_EV_PROVIDER_STOPPED, &data);
        world_reply(h, s->r, true, "successfully stopped provider");
    }
    stop_drop(t);
}

static void stop_begin(struct vhost *h, struct request *r, str id, str host_id) {
    struct world *w = world_of(h);
    const struct provider *p = vhost_provider(h, id);
    struct stop *s = mem_zalloc(sizeof(*s));
    bool process = p && memchr(p->image.ptr, '/', p->image.len);
    s->task = (struct task){.run = stop_run, .drop = stop_drop};
    s->r = request_ref(r);
    s->id = world_name(w, id);
    s->host_id = world_name(w, host_id);
    int64_t delay = sim_delay_draw(&faults_of(h)->stop_provider, &w->rng);
    if (process && !str_is(host_id, h->id)) {
        delay = SHUTDOWN_NS; /* providers do not listen to what is meant for another host */
    }
    h->providers_ns = w->now_ns + delay;
    world_later(h, &s->task, w->now_ns + delay);
}

int64_t vhost_provider_stop(struct vhost *h, struct request *r, int64_t now_ns) {
    struct in {
        str id, host_id;
    } in = {STR_NONE, STR_NONE};
    static const struct wire_field fields[] = {
        {"provider_id", "provider_ref", WIRE_F_STR, false, false, offsetof(struct in, id)},
        {"host_id", NULL, WIRE_F_STR, false, false, offsetof(struct in, host_id)},
    };
    struct arena a = ARENA_INIT;
    int64_t again = 0;
    if (!wire_decode(r->body, fields, ARRAY_LEN(fields), &in, &a)) {
        world_reply(h, r, false, "failed to deserialize provider stop command");
    } else if (h->providers_ns > now_ns) {
        again = h->providers_ns;
    } else if (!vhost_provider(h, in.id)) {
        world_reply(h, r, false, "provider with that ID is not running");
    } else if (!vhost_refuses(h, r)) {
        stop_begin(h, r, in.id, in.host_id);
    }
    arena_finish(&a);
    return again;
}
