/* SPDX-License-Identifier: Apache-2.0 */
#include "links.h"

#include "../common/xmem.h"
#include "call.h"
#include "proto.h"
#include "text.h"

#define ROUNDS_AT_MOST 3u /* of "delete what is in the way, put again" */

/* One request of the core, as steps: deletions of the key, then the put, then what shared the key.
 */
struct link_job {
    struct flow flow;
    struct ticket ticket;
    struct trail trail;
    struct source *s;
    struct link_job *next;
    uint32_t verb;
    trl_link *link;      /* owned */
    char *body;          /* owned; of its first put */
    trl_link **siblings; /* owned, each owned; put back at the end */
    size_t n_siblings, cap_siblings, i_sibling;
    size_t dels_left;
    int put_left;
    int steps_many; /* more than one request: events about the key are not told until the end */
    int repeated;   /* the present step was sent a second time */
    uint32_t rounds;
    struct call *call;
    struct wake wake;
    trl_status st; /* how it ends */
    char text[256];
};

static void step(struct link_job *j);

static void job_destroy(struct flow *f) {
    struct link_job *j = (struct link_job *)(void *)f;
    call_cancel(&j->call);
    wake_stop(&j->wake);
    for (size_t i = 0; i < j->n_siblings; i++) {
        free(j->siblings[i]);
    }
    free(j->siblings);
    free(j->link);
    free(j->body);
    free(j);
}

/* What else is stored under the key and may stay: it will be deleted on the way, so keep a copy. */
static void plan_deletion(struct link_job *j, int conflict) {
    const struct source *s = j->s;
    size_t n = source_count(s, j->link);
    int mine_known = 0;
    for (size_t i = 0; i < s->n; i++) {
        const trl_link *k = s->links[i];
        mine_known |= link_same(k, j->link);
        if (link_same_key(k, j->link) && !link_same(k, j->link) && j->link->target.len &&
            !(conflict && link_overlaps(k, j->link))) {
            j->siblings = x_grow(j->siblings, j->n_siblings, &j->cap_siblings, sizeof(trl_link *));
            j->siblings[j->n_siblings++] = link_dup(k);
        }
    }
    /* The host takes the first match, whichever that is: as many deletions as links. */
    j->dels_left = n + (mine_known || conflict || !j->link->target.len ? 0 : 1);
    j->dels_left = j->dels_left ? j->dels_left : 1;
    j->steps_many = 1;
}

static void start_job(struct link_job *j) {
    j->put_left = j->verb != TRL_DO_LINK_DEL;
    j->s->l->links.jobs++;
    if (j->verb != TRL_DO_LINK_PUT) {
        plan_deletion(j, 0);
        j->steps_many = j->dels_left + (size_t)j->put_left + j->n_siblings > 1;
    }
    step(j);
}

static void start_next(struct source *s) {
    while (s->head && !s->head->ticket.op) { /* cancelled before its turn */
        struct link_job *j = s->head;
        s->head = j->next;
        flow_leave(&j->flow);
        job_destroy(&j->flow);
    }
    if (s->head) {
        start_job(s->head);
    } else {
        s->tail = NULL;
    }
}

/* What stood in the way of the put was deleted for good. */
static void drop_conflicting(const struct link_job *j) {
    struct source *s = j->s;
    for (size_t i = 0; j->steps_many && i < s->n;) {
        const trl_link *k = s->links[i];
        if (link_same_key(k, j->link) && !link_same(k, j->link) && link_overlaps(k, j->link)) {
            trl_link *gone = link_dup(k);
            linkset_drop(s->l, gone);
            free(gone);
        } else {
            i++;
        }
    }
}

/* Tells what is true now, then ends the op: the core learns truth by reports alone. */
static void finish_job(struct link_job *j) {
    struct source *s = j->s;
    struct lattice *l = s->l;
    l->links.jobs--;
    links_moved(l);
    if (j->st == TRL_OK) {
        if (j->verb == TRL_DO_LINK_DEL) {
            linkset_drop(l, j->link);
        } else {
            drop_conflicting(j);
            linkset_put(l, j->link);
        }
        ticket_ok(&j->ticket);
    } else {
        if (j->steps_many || j->st == TRL_E_TIMEOUT) {
            l->links.known = 0; /* unclear what is left: read it */
            linksync_ask(l, NULL, NULL);
        }
        ticket_fail(&j->ticket, j->st, "%s", j->text);
    }
    s->head = j->next;
    flow_leave(&j->flow);
    job_destroy(&j->flow);
    start_next(s);
}

/* The step failed for good. What was deleted on the way goes back all the same. */
static void give_up(struct link_job *j, const struct answer *a, const char *operation) {
    if (j->st == TRL_OK) {
        j->st = answer_status(a);
        answer_text(a, j->s->l, operation, j->text, sizeof(j->text));
    }
    if (a->st != TRL_OK || (!j->put_left && !j->dels_left)) {
        j->i_sibling = j->n_siblings; /* nobody there */
    }
    j->dels_left = 0;
    j->put_left = 0;
    step(j);
}

static int answers_conflict(const struct answer *a) {
    return a->st == TRL_OK && !a->success && text_has(a->message, "already exists with different");
}

static void step_done(struct link_job *j) {
    j->repeated = 0;
    links_moved(j->s->l);
    step(j);
}

