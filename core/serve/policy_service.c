/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/policy_service.h"

#include <string.h>
#include <trellis/kind/policy.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/trace.h"
#include "codec/json.h"
#include "plug/loop.h"

#define QUEUE       "trellis_policy"
#define REMEMBERED  20000u                /* decisions: the oldest are forgotten */
#define REJUDGE_NS  (30ll * 1000000000ll) /* how soon a verdict with an end is looked at again */
#define REQUEST_MAX (256u * 1024u)
#define BATCH       256u /* decisions judged again in one turn */

struct decision { /* as a host keeps it */
    char *request_id, *subject, *what, *lattice, *app, *host;
    bool permitted, ends;
};

struct asked { /* a host's question under way */
    struct policy_service *of;
    struct asked *prev, *next;
    struct policy_ask *ask;
    char *reply_to;
    str key; /* of the decision; in the arena */
    struct decision d;
    struct trace_ctx ctx; /* as the host told it */
    struct arena arena;
};

struct again { /* decisions judged again, a batch at a time */
    struct policy_ask *ask;
    struct arena arena;
    str *keys, *ids; /* of all to look at; ids: of the requests they answered */
    uint32_t n, at;
    uint32_t asked[BATCH], n_asked; /* under way */
};

struct policy_service {
    struct policy_service_env env;
    struct bus_sub *sub;
    struct map decisions; /* host, kind and what the host keeps them by -> struct decision */
    struct asked *asked;
    struct again again;
    struct loop_timer timer;
    uint32_t oldest; /* where forgetting goes on */
};

static void decision_finish(struct decision *d) {
    mem_free(d->request_id);
    mem_free(d->subject);
    mem_free(d->what);
    mem_free(d->lattice);
    mem_free(d->app);
    mem_free(d->host);
}

static void asked_free(struct asked *a) {
    *(a->prev ? &a->prev->next : &a->of->asked) = a->next;
    if (a->next) {
        a->next->prev = a->prev;
    }
    decision_finish(&a->d);
    mem_free(a->reply_to);
    arena_finish(&a->arena);
    mem_free(a);
}

/* Answers */

static void send(struct policy_service *s, str to, str id, bool permitted, str message) {
    struct buf b = BUF_INIT;
    struct jw w;
    jw_init(&w, &b, false);
    jw_object(&w);
    jw_kv(&w, "requestId", id);
    jw_kv_bool(&w, "permitted", permitted);
    if (message.len) {
        jw_kv(&w, "message", message);
    }
    jw_end_object(&w);
    struct bus_msg m = {.subject = to, .body = buf_str(&b)};
    bus_publish(s->env.bus, &m);
    buf_finish(&b);
}

static void message_of(const struct ruling *r, struct buf *out) {
    if (r && r->verdict >= TRL_V_WARN) {
        ruling_text(r, out);
    }
}

static void remember(struct policy_service *s, struct asked *a) {
    struct decision *d = map_get(&s->decisions, a->key);
    if (!d && s->decisions.n >= REMEMBERED) { /* any old one: a host asks again after its restart */
        s->oldest = (s->oldest + 1) % s->decisions.n;
        d = map_del(&s->decisions, s->decisions.at[s->oldest].key);
        decision_finish(d);
    } else if (d) {
        decision_finish(d);
    } else {
        d = mem_alloc(sizeof(*d));
    }
    *d = a->d;
    a->d = (struct decision){0};
    map_set(&s->decisions, a->key, d);
}

static void on_rulings(void *arg, struct ruling *const *rulings) {
    struct asked *a = arg;
    struct policy_service *s = a->of;
    const struct ruling *r = rulings[0];
    struct buf message = BUF_INIT;
    a->ask = NULL;
    a->d.permitted = !ruling_denies(r);
    a->d.ends = r->ttl_ms != TRL_TTL_RULES;
    message_of(r, &message);
    send(s, str_c(a->reply_to), str_c(a->d.request_id), a->d.permitted, buf_str(&message));
    remember(s, a);
    buf_finish(&message);
    asked_free(a);
}

