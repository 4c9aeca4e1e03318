/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets/1 "nats-kv", inside. All on the loop but for reading the seeds. Everything that waits for
 * something is a flow: it has at most one request or timer under way, and ends by flow_free().
 * Values are in the clear in guarded memory only, from opening a box to sealing another.
 */
#ifndef SECRETS_NATS_KV_KV_H
#define SECRETS_NATS_KV_KV_H

#include <jansson.h>

#include "../common/safe.h"
#include "../common/xkey.h"

struct flow {
    struct flow *next, **link; /* in the instance's list */
    trl_inst *in;
    trl_op *op; /* NULL: nobody waits for it by an op */
    uint64_t req, timer;
    void (*on_reply)(struct flow *f, trl_status st, const trl_msg *m);
    void (*on_timer)(struct flow *f);
    void (*on_resume)(struct flow *f); /* NULL: it emits nothing */
    void (*finish)(struct flow *f);    /* frees what the kind has beside it; may be NULL */
};

struct keys { /* guarded */
    struct xkey rest, transit;
    int has_transit;
};

struct trl_inst {
    const trl_host *host;
    const trl_host_loop_v1 *loop;
    const trl_host_work_v1 *work;
    const trl_host_secret_v1 *secret;
    const trl_host_transport_v1 *bus;
    /* configuration */
    char *name, *topic, *bucket, *state_bucket, *lock_stream;
    char *api, *put_prefix; /* "$JS.API.", ""; others with a domain */
    char *rest_file, *transit_file;
    int64_t history, replicas;
    int64_t timeout_ns, poll_ns;
    int operations, create;
    /* state */
    struct keys *keys;
    struct flow *flows;
    trl_op *start_op;
    uint64_t link, subs[3];
    int n_subs, link_seen;
    int ensured; /* the streams are there */
    struct ensure *ensuring;
    trl_status load_st;
    trl_err load_err;
    char said[256]; /* last complaint about the streams */
};

/* flow.c */
void *flow_new(trl_inst *in, size_t size, trl_op *op);
void flow_free(struct flow *f);
/* Sends; on_reply is called once. */
void flow_request(struct flow *f, const char *subject, const trl_label *headers, uint32_t n_headers,
                  trl_bytes payload,
                  void (*on_reply)(struct flow *f, trl_status st, const trl_msg *m));
void flow_wait(struct flow *f, int64_t ms, void (*on_timer)(struct flow *f));
/* Completes the op, if there is one, and frees the flow. */
__attribute__((format(printf, 3, 4))) void flow_fail(struct flow *f, trl_status st, const char *fmt,
                                                     ...);
void flow_done(struct flow *f, const char *text);
__attribute__((format(printf, 1, 2))) char *text_of(const char *fmt, ...); /* owned */

/* js.c: what JetStream is asked, and its answers */
struct js_got {
    trl_status st; /* OK, NOTFOUND (no such message, or a deletion), or what went wrong */
    char why[200];
    uint64_t seq;
    uint8_t *data; /* owned */
    size_t len;
};
/* seq 0: the latest of the key. */
void js_get(struct flow *f, const char *bucket, const char *key, uint64_t seq,
            void (*on_reply)(struct flow *f, trl_status st, const trl_msg *m));
/* A deletion is NOTFOUND with its sequence. */
void js_got_parse(const char *bucket, const char *key, trl_status st, const trl_msg *m,
                  struct js_got *got);
void js_got_finish(struct js_got *got);
/* of a publish into a stream: OK with the sequence; CONFLICT: another was faster. */
trl_status js_ack(trl_status st, const trl_msg *m, uint64_t *ret_seq, char why[200]);
/* A request's failure in words. */
trl_status js_trouble(trl_status st, char why[200]);
/* Error of an answer: 0: none. */
int64_t js_error(const json_t *v, char why[200]);
json_t *js_json(const trl_msg *m); /* NULL: it is not JSON */

#define JS_NO_STREAM   10059
#define JS_NO_MESSAGE  10037
#define JS_WRONG_LAST  10071
#define JS_PER_SUBJECT 10077

/* ensure.c: the two buckets and the stream of locks */
void ensure_begin(trl_inst *in);

/* watch.c */
void watch_begin(trl_inst *in, trl_op *op, const trl_secret_ref *ref);
void list_begin(trl_inst *in, trl_op *op, trl_str prefix);
void ops_link_up(trl_inst *in); /* watches look again */

/* ops.c */
void ops_stop(trl_inst *in);
extern const trl_secrets_v1 ops_table;
/* box: n + XKEY_OVERHEAD bytes, owned. NULL: it cannot be sealed. */
uint8_t *seal_at_rest(const trl_inst *in, const void *value, size_t n);
int kv_key_ok(trl_str key);

/* serve.c: put_secret, add_mapping and remove_mapping for others on the bus */
void serve_begin(trl_inst *in);

/* conf.c */
trl_status conf_check(trl_str config, trl_err *err);
trl_status conf_read(trl_str config, trl_inst *in, trl_err *err);

extern const char nats_kv_schema[];

#endif
