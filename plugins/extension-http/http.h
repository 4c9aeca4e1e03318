/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this plugin share. Two threads: the core's loop, and the HTTP thread, which
 * owns connections, requests, streams, sessions and limits. What passes between them is a job: sent
 * to the loop by host.post, sent back through the mailbox. Neither waits for the other.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <microhttpd.h>
#include <pthread.h>

#include "auth.h"
#include "limit.h"
#include "route.h"
#include "text.h"

#define NS_PER_S 1000000000ll

struct ex;
struct stream;

enum job_kind { JOB_CALL, JOB_EVENTS, JOB_METRICS, JOB_READY };

struct job {
    enum job_kind kind;
    struct trl_inst *in;
    struct job *next;       /* in the mailbox */
    struct job *prev_asked; /* [loop] among those that wait for the core */
    struct job *next_asked;
    uint64_t id;           /* [loop] of the core's call; 0: none */
    struct ex *ex;         /* [http] who waits; both NULL: nobody any more */
    struct stream *stream; /* [http] */
    /* Asked; owned by the job, read on the loop. */
    char *operation, *tenant, *lattice, *name, *type, *caller, *trace;
    struct text body;
    char *app, *kinds; /* JOB_EVENTS: filter, with lattice; NULL: any */
    trl_cursor cursor; /* ... from here; afterwards: to here */
    /* Answered. */
    trl_status st;
    struct text out;
    int more; /* JOB_EVENTS: not read to the end */
    int ok;   /* JOB_READY */
};

struct mailbox { /* [any] */
    pthread_mutex_t lock;
    struct job *first, *last;
    int more, stop; /* events were added; end the thread */
    int fd;         /* an eventfd: something is in it */
};

struct conn { /* [http] one connection */
    struct conn *prev, *next;
    int fd;
    uint64_t key;        /* of the address, for the limits */
    int64_t deadline_ns; /* then it is cut off; INT64_MAX: never */
};

struct operation {
    char *name;
    uint32_t flags; /* TRL_API_* */
};

struct counts {           /* [http] */
    uint64_t by_class[6]; /* 1xx ... 5xx; [0]: cut off */
    uint64_t refused_host, refused_origin, refused_rate, refused_auth, refused_role, cut_off;
    uint32_t n_streams;
};

struct trl_inst {
    const trl_host *h;
    const trl_host_api_v1 *api;
    const trl_host_events_v1 *events;
    const trl_host_metrics_v1 *metrics;
    const trl_host_health_v1 *health;
    const trl_host_work_v1 *work;
    struct conf conf;
    struct operation *ops; /* fixed once started */
    size_t n_ops;
    char *openapi; /* fixed once started */
    /* [loop] */
    trl_op *start_op, *stop_op;
    struct job *asked;
    uint64_t watch;
    int starting, stopping;
    trl_err start_err;
    struct mailbox box;
    /* Fixed once started */
    struct MHD_Daemon *daemon;
    int has_thread, epoll_fd, timer_fd;
    pthread_t thread;
    uint16_t port;
    char *tls_cert, *tls_key; /* contents */
    char *login_path;         /* NULL: none. Fixed once started, too */
    /* [http] */
    struct auth auth;
    struct limit asking, failing;
    struct conn *conns;
    struct ex *exs;
    struct stream *streams;
    struct counts counts;
    int closing; /* nothing new is begun */
};

/* cross.c */
struct job *job_new(struct trl_inst *in, enum job_kind kind);
void job_free(struct job *j);
/* [http] To the loop; 0: the loop is gone, and the job with it. */
int job_send(struct job *j);
void jobs_cancel(struct trl_inst *in); /* [loop] all come back as CLOSED */
struct job *mailbox_take(struct mailbox *b, int *more, int *stop); /* [http] */
void mailbox_ring(struct mailbox *b, int more, int stop);          /* [any] */
void cross_watch(struct trl_inst *in); /* [loop] begins to hear of events */

/* prom.c */
void prom_write(const trl_metric *m, trl_str *last_name, struct text *out);
void prom_counts(const struct counts *c, struct text *out);

/* server.c: all on the HTTP thread but the first two. */
trl_status server_open(struct trl_inst *in, trl_err *err); /* [worker] */
void server_close(struct trl_inst *in);                    /* [worker] */

/* request.c: [http] */
void *request_begin(void *cls, const char *uri, struct MHD_Connection *conn);
enum MHD_Result request_handle(void *cls, struct MHD_Connection *conn, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_size, void **con_cls);
void request_over(void *cls, struct MHD_Connection *conn, void **con_cls,
                  enum MHD_RequestTerminationCode why);
void request_answered(struct ex *x, struct job *j); /* j is back; taken */
void requests_tick(struct trl_inst *in, int64_t now_ns);
void requests_end(struct trl_inst *in); /* answers everything that waits */

/* stream.c: [http] */
struct MHD_Response *stream_create(struct trl_inst *in, struct MHD_Connection *conn,
                                   const char *last_id);
void stream_fed(struct stream *s, struct job *j); /* j is back; taken */
void streams_more(struct trl_inst *in);
void streams_tick(struct trl_inst *in, int64_t now_ns);
void streams_end(struct trl_inst *in);

/* pages.c */
struct MHD_Response *page_find(const char *path, const char *if_none_match, unsigned *status);

/* openapi.c */
char *openapi_write(const struct operation *ops, size_t n); /* owned */

/* login.c: [http] */
void login_prepare(struct trl_inst *in); /* a fresh token into the file */
void login_remove(struct trl_inst *in);

#endif
