/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/secrets_service.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <trellis/kind/policy.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/trace.h"
#include "codec/json.h"
#include "codec/utf8.h"
#include "plug/loop.h"
#include "serve/secret_subject.h"
#include "serve/secrets_request.h"
#include "sjson.h"

#define SEEN_KEYS 50000u /* per half: hosts make a fresh key for every request */

struct served { /* one backend */
    struct secrets_service *of;
    const struct secrets_backend *backend;
    struct bus_sub *sub;
    size_t prefix_len; /* "<topic>.v1alpha1.<backend>." */
};

struct getting { /* one request under way */
    struct served *at;
    struct getting *prev, *next;
    struct arena arena;
    struct secrets_get get;
    struct trace_ctx ctx; /* as the host told it */
    char *reply_to;
    struct policy_ask *ask;
    struct secrets_call *call;
    size_t sending; /* bytes of the answer that is on its way; 0: none */
};

struct secrets_service {
    struct secrets_service_env env;
    struct xkey *transit; /* in guarded memory */
    char transit_public[NKEY_PUBLIC_LEN + 1];
    struct served *served;
    uint32_t n_served;
    struct getting *getting;
    struct map seen[2]; /* hosts' keys that were used: a second use is a replay */
};

/* Replies */

static void reply_plain(struct secrets_service *s, str to, str text) {
    struct bus_msg m = {.subject = to, .body = text};
    bus_publish(s->env.bus, &m);
}

static void reply_error(struct secrets_service *s, str to, enum secrets_error e, str why) {
    struct buf b = BUF_INIT;
    secrets_error_write(e, why, &b);
    reply_plain(s, to, buf_str(&b));
    buf_finish(&b);
}

static size_t put(char *to, size_t at, const char *text) {
    size_t n = strlen(text);
    memcpy(to + at, text, n);
    return at + n;
}

/* {"secret":{"version":..,"string_secret":..,"binary_secret":..}} in guarded memory; a value that
 * is no UTF-8 travels as bytes. Returns its length. */
static size_t write_secret(char *to, const struct secret_found *f) {
    str v = guarded_bytes(f->value);
    bool binary = (f->flags & TRL_SECRET_BINARY) || utf8_check(v) < v.len;
    size_t at = put(to, 0, "{\"secret\":{\"version\":"), n = 0;
    sjson_encode(f->version.ptr, f->version.len, to + at, &n);
    at = put(to, at + n, ",\"string_secret\":");
    if (binary) {
        at = put(to, at, "null,\"binary_secret\":[");
        for (size_t i = 0; i < v.len; i++) {
            unsigned b = (unsigned char)v.ptr[i];
            if (i) {
                to[at++] = ',';
            }
            if (b >= 100) {
                to[at++] = (char)('0' + b / 100);
            }
            if (b >= 10) {
                to[at++] = (char)('0' + b / 10 % 10);
            }
            to[at++] = (char)('0' + b % 10);
        }
        return put(to, at, "]}}");
    }
    sjson_encode(v.ptr, v.len, to + at, &n);
    return put(to, at + n, ",\"binary_secret\":null}}");
}

static void on_sent(void *arg, trl_status st);

/* Sealed from a key of its own, as the reference backend does. False: it cannot be sealed. */
static bool reply_sealed(struct getting *g, const struct secret_found *f) {
    struct secrets_service *s = g->at->of;
    str v = guarded_bytes(f->value);
    size_t room = 6 * (v.len + f->version.len) + 128;
    char *plain = guarded_alloc(room);
    struct xkey *own = guarded_alloc(sizeof(*own));
    char public_text[NKEY_PUBLIC_LEN + 1];
    bool ok = false;
    if (plain && own) {
        size_t n = write_secret(plain, f);
        uint8_t *box = mem_alloc(n + XKEY_OVERHEAD);
        xkey_generate(own);
        xkey_public_text(own->pub, public_text);
        ok = xkey_seal(own, g->get.host_xkey, plain, n, box);
        trl_label header = {STR("Server-Response-Xkey"), str_c(public_text)};
        struct bus_msg m = {.subject = str_c(g->reply_to),
                            .headers = &header,
                            .n_headers = 1,
                            .body = str_n((const char *)box, n + XKEY_OVERHEAD)};
        if (ok) {
            g->sending = m.body.len;
            bus_publish_cb(s->env.bus, &m, on_sent, g);
        }
        mem_free(box);
    }
    guarded_release(plain);
    guarded_release(own);
    return ok;
}

