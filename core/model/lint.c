/* SPDX-License-Identifier: Apache-2.0
 *
 * Warnings of our own: what wadm accepts without a word although nothing will come of it (WA 8).
 */
#include "model/validate.h"

static void lint_header(struct check *c) {
    const struct manifest *m = c->m;
    if (!str_is(m->api_version, "core.oam.dev/v1beta1")) {
        buf_addf(&c->text, "apiVersion is not core.oam.dev/v1beta1; it is not looked at");
        check_add(c, FINDING_WARNING, "api-version", STR("apiVersion"),
                  node_get(m->root, "apiVersion"), NULL);
    }
    if (!str_is(m->kind, "Application")) {
        buf_addf(&c->text, "kind is not Application; it is not looked at");
        check_add(c, FINDING_WARNING, "kind", STR("kind"), node_get(m->root, "kind"), NULL);
    }
    if (m->n_items == 0) {
        buf_addf(&c->text, "no components: nothing will run");
        check_add(c, FINDING_WARNING, "no-components", STR("spec.components"),
                  node_get(m->root, "spec"), NULL);
    }
}

/* Two components with one id are one component to a host. Explicit ids are rule 5's. */
static void lint_ids(struct check *c) {
    struct map seen = MAP_INIT;
    struct arena a = ARENA_INIT;
    for (uint32_t i = 0; i < c->m->n_items; i++) {
        struct item *it = &c->m->items[i];
        if (it->shared && !it->id.ptr) {
            continue; /* its id is the other application's */
        }
        str id = model_item_id(&a, c->m->name, it);
        const struct item *other = map_get(&seen, id);
        if (!other) {
            map_set(&seen, id, it);
        } else if (!str_eq(other->name, it->name) && !(other->id.ptr && it->id.ptr)) {
            buf_addf(&c->text, "components '");
            buf_add_str(&c->text, other->name);
            buf_addf(&c->text, "' and '");
            buf_add_str(&c->text, it->name);
            buf_addf(&c->text, "' have one id in the lattice: ");
            buf_add_str(&c->text, id);
            check_add(c, FINDING_WARNING, "id-collision", check_path(c, it, ".name"), it->at,
                      "rename one, or give it an id");
        }
    }
    map_finish(&seen);
    arena_finish(&a);
}

#define ON_CHANGE "trellis.dev/on-change."

static bool has_item(const struct config_item *configs, uint32_t n_configs,
                     const struct secret_item *secrets, uint32_t n_secrets, str name) {
    for (uint32_t i = 0; i < n_configs; i++) {
        if (configs[i].managed && str_eq(configs[i].name, name)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < n_secrets; i++) {
        if (str_eq(secrets[i].name, name)) {
            return true;
        }
    }
    return false;
}

static bool end_has(const struct link_end *e, str name) {
    return has_item(e->config, e->n_config, e->secrets, e->n_secrets, name);
}

/* Is there a config with values, or a secret, of that name? */
static bool can_change(const struct manifest *m, str name) {
    for (uint32_t i = 0; i < m->n_items; i++) {
        const struct item *it = &m->items[i];
        if (has_item(it->config, it->n_config, it->secrets, it->n_secrets, name)) {
            return true;
        }
        for (uint32_t k = 0; k < it->n_traits; k++) {
            const struct link_trait *l = check_is_link(&it->traits[k]) ? it->traits[k].link : NULL;
            if (l && (end_has(&l->source, name) || end_has(&l->target, name))) {
                return true;
            }
        }
    }
    return false;
}

/* Annotations that say how a change reaches those who use it. */
static void lint_on_change(struct check *c) {
    const struct manifest *m = c->m;
    const struct node *all = node_get(node_get(m->root, "metadata"), "annotations");
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        const struct pair *x = &m->annotations[i];
        const char *fix = NULL;
        if (!str_starts(x->key, STR(ON_CHANGE))) {
            continue;
        }
        str name = str_skip(x->key, sizeof(ON_CHANGE) - 1);
        if (!str_is(x->value, "hot") && !str_is(x->value, "roll") && !str_is(x->value, "ignore")) {
            fix = "write hot, roll or ignore";
            buf_addf(&c->text, "'%.*s' is none of hot, roll and ignore: it is not looked at",
                     PSTR(x->value));
        } else if (!can_change(m, name)) {
            fix = "correct the name, or remove the annotation";
            buf_addf(&c->text,
                     "'%.*s' is neither a secret nor a config with properties of this manifest",
                     PSTR(name));
        }
        if (fix) {
            str path = arena_printf(&c->f->arena, "metadata.annotations.%.*s", PSTR(x->key));
            check_add(c, FINDING_WARNING, "on-change", path, node_get_str(all, x->key), fix);
        }
    }
}

static bool same_values(const struct config_item *a, const struct config_item *b) {
    bool same = a->n_properties == b->n_properties;
    for (uint32_t i = 0; same && i < a->n_properties; i++) {
        same = str_eq(a->properties[i].key, b->properties[i].key) &&
               str_eq(a->properties[i].value, b->properties[i].value);
    }
    return same;
}

struct configs {
    struct map seen;
    struct arena arena;
};

