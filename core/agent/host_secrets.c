/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/host_secrets.h"

#include <ctype.h>
#include <sodium.h>
#include <string.h>
#include <trellis/kind/driver.h>
#include <trellis/kind/secrets.h>

#include "agent/secret_wire.h"
#include "base/guarded.h"
#include "base/map.h"
#include "base/mem.h"
#include "plug/loop.h"
#include "plug/negotiate.h"
#include "plug/watch.h"
#include "xkey.h"

#define ANSWER_NS     (10ll * 1000000000ll) /* as hosts of wasmCloud wait, for each step */
#define HOST_HEADER   "WasmCloud-Host-Xkey"
#define SERVER_HEADER "Server-Response-Xkey"

struct server { /* a service's key: it keeps it */
    uint8_t key[32];
};

struct reading { /* one call of the driver under way */
    struct host_secrets *of;
    struct reading *prev, *next;
    struct plug_inst *owner;
    uint64_t id;
    struct arena arena;
    str backend;
    trl_secret_ref ref; /* strings in the arena */
    bool provider, asked_again;
    struct xkey *own; /* in guarded memory; NULL: nothing is sealed yet */
    struct bus_call *call;
    struct loop_timer soon; /* a refusal waits for its turn */
    trl_status st;
    str why; /* with st */
    void (*on_value)(void *arg, trl_status st, const trl_secret *s, trl_str why);
    void *arg;
};

struct host_secrets {
    struct host_secrets_env env;
    char *name;
    struct reading *first;
    struct map servers; /* struct server * by name of the backend */
    struct map told;    /* units whose key is in the log */
    uint64_t last_id;
    bool finished;
};

static void unlink_reading(struct reading *r) {
    *(r->prev ? &r->prev->next : &r->of->first) = r->next;
    if (r->next) {
        r->next->prev = r->prev;
    }
}

static void dispose(struct reading *r) {
    guarded_release(r->own);
    loop_timer_stop(&r->soon);
    arena_finish(&r->arena);
    mem_free(r);
}

static void reading_free(struct reading *r) {
    unlink_reading(r);
    if (r->call) {
        bus_call_cancel(r->call);
    }
    dispose(r);
}

/* The call is over before the plugin hears of it: it may begin another one. */
static void tell(struct reading *r, trl_status st, const trl_secret *s, str why) {
    struct plug_inst *owner = r->owner;
    struct watch w;
    unlink_reading(r);
    watch_enter(owner, &w);
    r->on_value(r->arg, st, s, why);
    watch_leave(owner, &w, "the answer to secret_read");
    dispose(r);
}

static void on_soon(void *arg) {
    struct reading *r = arg;
    log_warn(r->of->env.log, "secrets %.*s: %.*s for %.*s: %.*s", PSTR(r->backend),
             PSTR(r->ref.key), PSTR(r->ref.entity), PSTR(r->why));
    tell(r, r->st, NULL, r->why);
}

__attribute__((format(printf, 3, 4))) static void refuse(struct reading *r, trl_status st,
                                                         const char *fmt, ...) {
    struct buf text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_addv(&text, fmt, ap);
    va_end(ap);
    r->st = st;
    r->why = arena_str(&r->arena, buf_str(&text));
    buf_finish(&text);
    loop_timer_start(&r->soon, 0);
}

/* What the bus says when nobody else does. */
static void unanswered(struct reading *r, trl_status st) {
    str topic = r->of->env.topic;
    if (st == TRL_E_NORESPONDER) {
        refuse(r, TRL_E_UNAVAIL,
               "nobody answers for the secrets backend '%.*s' on %.*s.v1alpha1.%.*s.get: "
               "configure it at a `trellis serve` of this lattice (host_services.secrets), or tell "
               "this host another topic",
               PSTR(r->backend), PSTR(topic), PSTR(r->backend));
    } else {
        refuse(r, st == TRL_E_TIMEOUT ? TRL_E_TIMEOUT : TRL_E_UNAVAIL,
               "the secrets service of '%.*s' was not heard: %s", PSTR(r->backend), err_name(st));
    }
}

