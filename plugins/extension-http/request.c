/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#include "../common/xmem.h"

#define READY_NS   (4 * NS_PER_S) /* the core answers within three seconds, or not at all */
#define STALLED_NS (5 * NS_PER_S) /* a loop that has not come round for so long is not alive */

const char *request_header(const struct ex *x, const char *name) {
    return MHD_lookup_connection_value(x->conn, MHD_HEADER_KIND, name);
}

void request_guard(struct MHD_Response *r, int api) {
    MHD_add_response_header(r, "Content-Security-Policy",
                            "default-src 'self'; base-uri 'none'; form-action 'none'; "
                            "frame-ancestors 'none'; object-src 'none'");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "X-Frame-Options", "DENY");
    MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(r, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(r, "Cross-Origin-Opener-Policy", "same-origin");
    if (api) {
        MHD_add_response_header(r, "Cache-Control", "no-store");
    }
}

static void answer_as(struct ex *x, unsigned status, const char *type, struct text *body) {
    size_t n = body->len;
    if (x->answer) {
        text_finish(body);
        return;
    }
    x->answer = MHD_create_response_from_buffer(n, text_take(body), MHD_RESPMEM_MUST_FREE);
    x->status = status;
    MHD_add_response_header(x->answer, "Content-Type", type);
    request_guard(x->answer, 1);
}

void request_answer(struct ex *x, unsigned status, struct text *body) {
    answer_as(x, status, "application/json", body);
}

void request_refuse(struct ex *x, unsigned status, const char *code, const char *fmt, ...) {
    char message[400];
    struct text t = {NULL, 0, 0};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    text_addf(&t, "{\"result\":\"error\",\"code\":\"%s\",\"message\":", code);
    text_add_json(&t, trl_cstr(message));
    text_adds(&t, "}\n");
    request_answer(x, status, &t);
    if (status == MHD_HTTP_TOO_MANY_REQUESTS) {
        MHD_add_response_header(x->answer, "Retry-After", "1");
    }
}

/* Life */

void *request_begin(void *cls, const char *uri, struct MHD_Connection *conn) {
    struct trl_inst *in = cls;
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct ex *x = x_zalloc(sizeof(*x));
    x->in = in;
    x->conn = conn;
    x->c = i ? i->socket_context : NULL;
    x->bad_uri = strstr(uri, "%00") != NULL;
    if (x->c) {
        x->c->deadline_ns = in->h->now_ns(in->h->ctx) + (in->conf.request_timeout_s + 5) * NS_PER_S;
    }
    x->next = in->exs;
    if (x->next) {
        x->next->prev = x;
    }
    in->exs = x;
    return x;
}

void request_over(void *cls, struct MHD_Connection *conn, void **con_cls,
                  enum MHD_RequestTerminationCode why) {
    struct trl_inst *in = cls;
    struct ex *x = *con_cls;
    (void)conn, (void)why;
    if (!x) {
        return;
    }
    *con_cls = NULL;
    *(x->prev ? &x->prev->next : &in->exs) = x->next;
    if (x->next) {
        x->next->prev = x->prev;
    }
    if (x->job) {
        x->job->ex = NULL;
    }
    if (x->answer) {
        MHD_destroy_response(x->answer);
    }
    if (x->c) {
        x->c->deadline_ns = in->h->now_ns(in->h->ctx) + in->conf.idle_timeout_s * NS_PER_S;
    }
    text_finish(&x->body);
    free(x);
}

/* Jobs */

static void send_job(struct ex *x, struct job *j, int64_t patience_ns) {
    j->ex = x;
    x->deadline_ns = x->in->h->now_ns(x->in->h->ctx) + patience_ns;
    if (x->in->closing) {
        job_free(j);
        request_refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "UNAVAILABLE", "The server is stopping");
    } else if (job_send(j)) {
        x->job = j;
        MHD_suspend_connection(x->conn);
    } else {
        request_refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "UNAVAILABLE", "The server is stopping");
    }
}

