/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/nats_client.h"

#include <string.h>

#include "base/mem.h"
#include "base/trace.h"
#include "codec/json.h"
#include "plug/bus.h"

#define CONNECT_NS (3ll * 1000000000ll)

struct message {
    char *subject, *body;
    size_t len;
};

struct nats_client {
    struct loop *loop;
    struct log log; /* quiet: what fails is told by the command */
    struct plug *plug;
    struct plug_inst *inst;
    struct bus *bus;
    int64_t timeout_ms;
    bool started, stopped, up, answered;
    trl_status status;
    struct err err;
    struct buf *reply; /* of the request under way */
    VEC(struct message) queue;
};

void nats_config_json(const struct client_options *o, struct buf *out) {
    struct jw w;
    const struct {
        const char *key, *value;
    } texts[] = {{"url", o->nats_url ? o->nats_url : "nats://127.0.0.1:4222"},
                 {"creds", o->creds},
                 {"nkey_seed", o->nkey_seed},
                 {"jwt", o->jwt},
                 {"user", o->user},
                 {"password", o->password},
                 {"token", o->token}};
    const struct {
        const char *key, *value;
    } tls[] = {{"ca", o->ca}, {"cert", o->cert}, {"key", o->key}};
    jw_init(&w, out, false);
    jw_object(&w);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].value) {
            jw_kv(&w, texts[i].key, str_c(texts[i].value));
        }
    }
    if (o->ca || o->cert) {
        jw_key(&w, "tls");
        jw_object(&w);
        for (size_t i = 0; i < ARRAY_LEN(tls); i++) {
            if (tls[i].value) {
                jw_kv(&w, tls[i].key, str_c(tls[i].value));
            }
        }
        jw_end_object(&w);
    }
    jw_kv(&w, "name", STR("trellis-cli"));
    jw_end_object(&w);
}

static void on_started(void *arg, trl_status st, const trl_err *e) {
    struct nats_client *c = arg;
    c->started = true;
    c->status = st;
    if (st != TRL_OK) {
        err_from_trl(&c->err, st, e);
    }
}

static bool is_started(void *arg) {
    return ((struct nats_client *)arg)->started;
}

static void on_link(void *arg, bool up) {
    ((struct nats_client *)arg)->up = up;
}

static bool is_up(void *arg) {
    return ((struct nats_client *)arg)->up;
}

int nats_client_open(const struct client_options *o, struct nats_client **ret, struct err *err) {
    struct nats_client *c = mem_zalloc(sizeof(*c));
    struct buf config = BUF_INIT;
    c->loop = loop_create_uv(1);
    c->log = *o->log;
    c->log.level = c->log.level > TRL_LOG_WARN ? c->log.level : TRL_LOG_ERROR;
    c->plug = plug_create(c->loop, &c->log, o->plugin_dirs, o->n_plugin_dirs);
    c->timeout_ms = o->timeout_ms;
    nats_config_json(o, &config);
    int rc = plug_inst_create(c->plug, TRL_KIND_TRANSPORT, "nats", buf_str(&config), NULL, 0,
                              &c->inst, err);
    buf_finish(&config);
    if (rc == 0) {
        plug_inst_start(c->inst, CONNECT_NS, on_started, c);
        loop_run_until(c->loop, is_started, c, CONNECT_NS);
        rc = c->started ? c->status : TRL_E_TIMEOUT;
        if (rc == 0) {
            c->bus = bus_create(c->inst);
            bus_watch_link(c->bus, on_link, c);
            loop_run_until(c->loop, is_up, c, CONNECT_NS);
        }
        if (rc < 0 || !c->up) {
            rc = err_set(err, TRL_E_UNAVAIL,
                         "cannot reach NATS on %s%s%s: is a nats-server running there?",
                         o->nats_url ? o->nats_url : "nats://127.0.0.1:4222",
                         c->err.msg[0] ? ": " : "", c->err.msg);
        }
    }
    if (rc < 0) {
        nats_client_close(c);
        return rc;
    }
    *ret = c;
    return 0;
}

static void on_stopped(void *arg) {
    ((struct nats_client *)arg)->stopped = true;
}

static bool is_stopped(void *arg) {
    return ((struct nats_client *)arg)->stopped;
}

void nats_client_close(struct nats_client *c) {
    if (!c) {
        return;
    }
    bus_destroy(c->bus);
    if (c->inst) {
        plug_inst_stop(c->inst, on_stopped, c);
        loop_run_until(c->loop, is_stopped, c, CONNECT_NS * 3);
        plug_inst_destroy(c->inst);
    }
    plug_destroy(c->plug);
    loop_destroy(c->loop);
    for (uint32_t i = 0; i < c->queue.n; i++) {
        mem_free(c->queue.at[i].subject);
        mem_free(c->queue.at[i].body);
    }
    VEC_FREE(&c->queue);
    mem_free(c);
}

static void on_reply(void *arg, trl_status st, const struct bus_msg *m) {
    struct nats_client *c = arg;
    c->answered = true;
    c->status = st;
    if (m) {
        buf_add_str(c->reply, m->body);
    }
}

static bool is_answered(void *arg) {
    return ((struct nats_client *)arg)->answered;
}

int nats_client_request(struct nats_client *c, str subject, const char *content_type,
                        const char *trace, str body, struct buf *reply, struct err *err) {
    trl_label headers[] = {{STR(TRACE_HEADER), str_c(trace)},
                           {STR("Content-Type"), str_c(content_type ? content_type : "")}};
    struct bus_msg m = {
        .subject = subject, .headers = headers, .n_headers = content_type ? 2 : 1, .body = body};
    c->answered = false;
    c->reply = reply;
    int64_t ns = c->timeout_ms * 1000000;
    struct bus_call *call = bus_request(c->bus, &m, ns, on_reply, c);
    if (!loop_run_until(c->loop, is_answered, c, ns + CONNECT_NS)) {
        bus_call_cancel(call);
        c->status = TRL_E_TIMEOUT;
    }
    if (c->status == TRL_E_NORESPONDER) {
        return err_set(err, c->status,
                       "NATS answers, but no trellis serves there: start `trellis serve`");
    }
    return c->status == TRL_OK ? 0 : err_set(err, c->status, "no answer: %s", err_name(c->status));
}

static void on_message(void *arg, const struct bus_msg *m) {
    struct nats_client *c = arg;
    struct message *x = VEC_ADD(&c->queue);
    x->subject = str_dup(m->subject);
    x->body = str_dup(m->body);
    x->len = m->body.len;
}

int nats_client_subscribe(struct nats_client *c, str subject, struct err *err) {
    (void)err;
    bus_subscribe(c->bus, subject, STR_NONE, on_message, c);
    return 0;
}

static bool has_message(void *arg) {
    return ((struct nats_client *)arg)->queue.n > 0;
}

int nats_client_next(struct nats_client *c, int64_t timeout_ms, struct buf *subject,
                     struct buf *body, struct err *err) {
    if (!loop_run_until(c->loop, has_message, c, timeout_ms * 1000000)) {
        return err_set(err, TRL_E_TIMEOUT, "no message in time");
    }
    struct message x = c->queue.at[0];
    memmove(c->queue.at, c->queue.at + 1, --c->queue.n * sizeof(x));
    buf_add_str(subject, str_c(x.subject));
    buf_add(body, x.body, x.len);
    mem_free(x.subject);
    mem_free(x.body);
    return 0;
}
