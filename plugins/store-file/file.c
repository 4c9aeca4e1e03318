/* SPDX-License-Identifier: Apache-2.0
 *
 * store/1 "file": keys with revisions in a directory. The index lives on the loop; a writer thread
 * appends and syncs. Writes that arrive while it is busy go together in its next round (one sync
 * for all of them), are answered when they are on the medium, and are seen by readers only then. A
 * second thread writes snapshots.
 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>

#include "../common/xmem.h"
#include "disk.h"
#include "handoff.h"

#define GROUP_BYTES_MAX (8u << 20)
#define RESERVE_BYTES   (256u << 10) /* written ahead of the log */

/* EXIT tells the loop, QUIT does not: nobody is there any more. */
enum job { JOB_OPEN = 1, JOB_WRITE, JOB_EXIT, JOB_QUIT };

struct trl_inst {
    const trl_host *host;
    struct kvserve s;
    struct disk disk;
    char *dir;
    int sync;
    uint64_t compact_bytes;
    struct kvwrite *first, *last; /* waiting */

    /* the writer; while it has a job, disk, flight and the results are its own */
    pthread_t writer;
    struct handoff handoff; /* of an enum job */
    struct kvwrite *flight; /* staged, on its way */
    int rotate;             /* asked for, then: done */
    trl_status st, rotate_st;
    trl_err err, rotate_err;
    struct disk_report report;

    /* the snapshot; its thread owns these while compacting */
    pthread_t compactor;
    struct disk_snapshot snap;
    trl_status snap_st;
    trl_err snap_err;
    int abandon; /* atomic */

    int writer_on, busy, compacting, compact_failed, open, refusing;
    uint64_t compactions;
    trl_op *start_op, *stop_op;
};

static void next(trl_inst *in);
static void stop_step(trl_inst *in);

