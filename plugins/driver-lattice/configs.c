/* SPDX-License-Identifier: Apache-2.0 */
#include "configs.h"

#include "../common/xmem.h"
#include "call.h"
#include "proto.h"
#include "text.h"

struct conf_job;

struct conf {
    struct lattice *l;
    char *name;       /* owned */
    struct poll poll; /* config.get */
    struct call *call;
    uint32_t moves, moves_at_read, tries;
    int known;       /* it was read, or changed by us */
    uint32_t events; /* since our request under way was sent; one of them is its own */
    struct conf_job *head, *tail;
};

/* One put or deletion. */
struct conf_job {
    struct flow flow;
    struct ticket ticket;
    struct trail trail;
    struct conf *c;
    struct conf_job *next;
    char *body; /* owned; NULL: deletion */
    uint64_t hash;
    struct call *call;
};

/* One read_configs. */
struct conf_batch {
    struct flow flow;
    struct ticket ticket;
    uint32_t left;
    trl_status st;
    char text[256];
};

static void report(struct lattice *l, trl_str name, int absent, uint64_t hash) {
    trl_config_seen seen = {.struct_size = sizeof(seen), .name = name, .hash = hash};
    seen.flags = absent ? TRL_CONFIG_ABSENT : 0;
    l->d->observe->configs(l->d->host->ctx, lattice_id(l), &seen, 1, sizeof(seen));
}

/* What hosts say of a name that the bucket could never hold. */
static int says_absent(const struct answer *a) {
    if (a->st != TRL_OK) {
        return 0;
    }
    return a->success ? !a->b_response
                      : text_has(a->message, "key cannot be empty") ||
                            text_has(a->message, "unsupported subject");
}

static void on_config(void *arg, const struct answer *a) {
    struct conf *c = arg;
    struct lattice *l = c->l;
    uint64_t hash = 0;
    c->call = NULL;
    if (a->st == TRL_OK && c->moves != c->moves_at_read && ++c->tries < 4) {
        poll_repeat(&c->poll); /* changed meanwhile */
        return;
    }
    c->tries = 0;
    /* Something that is no map of strings is there, but equals nothing: hash 0. */
    int odd = a->st == TRL_OK && !a->success && text_has(a->message, "should be a map");
    if (says_absent(a)) {
        c->known = 1;
        report(l, trl_cstr(c->name), 1, 0);
        poll_settle(&c->poll, TRL_OK, NULL, NULL);
    } else if (answer_ok(a) || odd) {
        if (!odd && decode_config_hash(a->b_response, &hash) < 0) {
            hash = 0;
        }
        c->known = 1;
        report(l, trl_cstr(c->name), 0, hash);
        poll_settle(&c->poll, TRL_OK, NULL, NULL);
    } else {
        char text[256];
        char *operation = proto_op("config.get", trl_cstr(c->name));
        answer_text(a, l, operation, text, sizeof(text));
        free(operation);
        poll_settle(&c->poll, answer_status(a), text, NULL);
    }
}

static void read_config(struct poll *p) {
    struct conf *c = (struct conf *)(void *)((char *)p - offsetof(struct conf, poll));
    c->moves_at_read = c->moves;
    c->call = call_start(c->l, proto_op("config.get", trl_cstr(c->name)), NULL,
                         c->l->d->set.timeout_ns, on_config, c);
}

static struct conf *conf_ensure(struct lattice *l, trl_str name) {
    struct conf *c = names_find(&l->configs, name);
    if (!c) {
        c = x_zalloc(sizeof(*c));
        c->l = l;
        c->name = text_dup(name);
        poll_init(&c->poll, &l->config_lane, read_config);
        names_put(&l->configs, name, c);
    }
    return c;
}

static void batch_destroy(struct flow *f) {
    free(f);
}

static void batch_check(struct conf_batch *b) {
    if (b->left) {
        return;
    }
    if (b->st == TRL_OK) {
        ticket_ok(&b->ticket);
    } else {
        ticket_fail(&b->ticket, b->st, "%s", b->text);
    }
    flow_leave(&b->flow);
    free(b);
}

static void on_read(void *arg, trl_status st, const char *text, const void *data) {
    struct conf_batch *b = arg;
    (void)data;
    if (st != TRL_OK && b->st == TRL_OK) {
        b->st = st;
        text_line(b->text, sizeof(b->text), trl_cstr(text));
    }
    b->left--;
    batch_check(b);
}

void configs_read(struct lattice *l, trl_op *op, const trl_str *names, uint32_t n) {
    struct conf_batch *b = x_zalloc(sizeof(*b));
    flow_join(l->d, &b->flow, batch_destroy);
    ticket_open(&b->ticket, &l->d->desk, op);
    b->left = 1; /* ours, so that it cannot end before all were asked */
    for (uint32_t i = 0; i < n; i++) {
        if (!text_is_token(names[i])) {
            report(l, names[i], 1, 0); /* no host could have stored it */
            continue;
        }
        b->left++;
        poll_ask(&conf_ensure(l, names[i])->poll, on_read, b);
    }
    b->left--;
    batch_check(b);
}

