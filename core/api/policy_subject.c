/* SPDX-License-Identifier: Apache-2.0 */
#include "api/policy_subject.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/api_priv.h"

static void write_some(struct jw *w, const char *key, str value) {
    if (value.len) {
        jw_kv(w, key, value);
    }
}

__attribute__((format(printf, 2, 3))) static void write_path(struct jw *w, const char *fmt, ...) {
    char path[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    jw_kv(w, "path", str_c(path));
}

static void write_unit(struct jw *w, const struct item *it, uint32_t i) {
    uint64_t instances = 0;
    bool known = false;
    for (uint32_t t = 0; t < it->n_traits; t++) {
        const struct trait *x = &it->traits[t];
        if (x->shape == TRAIT_SCALER) {
            instances += x->scaler->instances;
            known = true;
        }
    }
    jw_object(w);
    jw_kv(w, "name", it->name);
    jw_kv(w, "kind", it->kind == ITEM_CAPABILITY ? STR("provider") : STR("component"));
    write_some(w, "id", it->id); /* one of its own; else APP-NAME, as names.c makes it */
    write_some(w, "image", it->image);
    if (known) {
        jw_kv_u64(w, "instances", instances);
    }
    write_path(w, "/spec/components/%u", i);
    jw_end_object(w);
}

static void write_units(struct jw *w, const struct manifest *m) {
    jw_key(w, "units");
    jw_array(w);
    for (uint32_t i = 0; i < m->n_items; i++) {
        if (!m->items[i].shared) { /* somebody else's: judged with that app */
            write_unit(w, &m->items[i], i);
        }
    }
    jw_end_array(w);
}

static void write_link(struct jw *w, const struct item *it, const struct trait *t, uint32_t i,
                       uint32_t k) {
    const struct link_trait *l = t->link;
    jw_object(w);
    jw_kv(w, "source", it->name);
    jw_kv(w, "target", l->target.name);
    jw_kv(w, "name", l->name.ptr ? l->name : STR("default"));
    jw_kv(w, "namespace", l->ns);
    jw_kv(w, "package", l->package);
    jw_key(w, "interfaces");
    jw_array(w);
    for (uint32_t n = 0; n < l->n_interfaces; n++) {
        jw_str(w, l->interfaces[n]);
    }
    jw_end_array(w);
    write_path(w, "/spec/components/%u/traits/%u", i, k);
    jw_end_object(w);
}

static void write_links(struct jw *w, const struct manifest *m) {
    jw_key(w, "links");
    jw_array(w);
    for (uint32_t i = 0; i < m->n_items; i++) {
        for (uint32_t k = 0; k < m->items[i].n_traits; k++) {
            if (m->items[i].traits[k].shape == TRAIT_LINK) {
                write_link(w, &m->items[i], &m->items[i].traits[k], i, k);
            }
        }
    }
    jw_end_array(w);
}

/* Configs and secrets of an item stand in three lists: its own, and those of a link's two ends. */
struct visit {
    const struct manifest *m;
    struct jw *w;
    str unit;
    char list[128]; /* JSON pointer of the list */
};

static void configs(struct visit *v, const struct config_item *c, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        jw_object(v->w);
        jw_kv(v->w, "name", c[i].name);
        jw_kv(v->w, "unit", v->unit);
        jw_kv_bool(v->w, "managed", c[i].managed);
        write_path(v->w, "%s/%u", v->list, i);
        jw_end_object(v->w);
    }
}

const struct policy *policy_subject_find(const struct manifest *m, str name) {
    for (uint32_t i = 0; i < m->n_policies; i++) {
        if (str_eq(m->policies[i].name, name)) {
            return &m->policies[i];
        }
    }
    return NULL;
}

str policy_subject_property(const struct policy *p, const char *key) {
    for (uint32_t i = 0; p && i < p->n_properties; i++) {
        if (str_is(p->properties[i].key, key)) {
            return p->properties[i].value;
        }
    }
    return STR_NONE;
}

void policy_subject_properties(struct jw *w, const struct policy *p) {
    jw_object(w);
    for (uint32_t i = 0; p && i < p->n_properties; i++) {
        if (!str_is(p->properties[i].key, "backend")) {
            jw_key_str(w, p->properties[i].key);
            jw_str(w, p->properties[i].value);
        }
    }
    jw_end_object(w);
}

