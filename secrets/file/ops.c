/* SPDX-License-Identifier: Apache-2.0
 *
 * The ops and watches of secrets/1 "file". All of this is on the loop; files are read and written
 * by threads of the pool, one task each, and every op is completed here.
 */
#include <jansson.h>
#include <stdio.h>

#include "../../plugins/common/utf8.h"
#include "../../plugins/common/xmem.h"
#include "../common/sjson.h"
#include "file.h"

enum what { DO_START, DO_FETCH, DO_CHECK, DO_PUT, DO_LIST, DO_POLL };

struct watch {
    struct watch *next;
    trl_op *op;      /* NULL: cancelled while a look was under way */
    struct job *job; /* the look under way */
    char *key, *field;
    size_t key_len;
    struct stat known;
    int has_known;
    char seen[VERSION_LEN + 1];
    int told_once, owed; /* owed: the emission was refused */
};

struct job {
    struct job *next, **link; /* in the instance's list */
    trl_inst *in;
    enum what what;
    trl_op *op; /* NULL: already completed, or a look for a watch */
    struct watch *watch;
    struct task t;
    size_t emitted; /* names of a list */
    int done, emitting;
};

static void complete(trl_inst *in, trl_op *op, trl_status st, trl_str text, const trl_err *err) {
    trl_bytes result = {text.ptr, text.len};
    in->host->op_done(op, st, result, st == TRL_OK ? NULL : err);
}

static void job_free(struct job *j) {
    *j->link = j->next;
    if (j->next) {
        j->next->link = j->link;
    }
    task_finish(&j->in->place, &j->t);
    free(j);
}

static void watch_free(trl_inst *in, struct watch *w) {
    struct watch **at = &in->watches;
    while (*at != w) {
        at = &(*at)->next;
    }
    *at = w->next;
    free(w->key);
    free(w->field);
    free(w);
}

/* Tasks on threads keep the instance; lists that wait for room do not. */
static void stop_when_idle(trl_inst *in) {
    struct job *next;
    trl_op *op = in->stop_op;
    if (!op) {
        return;
    }
    for (struct job *j = in->jobs; j; j = next) {
        next = j->next;
        if (j->done) {
            if (j->op) {
                trl_op_fail(in->host, j->op, TRL_E_CANCELLED, "stopped");
            }
            job_free(j);
        }
    }
    if (!in->jobs) {
        in->stop_op = NULL;
        trl_op_ok(in->host, op);
    }
}

static void emit_names(struct job *j) {
    const trl_host *h = j->in->host;
    while (j->emitted < j->t.n_names) {
        const char *name = j->t.names[j->emitted];
        trl_status st = h->op_emit(j->op, (trl_bytes){name, strlen(name)});
        if (st == TRL_E_BUSY) {
            return; /* resume() goes on */
        }
        if (st != TRL_OK) {
            break;
        }
        j->emitted++;
    }
    trl_op_ok(h, j->op);
    job_free(j);
}

/* What the look found, told when it is news. */
static void watch_tell(trl_inst *in, struct watch *w) {
    trl_status st = in->host->op_emit(w->op, (trl_bytes){w->seen, strlen(w->seen)});
    w->owed = st == TRL_E_BUSY;
    w->told_once = 1;
}

static void watch_looked(trl_inst *in, struct job *j) {
    struct watch *w = j->watch;
    const struct task *t = &j->t;
    w->job = NULL;
    if (!w->op) {
        watch_free(in, w);
        return;
    }
    w->known = t->known;
    w->has_known = t->has_known;
    if (t->st == TRL_OK && t->same) {
        return;
    }
    if (t->st == TRL_E_UNAVAIL || t->st == TRL_E_BUSY) {
        return; /* half-written, or a disk that does not answer: that says nothing about it */
    }
    if (!w->told_once || strcmp(w->seen, t->st == TRL_OK ? t->told : "") != 0) {
        snprintf(w->seen, sizeof(w->seen), "%s", t->st == TRL_OK ? t->told : "");
        watch_tell(in, w);
    }
}

static void fetched(trl_inst *in, struct job *j) {
    const struct task *t = &j->t;
    trl_secret s;
    memset(&s, 0, sizeof(s));
    s.struct_size = sizeof(s);
    s.value = t->value_at;
    s.flags = utf8_valid(t->value_at.ptr, t->value_at.len) ? 0 : TRL_SECRET_BINARY;
    s.version = trl_cstr(t->told);
    in->n_fetched++;
    in->secret->done(j->op, &s);
}

