/* SPDX-License-Identifier: Apache-2.0 */
#include "facts.h"

#include <trellis/helper.h>

#include "../../plugins/common/xmem.h"

#define KEEP_MAX 16384u /* nodes and things that wait for the next subject */

static trl_str get(const struct jnode *o, const char *key) {
    return jnode_str(jnode_get(o, key));
}

static double number_of(const struct jnode *j) {
    return jnode_is(j, J_INT) && j->integer >= 0 ? (double)j->integer : -1;
}

/* The elements of a list; nothing when it is none. */
static const struct jnode *list_of(const struct jnode *o, const char *key) {
    const struct jnode *list = jnode_get(o, key);
    return jnode_is(list, J_ARRAY) ? list : NULL;
}

static struct thing *add(struct facts *f, enum about what) {
    struct things *t = &f->things[what];
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 4;
        t->at = x_realloc_n(t->at, t->cap, sizeof(*t->at));
    }
    struct thing *x = &t->at[t->n++];
    memset(x, 0, sizeof(*x));
    x->count = -1;
    return x;
}

static void set_image(struct thing *x, trl_str image) {
    struct image_ref r;
    if (!image.ptr) {
        return;
    }
    image_split(image, &r);
    x->slot[U_IMAGE] = image;
    x->slot[U_REGISTRY] = r.registry;
    x->slot[U_REPOSITORY] = r.repository;
    x->slot[U_TAG] = r.tag;
    x->slot[U_DIGEST] = r.digest;
}

/* A unit is an object, or only its name. */
static void set_unit(struct thing *x, const struct jnode *unit) {
    if (jnode_is(unit, J_OBJECT)) {
        x->slot[U_NAME] = get(unit, "name");
        x->slot[U_KIND] = get(unit, "kind");
        x->count = number_of(jnode_get(unit, "instances"));
        x->path = get(unit, "path");
        set_image(x, get(unit, "image"));
    } else {
        x->slot[U_NAME] = jnode_str(unit);
    }
}

/* What the subject of one unit says beside it. */
static void set_beside(struct thing *x, const struct jnode *o) {
    if (!x->slot[U_IMAGE].ptr) {
        set_image(x, get(o, "image"));
    }
    if (x->count < 0) {
        x->count = number_of(jnode_get(o, "count"));
    }
}

static void read_units(struct facts *f, const struct jnode *o) {
    const struct jnode *unit = jnode_get(o, "unit");
    JNODE_EACH(list_of(o, "units"), u) {
        set_unit(add(f, ABOUT_UNIT), u);
    }
    if (unit && f->point != TRL_POINT_PUT && f->point != TRL_POINT_DEPLOY) {
        struct thing *x = add(f, ABOUT_UNIT);
        set_unit(x, unit);
        set_beside(x, o);
    }
}

