/* SPDX-License-Identifier: Apache-2.0
 *
 * Components of one host: auctions, scale, update. With the habits of 1.9.2 that controllers trip
 * over: two events per start, old values in the events of a rebuild, old code under a new label.
 */
#include <string.h>

#include "hostwire/decode.h"
#include "hostwire/wire.h"
#include "sim/image.h"
#include "sim/world_priv.h"

void vhost_unit_remove(struct vhost *h, struct unit *u, int64_t now_ns) {
    struct map *m = &h->lattice->truth.components;
    truth_change(m, u->id, -(int64_t)u->count, -1, now_ns);
    h->lattice->count.stops++;
    strs_unref(u->annotations);
    strs_unref(u->config);
    strs_unref(u->list);
    strs_unref(u->limits);
    *u = h->units.at[--h->units.n];
}

int64_t vhost_component_auction(struct vhost *h, struct request *r, int64_t now_ns) {
    struct in {
        str ref, id;
        const struct node *constraints;
    } in = {STR_NONE, STR_NONE, NULL};
    static const struct wire_field fields[] = {
        {"component_ref", NULL, WIRE_F_STR, false, false, offsetof(struct in, ref)},
        {"component_id", NULL, WIRE_F_STR, true, false, offsetof(struct in, id)},
        {"constraints", NULL, WIRE_F_MAP, true, false, offsetof(struct in, constraints)},
    };
    struct arena a = ARENA_INIT;
    if (!wire_decode(r->body, fields, ARRAY_LEN(fields), &in, &a)) {
        world_reply(h, r, false, "failed to deserialize component auction command");
    } else if (h->components_ns > now_ns) {
        arena_finish(&a);
        return h->components_ns;
    } else if (vhost_matches(h, in.constraints) && !vhost_unit(h, in.ref)) {
        struct buf b = BUF_INIT; /* the reference where the id belongs: as real hosts do */
        struct strs *constraints = pairs_of_object(in.constraints);
        struct jw w;
        jw_init(&w, &b, false);
        jw_object(&w);
        jw_kv(&w, "component_ref", in.ref);
        jw_kv(&w, "component_id", in.ref);
        jw_kv(&w, "host_id", str_c(h->id));
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

enum scale_phase { SCALE_FETCHED, SCALE_STARTED, SCALE_UPDATED };

struct scale { /* what goes on after the reply to a scale or update */
    struct task task;
    enum scale_phase phase;
    str id, ref, host_id; /* interned */
    uint32_t count;
    bool has_limits, update, secrets;
    struct strs *annotations, *list, *limits;
};

static void scale_drop(struct task *t) {
    struct scale *s = (struct scale *)t;
    strs_unref(s->annotations);
    strs_unref(s->list);
    strs_unref(s->limits);
    mem_free(s);
}

static void write_scaled(struct jw *w, const struct scale *s, str host_id, str image,
                         const struct strs *annotations, uint32_t count) {
    jw_object(w);
    jw_key(w, "annotations");
    pairs_write(annotations, w);
    jw_kv(w, "component_id", s->id);
    jw_kv(w, "host_id", host_id);
    jw_kv(w, "image_ref", image);
    jw_kv_u64(w, "max_instances", count);
}

static void scaled(struct vhost *h, const struct scale *s, str host_id, str image,
                   const struct strs *annotations, uint32_t count) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    write_scaled(&w, s, host_id, image, annotations, count);
    jw_end_object(&w);
    world_event(h, SIM_EV_COMPONENT_SCALED, &data);
}

static void failed(struct vhost *h, const struct scale *s, struct buf *why) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    write_scaled(&w, s, s->host_id, s->ref, s->annotations, s->count);
    jw_kv(&w, "error", buf_str(why));
    jw_end_object(&w);
    h->lattice->count.fails++;
    world_event(h, SIM_EV_COMPONENT_SCALE_FAILED, &data);
}

static struct strs *without_secrets(const struct strs *list) {
    uint32_t n = 0;
    str *at = mem_array(strs_n(list), sizeof(*at));
    for (uint32_t i = 0; i < strs_n(list); i++) {
        if (!str_starts(strs_at(list, i), STR("SECRET"))) {
            at[n++] = strs_at(list, i);
        }
    }
    struct strs *r = strs_of(at, n);
    mem_free(at);
    return r;
}