static void on_worked(void *arg) {
    struct job *j = arg;
    trl_inst *in = j->in;
    struct task *t = &j->t;
    j->done = 1;
    in->n_failed += t->st != TRL_OK && j->what != DO_POLL;
    if (j->watch) {
        watch_looked(in, j);
    } else if (j->op && t->st != TRL_OK) {
        complete(in, j->op, t->st, (trl_str){NULL, 0}, &t->err);
    } else if (j->op && j->what == DO_FETCH) {
        fetched(in, j);
    } else if (j->op && j->what == DO_LIST) {
        emit_names(j);
        stop_when_idle(in);
        return;
    } else if (j->op) {
        complete(in, j->op, TRL_OK, trl_cstr(t->told), NULL);
    }
    job_free(j);
    stop_when_idle(in);
}

/* On a thread. */
static void work(void *arg) {
    struct job *j = arg;
    struct place *p = &j->in->place;
    struct task *t = &j->t;
    t->err.struct_size = sizeof(t->err);
    if (j->what == DO_START) {
        t->st = place_start(p, &t->err);
    } else if (j->what == DO_PUT) {
        place_write(p, t);
    } else if (j->what == DO_LIST) {
        place_list(p, t);
    } else {
        t->want_value = j->what == DO_FETCH;
        place_read(p, t);
    }
}

static char *dup_str(trl_str s) {
    char *out = x_zalloc(s.len + 1);
    if (s.len) {
        memcpy(out, s.ptr, s.len);
    }
    return out;
}

static struct job *job_new(trl_inst *in, enum what what, trl_op *op, const trl_secret_ref *ref) {
    struct job *j = x_zalloc(sizeof(*j));
    j->in = in;
    j->what = what;
    j->op = op;
    j->t.key = dup_str(ref ? ref->key : (trl_str){NULL, 0});
    j->t.key_len = ref ? ref->key.len : 0;
    j->t.field = dup_str(ref ? ref->field : (trl_str){NULL, 0});
    j->t.version = dup_str(ref ? ref->version : (trl_str){NULL, 0});
    j->next = in->jobs;
    j->link = &in->jobs;
    if (j->next) {
        j->next->link = &j->next;
    }
    in->jobs = j;
    return j;
}

static void job_queue(struct job *j) {
    trl_inst *in = j->in;
    if (in->stop_op || in->work->queue(in->host->ctx, work, on_worked, j) != TRL_OK) {
        if (j->op) {
            trl_op_fail(in->host, j->op, TRL_E_CLOSED, "stopped");
        }
        if (j->watch) {
            j->watch->job = NULL;
        }
        job_free(j);
    }
}

/* They are shown in error texts: short and without control characters. */
static int odd_text(trl_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f) {
            return 1;
        }
    }
    return s.len > 1024;
}

static int refused(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    trl_err e = {.struct_size = sizeof(e)};
    trl_status st = safe_key_check(ref->key, &e);
    if (st == TRL_OK && (odd_text(ref->field) || odd_text(ref->version))) {
        st = trl_errf(&e, TRL_E_INVALID,
                      "field and version are at most 1024 characters, none of them control");
    }
    if (st != TRL_OK) {
        complete(in, op, st, (trl_str){NULL, 0}, &e);
    }
    return st != TRL_OK;
}

static void fetch(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    if (!refused(in, op, ref)) {
        job_queue(job_new(in, DO_FETCH, op, ref));
    }
}

static void check(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    if (!refused(in, op, ref)) {
        job_queue(job_new(in, DO_CHECK, op, ref));
    }
}

static void put(trl_inst *in, trl_op *op, const trl_secret_ref *ref, const trl_secret *value) {
    struct job *j;
    if (refused(in, op, ref)) {
        return;
    }
    if (value->value.len > TRL_SECRET_MAX_BYTES || ref->version.len) {
        trl_op_fail(in->host, op, TRL_E_INVALID,
                    ref->version.len ? "a version cannot be chosen: it follows from the value"
                                     : "the value is larger than 1 MiB");
        return;
    }
    j = job_new(in, DO_PUT, op, ref);
    j->t.put.len = value->value.len;
    j->t.put.ptr = in->secret->alloc(in->host->ctx, value->value.len + 1);
    if (!j->t.put.ptr) {
        trl_op_fail(in->host, op, TRL_E_BUSY,
                    "no memory can be locked: raise the limit (ulimit -l)");
        job_free(j);
        return;
    }
    if (value->value.len) {
        memcpy(j->t.put.ptr, value->value.ptr, value->value.len);
    }
    job_queue(j);
}