/* Nobody has a word about hosts. That may change: the host is told then. */
static void permit(struct asked *a) {
    a->d.permitted = true;
    send(a->of, str_c(a->reply_to), str_c(a->d.request_id), true, STR_NONE);
    remember(a->of, a);
    asked_free(a);
}

static void about_host(const struct decision *d, struct arena *a, struct policy_about *ret) {
    *ret = (struct policy_about){.lattice = str_c(d->lattice),
                                 .app = str_c(d->app),
                                 .caller = arena_printf(a, "host %s", d->host),
                                 .trace = str_c(d->request_id)};
}

static void ask(struct asked *a) {
    struct policy_service *s = a->of;
    struct policy_question q = {str_c(a->d.subject), str_c(a->d.what)};
    struct policy_about about;
    char parent[TRACE_LEN + 1];
    about_host(&a->d, &a->arena, &about);
    about.traceparent = trace_text(&a->ctx, parent);
    a->ask = policy_ask(s->env.policy, TRL_POINT_HOST, &q, 1, &about, on_rulings, a);
}

static struct asked *asked_new(struct policy_service *s, str key) {
    struct asked *a = mem_zalloc(sizeof(*a));
    a->of = s;
    a->key = arena_str(&a->arena, key);
    a->next = s->asked;
    if (a->next) {
        a->next->prev = a;
    }
    s->asked = a;
    return a;
}

/* Requests */

static void copy_member(struct jw *w, const struct node *from, const char *key) {
    const struct node *n = node_get(from, key);
    if (!node_is_null(n)) {
        jw_key(w, key);
        jw_node(w, n);
    }
}

static void write_unit(struct jw *w, const struct node *body) {
    str component = node_text(body, "componentId", STR_NONE);
    jw_key(w, "unit");
    jw_object(w);
    jw_kv(w, "name", component.len ? component : node_text(body, "providerId", STR_NONE));
    jw_kv(w, "kind", component.len ? STR("component") : STR("provider"));
    jw_kv(w, "image", node_text(body, "imageRef", STR_NONE));
    jw_end_object(w);
}

/* Who is called; NULL: the request is about a start. */
static const struct node *callee(const struct node *root, const struct node *body) {
    bool call = str_is(node_text(root, "kind", STR_NONE), "performInvocation");
    return call ? node_get(body, "target") : NULL;
}

/* The subject of policy/1 for a host's request. */
static void write_subject(const struct node *root, const struct node *body, str app,
                          struct buf *out) {
    const struct node *host = node_get(root, "host"), *count = node_get(body, "maxInstances");
    const struct node *call = callee(root, body);
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "point", STR("host"));
    jw_kv(&w, "lattice", node_text(host, "lattice", STR_NONE));
    jw_key(&w, "caller");
    jw_object(&w);
    jw_kv(&w, "id", node_text(host, "publicKey", STR_NONE));
    jw_kv(&w, "via", STR("host"));
    jw_end_object(&w);
    jw_kv(&w, "kind", node_text(root, "kind", STR_NONE));
    if (app.len) {
        jw_kv(&w, "app", app);
    }
    const struct node *unit = call ? call : body;
    write_unit(&w, unit);
    if (!node_is_null(count)) {
        jw_key(&w, "count");
        jw_node(&w, count);
    }
    copy_member(&w, unit, "annotations");
    copy_member(&w, unit, "claims");
    copy_member(&w, body, "interface");
    copy_member(&w, body, "function");
    jw_key(&w, "host");
    jw_object(&w);
    jw_kv(&w, "id", node_text(host, "publicKey", STR_NONE));
    copy_member(&w, host, "labels");
    jw_end_object(&w);
    jw_end_object(&w);
}

/* What a host keeps a decision by: kind, id, image, and of a call its interface and function. */
static void write_key(const struct node *root, const struct node *body, struct buf *out) {
    const struct node *call = callee(root, body);
    const struct node *unit = call ? call : body;
    str component = node_text(unit, "componentId", STR_NONE);
    buf_addf(out, "%.*s\n%.*s\n%.*s\n%.*s\n%.*s\n%.*s",
             PSTR(node_text(node_get(root, "host"), "publicKey", STR_NONE)),
             PSTR(node_text(root, "kind", STR_NONE)),
             PSTR(component.len ? component : node_text(unit, "providerId", STR_NONE)),
             PSTR(node_text(unit, "imageRef", STR_NONE)),
             PSTR(node_text(body, "interface", STR_NONE)),
             PSTR(node_text(body, "function", STR_NONE)));
}

