/* SPDX-License-Identifier: Apache-2.0 */
#include "hostwire/links.h"

#include <string.h>

#include "base/mem.h"

static char *append(char *p, str from, str *ret) {
    if (from.len) {
        memcpy(p, from.ptr, from.len);
    }
    *ret = str_n(p, from.len);
    return p + from.len;
}

struct vlink *vlink_new(const struct vlink *like) {
    size_t size =
        like->source.len + like->target.len + like->name.len + like->ns.len + like->package.len;
    struct vlink *l = mem_zalloc(sizeof(*l) + size);
    char *p = (char *)(l + 1);
    l->refs = 1;
    p = append(p, like->source, &l->source);
    p = append(p, like->target, &l->target);
    p = append(p, like->name, &l->name);
    p = append(p, like->ns, &l->ns);
    append(p, like->package, &l->package);
    l->interfaces = like->interfaces;
    l->source_config = like->source_config;
    l->target_config = like->target_config;
    return l;
}

struct vlink *vlink_ref(struct vlink *l) {
    l->refs++;
    return l;
}

void vlink_unref(struct vlink *l) {
    if (l && --l->refs == 0) {
        strs_unref(l->interfaces);
        strs_unref(l->source_config);
        strs_unref(l->target_config);
        mem_free(l);
    }
}

void vlink_write(const struct vlink *l, struct jw *w) {
    jw_kv(w, "source_id", l->source);
    jw_kv(w, "target", l->target);
    jw_kv(w, "name", l->name);
    jw_kv(w, "wit_namespace", l->ns);
    jw_kv(w, "wit_package", l->package);
    jw_key(w, "interfaces");
    strs_write(l->interfaces, w);
    jw_key(w, "source_config");
    strs_write(l->source_config, w);
    jw_key(w, "target_config");
    strs_write(l->target_config, w);
}

struct linkset *linkset_ref(struct linkset *s) {
    if (s) {
        s->refs++;
    }
    return s;
}

void linkset_unref(struct linkset *s) {
    if (s && --s->refs == 0) {
        for (uint32_t i = 0; i < s->n; i++) {
            vlink_unref(s->at[i]);
        }
        mem_free(s);
    }
}

static struct linkset *copy(const struct linkset *s, uint32_t room) {
    uint32_t n = s ? s->n : 0;
    struct linkset *c = mem_alloc(sizeof(*c) + (n + room) * sizeof(c->at[0]));
    c->refs = 1;
    c->n = n;
    for (uint32_t i = 0; i < n; i++) {
        c->at[i] = vlink_ref(s->at[i]);
    }
    return c;
}

static bool named(const struct vlink *l, str ns, str package, str name) {
    return str_eq(l->ns, ns) && str_eq(l->package, package) && str_eq(l->name, name);
}

struct linkset *linkset_put(const struct linkset *s, struct vlink *l) {
    struct linkset *c = copy(s, 1);
    for (uint32_t i = 0; i < c->n; i++) {
        if (named(c->at[i], l->ns, l->package, l->name) && str_eq(c->at[i]->target, l->target)) {
            vlink_unref(c->at[i]);
            c->at[i] = vlink_ref(l);
            return c;
        }
    }
    c->at[c->n++] = vlink_ref(l);
    return c;
}

bool linkset_conflict(const struct linkset *s, const struct vlink *l) {
    for (uint32_t i = 0; s && i < s->n; i++) {
        const struct vlink *o = s->at[i];
        if (named(o, l->ns, l->package, l->name) && !str_eq(o->target, l->target) &&
            strs_common(o->interfaces, l->interfaces)) {
            return true;
        }
    }
    return false;
}

struct linkset *linkset_del(const struct linkset *s, str ns, str package, str name,
                            struct vlink **ret_found) {
    struct linkset *c = copy(s, 0);
    *ret_found = NULL;
    for (uint32_t i = 0; i < c->n; i++) {
        if (named(c->at[i], ns, package, name)) {
            *ret_found = c->at[i]; /* our reference becomes the caller's */
            c->at[i] = c->at[--c->n];
            break;
        }
    }
    return c;
}
