/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

void service_raw(struct service *s, const char *subject, const char *text) {
    struct bus_msg m = {.subject = str_c(subject), .body = str_c(text)};
    bus_publish(s->bus, &m);
}

static void say(struct service *s, const char *subject, const char *id, bool permitted,
                const char *message) {
    json_t *j = json_pack("{s:s, s:b}", "requestId", id, "permitted", permitted);
    if (message) {
        json_object_set_new(j, "message", json_string(message));
    }
    char *text = json_dumps(j, JSON_COMPACT);
    service_raw(s, subject, text);
    free(text);
    json_decref(j);
}

void service_answer(struct service *s, const char *id, bool permitted, const char *message) {
    say(s, s->reply, id, permitted, message);
}

void service_change(struct service *s, const char *id, bool permitted, const char *message) {
    say(s, CHANGES, id, permitted, message);
}

static bool is_latest(const json_t *request) {
    const json_t *target = json_object_get(request, "target");
    const char *image = json_string_value(json_object_get(target ? target : request, "imageRef"));
    size_t n = image ? strlen(image) : 0;
    return n >= 7 && strcmp(image + n - 7, ":latest") == 0;
}

static bool mentions(const struct service *s, const char *word) {
    return strstr(s->body, word) != NULL;
}

static void answer_by_mode(struct service *s, bool latest) {
    static const char *const texts[] = {
        [SERVICE_RUBBISH] = "nope",
        [SERVICE_EMPTY] = "",
        [SERVICE_NO_ID] = "{\"permitted\":true}",
        [SERVICE_NO_PERMITTED] = "{\"requestId\":\"x\"}",
        [SERVICE_ODD_PERMITTED] = "{\"requestId\":\"x\",\"permitted\":\"true\"}",
        [SERVICE_ODD_MESSAGE] = "{\"requestId\":\"x\",\"permitted\":true,\"message\":7}",
        [SERVICE_OTHER_ID] = "{\"requestId\":\"other\",\"permitted\":true,\"message\":null}",
    };
    if (s->mode == SERVICE_SILENT || mentions(s, "silent")) {
        return;
    }
    if (s->mode == SERVICE_HUGE) {
        char *many = mem_zalloc(900001);
        memset(many, 'x', 900000);
        service_answer(s, s->id, false, many);
        mem_free(many);
    } else if (s->mode != SERVICE_RULE) {
        service_raw(s, s->reply, texts[s->mode]);
    } else {
        service_answer(s, s->id, !latest, latest ? "images need a version" : NULL);
    }
}

static void on_request(void *arg, const struct bus_msg *m) {
    struct service *s = arg;
    json_t *j = json_loadb(m->body.ptr, m->body.len, 0, NULL);
    const char *id = json_string_value(json_object_get(j, "requestId"));
    s->requests++;
    s->trace[0] = '\0';
    for (uint32_t i = 0; i < m->n_headers; i++) {
        assert_true(str_is(m->headers[i].key, "traceparent"));
        snprintf(s->trace, sizeof(s->trace), "%.*s", PSTR(m->headers[i].value));
    }
    snprintf(s->id, sizeof(s->id), "%s", id ? id : "");
    snprintf(s->reply, sizeof(s->reply), "%.*s", PSTR(m->reply));
    snprintf(s->body, sizeof(s->body), "%.*s", PSTR(m->body));
    answer_by_mode(s, is_latest(json_object_get(j, "request")));
    json_decref(j);
}

struct service *service_up(struct bus *bus) {
    struct service *s = mem_zalloc(sizeof(*s));
    s->bus = bus;
    s->sub = bus_subscribe(bus, STR(TOPIC), STR_NONE, on_request, s);
    return s;
}

void service_down(struct service *s) {
    if (s) {
        bus_unsubscribe(s->sub);
        mem_free(s);
    }
}

/* The rig */

void rig_open(struct rig *r, const char *transport, const char *transport_config,
              const char *config) {
    memset(r, 0, sizeof(*r));
    r->tk = tk_create(false);
    r->transport = tk_open(r->tk, TRL_KIND_TRANSPORT, transport, transport_config, NULL, 0);
    assert_non_null(r->transport);
    r->bus = bus_create(r->transport);
    r->iface = (struct plug_iface){TRL_HOST_TRANSPORT_V1, &bus_host_iface, r->bus};
    r->service = service_up(r->bus);
    if (config) {
        r->in = tk_open(r->tk, TRL_KIND_POLICY, "remote", config, &r->iface, 1);
        if (!r->in) {
            fail_msg("%s", tk_error(r->tk));
        }
    }
}

void rig_close(struct rig *r) {
    tk_close(r->tk, r->in);
    service_down(r->service);
    bus_destroy(r->bus);
    tk_close(r->tk, r->transport);
    assert_int_equal(tk_failures(r->tk), 0);
    assert_int_equal(tk_destroy(r->tk), 0);
}

static void on_asked(void *arg, trl_status st, const struct policy_verdict *v, const trl_err *e) {
    struct asked *a = arg;
    a->done = true;
    a->st = st;
    if (v) {
        a->verdict = v[0].verdict;
        a->ttl_ms = v[0].ttl_ms;
        snprintf(a->reasons, sizeof(a->reasons), "%.*s", PSTR(v[0].reasons));
    }
    if (e) {
        snprintf(a->msg, sizeof(a->msg), "%s", e->msg);
    }
}

void ask(struct rig *r, struct asked *a, uint32_t point, const char *subject, int64_t timeout_ms) {
    str s = str_c(subject);
    memset(a, 0, sizeof(*a));
    a->call = r->trace ? policy_decide_now(r->in, point, &s, 1, str_c(r->trace), timeout_ms * TK_MS,
                                           on_asked, a)
                       : policy_decide(r->in, point, &s, 1, timeout_ms * TK_MS, on_asked, a);
}

void ask_wait(struct rig *r, struct asked *a, uint32_t point, const char *subject) {
    ask(r, a, point, subject, 0);
    tk_until_set(r->tk, &a->done);
}

static void on_change(void *arg, str what) {
    struct told *t = arg;
    t->n++;
    snprintf(t->last, sizeof(t->last), "%.*s", PSTR(what));
}

static void on_end(void *arg, trl_status st) {
    (void)arg;
    (void)st;
}

void told_begin(struct rig *r, struct told *t) {
    memset(t, 0, sizeof(*t));
    t->watch = policy_watch(r->in, on_change, on_end, t);
}
