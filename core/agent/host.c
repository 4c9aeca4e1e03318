/* SPDX-License-Identifier: Apache-2.0
 *
 * What the host says about itself: pings, inventories, heartbeats, labels, its end.
 */
#include "agent/agent_priv.h"

#include <strings.h>

static struct strs *with(struct strs *s, str key, str value) { /* s: taken */
    struct strs *next = pairs_with(s, key, value);
    strs_unref(s);
    return next;
}

/* The driver's, then the operator's; that it is an agent can be seen and not be changed. */
struct strs *agent_labels(const struct agent *a) {
    struct strs *s = strs_ref(a->driver_labels);
    for (uint32_t i = 0; i < pairs_n(a->labels); i++) {
        s = with(s, strs_at(a->labels, 2 * i), strs_at(a->labels, 2 * i + 1));
    }
    return with(s, STR("hostcore.driver"), str_c(a->kind));
}

void agent_write_labels(const struct agent *a, struct jw *w) {
    struct strs *s = agent_labels(a);
    jw_key(w, "labels");
    pairs_write(s, w);
    strs_unref(s);
}

bool agent_matches(const struct agent *a, const struct node *constraints) {
    struct strs *labels = agent_labels(a);
    bool fits = true;
    for (uint32_t i = 0; fits && i < constraints->n; i++) {
        str value;
        fits = pairs_get(labels, constraints->members[i].key, &value) &&
               str_eq(value, constraints->members[i].value->text);
    }
    strs_unref(labels);
    return fits;
}

bool agent_can_run(struct agent *a, uint32_t kind, str id, str image) {
    struct strs *labels = agent_labels(a);
    trl_host_view host = {.struct_size = sizeof(host),
                          .flags = TRL_HOST_READY,
                          .id = str_c(a->host_id),
                          .name = str_c(a->name)};
    trl_unit_view unit = {.struct_size = sizeof(unit),
                          .lattice = str_c(a->lattice),
                          .id = id,
                          .name = id,
                          .image = image,
                          .kind = kind == TRL_RUN_PROVIDER ? STR("capability") : STR("component")};
    trl_label *at = agent_marks(labels, &host.n_labels);
    host.labels = at;
    bool can = a->env.driver.can_run(a->env.driver.arg, &unit, &host);
    mem_free(at);
    strs_unref(labels);
    return can;
}

static void write_uptime(const struct agent *a, struct jw *w) {
    struct buf text = BUF_INIT;
    uint64_t s = (uint64_t)((loop_now_ns(a->env.loop) - a->started_ns) / 1000000000);
    wire_uptime(s, &text);
    jw_kv(w, "uptime_human", buf_str(&text));
    jw_kv_u64(w, "uptime_seconds", s);
    buf_finish(&text);
}

static void write_entry(const struct entry *e, bool provider, struct jw *w) {
    str image = str_c(e->image ? e->image : "");
    jw_object(w);
    jw_key(w, "annotations");
    pairs_write(e->annotations, w);
    jw_kv(w, "id", str_c(e->id));
    jw_kv(w, "image_ref", provider ? wire_provider_image(image) : image);
    if (!provider) {
        jw_key(w, "limits");
        jw_null(w);
        jw_kv_u64(w, "max_instances", e->count);
    }
    jw_kv_u64(w, "revision", 0);
    jw_end_object(w);
}

static void write_entries(const struct agent *a, uint32_t kind, struct jw *w) {
    jw_array(w);
    for (uint32_t i = 0; i < a->entries.n; i++) {
        const struct entry *e = a->entries.at[i].value;
        if (e->kind == kind && e->count) {
            write_entry(e, kind == TRL_RUN_PROVIDER, w);
        }
    }
    jw_end_array(w);
}

