/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that any one host answers for its lattice: links and configs. A record is written only
 * over the one that was read, so that links put at the same time are not lost.
 */
#include "agent/agent_priv.h"

#define SPEC  "COMPONENT_"
#define TRIES 50u /* of one write, when others write the same record */

struct shared {
    struct job job;
    char *reply, *name;  /* name: key of a config, or of the record of links */
    struct vlink *link;  /* put: the new one; del: what to look for */
    struct strs *names;  /* of the configs a link needs */
    struct linkset *set; /* to be written */
    struct vlink *found; /* del: what was removed */
    char *url;           /* of the record */
    uint32_t tries;
    bool put;
};

static void shared_drop(struct job *j) {
    struct shared *s = (struct shared *)j;
    kv_forget(j->a->env.links, s);
    kv_forget(j->a->env.configs, s);
    mem_free(s->reply);
    mem_free(s->name);
    mem_free(s->url);
    vlink_unref(s->link);
    vlink_unref(s->found);
    strs_unref(s->names);
    linkset_unref(s->set);
    mem_free(s);
}

static struct shared *shared_new(struct agent *a, const struct ask *q) {
    struct shared *s = mem_zalloc(sizeof(*s));
    job_join(a, &s->job, shared_drop);
    s->reply = str_dup(q->reply);
    s->name = str_dup(q->name);
    return s;
}

static void end(struct shared *s, bool ok, const char *message) {
    agent_reply(s->job.a, str_c(s->reply), ok, message);
    job_end(&s->job);
}

/* Configs */

static void config_event(struct agent *a, const char *event, const char *name) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "config_name", str_c(name));
    jw_end_object(&w);
    agent_event(a, event, &data);
}

static void on_config_put(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    struct shared *s = arg;
    (void)revision;
    if (st != TRL_OK) {
        log_warn(s->job.a->env.log, "config %s: %.*s", s->name, PSTR(agent_err_text(st, err)));
        end(s, false, "unable to store config data");
        return;
    }
    config_event(s->job.a, "config_set", s->name);
    end(s, true, "successfully put config");
}

void agent_config_put(struct agent *a, const struct ask *q) {
    struct strs *data = NULL;
    if (!agent_map_read(q->body, &data)) {
        agent_reply(a, q->reply, false, "config data should be a map of string -> string");
    } else if (!wire_key_ok(q->name)) {
        agent_reply(a, q->reply, false, "unable to store config data");
    } else {
        struct buf value = BUF_INIT;
        struct jw w;
        jw_init(&w, &value, false);
        pairs_write(data, &w);
        kv_put(a->env.configs, q->name, buf_str(&value), TRL_REV_ANY, on_config_put,
               shared_new(a, q));
        buf_finish(&value);
    }
    strs_unref(data);
}

static void on_config_got(void *arg, trl_status st, const struct kv_entry *e) {
    struct shared *s = arg;
    struct strs *data = NULL;
    if (st == TRL_E_NOTFOUND) {
        end(s, true, "Configuration not found");
    } else if (st != TRL_OK) {
        end(s, false, "unable to read config data");
    } else if (!agent_map_read(e->value, &data)) {
        end(s, false, "config data should be a map of string -> string");
    } else {
        struct buf b = BUF_INIT;
        struct jw w;
        jw_init(&w, &b, false);
        pairs_write(data, &w);
        agent_reply_json(s->job.a, str_c(s->reply), &b);
        job_end(&s->job);
    }
    strs_unref(data);
}

void agent_config_get(struct agent *a, const struct ask *q) {
    if (!wire_key_ok(q->name)) {
        agent_reply(a, q->reply, false, "key cannot be empty or start/end with `.`");
    } else {
        kv_get(a->env.configs, q->name, on_config_got, shared_new(a, q));
    }
}

static void on_config_del(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    struct shared *s = arg;
    (void)revision;
    if (st != TRL_OK && st != TRL_E_NOTFOUND) {
        log_warn(s->job.a->env.log, "config %s: %.*s", s->name, PSTR(agent_err_text(st, err)));
        end(s, false, "Unable to delete config data");
        return;
    }
    config_event(s->job.a, "config_deleted", s->name);
    end(s, true, "successfully deleted config");
}

void agent_config_del(struct agent *a, const struct ask *q) {
    if (!wire_key_ok(q->name)) {
        agent_reply(a, q->reply, false, "Unable to delete config data");
    } else {
        kv_del(a->env.configs, q->name, TRL_REV_ANY, on_config_del, shared_new(a, q));
    }
}

/* Links */

