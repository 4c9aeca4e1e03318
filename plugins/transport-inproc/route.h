/* SPDX-License-Identifier: Apache-2.0
 *
 * Receivers of messages, queue groups, and the way of one message to those it fits. Private to this
 * plugin.
 */
#ifndef INPROC_ROUTE_H
#define INPROC_ROUTE_H

#include <trellis/trellis.h>

#include "../common/u64map.h"
#include "held.h"
#include "trie.h"

#define INBOX "_INBOX.inproc."

enum recv_kind { RECV_SUB, RECV_REQUEST, RECV_MANY, RECV_LINK };

/* All members of one queue name, whatever their patterns. */
struct group {
    struct group *next;
    size_t refs;
    uint64_t turn;    /* rotates over the members that fit a message */
    uint64_t publish; /* the publish() the next two belong to */
    size_t n_fit;
    struct group *next_fit;
    size_t name_len;
    char name[];
};

/* One op that takes messages. */
struct recv {
    struct trie_link link; /* of a subscription */
    enum recv_kind kind;
    trl_op *op;
    struct group *group;      /* NULL: everyone gets it */
    struct recv *prev, *next; /* in order of creation */
    uint64_t inbox;           /* of a request */
    struct held_queue held;
    uint64_t dropped;
    int paused;   /* above the high mark; resume() will come */
    int over;     /* the core said CLOSED; cancel() will come */
    int answered; /* a request whose reply is held */
    int slow;     /* said in the log */
    size_t label_len;
    char label[]; /* its subject, for the log */
};

struct trl_inst {
    const trl_host *host;
    const trl_host_msg_v1 *msg;
    struct trie trie;
    struct group *groups;
    struct recv *first, *last;
    struct u64map by_op, by_inbox;
    uint64_t last_inbox, last_publish;
    int64_t max_pending, max_pending_bytes;
    /* scratch of the publish under way */
    struct recv **fit;
    size_t n_fit, cap_fit;
    struct group *groups_fit, *groups_fit_last;
    struct {
        uint64_t subs, published, delivered, dropped, slow, no_responder;
    } count;
};

/* The op's cancel() finds it by the op. Requests get an inbox. label: for the log. */
struct recv *recv_new(trl_inst *in, enum recv_kind kind, trl_op *op, trl_str label);
/* Forgets the receiver; its op is the caller's to complete. */
void recv_free(trl_inst *in, struct recv *r);
void recv_end(trl_inst *in, struct recv *r, trl_status st); /* ... and completes it */
/* The receiver becomes a member; name not empty. */
void recv_join(trl_inst *in, struct recv *r, trl_str name);
/* The core drained: hands over what is held. May end the receiver. */
void recv_resume(trl_inst *in, struct recv *r);

/* Returns how many receivers there were. */
size_t route(trl_inst *in, const trl_msg *m);

#endif