static void take_settings(struct unit *u, const struct scale *s) {
    strs_unref(u->annotations);
    strs_unref(u->limits);
    strs_unref(u->list);
    strs_unref(u->config);
    u->annotations = strs_ref(s->annotations);
    u->limits = strs_ref(s->limits);
    u->has_limits = s->has_limits;
    u->list = strs_ref(s->list);
    u->config = without_secrets(s->list);
    u->count = s->count;
    u->image = s->ref;
}

static bool may_start(struct vhost *h, struct scale *s, struct buf *why) {
    return vhost_resolve(h, s->list, &s->secrets, why) && vhost_image(h, false, s->ref, why);
}

static void started(struct vhost *h, struct scale *s, int64_t now_ns) {
    const char *fault = world_image_fault_of(world_of(h), s->ref);
    struct unit *u = VEC_ADD(&h->units);
    u->id = s->id;
    u->code = s->ref;
    u->secrets = s->secrets;
    u->freezes = fault && strcmp(fault, SIM_FREEZE_ON_REBUILD) == 0;
    take_settings(u, s);
    truth_change(&h->lattice->truth.components, u->id, u->count, 1, now_ns);
    h->lattice->count.starts++;
    scaled(h, s, str_c(h->id), s->ref, s->annotations, s->count);
    scaled(h, s, s->host_id, s->ref, s->annotations, s->count);
}

/* The reported reference and annotations become the new ones, the code stays; the event shows the
 * old ones. */
static void rebuild(struct vhost *h, struct scale *s, struct unit *u, bool list, int64_t now_ns) {
    struct buf why = BUF_INIT;
    if (list && !vhost_resolve(h, s->list, &s->secrets, &why)) {
        failed(h, s, &why);
        buf_finish(&why);
        return;
    }
    str image = u->image;
    struct strs *annotations = strs_ref(u->annotations);
    truth_change(&h->lattice->truth.components, u->id, (int64_t)s->count - (int64_t)u->count, 0,
                 now_ns);
    take_settings(u, s);
    u->secrets = list ? s->secrets : u->secrets;
    bool freezes = u->freezes;
    h->lattice->count.rebuilds++;
    scaled(h, s, s->host_id, image, annotations, s->count);
    strs_unref(annotations);
    if (freezes) {
        world_host_freeze(h, now_ns);
    }
}

/* Returns true when the unit is as it should be, so that an update may follow. */
static bool apply_running(struct vhost *h, struct scale *s, struct unit *u, int64_t now_ns) {
    if (s->count == 0) {
        str image = u->image;
        struct strs *annotations = strs_ref(u->annotations);
        vhost_unit_remove(h, u, now_ns);
        scaled(h, s, s->host_id, image, annotations, 0);
        strs_unref(annotations);
        return false;
    }
    bool list = u->secrets || !strs_eq(u->config, s->list);
    if (s->count == u->count && !list) {
        h->lattice->count.noops++;
        scaled(h, s, s->host_id, u->image, u->annotations, u->count);
        return true;
    }
    rebuild(h, s, u, list, now_ns);
    return h->state == VHOST_UP && vhost_unit(h, s->id) != NULL;
}

static void updated(struct vhost *h, struct scale *s) {
    struct unit *u = vhost_unit(h, s->id);
    if (!u || str_eq(u->image, s->ref)) {
        return;
    }
    scaled(h, s, s->host_id, s->ref, s->annotations, u->count);
    scaled(h, s, s->host_id, s->ref, s->annotations, 0);
    struct stale *stale = VEC_ADD(&h->stale); /* serves callers over NATS until the host ends */
    stale->id = u->id;
    stale->code = u->code;
    u->code = u->image = s->ref;
    strs_unref(u->annotations);
    u->annotations = strs_ref(s->annotations);
    h->lattice->count.rebuilds++;
}

/* Fetches the new image; the table stays readable. True: later, false: failed, nobody is told. */
static bool update_begin(struct vhost *h, struct scale *s, int64_t now_ns) {
    struct buf why = BUF_INIT;
    struct world *w = world_of(h);
    bool ok = vhost_image(h, false, s->ref, &why);
    buf_finish(&why);
    if (ok) {
        s->phase = SCALE_UPDATED;
        world_later(h, &s->task, now_ns + sim_delay_draw(&faults_of(h)->start_component, &w->rng));
    } else {
        h->lattice->count.fails++;
    }
    return ok;
}