void agent_link_get(struct agent *a, const struct ask *q) {
    struct buf b = BUF_INIT;
    struct jw w;
    jw_init(&w, &b, false);
    jw_array(&w);
    for (uint32_t i = 0; i < a->sources.n; i++) {
        const struct source *s = a->sources.at[i].value;
        for (uint32_t k = 0; s->set && k < s->set->n; k++) {
            jw_object(&w);
            vlink_write(s->set->at[k], &w);
            jw_end_object(&w);
        }
    }
    jw_end_array(&w);
    agent_reply_json(a, q->reply, &b);
}

static void say_link(struct agent *a, const char *event, const struct vlink *l, const char *error) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    if (error) {
        jw_kv(&w, "error", str_c(error));
    }
    vlink_write(l, &w);
    jw_end_object(&w);
    agent_event(a, event, &data);
}

static void say_deleted(const struct shared *s) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    if (s->found) {
        jw_key(&w, "interfaces");
        strs_write(s->found->interfaces, &w);
        jw_kv(&w, "target", s->found->target);
    }
    jw_kv(&w, "name", s->link->name);
    jw_kv(&w, "source_id", s->link->source);
    jw_kv(&w, "wit_namespace", s->link->ns);
    jw_kv(&w, "wit_package", s->link->package);
    jw_end_object(&w);
    agent_event(s->job.a, "linkdef_deleted", &data);
}

static void put_failed(struct shared *s, const char *reply, const char *error) {
    say_link(s->job.a, "linkdef_set_failed", s->link, error ? error : reply);
    end(s, false, reply);
}

static void read_record(struct shared *s);

static void on_record_put(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    struct shared *s = arg;
    (void)revision;
    if (st == TRL_E_CONFLICT && ++s->tries < TRIES) {
        read_record(s);
    } else if (st != TRL_OK && s->put) {
        struct buf why = BUF_INIT;
        buf_addf(&why, "failed to update component spec: %.*s", PSTR(agent_err_text(st, err)));
        put_failed(s, "failed to update component spec", why.ptr);
        buf_finish(&why);
    } else if (st != TRL_OK) {
        end(s, false, "failed to update component spec");
    } else if (s->put) {
        say_link(s->job.a, "linkdef_set", s->link, NULL);
        end(s, true, "successfully set link");
    } else {
        say_deleted(s);
        end(s, true, "successfully deleted link");
    }
}

/* Changes what was read as asked; false: it is answered. */
static bool change(struct shared *s, struct linkset *now) {
    linkset_unref(s->set);
    vlink_unref(s->found);
    s->set = NULL;
    s->found = NULL;
    if (s->put && linkset_conflict(now, s->link)) {
        put_failed(s,
                   "link already exists with different target, consider deleting the existing link "
                   "or using a different link name",
                   NULL);
        return false;
    }
    s->set = s->put ? linkset_put(now, s->link)
                    : linkset_del(now, s->link->ns, s->link->package, s->link->name, &s->found);
    return true;
}

static void on_record(void *arg, trl_status st, const struct kv_entry *e) {
    struct shared *s = arg;
    struct linkset *now = NULL;
    bool absent = st == TRL_E_NOTFOUND;
    mem_free(s->url);
    s->url = NULL;
    if (absent && !s->put) {
        end(s, true, "successfully deleted link (spec doesn't exist)");
        return;
    }
    if (!absent && (st != TRL_OK || !agent_record_read(e->value, &now, &s->url))) {
        if (s->put) {
            put_failed(s, "failed to get component spec", NULL);
        } else {
            end(s, false, "failed to get component spec");
        }
        return;
    }
    uint64_t revision = absent ? TRL_REV_ABSENT : e->revision;
    if (change(s, now)) {
        struct buf value = BUF_INIT;
        agent_record_write(str_c(s->url ? s->url : ""), s->set, &value);
        kv_put(s->job.a->env.links, str_c(s->name), buf_str(&value), revision, on_record_put, s);
        buf_finish(&value);
    }
    linkset_unref(now);
}

static void read_record(struct shared *s) {
    kv_get(s->job.a->env.links, str_c(s->name), on_record, s);
}

static void on_checked(void *arg, const struct strs *missing, str trouble) {
    struct shared *s = arg;
    struct buf why = BUF_INIT;
    for (uint32_t i = 0; i < strs_n(missing); i++) {
        str name = strs_at(missing, i);
        buf_addf(&why, "%s%s %.*s not found in config store. ",
                 i ? "" : "Failed to validate configuration and secrets. ",
                 str_starts(name, STR("SECRET")) ? "Secret reference" : "Configuration",
                 PSTR(name));
    }
    if (trouble.len) {
        buf_clear(&why);
        buf_addf(&why, "Failed to validate configuration and secrets. %.*s", PSTR(trouble));
    }
    if (missing || trouble.len) {
        put_failed(s, why.ptr, NULL);
    } else if (!wire_key_ok(str_c(s->name))) {
        put_failed(s, "failed to get component spec",
                   "failed to get component spec: key cannot be empty or start/end with `.`");
    } else {
        read_record(s);
    }
    buf_finish(&why);
}