/* Signals are the core's. */
static int spawn(pthread_t *t, void *(*fn)(void *arg), void *arg) {
    sigset_t all, old;
    int rc;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(t, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

static void submit(trl_inst *in, enum job job) {
    in->busy = 1;
    handoff_give(&in->handoff, (int)job);
}

static void join_writer(trl_inst *in) {
    pthread_join(in->writer, NULL);
    in->writer_on = in->busy = 0;
}

/* The compactor has ended or is about to. */
static void join_compactor(trl_inst *in) {
    pthread_join(in->compactor, NULL);
    in->compacting = 0;
    for (size_t i = 0; i < in->snap.n; i++) {
        kvrec_unref(in->snap.recs[i]);
    }
    free(in->snap.recs);
    memset(&in->snap, 0, sizeof(in->snap));
}

static void on_compacted(void *arg) {
    trl_inst *in = arg;
    join_compactor(in);
    in->compact_failed = in->snap_st != TRL_OK;
    if (in->snap_st == TRL_OK) {
        disk_snapshot_done(&in->disk);
        in->compactions++;
    } else if (in->snap_st != TRL_E_CANCELLED) {
        trl_logf(in->host, TRL_LOG_WARN, "%s", in->snap_err.msg);
    }
    stop_step(in);
}

static void *compactor_main(void *arg) {
    trl_inst *in = arg;
    in->snap_err.struct_size = sizeof(in->snap_err);
    in->snap_st = disk_snapshot(&in->disk, &in->snap, &in->snap_err);
    in->host->post(in->host->ctx, on_compacted, in);
    return NULL;
}

static void snap_add(void *arg, struct kvrec *r) {
    trl_inst *in = arg;
    in->snap.recs[in->snap.n++] = kvrec_ref(r);
}

/* Right after a rotation: the index is exactly the state at the start of the new log. */
static void compact(trl_inst *in) {
    kvindex_drop_tombstones(&in->s.ix);
    in->snap.recs = x_zalloc_n(in->s.ix.n_live, sizeof(struct kvrec *));
    kvindex_since(&in->s.ix, 0, snap_add, in);
    in->snap.gen = in->disk.gen;
    in->snap.revision = in->s.ix.revision;
    in->snap.floor = in->s.ix.floor;
    in->snap.abandon = &in->abandon;
    in->compacting = 1;
    if (spawn(&in->compactor, compactor_main, in) != 0) {
        in->compacting = 0;
        in->compact_failed = 1;
        trl_logf(in->host, TRL_LOG_WARN, "no thread for a snapshot; the log grows");
        for (size_t i = 0; i < in->snap.n; i++) {
            kvrec_unref(in->snap.recs[i]);
        }
        free(in->snap.recs);
        memset(&in->snap, 0, sizeof(in->snap));
    }
}

static int wants_compaction(const trl_inst *in) {
    uint64_t limit = in->compact_bytes;
    if (in->compacting || in->stop_op) {
        return 0;
    }
    limit = in->s.ix.live_bytes > limit ? in->s.ix.live_bytes : limit;
    if (in->compact_failed && in->disk.log_bytes < in->compact_bytes) {
        return 0; /* not again at every write */
    }
    return in->disk.old_bytes + in->disk.log_bytes > limit;
}

/* Says once that writes fail, and once that they work again. */
static void say_state(trl_inst *in) {
    if (in->st == TRL_OK && in->refusing) {
        in->refusing = 0;
        trl_logf(in->host, TRL_LOG_WARN, "writing works again");
    } else if (in->st != TRL_OK && !in->refusing) {
        in->refusing = 1;
        trl_logf(in->host, TRL_LOG_ERROR, "%s", in->err.msg);
    }
}

static void on_written(void *arg) {
    trl_inst *in = arg;
    struct kvwrite *w = in->flight;
    in->flight = NULL;
    in->busy = 0;
    say_state(in);
    if (in->st == TRL_OK) {
        kvserve_commit(&in->s);
    } else {
        kvindex_rollback(&in->s.ix, 0);
    }
    while (w) {
        struct kvwrite *following = w->next;
        if (in->st != TRL_OK) { /* also a conflict: it may have been with what failed */
            w->status = in->st;
            w->err = in->err;
        }
        kvwrite_done(in->host, w);
        w = following;
    }
    if (in->rotate && in->rotate_st == TRL_OK) {
        compact(in);
    } else if (in->rotate) {
        in->compact_failed = 1;
        trl_logf(in->host, TRL_LOG_WARN, "%s", in->rotate_err.msg);
    }
    next(in);
    stop_step(in);
}

/* Starts the writer on all that waits, if it is free. */
static void next(trl_inst *in) {
    size_t bytes = 0;
    struct kvwrite **at = &in->flight;
    if (in->busy || !in->first) {
        return;
    }
    while (in->first && bytes < GROUP_BYTES_MAX) {
        struct kvwrite *w = in->first;
        in->first = w->next;
        w->next = NULL;
        kvwrite_stage(&in->s.ix, w);
        bytes += w->bytes;
        *at = w;
        at = &w->next;
    }
    if (!in->first) {
        in->last = NULL;
    }
    in->rotate = wants_compaction(in);
    submit(in, JOB_WRITE);
}

static void on_opened(void *arg) {
    trl_inst *in = arg;
    trl_op *op = in->start_op;
    trl_bytes none = {NULL, 0};
    in->start_op = NULL;
    in->busy = 0;
    if (in->report.warning[0]) {
        trl_logf(in->host, TRL_LOG_WARN, "%s", in->report.warning);
    }
    if (in->st != TRL_OK) {
        join_writer(in);
        in->host->op_done(op, in->st, none, &in->err);
    } else {
        in->open = 1;
        trl_logf(in->host, TRL_LOG_INFO, "%s: %zu keys, revision %llu, %llu bytes of log%s",
                 in->dir, in->s.ix.n_live, (unsigned long long)in->s.ix.revision,
                 (unsigned long long)(in->disk.old_bytes + in->disk.log_bytes),
                 in->sync ? "" : "; sync is off: a power cut loses what was written last");
        trl_op_ok(in->host, op);
    }
    stop_step(in);
}

static void on_exited(void *arg) {
    trl_inst *in = arg;
    trl_op *op = in->stop_op;
    join_writer(in);
    in->open = 0;
    in->stop_op = NULL;
    trl_op_ok(in->host, op);
}

static void *writer_main(void *arg) {
    trl_inst *in = arg;
    for (;;) {
        enum job job = (enum job)handoff_take(&in->handoff);
        in->err.struct_size = in->rotate_err.struct_size = sizeof(in->err);
        if (job == JOB_OPEN) {
            in->st = disk_open(&in->disk, &fsio_real, in->dir, in->sync, &in->s.ix, &in->report,
                               &in->err);
            job = in->st == TRL_OK ? job : JOB_EXIT;
            in->host->post(in->host->ctx, on_opened, in);
        } else if (job == JOB_WRITE) {
            in->st = disk_append(&in->disk, in->flight, &in->err);
            in->rotate = in->rotate && in->st == TRL_OK;
            in->rotate_st = in->rotate ? disk_rotate(&in->disk, &in->rotate_err) : TRL_OK;
            in->host->post(in->host->ctx, on_written, in);
            disk_reserve(&in->disk, RESERVE_BYTES); /* nobody waits for it but a next write */
        } else {
            disk_close(&in->disk);
            if (job == JOB_EXIT) {
                in->host->post(in->host->ctx, on_exited, in);
            }
            return NULL;
        }
        if (job == JOB_EXIT) {
            return NULL;
        }
    }
}

static void start(trl_inst *in, trl_op *op) {
    in->start_op = op;
    if (spawn(&in->writer, writer_main, in) != 0) {
        in->start_op = NULL;
        trl_op_fail(in->host, op, TRL_E_UNAVAIL, "no thread for the writer");
        return;
    }
    in->writer_on = 1;
    submit(in, JOB_OPEN);
}

/* One thing after another, each ends by calling this again. */
static void stop_step(trl_inst *in) {
    trl_op *op = in->stop_op;
    if (!op || in->start_op || in->busy || in->first) {
        return;
    }
    if (in->compacting) {
        __atomic_store_n(&in->abandon, 1, __ATOMIC_RELAXED);
    } else if (in->writer_on) {
        submit(in, JOB_EXIT);
    } else {
        in->stop_op = NULL;
        trl_op_ok(in->host, op);
    }
}

static void stop(trl_inst *in, trl_op *op) {
    in->stop_op = op;
    kvserve_stop(&in->s);
    stop_step(in);
}

static void destroy(trl_inst *in) {
    if (in->compacting) {
        __atomic_store_n(&in->abandon, 1, __ATOMIC_RELAXED);
        join_compactor(in);
    }
    if (in->writer_on) { /* not stopped in good order */
        submit(in, JOB_QUIT);
        join_writer(in);
    }
    while (in->first) {
        struct kvwrite *w = in->first;
        in->first = w->next;
        kvwrite_free(w);
    }
    kvserve_finish(&in->s);
    handoff_finish(&in->handoff);
    free(in->dir);
    free(in);
}

static void enqueue(trl_inst *in, struct kvwrite *w) {
    if (!w) {
        return;
    }
    *(in->last ? &in->last->next : &in->first) = w;
    in->last = w;
    next(in);
}

static void put(trl_inst *in, trl_op *op, const trl_put *p) {
    enqueue(in, kvwrite_new(in->host, op, p, 1, sizeof(*p)));
}

static void del(trl_inst *in, trl_op *op, trl_str key, uint64_t expect_rev) {
    enqueue(in, kvwrite_del(in->host, op, key, expect_rev));
}

static void batch(trl_inst *in, trl_op *op, const void *puts, uint32_t n, uint32_t stride) {
    enqueue(in, kvwrite_new(in->host, op, puts, n, stride));
}

static void get(trl_inst *in, trl_op *op, trl_str key) {
    kvserve_get(&in->s, op, key);
}

static void list(trl_inst *in, trl_op *op, trl_str prefix, trl_str after, uint32_t limit) {
    kvserve_list(&in->s, op, prefix, after, limit);
}

static void watch(trl_inst *in, trl_op *op, trl_str prefix, uint64_t from_rev) {
    kvserve_watch(&in->s, op, prefix, from_rev);
}

/* A stream ends; a write that still waits is taken back; one on its way will complete. */
static void cancel(trl_inst *in, trl_op *op) {
    struct kvwrite *before = NULL;
    trl_bytes none = {NULL, 0};
    if (kvserve_cancel(&in->s, op)) {
        return;
    }
    for (struct kvwrite *w = in->first; w; before = w, w = w->next) {
        if (w->op == op) {
            *(before ? &before->next : &in->first) = w->next;
            in->last = w->next ? in->last : before;
            kvwrite_free(w);
            in->host->op_done(op, TRL_E_CANCELLED, none, NULL);
            return;
        }
    }
}

static void resume(trl_inst *in, trl_op *op) {
    kvserve_resume(&in->s, op);
}

static void info(trl_inst *in, trl_op *op) {
    const struct kvindex *ix = &in->s.ix;
    json_t *j_info =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "dir", in->dir, "durability",
                  in->sync ? "synced" : "written", "revision", (json_int_t)ix->revision, "keys",
                  (json_int_t)ix->n_live, "tombstones", (json_int_t)ix->n_tombstones, "live_bytes",
                  (json_int_t)ix->live_bytes, "compactions", (json_int_t)in->compactions,
                  "compacting", in->compacting, "refusing_writes", in->refusing);
    trl_bytes out = {NULL, 0};
    char *text;
    if (!in->busy) { /* else the writer is changing them */
        json_object_set_new(j_info, "log_bytes",
                            json_integer((json_int_t)(in->disk.old_bytes + in->disk.log_bytes)));
        json_object_set_new(j_info, "appends", json_integer((json_int_t)in->disk.count.appends));
        json_object_set_new(j_info, "syncs", json_integer((json_int_t)in->disk.count.syncs));
    }
    text = x_checked(json_dumps(j_info, JSON_COMPACT));
    out.ptr = text;
    out.len = strlen(text);
    in->host->op_done(op, TRL_OK, out, NULL);
    free(text);
    json_decref(j_info);
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    json_t *j_config = json_loadb(config.ptr ? config.ptr : "", config.len, 0, NULL);
    const char *dir = json_string_value(json_object_get(j_config, "dir"));
    const json_t *b_compact = json_object_get(j_config, "compact_bytes");
    trl_inst *in;
    if (!dir || !dir[0]) {
        json_decref(j_config);
        return trl_errf(err, TRL_E_INVALID, "\"dir\" is missing: the directory to use");
    }
    in = x_zalloc(sizeof(*in));
    in->host = h;
    in->dir = x_checked(strdup(dir));
    in->sync = !json_is_false(json_object_get(j_config, "sync"));
    in->compact_bytes = 8u << 20;
    if (json_is_integer(b_compact) && json_integer_value(b_compact) > 0) {
        in->compact_bytes = (uint64_t)json_integer_value(b_compact);
    }
    json_decref(j_config);
    in->disk.log_fd = in->disk.lock_fd = -1;
    handoff_init(&in->handoff);
    kvserve_init(&in->s, h);
    *out = in;
    return TRL_OK;
}

#define TABLE(FLAGS)                                                                               \
    {                                                                                              \
        .struct_size = sizeof(trl_store_v1), .flags = (FLAGS), .get = get, .put = put, .del = del, \
        .batch = batch, .list = list, .watch = watch, .cancel = cancel, .resume = resume,          \
        .info = info                                                                               \
    }
static const trl_store_v1 synced =
    TABLE(TRL_S_SYNCED | TRL_S_ACKED | TRL_S_ATOMIC | TRL_S_EXCLUSIVE);
static const trl_store_v1 written = TABLE(TRL_S_ACKED | TRL_S_ATOMIC | TRL_S_EXCLUSIVE);

static const void *get_interface(trl_inst *in, const char *id) {
    if (strcmp(id, TRL_KIND_STORE) != 0) {
        return NULL;
    }
    return in && !in->sync ? &written : &synced;
}

static const char *const rights[] = {"fs:write", NULL};

static const trl_component component = {
    .struct_size = sizeof(component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_STORE,
    .name = "file",
    .summary = "Keys with revisions in a directory of this machine, synced before acknowledged",
    .config_schema = "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"dir\"],"
                     "\"properties\":{"
                     "\"dir\":{\"type\":\"string\",\"minLength\":1,"
                     "\"description\":\"Directory of the store; created when absent\"},"
                     "\"sync\":{\"type\":\"boolean\",\"default\":true,"
                     "\"description\":\"Acknowledge a write only when it is on the medium\"},"
                     "\"compact_bytes\":{\"type\":\"integer\",\"minimum\":4096,\"default\":8388608,"
                     "\"description\":\"Write a snapshot when the log is longer than this and than "
                     "the data\"}}}",
    .rights = rights,
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.store-file", "0.1.0", 0, &component);