/* Managed configs are named by application and config, not by component. */
static void lint_configs(struct check *c, struct configs *x, str path, struct config_item *at,
                         uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (!at[i].managed) {
            continue;
        }
        str name = model_config_name(&x->arena, c->m->name, &at[i]);
        const struct config_item *other = map_get(&x->seen, name);
        if (!other) {
            map_set(&x->seen, name, &at[i]);
        } else if (!same_values(other, &at[i])) {
            buf_addf(&c->text, "config '");
            buf_add_str(&c->text, at[i].name);
            buf_addf(&c->text,
                     "' has other values than the config of the same stored name in line %u",
                     other->at->line);
            check_add(c, FINDING_WARNING, "config-collision", path, at[i].at,
                      "give one of them another name");
        }
    }
}

static void lint_all_configs(struct check *c) {
    struct configs x = {MAP_INIT, ARENA_INIT};
    for (uint32_t i = 0; i < c->m->n_items; i++) {
        struct item *it = &c->m->items[i];
        lint_configs(c, &x, check_path(c, it, ".properties.config"), it->config, it->n_config);
        for (uint32_t k = 0; k < it->n_traits; k++) {
            const struct trait *t = &it->traits[k];
            if (check_is_link(t)) {
                str path = check_path(c, it, ".traits[%u].properties", k);
                lint_configs(c, &x, path, t->link->source.config, t->link->source.n_config);
                lint_configs(c, &x, path, t->link->target.config, t->link->target.n_config);
            }
        }
    }
    map_finish(&x.seen);
    arena_finish(&x.arena);
}

static bool is_settings(const struct item *it, const struct trait *t) {
    return str_is(t->type, "process") && it->image.ptr && str_starts(it->image, STR("file://"));
}

static void lint_trait(struct check *c, const struct item *it, uint32_t k) {
    const struct trait *t = &it->traits[k];
    const char *code = NULL, *fix = NULL;
    if (trait_is_scaler(t) && t->shape == TRAIT_LINK) {
        code = "scaler-is-link";
        fix = "use type: link";
        buf_addf(&c->text, "this scaler has the properties of a link: it does nothing");
    } else if (str_is(t->type, "linkdef")) {
        code = "linkdef";
        fix = "use type: link";
        buf_addf(&c->text, "traits of type linkdef are of an old release: no link is made");
    } else if (is_settings(it, t)) {
        return; /* read by the driver that runs the file */
    } else if (!trait_is_link(t) && !trait_is_scaler(t)) {
        code = "unknown-trait";
        buf_addf(&c->text, "trait type '");
        buf_add_str(&c->text, t->type);
        buf_addf(&c->text, "' is not built in: it has an effect only where a plugin serves it");
    } else if (check_is_link(t) && t->link->n_interfaces == 0) {
        code = "no-interfaces";
        fix = "list the interfaces it serves";
        buf_addf(&c->text, "the link names no interfaces: it connects nothing");
    } else if (check_is_link(t) && it->kind == ITEM_CAPABILITY) {
        const struct item *to = map_get(&c->names, t->link->target.name);
        if (to && to->kind == ITEM_CAPABILITY) {
            code = "provider-to-provider";
            fix = "links join a component and a capability, or two components";
            buf_addf(&c->text, "a link from one capability to another is not made");
        }
    }
    if (code) {
        check_add(c, FINDING_WARNING, code, check_path(c, it, ".traits[%u]", k), t->at, fix);
    }
}

static void lint_item(struct check *c, const struct item *it) {
    uint32_t scalers = 0, custom = 0;
    for (uint32_t k = 0; k < it->n_traits; k++) {
        const struct trait *t = &it->traits[k];
        lint_trait(c, it, k);
        scalers += trait_is_scaler(t) && t->shape == TRAIT_SCALER;
        custom += !trait_is_scaler(t) && !trait_is_link(t) && !is_settings(it, t);
    }
    if (scalers > 1) {
        buf_addf(&c->text, "two scalers on one component work against each other");
        check_add(c, FINDING_WARNING, "two-scalers", check_path(c, it, ".traits"), it->at,
                  "use one scaler with several spreads");
    } else if (scalers + custom == 0 && it->kind == ITEM_COMPONENT && !it->shared) {
        buf_addf(&c->text, "a component without a scaler is never started");
        check_add(c, FINDING_WARNING, "no-scaler", check_path(c, it, ".traits"), it->at,
                  "add a trait of type spreadscaler or daemonscaler");
    }
}

static void lint_policies(struct check *c) {
    struct map seen = MAP_INIT;
    for (uint32_t i = 0; i < c->m->n_policies; i++) {
        const struct policy *p = &c->m->policies[i];
        if (map_has(&seen, p->name)) {
            buf_addf(&c->text, "policy '");
            buf_add_str(&c->text, p->name);
            buf_addf(&c->text, "' is there twice: the last one counts");
            check_add(c, FINDING_WARNING, "duplicate-policy",
                      arena_printf(&c->f->arena, "spec.policies[%u].name", i), p->at,
                      "remove one of them");
        }
        map_set(&seen, p->name, c);
    }
    map_finish(&seen);
}

void check_lint(struct check *c) {
    lint_header(c);
    lint_ids(c);
    lint_all_configs(c);
    lint_on_change(c);
    for (uint32_t i = 0; i < c->m->n_items; i++) {
        lint_item(c, &c->m->items[i]);
    }
    lint_policies(c);
}
