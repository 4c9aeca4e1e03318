/* SPDX-License-Identifier: Apache-2.0 */
#include "suite_scaler_world.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define STRIDE (sizeof(trl_host_view) + 2 * sizeof(uint64_t))

static const char *pick(struct rng *r, const char *const *from, uint32_t n) {
    return from[rng_below(r, n)];
}

static void label_host(struct world_host *h, struct rng *r) {
    static const char *const clouds[] = {"real", "fake"};
    static const char *const regions[] = {"us-east-1", "us-west-1"};
    static const char *const zones[] = {"a", "b", "c"};
    h->labels[0] = (trl_label){trl_cstr("cloud"), trl_cstr(pick(r, clouds, 2))};
    h->labels[1] = (trl_label){trl_cstr("region"), trl_cstr(pick(r, regions, 2))};
    h->labels[2] = (trl_label){trl_cstr("zone"), trl_cstr(pick(r, zones, 3))};
    h->view.struct_size = STRIDE;
    h->view.n_labels = rng_chance(r, 0.9) ? 3 : (uint32_t)rng_below(r, 3);
    h->view.n_instances = (uint32_t)rng_below(r, 8);
    h->padding[0] = h->padding[1] = UINT64_MAX;
    h->flags = TRL_HOST_READY;
}

static uint32_t random_flags(struct rng *r) {
    static const uint32_t flags[] = {TRL_HOST_CORDONED,
                                     TRL_HOST_STALE,
                                     TRL_HOST_SUSPECT,
                                     TRL_HOST_EXCLUDED,
                                     TRL_HOST_READY | TRL_HOST_EXCLUDED,
                                     0};
    return rng_chance(r, 0.7) ? TRL_HOST_READY : flags[rng_below(r, ARRAY_LEN(flags))];
}

void world_make(struct world *w, struct rng *r, uint32_t n, bool single, bool quiet) {
    uint32_t width = 1 + (uint32_t)rng_below(r, 12);
    memset(w, 0, sizeof(*w));
    w->n = n;
    w->single = single;
    w->hosts = mem_array(n + 1, sizeof(*w->hosts));
    for (uint32_t i = 0; i < n; i++) {
        struct world_host *h = &w->hosts[i];
        snprintf(h->id, sizeof(h->id), "N%08X", i * 2654435761u); /* unordered, all different */
        label_host(h, r);
        h->current = (uint32_t)(rng_chance(r, 0.4) ? rng_below(r, single ? 2 : width) : 0);
        if (quiet) {
            continue;
        }
        h->flags = random_flags(r);
        h->failing = rng_chance(r, 0.15) ? 1 + (uint32_t)rng_below(r, 5) : 0;
        if (h->current == 0 && rng_chance(r, 0.08)) {
            h->foreign = 1;
            h->flags |= single ? 0 : TRL_HOST_EXCLUDED;
        }
    }
}

static void free_border(struct world *w) {
    void *all[] = {w->views,   w->flags,  w->current, w->foreign,
                   w->failing, w->wanted, w->group,   w->reasons};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        mem_free(all[i]);
    }
}

void world_finish(struct world *w) {
    free_border(w);
    mem_free(w->hosts);
    memset(w, 0, sizeof(*w));
}

void world_copy(struct world *to, const struct world *from) {
    *to = (struct world){.n = from->n, .single = from->single, .out = from->out};
    to->hosts = mem_dup(from->hosts, (from->n + 1) * sizeof(*from->hosts));
}

void world_add(struct world *w, struct rng *r) {
    w->hosts = mem_realloc(w->hosts, (w->n + 2) * sizeof(*w->hosts));
    struct world_host *h = &w->hosts[w->n++];
    memset(h, 0, sizeof(*h));
    snprintf(h->id, sizeof(h->id), "M%08X", (uint32_t)rng_next(r));
    label_host(h, r);
}

