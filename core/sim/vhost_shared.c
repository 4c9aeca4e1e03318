/* SPDX-License-Identifier: Apache-2.0
 *
 * What any one host does for its lattice: links, configs, claims, registries.
 */
#include <string.h>

#include "hostwire/decode.h"
#include "hostwire/wire.h"
#include "sim/world_priv.h"

int64_t vhost_unsupported(struct vhost *h, struct request *r, int64_t now_ns) {
    (void)now_ns;
    world_reply(h, r, false, "unsupported subject");
    return 0;
}

int64_t vhost_claims_get(struct vhost *h, struct request *r, int64_t now_ns) {
    struct buf b = BUF_INIT;
    (void)now_ns;
    buf_addf(&b, "[]"); /* nothing here is signed */
    world_reply_json(h, r, &b);
    buf_finish(&b);
    return 0;
}

int64_t vhost_registry_put(struct vhost *h, struct request *r, int64_t now_ns) {
    struct arena a = ARENA_INIT;
    bool ok = wire_decode_registries(r->body, &a);
    (void)now_ns;
    world_reply(h, r, ok,
                ok ? "successfully put registries"
                   : "failed to deserialize registries put command");
    arena_finish(&a);
    return 0;
}

static void config_event(struct vhost *h, enum sim_event ev, str name) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "config_name", name);
    jw_end_object(&w);
    world_event(h, ev, &data);
}

int64_t vhost_config_put(struct vhost *h, struct request *r, int64_t now_ns) {
    struct arena a = ARENA_INIT;
    const struct node *map;
    (void)now_ns;
    if (!wire_decode_map(r->body, &map, &a)) {
        world_reply(h, r, false, "config data should be a map of string -> string");
    } else if (!wire_key_ok(r->name)) {
        world_reply(h, r, false, "unable to store config data");
    } else if (!vhost_refuses(h, r)) {
        vlattice_config_put(h->lattice, r->name, pairs_of_object(map));
        config_event(h, SIM_EV_CONFIG_SET, r->name);
        world_reply(h, r, true, "successfully put config");
    }
    arena_finish(&a);
    return 0;
}

int64_t vhost_config_get(struct vhost *h, struct request *r, int64_t now_ns) {
    const struct vconfig *c = vlattice_config(h->lattice, r->name);
    (void)now_ns;
    if (!wire_key_ok(r->name)) {
        world_reply(h, r, false, "key cannot be empty or start/end with `.`");
    } else if (!c) {
        world_reply(h, r, true, "Configuration not found");
    } else {
        struct buf b = BUF_INIT;
        struct jw w;
        jw_init(&w, &b, false);
        pairs_write(c->data, &w);
        world_reply_json(h, r, &b);
        buf_finish(&b);
    }
    return 0;
}

int64_t vhost_config_del(struct vhost *h, struct request *r, int64_t now_ns) {
    (void)now_ns;
    if (!wire_key_ok(r->name)) {
        world_reply(h, r, false, "Unable to delete config data");
    } else if (!vhost_refuses(h, r)) {
        vlattice_config_del(h->lattice, r->name);
        config_event(h, SIM_EV_CONFIG_DELETED, r->name);
        world_reply(h, r, true, "successfully deleted config");
    }
    return 0;
}

int64_t vhost_link_get(struct vhost *h, struct request *r, int64_t now_ns) {
    struct buf b = BUF_INIT;
    struct jw w;
    jw_init(&w, &b, false);
    vlattice_links_json(h->lattice, world_of(h)->c.link_lag_ns, now_ns, &w);
    world_reply_json(h, r, &b);
    buf_finish(&b);
    return 0;
}

/* Between reading a source's links and writing them back. */
struct link_task {
    struct task task;
    struct request *r;
    str source, ns, package, name; /* interned */
    struct vlink *link;            /* put: the new one; del: the one found */
    struct linkset *read, *set;
};

static void link_drop(struct task *t) {
    struct link_task *k = (struct link_task *)t;
    request_unref(k->r);
    vlink_unref(k->link);
    linkset_unref(k->read);
    linkset_unref(k->set);
    mem_free(k);
}