static void ask(struct reading *r);

/* The answer */

static str header(const struct bus_msg *m, const char *name) {
    for (uint32_t i = 0; i < m->n_headers; i++) {
        if (str_is(m->headers[i].key, name)) {
            return m->headers[i].value;
        }
    }
    return STR_NONE;
}

/* The value is in guarded memory from the moment it is opened; false: it cannot be opened. */
static bool take_value(struct reading *r, const uint8_t peer[32], str box) {
    size_t n = box.len - XKEY_OVERHEAD;
    char *opened = guarded_alloc(n + 1), *value = guarded_alloc(n + 1);
    struct secret_got got;
    bool ok = true;
    if (!opened || !value) {
        refuse(r, TRL_E_BUSY, "no memory can be locked for it: raise the limit (ulimit -l)");
    } else if (!xkey_open(r->own, peer, box.ptr, box.len, (uint8_t *)opened)) {
        ok = false;
    } else if (!secret_got_read(str_n(opened, n), value, &r->arena, &got)) {
        refuse(r, TRL_E_INTERNAL, "the secrets service of '%.*s' sent no secret that can be read",
               PSTR(r->backend));
    } else if (got.n > TRL_SECRET_MAX_BYTES) {
        refuse(r, TRL_E_INVALID, "it has %zu bytes: a secret has at most %u", got.n,
               TRL_SECRET_MAX_BYTES);
    } else {
        trl_secret s = {.struct_size = sizeof(s),
                        .flags = got.binary ? TRL_SECRET_BINARY : 0,
                        .value = {got.value, got.n},
                        .version = got.version};
        tell(r, TRL_OK, &s, STR(""));
    }
    guarded_release(opened);
    guarded_release(value);
    return ok;
}

/* Its key is another one now, as somebody replaced it: asked once more. */
static bool again(struct reading *r) {
    if (r->asked_again) {
        return false;
    }
    r->asked_again = true;
    mem_free(map_del(&r->of->servers, r->backend));
    ask(r);
    return true;
}

static void unit_key(const struct reading *r, char ret[NKEY_PUBLIC_LEN + 1]) {
    identity_unit(r->of->env.identity, r->provider, r->ref.lattice, r->ref.entity, ret);
}

static void refused(struct reading *r, str body) {
    bool keys = false;
    str why;
    trl_status st = secret_refusal_read(body, &r->arena, &why, &keys);
    if (keys && again(r)) {
        return;
    }
    if (st == TRL_E_DENIED) { /* what a grant would have to name */
        char key[NKEY_PUBLIC_LEN + 1];
        unit_key(r, key);
        refuse(r, st, "the secrets service of '%.*s' refuses it to %s: %.*s", PSTR(r->backend), key,
               PSTR(why));
    } else {
        refuse(r, st, "the secrets service of '%.*s' refuses: %.*s", PSTR(r->backend), PSTR(why));
    }
}

static void on_answer(void *arg, trl_status st, const struct bus_msg *m) {
    struct reading *r = arg;
    uint8_t peer[32];
    r->call = NULL;
    str key = st == TRL_OK ? header(m, SERVER_HEADER) : STR_NONE;
    if (st != TRL_OK) {
        unanswered(r, st);
    } else if (!key.ptr) {
        refused(r, m->body);
    } else if (!xkey_parse_public(key, peer) || m->body.len < XKEY_OVERHEAD ||
               !take_value(r, peer, m->body)) {
        refuse(r, TRL_E_INTERNAL, "the answer of the secrets service of '%.*s' does not open",
               PSTR(r->backend));
    }
}

/* The question */

/* Who may read what is granted to a key, and this one is ours to tell. */
static void tell_key(struct reading *r) {
    struct host_secrets *s = r->of;
    char key[NKEY_PUBLIC_LEN + 1];
    if (!map_has(&s->told, r->ref.entity)) {
        map_set(&s->told, r->ref.entity, s);
        unit_key(r, key);
        log_info(s->env.log, "%.*s asks for secrets as %s, signed for by %s", PSTR(r->ref.entity),
                 key, identity_account(s->env.identity));
    }
}

