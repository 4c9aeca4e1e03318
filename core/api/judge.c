/* SPDX-License-Identifier: Apache-2.0 */
#include "api/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Subjects */

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

static const struct policy *find_policy(const struct manifest *m, str name) {
    for (uint32_t i = 0; i < m->n_policies; i++) {
        if (str_eq(m->policies[i].name, name)) {
            return &m->policies[i];
        }
    }
    return NULL;
}

static str property(const struct policy *p, const char *key) {
    for (uint32_t i = 0; p && i < p->n_properties; i++) {
        if (str_is(p->properties[i].key, key)) {
            return p->properties[i].value;
        }
    }
    return STR_NONE;
}

static void write_properties(struct jw *w, const struct policy *p) {
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
        const struct policy *p = find_policy(v->m, s[i].policy);
        jw_object(v->w);
        jw_kv(v->w, "name", s[i].name);
        jw_kv(v->w, "unit", v->unit);
        write_some(v->w, "backend", property(p, "backend"));
        jw_kv(v->w, "key", s[i].key);
        write_some(v->w, "field", s[i].field);
        write_some(v->w, "version", s[i].version);
        jw_key(v->w, "properties");
        write_properties(v->w, p);
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

void judge_subject(const struct api *a, uint32_t point, str tenant, str lattice, str caller_json,
                   const struct manifest *m, const struct plan *plan, struct buf *out) {
    struct buf text = BUF_INIT;
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "point", str_c(policy_point_name(point)));
    if (a->env.multitenant) {
        jw_kv(&w, "tenant", tenant);
    }
    jw_kv(&w, "lattice", lattice);
    jw_key(&w, "caller");
    jw_raw(&w, caller_json.len ? caller_json : STR("{}"));
    jw_kv(&w, "app", str_trim(m->name));
    str version = manifest_version(m);
    write_some(&w, "version", version);
    manifest_write(m, STR_NONE, &text);
    jw_key(&w, "manifest");
    jw_raw(&w, buf_str(&text));
    buf_finish(&text);
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
    if (plan) {
        write_plan(&w, plan);
    }
    jw_end_object(&w);
}

/* Asking */

static void on_rulings(void *arg, struct ruling *const *rulings) {
    struct req *r = arg;
    r->ask = NULL;
    r->judged(r, rulings[0]);
}

void judge_ask(struct req *r, uint32_t point, const struct manifest *m, const struct plan *plan,
               void (*then)(struct req *r, const struct ruling *ruling)) {
    struct api *a = r->api;
    struct buf subject = BUF_INIT;
    if (!policy_asks(a->env.policy, point)) {
        then(r, NULL);
        return;
    }
    judge_subject(a, point, r->s.account, r->s.lattice, r->caller, m, plan, &subject);
    str version = manifest_version(m);
    struct policy_question q = {buf_str(&subject),
                                arena_printf(&r->arena, "%s %.*s%s%.*s", policy_point_name(point),
                                             PSTR(r->name), version.len ? " " : "", PSTR(version))};
    struct policy_about about = {r->s.account, r->s.lattice, r->name, r->caller, r->trace};
    r->judged = then;
    r->ask = policy_ask(a->env.policy, point, &q, 1, &about, on_rulings, r);
    buf_finish(&subject);
}

/* "/spec/components/0/properties" in a tree; NULL: no such place. */
static const struct node *at_pointer(const struct node *n, str pointer) {
    str rest = pointer.len && pointer.ptr[0] == '/' ? str_skip(pointer, 1) : pointer;
    while (n && rest.ptr && rest.len) {
        str token = str_cut(rest, '/', &rest);
        uint64_t i = 0;
        if (n->type == NODE_ARRAY) {
            n = str_u64(token, &i) && i < n->n ? n->items[i] : NULL;
        } else {
            n = node_get_str(n, token);
        }
    }
    return n;
}