/* Life of a request */

static void getting_free(struct getting *g) {
    *(g->prev ? &g->prev->next : &g->at->of->getting) = g->next;
    if (g->next) {
        g->next->prev = g->prev;
    }
    policy_ask_cancel(g->ask);
    if (g->call) {
        secrets_cancel(g->call);
    }
    if (g->sending) {
        bus_publish_forget(g->at->of->env.bus, g);
    }
    mem_free(g->reply_to);
    arena_finish(&g->arena);
    mem_free(g);
}

static void refuse(struct getting *g, enum secrets_error e, str why) {
    reply_error(g->at->of, str_c(g->reply_to), e, why);
    getting_free(g);
}

/* A message of the bus has an end, and a host that hears nothing waits in vain. */
static void on_sent(void *arg, trl_status st) {
    struct getting *g = arg;
    size_t bytes = g->sending;
    g->sending = 0;
    if (st == TRL_OK) {
        getting_free(g);
        return;
    }
    str why = arena_printf(&g->arena,
                           "the answer has %zu bytes, and the bus does not take it (%s): a secret "
                           "that is no text takes up to four times its size; keep it in parts, or "
                           "raise max_payload of the server",
                           bytes, err_name(st));
    log_warn(g->at->of->env.log, "secrets %.*s: %.*s for %s: %.*s", PSTR(g->at->backend->name),
             PSTR(g->get.key), g->get.entity.sub, PSTR(why));
    refuse(g, SECRETS_OTHER, why);
}

static void on_fetched(void *arg, trl_status st, const struct secret_found *found,
                       const trl_err *e) {
    struct getting *g = arg;
    struct err err = ERR_INIT;
    g->call = NULL;
    if (st == TRL_OK) {
        bool sealed = reply_sealed(g, found);
        guarded_free(found->value);
        if (!sealed) {
            refuse(g, SECRETS_ENCRYPTION, STR_NONE);
        }
        return;
    }
    err_from_trl(&err, st, e);
    log_warn(g->at->of->env.log, "secrets %.*s: %.*s for %s: %s", PSTR(g->at->backend->name),
             PSTR(g->get.key), g->get.entity.sub, err.msg);
    refuse(g,
           st == TRL_E_NOTFOUND  ? SECRETS_NOT_FOUND
           : st == TRL_E_DENIED  ? SECRETS_UNAUTHORIZED
           : st == TRL_E_INVALID ? SECRETS_INVALID_REQUEST
                                 : SECRETS_UPSTREAM,
           str_c(err.msg));
}

static void fetch(struct getting *g) {
    const struct secrets_get *x = &g->get;
    trl_secret_ref ref = {.struct_size = sizeof(ref),
                          .key = x->key,
                          .field = x->field,
                          .version = x->version,
                          .properties = x->properties,
                          .app = x->app,
                          .entity = str_c(x->entity.sub)};
    g->call = secrets_fetch(g->at->backend->in, &ref, g->at->backend->timeout_ns, on_fetched, g);
}

static void on_ruling(void *arg, struct ruling *const *rulings) {
    struct getting *g = arg;
    const struct ruling *r = rulings[0];
    struct buf text = BUF_INIT;
    g->ask = NULL;
    if (!ruling_denies(r)) {
        fetch(g);
        return;
    }
    ruling_text(r, &text);
    log_warn(g->at->of->env.log, "secrets %.*s: %.*s for %s: %s", PSTR(g->at->backend->name),
             PSTR(g->get.key), g->get.entity.sub, text.ptr);
    refuse(g, r->failed ? SECRETS_POLICY : SECRETS_UNAUTHORIZED, buf_str(&text));
    buf_finish(&text);
}