struct link_in {
    str source, target, ns, package, name;
    const struct node *interfaces, *source_config, *target_config;
};

static struct shared *link_new(struct agent *a, const struct ask *q, const struct link_in *in) {
    struct buf key = BUF_INIT;
    struct vlink like = {.source = in->source,
                         .target = in->target,
                         .name = in->name,
                         .ns = in->ns,
                         .package = in->package,
                         .interfaces = strs_of_array(in->interfaces),
                         .source_config = strs_of_array(in->source_config),
                         .target_config = strs_of_array(in->target_config)};
    struct shared *s = shared_new(a, q);
    s->link = vlink_new(&like);
    buf_addf(&key, SPEC "%.*s", PSTR(in->source));
    mem_free(s->name);
    s->name = buf_take(&key);
    return s;
}

static struct strs *both(const struct strs *x, const struct strs *y) {
    uint32_t n = strs_n(x) + strs_n(y);
    str *at = mem_array(n + 1, sizeof(*at));
    for (uint32_t i = 0; i < n; i++) {
        at[i] = i < strs_n(x) ? strs_at(x, i) : strs_at(y, i - strs_n(x));
    }
    struct strs *s = strs_of(at, n);
    mem_free(at);
    return s;
}

void agent_link_put(struct agent *a, const struct ask *q) {
    static const struct wire_field fields[] = {
        {"source_id", NULL, WIRE_F_STR, true, false, offsetof(struct link_in, source)},
        {"target", NULL, WIRE_F_STR, true, false, offsetof(struct link_in, target)},
        {"name", NULL, WIRE_F_STR, false, false, offsetof(struct link_in, name)},
        {"wit_namespace", NULL, WIRE_F_STR, true, false, offsetof(struct link_in, ns)},
        {"wit_package", NULL, WIRE_F_STR, true, false, offsetof(struct link_in, package)},
        {"interfaces", NULL, WIRE_F_LIST, true, false, offsetof(struct link_in, interfaces)},
        {"source_config", NULL, WIRE_F_LIST, false, false, offsetof(struct link_in, source_config)},
        {"target_config", NULL, WIRE_F_LIST, false, false, offsetof(struct link_in, target_config)},
    };
    struct link_in in = {.name = STR("default")};
    struct arena scratch = ARENA_INIT;
    if (!wire_decode(q->body, fields, ARRAY_LEN(fields), &in, &scratch)) {
        agent_reply(a, q->reply, false, "failed to deserialize wrpc link definition");
    } else {
        struct shared *s = link_new(a, q, &in);
        s->put = true;
        s->names = both(s->link->source_config, s->link->target_config);
        agent_fetch(a, s->names, on_checked, s);
    }
    arena_finish(&scratch);
}

void agent_link_del(struct agent *a, const struct ask *q) {
    static const struct wire_field fields[] = {
        {"source_id", NULL, WIRE_F_STR, true, false, offsetof(struct link_in, source)},
        {"wit_namespace", NULL, WIRE_F_STR, true, false, offsetof(struct link_in, ns)},
        {"wit_package", NULL, WIRE_F_STR, true, false, offsetof(struct link_in, package)},
        {"name", NULL, WIRE_F_STR, false, false, offsetof(struct link_in, name)},
    };
    struct link_in in = {.name = STR("default")};
    struct arena scratch = ARENA_INIT;
    if (!wire_decode(q->body, fields, ARRAY_LEN(fields), &in, &scratch)) {
        agent_reply(a, q->reply, false, "failed to deserialize wrpc link definition");
    } else {
        struct shared *s = link_new(a, q, &in);
        if (wire_key_ok(str_c(s->name))) {
            read_record(s);
        } else {
            end(s, false, "failed to get component spec");
        }
    }
    arena_finish(&scratch);
}

/* The record of a unit that starts: an existing one stays as it is. */

static void on_spec(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    struct shared *s = arg;
    (void)revision;
    if (st != TRL_OK && st != TRL_E_CONFLICT) {
        log_warn(s->job.a->env.log, "%s: %.*s", s->name, PSTR(agent_err_text(st, err)));
    }
    job_end(&s->job);
}

void agent_write_spec(struct agent *a, str id, str url) {
    struct buf key = BUF_INIT, value = BUF_INIT;
    if (!map_has(&a->sources, id)) {
        buf_addf(&key, SPEC "%.*s", PSTR(id));
        agent_record_write(url, NULL, &value);
        struct ask q = {.name = buf_str(&key)};
        kv_put(a->env.links, buf_str(&key), buf_str(&value), TRL_REV_ABSENT, on_spec,
               shared_new(a, &q));
    }
    buf_finish(&key);
    buf_finish(&value);
}
