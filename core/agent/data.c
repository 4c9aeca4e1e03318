/* SPDX-License-Identifier: Apache-2.0
 *
 * The two buckets in memory, by watching them, as all hosts of the lattice do. The driver gets of
 * it what its units need, and every change of that.
 */
#include "agent/agent_priv.h"

#define SPEC     "COMPONENT_"
#define RETRY_NS (1000ll * 1000000ll)

/* Records */

static struct vlink *link_read(const struct node *n) {
    struct vlink like = {.source = node_text(n, "source_id", STR_NONE),
                         .target = node_text(n, "target", STR_NONE),
                         .name = node_text(n, "name", STR("default")),
                         .ns = node_text(n, "wit_namespace", STR_NONE),
                         .package = node_text(n, "wit_package", STR_NONE),
                         .interfaces = strs_of_array(node_get(n, "interfaces")),
                         .source_config = strs_of_array(node_get(n, "source_config")),
                         .target_config = strs_of_array(node_get(n, "target_config"))};
    return vlink_new(&like);
}

static bool texts_only(const struct node *n, const char *key) {
    const struct node *list = node_get(n, key);
    bool ok = !list || list->type == NODE_ARRAY;
    for (uint32_t i = 0; ok && list && i < list->n; i++) {
        ok = list->items[i]->type == NODE_STRING;
    }
    return ok;
}

static bool link_fits(const struct node *n) {
    return n->type == NODE_OBJECT && node_text(n, "source_id", STR_NONE).ptr &&
           node_text(n, "target", STR_NONE).ptr && node_text(n, "wit_namespace", STR_NONE).ptr &&
           node_text(n, "wit_package", STR_NONE).ptr && texts_only(n, "interfaces") &&
           texts_only(n, "source_config") && texts_only(n, "target_config");
}

bool agent_record_read(str value, struct linkset **ret_set, char **ret_url) {
    struct arena s = ARENA_INIT;
    struct node *n = NULL;
    bool ok = json_parse(value, &s, &n, NULL) == 0 && n->type == NODE_OBJECT;
    const struct node *links = ok ? node_get(n, "links") : NULL;
    ok = ok && (!links || links->type == NODE_ARRAY);
    for (uint32_t i = 0; ok && links && i < links->n; i++) {
        ok = link_fits(links->items[i]);
    }
    *ret_set = NULL;
    for (uint32_t i = 0; ok && links && i < links->n; i++) {
        struct vlink *l = link_read(links->items[i]);
        struct linkset *next = linkset_put(*ret_set, l);
        linkset_unref(*ret_set);
        vlink_unref(l);
        *ret_set = next;
    }
    if (ok && ret_url) {
        *ret_url = str_dup(node_text(n, "url", STR("")));
    }
    arena_finish(&s);
    return ok;
}

void agent_record_write(str url, const struct linkset *s, struct buf *out) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "url", url);
    jw_key(&w, "links");
    jw_array(&w);
    for (uint32_t i = 0; s && i < s->n; i++) {
        jw_object(&w);
        vlink_write(s->at[i], &w);
        jw_end_object(&w);
    }
    jw_end_array(&w);
    jw_end_object(&w);
}

bool agent_map_read(str value, struct strs **ret) {
    struct arena s = ARENA_INIT;
    const struct node *map;
    bool ok = wire_decode_map(value, &map, &s);
    if (ok) {
        *ret = pairs_of_object(map);
    }
    arena_finish(&s);
    return ok;
}

static void odd(struct agent *a, const char *bucket, str key) {
    if (!map_has(&a->odd, key)) {
        map_set(&a->odd, key, a);
        log_warn(a->env.log, "%s_%s: what %.*s holds makes no sense: ignored", bucket, a->lattice,
                 PSTR(key));
    }
}

/* What the driver has */

static bool config_of(const struct agent *a, str name, struct strs **ret) {
    *ret = map_get(&a->configs, name);
    return map_has(&a->configs, name);
}

static str link_key(const struct vlink *l, struct buf *scratch) {
    const str parts[] = {l->source, l->target, l->name, l->ns, l->package};
    buf_clear(scratch);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        buf_add_str(scratch, parts[i]);
        buf_add_c(scratch, '\n');
    }
    return buf_str(scratch);
}

static trl_str *texts(const struct strs *s, uint32_t *ret_n) {
    trl_str *at = mem_array(strs_n(s) + 1, sizeof(*at));
    *ret_n = strs_n(s);
    for (uint32_t i = 0; i < *ret_n; i++) {
        at[i] = strs_at(s, i);
    }
    return at;
}