/* After a time-out, a second later: did it happen all the same? Else once more. */
static void on_check(void *arg, const struct answer *a) {
    struct link_job *j = arg;
    struct trl_inst *d = j->s->l->d;
    const trl_link *wanted = j->dels_left || j->put_left ? j->link : j->siblings[j->i_sibling];
    int there = 0, same_key = 0, clear = answer_ok(a) && jnode_is(a->b_response, J_ARRAY);
    j->call = NULL;
    for (const struct jnode *b = clear ? jnode_first(a->b_response) : NULL; clear && b;
         b = jnode_next(a->b_response, b)) {
        clear = decode_link(b, &d->link_in) == 0;
        if (clear) {
            const trl_link *k = &d->link_in.link;
            same_key |= link_same_key(k, wanted);
            there |= link_same(k, wanted) && link_same_content(k, wanted);
        }
    }
    if (clear && j->dels_left && !same_key) {
        j->dels_left = 0;
        step_done(j);
    } else if (clear && !j->dels_left && there) {
        if (j->put_left) {
            j->put_left = 0;
        } else {
            j->i_sibling++;
        }
        step_done(j);
    } else {
        step(j);
    }
}

static void on_second_later(void *arg) {
    struct link_job *j = arg;
    struct lattice *l = j->s->l;
    j->call = call_start(l, text_dup(STR_LIT("link.get")), NULL, l->d->set.timeout_ns, on_check, j);
}

/* Handles what all steps share. 1: handled. */
static int step_failed(struct link_job *j, const struct answer *a, const char *operation) {
    j->call = NULL;
    if (answer_ok(a)) {
        return 0;
    }
    if (a->st == TRL_E_TIMEOUT && !j->repeated) {
        j->repeated = 1;
        wake_start(&j->wake, &j->s->l->d->desk, NS_PER_S, on_second_later, j);
    } else {
        give_up(j, a, operation);
    }
    return 1;
}

static void on_deleted(void *arg, const struct answer *a) {
    struct link_job *j = arg;
    if (!step_failed(j, a, "link.del")) {
        /* "(spec doesn't exist)": the source has no links at all */
        j->dels_left = text_has(a->message, "spec doesn't exist") ? 0 : j->dels_left - 1;
        step_done(j);
    }
}

static void on_put(void *arg, const struct answer *a) {
    struct link_job *j = arg;
    if (answers_conflict(a) && j->rounds < ROUNDS_AT_MOST) {
        j->call = NULL;
        if (j->rounds++ == 0 && !j->n_siblings) {
            plan_deletion(j, 1);
        } else {
            j->dels_left = 1; /* something we did not know of */
            j->steps_many = 1;
        }
        step_done(j);
    } else if (!step_failed(j, a, "link.put")) {
        j->put_left = 0;
        step_done(j);
    }
}

static void on_sibling(void *arg, const struct answer *a) {
    struct link_job *j = arg;
    if (!step_failed(j, a, "link.put")) {
        j->i_sibling++;
        step_done(j);
    }
}

static void step(struct link_job *j) {
    struct lattice *l = j->s->l;
    int64_t timeout_ns = l->d->set.timeout_ns;
    if (j->dels_left) {
        j->call = call_traced(l, j->trail.traceparent, text_dup(STR_LIT("link.del")),
                              proto_link_del(j->link), timeout_ns, on_deleted, j);
    } else if (j->put_left) {
        char *body = j->body ? j->body : proto_link_put(j->link);
        j->body = NULL;
        j->call = call_traced(l, j->trail.traceparent, text_dup(STR_LIT("link.put")), body,
                              timeout_ns, on_put, j);
    } else if (j->i_sibling < j->n_siblings) {
        j->call = call_traced(l, j->trail.traceparent, text_dup(STR_LIT("link.put")),
                              proto_link_put(j->siblings[j->i_sibling]), timeout_ns, on_sibling, j);
    } else {
        finish_job(j);
    }
}

void links_apply(struct lattice *l, trl_op *op, const trl_action *a) {
    char *body = a->link ? proto_link_put(a->link) : NULL;
    if (!body) {
        op_refuse(&l->d->desk, op, TRL_E_INVALID,
                  "the link is missing or has text that is no UTF-8");
        return;
    }
    struct link_job *j = x_zalloc(sizeof(*j));
    j->body = body;
    struct source *s = source_ensure(l, a->link->source);
    flow_join(l->d, &j->flow, job_destroy);
    ticket_open(&j->ticket, &l->d->desk, op);
    trail_keep(&j->trail, a);
    j->s = s;
    j->verb = a->verb;
    j->link = link_dup(a->link);
    if (s->tail) {
        s->tail->next = j;
        s->tail = j;
        return;
    }
    s->head = s->tail = j;
    start_job(j);
}

/* An event about what a job of several steps is taking apart and putting together. */
static struct link_job *job_about(const struct lattice *l, const trl_link *link) {
    struct source *s = source_find(l, link->source);
    struct link_job *j = s ? s->head : NULL;
    return j && j->steps_many && link_same_key(j->link, link) ? j : NULL;
}

void links_on_set(struct lattice *l, const trl_link *link) {
    links_moved(l);
    if (!job_about(l, link)) {
        linkset_put(l, link);
    }
}

void links_on_deleted(struct lattice *l, const trl_link *key, int found) {
    struct link_job *j = job_about(l, key);
    links_moved(l);
    if (!j) {
        trl_link all = *key;
        if (!found) {
            all.target = STR_LIT(""); /* nothing matched: there is none */
        }
        linkset_drop(l, &all);
    } else if (!found && j->dels_left > 1) {
        j->dels_left = 1; /* the reply to come is the last one needed */
    }
}

void links_on_failed(struct lattice *l, const trl_link *link, trl_str error) {
    const struct source *s = source_find(l, link->source);
    if (!s || !s->head) { /* else the op says it */
        l->d->observe->note(l->d->host->ctx, lattice_id(l), STR_LIT(""), link->source,
                            TRL_NOTE_LINK_FAILED, error);
    }
}
