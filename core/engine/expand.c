/* SPDX-License-Identifier: Apache-2.0
 *
 * A manifest becomes resources with stable identity. Ids, names and the order of status lines are
 * wadm's, because running workloads carry them as annotations.
 */
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "codec/json.h"
#include "engine/desired.h"
#include "lattice/observed.h"

struct expansion {
    struct app_spec *spec;
    const struct manifest *m;
    const struct expand_env *env;
    str app;
    str *ids; /* of each item */
    VEC(struct want_unit) units;
    VEC(struct want_link) links;
    VEC(struct want_config *) configs;
    VEC(struct want_scaler) scalers;
    VEC(str) shared_units;
    VEC(str) shared_apps;
};

/* The spec outlives the manifest it came from. */
static str own(struct expansion *x, str s) {
    return arena_str(&x->spec->arena, s);
}

static const struct item *find_item(const struct manifest *m, str name) {
    for (uint32_t i = 0; m && i < m->n_items; i++) {
        if (str_eq(m->items[i].name, name)) {
            return &m->items[i];
        }
    }
    return NULL;
}

static str item_id(struct expansion *x, const struct item *it) {
    struct arena *a = &x->spec->arena;
    if (!it->shared) {
        return model_item_id(a, x->app, it);
    }
    if (it->id.ptr) {
        return arena_str(a, it->id);
    }
    const struct manifest *owner =
        x->env->shared ? x->env->shared(x->env->arg, it->shared_app) : NULL;
    const struct item *theirs = find_item(owner, it->shared_component);
    struct item unknown = {.name = it->shared_component};
    return model_item_id(a, it->shared_app, theirs ? theirs : &unknown);
}

static uint64_t hash_json_map(str body) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    uint64_t h = 0;
    if (json_parse_blind(body, &a, &n, NULL) == 0 && n->type == NODE_OBJECT) {
        trl_label *l = ARENA_ARRAY(&a, trl_label, n->n);
        for (uint32_t i = 0; i < n->n; i++) { /* insertion by key: these maps are small */
            uint32_t at = i;
            while (at > 0 && str_cmp(l[at - 1].key, n->members[i].key) > 0) {
                l[at] = l[at - 1];
                at--;
            }
            l[at] = (trl_label){n->members[i].key, n->members[i].value->text};
        }
        h = trl_config_hash(l, n->n);
    }
    arena_finish(&a);
    return h;
}

static void fixed_line(struct expansion *x, str kind, str name, bool failed, str message) {
    struct want_scaler *s = VEC_ADD(&x->scalers);
    char id[65];
    const str parts[4] = {kind, x->app, name, message};
    digest_sha256_hex(parts, 4, id);
    *s = (struct want_scaler){WANT_FIXED, 0,      arena_str(&x->spec->arena, str_c(id)), kind, name,
                              failed,     message};
}

static struct want_config *add_config(struct expansion *x, struct want_config *c) {
    for (uint32_t i = 0; i < x->configs.n; i++) {
        struct want_config *old = x->configs.at[i];
        if (!str_eq(old->name, c->name)) {
            continue;
        }
        if (c->managed && old->managed && c->hash != old->hash) {
            fixed_line(
                x, STR("ConfigScaler"), c->name, true,
                arena_printf(&x->spec->arena,
                             "Configuration %.*s has two different values in this application",
                             PSTR(c->name)));
        }
        if (c->managed && !old->managed) {
            *old = *c;
        }
        return old;
    }
    struct want_config *kept = ARENA_NEW(&x->spec->arena, struct want_config);
    *kept = *c;
    *VEC_ADD(&x->configs) = kept;
    return kept;
}

/* How a change of a config or a rotated secret reaches its users: an annotation of the app. */
enum on_change { ON_CHANGE_NONE, ON_CHANGE_HOT, ON_CHANGE_ROLL };

static enum on_change on_change(const struct manifest *m, str item) {
    char key[256];
    snprintf(key, sizeof(key), "trellis.dev/on-change.%.*s", PSTR(item));
    str value = manifest_annotation(m, key);
    return str_is(value, "roll")  ? ON_CHANGE_ROLL
           : str_is(value, "hot") ? ON_CHANGE_HOT
                                  : ON_CHANGE_NONE;
}

/* The reference as hosts get it. It names a version where the manifest does, where a rollback fixed
 * one, and where hosts have to notice a rotation. */
