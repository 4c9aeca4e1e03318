/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share about instances and ops. Unless marked [any], members belong to
 * the loop.
 */
#ifndef TRELLIS_PLUG_INST_PRIV_H
#define TRELLIS_PLUG_INST_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "base/str.h"
#include "plug/gate.h"
#include "plug/op.h"
#include "plug/plug.h"
#include "plug/workers.h"

enum op_state { OP_PENDING, OP_REFUSED, OP_DONE };

/* Where a threaded call stands. The plugin's cancel is sent after the call has returned only:
 * before that the plugin may not know the op yet. */
enum op_call_state { OP_CALL_NONE, OP_CALL_OUT };

struct trl_op {
    atomic_int state; /* [any] enum op_state; whoever moves it to DONE owns the result */
    atomic_uint refs; /* [any] core, plugin, each queued event */
    atomic_int cancelled;
    atomic_int busy; /* [any] the plugin was told BUSY and waits for resume() */
    atomic_uint queued;
    atomic_size_t queued_bytes;
    atomic_int inside;            /* [any] the caller is in the plugin, and hears at once */
    pthread_t caller;             /* [any] fixed while inside */
    struct gate *gate;            /* referenced */
    int64_t deadline_ns;          /* [any] fixed; INT64_MAX: none */
    bool wants_items, wants_msgs; /* [any] fixed */

    struct plug_inst *in;
    struct op_handler handler;
    bool told;     /* on_done has run, or nobody wants it */
    bool over;     /* completion has been seen on the loop */
    bool internal; /* start and stop: the kind's cancel knows nothing of them */
    bool late;     /* its deadline waited one turn for queued items */
    bool husk;     /* its caller was told TIMEOUT */
    bool cancel_later;
    bool done_inside; /* completed inside the call: concluded when that returns */
    enum op_call_state call;
    int64_t begun_ns;
    struct loop_timer timer;
    struct trl_op *prev, *next; /* in the instance */
    struct trl_op *next_free;

    trl_status status;
    unsigned char *result; /* small or owned */
    size_t result_len;
    trl_err *err; /* owned or NULL */
    void (*on_secret)(void *arg, struct guarded *value, const trl_secret *s);
    struct op_secret *secret; /* host.secret/1; owned or NULL */
    unsigned char small[40];
};

enum inst_state {
    INST_CREATED,
    INST_STARTING,
    INST_READY,
    INST_FAILED, /* start failed: stop, then destroy */
    INST_STOPPING,
    INST_STOPPED,
};

struct host_timers; /* host.c */
struct kind_info;   /* negotiate.h */

struct inst_hook {
    void (*fn)(void *arg, struct plug_inst *in);
    void *arg;
};

struct inst_waiter {
    void (*done)(void *arg);
    void *arg;
};

#define INST_MAGIC    0x74736e69u
#define INST_GRACE_NS 5000000000ll

struct plug_inst {
    uint32_t magic; /* the host's ctx is the instance */
    enum inst_state state;
    struct plug *plug;
    struct loop *loop;
    const struct log *log;
    struct gate *gate;
    pthread_t loop_thread;
    const trl_plugin *plugin;       /* normalised, of the library */
    const trl_component *component; /* normalised, of the library */
    const struct kind_info *kind;
    trl_inst *raw;
    void *table; /* normalised, owned */
    trl_host host;
    struct plug_iface *ifaces; /* owned array */
    uint32_t n_ifaces;
    struct rng rng;
    struct host_timers *timers; /* owned */
    struct workers *threads;    /* SERIAL: owned; PARALLEL: the plug's */
    bool own_threads;

    struct trl_op *first; /* outstanding, oldest first */
    struct trl_op *last;
    uint32_t n_ops;   /* without start and stop */
    uint32_t n_calls; /* threaded calls and jobs under way */
    uint32_t husks;
    struct plug_counts counts;
    const char *doing; /* the function that op_call is about to call; NULL: unnamed */
    int64_t slow_said_ns;
    uint32_t slow_unsaid;
    bool warned_refused, warned_husks, warned_kind;
    atomic_bool warned_closed;

    void (*on_started)(void *arg, trl_status st, const trl_err *e);
    void *on_started_arg;
    VEC(struct inst_waiter) waiters;   /* of stop */
    VEC(struct inst_hook) hooks;       /* run when it is stopped */
    struct trl_op *start_op, *stop_op; /* under way */
    struct loop_timer grace;
    bool leaked; /* gave up on it: neither freed nor unmapped */
};

/* op.c */
/* An op that takes no part in counting; state is not checked. */
trl_op *op_internal(struct plug_inst *in, int64_t timeout_ns, const struct op_handler *h);
void op_give_up(trl_op *op);         /* the instance is leaked: the caller is told CLOSED */
void op_host_table(trl_host *h);     /* fills op_* */
void op_ref(trl_op *op);             /* [any] */
void op_unref(trl_op *op);           /* [any] */
int32_t op_is_cancelled(trl_op *op); /* [any] or over */
void op_send_resume(trl_op *op);
/* [any] Is this the thread whose call it is, and is nothing under way that must be heard first? */
bool op_hears_at_once(const trl_op *op);

/* Like host.op_done with TRL_OK; secret (may be NULL) is taken. */
trl_status op_done_with(trl_op *op, trl_status st, trl_bytes result, const trl_err *err,
                        struct op_secret *secret);

/* op_secret.c */
struct op_secret;
extern const trl_host_secret_v1 op_host_secret;
void op_secret_free(struct op_secret *s); /* NULL is fine; wipes */
void op_secret_tell(trl_op *op);          /* hands the value over, if there is one */

/* op_stream.c */
trl_status op_stream_emit(trl_op *op, trl_bytes item); /* [any] host.op_emit */
extern const trl_host_msg_v1 op_host_msg;

/* inst.c */
/* Something that stop() waits for may have ended. */
void inst_progress(struct plug_inst *in);
void inst_init_grace(struct plug_inst *in);
/* "store/1 'file' (org.x 1.0)"; in buf. */
const char *inst_name(const struct plug_inst *in, char *buf, size_t cap);
int64_t *plug_watch_inside(struct plug *p); /* watch.c's */
void inst_on_stopped(struct plug_inst *in, void (*fn)(void *arg, struct plug_inst *in), void *arg);
void inst_forget_hook(struct plug_inst *in, void (*fn)(void *arg, struct plug_inst *in), void *arg);
/* Runs fn(arg) on the instance's threads; stop() waits until inst_job_over() on the loop. */
void inst_job(struct plug_inst *in, void (*fn)(void *arg), void *arg);
void inst_job_over(struct plug_inst *in);

/* host.c */
void host_table_init(struct plug_inst *in);
struct host_timers *host_timers_create(struct plug_inst *in);
void host_timers_clear(struct host_timers *t); /* no callback runs any more */
void host_timers_destroy(struct host_timers *t);
bool host_offers(const struct plug_inst *in, const char *id);

/* plug.c */
struct workers *plug_pool(struct plug *p);      /* for PARALLEL calls */
struct workers *plug_work_pool(struct plug *p); /* for host.work/1 */
void plug_remove(struct plug *p, struct plug_inst *in);

#endif
