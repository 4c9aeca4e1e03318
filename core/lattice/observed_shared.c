/* SPDX-License-Identifier: Apache-2.0
 *
 * What the hosts of a lattice share, as last reported: links and named configs.
 */
#include <string.h>

#include "lattice/observed_priv.h"

static void link_free(struct seen_link *l) {
    if (l) {
        mem_free(l->block);
        mem_free(l->interfaces);
        mem_free(l);
    }
}

void observed_finish_shared(struct observed *o) {
    for (uint32_t i = 0; i < o->links.n; i++) {
        link_free(o->links.at[i].value);
    }
    for (uint32_t i = 0; i < o->configs.n; i++) {
        mem_free(o->configs.at[i].value);
    }
    map_finish(&o->links);
    map_finish(&o->alike);
    map_finish(&o->configs);
}

/* Links */

str link_key(struct arena *a, str source, str target, str name, str ns, str package) {
    const str parts[5] = {source, ns, package, name, target};
    return arena_join(a, parts, 5, STR("\n"));
}

str link_delete_key(struct arena *a, str source, str name, str ns, str package) {
    const str parts[4] = {source, ns, package, name};
    return arena_join(a, parts, 4, STR("\n"));
}

static uint64_t hash_list(uint64_t h, const str *list, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        h = trl_hash_more(h, list[i].ptr, list[i].len);
        h = trl_hash_more(h, "", 1);
    }
    return trl_hash_more(h, "\1", 1);
}

uint64_t link_content(const str *interfaces, uint32_t n_interfaces, const str *source_config,
                      uint32_t n_source_config, const str *target_config,
                      uint32_t n_target_config) {
    uint64_t set = n_interfaces; /* a sum does not see the order */
    for (uint32_t i = 0; i < n_interfaces; i++) {
        set += hash_bytes(interfaces[i].ptr, interfaces[i].len);
    }
    uint64_t h = trl_hash_more(TRL_HASH_INIT, &set, sizeof(set));
    h = hash_list(h, source_config, n_source_config);
    return hash_list(h, target_config, n_target_config);
}

static struct seen_link *link_new(const trl_link *l, uint64_t content) {
    struct buf b = BUF_INIT;
    const str parts[5] = {l->source, l->target, l->name, l->ns, l->package};
    for (int i = 0; i < 5; i++) {
        buf_add_str(&b, parts[i]);
    }
    for (uint32_t i = 0; i < l->n_interfaces; i++) {
        buf_add_str(&b, l->interfaces[i]);
    }
    struct seen_link *s = mem_zalloc(sizeof(*s));
    s->block = buf_take(&b);
    s->interfaces = mem_array(l->n_interfaces, sizeof(str));
    s->n_interfaces = l->n_interfaces;
    s->content = content;
    str *to[5] = {&s->source, &s->target, &s->name, &s->ns, &s->package};
    const char *p = s->block;
    for (int i = 0; i < 5; i++) {
        *to[i] = str_n(p, parts[i].len);
        p += parts[i].len;
    }
    for (uint32_t i = 0; i < l->n_interfaces; i++) {
        s->interfaces[i] = str_n(p, l->interfaces[i].len);
        p += l->interfaces[i].len;
    }
    return s;
}

static void list_alike(struct observed *o, struct seen_link *l) {
    struct arena a = ARENA_INIT;
    str key = link_delete_key(&a, l->source, l->name, l->ns, l->package);
    l->alike = map_set(&o->alike, key, l);
    arena_finish(&a);
}

static void unlist_alike(struct observed *o, const struct seen_link *l) {
    struct arena a = ARENA_INIT;
    str key = link_delete_key(&a, l->source, l->name, l->ns, l->package);
    struct seen_link *x = map_get(&o->alike, key);
    if (x != l) {
        while (x->alike != l) {
            x = x->alike;
        }
        x->alike = l->alike;
    } else if (l->alike) {
        map_set(&o->alike, key, l->alike);
    } else {
        map_del(&o->alike, key);
    }
    arena_finish(&a);
}

static void put_link(struct observed *o, const trl_link *l, struct map *seen) {
    struct arena a = ARENA_INIT;
    str key = link_key(&a, l->source, l->target, l->name, l->ns, l->package);
    uint64_t content = link_content(l->interfaces, l->n_interfaces, l->source_config,
                                    l->n_source_config, l->target_config, l->n_target_config);
    struct seen_link *old = map_get(&o->links, key), *now;
    if (!old || old->content != content) {
        if (old) {
            unlist_alike(o, old);
        }
        now = link_new(l, content);
        list_alike(o, now);
        link_free(map_set(&o->links, key, now));
        observed_touch(o, OBS_LINK, OBS_NONE, l->source);
    }
    if (seen) {
        map_set(seen, key, o);
    }
    arena_finish(&a);
}

static void remove_link(struct observed *o, str key) {
    struct seen_link *l = map_del(&o->links, key);
    if (l) {
        unlist_alike(o, l);
        observed_touch(o, OBS_LINK, OBS_NONE, l->source);
        link_free(l);
    }
}

void observed_links(struct observed *o, const trl_link *links, uint32_t n, uint32_t stride,
                    bool full) {
    struct map seen = MAP_INIT;
    for (uint32_t i = 0; i < n; i++) {
        put_link(o, trl_at(links, stride, i), full ? &seen : NULL);
    }
    if (full) {
        for (uint32_t i = o->links.n; i-- > 0;) {
            if (!map_has(&seen, o->links.at[i].key)) {
                struct arena a = ARENA_INIT;
                remove_link(o, arena_str(&a, o->links.at[i].key));
                arena_finish(&a);
            }
        }
        if (!o->links_known) {
            o->links_known = true;
            observed_touch(o, OBS_LINK, OBS_NONE, STR_NONE);
        }
    }
    map_finish(&seen);
}

void observed_link_gone(struct observed *o, const trl_link *key) {
    struct arena a = ARENA_INIT;
    const struct seen_link *l =
        observed_links_alike(o, link_delete_key(&a, key->source, key->name, key->ns, key->package));
    while (l && key->target.len && !str_eq(l->target, key->target)) {
        l = l->alike;
    }
    if (l) { /* the host removes the first match only */
        remove_link(o, link_key(&a, l->source, l->target, l->name, l->ns, l->package));
    }
    arena_finish(&a);
}

const struct seen_link *observed_links_alike(const struct observed *o, str delete_key) {
    return map_get(&o->alike, delete_key);
}

const struct seen_link *observed_link(const struct observed *o, str key) {
    return map_get(&o->links, key);
}

/* Configs */

void observed_config(struct observed *o, str name, bool present, uint64_t hash) {
    struct seen_config *c = map_get(&o->configs, name);
    if (!c) {
        c = mem_zalloc(sizeof(*c));
        map_set(&o->configs, name, c);
    }
    if (!c->known || c->present != present || (present && c->hash != hash)) {
        *c = (struct seen_config){true, present, hash};
        observed_touch(o, OBS_CONFIG, OBS_NONE, name);
    }
}

struct seen_config observed_get_config(const struct observed *o, str name) {
    const struct seen_config *c = map_get(&o->configs, name);
    return c ? *c : (struct seen_config){false, false, 0};
}

void observed_forget_configs(struct observed *o) {
    for (uint32_t i = 0; i < o->configs.n; i++) {
        ((struct seen_config *)o->configs.at[i].value)->known = false;
    }
}
