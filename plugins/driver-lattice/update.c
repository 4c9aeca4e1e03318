/* SPDX-License-Identifier: Apache-2.0 */
#include "update.h"

#include "../common/xmem.h"
#include "text.h"

#define STOP_NS (10 * NS_PER_S)

/* One image with what belongs to it. */
struct side {
    char *image; /* owned; empty: unknown */
    uint32_t count, n_configs, n_notes;
    trl_str *configs; /* owned block with its texts */
    trl_label *notes; /* owned block with its texts */
};

enum state { TRIAL, TRIAL_END, STOP, START, BACK };

struct update {
    struct flow flow;
    struct ticket ticket;
    struct trail trail;
    struct host *h;
    struct update *next;
    char *unit, *trial, *limits; /* owned; limits: of the new side */
    struct side to, from;
    uint32_t kind; /* TRL_RUN_* */
    enum state state;
    int repeated;
    struct call *call;
    struct wake deadline;
    trl_status st; /* why it fails */
    char text[256];
};

static void side_init(struct side *s, trl_str image, uint32_t count, const trl_str *configs,
                      uint32_t n_configs, const trl_label *notes, uint32_t n_notes) {
    size_t bytes_c = n_configs * sizeof(trl_str), bytes_n = n_notes * sizeof(trl_label);
    for (uint32_t i = 0; i < n_configs; i++) {
        bytes_c += configs[i].len;
    }
    for (uint32_t i = 0; i < n_notes; i++) {
        bytes_n += notes[i].key.len + notes[i].value.len;
    }
    *s = (struct side){.image = text_dup(image), .count = count};
    s->n_configs = n_configs;
    s->n_notes = n_notes;
    s->configs = x_zalloc(bytes_c);
    s->notes = x_zalloc(bytes_n);
    char *at = (char *)(s->configs + n_configs);
    for (uint32_t i = 0; i < n_configs; i++) {
        s->configs[i] = trl_strn(at, configs[i].len);
        at = configs[i].len ? mempcpy(at, configs[i].ptr, configs[i].len) : at;
    }
    at = (char *)(s->notes + n_notes);
    for (uint32_t i = 0; i < n_notes; i++) {
        s->notes[i].key = trl_strn(at, notes[i].key.len);
        at = notes[i].key.len ? mempcpy(at, notes[i].key.ptr, notes[i].key.len) : at;
        s->notes[i].value = trl_strn(at, notes[i].value.len);
        at = notes[i].value.len ? mempcpy(at, notes[i].value.ptr, notes[i].value.len) : at;
    }
}

static void side_finish(struct side *s) {
    free(s->image);
    free(s->configs);
    free(s->notes);
}

static void update_destroy(struct flow *f) {
    struct update *u = (struct update *)(void *)f;
    call_cancel(&u->call);
    wake_stop(&u->deadline);
    side_finish(&u->to);
    side_finish(&u->from);
    free(u->unit);
    free(u->trial);
    free(u->limits);
    free(u);
}

static void end(struct update *u) {
    struct update **at = &u->h->updates;
    while (*at != u) {
        at = &(*at)->next;
    }
    *at = u->next;
    poll_unask(&u->h->poll, u);
    if (u->st == TRL_OK) {
        ticket_ok(&u->ticket);
    } else {
        ticket_fail(&u->ticket, u->st, "%s", u->text);
    }
    flow_leave(&u->flow);
    update_destroy(&u->flow);
}

static void because(struct update *u, trl_status st, trl_str text) {
    u->st = st;
    text_line(u->text, sizeof(u->text), text);
}

static void back(struct update *u);
static void start(struct update *u);
static void stop(struct update *u);
static void trial_end(struct update *u);
static void on_deadline(void *arg);

static void enter(struct update *u, enum state state, int64_t deadline_ns) {
    call_cancel(&u->call);
    poll_unask(&u->h->poll, u);
    u->repeated = u->state == state && u->repeated;
    u->state = state;
    wake_start(&u->deadline, &u->h->l->d->desk, deadline_ns, on_deadline, u);
}

/* The state's goal is reached. */
static void reached(struct update *u) {
    switch (u->state) {
    case TRIAL:
        trial_end(u);
        break;
    case TRIAL_END:
        if (u->st == TRL_OK && u->ticket.op) {
            stop(u);
        } else {
            end(u); /* failed, or cancelled while nothing was touched yet */
        }
        break;
    case STOP:
        start(u);
        break;
    case START:
        end(u);
        break;
    case BACK: {
        size_t n = strlen(u->text);
        snprintf(u->text + n, sizeof(u->text) - n, "; the old image runs again");
        end(u);
        break;
    }
    }
}

/* An agent starts the new image beside the old one, and gives it up when it does not work. */
static int in_place(const struct update *u) {
    return u->h->agent && u->kind == TRL_RUN_COMPONENT;
}

