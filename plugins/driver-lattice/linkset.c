/* SPDX-License-Identifier: Apache-2.0 */
#include "linkset.h"

#include "../common/xmem.h"
#include "text.h"

static size_t list_bytes(const trl_str *list, uint32_t n) {
    size_t bytes = n * sizeof(trl_str);
    for (uint32_t i = 0; i < n; i++) {
        bytes += list[i].len;
    }
    return bytes;
}

static trl_str put_text(char **at, trl_str s) {
    trl_str copy = {*at, s.len};
    if (s.len) {
        memcpy(*at, s.ptr, s.len);
    }
    *at += s.len;
    return copy;
}

static void put_list(const trl_str **to, trl_str **slots, char **at, const trl_str *list,
                     uint32_t n) {
    *to = *slots;
    for (uint32_t i = 0; i < n; i++) {
        *(*slots)++ = put_text(at, list[i]);
    }
}

trl_link *link_dup(const trl_link *l) {
    size_t n = (size_t)l->n_interfaces + l->n_source_config + l->n_target_config;
    size_t bytes = sizeof(*l) + l->source.len + l->target.len + l->name.len + l->ns.len +
                   l->package.len + list_bytes(l->interfaces, l->n_interfaces) +
                   list_bytes(l->source_config, l->n_source_config) +
                   list_bytes(l->target_config, l->n_target_config);
    trl_link *c = x_zalloc(bytes); /* one block: the struct, the lists, the texts */
    trl_str *slots = (trl_str *)(void *)(c + 1);
    char *at = (char *)(slots + n);
    c->struct_size = sizeof(*c);
    c->flags = l->flags;
    c->source = put_text(&at, l->source);
    c->target = put_text(&at, l->target);
    c->name = put_text(&at, l->name);
    c->ns = put_text(&at, l->ns);
    c->package = put_text(&at, l->package);
    c->n_interfaces = l->n_interfaces;
    c->n_source_config = l->n_source_config;
    c->n_target_config = l->n_target_config;
    put_list(&c->interfaces, &slots, &at, l->interfaces, l->n_interfaces);
    put_list(&c->source_config, &slots, &at, l->source_config, l->n_source_config);
    put_list(&c->target_config, &slots, &at, l->target_config, l->n_target_config);
    return c;
}

int link_same_key(const trl_link *a, const trl_link *b) {
    return trl_str_eq(a->source, b->source) && trl_str_eq(a->name, b->name) &&
           trl_str_eq(a->ns, b->ns) && trl_str_eq(a->package, b->package);
}

int link_same(const trl_link *a, const trl_link *b) {
    return link_same_key(a, b) && trl_str_eq(a->target, b->target);
}

static int has_interface(const trl_link *l, trl_str name) {
    for (uint32_t i = 0; i < l->n_interfaces; i++) {
        if (trl_str_eq(l->interfaces[i], name)) {
            return 1;
        }
    }
    return 0;
}

int link_overlaps(const trl_link *a, const trl_link *b) {
    for (uint32_t i = 0; i < a->n_interfaces; i++) {
        if (has_interface(b, a->interfaces[i])) {
            return 1;
        }
    }
    return 0;
}

static int same_list(const trl_str *a, uint32_t na, const trl_str *b, uint32_t nb) {
    int same = na == nb;
    for (uint32_t i = 0; same && i < na; i++) {
        same = trl_str_eq(a[i], b[i]);
    }
    return same;
}

int link_same_content(const trl_link *a, const trl_link *b) {
    int same =
        a->n_interfaces == b->n_interfaces &&
        same_list(a->source_config, a->n_source_config, b->source_config, b->n_source_config) &&
        same_list(a->target_config, a->n_target_config, b->target_config, b->n_target_config);
    for (uint32_t i = 0; same && i < a->n_interfaces; i++) {
        same = has_interface(b, a->interfaces[i]);
    }
    return same;
}