static struct want_config secret_config(struct expansion *x, const struct secret_item *s) {
    struct arena *a = &x->spec->arena;
    struct want_config w = {.name = model_secret_name(a, x->app, s), .secret = true};
    struct secret_item told = *s;
    bool fixed = false;
    enum on_change how = on_change(x->m, s->name);
    str pin = x->env->pin && !s->version.ptr
                  ? x->env->pin(x->env->arg, x->app, x->spec->n, s->name, &fixed)
                  : STR_NONE;
    if (pin.len && (fixed || how != ON_CHANGE_NONE)) {
        told.version = arena_str(a, pin);
    }
    w.managed = model_secret_reference(a, x->m, &told, &w.body);
    w.hash = w.managed ? hash_json_map(w.body) : 0;
    w.roll = how == ON_CHANGE_ROLL;
    return w;
}

/* Config names, then secret names: the order hosts get them in. */
static uint32_t expand_configs(struct expansion *x, const struct config_item *config,
                               uint32_t n_config, const struct secret_item *secrets,
                               uint32_t n_secrets, struct want_config ***ret, str **ret_names) {
    struct arena *a = &x->spec->arena;
    uint32_t n = n_config + n_secrets;
    struct want_config **list = ARENA_ARRAY(a, struct want_config *, n ? n : 1);
    str *names = ARENA_ARRAY(a, str, n ? n : 1);
    for (uint32_t i = 0; i < n_config; i++) {
        const struct config_item *c = &config[i];
        struct want_config w = {.name = model_config_name(a, x->app, c), .managed = c->managed};
        w.roll = c->managed && on_change(x->m, c->name) == ON_CHANGE_ROLL;
        if (c->managed) {
            w.body = model_config_json(a, c);
            w.hash = trl_config_hash((const trl_label *)(const void *)c->properties,
                                     c->n_properties); /* struct pair is a trl_label by layout */
        }
        list[i] = add_config(x, &w);
        names[i] = list[i]->name;
    }
    for (uint32_t i = 0; i < n_secrets; i++) {
        struct want_config w = secret_config(x, &secrets[i]);
        list[n_config + i] = add_config(x, &w);
        names[n_config + i] = w.name;
    }
    *ret = list;
    *ret_names = names;
    return n;
}

static str unit_scaler_id(struct expansion *x, const struct want_unit *u, str kind) {
    struct arena *a = &x->spec->arena;
    str *parts = ARENA_ARRAY(a, str, 7 + u->n_configs);
    parts[0] = kind;
    parts[1] = x->app;
    parts[2] = u->item;
    parts[3] = u->id;
    parts[4] = u->image;
    for (uint32_t i = 0; i < u->n_configs; i++) {
        parts[5 + i] = u->config_names[i];
    }
    uint32_t n = 5 + u->n_configs;
    if (u->settings.ptr) { /* wadm knows none */
        parts[n++] = u->settings;
    }
    if (u->rolls) { /* nor that its contents are part of what runs */
        parts[n++] = arena_printf(a, "%016llx", (unsigned long long)u->list_hash);
    }
    char id[65];
    digest_sha256_hex(parts, n, id);
    return arena_str(a, str_c(id));
}

/* Settings of a process: read by the driver that runs it, part of what it is made of. */
static bool is_settings(const struct item *it, const struct trait *t) {
    return str_is(t->type, "process") && t->shape != TRAIT_LINK && it->image.ptr &&
           str_starts(it->image, STR("file://"));
}

static str settings_of(struct expansion *x, const struct item *it) {
    for (uint32_t i = 0; i < it->n_traits; i++) {
        if (is_settings(it, &it->traits[i])) {
            return own(x, it->traits[i].properties_json);
        }
    }
    return STR_NONE;
}

static uint64_t hash_names(const str *names, uint32_t n) {
    uint64_t h = TRL_HASH_INIT;
    for (uint32_t i = 0; i < n; i++) {
        h = trl_hash_more(h, names[i].ptr, names[i].len);
        h = trl_hash_more(h, "", 1);
    }
    return h;
}

static void hash_lists(struct want_unit *u) {
    u->names_hash = hash_names(u->config_names, u->n_configs);
    if (u->settings.ptr) {
        u->names_hash = trl_hash_more(u->names_hash, u->settings.ptr, u->settings.len);
    }
    u->list_hash = u->names_hash;
    for (uint32_t i = 0; i < u->n_configs; i++) {
        const struct want_config *c = u->configs[i];
        u->has_secrets |= c->secret;
        if (c->roll) {
            u->rolls = true;
            u->list_hash = trl_hash_more(u->list_hash, &c->hash, sizeof(c->hash));
        }
    }
}