/* The state's goal cannot be reached. */
static void missed(struct update *u, trl_status st, trl_str text) {
    switch (u->state) {
    case TRIAL:
        because(u, st, text);
        end(u);
        break;
    case TRIAL_END:
        reached(u); /* what is left of it is cleared by a later inventory */
        break;
    case STOP:
        because(u, st, text);
        end(u);
        break;
    case START:
        because(u, st, text);
        if (st == TRL_E_NORESPONDER || !u->from.image[0] || !u->from.count || in_place(u)) {
            end(u); /* an agent has gone back by itself */
        } else {
            back(u);
        }
        break;
    case BACK: {
        size_t n = strlen(u->text);
        snprintf(u->text + n, sizeof(u->text) - n, "; the old image did not start again: %.*s",
                 STR_ARG(text));
        end(u);
        break;
    }
    }
}

/* Lost events, slow hosts: the inventory decides. Positive answers came by updates_see already. */
static void on_asked(void *arg, trl_status st, const char *text, const void *data) {
    struct update *u = arg;
    (void)data;
    if (st != TRL_OK) {
        missed(u, st, trl_cstr(text));
    } else if (u->state == TRIAL) {
        because(u, TRL_E_TIMEOUT,
                STR_LIT("the trial start of the new image did not finish in time"));
        trial_end(u);
    } else if (!u->repeated && u->state == TRIAL_END) {
        u->repeated = 1;
        trial_end(u);
    } else if (!u->repeated && u->state == STOP) {
        u->repeated = 1;
        stop(u);
    } else {
        missed(u, TRL_E_TIMEOUT,
               u->state == STOP
                   ? STR_LIT("the unit did not stop in time; it still runs the old image")
                   : STR_LIT("the image did not start in time"));
    }
}

static void on_deadline(void *arg) {
    struct update *u = arg;
    host_ask(u->h, on_asked, u);
}

/* The reply to what was sent; the end of it comes as an event, but for a provider's stop. */
static void on_sent(void *arg, const struct answer *a) {
    struct update *u = arg;
    int provider = u->kind == TRL_RUN_PROVIDER;
    u->call = NULL;
    if (provider && u->state == STOP && (answer_ok(a) || text_has(a->message, "not running"))) {
        trl_running gone = {.struct_size = sizeof(gone), .kind = u->kind};
        gone.unit_id = trl_cstr(u->unit);
        host_delta(u->h, &gone);
        reached(u);
    } else if (provider && a->st == TRL_OK && text_has(a->message, "already running")) {
        host_ask(u->h, on_asked, u);
    } else if (!answer_ok(a) && a->st != TRL_E_TIMEOUT) {
        char text[256];
        answer_text(a, u->h->l, "the update", text, sizeof(text));
        missed(u, answer_status(a), trl_cstr(text));
    } /* after a time-out the event may come all the same */
}

static void send_scale(struct update *u, const char *unit, const struct side *side,
                       uint32_t count) {
    struct lattice *l = u->h->l;
    struct scale s = {.host_id = host_id(u->h), .unit_id = trl_cstr(unit), .count = count};
    int provider = u->kind == TRL_RUN_PROVIDER;
    if (side && count) {
        s.image = trl_cstr(side->image);
        s.config_names = side->configs;
        s.n_config_names = side->n_configs;
        s.annotations = side->notes;
        s.n_annotations = side->n_notes;
        s.limits = side == &u->to ? trl_cstr(u->limits) : s.limits;
        mark_set(u->h, &s, u->kind, 0);
    } else if (side) {
        s.image = l->d->set.stop_with_ref ? trl_cstr(side->image) : s.image;
        s.annotations = side->notes; /* echoed when nothing runs: a trial is known by them */
        s.n_annotations = side->n_notes;
    }
    u->call = call_traced(l, u->trail.traceparent,
                          proto_op(provider ? "provider.start" : "component.scale", s.host_id),
                          provider ? proto_provider_start(&s) : proto_scale(&s),
                          l->d->set.timeout_ns, on_sent, u);
}

static void trial(struct update *u) {
    enter(u, TRIAL, u->h->l->d->set.preflight_ns);
    send_scale(u, u->trial, &u->to, 1);
}

static void trial_end(struct update *u) {
    enter(u, TRIAL_END, STOP_NS);
    send_scale(u, u->trial, &u->to, 0);
}

static void stop(struct update *u) {
    struct lattice *l = u->h->l;
    enter(u, STOP, STOP_NS);
    mark_drop(u->h, trl_cstr(u->unit));
    if (u->kind == TRL_RUN_PROVIDER) {
        u->call = call_traced(l, u->trail.traceparent, proto_op("provider.stop", host_id(u->h)),
                              proto_provider_stop(host_id(u->h), trl_cstr(u->unit)),
                              l->d->set.timeout_ns + 3 * NS_PER_S, on_sent, u);
    } else {
        send_scale(u, u->unit, &u->from, 0);
    }
}

static void start(struct update *u) {
    enter(u, START, u->h->l->d->set.preflight_ns);
    send_scale(u, u->unit, &u->to, u->to.count);
}

