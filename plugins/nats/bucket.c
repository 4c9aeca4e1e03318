/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the bucket is there, which incarnation of it, and what to do when it is not.
 */
#include "store_priv.h"
#include "text.h"

#define RETRY_FIRST_MS 250
#define RETRY_MAX_MS   5000
#define START_TRIES    3

void bucket_saw(trl_inst *in, uint64_t seq) {
    if (seq > in->last_seq) {
        in->last_seq = seq;
    }
}

static void say(trl_inst *in, int level, char *text) {
    if (text && (!in->said || strcmp(in->said, text) != 0)) {
        trl_logf(in->peer.host, level, "%s", text);
    }
    free(in->said);
    in->said = text;
}

/* Ops that waited go on, or hear that there is nothing to wait for. An op ends at most itself. */
static void wake_waiting(trl_inst *in) {
    for (struct kvop *k = in->first, *next; k; k = next) {
        next = k->next;
        if (k->waiting) {
            kvop_go(k);
        }
    }
}

static void start_done(trl_inst *in, const trl_err *err) {
    trl_op *op = in->start_op;
    trl_bytes none = {NULL, 0};
    if (op) {
        in->start_op = NULL;
        in->peer.host->op_done(op, err ? err->code : TRL_OK, none, err);
    }
}

static void look(trl_inst *in);

static void on_retry(void *arg) {
    trl_inst *in = arg;
    in->retry_timer = 0;
    if (in->peer.up) {
        bucket_look(in);
    }
}

static void retry_later(trl_inst *in) {
    if (!in->retry_timer) {
        in->retry_ms = in->retry_ms ? in->retry_ms * 2 : RETRY_FIRST_MS;
        in->retry_ms = in->retry_ms < RETRY_MAX_MS ? in->retry_ms : RETRY_MAX_MS;
        in->retry_timer =
            in->loop->timer_start(in->peer.host->ctx, in->retry_ms * 1000000, on_retry, in);
    }
}

/* The bucket was deleted, emptied, or set back to an older copy: what watches know is void.
 * A key that was there once keeps its last message, if only a marker, so keys only become fewer
 * by a purge, or by age where there is one. */
static int starts_over(const trl_inst *in, const struct stream_found *f) {
    return in->known && (strcmp(in->since, f->since) != 0 || f->last_seq < in->floor_seq ||
                         (!f->forgets && f->subjects && f->subjects < in->subjects) ||
                         (f->messages == 0 && in->floor_seq > in->empty_seq));
}

static void found(trl_inst *in, const struct stream_found *f) {
    char *drift = stream_drift_text(f->b_drift);
    int over = starts_over(in, f);
    if (f->created) {
        trl_logf(in->peer.host, over ? TRL_LOG_WARN : TRL_LOG_INFO, "nats-kv: bucket %s created%s",
                 in->bucket, over ? ": it was gone, with everything in it" : "");
    } else if (over) {
        trl_logf(in->peer.host, TRL_LOG_WARN,
                 "nats-kv: bucket %s was emptied, replaced or set back by somebody; watches start "
                 "over",
                 in->bucket);
    }
    say(in, TRL_LOG_WARN,
        drift
            ? text_fmt("nats-kv: bucket %s differs from its configuration and is used as it is: %s",
                       in->bucket, drift)
            : NULL);
    free(drift);
    json_decref(in->j_drift);
    in->j_drift = json_incref(f->b_drift);
    in->allow_direct = f->allow_direct;
    in->messages = f->messages;
    in->subjects = f->subjects;
    snprintf(in->since, sizeof(in->since), "%s", f->since);
    if (over) {
        in->wipes++;
        in->last_seq = f->last_seq;
        in->empty_seq = 0;
    }
    if (f->messages == 0) {
        in->empty_seq = f->last_seq;
    }
    bucket_saw(in, f->last_seq);
    in->known = 1;
    in->state = BUCKET_READY;
    in->retry_ms = 0;
    start_done(in, NULL);
    if (over) {
        for (struct kvop *k = in->first, *next; k; k = next) {
            next = k->next;
            if (k->kind->wiped) {
                k->kind->wiped(k);
            }
        }
    }
    wake_waiting(in);
}