void judge_findings(struct req *r, const struct manifest *m, const struct ruling *ruling) {
    enum finding_level level = ruling_denies(ruling) ? FINDING_ERROR : FINDING_WARNING;
    for (uint32_t i = 0; i < ruling->n_reasons; i++) {
        const struct reason *x = &ruling->reasons[i];
        const struct node *at = x->path.len ? at_pointer(m->root, x->path) : NULL;
        str text = arena_printf(&r->arena, "%.*s (%s%.*s%s%.*s)",
                                PSTR(x->text.len ? x->text : x->code), x->rule.len ? "rule " : "",
                                PSTR(x->rule), x->rule.len ? " of " : "", PSTR(x->backend));
        findings_add(&r->findings, level, "policy", x->path, at ? at->line : 0, at ? at->column : 0,
                     text, x->remedy);
    }
}

/* Secrets */

struct wanted {
    struct req *r;
    VEC(struct secret_want) at;
    VEC(str) name;
};

static void want(struct wanted *w, const struct manifest *m, const struct secret_item *s,
                 uint32_t n) {
    struct arena *a = &w->r->arena;
    for (uint32_t i = 0; i < n; i++) {
        const struct policy *p = find_policy(m, s[i].policy);
        str backend = property(p, "backend");
        struct buf json = BUF_INIT;
        struct jw out;
        if (!secrets_find(w->r->api->env.secrets, backend)) {
            continue; /* hosts ask somebody else for it */
        }
        jw_init(&out, &json, false);
        write_properties(&out, p);
        *VEC_ADD(&w->at) = (struct secret_want){arena_str(a, backend),
                                                {.struct_size = sizeof(trl_secret_ref),
                                                 .key = arena_str(a, s[i].key),
                                                 .field = arena_str(a, s[i].field),
                                                 .version = arena_str(a, s[i].version),
                                                 .properties = arena_str(a, buf_str(&json)),
                                                 .lattice = w->r->s.lattice,
                                                 .app = w->r->name}};
        *VEC_ADD(&w->name) = arena_str(a, s[i].name);
        buf_finish(&json);
    }
}

static void on_secrets(void *arg, const struct secret_have *h) {
    struct req *r = arg;
    struct buf refusal = BUF_INIT;
    r->secrets = NULL;
    for (uint32_t i = 0; i < r->n_secrets; i++) {
        bool says_no =
            h[i].st == TRL_E_NOTFOUND || h[i].st == TRL_E_DENIED || h[i].st == TRL_E_INVALID;
        if (h[i].st == TRL_OK) {
            continue;
        }
        str text =
            arena_printf(&r->arena, "secret %.*s: %.*s", PSTR(r->secret_names[i]), PSTR(h[i].text));
        findings_add(&r->findings, says_no ? FINDING_ERROR : FINDING_WARNING, "secret",
                     STR("spec.policies"), 0, 0, text,
                     says_no ? STR("put it into the backend, or correct key, field and version")
                             : STR("it could not be checked; hosts will ask for it themselves"));
        if (says_no) {
            buf_addf(&refusal, "%s%.*s", refusal.len ? "; " : "", PSTR(text));
        }
    }
    str text = arena_str(&r->arena, buf_str(&refusal));
    buf_finish(&refusal);
    r->checked(r, text);
}

void judge_secrets(struct req *r, const struct manifest *m,
                   void (*then)(struct req *r, str refusal)) {
    struct wanted w = {.r = r};
    for (uint32_t i = 0; r->api->env.secrets && i < m->n_items; i++) {
        want(&w, m, m->items[i].secrets, m->items[i].n_secrets);
        for (uint32_t t = 0; t < m->items[i].n_traits; t++) {
            const struct trait *x = &m->items[i].traits[t];
            if (x->shape == TRAIT_LINK) {
                want(&w, m, x->link->source.secrets, x->link->source.n_secrets);
                want(&w, m, x->link->target.secrets, x->link->target.n_secrets);
            }
        }
    }
    if (w.at.n == 0) {
        then(r, STR_NONE);
        return;
    }
    r->checked = then;
    r->n_secrets = w.at.n;
    r->secret_names = ARENA_ARRAY(&r->arena, str, w.at.n);
    memcpy(r->secret_names, w.name.at, w.at.n * sizeof(str));
    r->secrets = secrets_ask(r->api->env.secrets, w.at.at, w.at.n, on_secrets, r);
    VEC_FREE(&w.at);
    VEC_FREE(&w.name);
}