static unsigned status_of(const struct job *j) {
    static const char manifest[] = "{\"result\":\"error\",\"code\":\"INVALID_MANIFEST\"";
    switch (j->st) {
    case TRL_OK:
        return MHD_HTTP_OK;
    case TRL_E_INVALID:
        return j->out.len > sizeof(manifest) &&
                       memcmp(j->out.ptr, manifest, sizeof(manifest) - 1) == 0
                   ? MHD_HTTP_UNPROCESSABLE_CONTENT
                   : MHD_HTTP_BAD_REQUEST;
    case TRL_E_NOTFOUND:
        return MHD_HTTP_NOT_FOUND;
    case TRL_E_CONFLICT:
        return MHD_HTTP_CONFLICT;
    case TRL_E_DENIED:
        return MHD_HTTP_FORBIDDEN;
    case TRL_E_UNAVAIL:
    case TRL_E_CLOSED:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    default:
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}

void request_answered(struct ex *x, struct job *j) {
    x->job = NULL;
    if (j->st == TRL_E_CLOSED) {
        request_refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "UNAVAILABLE", "The server is stopping");
    } else if (j->kind == JOB_METRICS) {
        prom_counts(&x->in->counts, &j->out);
        answer_as(x, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &j->out);
    } else if (j->kind == JOB_READY) {
        request_answer(x, j->ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, &j->out);
    } else if (j->out.len == 0) {
        request_refuse(x, MHD_HTTP_BAD_REQUEST, "INVALID",
                       "There is no operation %s with these names", x->operation);
    } else {
        request_answer(x, status_of(j), &j->out);
    }
    job_free(j);
    MHD_resume_connection(x->conn);
}

static void give_up(struct ex *x) {
    x->job->ex = NULL;
    x->job = NULL;
    if (x->route->does == DOES_READY) {
        struct text t = {NULL, 0, 0};
        text_adds(&t, "{\"ok\":false,\"checks\":[{\"name\":\"loop\",\"ok\":false,\"needed\":true,"
                      "\"reason\":\"does not answer\"}]}\n");
        request_answer(x, MHD_HTTP_SERVICE_UNAVAILABLE, &t);
    } else {
        request_refuse(x, MHD_HTTP_GATEWAY_TIMEOUT, "TIMEOUT",
                       "No answer in time; what was asked for may still be done");
    }
    MHD_resume_connection(x->conn);
}

void requests_tick(struct trl_inst *in, int64_t now_ns) {
    for (struct ex *x = in->exs; x; x = x->next) {
        if (x->job && now_ns > x->deadline_ns) {
            give_up(x);
        }
    }
}

void requests_end(struct trl_inst *in) {
    in->closing = 1;
    for (struct ex *x = in->exs; x; x = x->next) {
        if (x->job) {
            give_up(x);
        }
    }
}

/* Operations */

static enum MHD_Result known_param(void *cls, enum MHD_ValueKind kind, const char *key,
                                   const char *value) {
    struct ex *x = cls;
    (void)kind, (void)value;
    const struct route_param *p = x->route->params;
    while (p && p->name && strcmp(p->name, key) != 0) {
        p++;
    }
    if ((!p || !p->name) && strcmp(key, "tenant") != 0) {
        request_refuse(x, MHD_HTTP_BAD_REQUEST, "INVALID", "There is no parameter '%.60s' here",
                       key);
        return MHD_NO;
    }
    return MHD_YES;
}

static const char *param(const struct ex *x, const char *name) {
    return MHD_lookup_connection_value(x->conn, MHD_GET_ARGUMENT_KIND, name);
}

/* The query as the body that the operation expects. */
static void query_body(struct ex *x, struct text *body) {
    json_t *o = json_object();
    for (const struct route_param *p = x->route->params; p && p->name; p++) {
        const char *v = param(x, p->name);
        char *end = NULL;
        if (!v) {
            continue;
        }
        long long n = p->type == 'u' ? strtoll(v, &end, 10) : 0;
        if (p->type == 'u' && (*v < '0' || *v > '9' || *end)) {
            request_refuse(x, MHD_HTTP_BAD_REQUEST, "INVALID", "%s must be a number", p->name);
        } else if (p->type == 'b' && strcmp(v, "true") != 0 && strcmp(v, "false") != 0) {
            request_refuse(x, MHD_HTTP_BAD_REQUEST, "INVALID", "%s must be true or false", p->name);
        } else {
            json_object_set_new(o, p->name,
                                p->type == 'u'   ? json_integer(n)
                                : p->type == 'b' ? json_boolean(strcmp(v, "true") == 0)
                                                 : json_string(v));
        }
    }
    char *json = json_object_size(o) ? json_dumps(o, JSON_COMPACT) : NULL;
    text_adds(body, json ? json : "");
    free(json);
    json_decref(o);
}

