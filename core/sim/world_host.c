/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of hosts, and what can be asked about them.
 */
#include <string.h>

#include "sim/world_priv.h"

static void vanish(struct vhost *h, int64_t now_ns) {
    struct vlattice *l = h->lattice;
    while (h->units.n) {
        vhost_unit_remove(h, &h->units.at[h->units.n - 1], now_ns);
    }
    while (h->providers.n) {
        vhost_provider_remove(h, &h->providers.at[h->providers.n - 1], now_ns);
    }
    for (uint32_t i = 0; i < h->held.n; i++) {
        h->held.at[i]->drop(h->held.at[i]);
    }
    h->held.n = h->stale.n = 0;
    map_clear(&h->watched);
    h->life++; /* what it had still to do is dropped when due */
    h->state = VHOST_OFF;
    struct vhost *last = l->up.at[--l->up.n];
    l->up.at[h->up_index] = last;
    last->up_index = h->up_index;
    if (world_of(h)->out.listen) {
        world_of(h)->out.listen(world_of(h)->out.arg, h, false);
    }
}

static void say_started(struct vhost *h) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "friendly_name", str_c(h->name));
    jw_key(&w, "labels");
    pairs_write(h->labels, &w);
    jw_kv_u64(&w, "uptime_seconds", 0);
    jw_kv(&w, "version", str_c(world_of(h)->version));
    jw_end_object(&w);
    world_event(h, SIM_EV_HOST_STARTED, &data);
}

static void say_stopped(struct vhost *h) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_key(&w, "labels");
    pairs_write(h->labels, &w);
    jw_end_object(&w);
    world_event(h, SIM_EV_HOST_STOPPED, &data);
}

void world_host_start(struct vhost *h, int64_t now_ns) {
    struct world *w = world_of(h);
    struct vlattice *l = h->lattice;
    if (h->state != VHOST_OFF) {
        return;
    }
    world_enter(w, now_ns);
    h->life++;
    h->state = VHOST_UP;
    h->started_ns = w->now_ns;
    h->components_ns = h->providers_ns = 0;
    hostid_name(&w->rng, h->name);
    strs_unref(h->labels);
    h->labels = strs_ref(h->given_labels);
    h->up_index = l->up.n;
    *VEC_ADD(&l->up) = h;
    if (w->out.listen) {
        w->out.listen(w->out.arg, h, true);
    }
    vhost_beat(h);
    say_started(h);
    world_leave(w);
}

void world_host_stop(struct vhost *h, int64_t now_ns) {
    if (h->state != VHOST_UP) {
        return;
    }
    world_enter(world_of(h), now_ns);
    say_stopped(h);
    vanish(h, now_ns);
    world_leave(world_of(h));
}

void world_host_crash(struct vhost *h, int64_t now_ns) {
    if (h->state == VHOST_OFF) {
        return;
    }
    world_enter(world_of(h), now_ns);
    h->lattice->count.deaths++;
    vanish(h, now_ns);
    world_leave(world_of(h));
}

void world_host_restart(struct vhost *h, int64_t now_ns) {
    world_host_crash(h, now_ns);
    world_host_start(h, now_ns);
}

void world_host_freeze(struct vhost *h, int64_t now_ns) {
    (void)now_ns;
    if (h->state == VHOST_UP) {
        h->state = VHOST_FROZEN;
    }
}

void world_host_unfreeze(struct vhost *h, int64_t now_ns) {
    if (h->state != VHOST_FROZEN) {
        return;
    }
    world_enter(world_of(h), now_ns);
    h->state = VHOST_UP;
    for (uint32_t i = 0; i < h->held.n; i++) {
        agenda_add(&world_of(h)->agenda, h->held.at[i], now_ns);
    }
    h->held.n = 0;
    world_leave(world_of(h));
}

void world_host_given_labels(struct vhost *h, struct strs *labels) {
    strs_unref(h->given_labels);
    h->given_labels = labels;
}

bool world_provider_health(struct vhost *h, str id, char health) {
    struct provider *p = vhost_provider(h, id);
    if (p) {
        p->health = health;
    }
    return p != NULL;
}

struct boot {
    struct task task;
    struct vhost *h;
};

static void boot_drop(struct task *t) {
    mem_free(t);
}

static void boot_run(struct task *t, int64_t now_ns) {
    struct vhost *h = ((struct boot *)t)->h;
    if (!world_of(h)->down) {
        world_host_start(h, now_ns);
    }
    mem_free(t);
}