/* True: the task goes on. */
static bool start_begin(struct vhost *h, struct scale *s, int64_t now_ns) {
    struct world *w = world_of(h);
    struct buf why = BUF_INIT;
    bool ok = may_start(h, s, &why);
    if (ok && !wire_key_ok(s->id)) {
        buf_addf(&why, "failed to get component spec: key cannot be empty or start/end with `.`");
        ok = false;
    }
    if (!ok) {
        failed(h, s, &why);
        buf_finish(&why);
        return false;
    }
    buf_finish(&why);
    vlattice_source(h->lattice, s->id);
    int64_t delay = sim_delay_draw(&faults_of(h)->start_component, &w->rng);
    if (delay <= 0) {
        started(h, s, now_ns);
        return false;
    }
    if (w->c.table_lock) {
        h->components_ns = now_ns + delay;
    }
    s->phase = SCALE_STARTED;
    world_later(h, &s->task, now_ns + delay);
    return true;
}

static bool fetched(struct vhost *h, struct scale *s, int64_t now_ns) {
    struct unit *u = vhost_unit(h, s->id);
    if (u) {
        if (apply_running(h, s, u, now_ns) && s->update) {
            strs_unref(s->annotations); /* an update by way of a scale loses them */
            s->annotations = NULL;
            return update_begin(h, s, now_ns);
        }
        return false;
    }
    if (s->count == 0) {
        scaled(h, s, s->host_id, s->ref, s->annotations, 0);
        return false;
    }
    return start_begin(h, s, now_ns);
}

static void scale_run(struct task *t, int64_t now_ns) {
    struct scale *s = (struct scale *)t;
    struct vhost *h = t->host;
    bool goes_on = false;
    if (s->phase == SCALE_STARTED) {
        struct unit *u = vhost_unit(h, s->id);
        if (u) { /* only without the table lock: somebody was faster */
            apply_running(h, s, u, now_ns);
        } else {
            started(h, s, now_ns);
        }
    } else if (h->components_ns > now_ns) {
        world_later(h, t, h->components_ns);
        return;
    } else if (s->phase == SCALE_UPDATED) {
        updated(h, s);
    } else {
        goes_on = fetched(h, s, now_ns);
    }
    if (!goes_on) {
        scale_drop(t);
    }
}

static struct scale *scale_new(struct vhost *h, str id, str ref, str host_id) {
    struct world *w = world_of(h);
    struct scale *s = mem_zalloc(sizeof(*s));
    s->task = (struct task){.run = scale_run, .drop = scale_drop};
    s->id = world_name(w, id);
    s->ref = world_name(w, ref);
    s->host_id = world_name(w, host_id);
    return s;
}

static void limits_of(struct scale *s, const struct node *limits) {
    static const char *const known[] = {"max_memory_limit", "max_execution_time"};
    s->has_limits = limits != NULL;
    for (size_t i = 0; limits && i < ARRAY_LEN(known); i++) {
        uint64_t v;
        str text = node_text(limits, known[i], STR_NONE);
        if (str_u64(text, &v)) {
            struct strs *next = pairs_with(s->limits, str_c(known[i]), text);
            strs_unref(s->limits);
            s->limits = next;
        }
    }
}

struct scale_in {
    str id, ref, host_id;
    uint32_t count;
    bool update;
    const struct node *annotations, *config, *limits;
};

static const struct wire_field scale_fields[] = {
    {"component_id", NULL, WIRE_F_STR, true, false, offsetof(struct scale_in, id)},
    {"component_ref", NULL, WIRE_F_STR, false, false, offsetof(struct scale_in, ref)},
    {"count", NULL, WIRE_F_U32, false, false, offsetof(struct scale_in, count)},
    {"annotations", NULL, WIRE_F_MAP, false, true, offsetof(struct scale_in, annotations)},
    {"config", NULL, WIRE_F_LIST, false, false, offsetof(struct scale_in, config)},
    {"allow_update", NULL, WIRE_F_BOOL, false, false, offsetof(struct scale_in, update)},
    {"host_id", NULL, WIRE_F_STR, false, false, offsetof(struct scale_in, host_id)},
    {"component_limits", NULL, WIRE_F_MAP, false, true, offsetof(struct scale_in, limits)},
};

