/* SPDX-License-Identifier: Apache-2.0
 *
 * Ops of the transport that take messages: subscriptions and requests. Messages come from the
 * library's threads and go straight to the core; above the core's high mark they are held here.
 *
 * Who completes an op: whoever sets `over` under the receiver's lock. The op leaves the table
 * before it is completed, because its address may be used again at once.
 */
#ifndef NATS_RECV_H
#define NATS_RECV_H

#include "../common/u64map.h"
#include "conn.h"

enum recv_kind { RECV_SUB, RECV_REQUEST, RECV_MANY };

struct recv;

/* The receivers of one instance, by op. Shared (counted) with the receivers. */
struct recvs;
struct recvs *recvs_create(const trl_host *h, const trl_host_msg_v1 *msg);
void recvs_unref(struct recvs *rs);
/* [loop] Completes all ops as cancelled. */
void recvs_end(struct recvs *rs, struct conn *c);

struct recvs_count {
    uint64_t subs, requests, delivered, dropped;
};
void recvs_count(struct recvs *rs, struct recvs_count *out);

/* [loop] */
void recv_subscribe(struct recvs *rs, struct conn *c, trl_op *op, const char *subject,
                    const char *queue);
/* m must have passed msg_check; subject is its subject as text. */
void recv_request(struct recvs *rs, struct conn *c, trl_op *op, const trl_msg *m, int many);
/* Return 0 when op is none of ours (any more). */
int recv_cancel(struct recvs *rs, struct conn *c, trl_op *op);
int recv_resume(struct recvs *rs, struct conn *c, trl_op *op);

#endif