static void give_config(struct agent *a, str name) {
    trl_action x = {.verb = TRL_DO_CONFIG_PUT, .name = name};
    struct strs *data;
    if (config_of(a, name, &data)) {
        struct buf body = BUF_INIT;
        struct jw w;
        jw_init(&w, &body, false);
        pairs_write(data, &w);
        x.body = buf_str(&body);
        map_set(&a->given_configs, name, a);
        agent_apply(a, &x, agent_done_quietly, a);
        buf_finish(&body);
    }
}

static void give_configs(struct agent *a, const struct strs *names) {
    for (uint32_t i = 0; i < strs_n(names); i++) {
        if (!map_has(&a->given_configs, strs_at(names, i))) {
            give_config(a, strs_at(names, i));
        }
    }
}

static void apply_link(struct agent *a, uint32_t verb, const struct vlink *l) {
    trl_link k = {.struct_size = sizeof(k),
                  .source = l->source,
                  .target = l->target,
                  .name = l->name,
                  .ns = l->ns,
                  .package = l->package};
    trl_str *interfaces = texts(l->interfaces, &k.n_interfaces);
    trl_str *source = texts(l->source_config, &k.n_source_config);
    trl_str *target = texts(l->target_config, &k.n_target_config);
    trl_action x = {.verb = verb, .link = &k};
    k.interfaces = interfaces;
    k.source_config = source;
    k.target_config = target;
    agent_apply(a, &x, agent_done_quietly, a);
    mem_free(interfaces);
    mem_free(source);
    mem_free(target);
}

static bool same_link(const struct vlink *x, const struct vlink *y) {
    return strs_eq(x->interfaces, y->interfaces) && strs_eq(x->source_config, y->source_config) &&
           strs_eq(x->target_config, y->target_config);
}

static void remember_link(struct agent *a, str key, struct vlink *l) { /* l: taken; NULL: gone */
    vlink_unref(l ? map_set(&a->given_links, key, l) : map_del(&a->given_links, key));
}

static void give_link(struct agent *a, struct vlink *l) {
    struct buf scratch = BUF_INIT;
    str key = link_key(l, &scratch);
    const struct vlink *given = map_get(&a->given_links, key);
    if ((given || agent_here(a, l->source) || agent_here(a, l->target)) &&
        !(given && same_link(given, l))) {
        give_configs(a, l->source_config);
        give_configs(a, l->target_config);
        remember_link(a, key, vlink_ref(l));
        apply_link(a, TRL_DO_LINK_PUT, l);
    }
    buf_finish(&scratch);
}

static void give_links(struct agent *a, const struct source *s, str id) {
    for (uint32_t i = 0; s && s->set && i < s->set->n; i++) {
        struct vlink *l = s->set->at[i];
        if (!id.ptr || str_eq(l->source, id) || str_eq(l->target, id)) {
            give_link(a, l);
        }
    }
}

void agent_give_unit(struct agent *a, str id, const struct strs *config_names) {
    give_configs(a, config_names);
    for (uint32_t i = 0; i < a->sources.n; i++) {
        give_links(a, a->sources.at[i].value, id);
    }
}

/* Links the driver has that their source has not, or not any more. */
static void take_links(struct agent *a, const char *source) {
    struct buf scratch = BUF_INIT;
    for (uint32_t i = a->given_links.n; i-- > 0;) {
        struct vlink *l = vlink_ref(a->given_links.at[i].value);
        const struct source *s = map_get(&a->sources, l->source);
        bool there = false;
        for (uint32_t k = 0; s && s->set && k < s->set->n; k++) {
            const struct vlink *o = s->set->at[k];
            there |= str_eq(o->target, l->target) && str_eq(o->name, l->name) &&
                     str_eq(o->ns, l->ns) && str_eq(o->package, l->package);
        }
        if (!there && (!source || str_is(l->source, source))) {
            remember_link(a, link_key(l, &scratch), NULL);
            apply_link(a, TRL_DO_LINK_DEL, l);
        }
        vlink_unref(l);
    }
    buf_finish(&scratch);
}