static void secrets(struct visit *v, const struct secret_item *s, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const struct policy *p = policy_subject_find(v->m, s[i].policy);
        jw_object(v->w);
        jw_kv(v->w, "name", s[i].name);
        jw_kv(v->w, "unit", v->unit);
        write_some(v->w, "backend", policy_subject_property(p, "backend"));
        jw_kv(v->w, "key", s[i].key);
        write_some(v->w, "field", s[i].field);
        write_some(v->w, "version", s[i].version);
        jw_key(v->w, "properties");
        policy_subject_properties(v->w, p);
        write_path(v->w, "%s/%u", v->list, i);
        jw_end_object(v->w);
    }
}

static void visit_end(struct visit *v, uint32_t item, uint32_t trait, const char *name,
                      const struct link_end *end, bool of_secrets) {
    snprintf(v->list, sizeof(v->list), "/spec/components/%u/traits/%u/properties/%s/%s", item,
             trait, name, of_secrets ? "secrets" : "config");
    if (of_secrets) {
        secrets(v, end->secrets, end->n_secrets);
    } else {
        configs(v, end->config, end->n_config);
    }
}

static void visit_items(struct visit *v, bool of_secrets) {
    for (uint32_t i = 0; i < v->m->n_items; i++) {
        const struct item *it = &v->m->items[i];
        v->unit = it->name;
        snprintf(v->list, sizeof(v->list), "/spec/components/%u/properties/%s", i,
                 of_secrets ? "secrets" : "config");
        if (of_secrets) {
            secrets(v, it->secrets, it->n_secrets);
        } else {
            configs(v, it->config, it->n_config);
        }
        for (uint32_t t = 0; t < it->n_traits; t++) {
            if (it->traits[t].shape == TRAIT_LINK) {
                visit_end(v, i, t, "source", &it->traits[t].link->source, of_secrets);
                visit_end(v, i, t, "target", &it->traits[t].link->target, of_secrets);
            }
        }
    }
}

static void write_plan(struct jw *w, const struct plan *p) {
    uint32_t n[5] = {0};
    static const char *const names[] = {"start", "stop", "update", "link", "config"};
    jw_key(w, "plan");
    jw_object(w);
    jw_key(w, "actions");
    jw_array(w);
    for (uint32_t i = 0; i < p->n_actions; i++) {
        const struct plan_action *x = &p->actions[i];
        n[x->target == PLAN_LINK     ? 3
          : x->target == PLAN_CONFIG ? 4
          : x->verb == TRL_DO_UPDATE ? 2
          : x->count > x->count_old  ? 0
                                     : 1]++;
        jw_object(w);
        jw_kv(w, "verb", plan_verb(x->verb));
        write_some(w, "host", x->host_id);
        jw_kv(w, "unit", x->name);
        if (x->target == PLAN_UNIT) {
            jw_kv(w, "image", x->unit ? x->unit->image : x->image_old);
            jw_kv_u64(w, "count", x->count);
            jw_kv_u64(w, "count_old", x->count_old);
        }
        jw_kv(w, "reason", x->reason);
        jw_end_object(w);
    }
    jw_end_array(w);
    jw_key(w, "counts");
    jw_object(w);
    for (uint32_t i = 0; i < ARRAY_LEN(names); i++) {
        jw_kv_u64(w, names[i], n[i]);
    }
    jw_end_object(w);
    jw_end_object(w);
}

static void write_manifest(struct jw *w, const struct manifest *m) {
    struct buf text = BUF_INIT;
    manifest_write(m, STR_NONE, &text);
    jw_key(w, "manifest");
    jw_raw(w, buf_str(&text));
    buf_finish(&text);
}

void policy_subject_write(const struct policy_subject *s, const struct manifest *m,
                          struct buf *out) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "point", str_c(policy_point_name(s->point)));
    if (s->tenant) {
        jw_kv(&w, "tenant", *s->tenant);
    }
    jw_kv(&w, "lattice", s->lattice);
    jw_key(&w, "caller");
    jw_raw(&w, s->caller.len ? s->caller : STR("{}"));
    jw_kv(&w, "app", str_trim(m->name));
    str version = manifest_version(m);
    write_some(&w, "version", version);
    if (!s->no_manifest) {
        write_manifest(&w, m);
    }
    write_units(&w, m);
    write_links(&w, m);
    struct visit v = {.m = m, .w = &w};
    jw_key(&w, "configs");
    jw_array(&w);
    visit_items(&v, false);
    jw_end_array(&w);
    jw_key(&w, "secrets");
    jw_array(&w);
    visit_items(&v, true);
    jw_end_array(&w);
    if (s->plan) {
        write_plan(&w, s->plan);
    }
    jw_end_object(&w);
}
