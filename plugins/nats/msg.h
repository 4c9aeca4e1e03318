/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the border's messages and those of the NATS library.
 */
#ifndef NATS_MSG_H
#define NATS_MSG_H

#include <nats/nats.h>
#include <trellis/trellis.h>

/* Checks m for what may go on the wire. max_payload 0: unknown. err says what is wrong. */
trl_status msg_check(const trl_msg *m, uint64_t max_payload, trl_err *err);
/* A copy for the library (owned). reply replaces m->reply unless NULL. m must have passed the
 * check. */
natsMsg *msg_build(const trl_msg *m, const char *reply);
natsMsg *msg_raw(const char *subject, const char *reply, const void *data, size_t len);
void msg_header(natsMsg *m, const char *key, const char *value);
/* Bytes it costs to keep. */
size_t msg_cost(const natsMsg *m);

/* A received message as the border sees it; borrows from the message. */
struct msg_view {
    trl_msg msg;
    trl_label *headers;
};
void msg_view_init(struct msg_view *v, natsMsg *m);
void msg_view_finish(struct msg_view *v);

/* The value of a header (borrowed from the message); {NULL, 0} when absent. */
trl_str msg_get(natsMsg *m, const char *name);
uint64_t msg_get_u64(natsMsg *m, const char *name); /* 0 when absent */
/* The code in the status line of a message from the server itself ("503"); 0: an ordinary message.
 */
int msg_status(natsMsg *m);
#define MSG_NO_RESPONDERS 503

#endif
