/* SPDX-License-Identifier: Apache-2.0 */
#include "actions.h"

#include "../common/xmem.h"
#include "call.h"
#include "configs.h"
#include "links.h"
#include "text.h"
#include "update.h"

#define STOP_EXTRA_NS (3 * NS_PER_S) /* a provider is given time to end before the reply comes */

/* One request to one host. */
struct act {
    struct flow flow;
    struct ticket ticket;
    struct trail trail;
    struct lattice *l;
    struct call *call;
    char *host_id, *unit_id, *operation; /* owned */
    uint32_t verb;
};

static void act_destroy(struct flow *f) {
    struct act *t = (struct act *)(void *)f;
    call_cancel(&t->call);
    free(t->host_id);
    free(t->unit_id);
    free(t->operation);
    free(t);
}

static void act_end(struct act *t) {
    flow_leave(&t->flow);
    act_destroy(&t->flow);
}

static void on_inventory(void *arg, trl_status st, const char *text, const void *data) {
    struct act *t = arg;
    (void)st; /* the host did what was asked; what it runs is told later then */
    (void)text;
    (void)data;
    ticket_ok(&t->ticket);
    act_end(t);
}

/* The host knows better than we do: ask what it runs, then all is well. */
static void ask_then_ok(struct act *t) {
    host_ask(host_ensure(t->l, trl_cstr(t->host_id)), on_inventory, t);
}

static void on_answer(void *arg, const struct answer *a) {
    struct act *t = arg;
    int label = t->verb == TRL_DO_LABEL_PUT || t->verb == TRL_DO_LABEL_DEL;
    t->call = NULL;
    if ((answer_ok(a) && label) ||
        (a->st == TRL_OK && !a->success &&
         (text_has(a->message, "already running") || text_has(a->message, "not running")))) {
        ask_then_ok(t);
        return;
    }
    if (answer_ok(a)) {
        if (t->verb == TRL_DO_PROVIDER_STOP) { /* the reply comes after the work */
            trl_running gone = {.struct_size = sizeof(gone), .kind = TRL_RUN_PROVIDER};
            gone.unit_id = trl_cstr(t->unit_id);
            host_delta(host_ensure(t->l, trl_cstr(t->host_id)), &gone);
        }
        ticket_ok(&t->ticket);
    } else {
        char text[256];
        answer_text(a, t->l, t->operation, text, sizeof(text));
        ticket_fail(&t->ticket, answer_status(a), "%s", text);
    }
    act_end(t);
}

/* body: taken */
static void send(struct lattice *l, trl_op *op, const trl_action *a, const char *operation,
                 char *body, int64_t timeout_ns) {
    if (!body) {
        op_refuse(&l->d->desk, op, TRL_E_INVALID,
                  "the action has text that is no UTF-8, or limits that are no JSON object");
        return;
    }
    struct act *t = x_zalloc(sizeof(*t));
    flow_join(l->d, &t->flow, act_destroy);
    ticket_open(&t->ticket, &l->d->desk, op);
    trail_keep(&t->trail, a);
    t->l = l;
    t->verb = a->verb;
    t->host_id = text_dup(a->host_id);
    t->unit_id = text_dup(a->unit_id);
    t->operation = proto_op(operation, a->host_id);
    t->call = call_traced(l, t->trail.traceparent, text_dup(trl_cstr(t->operation)), body,
                          timeout_ns, on_answer, t);
}

static struct scale scale_of(const trl_action *a) {
    return (struct scale){.host_id = a->host_id,
                          .unit_id = a->unit_id,
                          .image = a->image,
                          .count = a->count,
                          .config_names = a->config_names,
                          .n_config_names = a->n_config_names,
                          .annotations = a->annotations,
                          .n_annotations = a->n_annotations,
                          .limits = a->body};
}

static void scale(struct lattice *l, trl_op *op, const trl_action *a) {
    struct scale s = scale_of(a);
    if (s.count == 0) {
        /* An empty reference stops without asking a registry; a policy service wants the real one.
         */
        s.image = l->d->set.stop_with_ref ? s.image : STR_LIT("");
        s.limits = STR_LIT("");
        s.n_config_names = 0;
    }
    char *body = proto_scale(&s);
    struct host *h = body ? host_ensure(l, a->host_id) : NULL;
    if (h && s.count) {
        mark_set(h, &s, TRL_RUN_COMPONENT, (a->flags & TRL_ACT_RUNNING) != 0);
    } else if (h) {
        mark_drop(h, s.unit_id);
    }
    send(l, op, a, "component.scale", body, l->d->set.timeout_ns);
}

static void provider_start(struct lattice *l, trl_op *op, const trl_action *a) {
    struct scale s = scale_of(a);
    char *body = proto_provider_start(&s);
    if (body) {
        mark_set(host_ensure(l, a->host_id), &s, TRL_RUN_PROVIDER, 0);
    }
    send(l, op, a, "provider.start", body, l->d->set.timeout_ns);
}

static void on_host(struct lattice *l, trl_op *op, const trl_action *a) {
    int64_t timeout_ns = l->d->set.timeout_ns;
    switch (a->verb) {
    case TRL_DO_SCALE:
        scale(l, op, a);
        break;
    case TRL_DO_UPDATE:
        update_apply(l, op, a);
        break;
    case TRL_DO_PROVIDER_START:
        provider_start(l, op, a);
        break;
    case TRL_DO_PROVIDER_STOP:
        mark_drop(host_ensure(l, a->host_id), a->unit_id);
        send(l, op, a, "provider.stop", proto_provider_stop(a->host_id, a->unit_id),
             timeout_ns + STOP_EXTRA_NS);
        break;
    case TRL_DO_LABEL_PUT: {
        trl_str value = a->body.ptr ? a->body : STR_LIT("");
        send(l, op, a, "label.put", proto_label(a->name, value), timeout_ns);
        break;
    }
    case TRL_DO_LABEL_DEL:
        send(l, op, a, "label.del", proto_label(a->name, trl_strn(NULL, 0)), timeout_ns);
        break;
    default:
        send(l, op, a, "host.stop", proto_host_stop(a->host_id), timeout_ns);
        break;
    }
}

static int needs_unit(uint32_t verb) {
    return verb == TRL_DO_SCALE || verb == TRL_DO_UPDATE || verb == TRL_DO_PROVIDER_START ||
           verb == TRL_DO_PROVIDER_STOP;
}

void actions_apply(struct trl_inst *d, trl_op *op, const trl_action *a) {
    const char *why = "";
    struct lattice *l = lattice_follow(d, a->lattice, &why);
    if (!l) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "%s", why);
        return;
    }
    l->acted = 1;
    switch (a->verb) {
    case TRL_DO_LINK_PUT:
    case TRL_DO_LINK_DEL:
    case TRL_DO_LINK_RENEW:
        links_apply(l, op, a);
        return;
    case TRL_DO_CONFIG_PUT:
    case TRL_DO_CONFIG_DEL:
        configs_apply(l, op, a);
        return;
    default:
        break;
    }
    if (a->verb == 0 || a->verb > TRL_DO_LINK_RENEW) {
        op_refuse(&d->desk, op, TRL_E_UNSUPP, "the lattice driver has no such verb");
    } else if (!text_is_token(a->host_id)) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "the action names no host");
    } else if (needs_unit(a->verb) && !a->unit_id.len) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "the action names no component or provider");
    } else {
        on_host(l, op, a);
    }
}
