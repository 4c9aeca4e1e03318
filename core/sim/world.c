/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/world_priv.h"

#include <sodium.h>
#include <string.h>

#include "base/digest.h"
#include "hostwire/wire.h"
#include "sim/image.h"

void world_enter(struct world *w, int64_t now_ns) {
    w->depth++;
    if (now_ns > w->now_ns) {
        w->now_ns = now_ns;
    }
}

void world_leave(struct world *w) {
    int64_t due;
    if (--w->depth == 0 && agenda_next(&w->agenda, &due) && due < w->armed_ns) {
        w->armed_ns = due;
        if (w->out.wake) {
            w->out.wake(w->out.arg, due);
        }
    }
}

bool world_chance(struct world *w, double p) {
    return p > 0 && rng_chance(&w->rng, p);
}

str world_name(struct world *w, str s) {
    return intern_str(&w->names, intern_id(&w->names, s));
}

const struct sim_faults *faults_of(const struct vhost *h) {
    return h->faults ? h->faults : &world_of(h)->c.faults;
}

void world_later(struct vhost *h, struct task *t, int64_t due_ns) {
    t->host = h;
    t->life = h->life;
    agenda_add(&world_of(h)->agenda, t, due_ns);
}

const char *world_image_fault_of(const struct world *w, str image) {
    for (uint32_t i = 0; i < w->image_faults.n; i++) {
        if (sim_glob(str_c(w->image_faults.at[i].pattern), image)) {
            return w->image_faults.at[i].text;
        }
    }
    return NULL;
}

struct sent { /* an event that comes late, whatever became of its host */
    struct task task;
    struct world *world;
    char *subject;
    struct buf body;
};

static void sent_drop(struct task *t) {
    struct sent *s = (struct sent *)t;
    mem_free(s->subject);
    buf_finish(&s->body);
    mem_free(s);
}

static void sent_run(struct task *t, int64_t now_ns) {
    struct sent *s = (struct sent *)t;
    (void)now_ns;
    s->world->out.publish(s->world->out.arg, str_c(s->subject), buf_str(&s->body));
    sent_drop(t);
}

void world_event(struct vhost *h, enum sim_event ev, struct buf *data) {
    struct world *w = world_of(h);
    struct vlattice *l = h->lattice;
    const struct sim_faults *f = faults_of(h);
    int64_t wall_ns = w->start_wall_ns + (w->now_ns - w->start_ns);
    struct buf subject = BUF_INIT, body = BUF_INIT;
    char id[37];
    ulid_uuid_text(wall_ns / 1000000, &w->rng, id);
    buf_add_str(&subject, STR("wasmbus.evt."));
    buf_add_str(&subject, str_c(l->name));
    buf_add_c(&subject, '.');
    buf_add_str(&subject, str_c(sim_event_name(ev)));
    wire_event(&body, sim_event_name(ev), str_c(h->id), id, wall_ns, buf_str(data));
    l->count.events[ev]++;
    if (world_chance(w, f->event_lost)) {
        l->count.lost++;
    } else if (world_chance(w, f->event_reordered)) {
        struct sent *s = mem_zalloc(sizeof(*s));
        l->count.reordered++;
        s->task = (struct task){.run = sent_run, .drop = sent_drop};
        s->world = w;
        s->subject = buf_take(&subject);
        s->body = body;
        body = (struct buf)BUF_INIT;
        agenda_add(&w->agenda, &s->task, w->now_ns + sim_delay_draw(&f->reorder, &w->rng));
    } else {
        w->out.publish(w->out.arg, buf_str(&subject), buf_str(&body));
        if (world_chance(w, f->event_dup)) {
            l->count.dup++;
            w->out.publish(w->out.arg, buf_str(&subject), buf_str(&body));
        }
    }
    buf_finish(&subject);
    buf_finish(&body);
    buf_finish(data);
}

