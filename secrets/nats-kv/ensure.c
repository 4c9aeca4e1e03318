/* SPDX-License-Identifier: Apache-2.0
 *
 * The bucket of secrets, the bucket of grants and the stream of locks: looked for when the link
 * comes up, made as the reference backend makes them when they are missing, else left as they are.
 */
#include <stdio.h>
#include <string.h>

#include "../../plugins/common/xmem.h"
#include "kv.h"

#define AGAIN_MS 5000

struct ensure {
    struct flow f;
    int at; /* which of the three */
};

static const char *stream_name(const trl_inst *in, int at, char *out, size_t cap) {
    snprintf(out, cap, "%s%s", at < 2 ? "KV_" : "",
             at == 0   ? in->bucket
             : at == 1 ? in->state_bucket
                       : in->lock_stream);
    return out;
}

static json_t *bucket_config(const trl_inst *in, const char *stream, int at) {
    return json_pack(
        "{s:s, s:s, s:[o], s:I, s:i, s:i, s:i, s:i, s:s, s:s, s:I, s:I, s:b, s:b, s:b, s:s, s:s}",
        "name", stream, "description", at == 0 ? "Secrets store" : "Secrets state store",
        "subjects", json_sprintf("$KV.%s.>", stream + 3), "max_msgs_per_subject",
        (json_int_t)(at == 0 ? in->history : 1), "max_msgs", -1, "max_bytes", -1, "max_msg_size",
        -1, "max_age", 0, "retention", "limits", "storage", "file", "num_replicas",
        (json_int_t)in->replicas, "duplicate_window", (json_int_t)120000000000ll,
        "allow_rollup_hdrs", 1, "deny_delete", 1, "allow_direct", 1, "discard", "new",
        "compression", "s2");
}

static json_t *lock_config(const char *stream) {
    return json_pack("{s:s, s:s, s:[o], s:i, s:I, s:s, s:s, s:s, s:b, s:i}", "name", stream,
                     "description", "Lock stream for secrets state", "subjects",
                     json_sprintf("%s.*", stream), "max_msgs_per_subject", 1, "max_age",
                     (json_int_t)3000000000ll, "retention", "limits", "storage", "memory",
                     "discard", "new", "discard_new_per_subject", 1, "num_replicas", 1);
}

static void look(struct flow *f);

static void over(struct ensure *e, const char *trouble) {
    trl_inst *in = e->f.in;
    trl_op *op = in->start_op;
    in->start_op = NULL;
    if (trouble && strncmp(trouble, in->said, sizeof(in->said) - 1) != 0) {
        trl_logf(in->host, TRL_LOG_WARN, "%s", trouble);
    } else if (!trouble && in->said[0]) {
        trl_logf(in->host, TRL_LOG_INFO, "the streams of secrets are there");
    }
    snprintf(in->said, sizeof(in->said), "%.255s", trouble ? trouble : "");
    in->ensured = !trouble;
    if (op) { /* unreachable now is not a reason not to start: every fetch tells it */
        trl_op_ok(in->host, op);
    }
    if (trouble) {
        e->at = 0;
        flow_wait(&e->f, AGAIN_MS, look);
    } else {
        in->ensuring = NULL;
        flow_free(&e->f);
    }
}

static void next(struct ensure *e) {
    if (++e->at < (e->f.in->operations ? 3 : 2)) {
        look(&e->f);
    } else {
        over(e, NULL);
    }
}

static void on_created(struct flow *f, trl_status st, const trl_msg *m) {
    struct ensure *e = (struct ensure *)f;
    char why[200], name[200], text[512];
    json_t *v = st == TRL_OK ? js_json(m) : NULL;
    int64_t code = st == TRL_OK ? js_error(v, why) : js_trouble(st, why);
    json_decref(v);
    if (code) {
        snprintf(text, sizeof(text), "stream %s cannot be made: %s",
                 stream_name(f->in, e->at, name, sizeof(name)), why);
        over(e, text);
        return;
    }
    trl_logf(f->in->host, TRL_LOG_INFO, "stream %s made",
             stream_name(f->in, e->at, name, sizeof(name)));
    next(e);
}

static void make(struct ensure *e) {
    trl_inst *in = e->f.in;
    char name[200];
    json_t *config;
    char *subject, *body;
    stream_name(in, e->at, name, sizeof(name));
    config = e->at < 2 ? bucket_config(in, name, e->at) : lock_config(name);
    body = x_checked(json_dumps(config, JSON_COMPACT));
    subject = text_of("%sSTREAM.CREATE.%s", in->api, name);
    flow_request(&e->f, subject, NULL, 0, (trl_bytes){body, strlen(body)}, on_created);
    free(subject);
    free(body);
    json_decref(config);
}

static void on_looked(struct flow *f, trl_status st, const trl_msg *m) {
    struct ensure *e = (struct ensure *)f;
    char why[200], name[200], text[512];
    json_t *v = st == TRL_OK ? js_json(m) : NULL;
    int64_t code = st == TRL_OK ? js_error(v, why) : js_trouble(st, why);
    json_decref(v);
    stream_name(f->in, e->at, name, sizeof(name));
    if (st == TRL_OK && code == JS_NO_STREAM && f->in->create) {
        make(e);
    } else if (code) {
        snprintf(text, sizeof(text), "stream %s cannot be used: %s", name, why);
        over(e, text);
    } else {
        next(e);
    }
}

static void look(struct flow *f) {
    struct ensure *e = (struct ensure *)f;
    char name[200];
    char *subject =
        text_of("%sSTREAM.INFO.%s", f->in->api, stream_name(f->in, e->at, name, sizeof(name)));
    flow_request(f, subject, NULL, 0, (trl_bytes){NULL, 0}, on_looked);
    free(subject);
}

void ensure_begin(trl_inst *in) {
    if (in->ensuring) {
        flow_free(&in->ensuring->f); /* the link came back: begin anew, not later */
    }
    in->ensuring = flow_new(in, sizeof(*in->ensuring), NULL);
    look(&in->ensuring->f);
}