static void add_caller(const struct ex *x, struct text *t) {
    char peer[64];
    request_peer(x, peer, sizeof(peer));
    text_adds(t, "{\"via\":\"http\",\"id\":");
    text_add_json(t, trl_cstr(x->who.name));
    text_addf(t, ",\"role\":\"%s\",\"address\":", role_name(x->who.role));
    text_add_json(t, trl_cstr(peer));
    text_adds(t, "}");
}

static void call(struct ex *x) {
    struct job *j = job_new(x->in, JOB_CALL);
    struct text caller = {NULL, 0, 0};
    const char *type = request_header(x, "Content-Type"), *tenant = param(x, "tenant"), *trace;
    if (x->route->body == BODY_NONE) {
        query_body(x, &j->body);
    } else {
        j->body = x->body;
        x->body = (struct text){NULL, 0, 0};
    }
    if (x->answer) { /* a parameter is wrong */
        job_free(j);
        return;
    }
    add_caller(x, &caller);
    j->caller = text_take(&caller);
    trace = request_header(x, "traceparent");
    j->trace = text_dup(trl_cstr(trace ? trace : ""));
    j->operation = text_dup(trl_cstr(x->operation));
    j->tenant = text_dup(trl_cstr(tenant ? tenant : ""));
    j->lattice = text_dup(trl_cstr(x->parts.lattice));
    j->name = text_dup(trl_cstr(x->parts.name));
    j->type = text_dup(trl_strn(type, type ? strcspn(type, "; \t") : 0));
    send_job(x, j, x->in->conf.request_timeout_s * NS_PER_S);
}

static void login(struct ex *x) {
    struct trl_inst *in = x->in;
    char token[AUTH_TOKEN_SIZE], peer[64];
    json_t *o = json_loadb(x->body.len ? x->body.ptr : "", x->body.len, 0, NULL);
    const char *given = json_string_value(json_object_get(o, "token"));
    int64_t now = in->h->now_ns(in->h->ctx);
    request_peer(x, peer, sizeof(peer));
    if (limit_empty(&in->failing, x->c->key, now)) {
        in->counts.refused_auth++;
        request_refuse(x, MHD_HTTP_TOO_MANY_REQUESTS, "RATE",
                       "Too many wrong tokens from this address: wait a minute");
    } else if (given && auth_login(&in->auth, trl_cstr(given), now, token, &x->who)) {
        struct text t = {NULL, 0, 0};
        trl_logf(in->h, TRL_LOG_INFO, "login as %s (%s) from %s", x->who.name,
                 role_name(x->who.role), peer);
        text_addf(&t,
                  "{\"result\":\"ok\",\"data\":{\"token\":\"%s\",\"name\":\"%s\",\"role\":\"%s\","
                  "\"idle_s\":%lld}}\n",
                  token, x->who.name, role_name(x->who.role), AUTH_IDLE_NS / NS_PER_S);
        explicit_bzero(token, sizeof(token));
        request_answer(x, MHD_HTTP_OK, &t);
        login_prepare(in); /* the next one who has the file may come, too */
    } else {
        in->counts.refused_auth++;
        limit_take(&in->failing, x->c->key, now);
        trl_logf(in->h, TRL_LOG_WARN, "a login that is not valid (any more) from %s", peer);
        request_refuse(x, MHD_HTTP_UNAUTHORIZED, "UNAUTHORIZED",
                       "This login URL was used already, or is not of this run: look into the "
                       "login file for a fresh one");
    }
    json_decref(o);
}

static void tell_session(struct ex *x) {
    struct text t = {NULL, 0, 0};
    text_addf(&t, "{\"result\":\"ok\",\"data\":{\"name\":\"%s\",\"role\":\"%s\"}}\n", x->who.name,
              role_name(x->who.role));
    request_answer(x, MHD_HTTP_OK, &t);
}

