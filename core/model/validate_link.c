/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules 7, 8, 12 and 13: links.
 */
#include <string.h>

#include "base/mem.h"
#include "model/validate.h"

static const struct {
    const char *ns, *package;
    const char *interfaces[5];
} known[] = {
    {"wrpc", "blobstore", {"blobstore"}},
    {"wrpc", "keyvalue", {"atomics", "store"}},
    {"wrpc", "http", {"incoming-handler", "outgoing-handler"}},
    {"wasi", "blobstore", {"blobstore"}},
    {"wasi", "config", {"runtime"}},
    {"wasi", "keyvalue", {"atomics", "store", "batch", "watch"}},
    {"wasi", "http", {"incoming-handler", "outgoing-handler"}},
    {"wasi", "logging", {"logging"}},
    {"wasmcloud", "messaging", {"consumer", "handler"}},
};

/* Of a namespace nobody here knows, everything is fine. */
static bool is_known(str ns, str package, str interface) {
    bool ns_known = false;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (!str_is(ns, known[i].ns)) {
            continue;
        }
        ns_known = true;
        for (size_t k = 0; str_is(package, known[i].package) && known[i].interfaces[k]; k++) {
            if (str_is(interface, known[i].interfaces[k])) {
                return true;
            }
        }
    }
    return !ns_known;
}

static void add_wit(struct check *c, const struct link_trait *l, uint32_t i) {
    buf_add_str(&c->text, l->ns);
    buf_add_c(&c->text, ':');
    buf_add_str(&c->text, l->package);
    buf_add_c(&c->text, '/');
    buf_add_str(&c->text, l->interfaces[i]);
}

static const struct node *interface_at(const struct trait *t, uint32_t i) {
    const struct node *list = node_get(t->properties, "interfaces");
    return list && list->type == NODE_ARRAY && i < list->n ? list->items[i] : t->properties;
}

void check_interfaces(struct check *c) {
    for (uint32_t i = 0; i < c->m->n_items; i++) {
        const struct item *it = &c->m->items[i];
        for (uint32_t k = 0; k < it->n_traits; k++) {
            const struct trait *t = &it->traits[k];
            for (uint32_t j = 0; check_is_link(t) && j < t->link->n_interfaces; j++) {
                if (is_known(t->link->ns, t->link->package, t->link->interfaces[j])) {
                    continue;
                }
                buf_addf(&c->text, "unrecognized interface [");
                add_wit(c, t->link, j);
                buf_add_c(&c->text, ']');
                check_add(c, FINDING_WARNING, "unknown-interface",
                          check_path(c, it, ".traits[%u].properties.interfaces[%u]", k, j),
                          interface_at(t, j), "check its spelling");
            }
        }
    }
}

static void check_target(struct check *c, const struct item *it, uint32_t k) {
    const struct trait *t = &it->traits[k];
    const struct link_trait *l = t->link;
    if (map_has(&c->names, l->target.name)) {
        return;
    }
    buf_addf(&c->text, l->name.ptr ? "link (name [" : "link (target [");
    buf_add_str(&c->text, l->name.ptr ? l->name : l->target.name);
    buf_addf(&c->text, "]) target [");
    buf_add_str(&c->text, l->target.name);
    buf_addf(&c->text, "] is not a listed component");
    const struct node *at = node_get(t->properties, "target");
    check_add(c, FINDING_WARNING, "unlisted-target",
              check_path(c, it, ".traits[%u].properties.target", k), at ? at : t->properties, NULL);
}

/* What kept it from being a link, for a reader who is told about the target only. */
static void add_reason(struct check *c, const struct trait_faults *x) {
    if (x->n) {
        buf_addf(&c->text, " (it is no link because of ");
        buf_add_str(&c->text, x->at[0].path);
        buf_addf(&c->text, ": ");
        buf_add_str(&c->text, x->at[0].text);
        buf_add_c(&c->text, ')');
    }
}

