/* SPDX-License-Identifier: Apache-2.0
 *
 * What the instances of both components have in common: the host, a way to the loop, the
 * connection, start and stop, and JetStream requests. All [loop].
 */
#ifndef NATS_PEER_H
#define NATS_PEER_H

#include "box.h"
#include "conn.h"

struct js_call;
struct info;

struct peer {
    const trl_host *host;
    const char *label; /* static: "nats", "nats-kv" */
    struct box *box;
    struct opts opts;  /* until started */
    struct conn *conn; /* NULL: not started, or stopped */
    struct conn_user user;
    int up;
    trl_op *stop_op;
    void (*on_event)(struct peer *p, enum conn_event e); /* UP, DOWN, WAITING */
    /* JetStream */
    char *api; /* "$JS.API." or "$JS.<domain>.API." */
    char *domain;
    int64_t api_timeout_ms;
    int64_t replicas;
    const char *storage; /* static: "file", "memory" */
    struct js_call *calls;
    struct info *infos; /* info() under way */
};

/* config: the parsed configuration. On failure nothing needs finishing. */
trl_status peer_init(struct peer *p, const char *label, const trl_host *h, const json_t *config,
                     void (*on_event)(struct peer *, enum conn_event), trl_err *err);
void peer_start(struct peer *p);
/* Ends requests (their fn runs with TRL_E_CANCELLED), lets go of the connection, completes op. */
void peer_stop(struct peer *p, trl_op *op);
void peer_finish(struct peer *p); /* in any state; waits for the connection if need be */

/* A request to JetStream, or a publish it acknowledges. fn runs on the loop, later, exactly once;
 * m is borrowed, NULL unless st is TRL_OK. The pointer is dead once fn runs. m is taken. */
typedef void (*js_fn)(void *arg, trl_status st, natsMsg *m);
struct js_header {
    const char *key, *value;
};
struct js_call *js_send(struct peer *p, const char *subject, const void *data, size_t len,
                        const struct js_header *headers, size_t n_headers, js_fn fn, void *arg);
/* The same with the API's prefix in front of the subject, and JSON (taken; NULL: empty). */
struct js_call *js_api(struct peer *p, const char *subject, json_t *j_body, js_fn fn, void *arg);
void js_drop(struct js_call *call); /* fn will not run; NULL is fine */

/* Answers an info op with the server's facts and the members of j_extra (taken). */
void peer_info(struct peer *p, trl_op *op, json_t *j_extra);
void peer_info_end(struct peer *p); /* completes those under way as cancelled */

/* Codes of JetStream (err_code) that decide something. */
#define JS_E_NOT_FOUND_MSG    10037
#define JS_E_NOT_FOUND_STREAM 10059
#define JS_E_NAME_TAKEN       10058
#define JS_E_LAST_SEQUENCE    10071
#define JS_E_LAST_SEQUENCE_R3 10164

/* The JSON of an answer (owned), or NULL with *err filled and *ret_code the err_code, 0 if it was
 * not JetStream that failed. what: for the text, "creating stream x". */
json_t *js_answer(struct peer *p, trl_status st, natsMsg *m, const char *what, int *ret_code,
                  trl_err *err);

#endif