static void add_unit(struct expansion *x, const struct item *it, str id, struct scaler *sc,
                     str trait, str properties) {
    struct arena *a = &x->spec->arena;
    struct want_unit u = {
        .id = id, .item = own(x, it->name), .app = x->app, .image = own(x, it->image)};
    u.provider = it->kind == ITEM_CAPABILITY;
    u.trait = own(x, trait);
    u.settings = settings_of(x, it);
    u.n_configs = expand_configs(x, it->config, it->n_config, it->secrets, it->n_secrets,
                                 &u.configs, &u.config_names);
    hash_lists(&u);
    const char *kind = scaler_status_kind(sc);
    u.status_kind = kind ? arena_str(a, str_c(kind)) : u.trait;
    u.scaler_id = unit_scaler_id(x, &u, u.status_kind);
    u.scaler_id_other = unit_scaler_id(
        x, &u, str_is(u.status_kind, "SpreadScaler") ? STR("DaemonScaler") : STR("SpreadScaler"));
    struct err e = ERR_INIT;
    if (scaler_compile(sc, properties, &u.spec, &e) < 0) {
        fixed_line(x, u.status_kind, id, true, arena_str(a, str_c(e.msg)));
        return;
    }
    *VEC_ADD(&x->units) = u;
    *VEC_ADD(&x->scalers) = (struct want_scaler){.what = WANT_UNIT, .index = x->units.n - 1};
}

static str link_scaler_id(struct expansion *x, const struct want_link *l, str model) {
    struct arena *a = &x->spec->arena;
    uint32_t n = 7 + l->n_interfaces + l->n_source_config + l->n_target_config, k = 0;
    str *parts = ARENA_ARRAY(a, str, n);
    const str head[7] = {STR("LinkScaler"), model, l->name,   l->source,
                         l->target,         l->ns, l->package};
    for (; k < 7; k++) {
        parts[k] = head[k];
    }
    const str *lists[3] = {l->interfaces, l->source_config, l->target_config};
    const uint32_t lens[3] = {l->n_interfaces, l->n_source_config, l->n_target_config};
    for (int i = 0; i < 3; i++) {
        for (uint32_t j = 0; j < lens[i]; j++) {
            parts[k++] = lists[i][j];
        }
    }
    char id[65];
    digest_sha256_hex(parts, n, id);
    return arena_str(a, str_c(id));
}

static void add_link(struct expansion *x, const struct item *it, str id,
                     const struct link_trait *t) {
    struct arena *a = &x->spec->arena;
    const struct item *target = find_item(x->m, t->target.name);
    if (!target || (it->kind == ITEM_CAPABILITY && target->kind == ITEM_CAPABILITY)) {
        return; /* validation tells; wadm makes no scaler of these */
    }
    struct want_link l = {.source = id,
                          .target = x->ids[target - x->m->items],
                          .name = t->name.ptr ? own(x, t->name) : STR("default"),
                          .ns = own(x, t->ns),
                          .package = own(x, t->package),
                          .interfaces = ARENA_ARRAY(a, str, t->n_interfaces + 1),
                          .n_interfaces = t->n_interfaces,
                          .from_provider = it->kind == ITEM_CAPABILITY};
    for (uint32_t i = 0; i < l.n_interfaces; i++) {
        l.interfaces[i] = own(x, t->interfaces[i]);
    }
    struct want_config **source, **dest;
    l.n_source_config = expand_configs(x, t->source.config, t->source.n_config, t->source.secrets,
                                       t->source.n_secrets, &source, &l.source_config);
    l.n_target_config = expand_configs(x, t->target.config, t->target.n_config, t->target.secrets,
                                       t->target.n_secrets, &dest, &l.target_config);
    l.n_configs = l.n_source_config + l.n_target_config;
    l.configs = ARENA_ARRAY(a, struct want_config *, l.n_configs ? l.n_configs : 1);
    memcpy(l.configs, source, sizeof(*source) * l.n_source_config);
    memcpy(l.configs + l.n_source_config, dest, sizeof(*dest) * l.n_target_config);
    l.content = link_content(l.interfaces, l.n_interfaces, l.source_config, l.n_source_config,
                             l.target_config, l.n_target_config);
    l.key = link_key(a, l.source, l.target, l.name, l.ns, l.package);
    l.delete_key = link_delete_key(a, l.source, l.name, l.ns, l.package);
    l.scaler_id = link_scaler_id(x, &l, it->shared ? it->shared_app : x->app);
    l.display = arena_printf(a, "%.*s -(%.*s:%.*s)-> %.*s", PSTR(l.source), PSTR(l.ns),
                             PSTR(l.package), PSTR(l.target));
    *VEC_ADD(&x->links) = l;
    *VEC_ADD(&x->scalers) = (struct want_scaler){.what = WANT_LINK, .index = x->links.n - 1};
}

static void unknown_trait(struct expansion *x, const struct item *it, str id, const struct trait *t,
                          bool runs_anyway) {
    if (!it->shared) {
        fixed_line(
            x, own(x, t->type), id, !runs_anyway,
            arena_printf(&x->spec->arena, "trait '%.*s': no plugin of that name", PSTR(t->type)));
    }
}