void agent_on_links(struct agent *a, const trl_link *links, uint32_t n, uint32_t stride,
                    bool full) {
    struct buf scratch = BUF_INIT;
    for (uint32_t i = 0; i < n && full && !a->compared; i++) {
        const trl_link *k =
            (const trl_link *)(const void *)((const char *)links + (size_t)i * stride);
        struct vlink like = {.source = k->source,
                             .target = k->target,
                             .name = k->name,
                             .ns = k->ns,
                             .package = k->package,
                             .interfaces = strs_of(k->interfaces, k->n_interfaces),
                             .source_config = strs_of(k->source_config, k->n_source_config),
                             .target_config = strs_of(k->target_config, k->n_target_config)};
        struct vlink *l = vlink_new(&like);
        remember_link(a, link_key(l, &scratch), l);
    }
    buf_finish(&scratch);
}

static uint64_t hash_of(const struct strs *data) {
    uint32_t n;
    trl_label *l = agent_marks(data, &n);
    uint64_t h = trl_config_hash(l, n);
    mem_free(l);
    return h;
}

void agent_on_configs(struct agent *a, const trl_config_seen *c, uint32_t n, uint32_t stride) {
    for (uint32_t i = 0; i < n && a->compared && !a->up; i++) {
        const trl_config_seen *s =
            (const trl_config_seen *)(const void *)((const char *)c + (size_t)i * stride);
        struct strs *data;
        if (s->flags & TRL_CONFIG_ABSENT || !config_of(a, s->name, &data)) {
            continue;
        }
        map_set(&a->given_configs, s->name, a);
        if (hash_of(data) != s->hash) {
            give_config(a, s->name);
        }
    }
}

void agent_compare(struct agent *a) {
    take_links(a, NULL);
    for (uint32_t i = 0; i < a->sources.n; i++) {
        give_links(a, a->sources.at[i].value, STR_NONE);
    }
}

/* Watching */

static void config_known(struct agent *a, str name, struct strs *data) { /* data: taken */
    struct strs *old = map_get(&a->configs, name);
    bool same = map_has(&a->configs, name) && strs_eq(old, data);
    map_set(&a->configs, name, data);
    strs_unref(old);
    if (!same && map_has(&a->given_configs, name)) {
        give_config(a, name);
    }
}

/* What was used here reads as empty from then on, as at wasmCloud's hosts: wadm deletes the config
 * of a component whose image changes, after it told hosts to start the new one. */
static void config_gone(struct agent *a, str name) {
    if (map_has(&a->given_configs, name)) {
        trl_action x = {.verb = TRL_DO_CONFIG_DEL, .name = name};
        strs_unref(map_set(&a->configs, name, NULL));
        map_del(&a->given_configs, name);
        agent_apply(a, &x, agent_done_quietly, a);
    } else {
        strs_unref(map_del(&a->configs, name));
    }
}

static void on_config(void *arg, const struct kv_entry *e) {
    struct agent *a = arg;
    struct strs *data = NULL;
    if (e->flags & TRL_ENTRY_SYNC) {
        a->configs_synced = true;
        agent_driver_known(a);
    } else if (e->flags & TRL_ENTRY_RESET) {
        ; /* what is missing then was lost, not deleted: it stays in force */
    } else if (e->flags & TRL_ENTRY_DELETED) {
        config_gone(a, e->key);
    } else if (agent_map_read(e->value, &data)) {
        config_known(a, e->key, data);
    } else {
        odd(a, "CONFIGDATA", e->key);
    }
}

static void source_set(struct agent *a, str id, struct linkset *set) { /* set: taken */
    struct source *s = map_get(&a->sources, id);
    if (!s) {
        s = mem_zalloc(sizeof(*s));
        map_set(&a->sources, id, s);
    }
    linkset_unref(s->set);
    s->set = set;
    if (a->compared) {
        char *source = str_dup(id);
        take_links(a, source);
        give_links(a, s, STR_NONE);
        mem_free(source);
    }
}

static void on_record(void *arg, const struct kv_entry *e) {
    struct agent *a = arg;
    struct linkset *set = NULL;
    if (e->flags & TRL_ENTRY_SYNC) {
        a->links_synced = true;
        agent_driver_known(a);
    } else if (e->flags & (TRL_ENTRY_RESET | TRL_ENTRY_DELETED) || !str_starts(e->key, STR(SPEC))) {
        ; /* as hosts do: links end by link.del only */
    } else if (agent_record_read(e->value, &set, NULL)) {
        source_set(a, str_skip(e->key, strlen(SPEC)), set);
    } else {
        odd(a, "LATTICEDATA", e->key);
    }
}

static void watch(void *arg);