static void warning(const struct unit *u, const struct scale_in *in, struct buf *text) {
    if (!u || str_eq(u->image, in->ref)) {
        return;
    }
    if (in->update) {
        buf_addf(text,
                 "Requested to scale existing component, with a changed image reference: %.*s != "
                 "%.*s. The component will be scaled, and the image reference will be updated "
                 "afterwards.",
                 PSTR(u->image), PSTR(in->ref));
        return;
    }
    buf_addf(text,
             "Requested to scale existing component to a different image reference: %.*s != %.*s. "
             "The component will be scaled but the image reference will not be updated. If you "
             "meant to update this component to a new image ref, use the update command.",
             PSTR(u->image), PSTR(in->ref));
}

static void scale_accept(struct vhost *h, const struct request *r, const struct scale_in *in) {
    struct world *w = world_of(h);
    const struct unit *u = vhost_unit(h, in->id);
    struct buf text = BUF_INIT;
    bool update = in->update && u && !str_eq(u->image, in->ref);
    warning(u, in, &text);
    world_reply(h, r, true, text.ptr ? text.ptr : "");
    buf_finish(&text);
    if (vhost_dies(h)) {
        return;
    }
    struct scale *s = scale_new(h, in->id, in->ref, in->host_id);
    s->count = in->count;
    s->update = update;
    s->annotations = pairs_of_object(in->annotations);
    s->list = strs_of_array(in->config);
    limits_of(s, in->limits);
    int64_t delay = 0;
    if (in->count || sim_image_parses(in->ref)) {
        delay = sim_delay_draw(&faults_of(h)->fetch, &w->rng);
    }
    world_later(h, &s->task, w->now_ns + delay);
}

int64_t vhost_scale(struct vhost *h, struct request *r, int64_t now_ns) {
    struct scale_in in = {.count = 0};
    struct arena a = ARENA_INIT;
    int64_t again = 0;
    if (!wire_decode(r->body, scale_fields, ARRAY_LEN(scale_fields), &in, &a)) {
        world_reply(h, r, false, "failed to deserialize component scale command");
    } else if (h->components_ns > now_ns) {
        again = h->components_ns;
    } else if (!vhost_refuses(h, r)) {
        scale_accept(h, r, &in);
    }
    arena_finish(&a);
    return again;
}

struct update_in {
    str id, ref, host_id;
    const struct node *annotations;
};

static void update_accept(struct vhost *h, const struct request *r, const struct update_in *in) {
    const struct unit *u = vhost_unit(h, in->id);
    struct buf text = BUF_INIT;
    if (!u) {
        buf_addf(&text, "component %.*s not found", PSTR(in->id));
    } else if (str_eq(u->image, in->ref)) {
        buf_addf(&text, "component %.*s already updated to %.*s", PSTR(in->id), PSTR(in->ref));
    } else {
        buf_addf(&text, "component %.*s updating from %.*s to %.*s", PSTR(in->id), PSTR(u->image),
                 PSTR(in->ref));
    }
    bool begins = u && !str_eq(u->image, in->ref);
    world_reply(h, r, u != NULL, text.ptr);
    buf_finish(&text);
    if (begins && !vhost_dies(h)) {
        struct scale *s = scale_new(h, in->id, in->ref, in->host_id);
        s->annotations = pairs_of_object(in->annotations);
        if (!update_begin(h, s, world_of(h)->now_ns)) {
            scale_drop(&s->task);
        }
    }
}

int64_t vhost_update(struct vhost *h, struct request *r, int64_t now_ns) {
    static const struct wire_field fields[] = {
        {"component_id", NULL, WIRE_F_STR, false, false, offsetof(struct update_in, id)},
        {"new_component_ref", NULL, WIRE_F_STR, false, false, offsetof(struct update_in, ref)},
        {"annotations", NULL, WIRE_F_MAP, false, true, offsetof(struct update_in, annotations)},
        {"host_id", NULL, WIRE_F_STR, false, false, offsetof(struct update_in, host_id)},
    };
    struct update_in in = {.annotations = NULL};
    struct arena a = ARENA_INIT;
    int64_t again = 0;
    if (!wire_decode(r->body, fields, ARRAY_LEN(fields), &in, &a)) {
        world_reply(h, r, false, "failed to deserialize component update command");
    } else if (h->components_ns > now_ns) {
        again = h->components_ns;
    } else if (!vhost_refuses(h, r)) {
        update_accept(h, r, &in);
    }
    arena_finish(&a);
    return again;
}