static void write_subject(const struct getting *g, struct buf *out) {
    const struct secrets_get *x = &g->get;
    const struct secret_subject subject = {.host_id = str_c(x->host.sub),
                                           .host_issuer = str_c(x->host.iss),
                                           .provider = x->entity.sub[0] == 'V',
                                           .entity = str_c(x->entity.sub),
                                           .entity_issuer = str_c(x->entity.iss),
                                           .entity_name = str_c(x->entity.name),
                                           .app = x->app,
                                           .backend = g->at->backend->name,
                                           .key = x->key,
                                           .field = x->field,
                                           .version = x->version,
                                           .properties = x->properties};
    secret_subject_write(&subject, out);
}

static void judge(struct getting *g) {
    struct secrets_service *s = g->at->of;
    struct buf subject = BUF_INIT, caller = BUF_INIT;
    if (!policy_asks(s->env.policy, TRL_POINT_SECRET)) {
        fetch(g);
        return;
    }
    write_subject(g, &subject);
    buf_addf(&caller, "host %s for %s", g->get.host.sub, g->get.entity.sub);
    struct policy_question q = {
        buf_str(&subject),
        arena_printf(&g->arena, "read %.*s of %.*s", PSTR(g->get.key), PSTR(g->at->backend->name))};
    char parent[TRACE_LEN + 1];
    struct policy_about about = {
        .app = g->get.app, .caller = buf_str(&caller), .traceparent = trace_text(&g->ctx, parent)};
    g->ask = policy_ask(s->env.policy, TRL_POINT_SECRET, &q, 1, &about, on_ruling, g);
    buf_finish(&subject);
    buf_finish(&caller);
}

/* A host's key is made for one request: seen again, somebody repeats what he overheard. */
static bool replayed(struct secrets_service *s, const uint8_t key[32]) {
    str k = str_n((const char *)key, 32);
    if (map_has(&s->seen[0], k) || map_has(&s->seen[1], k)) {
        return true;
    }
    if (s->seen[0].n >= SEEN_KEYS) {
        map_finish(&s->seen[1]);
        s->seen[1] = s->seen[0];
        s->seen[0] = (struct map)MAP_INIT;
    }
    map_set(&s->seen[0], k, s);
    return false;
}

static str header(const struct bus_msg *m, const char *name) {
    for (uint32_t i = 0; i < m->n_headers; i++) {
        if (str_is(m->headers[i].key, name)) {
            return m->headers[i].value;
        }
    }
    return STR_NONE;
}

static void on_get(struct served *at, const struct bus_msg *m) {
    struct secrets_service *s = at->of;
    struct getting *g = mem_zalloc(sizeof(*g));
    str why;
    g->at = at;
    g->reply_to = str_dup(m->reply);
    trace_of_headers(m->headers, m->n_headers, &g->ctx);
    g->next = s->getting;
    if (g->next) {
        g->next->prev = g;
    }
    s->getting = g;
    enum secrets_error e =
        secrets_get_open(s->transit, m->body, m->n_headers > 0, header(m, "WasmCloud-Host-Xkey"),
                         loop_wall_ms(s->env.loop) / 1000, &g->arena, &g->get, &why);
    if (e != SECRETS_OK) {
        refuse(g, e, why);
    } else if (replayed(s, g->get.host_xkey)) {
        refuse(g, SECRETS_OTHER, STR("this request was answered before: a host key serves once"));
    } else {
        judge(g);
    }
}