static bool write_question(struct reading *r, struct buf *out) {
    struct host_secrets *s = r->of;
    int64_t now_s = loop_wall_ms(s->env.loop) / 1000;
    const struct identity *x = s->env.identity;
    char *host = identity_host_token(x, str_c(s->name), now_s);
    char *unit = identity_unit_token(x, r->provider, r->ref.lattice, r->ref.entity, now_s);
    struct secret_get q = {.key = r->ref.key,
                           .field = r->ref.field,
                           .version = r->ref.version,
                           .app = r->ref.app,
                           .properties = r->ref.properties,
                           .entity_jwt = str_c(unit ? unit : ""),
                           .host_jwt = str_c(host ? host : "")};
    secret_get_write(&q, out);
    bool ok = unit && host;
    mem_free(host);
    mem_free(unit);
    return ok;
}

static void send_question(struct reading *r, const uint8_t to[32]) {
    struct buf subject = BUF_INIT, plain = BUF_INIT;
    char own_text[NKEY_PUBLIC_LEN + 1];
    uint8_t *box = NULL;
    r->own = r->own ? r->own : guarded_alloc(sizeof(*r->own));
    if (!r->own) {
        refuse(r, TRL_E_BUSY, "no memory can be locked for it: raise the limit (ulimit -l)");
    } else if (!write_question(r, &plain)) {
        refuse(r, TRL_E_INVALID, "the name of the unit is no text");
    } else {
        box = mem_alloc(plain.len + XKEY_OVERHEAD);
        xkey_generate(r->own); /* a key serves once */
        xkey_public_text(r->own->pub, own_text);
    }
    if (box && xkey_seal(r->own, to, plain.ptr, plain.len, box)) {
        trl_label h = {STR(HOST_HEADER), str_c(own_text)};
        buf_addf(&subject, "%.*s.v1alpha1.%.*s.get", PSTR(r->of->env.topic), PSTR(r->backend));
        struct bus_msg m = {.subject = buf_str(&subject),
                            .headers = &h,
                            .n_headers = 1,
                            .body = str_n((const char *)box, plain.len + XKEY_OVERHEAD)};
        tell_key(r);
        r->call = bus_request(r->of->env.bus, &m, ANSWER_NS, on_answer, r);
    } else if (box) {
        refuse(r, TRL_E_INTERNAL, "the key of the secrets service of '%.*s' is no usable one",
               PSTR(r->backend));
    }
    if (plain.ptr) {
        sodium_memzero(plain.ptr, plain.cap);
    }
    mem_free(box);
    buf_finish(&plain);
    buf_finish(&subject);
}

static void on_server_key(void *arg, trl_status st, const struct bus_msg *m) {
    struct reading *r = arg;
    uint8_t key[32];
    r->call = NULL;
    if (st != TRL_OK) {
        unanswered(r, st);
    } else if (!xkey_parse_public(str_trim(m->body), key)) {
        refuse(r, TRL_E_UNAVAIL, "the secrets service of '%.*s' does not tell its key",
               PSTR(r->backend));
    } else {
        struct server *v = mem_alloc(sizeof(*v));
        memcpy(v->key, key, sizeof(key));
        mem_free(map_set(&r->of->servers, r->backend, v));
        send_question(r, key);
    }
}

static void ask(struct reading *r) {
    const struct server *v = map_get(&r->of->servers, r->backend);
    struct buf subject = BUF_INIT;
    if (v) {
        send_question(r, v->key);
        return;
    }
    buf_addf(&subject, "%.*s.v1alpha1.%.*s.server_xkey", PSTR(r->of->env.topic), PSTR(r->backend));
    struct bus_msg m = {.subject = buf_str(&subject)};
    r->call = bus_request(r->of->env.bus, &m, ANSWER_NS, on_server_key, r);
    buf_finish(&subject);
}

/* The table */

