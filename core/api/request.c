/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>

#include "api/api_priv.h"
#include "plug/op.h"

/* The requests of one app, one at a time, in order of arrival. */
struct lane {
    struct req *head, *tail; /* waiting */
    struct req *active;
    bool pumping;
};

static str content_type(struct arena *a, const trl_label *headers, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (str_is(headers[i].key, "Content-Type")) { /* the first one, exact name (WA 2.4) */
            return arena_str(a, str_trim(headers[i].value));
        }
    }
    return STR_NONE;
}

struct req *req_create(struct api *a, str subject, const trl_label *headers, uint32_t n_headers,
                       str body) {
    struct req *r = mem_zalloc(sizeof(*r));
    r->api = a;
    r->subject = arena_str(&r->arena, subject);
    r->body = arena_str(&r->arena, body);
    r->content_type = content_type(&r->arena, headers, n_headers);
    trace_of_headers(headers, n_headers, &r->ctx);
    findings_init(&r->findings);
    r->next = a->reqs;
    if (r->next) {
        r->next->prev = r;
    }
    a->reqs = r;
    return r;
}

void req_destroy(struct req *r) {
    if (r->prev) {
        r->prev->next = r->next;
    } else {
        r->api->reqs = r->next;
    }
    if (r->next) {
        r->next->prev = r->prev;
    }
    policy_ask_cancel(r->ask);
    secrets_asked_cancel(r->secrets);
    if (r->op) {
        op_forget(r->op);
    }
    mem_free(r->reply_to);
    manifest_destroy(r->m);
    findings_finish(&r->findings);
    arena_finish(&r->arena);
    mem_free(r);
}

static void pump(struct api *a, struct lane *l, str key) {
    if (l->pumping) {
        return;
    }
    l->pumping = true;
    while (l->head && !l->active) {
        struct req *r = l->head;
        l->head = r->lane_next;
        l->tail = l->head ? l->tail : NULL;
        l->active = r;
        r->lane_fn(r);
    }
    l->pumping = false;
    if (!l->head && !l->active) {
        map_del(&a->lanes, key);
        mem_free(l);
    }
}

static void lane_key(const struct req *r, struct buf *out) {
    buf_add_str(out, r->s.account);
    buf_add_c(out, ' ');
    buf_add_str(out, r->s.lattice);
    buf_add_c(out, ' ');
    buf_add_str(out, r->name);
}

void req_enter(struct req *r, str app, void (*fn)(struct req *r)) {
    struct api *a = r->api;
    struct buf key = BUF_INIT;
    struct lane *l;
    r->name = arena_str(&r->arena, app);
    lane_key(r, &key);
    l = map_get(&a->lanes, buf_str(&key));
    if (!l) {
        l = mem_zalloc(sizeof(*l));
        map_set(&a->lanes, buf_str(&key), l);
    }
    r->lane = l;
    r->lane_fn = fn;
    if (l->tail) {
        l->tail->lane_next = r;
    } else {
        l->head = r;
    }
    l->tail = r;
    pump(a, l, buf_str(&key));
    buf_finish(&key);
}

static void send(struct req *r, str json) {
    if (r->reply) {
        r->reply(r->arg, json);
    } else if (r->reply_to) {
        char trace[TRACE_LEN + 1];
        trl_label header = {STR(TRACE_HEADER), trace_text(&r->ctx, trace)};
        struct bus_msg m = {.subject = str_c(r->reply_to),
                            .headers = &header,
                            .n_headers = header.value.len ? 1 : 0,
                            .body = json};
        bus_publish(r->api->env.bus, &m);
    }
}

static void send_limited(struct req *r, str json) {
    struct buf b = BUF_INIT, text = BUF_INIT;
    size_t max = r->max_reply ? r->max_reply : r->api->max_payload;
    if (json.len <= max) {
        send(r, json);
        return;
    }
    buf_addf(&text,
             "The reply takes %zu bytes, more than the limit of %zu bytes for a message. Ask for "
             "less, or raise the limit of the transport.",
             json.len, max);
    if (r->s.door == DOOR_TRELLIS) {
        envelope_refusal(&b, "TOO_LARGE", buf_str(&text), NULL);
    } else {
        envelope_error(&b, buf_str(&text));
    }
    send(r, buf_str(&b));
    buf_finish(&text);
    buf_finish(&b);
}

void req_reply(struct req *r, str json) {
    struct api *a = r->api;
    struct lane *l = r->lane;
    struct buf key = BUF_INIT;
    req_trace_end(r, json);
    send_limited(r, json);
    lane_key(r, &key);
    req_destroy(r);
    if (l) {
        l->active = NULL;
        pump(a, l, buf_str(&key));
    }
    buf_finish(&key);
}