struct source *source_find(const struct lattice *l, trl_str id) {
    return names_find(&l->sources, id);
}

struct source *source_ensure(struct lattice *l, trl_str id) {
    struct source *s = source_find(l, id);
    if (!s) {
        s = x_zalloc(sizeof(*s));
        s->l = l;
        s->id = text_dup(id);
        names_put(&l->sources, id, s);
    }
    return s;
}

size_t source_count(const struct source *s, const trl_link *key) {
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        n += link_same_key(s->links[i], key) ? 1 : 0;
    }
    return n;
}

static void remember(struct lattice *l, const trl_link *link) {
    struct source *s = source_ensure(l, link->source);
    for (size_t i = 0; i < s->n; i++) {
        if (link_same(s->links[i], link)) {
            if (!link_same_content(s->links[i], link)) {
                free(s->links[i]);
                s->links[i] = link_dup(link);
            }
            return;
        }
    }
    s->links = x_grow(s->links, s->n, &s->cap, sizeof(trl_link *));
    s->links[s->n++] = link_dup(link);
}

void linkset_put(struct lattice *l, const trl_link *link) {
    remember(l, link);
    l->d->observe->links(l->d->host->ctx, lattice_id(l), link, 1, sizeof(*link), 0);
}

void linkset_drop(struct lattice *l, const trl_link *link) {
    struct source *s = source_find(l, link->source);
    int told = 0;
    for (size_t i = s ? s->n : 0; i-- > 0;) {
        trl_link *known = s->links[i];
        if (link_same_key(known, link) &&
            (!link->target.len || trl_str_eq(known->target, link->target))) {
            memmove(&s->links[i], &s->links[i + 1], (s->n - i - 1) * sizeof(trl_link *));
            s->n--;
            l->d->observe->link_gone(l->d->host->ctx, lattice_id(l), known);
            told = 1;
            free(known);
        }
    }
    if (!told) {
        l->d->observe->link_gone(l->d->host->ctx, lattice_id(l), link);
    }
}

static void source_clear(struct source *s) {
    for (size_t i = 0; i < s->n; i++) {
        free(s->links[i]);
    }
    s->n = 0;
}

void linkset_destroy(struct lattice *l) {
    for (size_t i = 0; i < l->sources.cap; i++) {
        struct source *s = l->sources.slots[i].key ? l->sources.slots[i].value : NULL;
        if (s) { /* its jobs are flows and gone by now */
            source_clear(s);
            free(s->links);
            free(s->id);
            free(s);
        }
    }
    names_finish(&l->sources);
}

/* Replaces everything known by what link.get said, and reports it. -1: garbage. */
int linkset_replace(struct lattice *l, const struct jnode *b_list) {
    struct trl_inst *d = l->d;
    size_t n = 0;
    if (!jnode_is(b_list, J_ARRAY)) {
        return -1;
    }
    JNODE_EACH(b_list, b) {
        if (decode_link(b, &d->link_in) < 0) {
            return -1; /* part of the links would look like the others were gone */
        }
        n++;
    }
    for (size_t i = 0; i < l->sources.cap; i++) {
        if (l->sources.slots[i].key) {
            source_clear(l->sources.slots[i].value);
        }
    }
    trl_link *all = x_zalloc_n(n, sizeof(*all));
    JNODE_EACH(b_list, b) {
        decode_link(b, &d->link_in);
        remember(l, &d->link_in.link);
    }
    size_t filled = 0;
    for (size_t i = 0; i < l->sources.cap; i++) {
        const struct source *s = l->sources.slots[i].key ? l->sources.slots[i].value : NULL;
        for (size_t k = 0; s && k < s->n; k++) {
            all[filled++] = *s->links[k];
        }
    }
    d->observe->links(d->host->ctx, lattice_id(l), all, (uint32_t)filled, sizeof(*all), 1);
    free(all);
    return 0;
}