static void check_custom_target(struct check *c, const struct item *it, uint32_t k) {
    const struct trait *t = &it->traits[k];
    const struct node *target = node_get(t->properties, "target");
    const struct node *name = node_get(target, "name");
    str path = check_path(c, it, ".traits[%u].properties%s", k, target ? ".target" : "");
    if (!target) {
        buf_addf(&c->text, "custom link is missing 'target' property");
        add_reason(c, &t->link_faults);
        check_add(c, FINDING_ERROR, "link-target", path, t->properties,
                  "a link has namespace, package, interfaces and target: {name: …}");
    } else if (!name || name->type != NODE_STRING) {
        buf_addf(&c->text, "custom link is missing 'target' name property");
        add_reason(c, &t->link_faults);
        check_add(c, FINDING_ERROR, "link-target", path, target,
                  "a link has namespace, package, interfaces and target: {name: …}");
    } else if (!map_has(&c->names, name->text)) {
        buf_addf(&c->text, "custom link target [");
        buf_add_str(&c->text, name->text);
        buf_addf(&c->text, "] is not a listed component");
        check_add(c, FINDING_WARNING, "unlisted-target", path, name, NULL);
    }
}

void check_targets(struct check *c) {
    for (uint32_t i = 0; i < c->m->n_items; i++) {
        const struct item *it = &c->m->items[i];
        for (uint32_t k = 0; k < it->n_traits; k++) {
            if (check_is_link(&it->traits[k])) {
                check_target(c, it, k);
            } else if (trait_is_link(&it->traits[k])) {
                check_custom_target(c, it, k);
            }
        }
    }
}

/* The parts with their lengths, so that no separator can be forged. */
static void link_key(struct buf *out, const struct link_trait *l, uint32_t i) {
    const str parts[] = {l->name.ptr ? l->name : STR("default"), l->ns, l->package,
                         l->interfaces[i]};
    buf_clear(out);
    for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
        buf_addf(out, "%zu:", parts[p].len);
        buf_add_str(out, parts[p]);
    }
}

static void check_item_links(struct check *c, const struct item *it) {
    struct map seen = MAP_INIT;
    struct buf key = BUF_INIT;
    for (uint32_t k = 0; k < it->n_traits; k++) {
        const struct trait *t = &it->traits[k];
        for (uint32_t j = 0; check_is_link(t) && j < t->link->n_interfaces; j++) {
            link_key(&key, t->link, j);
            if (!map_has(&seen, buf_str(&key))) {
                map_set(&seen, buf_str(&key), c);
                continue;
            }
            buf_addf(&c->text, "Duplicate link found inside component '");
            buf_add_str(&c->text, it->name);
            buf_addf(&c->text, "': ");
            buf_add_str(&c->text, t->link->name.ptr ? t->link->name : STR("default"));
            buf_addf(&c->text, " (");
            add_wit(c, t->link, j);
            buf_add_c(&c->text, ')');
            check_add(c, FINDING_ERROR, "duplicate-link",
                      check_path(c, it, ".traits[%u].properties.interfaces[%u]", k, j),
                      interface_at(t, j), "give one of the links another name");
        }
    }
    map_finish(&seen);
    buf_finish(&key);
}

void check_links(struct check *c) {
    for (uint32_t i = 0; i < c->m->n_items; i++) {
        check_item_links(c, &c->m->items[i]);
    }
}

static void check_end(struct check *c, struct map *seen, const struct item *it, uint32_t k,
                      const char *member, const struct link_end *e) {
    for (uint32_t i = 0; i < e->n_config; i++) {
        const struct config_item *x = &e->config[i];
        if (!x->managed) {
            continue;
        }
        if (!map_has(seen, x->name)) {
            map_set(seen, x->name, c);
            continue;
        }
        buf_addf(&c->text, "Duplicate link config name found: '");
        buf_add_str(&c->text, x->name);
        buf_add_c(&c->text, '\'');
        check_add(c, FINDING_ERROR, "duplicate-link-config",
                  check_path(c, it, ".traits[%u].properties.%s.config[%u]", k, member, i), x->at,
                  "give each config with properties a name of its own");
    }
}

void check_link_configs(struct check *c) {
    struct map seen = MAP_INIT;
    for (uint32_t i = 0; i < c->m->n_items; i++) {
        const struct item *it = &c->m->items[i];
        for (uint32_t k = 0; k < it->n_traits; k++) {
            if (check_is_link(&it->traits[k])) {
                check_end(c, &seen, it, k, "target", &it->traits[k].link->target);
                check_end(c, &seen, it, k, "source", &it->traits[k].link->source);
            }
        }
    }
    map_finish(&seen);
}