void req_reply_buf(struct req *r, struct buf *b) {
    req_reply(r, buf_str(b));
    buf_finish(b);
}

void req_fail(struct req *r, const char *code, const char *fmt, ...) {
    struct buf text = BUF_INIT, out = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_addv(&text, fmt, ap);
    va_end(ap);
    r->failure = arena_str(&r->arena, buf_str(&text));
    if (r->s.door == DOOR_TRELLIS) {
        envelope_refusal(&out, code, buf_str(&text), &r->findings);
    } else {
        envelope_error(&out, buf_str(&text));
    }
    buf_finish(&text);
    req_reply_buf(r, &out);
}

void req_ok(struct req *r, struct buf *data) {
    struct buf out = BUF_INIT;
    envelope_ok(&out, buf_str(data), &r->findings);
    buf_finish(data);
    req_reply_buf(r, &out);
}

/* The last of two would be meant by chance. */
static bool named_twice(const struct node *root, const char *name) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < root->n; i++) {
        n += str_is(root->members[i].key, name);
    }
    return n > 1;
}

bool req_read_object(struct req *r, struct node **ret, struct err *err) {
    *ret = NULL;
    if (r->body.len == 0) {
        return true;
    }
    if (json_parse(r->body, &r->arena, ret, err) < 0) {
        return false;
    }
    if ((*ret)->type != NODE_OBJECT) {
        err_set(err, TRL_E_INVALID, "expected an object at line 1 column 1");
        return false;
    }
    return true;
}

bool req_read_version(struct req *r, struct err *err) {
    struct node *root;
    if (!req_read_object(r, &root, err)) {
        return false;
    }
    const struct node *v = node_get(root, "version");
    if (v && named_twice(root, "version")) {
        err_set(err, TRL_E_INVALID, "version: is there twice, the second time at line %u column %u",
                v->line, v->column);
        return false;
    }
    if (v && v->type != NODE_STRING && v->type != NODE_NULL) {
        err_set(err, TRL_E_INVALID, "version: expected a string at line %u column %u", v->line,
                v->column);
        return false;
    }
    if (v && v->type == NODE_STRING) {
        r->version = arena_str(&r->arena, v->text);
    }
    return true;
}

static void on_looked(void *arg, const struct catalog_result *cr) {
    struct req *r = arg;
    if (cr->code == CATALOG_STORAGE) {
        log_error(r->api->env.log, "%.*s: %s", PSTR(r->subject), cr->err);
        req_fail(r, "STORAGE", ENVELOPE_STORAGE ": %s", cr->err);
    } else {
        r->again(r);
    }
}

bool req_look(struct req *r, void (*again)(struct req *r)) {
    if (r->looked) {
        return false;
    }
    r->looked = true;
    r->again = again;
    return catalog_look(r->api->env.catalog, r->s.account, r->s.lattice, r->name, on_looked, r);
}

struct engine *req_engine(struct req *r, bool wanted) {
    const struct api_env *env = &r->api->env;
    struct engine *e = env->engine_of ? env->engine_of(env->arg, r->s.account, r->s.lattice) : NULL;
    if (!e && wanted && env->lattice_wanted) {
        env->lattice_wanted(env->arg, r->s.account, r->s.lattice);
        e = env->engine_of ? env->engine_of(env->arg, r->s.account, r->s.lattice) : NULL;
    }
    return e;
}

static const struct operation *find(const struct operation *table, const struct subject *s) {
    for (const struct operation *o = table; o->category; o++) {
        bool name_ok = o->name == NAME_MAY || (o->name == NAME_MUST) == (s->name.ptr != NULL);
        if (str_is(s->category, o->category) && str_is(s->operation, o->operation) && name_ok) {
            return o;
        }
    }
    return NULL;
}

void req_dispatch(struct req *r) {
    const struct operation *o =
        find(r->s.door == DOOR_WADM ? wadm_operations : trellis_operations, &r->s);
    if (!o) {
        req_fail(r, "INVALID_SUBJECT", "Unsupported subject: %.*s", PSTR(r->subject));
        return;
    }
    if (o->changes) {
        req_trace_begin(r, o);
    }
    if (o->changes && r->api->env.readonly) {
        req_fail(r, "READONLY",
                 "This server only observes: it changes nothing. Ask the server "
                 "that manages the lattice.");
    } else if (o->lane && r->s.name.ptr) {
        req_enter(r, r->s.name, o->run);
    } else {
        o->run(r);
    }
}

void req_run(struct req *r) {
    enum subject_fault fault =
        subject_parse(r->subject, r->api->prefix, r->api->env.multitenant, &r->s);
    if (fault != SUBJECT_OK) {
        req_fail(r, "INVALID_SUBJECT", "%s", subject_fault_text(fault));
    } else {
        req_dispatch(r);
    }
}
