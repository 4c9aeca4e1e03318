/* SPDX-License-Identifier: Apache-2.0
 *
 * From a subject to the hosts that hear it.
 */
#include <string.h>

#include "sim/world_priv.h"

static vhost_handler *const handlers[SIM_OP_N] = {
    [SIM_OP_PING] = vhost_ping,
    [SIM_OP_HOST_GET] = vhost_get,
    [SIM_OP_HOST_STOP] = vhost_stop,
    [SIM_OP_LABEL_PUT] = vhost_label_put,
    [SIM_OP_LABEL_DEL] = vhost_label_del,
    [SIM_OP_COMPONENT_AUCTION] = vhost_component_auction,
    [SIM_OP_SCALE] = vhost_scale,
    [SIM_OP_UPDATE] = vhost_update,
    [SIM_OP_PROVIDER_AUCTION] = vhost_provider_auction,
    [SIM_OP_PROVIDER_START] = vhost_provider_start,
    [SIM_OP_PROVIDER_STOP] = vhost_provider_stop,
    [SIM_OP_LINK_PUT] = vhost_link_put,
    [SIM_OP_LINK_DEL] = vhost_link_del,
    [SIM_OP_LINK_GET] = vhost_link_get,
    [SIM_OP_CONFIG_PUT] = vhost_config_put,
    [SIM_OP_CONFIG_GET] = vhost_config_get,
    [SIM_OP_CONFIG_DEL] = vhost_config_del,
    [SIM_OP_CLAIMS_GET] = vhost_claims_get,
    [SIM_OP_REGISTRY_PUT] = vhost_registry_put,
    [SIM_OP_UNSUPPORTED] = vhost_unsupported,
};

struct request *request_ref(struct request *r) {
    r->refs++;
    return r;
}

void request_unref(struct request *r) {
    if (--r->refs == 0) {
        mem_free(r);
    }
}

static char *append(char *p, str s, str *ret) {
    if (s.len) {
        memcpy(p, s.ptr, s.len);
    }
    *ret = str_n(p, s.len);
    return p + s.len;
}

static struct request *request_new(enum sim_op op, str name, str reply, str body) {
    struct request *r = mem_alloc(sizeof(*r) + name.len + reply.len + body.len);
    char *p = (char *)(r + 1);
    r->refs = 1;
    r->op = op;
    p = append(p, name, &r->name);
    p = append(p, reply, &r->reply);
    append(p, body, &r->body);
    return r;
}

struct pending { /* a request that a host has not got to yet */
    struct task task;
    struct request *r;
};

static void pending_drop(struct task *t) {
    struct pending *p = (struct pending *)t;
    request_unref(p->r);
    mem_free(p);
}

static void pending_run(struct task *t, int64_t now_ns) {
    struct pending *p = (struct pending *)t;
    int64_t again = handlers[p->r->op](t->host, p->r, now_ns);
    if (again > 0) {
        world_later(t->host, t, again);
    } else {
        pending_drop(t);
    }
}

static void hear(struct vhost *h, struct request *r, int64_t now_ns) {
    const struct sim_faults *f = faults_of(h);
    struct world *w = world_of(h);
    if (world_chance(w, f->request_lost)) {
        h->lattice->count.lost_requests++;
        return;
    }
    int64_t due = now_ns + sim_delay_draw(&f->reply, &w->rng);
    if (due == now_ns && h->state == VHOST_UP) {
        due = handlers[r->op](h, r, now_ns);
        if (due <= 0) {
            return;
        }
    }
    struct pending *p = mem_zalloc(sizeof(*p));
    p->task = (struct task){.run = pending_run, .drop = pending_drop};
    p->r = request_ref(r);
    world_later(h, &p->task, due);
}

enum audience { NOBODY, EVERYBODY, ANYBODY, ONE };

struct target {
    enum audience who;
    enum sim_op op;
    str name, host;
};