static void tell_live(struct ex *x) {
    const struct trl_inst *in = x->in;
    int64_t age = in->health->loop_age_ns(in->h->ctx);
    struct text t = {NULL, 0, 0};
    int ok = age < STALLED_NS;
    text_addf(&t, "{\"ok\":%s,\"checks\":[{\"name\":\"loop\",\"ok\":%s,\"needed\":true,\"reason\":",
              ok ? "true" : "false", ok ? "true" : "false");
    if (ok) {
        text_adds(&t, "\"ticking\"}]}\n");
    } else {
        text_addf(&t, "\"has not come round for %lld s\"}]}\n", (long long)(age / NS_PER_S));
    }
    request_answer(x, ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, &t);
}

static void open_stream(struct ex *x) {
    struct trl_inst *in = x->in;
    if (in->counts.n_streams >= in->conf.max_streams) {
        request_refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "STREAMS",
                       "%u event streams are open, that is the limit (limits.streams)",
                       in->conf.max_streams);
        return;
    }
    x->answer = stream_create(in, x->conn, request_header(x, "Last-Event-ID"));
    x->status = MHD_HTTP_OK;
    request_guard(x->answer, 1);
    x->c->deadline_ns = INT64_MAX;
}

static void serve(struct ex *x) {
    struct trl_inst *in = x->in;
    struct text t = {NULL, 0, 0};
    if (x->too_large) {
        request_refuse(x, MHD_HTTP_CONTENT_TOO_LARGE, "TOO_LARGE",
                       "The body is larger than the limit of %u bytes", in->conf.max_body_bytes);
        return;
    }
    if (MHD_get_connection_values(x->conn, MHD_GET_ARGUMENT_KIND, known_param, x) < 0 ||
        x->answer) {
        return;
    }
    switch (x->route->does) {
    case DOES_CALL:
    case DOES_ANY:
        call(x);
        break;
    case DOES_STREAM:
        open_stream(x);
        break;
    case DOES_LOGIN:
        login(x);
        break;
    case DOES_LOGOUT:
        auth_logout(&in->auth, request_header(x, "Authorization"));
        tell_session(x);
        break;
    case DOES_SESSION:
        tell_session(x);
        break;
    case DOES_OPENAPI:
        text_adds(&t, in->openapi);
        request_answer(x, MHD_HTTP_OK, &t);
        break;
    case DOES_METRICS:
        send_job(x, job_new(in, JOB_METRICS), in->conf.request_timeout_s * NS_PER_S);
        break;
    case DOES_LIVE:
        tell_live(x);
        break;
    case DOES_READY:
        send_job(x, job_new(in, JOB_READY), READY_NS);
        break;
    }
}

static enum MHD_Result go_out(struct ex *x) {
    struct MHD_Response *r = x->answer;
    unsigned class = x->status / 100;
    x->in->counts.by_class[class < 6 ? class : 0]++;
    x->answer = NULL;
    enum MHD_Result rc = MHD_queue_response(x->conn, x->status, r);
    MHD_destroy_response(r);
    return rc;
}

static int has_body(const struct ex *x) {
    const char *length = request_header(x, "Content-Length");
    return (length && strcmp(length, "0") != 0) || request_header(x, "Transfer-Encoding");
}

enum MHD_Result request_handle(void *cls, struct MHD_Connection *conn, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_size, void **con_cls) {
    struct ex *x = *con_cls;
    (void)cls, (void)conn, (void)version;
    if (!x || !x->c) {
        return MHD_NO;
    }
    if (!x->begun) {
        x->begun = 1;
        request_admit(x, url, method);
        /* With a body to come the answer ends the connection; else it goes out when it is due. */
        return x->answer && has_body(x) ? go_out(x) : MHD_YES;
    }
    if (*upload_size) {
        if (x->body.len + *upload_size > x->in->conf.max_body_bytes) {
            x->too_large = 1;
            text_finish(&x->body);
        } else if (!x->too_large) {
            text_add(&x->body, upload, *upload_size);
        }
        *upload_size = 0;
        return MHD_YES;
    }
    if (!x->answer && !x->job) {
        serve(x);
    }
    return x->answer ? go_out(x) : MHD_YES;
}