static bool is_scaler(struct expansion *x, const struct trait *t) {
    return t->shape != TRAIT_LINK && !str_is(t->type, "link") && x->env->scaler &&
           x->env->scaler(x->env->arg, t->type);
}

static void expand_item(struct expansion *x, const struct item *it, str id) {
    bool placed = it->shared, scaled = false;
    for (uint32_t i = 0; i < it->n_traits; i++) {
        scaled |= is_scaler(x, &it->traits[i]);
    }
    if ((it->image.ptr != NULL) == it->shared) {
        fixed_line(
            x, STR("SpreadScaler"), own(x, it->name), true,
            it->shared
                ? STR("Application specified both an image and a shared application reference")
                : STR("Application did not specify an image or shared application reference"));
        return;
    }
    for (uint32_t i = 0; i < it->n_traits; i++) {
        const struct trait *t = &it->traits[i];
        if (str_is(t->type, "link")) {
            if (t->shape == TRAIT_LINK) {
                add_link(x, it, id, t->link);
            }
        } else if (is_scaler(x, t)) {
            if (!placed) { /* one unit has one placement: the first scaler trait */
                placed = true;
                add_unit(x, it, id, x->env->scaler(x->env->arg, t->type), t->type,
                         t->properties_json);
            }
        } else if (is_settings(it, t)) {
            continue; /* with its unit */
        } else if (t->shape == TRAIT_CUSTOM || t->shape == TRAIT_SCALER) {
            unknown_trait(x, it, id, t, scaled || it->kind == ITEM_CAPABILITY);
        }
    }
    if (!placed && it->kind == ITEM_CAPABILITY) {
        struct scaler *sc =
            x->env->scaler ? x->env->scaler(x->env->arg, STR("spreadscaler")) : NULL;
        if (sc) {
            add_unit(x, it, id, sc, STR("spreadscaler"), STR("{\"instances\":1}"));
        }
    }
}

static void note_peers(struct app_spec *s) {
    for (uint32_t u = 0; u < s->n_units; u++) {
        struct want_unit *unit = &s->units[u];
        unit->peers = ARENA_ARRAY(&s->arena, str, s->n_links ? s->n_links : 1);
        for (uint32_t i = 0; i < s->n_links; i++) {
            if (str_eq(s->links[i].source, unit->id)) {
                unit->peers[unit->n_peers++] = s->links[i].target;
            } else if (str_eq(s->links[i].target, unit->id)) {
                unit->peers[unit->n_peers++] = s->links[i].source;
            }
        }
    }
}

static void *keep(struct arena *a, void *at, uint32_t n, size_t size) {
    void *p = arena_alloc(a, n * size);
    if (n) {
        memcpy(p, at, n * size);
    }
    mem_free(at);
    return p;
}

struct app_spec *app_spec_expand(const struct manifest *m, uint32_t n,
                                 const struct expand_env *env) {
    struct app_spec *s = mem_zalloc(sizeof(*s));
    struct arena *a = &s->arena;
    struct expansion x = {.spec = s, .m = m, .env = env};
    s->refs = 1;
    s->n = n;
    s->app = x.app = arena_str(a, str_trim(m->name));
    str version = manifest_version(m);
    s->version = version.ptr ? arena_str(a, version) : STR("");
    x.ids = ARENA_ARRAY(a, str, m->n_items + 1);
    for (uint32_t i = 0; i < m->n_items; i++) {
        x.ids[i] = item_id(&x, &m->items[i]);
        if (m->items[i].shared) {
            *VEC_ADD(&x.shared_units) = x.ids[i];
            *VEC_ADD(&x.shared_apps) = own(&x, m->items[i].shared_app);
        }
    }
    for (uint32_t i = 0; i < m->n_items; i++) {
        expand_item(&x, &m->items[i], x.ids[i]);
    }
    s->n_units = x.units.n;
    s->units = keep(a, x.units.at, x.units.n, sizeof(*x.units.at));
    s->n_links = x.links.n;
    s->links = keep(a, x.links.at, x.links.n, sizeof(*x.links.at));
    s->n_scalers = x.scalers.n;
    s->scalers = keep(a, x.scalers.at, x.scalers.n, sizeof(*x.scalers.at));
    s->n_shared_units = x.shared_units.n;
    s->shared_units = keep(a, x.shared_units.at, x.shared_units.n, sizeof(str));
    s->n_shared_apps = x.shared_apps.n;
    s->shared_apps = keep(a, x.shared_apps.at, x.shared_apps.n, sizeof(str));
    s->n_configs = x.configs.n;
    s->configs = keep(a, x.configs.at, x.configs.n, sizeof(*x.configs.at));
    note_peers(s);
    return s;
}