void world_drop(struct world *w, uint32_t i) {
    memmove(&w->hosts[i], &w->hosts[i + 1], (w->n - i - 1) * sizeof(*w->hosts));
    w->n--;
}

void world_shuffle(struct world *w, struct rng *r) {
    for (uint32_t i = w->n; i > 1; i--) {
        uint32_t j = (uint32_t)rng_below(r, i);
        struct world_host h = w->hosts[i - 1];
        w->hosts[i - 1] = w->hosts[j];
        w->hosts[j] = h;
    }
}

void world_apply(struct world *w) {
    for (uint32_t i = 0; i < w->n; i++) {
        w->hosts[i].current = w->hosts[i].wanted;
    }
}

static void build_border(struct world *w) {
    free_border(w);
    uint32_t **arrays[] = {&w->flags,  &w->current, &w->foreign, &w->failing,
                           &w->wanted, &w->group,   &w->reasons};
    for (size_t i = 0; i < ARRAY_LEN(arrays); i++) {
        *arrays[i] = mem_array(w->n + 1, sizeof(uint32_t));
    }
    w->views = mem_array(w->n + 1, STRIDE);
    for (uint32_t i = 0; i < w->n; i++) {
        struct world_host *h = &w->hosts[i];
        h->view.id = h->view.name = trl_cstr(h->id);
        h->view.labels = h->labels;
        h->view.flags = TRL_HOST_READY; /* host_flags overrides it */
        memcpy((char *)w->views + i * STRIDE, &h->view, sizeof(h->view));
        memcpy((char *)w->views + i * STRIDE + sizeof(h->view), h->padding, sizeof(h->padding));
        w->flags[i] = h->flags;
        w->current[i] = h->current;
        w->foreign[i] = h->foreign;
        w->failing[i] = h->failing;
        w->group[i] = TRL_NO_GROUP;
    }
}

trl_status world_place(struct world *w, const trl_scaler_v1 *t, trl_inst *in,
                       const trl_scaler_spec *spec, bool explain) {
    const trl_unit_view unit = {.struct_size = sizeof(unit),
                                .flags = w->single ? TRL_UNIT_SINGLETON_PER_HOST : 0,
                                .lattice = trl_cstr("default"),
                                .app = trl_cstr("shop"),
                                .name = trl_cstr("web"),
                                .id = trl_cstr("shop-web"),
                                .kind = trl_cstr(w->single ? "capability" : "component"),
                                .image = trl_cstr("registry.example/web:1")};
    bool any_foreign = false;
    trl_err err = {.struct_size = sizeof(err)};
    build_border(w);
    for (uint32_t i = 0; i < w->n; i++) {
        any_foreign = any_foreign || w->foreign[i] > 0;
    }
    const trl_place_in what = {.struct_size = sizeof(what),
                               .flags = explain ? TRL_PLACE_EXPLAIN : 0,
                               .unit = &unit,
                               .hosts = w->views,
                               .host_stride = STRIDE,
                               .n_hosts = w->n,
                               .host_flags = w->flags,
                               .current = w->current,
                               .foreign = any_foreign ? w->foreign : NULL,
                               .failing = w->failing,
                               .seed = 42};
    memset(&w->out, 0, sizeof(w->out));
    w->out.struct_size = sizeof(w->out);
    w->out.wanted = w->wanted;
    w->out.group = w->group;
    w->out.reasons = explain ? w->reasons : NULL;
    trl_status st = t->place(in, spec, &what, &w->out, &err);
    for (uint32_t i = 0; i < w->n; i++) {
        w->hosts[i].wanted = w->wanted[i];
        w->hosts[i].group = w->group[i];
        w->hosts[i].why = w->reasons[i];
    }
    return st;
}

const struct world_host *world_find(const struct world *w, const char *id) {
    for (uint32_t i = 0; i < w->n; i++) {
        if (strcmp(w->hosts[i].id, id) == 0) {
            return &w->hosts[i];
        }
    }
    return NULL;
}