static void start_job(struct conf_job *j);

static void job_destroy(struct flow *f) {
    struct conf_job *j = (struct conf_job *)(void *)f;
    call_cancel(&j->call);
    free(j->body);
    free(j);
}

static void on_changed(void *arg, const struct answer *a) {
    struct conf_job *j = arg;
    struct conf *c = j->c;
    struct lattice *l = c->l;
    j->call = NULL;
    c->moves++;
    if (answer_ok(a)) {
        c->known = 1;
        report(l, trl_cstr(c->name), !j->body, j->hash);
        ticket_ok(&j->ticket);
        if (c->events > 1) { /* somebody else wrote it, too, before or after */
            poll_ask(&c->poll, NULL, NULL);
        }
    } else {
        char text[256];
        char *operation = proto_op(j->body ? "config.put" : "config.del", trl_cstr(c->name));
        answer_text(a, l, operation, text, sizeof(text));
        free(operation);
        if (a->st == TRL_E_TIMEOUT) { /* it may have happened */
            c->known = 0;
            poll_ask(&c->poll, NULL, NULL);
        }
        ticket_fail(&j->ticket, answer_status(a), "%s", text);
    }
    c->head = j->next;
    flow_leave(&j->flow);
    job_destroy(&j->flow);
    while (c->head && !c->head->ticket.op) { /* cancelled before its turn */
        struct conf_job *gone = c->head;
        c->head = gone->next;
        flow_leave(&gone->flow);
        job_destroy(&gone->flow);
    }
    if (c->head) {
        start_job(c->head);
    } else {
        c->tail = NULL;
    }
}

static void start_job(struct conf_job *j) {
    struct lattice *l = j->c->l;
    trl_str name = trl_cstr(j->c->name);
    j->c->events = 0;
    j->call = call_traced(
        l, j->trail.traceparent, proto_op(j->body ? "config.put" : "config.del", name),
        j->body ? text_dup(trl_cstr(j->body)) : NULL, l->d->set.timeout_ns, on_changed, j);
}

void configs_apply(struct lattice *l, trl_op *op, const trl_action *a) {
    int put = a->verb == TRL_DO_CONFIG_PUT;
    struct jtree tree = jtree_take(&l->d->tree);
    const struct jnode *b_map = put ? jtree_parse(&tree, a->body.ptr, a->body.len) : NULL;
    uint64_t hash = 0;
    int bad_body = put && decode_config_hash(b_map, &hash) < 0;
    jtree_give(&l->d->tree, &tree);
    if (!text_is_token(a->name) || bad_body) {
        op_refuse(&l->d->desk, op, TRL_E_INVALID, "%s",
                  bad_body ? "a config is a JSON object whose values are strings"
                           : "a config name must not be empty or contain blanks, '.', '*' "
                             "or '>'");
        return;
    }
    struct conf_job *j = x_zalloc(sizeof(*j));
    flow_join(l->d, &j->flow, job_destroy);
    ticket_open(&j->ticket, &l->d->desk, op);
    trail_keep(&j->trail, a);
    j->c = conf_ensure(l, a->name);
    j->body = put ? text_dup(a->body) : NULL;
    j->hash = hash;
    if (j->c->tail) {
        j->c->tail->next = j;
        j->c->tail = j;
        return;
    }
    j->c->head = j->c->tail = j;
    start_job(j);
}

void configs_on_event(struct lattice *l, trl_str name, int deleted) {
    struct conf *c = names_find(&l->configs, name);
    if (!c) {
        return; /* nobody asked for it */
    }
    c->moves++;
    if (c->head) {
        c->events++; /* our own; its reply follows */
    } else if (deleted) {
        c->known = 1;
        report(l, name, 1, 0);
    } else {
        poll_ask(&c->poll, NULL, NULL);
    }
}

static void ask_all(struct lattice *l, int unknown_only) {
    for (size_t i = 0; i < l->configs.cap; i++) {
        struct conf *c = l->configs.slots[i].key ? l->configs.slots[i].value : NULL;
        if (c && !poll_busy(&c->poll) && !(unknown_only && c->known)) {
            poll_ask(&c->poll, NULL, NULL);
        }
    }
}

void configs_audit(struct lattice *l) {
    if (l->n_known_hosts) {
        ask_all(l, 0);
    }
}

void configs_read_unknown(struct lattice *l) {
    ask_all(l, 1);
}

void configs_destroy(struct lattice *l) {
    for (size_t i = 0; i < l->configs.cap; i++) {
        struct conf *c = l->configs.slots[i].key ? l->configs.slots[i].value : NULL;
        if (c) { /* its jobs are flows and gone by now */
            call_cancel(&c->call);
            poll_finish(&c->poll);
            free(c->name);
            free(c);
        }
    }
    names_finish(&l->configs);
}