static void on_end(struct agent *a, struct kv_watch **w, trl_status st) {
    *w = NULL;
    if (!a->up && st == TRL_E_INVALID) {
        a->env.on_failed(a->env.arg, "the buckets of the lattice cannot be watched");
    } else if (!a->leaving) {
        loop_timer_start(&a->retry, RETRY_NS);
    }
}

static void on_links_end(void *arg, trl_status st) {
    struct agent *a = arg;
    on_end(a, &a->watch_links, st);
}

static void on_configs_end(void *arg, trl_status st) {
    struct agent *a = arg;
    on_end(a, &a->watch_configs, st);
}

static void watch(void *arg) {
    struct agent *a = arg;
    if (!a->watch_links) {
        a->watch_links = kv_watch(a->env.links, STR(""), on_record, on_links_end, a);
    }
    if (!a->watch_configs) {
        a->watch_configs = kv_watch(a->env.configs, STR(""), on_config, on_configs_end, a);
    }
}

void agent_data_start(struct agent *a) {
    loop_timer_init(&a->retry, a->env.loop, watch, a);
    watch(a);
}

void agent_data_stop(struct agent *a) {
    loop_timer_stop(&a->retry);
    if (a->watch_links) {
        kv_watch_end(a->watch_links);
    }
    if (a->watch_configs) {
        kv_watch_end(a->watch_configs);
    }
    a->watch_links = a->watch_configs = NULL;
}

void agent_data_finish(struct agent *a) {
    kv_forget(a->env.links, a);
    kv_forget(a->env.configs, a);
    for (uint32_t i = 0; i < a->sources.n; i++) {
        struct source *s = a->sources.at[i].value;
        linkset_unref(s->set);
        mem_free(s);
    }
    for (uint32_t i = 0; i < a->configs.n; i++) {
        strs_unref(a->configs.at[i].value);
    }
    for (uint32_t i = 0; i < a->given_links.n; i++) {
        vlink_unref(a->given_links.at[i].value);
    }
    map_finish(&a->sources);
    map_finish(&a->configs);
    map_finish(&a->given_links);
    map_finish(&a->given_configs);
    map_finish(&a->odd);
}

/* Looking in the bucket where memory may lag behind */

struct fetch {
    struct job job;
    struct strs *names;
    uint32_t at;
    VEC(str) missing; /* parts of names */
    struct buf trouble;
    agent_fetched_fn done;
    void *arg;
};

static void fetch_drop(struct job *j) {
    struct fetch *f = (struct fetch *)j;
    kv_forget(j->a->env.configs, f);
    strs_unref(f->names);
    VEC_FREE(&f->missing);
    buf_finish(&f->trouble);
    mem_free(f);
}

static void fetch_next(struct fetch *f);

static void on_fetched(void *arg, trl_status st, const struct kv_entry *e) {
    struct fetch *f = arg;
    struct strs *data = NULL;
    str name = strs_at(f->names, f->at++);
    if (st == TRL_OK && agent_map_read(e->value, &data)) {
        config_known(f->job.a, name, data);
    } else if (st == TRL_E_NOTFOUND && map_has(&f->job.a->configs, name)) {
        ; /* deleted, and used here before: empty */
    } else if (st == TRL_OK || st == TRL_E_NOTFOUND) {
        *VEC_ADD(&f->missing) = name;
    } else if (!f->trouble.len) {
        buf_addf(&f->trouble, "Config %.*s cannot be read: %s", PSTR(name), err_name(st));
    }
    fetch_next(f);
}

/* One that reads as empty may have been put again since. */
static void fetch_next(struct fetch *f) {
    struct agent *a = f->job.a;
    while (f->at < strs_n(f->names) && map_get(&a->configs, strs_at(f->names, f->at))) {
        f->at++;
    }
    if (f->at < strs_n(f->names)) {
        str name = strs_at(f->names, f->at);
        if (wire_key_ok(name)) {
            kv_get(a->env.configs, name, on_fetched, f);
        } else {
            on_fetched(f, TRL_E_NOTFOUND, NULL);
        }
        return;
    }
    struct strs *missing = strs_of(f->missing.at, f->missing.n);
    f->done(f->arg, missing, buf_str(&f->trouble));
    strs_unref(missing);
    job_end(&f->job);
}

void agent_fetch(struct agent *a, struct strs *names, agent_fetched_fn done, void *arg) {
    struct fetch *f = mem_zalloc(sizeof(*f));
    job_join(a, &f->job, fetch_drop);
    f->names = strs_ref(names);
    f->done = done;
    f->arg = arg;
    fetch_next(f);
}