static void on_request(void *arg, const struct bus_msg *m) {
    struct served *at = arg;
    str op = str_skip(m->subject, at->prefix_len);
    if (!m->reply.len) {
        return;
    }
    if (str_is(op, "server_xkey")) {
        reply_plain(at->of, m->reply, str_c(at->of->transit_public));
    } else if (str_is(op, "get")) {
        on_get(at, m);
    } else if (!str_is(op, "put_secret") && !str_starts(op, STR("add_mapping.")) &&
               !str_starts(op, STR("remove_mapping."))) { /* those are the nats-kv backend's own */
        reply_plain(at->of, m->reply, STR("unknown operation: use server_xkey or get"));
    }
}

/* Start */

static int seed_fault(struct err *err, const char *path, const char *what) {
    return err_set(err, TRL_E_INVALID, "%s: %s: make one with `trellis secret keygen --out %s`",
                   path, what, path);
}

/* The file is small and read once, before anything is served. */
static int load_seed(struct secrets_service *s, const char *path, struct err *err) {
    struct stat meta;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return seed_fault(err, path, strerror(errno));
    }
    if (fstat(fd, &meta) < 0 || !S_ISREG(meta.st_mode) || (meta.st_mode & 077) ||
        (meta.st_uid != geteuid() && meta.st_uid != 0)) {
        close(fd);
        return err_set(err, TRL_E_DENIED,
                       "%s: others may read or replace it: it must be a file of our own with mode "
                       "0600 (chmod 600 %s)",
                       path, path);
    }
    char *text = guarded_alloc(256);
    ssize_t n = text ? read(fd, text, 255) : -1;
    close(fd);
    str seed = str_trim(str_n(text ? text : "", n > 0 ? (size_t)n : 0));
    s->transit = guarded_alloc(sizeof(*s->transit));
    bool ok = s->transit && xkey_from_seed(seed, s->transit);
    guarded_release(text);
    if (!s->transit) {
        return err_set(err, TRL_E_NOMEM,
                       "no memory can be locked for the transit key: raise the limit (ulimit -l, "
                       "LimitMEMLOCK=)");
    }
    if (!ok) {
        return seed_fault(err, path, "it holds no seed of a curve key (SX...)");
    }
    xkey_public_text(s->transit->pub, s->transit_public);
    return 0;
}

static void serve_backend(void *arg, const struct secrets_backend *b) {
    struct secrets_service *s = arg;
    struct served *at = &s->served[s->n_served++];
    struct buf subject = BUF_INIT, queue = BUF_INIT;
    buf_addf(&subject, "%.*s.v1alpha1.%.*s.>", PSTR(s->env.topic), PSTR(b->name));
    buf_addf(&queue, "trellis_secrets_%.*s", PSTR(b->name));
    *at = (struct served){s, b, NULL, subject.len - 1};
    at->sub = bus_subscribe(s->env.bus, buf_str(&subject), buf_str(&queue), on_request, at);
    log_info(s->env.log, "answering secret requests of hosts on %s", subject.ptr);
    buf_finish(&subject);
    buf_finish(&queue);
}

static void count_backend(void *arg, const struct secrets_backend *b) {
    (void)b;
    ++*(uint32_t *)arg;
}

struct secrets_service *secrets_service_create(const struct secrets_service_env *env,
                                               struct err *err) {
    struct secrets_service *s = mem_zalloc(sizeof(*s));
    uint32_t n = 0;
    s->env = *env;
    if (load_seed(s, env->seed_file, err) < 0) {
        secrets_service_destroy(s);
        return NULL;
    }
    secrets_each(env->secrets, count_backend, &n);
    s->served = mem_array(n + 1, sizeof(*s->served));
    secrets_each(env->secrets, serve_backend, s);
    return s;
}

void secrets_service_destroy(struct secrets_service *s) {
    if (!s) {
        return;
    }
    for (uint32_t i = 0; i < s->n_served; i++) {
        bus_unsubscribe(s->served[i].sub);
    }
    while (s->getting) {
        getting_free(s->getting);
    }
    guarded_release(s->transit);
    map_finish(&s->seen[0]);
    map_finish(&s->seen[1]);
    mem_free(s->served);
    mem_free(s);
}