static void inventory(const struct agent *a, struct buf *out) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_key(&w, "components");
    write_entries(a, TRL_RUN_COMPONENT, &w);
    jw_kv(&w, "friendly_name", str_c(a->name));
    jw_kv(&w, "host_id", str_c(a->host_id));
    agent_write_labels(a, &w);
    jw_key(&w, "providers");
    write_entries(a, TRL_RUN_PROVIDER, &w);
    write_uptime(a, &w);
    jw_kv(&w, "version", str_c(a->version));
    jw_end_object(&w);
}

static void say_health(struct agent *a, const struct entry *e) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "host_id", str_c(a->host_id));
    jw_kv(&w, "provider_id", str_c(e->id));
    jw_end_object(&w);
    agent_event(a, "health_check_status", &data);
}

void agent_beat(struct agent *a) {
    struct buf data = BUF_INIT;
    inventory(a, &data);
    agent_event(a, "host_heartbeat", &data);
    for (uint32_t i = 0; i < a->entries.n; i++) {
        const struct entry *e = a->entries.at[i].value;
        if (e->kind == TRL_RUN_PROVIDER && e->count && e->told) {
            say_health(a, e);
        }
    }
}

void agent_say_hello(struct agent *a) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "friendly_name", str_c(a->name));
    agent_write_labels(a, &w);
    jw_kv_u64(&w, "uptime_seconds", 0);
    jw_kv(&w, "version", str_c(a->version));
    jw_end_object(&w);
    agent_event(a, "host_started", &data);
}

void agent_say_bye(struct agent *a) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    agent_write_labels(a, &w);
    jw_end_object(&w);
    agent_event(a, "host_stopped", &data);
}

void agent_ping(struct agent *a, const struct ask *q) {
    struct buf b = BUF_INIT;
    struct jw w;
    jw_init(&w, &b, false);
    jw_object(&w);
    jw_kv(&w, "id", str_c(a->host_id));
    jw_kv(&w, "friendly_name", str_c(a->name));
    agent_write_labels(a, &w);
    jw_kv(&w, "lattice", str_c(a->lattice));
    write_uptime(a, &w);
    jw_kv(&w, "version", str_c(a->version));
    jw_kv(&w, "rpc_host", str_c(a->url));
    jw_kv(&w, "ctl_host", str_c(a->url));
    jw_end_object(&w);
    agent_reply_json(a, q->reply, &b);
}

void agent_get(struct agent *a, const struct ask *q) {
    struct buf b = BUF_INIT;
    inventory(a, &b);
    agent_reply_json(a, q->reply, &b);
}

void agent_stop_host(struct agent *a, const struct ask *q) {
    struct in {
        str host_id;
        uint64_t timeout;
    } in = {STR_NONE, 0};
    static const struct wire_field fields[] = {
        {"host_id", NULL, WIRE_F_STR, false, false, offsetof(struct in, host_id)},
        {"timeout", NULL, WIRE_F_U64, false, true, offsetof(struct in, timeout)},
    };
    struct arena s = ARENA_INIT;
    if (q->body.len && !wire_decode(q->body, fields, ARRAY_LEN(fields), &in, &s)) {
        agent_reply(a, q->reply, false, "failed to deserialize stop command");
    } else if (in.host_id.len && !str_is(in.host_id, a->host_id)) {
        struct buf b = BUF_INIT;
        buf_addf(&b, "invalid host_id [%.*s]", PSTR(in.host_id));
        agent_reply(a, q->reply, false, b.ptr);
        buf_finish(&b);
    } else {
        agent_reply(a, q->reply, true, "successfully handled stop host");
        a->env.on_stop(a->env.arg);
    }
    arena_finish(&s);
}

/* Labels: the driver keeps them, where it can. */

struct label {
    struct job job;
    char *reply, *key;
    bool put;
};

static void label_drop(struct job *j) {
    struct label *l = (struct label *)j;
    mem_free(l->reply);
    mem_free(l->key);
    mem_free(l);
}

static void say_labels(struct agent *a) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "host_id", str_c(a->host_id));
    agent_write_labels(a, &w);
    jw_end_object(&w);
    agent_event(a, "labels_changed", &data);
}

