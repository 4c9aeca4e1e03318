/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/secret_read.h"

#include <trellis/kind/driver.h>
#include <trellis/kind/policy.h>

#include "base/mem.h"
#include "plug/loop.h"
#include "plug/negotiate.h"
#include "plug/watch.h"
#include "serve/secret_subject.h"

struct reading { /* one call of a plugin under way */
    struct secret_reads *of;
    struct reading *prev, *next;
    struct plug_inst *owner;
    uint64_t id;
    struct arena arena;
    str backend, host_id;
    trl_secret_ref ref; /* strings in the arena */
    uint32_t kind;
    struct policy_ask *ask;
    struct secrets_call *call;
    struct loop_timer soon; /* a refusal waits for its turn */
    trl_status st;
    struct err err; /* with st */
    void (*on_value)(void *arg, trl_status st, const trl_secret *s, trl_str why);
    void *arg;
};

struct secret_reads {
    struct secret_reads_env env;
    struct reading *first;
    uint64_t last_id;
    bool finished;
};

static void unlink_reading(struct reading *r) {
    *(r->prev ? &r->prev->next : &r->of->first) = r->next;
    if (r->next) {
        r->next->prev = r->prev;
    }
}

static void reading_free(struct reading *r) {
    unlink_reading(r);
    policy_ask_cancel(r->ask);
    if (r->call) {
        secrets_cancel(r->call);
    }
    loop_timer_stop(&r->soon);
    arena_finish(&r->arena);
    mem_free(r);
}

/* The call is over before the plugin hears of it: it may begin another one. */
static void tell(struct reading *r, trl_status st, const trl_secret *s, const char *why) {
    void (*fn)(void *, trl_status, const trl_secret *, trl_str) = r->on_value;
    struct plug_inst *owner = r->owner;
    void *arg = r->arg;
    struct watch w;
    reading_free(r);
    watch_enter(owner, &w);
    fn(arg, st, s, str_c(why));
    watch_leave(owner, &w, "the answer to secret_read");
}

static void on_soon(void *arg) {
    struct reading *r = arg;
    struct err e = r->err;
    tell(r, r->st, NULL, e.msg);
}

__attribute__((format(printf, 3, 4))) static void refuse(struct reading *r, trl_status st,
                                                         const char *fmt, ...) {
    va_list ap;
    r->st = st;
    va_start(ap, fmt);
    vsnprintf(r->err.msg, sizeof(r->err.msg), fmt, ap);
    va_end(ap);
    loop_timer_start(&r->soon, 0);
}

static void on_fetched(void *arg, trl_status st, const struct secret_found *found,
                       const trl_err *e) {
    struct reading *r = arg;
    struct err err = ERR_INIT;
    r->call = NULL;
    if (st == TRL_OK) {
        str v = guarded_bytes(found->value);
        struct guarded *value = found->value;
        trl_secret s = {.struct_size = sizeof(s),
                        .flags = found->flags,
                        .value = {v.ptr, v.len},
                        .version = found->version,
                        .lease_ns = found->lease_ns};
        tell(r, TRL_OK, &s, "");
        guarded_free(value);
        return;
    }
    err_from_trl(&err, st, e);
    log_warn(r->of->env.log, "secrets %.*s: %.*s for %.*s: %s", PSTR(r->backend), PSTR(r->ref.key),
             PSTR(r->ref.entity), err.msg);
    tell(r, st, NULL, err.msg);
}

static void fetch(struct reading *r) {
    const struct secrets_backend *b = secrets_find(r->of->env.secrets, r->backend);
    r->call = secrets_fetch(b->in, &r->ref, b->timeout_ns, on_fetched, r);
}

static void on_ruling(void *arg, struct ruling *const *rulings) {
    struct reading *r = arg;
    struct buf text = BUF_INIT;
    r->ask = NULL;
    if (!ruling_denies(rulings[0])) {
        fetch(r);
        return;
    }
    ruling_text(rulings[0], &text);
    log_warn(r->of->env.log, "secrets %.*s: %.*s for %.*s: %s", PSTR(r->backend), PSTR(r->ref.key),
             PSTR(r->ref.entity), text.ptr);
    tell(r, TRL_E_DENIED, NULL, text.ptr);
    buf_finish(&text);
}

static void judge(struct reading *r) {
    struct policy_chains *p = r->of->env.policy;
    struct buf subject = BUF_INIT, caller = BUF_INIT;
    const struct secret_subject x = {.host_id = r->host_id,
                                     .provider = r->kind == TRL_RUN_PROVIDER,
                                     .entity = r->ref.entity,
                                     .entity_name = r->ref.entity,
                                     .app = r->ref.app,
                                     .backend = r->backend,
                                     .key = r->ref.key,
                                     .field = r->ref.field,
                                     .version = r->ref.version,
                                     .properties = r->ref.properties};
    if (!policy_asks(p, TRL_POINT_SECRET)) {
        fetch(r);
        return;
    }
    secret_subject_write(&x, &subject);
    buf_addf(&caller, "host %.*s for %.*s", PSTR(r->host_id), PSTR(r->ref.entity));
    struct policy_question q = {
        .subject = buf_str(&subject),
        .what = arena_printf(&r->arena, "read %.*s of %.*s", PSTR(r->ref.key), PSTR(r->backend))};
    struct policy_about about = {
        .lattice = r->ref.lattice, .app = r->ref.app, .caller = buf_str(&caller)};
    r->ask = policy_ask(p, TRL_POINT_SECRET, &q, 1, &about, on_ruling, r);
    buf_finish(&subject);
    buf_finish(&caller);
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
    r->kind = q.kind;
    r->backend = arena_str(a, q.backend);
    r->host_id = arena_str(a, q.host_id);
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
    struct secret_reads *s = plug_iface_ctx(ctx, TRL_HOST_SECRET_READ_V1);
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
        refuse(r, TRL_E_CLOSED, "the control plane is being stopped");
    } else if (!take(r, q)) {
        refuse(r, TRL_E_UNSUPP, "the driver asks for more than this core knows");
    } else if (!r->ref.key.len || !r->ref.entity.len || !r->host_id.len) {
        refuse(r, TRL_E_INVALID, "the request names no key, no unit or no host");
    } else if (!secrets_find(s->env.secrets, r->backend)) {
        refuse(r, TRL_E_UNSUPP,
               "no secrets backend '%.*s' is configured here: name it in the section `secrets` of "
               "the configuration",
               PSTR(r->backend));
    } else {
        judge(r);
    }
    return r->id;
}

static void host_cancel(void *ctx, uint64_t id) {
    struct secret_reads *s = plug_iface_ctx(ctx, TRL_HOST_SECRET_READ_V1);
    for (struct reading *r = s->first; r; r = r->next) {
        if (r->id == id && r->owner == plug_inst_of(ctx)) {
            reading_free(r);
            return;
        }
    }
}

const trl_host_secret_read_v1 secret_reads_iface = {sizeof(trl_host_secret_read_v1), 0, host_fetch,
                                                    host_cancel};

struct secret_reads *secret_reads_create(const struct secret_reads_env *env) {
    struct secret_reads *s = mem_zalloc(sizeof(*s));
    s->env = *env;
    return s;
}

void secret_reads_finish(struct secret_reads *s) {
    while (s && s->first) {
        reading_free(s->first);
    }
    if (s) {
        s->finished = true;
    }
}

void secret_reads_destroy(struct secret_reads *s) {
    secret_reads_finish(s);
    mem_free(s);
}