void world_start(struct world *w, int64_t now_ns) {
    world_enter(w, now_ns);
    w->down = false;
    for (uint32_t i = 0; i < w->hosts.n; i++) {
        if (w->c.start_spread_ns == 0) {
            world_host_start(w->hosts.at[i], now_ns);
            continue;
        }
        struct boot *b = mem_zalloc(sizeof(*b));
        b->task = (struct task){.run = boot_run, .drop = boot_drop};
        b->h = w->hosts.at[i];
        agenda_add(&w->agenda, &b->task,
                   now_ns + (int64_t)rng_below(&w->rng, (uint64_t)w->c.start_spread_ns));
    }
    world_leave(w);
}

void world_shutdown(struct world *w, int64_t now_ns) {
    w->down = true;
    for (uint32_t i = 0; i < w->hosts.n; i++) {
        if (w->hosts.at[i]->state == VHOST_FROZEN) {
            world_host_crash(w->hosts.at[i], now_ns);
        }
        world_host_stop(w->hosts.at[i], now_ns);
    }
}

void world_set_faults(struct world *w, const struct sim_faults *f) {
    w->c.faults = *f;
}

const struct sim_faults *world_faults(const struct world *w) {
    return &w->c.faults;
}

void world_host_faults(struct vhost *h, const struct sim_faults *f) {
    mem_free(h->faults);
    h->faults = f ? mem_dup(f, sizeof(*f)) : NULL;
}

const struct sim_faults *world_host_faults_now(const struct vhost *h) {
    return faults_of(h);
}

void world_image_fault(struct world *w, str pattern, const char *text) {
    for (uint32_t i = 0; i < w->image_faults.n; i++) {
        struct image_fault *f = &w->image_faults.at[i];
        if (str_is(pattern, f->pattern)) {
            mem_free(f->text);
            f->text = mem_strdup(text);
            if (!text) {
                mem_free(f->pattern);
                *f = w->image_faults.at[--w->image_faults.n];
            }
            return;
        }
    }
    if (text) {
        struct image_fault *f = VEC_ADD(&w->image_faults);
        f->pattern = str_dup(pattern);
        f->text = mem_strdup(text);
    }
}

uint32_t world_n_hosts(const struct world *w) {
    return w->hosts.n;
}

struct vhost *world_host(struct world *w, uint32_t i) {
    return i < w->hosts.n ? w->hosts.at[i] : NULL;
}

struct vhost *world_find(struct world *w, str id) {
    return map_get(&w->host_by_id, id);
}

uint32_t world_n_lattices(const struct world *w) {
    return w->lattices.n;
}

struct vlattice *world_lattice(struct world *w, uint32_t i) {
    return i < w->lattices.n ? w->lattices.at[i] : NULL;
}

struct vlattice *world_find_lattice(struct world *w, str name) {
    return map_get(&w->lattice_by_name, name);
}

const char *vhost_id(const struct vhost *h) {
    return h->id;
}

const char *vhost_name(const struct vhost *h) {
    return h->name;
}

struct vlattice *vhost_lattice(const struct vhost *h) {
    return h->lattice;
}

enum vhost_state vhost_state(const struct vhost *h) {
    return h->state;
}

const struct strs *world_labels(const struct vhost *h) {
    return h->labels;
}

uint32_t world_n_running(const struct vhost *h) {
    return h->units.n + h->providers.n;
}

bool world_running_at(const struct vhost *h, uint32_t i, struct sim_running *ret) {
    *ret = (struct sim_running){.count = 0};
    if (i < h->units.n) {
        const struct unit *u = &h->units.at[i];
        *ret = (struct sim_running){.id = u->id,
                                    .image = u->image,
                                    .code = u->code,
                                    .count = u->count,
                                    .annotations = u->annotations,
                                    .config = u->list};
        for (uint32_t k = 0; k < h->stale.n; k++) {
            if (str_eq(h->stale.at[k].id, u->id)) {
                ret->stale = h->stale.at[k].code;
            }
        }
        return true;
    }
    i -= h->units.n;
    if (i < h->providers.n) {
        const struct provider *p = &h->providers.at[i];
        *ret = (struct sim_running){.id = p->id,
                                    .image = p->image,
                                    .code = p->image,
                                    .count = 1,
                                    .annotations = p->annotations,
                                    .config = p->config,
                                    .provider = true};
        return true;
    }
    return false;
}

bool world_running(const struct vhost *h, str id, struct sim_running *ret) {
    for (uint32_t i = 0; i < world_n_running(h); i++) {
        if (world_running_at(h, i, ret) && str_eq(ret->id, id)) {
            return true;
        }
    }
    *ret = (struct sim_running){.count = 0};
    return false;
}
