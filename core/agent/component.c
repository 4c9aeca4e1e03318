/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests about components. Unlike hosts of wasmCloud this one replaces an image for good when a
 * scale names another one.
 */
#include "agent/agent_priv.h"

void agent_component_auction(struct agent *a, const struct ask *q) {
    struct in {
        str ref, id;
        const struct node *constraints;
    } in = {STR_NONE, STR_NONE, NULL};
    static const struct wire_field fields[] = {
        {"component_ref", NULL, WIRE_F_STR, false, false, offsetof(struct in, ref)},
        {"component_id", NULL, WIRE_F_STR, true, false, offsetof(struct in, id)},
        {"constraints", NULL, WIRE_F_MAP, true, false, offsetof(struct in, constraints)},
    };
    struct arena s = ARENA_INIT;
    if (!wire_decode(q->body, fields, ARRAY_LEN(fields), &in, &s)) {
        agent_reply(a, q->reply, false, "failed to deserialize component auction command");
    } else if (!agent_matches(a, in.constraints)) {
        ; /* hosts that do not fit are silent */
    } else if (!agent_can_run(a, TRL_RUN_COMPONENT, in.id, in.ref)) {
        log_info(a->env.log, "no bid for %.*s: the driver %s cannot run image %.*s", PSTR(in.id),
                 a->kind, PSTR(in.ref));
    } else {
        struct buf b = BUF_INIT;
        struct strs *constraints = pairs_of_object(in.constraints);
        struct jw w;
        jw_init(&w, &b, false);
        jw_object(&w);
        jw_kv(&w, "component_ref", in.ref);
        jw_kv(&w, "component_id", in.ref); /* as hosts do; clients read it so */
        jw_kv(&w, "host_id", str_c(a->host_id));
        jw_key(&w, "constraints");
        pairs_write(constraints, &w);
        jw_end_object(&w);
        agent_reply_json(a, q->reply, &b);
        strs_unref(constraints);
    }
    arena_finish(&s);
}

struct scale_in {
    str id, ref, host_id;
    uint32_t count;
    bool update;
    const struct node *annotations, *config, *limits, *settings;
};

static const struct wire_field scale_fields[] = {
    {"component_id", NULL, WIRE_F_STR, true, false, offsetof(struct scale_in, id)},
    {"component_ref", NULL, WIRE_F_STR, false, false, offsetof(struct scale_in, ref)},
    {"count", NULL, WIRE_F_U32, false, false, offsetof(struct scale_in, count)},
    {"annotations", NULL, WIRE_F_MAP, false, true, offsetof(struct scale_in, annotations)},
    {"config", NULL, WIRE_F_LIST, false, false, offsetof(struct scale_in, config)},
    {"allow_update", NULL, WIRE_F_BOOL, false, false, offsetof(struct scale_in, update)},
    {"host_id", NULL, WIRE_F_STR, false, false, offsetof(struct scale_in, host_id)},
    {"component_limits", NULL, WIRE_F_MAP, false, true, offsetof(struct scale_in, limits)},
    {WIRE_SETTINGS, NULL, WIRE_F_ANY, false, true, offsetof(struct scale_in, settings)},
};

static void warning(const struct entry *e, const struct scale_in *in, struct buf *text) {
    if (e && e->count && e->image && in->count && !str_is(in->ref, e->image)) {
        str image = str_c(e->image);
        buf_addf(text,
                 "Requested to scale existing component, with a changed image reference: %.*s != "
                 "%.*s. The component will be scaled, and the image reference will be updated "
                 "afterwards.",
                 PSTR(image), PSTR(in->ref));
    }
}

void agent_scale(struct agent *a, const struct ask *q) {
    struct scale_in in = {.count = 0};
    struct arena s = ARENA_INIT;
    if (!wire_decode(q->body, scale_fields, ARRAY_LEN(scale_fields), &in, &s)) {
        agent_reply(a, q->reply, false, "failed to deserialize component scale command");
        arena_finish(&s);
        return;
    }
    struct start start = {.kind = TRL_RUN_COMPONENT,
                          .count = in.count,
                          .id = in.id,
                          .image = in.ref,
                          .host_id = in.host_id,
                          .annotations = in.annotations,
                          .config = in.config,
                          .settings = in.settings};
    struct buf text = BUF_INIT;
    warning(agent_entry(a, in.id), &in, &text);
    agent_reply(a, q->reply, true, text.ptr ? text.ptr : "");
    buf_finish(&text);
    if (in.count == 0 && !agent_here(a, in.id)) {
        agent_say_absent(a, &start);
    } else {
        agent_start(a, &start);
    }
    arena_finish(&s);
}

void agent_update(struct agent *a, const struct ask *q) {
    struct in {
        str id, ref, host_id;
        const struct node *annotations;
    } in = {.annotations = NULL};
    static const struct wire_field fields[] = {
        {"component_id", NULL, WIRE_F_STR, false, false, offsetof(struct in, id)},
        {"new_component_ref", NULL, WIRE_F_STR, false, false, offsetof(struct in, ref)},
        {"annotations", NULL, WIRE_F_MAP, false, true, offsetof(struct in, annotations)},
        {"host_id", NULL, WIRE_F_STR, false, false, offsetof(struct in, host_id)},
    };
    struct arena s = ARENA_INIT;
    struct buf text = BUF_INIT;
    if (!wire_decode(q->body, fields, ARRAY_LEN(fields), &in, &s)) {
        agent_reply(a, q->reply, false, "failed to deserialize component update command");
        arena_finish(&s);
        return;
    }
    struct entry *e = agent_entry(a, in.id);
    bool runs = e && e->count && e->kind == TRL_RUN_COMPONENT && e->image;
    bool same = runs && str_is(in.ref, e->image);
    if (!runs) {
        buf_addf(&text, "component %.*s not found", PSTR(in.id));
    } else if (same) {
        buf_addf(&text, "component %.*s already updated to %.*s", PSTR(in.id), PSTR(in.ref));
    } else if (!e->known) {
        buf_addf(&text,
                 "component %.*s was started by an earlier life of this host, which does not "
                 "remember its configuration: scale it with the new reference instead",
                 PSTR(in.id));
    } else {
        buf_addf(&text, "component %.*s updating from %s to %.*s", PSTR(in.id), e->image,
                 PSTR(in.ref));
    }
    agent_reply(a, q->reply, runs && (same || e->known), text.ptr);
    if (runs && !same && e->known) {
        agent_replace(a, e, in.ref, in.host_id, pairs_of_object(in.annotations));
    }
    buf_finish(&text);
    arena_finish(&s);
}