static void on_label(void *arg, trl_status st, const trl_err *err) {
    struct label *l = arg;
    struct agent *a = l->job.a;
    if (st == TRL_OK) {
        say_labels(a);
        agent_reply(a, str_c(l->reply), true,
                    l->put ? "successfully put label" : "successfully deleted label");
    } else {
        struct buf b = BUF_INIT;
        buf_addf(&b, "the label was not kept: %.*s", PSTR(agent_err_text(st, err)));
        agent_reply(a, str_c(l->reply), false, b.ptr);
        buf_finish(&b);
    }
    job_end(&l->job);
}

static void forget_own(struct agent *a, str key) {
    if (pairs_get(a->labels, key, NULL)) {
        struct strs *next = pairs_without(a->labels, key);
        strs_unref(a->labels);
        a->labels = next;
    }
}

static void label(struct agent *a, const struct ask *q, str key, str value, bool put) {
    struct label *l = mem_zalloc(sizeof(*l));
    trl_action x = {.verb = put ? TRL_DO_LABEL_PUT : TRL_DO_LABEL_DEL, .name = key, .body = value};
    job_join(a, &l->job, label_drop);
    l->reply = str_dup(q->reply);
    l->key = str_dup(key);
    l->put = put;
    forget_own(a, key);
    if (a->env.driver.verbs >> x.verb & 1u) {
        agent_apply(a, &x, on_label, l);
    } else {
        if (put) {
            a->labels = with(a->labels, key, value);
        }
        on_label(l, TRL_OK, NULL);
    }
}

void agent_label_put(struct agent *a, const struct ask *q) {
    struct in {
        str key, value;
    } in = {STR_NONE, STR_NONE};
    static const struct wire_field fields[] = {
        {"key", NULL, WIRE_F_STR, true, false, offsetof(struct in, key)},
        {"value", NULL, WIRE_F_STR, true, false, offsetof(struct in, value)},
    };
    static const char guarded[] = "hostcore.";
    struct arena s = ARENA_INIT;
    if (!wire_decode(q->body, fields, ARRAY_LEN(fields), &in, &s)) {
        agent_reply(a, q->reply, false, "failed to deserialize put label request");
    } else if (in.key.len >= strlen(guarded) &&
               strncasecmp(in.key.ptr, guarded, strlen(guarded)) == 0) {
        agent_reply(a, q->reply, false, "hostcore.* labels cannot be set dynamically");
    } else {
        label(a, q, in.key, in.value, true);
    }
    arena_finish(&s);
}

void agent_label_del(struct agent *a, const struct ask *q) {
    struct in {
        str key;
    } in = {STR_NONE};
    static const struct wire_field fields[] = {
        {"key", NULL, WIRE_F_STR, true, false, offsetof(struct in, key)},
    };
    struct arena s = ARENA_INIT;
    struct strs *labels = agent_labels(a);
    if (!wire_decode(q->body, fields, ARRAY_LEN(fields), &in, &s)) {
        agent_reply(a, q->reply, false, "failed to deserialize delete label request");
    } else if (!pairs_get(labels, in.key, NULL)) {
        agent_reply(a, q->reply, true, "successfully deleted label (no such label)");
    } else {
        label(a, q, in.key, STR_NONE, false);
    }
    strs_unref(labels);
    arena_finish(&s);
}

void agent_claims_get(struct agent *a, const struct ask *q) {
    struct buf b = BUF_INIT;
    buf_addf(&b, "[]"); /* nothing here is signed */
    agent_reply_json(a, q->reply, &b);
}

void agent_registry_put(struct agent *a, const struct ask *q) {
    struct arena s = ARENA_INIT;
    bool ok = wire_decode_registries(q->body, &s);
    agent_reply(a, q->reply, ok,
                ok ? "successfully put registries"
                   : "failed to deserialize registries put command");
    arena_finish(&s);
}

void agent_unsupported(struct agent *a, const struct ask *q) {
    agent_reply(a, q->reply, false, "unsupported subject");
}
