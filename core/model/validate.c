/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules 1 to 6 and the order of all (WA 4.1). The texts are wadm's where its clients match on them.
 */
#include "model/validate.h"

#include <stdlib.h>

#include "base/mem.h"
#include "model/text.h"

void check_add(struct check *c, enum finding_level level, const char *code, str path,
               const struct node *at, const char *fix) {
    struct text_pos p = dec_pos(at);
    findings_add(c->f, level, code, path, p.line, p.column, buf_str(&c->text),
                 str_c(fix ? fix : ""));
    buf_clear(&c->text);
}

str check_path(struct check *c, const struct item *it, const char *fmt, ...) {
    struct buf b = BUF_INIT;
    va_list ap;
    buf_addf(&b, "spec.components[%u]", (unsigned)(it - c->m->items));
    va_start(ap, fmt);
    buf_addv(&b, fmt, ap);
    va_end(ap);
    str s = arena_str(&c->f->arena, buf_str(&b));
    buf_finish(&b);
    return s;
}

bool check_is_link(const struct trait *t) {
    return trait_is_link(t) && t->shape == TRAIT_LINK;
}

static const struct node *metadata(const struct check *c, const char *member) {
    return node_get(node_get(c->m->root, "metadata"), member);
}

/* The place of a key is that of its value's node, or of the mapping. */
static const struct node *key_at(const struct node *map, str key) {
    const struct node *n = node_get_str(map, key);
    return n ? n : map;
}

static void rule_name(struct check *c) {
    if (!text_is_name(c->m->name)) {
        buf_add(&c->text, "manifest name [", 15);
        buf_add_str(&c->text, c->m->name);
        buf_addf(&c->text, "] is not allowed (should match regex [^[-\\w]+$])");
        check_add(c, FINDING_ERROR, "name", STR("metadata.name"), metadata(c, "name"),
                  "use ASCII letters, digits, - and _ only, without blanks around them");
    }
}

static void rule_version(struct check *c) {
    if (str_is(manifest_version(c->m), "latest")) {
        buf_addf(&c->text, "latest is not allowed in wadm");
        check_add(c, FINDING_ERROR, "version", STR("metadata.annotations.version"),
                  node_get(metadata(c, "annotations"), "version"),
                  "name a version, or leave it out and one is made");
    }
}

static void rule_keys(struct check *c, const char *what, const char *member, const struct pair *at,
                      uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (text_is_label_key(at[i].key)) {
            continue;
        }
        struct buf path = BUF_INIT;
        buf_addf(&path, "metadata.%s.", member);
        buf_add_str(&path, at[i].key);
        buf_addf(&c->text, "Invalid OAM %s: (", what);
        text_add_quoted(&c->text, at[i].key);
        buf_add(&c->text, ", ", 2);
        text_add_quoted(&c->text, at[i].value);
        buf_add_c(&c->text, ')');
        check_add(c, FINDING_ERROR, "label-key", buf_str(&path),
                  key_at(metadata(c, member), at[i].key),
                  "a key is [DNS name/]name with 1-63 of A-Z a-z 0-9 - _ . in the name");
        buf_finish(&path);
    }
}

static void rule_duplicates(struct check *c) {
    struct map ids = MAP_INIT;
    for (uint32_t i = 0; i < c->m->n_items; i++) {
        struct item *it = &c->m->items[i];
        if (map_has(&c->names, it->name)) {
            buf_addf(&c->text, "Duplicate component name in manifest: ");
            buf_add_str(&c->text, it->name);
            check_add(c, FINDING_ERROR, "duplicate-component", check_path(c, it, ".name"),
                      node_get(it->at, "name"), "give each component a name of its own");
        } else {
            map_set(&c->names, it->name, it);
        }
        if (!it->id.ptr) {
            continue;
        }
        if (map_has(&ids, it->id)) {
            buf_addf(&c->text, "Duplicate component identifier in manifest: ");
            buf_add_str(&c->text, it->id);
            check_add(c, FINDING_ERROR, "duplicate-id", check_path(c, it, ".properties.id"),
                      node_get(node_get(it->at, "properties"), "id"),
                      "give each component an id of its own, or leave it out");
        } else {
            map_set(&ids, it->id, it);
        }
    }
    map_finish(&ids);
}

struct missing {
    VEC(str) names;
    str path;
    const struct node *at;
    str empty_in; /* a component with a link without a target */
};

static void collect_missing(struct check *c, struct missing *x) {
    for (uint32_t i = 0; i < c->m->n_items; i++) {
        const struct item *it = &c->m->items[i];
        for (uint32_t k = 0; k < it->n_traits; k++) {
            const struct trait *t = &it->traits[k];
            if (t->shape != TRAIT_LINK || map_has(&c->names, t->link->target.name)) {
                continue;
            }
            if (!x->at) {
                const struct node *target = node_get(t->properties, "target");
                x->at = target ? target : t->properties;
                x->path = check_path(c, it, ".traits[%u].properties.target", k);
            }
            if (t->link->target.name.len == 0 && !x->empty_in.ptr) {
                x->empty_in = it->name;
            }
            *VEC_ADD(&x->names) = t->link->target.name;
        }
    }
}

static void rule_missing(struct check *c) {
    struct missing x = {.at = NULL};
    bool first = true;
    collect_missing(c, &x);
    if (x.names.n) {
        qsort(x.names.at, x.names.n, sizeof(*x.names.at), str_cmp_qsort);
        buf_addf(&c->text,
                 "The following capability component(s) are missing from the manifest: [");
        for (uint32_t i = 0; i < x.names.n; i++) {
            if (i > 0 && str_eq(x.names.at[i], x.names.at[i - 1])) {
                continue;
            }
            buf_addf(&c->text, "%s", first ? "" : ", ");
            text_add_quoted(&c->text, x.names.at[i]);
            first = false;
        }
        buf_add_c(&c->text, ']');
        if (x.empty_in.ptr) {
            buf_addf(&c->text, " (a link of component ");
            text_add_quoted(&c->text, x.empty_in);
            buf_addf(&c->text, " has no target, or an empty one)");
        }
        check_add(c, FINDING_ERROR, "missing-target", x.path, x.at,
                  "add the component, or correct the target of the link");
    }
    VEC_FREE(&x.names);
}

uint32_t manifest_validate(const struct manifest *m, struct findings *f) {
    struct check c = {.m = m, .f = f};
    uint32_t before = f->errors;
    rule_name(&c);
    rule_version(&c);
    rule_keys(&c, "label", "labels", m->labels, m->n_labels);
    rule_keys(&c, "annotation", "annotations", m->annotations, m->n_annotations);
    rule_duplicates(&c);
    rule_missing(&c);
    check_interfaces(&c);
    check_targets(&c);
    check_secrets(&c);
    check_custom(&c);
    check_items(&c);
    check_links(&c);
    check_link_configs(&c);
    check_lint(&c);
    map_finish(&c.names);
    buf_finish(&c.text);
    return f->errors - before;
}