static bool kind_known(str kind) {
    return str_is(kind, "startComponent") || str_is(kind, "startProvider") ||
           str_is(kind, "performInvocation");
}

static void take(struct policy_service *s, const struct node *root, const struct bus_msg *m) {
    const struct node *body = node_get(root, "request"), *host = node_get(root, "host");
    const struct node *call = callee(root, body);
    str id = node_text(root, "requestId", STR_NONE), kind = node_text(root, "kind", STR_NONE);
    str reply = m->reply;
    str version = node_text(root, "version", STR_NONE);
    if (!id.len || !kind_known(kind) || !body || body->type != NODE_OBJECT || !host) {
        send(s, reply, id, false,
             STR("policy request not understood: requestId, kind, request and host are needed, and "
                 "a kind that is known"));
        return;
    }
    if (version.len && !str_is(version, "v1")) {
        send(s, reply, id, false, STR("policy request not understood: this service speaks v1"));
        return;
    }
    struct buf key = BUF_INIT, subject = BUF_INIT, what = BUF_INIT;
    str app =
        node_text(node_get(call ? call : body, "annotations"), "wasmcloud.dev/appspec", STR_NONE);
    write_key(root, body, &key);
    write_subject(root, body, app, &subject);
    buf_addf(&what, "%.*s %.*s", PSTR(kind),
             PSTR(node_text(call ? call : body, "imageRef", STR_NONE)));
    struct asked *a = asked_new(s, buf_str(&key));
    a->reply_to = str_dup(reply);
    a->d = (struct decision){.request_id = str_dup(id),
                             .subject = buf_take(&subject),
                             .what = buf_take(&what),
                             .lattice = str_dup(node_text(host, "lattice", STR_NONE)),
                             .app = str_dup(app),
                             .host = str_dup(node_text(host, "publicKey", STR_NONE))};
    trace_of_headers(m->headers, m->n_headers, &a->ctx);
    buf_finish(&key);
    if (policy_asks(s->env.policy, TRL_POINT_HOST)) {
        ask(a);
    } else {
        permit(a);
    }
}

static void on_request(void *arg, const struct bus_msg *m) {
    struct policy_service *s = arg;
    struct arena a = ARENA_INIT;
    struct node *root = NULL;
    if (!m->reply.len) {
        return;
    }
    if (m->body.len > REQUEST_MAX || json_parse(m->body, &a, &root, NULL) < 0 ||
        root->type != NODE_OBJECT) {
        send(s, m->reply, STR_NONE, false, STR("policy request not understood: it is no JSON"));
    } else {
        take(s, root, m);
    }
    arena_finish(&a);
}

/* Judging again */

static void judged_again(struct policy_service *s, struct decision *d, const struct ruling *r) {
    struct buf message = BUF_INIT;
    bool permitted = !ruling_denies(r);
    d->ends = r->ttl_ms != TRL_TTL_RULES;
    if (permitted == d->permitted || r->failed) {
        return; /* who could not be asked has not changed his mind */
    }
    d->permitted = permitted;
    message_of(r, &message);
    log_info(s->env.log, "policy: %s is %s host %s now", d->what,
             permitted ? "permitted to" : "denied to", d->host);
    send(s, s->env.changes_topic, str_c(d->request_id), permitted, buf_str(&message));
    buf_finish(&message);
}

/* NULL: it is forgotten, or the host asked anew meanwhile. */
static struct decision *still_there(struct policy_service *s, uint32_t i) {
    struct decision *d = map_get(&s->decisions, s->again.keys[i]);
    return d && str_is(s->again.ids[i], d->request_id) ? d : NULL;
}

static void again_end(struct policy_service *s) {
    policy_ask_cancel(s->again.ask);
    arena_finish(&s->again.arena);
    s->again = (struct again){0};
}