static int by_name(const void *a, const void *b) {
    return trl_str_cmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static void name_units(struct facts *f, const struct jnode *o) {
    const struct jnode *units = list_of(o, "units");
    f->named = x_zalloc_n(jnode_count(units), sizeof(*f->named));
    f->n_named = 0;
    JNODE_EACH(units, u) {
        trl_str name = get(u, "name");
        if (name.ptr) {
            f->named[f->n_named++] = (struct named){name, u};
        }
    }
    qsort(f->named, f->n_named, sizeof(*f->named), by_name);
}

/* Actions name units only: where the manifest says it, and its kind. */
static void find_unit(const struct facts *f, struct thing *x) {
    struct named key = {x->slot[U_NAME], NULL};
    const struct named *n = key.name.ptr && f->n_named
                                ? bsearch(&key, f->named, f->n_named, sizeof(*f->named), by_name)
                                : NULL;
    if (n) {
        x->path = get(n->unit, "path");
        x->slot[U_KIND] = x->slot[U_KIND].ptr ? x->slot[U_KIND] : get(n->unit, "kind");
    }
}

static void read_action(struct facts *f, const struct jnode *o) {
    const struct jnode *host = jnode_get(o, "host");
    struct thing *x = add(f, ABOUT_ACTION);
    set_unit(x, jnode_get(o, "unit"));
    set_beside(x, o);
    find_unit(f, x);
    x->slot[U_VERB] = get(o, "verb");
    x->slot[U_HOST] = jnode_is(host, J_OBJECT) ? get(host, "id") : jnode_str(host);
}

static void read_actions(struct facts *f, const struct jnode *o) {
    name_units(f, o);
    if (f->point == TRL_POINT_COMMAND) {
        read_action(f, o);
    }
    JNODE_EACH(list_of(jnode_get(o, "plan"), "actions"), a) {
        read_action(f, a);
    }
}

static void read_links(struct facts *f, const struct jnode *o) {
    JNODE_EACH(list_of(o, "links"), l) {
        struct thing *x = add(f, ABOUT_LINK);
        x->slot[L_NAME] = get(l, "name");
        x->slot[L_SOURCE] = get(l, "source");
        x->slot[L_TARGET] = get(l, "target");
        x->slot[L_NAMESPACE] = get(l, "namespace");
        x->slot[L_PACKAGE] = get(l, "package");
        x->list = jnode_get(l, "interfaces");
        x->path = get(l, "path");
    }
}

static struct thing *read_secret(struct facts *f, const struct jnode *s) {
    struct thing *x = add(f, ABOUT_SECRET);
    x->slot[S_NAME] = get(s, "name");
    x->slot[S_BACKEND] = get(s, "backend");
    x->slot[S_KEY] = get(s, "key");
    x->slot[S_FIELD] = get(s, "field");
    x->slot[S_VERSION] = get(s, "version");
    x->slot[S_UNIT] = get(s, "unit");
    x->map = jnode_get(s, "properties");
    x->path = get(s, "path");
    return x;
}

static void read_secrets(struct facts *f, const struct jnode *o) {
    const struct jnode *one = jnode_get(o, "secret");
    JNODE_EACH(list_of(o, "secrets"), s) {
        read_secret(f, s);
    }
    if (one && f->point == TRL_POINT_SECRET) {
        read_secret(f, one)->map = f->maps[M_PROPERTIES];
    }
}

static void read_configs(struct facts *f, const struct jnode *o) {
    JNODE_EACH(list_of(o, "configs"), c) {
        struct thing *x = add(f, ABOUT_CONFIG);
        x->slot[C_NAME] = get(c, "name");
        x->slot[C_UNIT] = get(c, "unit");
        x->path = get(c, "path");
    }
}

static void read_whole(struct facts *f, const struct jnode *o) {
    static const char *const counts[] = {"start", "stop", "update", "link", "config"};
    const struct jnode *caller = jnode_get(o, "caller"), *host = jnode_get(o, "host"),
                       *entity = jnode_get(o, "entity"),
                       *plan = jnode_get(jnode_get(o, "plan"), "counts");
    f->whole[W_APP] = get(o, "app");
    f->whole[W_LATTICE] = get(o, "lattice");
    f->whole[W_TENANT] = get(o, "tenant");
    f->whole[W_VERSION] = get(o, "version");
    f->whole[W_CALLER_ID] = get(caller, "id");
    f->whole[W_CALLER_VIA] = get(caller, "via");
    f->whole[W_HOST_ID] = get(host, "id");
    f->whole[W_HOST_NAME] = get(host, "name");
    f->whole[W_HOST_ISSUER] = get(host, "issuer");
    f->whole[W_REQUEST] = get(o, "kind");
    f->whole[W_INTERFACE] = get(o, "interface");
    f->whole[W_FUNCTION] = get(o, "function");
    f->whole[W_ENTITY_KIND] = get(entity, "kind");
    f->whole[W_ENTITY_SUBJECT] = get(entity, "subject");
    f->whole[W_ENTITY_ISSUER] = get(entity, "issuer");
    f->whole[W_ENTITY_NAME] = get(entity, "name");
    f->maps[M_LABELS] = jnode_get(host, "labels");
    f->maps[M_ANNOTATIONS] = jnode_get(o, "annotations");
    f->maps[M_CLAIMS] = jnode_get(o, "claims");
    f->maps[M_PROPERTIES] = jnode_get(o, "properties");
    for (size_t i = 0; i < PLAN_SLOTS; i++) {
        const struct jnode *n = jnode_get(plan, counts[i]);
        f->plan[i] = n ? number_of(n) : jnode_is(plan, J_OBJECT) ? 0 : -1;
    }
}

/* Fewer instances than there are, or something goes altogether. */
static bool removes(const struct jnode *o) {
    trl_str verb = get(o, "verb");
    double count = number_of(jnode_get(o, "count")), old = number_of(jnode_get(o, "count_old"));
    return trl_str_is(verb, "provider_stop") || trl_str_is(verb, "link_del") ||
           trl_str_is(verb, "config_del") ||
           (trl_str_is(verb, "scale") && (count == 0 || (count > 0 && count < old)));
}

bool facts_read(struct facts *f, uint32_t point, trl_str subject, uint32_t abouts) {
    static void (*const readers[ABOUTS])(struct facts *, const struct jnode *) = {
        NULL, read_units, read_actions, read_links, read_secrets, read_configs};
    facts_clear(f);
    const struct jnode *root = jtree_parse(&f->tree, subject.len ? subject.ptr : "", subject.len);
    if (!jnode_is(root, J_OBJECT)) {
        return false;
    }
    f->point = point;
    read_whole(f, root);
    f->removes = point == TRL_POINT_COMMAND && removes(root);
    f->by_self = f->whole[W_CALLER_VIA].ptr && trl_str_is(f->whole[W_CALLER_VIA], "self");
    for (uint32_t i = 1; i < ABOUTS; i++) {
        if (abouts & (1u << i)) {
            readers[i](f, root);
        }
    }
    return true;
}

void facts_clear(struct facts *f) {
    for (uint32_t i = 0; i < ABOUTS; i++) {
        f->things[i].n = 0;
        if (f->things[i].cap > KEEP_MAX) {
            free(f->things[i].at);
            memset(&f->things[i], 0, sizeof(f->things[i]));
        }
    }
    if (f->tree.cap > KEEP_MAX) {
        jtree_finish(&f->tree);
    }
    free(f->named);
    f->named = NULL;
    f->n_named = 0;
}

void facts_finish(struct facts *f) {
    facts_clear(f);
    jtree_finish(&f->tree);
    for (uint32_t i = 0; i < ABOUTS; i++) {
        free(f->things[i].at);
    }
}