static bool token_ok(str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (!isalnum((unsigned char)s.ptr[i]) && s.ptr[i] != '-' && s.ptr[i] != '_') {
            return false;
        }
    }
    return s.len > 0;
}

bool host_secrets_topic_ok(str topic) {
    str rest = topic;
    do {
        if (!token_ok(str_cut(rest, '.', &rest))) {
            return false;
        }
    } while (rest.ptr);
    return true;
}

/* What the plugin asks for, as this core knows it; false: not to be understood. */
static bool take(struct reading *r, const trl_secret_read *given) {
    trl_secret_read q;
    trl_secret_ref ref;
    struct arena *a = &r->arena;
    if (negotiate_request(&q, sizeof(q), given) != TRL_OK || !q.ref ||
        negotiate_request(&ref, sizeof(ref), q.ref) != TRL_OK) {
        return false;
    }
    r->provider = q.kind == TRL_RUN_PROVIDER;
    r->backend = arena_str(a, q.backend);
    r->ref = (trl_secret_ref){.struct_size = sizeof(r->ref),
                              .key = arena_str(a, ref.key),
                              .field = arena_str(a, ref.field),
                              .version = arena_str(a, ref.version),
                              .properties = arena_str(a, ref.properties),
                              .lattice = arena_str(a, ref.lattice),
                              .app = arena_str(a, ref.app),
                              .entity = arena_str(a, ref.entity)};
    return true;
}

static uint64_t host_fetch(void *ctx, const trl_secret_read *q,
                           void (*on_value)(void *arg, trl_status st, const trl_secret *s,
                                            trl_str why),
                           void *arg) {
    struct host_secrets *s = plug_iface_ctx(ctx, TRL_HOST_SECRET_READ_V1);
    struct reading *r = mem_zalloc(sizeof(*r));
    r->of = s;
    r->owner = plug_inst_of(ctx);
    r->id = ++s->last_id;
    r->on_value = on_value;
    r->arg = arg;
    r->next = s->first;
    if (r->next) {
        r->next->prev = r;
    }
    s->first = r;
    loop_timer_init(&r->soon, s->env.loop, on_soon, r);
    if (s->finished) {
        refuse(r, TRL_E_CLOSED, "the host is leaving");
    } else if (!take(r, q)) {
        refuse(r, TRL_E_UNSUPP, "the driver asks for more than this core knows");
    } else if (!r->ref.key.len || !r->ref.entity.len) {
        refuse(r, TRL_E_INVALID, "the request names no key or no unit");
    } else if (!token_ok(r->backend)) {
        refuse(r, TRL_E_INVALID,
               "the reference names the backend '%.*s': a name has letters, digits, dashes and "
               "underscores",
               PSTR(r->backend));
    } else {
        ask(r);
    }
    return r->id;
}

static void host_cancel(void *ctx, uint64_t id) {
    struct host_secrets *s = plug_iface_ctx(ctx, TRL_HOST_SECRET_READ_V1);
    for (struct reading *r = s->first; r; r = r->next) {
        if (r->id == id && r->owner == plug_inst_of(ctx)) {
            reading_free(r);
            return;
        }
    }
}

const trl_host_secret_read_v1 host_secrets_iface = {sizeof(trl_host_secret_read_v1), 0, host_fetch,
                                                    host_cancel};

struct host_secrets *host_secrets_create(const struct host_secrets_env *env) {
    struct host_secrets *s = mem_zalloc(sizeof(*s));
    s->env = *env;
    s->name = str_dup(env->name);
    return s;
}

void host_secrets_finish(struct host_secrets *s) {
    while (s && s->first) {
        reading_free(s->first);
    }
    if (s) {
        s->finished = true;
    }
}

void host_secrets_destroy(struct host_secrets *s) {
    if (!s) {
        return;
    }
    host_secrets_finish(s);
    for (uint32_t i = 0; i < s->servers.n; i++) {
        mem_free(s->servers.at[i].value);
    }
    map_finish(&s->servers);
    map_finish(&s->told);
    mem_free(s->name);
    mem_free(s);
}