static void failed(trl_inst *in, const trl_err *err) {
    int passing = err->code == TRL_E_UNAVAIL || err->code == TRL_E_TIMEOUT;
    if (in->state == BUCKET_READY) { /* only a look from time to time; writes tell the truth */
        return;
    }
    if (in->start_op && passing && in->start_tries++ < START_TRIES) {
        retry_later(in); /* JetStream may be on its way up */
        return;
    }
    in->trouble = *err;
    in->state = BUCKET_FAILED;
    say(in, TRL_LOG_ERROR, text_fmt("%s", err->msg));
    retry_later(in);
    start_done(in, err);
    wake_waiting(in);
}

static void on_stream(void *arg, trl_status st, const struct stream_found *f, const trl_err *err) {
    trl_inst *in = arg;
    trl_err no_bucket = {.struct_size = sizeof(no_bucket)};
    in->check = NULL;
    in->next_check_ns = conn_now_ns() + in->check_interval_ms * 1000000;
    if (!in->peer.up) {
        return;
    }
    if (st == TRL_OK && f->max_msgs_per_subject < 1) {
        trl_errf(&no_bucket, TRL_E_INVALID,
                 "nats-kv: stream %s is no bucket (it keeps all messages of a subject); choose "
                 "another bucket",
                 in->want.name);
        err = &no_bucket;
        st = TRL_E_INVALID;
    }
    if (st == TRL_OK) {
        found(in, f);
    } else {
        failed(in, err);
    }
}

static void look(trl_inst *in) {
    if (!in->check && in->peer.up) {
        in->floor_seq = in->last_seq;
        in->check = stream_ensure(&in->peer, &in->want, 0, on_stream, in);
    }
}

void bucket_look(trl_inst *in) {
    if (in->peer.up) {
        in->state = BUCKET_CHECKING;
        look(in);
    }
}

static void is_down(trl_inst *in) {
    in->state = BUCKET_DOWN;
    trl_errf(&in->trouble, TRL_E_UNAVAIL, "nats-kv: no link to the server");
    stream_check_end(in->check);
    in->check = NULL;
    in->loop->timer_stop(in->peer.host->ctx, in->retry_timer);
    in->retry_timer = 0;
    for (struct kvop *k = in->first, *next; k; k = next) {
        next = k->next;
        if (k->waiting || k->kind->link_down) {
            kvop_go(k);
        }
    }
}

void bucket_check(trl_inst *in) {
    if (in->state == BUCKET_READY) {
        look(in);
    }
}

void bucket_on_event(trl_inst *in, enum conn_event e) {
    if (e == CONN_UP) {
        in->retry_ms = 0;
        bucket_look(in);
        return;
    }
    is_down(in);
    start_done(in, NULL);
}

static void on_tick(void *arg) {
    trl_inst *in = arg;
    bucket_start_tick(in);
    if (in->state != BUCKET_READY) {
        return;
    }
    for (struct kvop *k = in->first, *next; k; k = next) {
        next = k->next;
        if (k->kind->tick) {
            k->kind->tick(k);
        }
    }
    if (conn_now_ns() >= in->next_check_ns) {
        look(in);
    }
}

void bucket_start_tick(trl_inst *in) {
    int64_t ms =
        in->heartbeat_ms < in->check_interval_ms ? in->heartbeat_ms : in->check_interval_ms;
    in->tick_timer = in->loop->timer_start(in->peer.host->ctx, ms * 1000000, on_tick, in);
}

void bucket_end(trl_inst *in) {
    in->loop->timer_stop(in->peer.host->ctx, in->retry_timer);
    in->loop->timer_stop(in->peer.host->ctx, in->tick_timer);
    in->retry_timer = in->tick_timer = 0;
    stream_check_end(in->check);
    in->check = NULL;
    while (in->first) {
        kvop_failf(in->first, TRL_E_CANCELLED, "nats-kv: stopped");
    }
}