static void list(trl_inst *in, trl_op *op, trl_str prefix) {
    struct job *j;
    if (odd_text(prefix)) {
        trl_op_fail(in->host, op, TRL_E_INVALID,
                    "a prefix is at most 1024 characters, none of them control");
        return;
    }
    j = job_new(in, DO_LIST, op, NULL);
    free(j->t.key);
    j->t.key = dup_str(prefix);
    j->t.key_len = prefix.len;
    job_queue(j);
}

static void look(trl_inst *in, struct watch *w) {
    trl_secret_ref ref;
    memset(&ref, 0, sizeof(ref));
    ref.key = (trl_str){w->key, w->key_len};
    ref.field = trl_cstr(w->field);
    w->job = job_new(in, DO_POLL, NULL, &ref);
    w->job->watch = w;
    w->job->t.known = w->known;
    w->job->t.has_known = w->has_known;
    job_queue(w->job);
}

static void on_timer(void *arg) {
    trl_inst *in = arg;
    in->timer = 0;
    for (struct watch *w = in->watches; w; w = w->next) {
        if (!w->job) {
            look(in, w);
        }
    }
    if (in->watches && !in->stop_op) {
        in->timer = in->loop->timer_start(in->host->ctx, in->poll_ns, on_timer, in);
    }
}

static void watch(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    struct watch *w;
    if (refused(in, op, ref)) {
        return;
    }
    w = x_zalloc(sizeof(*w));
    w->op = op;
    w->key = dup_str(ref->key);
    w->key_len = ref->key.len;
    w->field = dup_str(ref->field);
    w->next = in->watches;
    in->watches = w;
    look(in, w);
    if (!in->timer) {
        in->timer = in->loop->timer_start(in->host->ctx, in->poll_ns, on_timer, in);
    }
}

static void cancel(trl_inst *in, trl_op *op) {
    for (struct watch *w = in->watches; w; w = w->next) {
        if (w->op == op) {
            w->op = NULL;
            if (!w->job) {
                watch_free(in, w);
            }
            trl_op_fail(in->host, op, TRL_E_CANCELLED, "cancelled");
            return;
        }
    }
    for (struct job *j = in->jobs; j; j = j->next) {
        if (j->op == op) {
            j->op = NULL; /* its task runs to its end, and nobody hears of it */
            if (j->done) {
                job_free(j);
            }
            trl_op_fail(in->host, op, TRL_E_CANCELLED, "cancelled");
            return;
        }
    }
}

static void resume(trl_inst *in, trl_op *op) {
    for (struct watch *w = in->watches; w; w = w->next) {
        if (w->op == op && w->owed) {
            watch_tell(in, w);
            return;
        }
    }
    for (struct job *j = in->jobs; j; j = j->next) {
        if (j->op == op && j->done) {
            emit_names(j);
            return;
        }
    }
}

static void info(trl_inst *in, trl_op *op) {
    size_t n = 0;
    char *text;
    json_t *j;
    for (struct watch *w = in->watches; w; w = w->next) {
        n++;
    }
    j = json_pack("{s:s, s:s*, s:b, s:I, s:I, s:I}", "dir", in->place.dir, "file", in->place.sealed,
                  "readonly", in->place.readonly, "watches", (json_int_t)n, "fetched",
                  (json_int_t)in->n_fetched, "failed", (json_int_t)in->n_failed);
    text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    if (text) {
        complete(in, op, TRL_OK, trl_cstr(text), NULL);
    } else {
        trl_op_fail(in->host, op, TRL_E_INTERNAL, "the configured path is not UTF-8");
    }
    free(text);
}

void ops_start(trl_inst *in, trl_op *op) {
    job_queue(job_new(in, DO_START, op, NULL));
}

void ops_stop(trl_inst *in, trl_op *op) {
    if (in->timer) {
        in->loop->timer_stop(in->host->ctx, in->timer);
        in->timer = 0;
    }
    in->stop_op = op;
    stop_when_idle(in);
}

/* Watches and jobs are gone unless the instance was never stopped. */
void ops_finish(trl_inst *in) {
    while (in->watches) {
        watch_free(in, in->watches);
    }
    while (in->jobs) {
        job_free(in->jobs);
    }
}

const trl_secrets_v1 ops_table = {
    .struct_size = sizeof(ops_table),
    .fetch = fetch,
    .check = check,
    .watch = watch,
    .cancel = cancel,
    .resume = resume,
    .put = put,
    .list = list,
    .info = info,
};

const trl_secrets_v1 ops_table_readonly = {
    .struct_size = sizeof(ops_table_readonly),
    .fetch = fetch,
    .check = check,
    .watch = watch,
    .cancel = cancel,
    .resume = resume,
    .list = list,
    .info = info,
};