static void answer(struct vhost *h, const struct request *r, bool ok, str message, str response) {
    struct world *w = world_of(h);
    struct buf body = BUF_INIT;
    h->lattice->count.refused += !ok;
    if (r->reply.len == 0) {
        return;
    }
    if (world_chance(w, faults_of(h)->no_reply)) {
        h->lattice->count.unanswered++;
        return;
    }
    h->lattice->count.replies++;
    wire_reply(&body, ok, message, response);
    w->out.publish(w->out.arg, r->reply, buf_str(&body));
    buf_finish(&body);
}

void world_reply(struct vhost *h, const struct request *r, bool ok, const char *message) {
    answer(h, r, ok, str_c(message), STR_NONE);
}

void world_reply_json(struct vhost *h, const struct request *r, const struct buf *response) {
    answer(h, r, true, STR(""), buf_str(response));
}

static int labels_of(struct world *w, uint32_t index, struct strs **ret, struct err *err) {
    struct strs *s = pairs_with(NULL, STR("hostcore.arch"), STR("x86_64")), *next;
    str key;
    next = pairs_with(s, STR("hostcore.os"), STR("linux"));
    strs_unref(s);
    s = pairs_with(next, STR("hostcore.osfamily"), STR("unix"));
    strs_unref(next);
    for (uint32_t i = 0; i < w->c.n_labels; i++) {
        struct buf value = BUF_INIT;
        int rc = sim_label_value(str_c(w->c.labels[i]), index, &key, &value, err);
        if (rc < 0) {
            strs_unref(s);
            return rc;
        }
        next = pairs_with(s, key, buf_str(&value));
        strs_unref(s);
        s = next;
        buf_finish(&value);
    }
    *ret = s;
    return 0;
}

/* Hosts with equal labels share them: look at the hosts that could be equal first. */
static struct strs *shared_labels(struct vlattice *l, struct strs *labels) {
    for (uint32_t i = 0; i < l->hosts.n && i < 64; i++) {
        if (strs_eq(l->hosts.at[i]->given_labels, labels)) {
            strs_unref(labels);
            return strs_ref(l->hosts.at[i]->given_labels);
        }
    }
    return labels;
}

static int add_host(struct world *w, struct vlattice *l, uint32_t index, struct err *err) {
    uint32_t n = w->hosts.n;
    struct strs *labels;
    int rc = labels_of(w, index, &labels, err);
    if (rc < 0) {
        return rc;
    }
    struct vhost *h = mem_zalloc(sizeof(*h));
    h->lattice = l;
    h->index = n;
    h->given_labels = shared_labels(l, labels);
    if (n < w->c.n_host_ids) {
        str id = str_c(w->c.host_ids[n]);
        memcpy(h->id, id.ptr, id.len < HOSTID_LEN ? id.len : HOSTID_LEN);
    } else {
        hostid_make(w->c.seed, str_c(l->name), index, h->id);
    }
    *VEC_ADD(&w->hosts) = h;
    *VEC_ADD(&l->hosts) = h;
    if (map_set(&w->host_by_id, str_c(h->id), h)) {
        return err_set(err, TRL_E_INVALID, "host id %s is given twice", h->id);
    }
    return 0;
}

static int fill(struct world *w, struct err *err) {
    static const char *const one[] = {"default"};
    uint32_t n = w->c.n_lattices ? w->c.n_lattices : 1;
    const char *const *names = w->c.n_lattices ? w->c.lattices : one;
    for (uint32_t i = 0; i < n; i++) {
        str name = str_c(names[i]);
        if (!wire_key_ok(name) || strpbrk(names[i], ".=/")) {
            return err_set(err, TRL_E_INVALID,
                           "\"%s\" is no name for a lattice: letters, digits, - and _ only",
                           names[i]);
        }
        struct vlattice *l = vlattice_create(w, name, w->c.ctl_prefix);
        *VEC_ADD(&w->lattices) = l;
        if (map_set(&w->lattice_by_name, name, l)) {
            return err_set(err, TRL_E_INVALID, "lattice \"%s\" is named twice", names[i]);
        }
        for (uint32_t k = 0; k < w->c.hosts; k++) {
            int rc = add_host(w, l, k, err);
            if (rc < 0) {
                return rc;
            }
        }
    }
    return 0;
}

