/* SPDX-License-Identifier: Apache-2.0 */
#include "resync.h"

#include "../common/xmem.h"
#include "call.h"
#include "hosts.h"
#include "linkset.h"
#include "text.h"

struct resync {
    struct flow flow;
    struct ticket ticket;
    struct lattice *l;
    uint64_t round;
    struct call *ping;
    uint32_t left; /* hosts that have not answered, links, ping */
    trl_status st; /* of our way to the hosts, not of single hosts */
};

static void resync_destroy(struct flow *f) {
    struct resync *r = (struct resync *)(void *)f;
    call_cancel(&r->ping);
    free(r);
}

static void one_less(struct resync *r) {
    if (--r->left) {
        return;
    }
    if (r->st == TRL_OK) {
        ticket_ok(&r->ticket);
    } else {
        ticket_fail(&r->ticket, r->st, "lattice %s could not be asked: the transport is down",
                    r->l->id);
    }
    flow_leave(&r->flow);
    free(r);
}

/* A host or the list of links that does not answer is retried by its own module. */
static void on_part(void *arg, trl_status st, const char *text, const void *data) {
    (void)st;
    (void)text;
    (void)data;
    one_less(arg);
}

static void ask_host(struct resync *r, struct host *h) {
    if (h->sync_round != r->round) {
        h->sync_round = r->round;
        r->left++;
        host_ask(h, on_part, r);
    }
}

/* Hosts we know that did not answer the ping, or in a way that was not understood. */
static void ask_others(struct resync *r) {
    const struct names *hosts = &r->l->hosts;
    for (size_t i = 0; i < hosts->cap; i++) {
        if (hosts->slots[i].key) {
            ask_host(r, hosts->slots[i].value);
        }
    }
}

static void on_pong(void *arg, const struct answer *a) {
    struct resync *r = arg;
    if (a->st == TRL_OK) {
        trl_str id = decode_str(a->b_response, "id");
        if (a->success && text_is_token(id)) {
            ask_host(r, host_ensure(r->l, id));
        } else {
            driver_garbage(r->l->d, lattice_id(r->l), "answer to a ping");
        }
        return;
    }
    r->ping = NULL;
    if (a->st != TRL_E_TIMEOUT && a->st != TRL_E_NORESPONDER) {
        r->st = a->st;
    }
    ask_others(r);
    one_less(r);
}

void resync_start(struct lattice *l, trl_op *op) {
    struct resync *r = x_zalloc(sizeof(*r));
    flow_join(l->d, &r->flow, resync_destroy);
    ticket_open(&r->ticket, &l->d->desk, op);
    r->l = l;
    r->round = ++l->sync_round;
    r->left = 2;
    r->ping = call_many(l, text_dup(STR_LIT("host.ping")), l->d->set.ping_ns, on_pong, r);
    linksync_ask(l, on_part, r);
}