static enum sim_op op_of(str what, str verb) {
    for (int op = 0; op < SIM_OP_UNSUPPORTED; op++) {
        str v, w = str_cut(str_c(sim_op_name((enum sim_op)op)), '.', &v);
        if (str_eq(what, w) && str_eq(verb, v)) {
            return (enum sim_op)op;
        }
    }
    return SIM_OP_UNSUPPORTED;
}

/* Operations that are addressed to one host; the others on such a subject are unsupported. */
static enum sim_op op_of_host(str what, str verb) {
    enum sim_op op = op_of(what, verb);
    bool alone =
        op == SIM_OP_PING || op == SIM_OP_COMPONENT_AUCTION || op == SIM_OP_PROVIDER_AUCTION;
    return alone ? SIM_OP_UNSUPPORTED : op;
}

static struct target target_of(const struct world *w, str what, str rest) {
    struct target t = {.who = NOBODY, .op = SIM_OP_UNSUPPORTED};
    str more, verb = str_cut(rest, '.', &more);
    bool two = more.ptr == NULL;
    if (!rest.ptr) {
        return t;
    }
    if (str_is(what, "config")) {
        t.who = ANYBODY;
        t.name = more;
        if (!two && !memchr(more.ptr, '.', more.len)) {
            t.op = op_of(what, verb);
        }
    } else if (str_is(what, "link")) {
        t.who = two ? ANYBODY : NOBODY;
        t.op = op_of(what, verb);
    } else if (str_is(what, "claims") || str_is(what, "registry")) {
        t.op = op_of(what, verb);
        t.who = !two || t.op == SIM_OP_UNSUPPORTED ? NOBODY
                : str_is(what, "claims")           ? ANYBODY
                                                   : EVERYBODY;
    } else if (str_is(what, "host") || str_is(what, "label") || str_is(what, "component") ||
               str_is(what, "provider")) {
        if (two) {
            t.op = op_of(what, verb);
            bool bid = t.op == SIM_OP_COMPONENT_AUCTION || t.op == SIM_OP_PROVIDER_AUCTION;
            t.who = t.op == SIM_OP_PING || (bid && w->c.auctions) ? EVERYBODY : NOBODY;
        } else if (!memchr(more.ptr, '.', more.len)) {
            t.who = ONE;
            t.op = op_of_host(what, verb);
            t.host = more;
        }
    }
    return t;
}

static bool deliver(struct world *w, struct vlattice *l, const struct target *t, str reply,
                    str body) {
    struct vhost *one = NULL;
    if (t->who == NOBODY || l->up.n == 0) {
        return false;
    }
    if (t->who == ONE) {
        one = world_find(w, t->host);
        if (!one || one->lattice != l || one->state == VHOST_OFF) {
            return false;
        }
    } else if (t->who == ANYBODY) {
        one = l->up.at[rng_below(&w->rng, l->up.n)];
    }
    struct request *r = request_new(t->op, t->name, reply, body);
    l->count.ops[t->op]++;
    if (one) {
        hear(one, r, w->now_ns);
    } else { /* a host that dies in between moves the last one into its place: go backwards */
        for (uint32_t i = l->up.n; i-- > 0;) {
            if (i < l->up.n) {
                hear(l->up.at[i], r, w->now_ns);
            }
        }
    }
    request_unref(r);
    return true;
}

bool world_request(struct world *w, str subject, str reply, str body, int64_t now_ns) {
    str rest, name, what;
    if (!str_starts(subject, str_c(w->prefix))) {
        return false;
    }
    name = str_cut(str_skip(subject, strlen(w->prefix)), '.', &rest);
    struct vlattice *l = world_find_lattice(w, name);
    if (!l) {
        return false;
    }
    what = str_cut(rest, '.', &rest);
    world_enter(w, now_ns);
    world_advance(w, now_ns);
    struct target t = target_of(w, what, rest);
    bool heard = deliver(w, l, &t, reply, body);
    world_leave(w);
    return heard;
}