int world_create(const struct sim_config *c, const struct world_out *out, int64_t now_ns,
                 int64_t wall_ms, struct world **ret, struct err *err) {
    struct world *w = mem_zalloc(sizeof(*w));
    struct buf prefix = BUF_INIT;
    if (sodium_init() < 0) {
        mem_free(w);
        return err_set(err, TRL_E_INTERNAL, "libsodium cannot be initialised");
    }
    w->c = *c;
    w->out = *out;
    w->start_ns = w->now_ns = now_ns;
    w->start_wall_ns = wall_ms * 1000000;
    w->armed_ns = INT64_MAX;
    w->version = mem_strdup(c->version);
    w->nats_url = mem_strdup(c->nats_url);
    buf_addf(&prefix, "%s.v1.", c->ctl_prefix);
    w->prefix = buf_take(&prefix);
    rng_seed(&w->rng, c->seed);
    for (uint32_t i = 0; i < c->n_image_faults; i++) {
        world_image_fault(w, str_c(c->image_faults[i].pattern), c->image_faults[i].text);
    }
    int rc = fill(w, err);
    if (rc < 0) {
        world_destroy(w);
        return rc;
    }
    w->c.lattices = w->c.labels = w->c.host_ids = NULL;
    w->c.image_faults = NULL;
    *ret = w;
    return 0;
}

static void host_free(struct vhost *h) {
    while (h->units.n) {
        vhost_unit_remove(h, &h->units.at[h->units.n - 1], world_of(h)->now_ns);
    }
    while (h->providers.n) {
        vhost_provider_remove(h, &h->providers.at[h->providers.n - 1], world_of(h)->now_ns);
    }
    for (uint32_t i = 0; i < h->held.n; i++) {
        h->held.at[i]->drop(h->held.at[i]);
    }
    VEC_FREE(&h->units);
    VEC_FREE(&h->providers);
    VEC_FREE(&h->stale);
    map_finish(&h->watched);
    VEC_FREE(&h->held);
    strs_unref(h->labels);
    strs_unref(h->given_labels);
    mem_free(h->faults);
    mem_free(h);
}

void world_destroy(struct world *w) {
    if (!w) {
        return;
    }
    agenda_finish(&w->agenda);
    for (uint32_t i = 0; i < w->hosts.n; i++) {
        host_free(w->hosts.at[i]);
    }
    for (uint32_t i = 0; i < w->lattices.n; i++) {
        vlattice_destroy(w->lattices.at[i]);
    }
    for (uint32_t i = 0; i < w->image_faults.n; i++) {
        mem_free(w->image_faults.at[i].pattern);
        mem_free(w->image_faults.at[i].text);
    }
    VEC_FREE(&w->image_faults);
    VEC_FREE(&w->hosts);
    VEC_FREE(&w->lattices);
    map_finish(&w->lattice_by_name);
    map_finish(&w->host_by_id);
    intern_finish(&w->names);
    mem_free(w->version);
    mem_free(w->nats_url);
    mem_free(w->prefix);
    mem_free(w);
}

bool world_next_due(const struct world *w, int64_t *ret_due_ns) {
    return agenda_next(&w->agenda, ret_due_ns);
}

void world_advance(struct world *w, int64_t now_ns) {
    struct task *t;
    int64_t due;
    world_enter(w, w->now_ns);
    w->armed_ns = INT64_MAX;
    while (agenda_next(&w->agenda, &due) && due <= now_ns && (t = agenda_pop(&w->agenda, due))) {
        w->now_ns = due > w->now_ns ? due : w->now_ns;
        if (t->host && t->life != t->host->life) {
            t->drop(t);
        } else if (t->host && t->host->state == VHOST_FROZEN) {
            *VEC_ADD(&t->host->held) = t;
        } else {
            t->run(t, w->now_ns);
        }
    }
    w->now_ns = now_ns > w->now_ns ? now_ns : w->now_ns;
    world_leave(w);
}
