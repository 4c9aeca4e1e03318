/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules 9, 10 and 11: secrets, traits of no known shape, image and application.
 */
#include "model/validate.h"

static bool has_backend(const struct policy *p) {
    for (uint32_t i = 0; i < p->n_properties; i++) {
        if (str_is(p->properties[i].key, "backend")) {
            return true;
        }
    }
    return false;
}

static void check_secret(struct check *c, const struct map *policies, str path,
                         const struct secret_item *s) {
    const struct policy *p = map_get(policies, s->policy);
    if (p && str_is(p->type, SECRET_POLICY) && has_backend(p)) {
        return;
    }
    buf_addf(&c->text, "secret '");
    buf_add_str(&c->text, s->name);
    buf_addf(&c->text, "' is mapped to %spolicy '", p ? "" : "unknown ");
    buf_add_str(&c->text, s->policy);
    buf_add_c(&c->text, '\'');
    if (p && !str_is(p->type, SECRET_POLICY)) {
        buf_addf(&c->text, " which is not a secret policy. Expected type '" SECRET_POLICY "'");
    } else if (p) {
        buf_addf(&c->text, " which does not include a 'backend' property");
    }
    const struct node *at = node_get(node_get(s->at, "properties"), "policy");
    check_add(c, FINDING_ERROR, "secret-policy", path, at ? at : s->at,
              p ? NULL : "add the policy under spec.policies");
}

static void check_end_secrets(struct check *c, const struct map *policies, const struct item *it,
                              uint32_t k, const char *member, const struct link_end *e) {
    for (uint32_t i = 0; i < e->n_secrets; i++) {
        check_secret(c, policies,
                     check_path(c, it, ".traits[%u].properties.%s.secrets[%u].properties.policy", k,
                                member, i),
                     &e->secrets[i]);
    }
}

void check_secrets(struct check *c) {
    struct map policies = MAP_INIT;
    for (uint32_t i = 0; i < c->m->n_policies; i++) {
        map_set(&policies, c->m->policies[i].name, &c->m->policies[i]); /* the last one wins */
    }
    for (uint32_t i = 0; i < c->m->n_items; i++) {
        const struct item *it = &c->m->items[i];
        for (uint32_t k = 0; k < it->n_traits; k++) {
            if (check_is_link(&it->traits[k])) {
                check_end_secrets(c, &policies, it, k, "target", &it->traits[k].link->target);
                check_end_secrets(c, &policies, it, k, "source", &it->traits[k].link->source);
            }
        }
        for (uint32_t k = 0; k < it->n_secrets; k++) {
            check_secret(c, &policies,
                         check_path(c, it, ".properties.secrets[%u].properties.policy", k),
                         &it->secrets[k]);
        }
    }
    map_finish(&policies);
}

/* wadm's words for the first fault; it shows the properties there, which may hold config values,
 * so only what is wrong with them is told. */
static void check_shape(struct check *c, bool link, const struct trait_faults *x) {
    for (uint32_t i = 0; i < x->n; i++) {
        const struct node at = {.line = x->at[i].line, .column = x->at[i].column};
        if (i == 0) {
            buf_addf(&c->text, "%s trait deserialized as custom trait, ensure fields are correct: ",
                     link ? "Link" : "Scaler");
        }
        buf_add_str(&c->text, x->at[i].path);
        buf_addf(&c->text, ": ");
        buf_add_str(&c->text, x->at[i].text);
        check_add(c, FINDING_ERROR, link ? "bad-link" : "bad-scaler", x->at[i].path, &at,
                  link ? "a link has namespace, package, interfaces and target: {name: …}"
                       : "a scaler has instances, and spread: [{name, requirements, weight}]");
    }
}

void check_custom(struct check *c) {
    for (uint32_t i = 0; i < c->m->n_items; i++) {
        const struct item *it = &c->m->items[i];
        for (uint32_t k = 0; k < it->n_traits; k++) {
            const struct trait *t = &it->traits[k];
            if (trait_is_link(t) && t->shape != TRAIT_LINK) {
                check_shape(c, true, &t->link_faults);
            } else if (trait_is_scaler(t) && t->shape == TRAIT_CUSTOM) {
                check_shape(c, false, &t->scaler_faults);
            }
        }
    }
}

static bool has_scaler(const struct item *it) {
    for (uint32_t k = 0; k < it->n_traits; k++) {
        if (trait_is_scaler(&it->traits[k])) {
            return true;
        }
    }
    return false;
}

static void check_item(struct check *c, const struct item *it) {
    const struct node *p = node_get(it->at, "properties");
    const char *shared = !it->shared        ? NULL
                         : it->n_config > 0 ? "cannot specify additional 'config'"
                         : it->n_secrets > 0
                             ? "cannot specify additional 'secrets'"
                             : (has_scaler(it) ? "cannot include a scaler trait" : NULL);
    if (it->image.ptr && it->shared) {
        buf_addf(&c->text, "Component cannot have both 'image' and 'application' properties");
    } else if (!it->image.ptr && !it->shared) {
        buf_addf(&c->text, "Component must have either 'image' or 'application' property");
    } else if (shared) {
        buf_addf(&c->text, "Shared component '");
        buf_add_str(&c->text, it->shared_app);
        buf_addf(&c->text, "' %s", shared);
    } else {
        return;
    }
    check_add(c, FINDING_ERROR, "component-properties", check_path(c, it, ".properties"), p,
              shared && !it->image.ptr ? "set it where the component is defined" : NULL);
}

void check_items(struct check *c) {
    for (uint32_t i = 0; i < c->m->n_items; i++) {
        check_item(c, &c->m->items[i]);
    }
}