static void next_batch(struct policy_service *s);

static void on_batch(void *arg, struct ruling *const *rulings) {
    struct policy_service *s = arg;
    s->again.ask = NULL;
    for (uint32_t k = 0; k < s->again.n_asked; k++) {
        struct decision *d = still_there(s, s->again.asked[k]);
        if (d) {
            judged_again(s, d, rulings[k]);
        }
    }
    next_batch(s);
}

/* As many as one call to a backend takes: between two of them the loop does something else. */
static void next_batch(struct policy_service *s) {
    struct again *g = &s->again;
    struct arena scratch = ARENA_INIT;
    struct policy_question q[BATCH];
    struct policy_about about[BATCH];
    const struct policy_about all = {.caller = STR("self")};
    g->n_asked = 0;
    for (; g->at < g->n && g->n_asked < BATCH; g->at++) {
        const struct decision *d = still_there(s, g->at);
        if (d) {
            about_host(d, &scratch, &about[g->n_asked]);
            q[g->n_asked] = (struct policy_question){str_c(d->subject), str_c(d->what)};
            g->asked[g->n_asked++] = g->at;
        }
    }
    if (g->n_asked) {
        g->ask =
            policy_ask_each(s->env.policy, TRL_POINT_HOST, q, about, g->n_asked, &all, on_batch, s);
    } else {
        again_end(s);
    }
    arena_finish(&scratch);
}

static void rejudge(struct policy_service *s, bool all) {
    struct again *g = &s->again;
    again_end(s); /* under the rules of before: its answers are worth nothing now */
    if (!s->env.changes_topic.len || !policy_asks(s->env.policy, TRL_POINT_HOST)) {
        return;
    }
    g->keys = ARENA_ARRAY(&g->arena, str, s->decisions.n + 1);
    g->ids = ARENA_ARRAY(&g->arena, str, s->decisions.n + 1);
    for (uint32_t i = 0; i < s->decisions.n; i++) {
        const struct decision *d = s->decisions.at[i].value;
        if (all || d->ends) {
            g->keys[g->n] = arena_str(&g->arena, s->decisions.at[i].key);
            g->ids[g->n++] = arena_str(&g->arena, str_c(d->request_id));
        }
    }
    next_batch(s);
}

static void permit_all(struct policy_service *s) {
    for (uint32_t i = 0; s->env.changes_topic.len && i < s->decisions.n; i++) {
        struct decision *d = s->decisions.at[i].value;
        if (!d->permitted) {
            d->permitted = true;
            send(s, s->env.changes_topic, str_c(d->request_id), true, STR_NONE);
        }
    }
}

void policy_service_changed(struct policy_service *s) {
    if (s && policy_asks(s->env.policy, TRL_POINT_HOST)) {
        rejudge(s, true);
    } else if (s) {
        again_end(s);
        permit_all(s);
    }
}

static void on_timer(void *arg) {
    struct policy_service *s = arg;
    if (!s->again.n) { /* else a look at all is under way */
        rejudge(s, false);
    }
    loop_timer_start(&s->timer, REJUDGE_NS);
}

struct policy_service *policy_service_create(const struct policy_service_env *env) {
    struct policy_service *s = mem_zalloc(sizeof(*s));
    s->env = *env;
    s->sub = bus_subscribe(env->bus, env->topic, STR(QUEUE), on_request, s);
    loop_timer_init(&s->timer, env->loop, on_timer, s);
    loop_timer_start(&s->timer, REJUDGE_NS);
    log_info(env->log, "answering policy requests of hosts on %.*s", PSTR(env->topic));
    return s;
}

void policy_service_destroy(struct policy_service *s) {
    if (!s) {
        return;
    }
    bus_unsubscribe(s->sub);
    loop_timer_stop(&s->timer);
    again_end(s);
    while (s->asked) {
        policy_ask_cancel(s->asked->ask);
        asked_free(s->asked);
    }
    for (uint32_t i = 0; i < s->decisions.n; i++) {
        decision_finish(s->decisions.at[i].value);
        mem_free(s->decisions.at[i].value);
    }
    map_finish(&s->decisions);
    mem_free(s);
}
