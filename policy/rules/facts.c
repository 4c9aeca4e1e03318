/* SPDX-License-Identifier: Apache-2.0 */
#include "facts.h"

#include "../../plugins/common/xmem.h"

static trl_str text_of(const json_t *j) {
    trl_str s = {NULL, 0};
    if (json_is_string(j)) {
        s.ptr = json_string_value(j);
        s.len = json_string_length(j);
    }
    return s;
}

static trl_str get(const json_t *o, const char *key) {
    return text_of(json_object_get(o, key));
}

static double number_of(const json_t *j) {
    double v = json_is_number(j) ? json_number_value(j) : -1;
    return v >= 0 ? v : -1;
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
static void set_unit(struct thing *x, const json_t *unit) {
    if (json_is_object(unit)) {
        x->slot[U_NAME] = get(unit, "name");
        x->slot[U_KIND] = get(unit, "kind");
        x->count = number_of(json_object_get(unit, "instances"));
        x->path = get(unit, "path");
        set_image(x, get(unit, "image"));
    } else {
        x->slot[U_NAME] = text_of(unit);
    }
}

/* What the subject of one unit says beside it. */
static void set_beside(struct thing *x, const json_t *o) {
    if (!x->slot[U_IMAGE].ptr) {
        set_image(x, get(o, "image"));
    }
    if (x->count < 0) {
        x->count = number_of(json_object_get(o, "count"));
    }
}

static void read_units(struct facts *f, const json_t *o) {
    const json_t *unit = json_object_get(o, "unit");
    size_t i;
    json_t *u;
    json_array_foreach(json_object_get(o, "units"), i, u) {
        set_unit(add(f, ABOUT_UNIT), u);
    }
    if (unit && f->point != TRL_POINT_PUT && f->point != TRL_POINT_DEPLOY) {
        struct thing *x = add(f, ABOUT_UNIT);
        set_unit(x, unit);
        set_beside(x, o);
    }
}

/* Actions name units only: where the manifest says it, and its kind. */
static void find_unit(const json_t *by_name, struct thing *x) {
    const json_t *u = x->slot[U_NAME].ptr ? json_object_get(by_name, x->slot[U_NAME].ptr) : NULL;
    if (u) {
        x->path = get(u, "path");
        x->slot[U_KIND] = x->slot[U_KIND].ptr ? x->slot[U_KIND] : get(u, "kind");
    }
}

static void read_action(struct facts *f, const json_t *o, const json_t *by_name) {
    const json_t *host = json_object_get(o, "host");
    struct thing *x = add(f, ABOUT_ACTION);
    set_unit(x, json_object_get(o, "unit"));
    set_beside(x, o);
    find_unit(by_name, x);
    x->slot[U_VERB] = get(o, "verb");
    x->slot[U_HOST] = json_is_object(host) ? get(host, "id") : text_of(host);
}

static void read_actions(struct facts *f, const json_t *o) {
    json_t *by_name = json_object(), *u, *a;
    size_t i;
    json_array_foreach(json_object_get(o, "units"), i, u) {
        trl_str name = get(u, "name");
        if (name.ptr) {
            json_object_set_nocheck(by_name, name.ptr, u);
        }
    }
    if (f->point == TRL_POINT_COMMAND) {
        read_action(f, o, by_name);
    }
    json_array_foreach(json_object_get(json_object_get(o, "plan"), "actions"), i, a) {
        read_action(f, a, by_name);
    }
    json_decref(by_name);
}

static void read_links(struct facts *f, const json_t *o) {
    size_t i;
    json_t *l;
    json_array_foreach(json_object_get(o, "links"), i, l) {
        struct thing *x = add(f, ABOUT_LINK);
        x->slot[L_NAME] = get(l, "name");
        x->slot[L_SOURCE] = get(l, "source");
        x->slot[L_TARGET] = get(l, "target");
        x->slot[L_NAMESPACE] = get(l, "namespace");
        x->slot[L_PACKAGE] = get(l, "package");
        x->list = json_object_get(l, "interfaces");
        x->path = get(l, "path");
    }
}

static struct thing *read_secret(struct facts *f, const json_t *s) {
    struct thing *x = add(f, ABOUT_SECRET);
    x->slot[S_NAME] = get(s, "name");
    x->slot[S_BACKEND] = get(s, "backend");
    x->slot[S_KEY] = get(s, "key");
    x->slot[S_FIELD] = get(s, "field");
    x->slot[S_VERSION] = get(s, "version");
    x->slot[S_UNIT] = get(s, "unit");
    x->map = json_object_get(s, "properties");
    x->path = get(s, "path");
    return x;
}

static void read_secrets(struct facts *f, const json_t *o) {
    const json_t *one = json_object_get(o, "secret");
    size_t i;
    json_t *s;
    json_array_foreach(json_object_get(o, "secrets"), i, s) {
        read_secret(f, s);
    }
    if (one && f->point == TRL_POINT_SECRET) {
        read_secret(f, one)->map = f->maps[M_PROPERTIES];
    }
}

static void read_configs(struct facts *f, const json_t *o) {
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(o, "configs"), i, c) {
        struct thing *x = add(f, ABOUT_CONFIG);
        x->slot[C_NAME] = get(c, "name");
        x->path = get(c, "path");
    }
}

static void read_whole(struct facts *f, const json_t *o) {
    static const char *const counts[] = {"start", "stop", "update", "link", "config"};
    const json_t *caller = json_object_get(o, "caller"), *host = json_object_get(o, "host"),
                 *entity = json_object_get(o, "entity"),
                 *plan = json_object_get(json_object_get(o, "plan"), "counts");
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
    f->maps[M_LABELS] = json_object_get(host, "labels");
    f->maps[M_ANNOTATIONS] = json_object_get(o, "annotations");
    f->maps[M_CLAIMS] = json_object_get(o, "claims");
    f->maps[M_PROPERTIES] = json_object_get(o, "properties");
    for (size_t i = 0; i < PLAN_SLOTS; i++) {
        const json_t *n = json_object_get(plan, counts[i]);
        f->plan[i] = n ? number_of(n) : json_is_object(plan) ? 0 : -1;
    }
}

bool facts_read(struct facts *f, uint32_t point, trl_str subject, uint32_t abouts,
                struct text *err) {
    static void (*const readers[ABOUTS])(struct facts *, const json_t *) = {
        NULL, read_units, read_actions, read_links, read_secrets, read_configs};
    json_error_t e;
    facts_clear(f);
    /* Instances may be beyond 63 bits; a member that stands twice would be read differently by
     * others. */
    f->subject = json_loadb(subject.len ? subject.ptr : "", subject.len,
                            JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &e);
    if (!f->subject) {
        text_f(err, "the subject is no JSON: see byte %d", e.position);
        return false;
    }
    if (!json_is_object(f->subject)) {
        text_c(err, "the subject is no JSON object");
        return false;
    }
    f->point = point;
    read_whole(f, f->subject);
    for (uint32_t i = 1; i < ABOUTS; i++) {
        if (abouts & (1u << i)) {
            readers[i](f, f->subject);
        }
    }
    return true;
}

void facts_clear(struct facts *f) {
    json_decref(f->subject);
    f->subject = NULL;
    for (uint32_t i = 0; i < ABOUTS; i++) {
        f->things[i].n = 0;
    }
}

void facts_finish(struct facts *f) {
    facts_clear(f);
    for (uint32_t i = 0; i < ABOUTS; i++) {
        free(f->things[i].at);
    }
}
