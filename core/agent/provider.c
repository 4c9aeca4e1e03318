/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests about providers.
 */
#include "agent/agent_priv.h"

static const struct entry *provider(const struct agent *a, str id) {
    const struct entry *e = agent_entry(a, id);
    return e && e->kind == TRL_RUN_PROVIDER && (e->count || e->wanted) ? e : NULL;
}

void agent_provider_auction(struct agent *a, const struct ask *q) {
    struct in {
        str ref, id;
        const struct node *constraints;
    } in = {STR_NONE, STR_NONE, NULL};
    static const struct wire_field fields[] = {
        {"provider_ref", NULL, WIRE_F_STR, false, false, offsetof(struct in, ref)},
        {"provider_id", NULL, WIRE_F_STR, true, false, offsetof(struct in, id)},
        {"constraints", NULL, WIRE_F_MAP, true, false, offsetof(struct in, constraints)},
    };
    struct arena s = ARENA_INIT;
    if (!wire_decode(q->body, fields, ARRAY_LEN(fields), &in, &s)) {
        agent_reply(a, q->reply, false, "failed to deserialize provider auction command");
    } else if (!agent_matches(a, in.constraints) || provider(a, in.id)) {
        ; /* hosts that do not fit are silent */
    } else if (!agent_can_run(a, TRL_RUN_PROVIDER, in.id, in.ref)) {
        log_info(a->env.log, "no bid for %.*s: the driver %s cannot run image %.*s", PSTR(in.id),
                 a->kind, PSTR(in.ref));
    } else {
        struct buf b = BUF_INIT;
        struct strs *constraints = pairs_of_object(in.constraints);
        struct jw w;
        jw_init(&w, &b, false);
        jw_object(&w);
        jw_kv(&w, "host_id", str_c(a->host_id));
        jw_kv(&w, "provider_ref", in.ref);
        jw_kv(&w, "provider_id", in.id);
        jw_key(&w, "constraints");
        pairs_write(constraints, &w);
        jw_end_object(&w);
        agent_reply_json(a, q->reply, &b);
        strs_unref(constraints);
    }
    arena_finish(&s);
}

struct start_in {
    str id, ref, host_id;
    const struct node *config, *annotations, *settings;
};

void agent_provider_start(struct agent *a, const struct ask *q) {
    static const struct wire_field fields[] = {
        {"provider_id", NULL, WIRE_F_STR, true, false, offsetof(struct start_in, id)},
        {"provider_ref", NULL, WIRE_F_STR, false, false, offsetof(struct start_in, ref)},
        {"host_id", NULL, WIRE_F_STR, false, false, offsetof(struct start_in, host_id)},
        {"config", NULL, WIRE_F_LIST, false, false, offsetof(struct start_in, config)},
        {"annotations", NULL, WIRE_F_MAP, false, true, offsetof(struct start_in, annotations)},
        {WIRE_SETTINGS, NULL, WIRE_F_ANY, false, true, offsetof(struct start_in, settings)},
    };
    struct start_in in = {.config = NULL};
    struct arena s = ARENA_INIT;
    if (!wire_decode(q->body, fields, ARRAY_LEN(fields), &in, &s)) {
        agent_reply(a, q->reply, false, "failed to deserialize provider start command");
        arena_finish(&s);
        return;
    }
    const struct entry *e = provider(a, in.id);
    if (e && e->count) {
        agent_reply(a, q->reply, false, "provider with that ID is already running");
    } else {
        struct start start = {.kind = TRL_RUN_PROVIDER,
                              .count = 1,
                              .id = in.id,
                              .image = in.ref,
                              .host_id = in.host_id,
                              .annotations = in.annotations,
                              .config = in.config,
                              .settings = in.settings};
        agent_reply(a, q->reply, true, "successfully started provider");
        agent_start(a, &start);
    }
    arena_finish(&s);
}

struct stop {
    struct job job;
    char *reply, *id, *host_id;
    struct strs *annotations;
};

static void stop_drop(struct job *j) {
    struct stop *s = (struct stop *)j;
    mem_free(s->reply);
    mem_free(s->id);
    mem_free(s->host_id);
    strs_unref(s->annotations);
    mem_free(s);
}

static void say_stopped(struct agent *a, const struct stop *s) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_key(&w, "annotations");
    pairs_write(s->annotations, &w);
    jw_kv(&w, "host_id", str_c(*s->host_id ? s->host_id : a->host_id));
    jw_kv(&w, "instance_id", str_c(s->id));
    jw_kv(&w, "link_name", STR("default"));
    jw_kv(&w, "provider_id", str_c(s->id));
    jw_kv(&w, "public_key", str_c(s->id));
    jw_kv(&w, "reason", STR("stop"));
    jw_end_object(&w);
    agent_event(a, "provider_stopped", &data);
}

static void on_stopped(void *arg, trl_status st, const trl_err *err) {
    struct stop *s = arg;
    struct agent *a = s->job.a;
    if (st == TRL_OK) {
        struct entry *e = agent_entry(a, str_c(s->id));
        say_stopped(a, s);
        agent_reply(a, str_c(s->reply), true, "successfully stopped provider");
        if (e) {
            agent_tell(a, e); /* nothing is left of it, unless it was started again */
        }
    } else {
        struct buf b = BUF_INIT;
        struct entry *e = agent_entry(a, str_c(s->id));
        if (e) {
            e->stopping = false;
        }
        buf_addf(&b, "the provider does not stop: %.*s", PSTR(agent_err_text(st, err)));
        agent_reply(a, str_c(s->reply), false, b.ptr);
        buf_finish(&b);
    }
    job_end(&s->job);
}

static void stop(struct agent *a, str reply, struct entry *e, str host_id) {
    struct stop *s = mem_zalloc(sizeof(*s));
    trl_action x = {.verb = TRL_DO_PROVIDER_STOP, .unit_id = str_c(e->id)};
    job_join(a, &s->job, stop_drop);
    s->reply = str_dup(reply);
    s->id = mem_strdup(e->id);
    s->host_id = str_dup(host_id);
    s->annotations = strs_ref(e->image ? e->annotations : e->asked.annotations);
    asked_end(&e->asked);
    e->serial = ++a->serial;
    e->wanted = false;
    e->told = 0; /* its end is told by this request */
    e->stopping = true;
    agent_apply(a, &x, on_stopped, s);
}

void agent_provider_stop(struct agent *a, const struct ask *q) {
    struct in {
        str id, host_id;
    } in = {STR_NONE, STR_NONE};
    static const struct wire_field fields[] = {
        {"provider_id", "provider_ref", WIRE_F_STR, false, false, offsetof(struct in, id)},
        {"host_id", NULL, WIRE_F_STR, false, false, offsetof(struct in, host_id)},
    };
    struct arena s = ARENA_INIT;
    if (!wire_decode(q->body, fields, ARRAY_LEN(fields), &in, &s)) {
        agent_reply(a, q->reply, false, "failed to deserialize provider stop command");
    } else if (!provider(a, in.id)) {
        agent_reply(a, q->reply, false, "provider with that ID is not running");
    } else {
        stop(a, q->reply, agent_entry(a, in.id), in.host_id);
    }
    arena_finish(&s);
}