static void back(struct update *u) {
    enter(u, BACK, u->h->l->d->set.preflight_ns);
    send_scale(u, u->unit, &u->from, u->from.count);
}

static int image_is(const struct update *u, const struct side *s, trl_str seen) {
    trl_str image = trl_cstr(s->image);
    return trl_str_eq(u->kind == TRL_RUN_PROVIDER ? proto_provider_image(image) : image, seen);
}

int update_trial_event(struct host *h, const trl_running *r, const trl_str *error) {
    for (struct update *u = h->updates; u; u = u->next) {
        if (!trl_str_is(r->unit_id, u->trial)) {
            continue;
        }
        if (u->state == TRIAL && error) {
            missed(u, TRL_E_DENIED, *error); /* it does not run: nothing to end */
        } else if (!error &&
                   (u->state == TRIAL ? r->count > 0 : u->state == TRIAL_END && r->count == 0)) {
            reached(u);
        }
        return 1;
    }
    return 0;
}

static struct update *find(const struct host *h, trl_str unit) {
    struct update *u = h->updates;
    while (u && !trl_str_is(unit, u->unit)) {
        u = u->next;
    }
    return u;
}

void update_scaled(struct host *h, const trl_running *r) {
    struct update *u = find(h, r->unit_id);
    if (!u || u->kind != r->kind) {
        return;
    }
    if (u->state == STOP && !r->count) {
        /* A late echo of another stop must not let the new image start while the old one runs. */
        if (!r->image.len || !u->from.image[0] || image_is(u, &u->from, r->image)) {
            reached(u);
        } else {
            host_ask(h, NULL, NULL);
        }
    } else if (r->count && ((u->state == START && image_is(u, &u->to, r->image)) ||
                            (u->state == BACK && image_is(u, &u->from, r->image)))) {
        reached(u);
    }
}

/* Events may come twice and late: a failure of the new image says nothing about the old one. */
int update_start_failed(struct host *h, trl_str unit, trl_str image, trl_str error) {
    struct update *u = find(h, unit);
    if (!u) {
        return 0;
    }
    const struct side *side = u->state == START ? &u->to : &u->from;
    int stopping = u->state == STOP && (!image.len || trl_str_is(image, side->image));
    if (stopping || ((u->state == START || u->state == BACK) && trl_str_is(image, side->image))) {
        missed(u, TRL_E_DENIED, error);
    }
    return 1;
}

static const trl_running *entry_of(const struct inventory *inv, const char *id) {
    for (size_t i = 0; i < inv->n_entries; i++) {
        if (trl_str_is(inv->entries[i].unit_id, id) && inv->entries[i].count) {
            return &inv->entries[i];
        }
    }
    return NULL;
}

void updates_see(struct host *h, const struct inventory *inv) {
    for (struct update *u = h->updates, *next; u; u = next) {
        const trl_running *e = entry_of(inv, u->unit), *trial_e = entry_of(inv, u->trial);
        next = u->next;
        if ((u->state == TRIAL && trial_e) || (u->state == TRIAL_END && !trial_e) ||
            (u->state == STOP && !e) || (u->state == START && e && image_is(u, &u->to, e->image)) ||
            (u->state == BACK && e && image_is(u, &u->from, e->image))) {
            reached(u);
        }
    }
}

void updates_fail(struct host *h, const char *why) {
    while (h->updates) {
        because(h->updates, TRL_E_UNAVAIL, trl_cstr(why));
        end(h->updates);
    }
}

int update_owns_trial(const struct host *h, trl_str trial_id) {
    const struct update *u = h->updates;
    while (u && !trl_str_is(trial_id, u->trial)) {
        u = u->next;
    }
    return u != NULL;
}

void update_apply(struct lattice *l, trl_op *op, const trl_action *a) {
    struct host *h = host_ensure(l, a->host_id);
    if (find(h, a->unit_id)) {
        op_refuse(&l->d->desk, op, TRL_E_BUSY, "an update of this unit is under way on this host");
        return;
    }
    struct update *u = x_zalloc(sizeof(*u));
    flow_join(l->d, &u->flow, update_destroy);
    ticket_open(&u->ticket, &l->d->desk, op);
    trail_keep(&u->trail, a);
    u->h = h;
    u->kind = a->flags & TRL_ACT_PROVIDER ? TRL_RUN_PROVIDER : TRL_RUN_COMPONENT;
    u->unit = text_dup(a->unit_id);
    u->trial = text_format("%s" TRIAL_TAIL, u->unit);
    u->limits = text_dup(a->body);
    side_init(&u->to, a->image, a->count, a->config_names, a->n_config_names, a->annotations,
              a->n_annotations);
    side_init(&u->from, a->image_old, a->count_old, a->config_names_old, a->n_config_names_old,
              a->annotations_old, a->n_annotations_old);
    u->next = h->updates;
    h->updates = u;
    if (in_place(u)) {
        start(u);
    } else if ((a->flags & TRL_ACT_PREFLIGHT) && u->kind == TRL_RUN_COMPONENT) {
        trial(u);
    } else {
        stop(u);
    }
}