static void say_link(struct vhost *h, enum sim_event ev, const struct vlink *l, const char *error) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    if (error) {
        jw_kv(&w, "error", str_c(error));
    }
    vlink_write(l, &w);
    jw_end_object(&w);
    world_event(h, ev, &data);
}

static void say_deleted(struct vhost *h, const struct link_task *k) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    if (k->link) {
        jw_key(&w, "interfaces");
        strs_write(k->link->interfaces, &w);
        jw_kv(&w, "target", k->link->target);
    }
    jw_kv(&w, "name", k->name);
    jw_kv(&w, "source_id", k->source);
    jw_kv(&w, "wit_namespace", k->ns);
    jw_kv(&w, "wit_package", k->package);
    jw_end_object(&w);
    world_event(h, SIM_EV_LINKDEF_DELETED, &data);
}

static void put_run(struct task *t, int64_t now_ns) {
    struct link_task *k = (struct link_task *)t;
    vlattice_links_write(t->host->lattice, k->source, k->read, linkset_ref(k->set), now_ns);
    say_link(t->host, SIM_EV_LINKDEF_SET, k->link, NULL);
    world_reply(t->host, k->r, true, "successfully set link");
    link_drop(t);
}

static void del_run(struct task *t, int64_t now_ns) {
    struct link_task *k = (struct link_task *)t;
    vlattice_links_write(t->host->lattice, k->source, k->read, linkset_ref(k->set), now_ns);
    say_deleted(t->host, k);
    world_reply(t->host, k->r, true, "successfully deleted link");
    link_drop(t);
}

static void link_begin(struct vhost *h, struct link_task *k,
                       void (*run)(struct task *t, int64_t now_ns)) {
    struct world *w = world_of(h);
    k->task = (struct task){.run = run, .drop = link_drop};
    world_later(h, &k->task, w->now_ns + sim_delay_draw(&faults_of(h)->link, &w->rng));
}

static void missing_configs(const struct vlattice *l, const struct strs *names, struct buf *why) {
    for (uint32_t i = 0; i < strs_n(names); i++) {
        str name = strs_at(names, i);
        if (!vlattice_config(l, name)) {
            if (why->len == 0) {
                buf_addf(why, "Failed to validate configuration and secrets. ");
            }
            buf_addf(why, "%s %.*s not found in config store. ",
                     str_starts(name, STR("SECRET")) ? "Secret reference" : "Configuration",
                     PSTR(name));
        }
    }
}

static const char bad_key[] =
    "failed to get component spec: key cannot be empty or start/end with `.`";

static bool source_ok(str source) { /* as part of a longer key: only its last character matters */
    return source.len == 0 || wire_key_ok(source) ||
           (source.ptr[0] == '.' && wire_key_ok(str_skip(source, 1)));
}

/* False: refused, and said so. */
static bool put_check(struct vhost *h, const struct request *r, const struct vlink *l,
                      const struct linkset *read) {
    struct buf why = BUF_INIT;
    const char *reply, *event = NULL;
    missing_configs(h->lattice, l->source_config, &why);
    missing_configs(h->lattice, l->target_config, &why);
    reply = why.ptr;
    if (!reply && !source_ok(l->source)) {
        reply = "failed to get component spec";
        event = bad_key;
    }
    if (!reply && linkset_conflict(read, l)) {
        reply = "link already exists with different target, consider deleting the existing link or "
                "using a different link name";
    }
    bool ok = reply == NULL;
    if (!ok) {
        say_link(h, SIM_EV_LINKDEF_SET_FAILED, l, event ? event : reply);
        world_reply(h, r, false, reply);
    }
    buf_finish(&why);
    return ok;
}

struct put_in {
    str source, target, ns, package, name;
    const struct node *interfaces, *source_config, *target_config;
};

static struct vlink *link_of(const struct put_in *in) {
    struct vlink like = {.source = in->source,
                         .target = in->target,
                         .name = in->name,
                         .ns = in->ns,
                         .package = in->package,
                         .interfaces = strs_of_array(in->interfaces),
                         .source_config = strs_of_array(in->source_config),
                         .target_config = strs_of_array(in->target_config)};
    return vlink_new(&like);
}

/* The links of a source without making a record of it. */
static struct linkset *links_now(const struct vhost *h, str source, bool *ret_known) {
    const struct vsource *s = map_get(&h->lattice->sources, source);
    *ret_known = s != NULL;
    return s ? s->now : NULL;
}

static void put_accept(struct vhost *h, struct request *r, const struct put_in *in) {
    bool known;
    struct vlink *l = link_of(in);
    struct linkset *read = links_now(h, l->source, &known);
    if (!put_check(h, r, l, read)) {
        vlink_unref(l);
        return;
    }
    struct link_task *k = mem_zalloc(sizeof(*k));
    k->r = request_ref(r);
    k->source = l->source;
    k->link = l;
    k->read = linkset_ref(read);
    k->set = linkset_put(read, l);
    link_begin(h, k, put_run);
}

int64_t vhost_link_put(struct vhost *h, struct request *r, int64_t now_ns) {
    static const struct wire_field fields[] = {
        {"source_id", NULL, WIRE_F_STR, true, false, offsetof(struct put_in, source)},
        {"target", NULL, WIRE_F_STR, true, false, offsetof(struct put_in, target)},
        {"name", NULL, WIRE_F_STR, false, false, offsetof(struct put_in, name)},
        {"wit_namespace", NULL, WIRE_F_STR, true, false, offsetof(struct put_in, ns)},
        {"wit_package", NULL, WIRE_F_STR, true, false, offsetof(struct put_in, package)},
        {"interfaces", NULL, WIRE_F_LIST, true, false, offsetof(struct put_in, interfaces)},
        {"source_config", NULL, WIRE_F_LIST, false, false, offsetof(struct put_in, source_config)},
        {"target_config", NULL, WIRE_F_LIST, false, false, offsetof(struct put_in, target_config)},
    };
    struct put_in in = {.name = STR("default")};
    struct arena a = ARENA_INIT;
    (void)now_ns;
    if (!wire_decode(r->body, fields, ARRAY_LEN(fields), &in, &a)) {
        world_reply(h, r, false, "failed to deserialize wrpc link definition");
    } else if (!vhost_refuses(h, r)) {
        put_accept(h, r, &in);
    }
    arena_finish(&a);
    return 0;
}

struct del_in {
    str source, ns, package, name;
};

static void del_accept(struct vhost *h, struct request *r, const struct del_in *in) {
    struct world *w = world_of(h);
    bool known;
    struct linkset *read = links_now(h, in->source, &known);
    if (!source_ok(in->source)) {
        world_reply(h, r, false, "failed to get component spec");
        return;
    }
    if (!known) {
        world_reply(h, r, true, "successfully deleted link (spec doesn't exist)");
        return;
    }
    struct link_task *k = mem_zalloc(sizeof(*k));
    k->r = request_ref(r);
    k->source = world_name(w, in->source);
    k->ns = world_name(w, in->ns);
    k->package = world_name(w, in->package);
    k->name = world_name(w, in->name);
    k->read = linkset_ref(read);
    k->set = linkset_del(read, k->ns, k->package, k->name, &k->link);
    link_begin(h, k, del_run);
}

int64_t vhost_link_del(struct vhost *h, struct request *r, int64_t now_ns) {
    static const struct wire_field fields[] = {
        {"source_id", NULL, WIRE_F_STR, true, false, offsetof(struct del_in, source)},
        {"wit_namespace", NULL, WIRE_F_STR, true, false, offsetof(struct del_in, ns)},
        {"wit_package", NULL, WIRE_F_STR, true, false, offsetof(struct del_in, package)},
        {"name", NULL, WIRE_F_STR, false, false, offsetof(struct del_in, name)},
    };
    struct del_in in = {.name = STR("default")};
    struct arena a = ARENA_INIT;
    (void)now_ns;
    if (!wire_decode(r->body, fields, ARRAY_LEN(fields), &in, &a)) {
        world_reply(h, r, false, "failed to deserialize wrpc link definition");
    } else if (!vhost_refuses(h, r)) {
        del_accept(h, r, &in);
    }
    arena_finish(&a);
    return 0;
}
