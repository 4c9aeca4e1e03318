/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/secrets.h"

#include <string.h>

#include "base/mem.h"
#include "plug/inst_priv.h"
#include "plug/op.h"

enum secrets_fn { SX_FETCH, SX_CHECK, SX_PUT, SX_LIST, SX_WATCH, SX_INFO };

struct secrets_call {
    enum secrets_fn fn;
    trl_op *op;
    const trl_secrets_v1 *table;
    trl_secret_ref ref; /* strings in bytes[]; prefix of a list: key */
    trl_secret value;   /* put: borrowed */
    void (*on_found)(void *arg, trl_status st, const struct secret_found *found, const trl_err *e);
    void (*on_item)(void *arg, str item);
    secrets_text_fn on_text;
    void *arg;
    bool answered, in_call, cancelled, over;
    char bytes[];
};

static void end(struct secrets_call *c) {
    c->over = true;
    if (!c->in_call) {
        mem_free(c);
    }
}

static void run(trl_inst *raw, trl_op *op, void *arg) {
    const struct secrets_call *c = arg;
    switch (c->fn) {
    case SX_FETCH:
        c->table->fetch(raw, op, &c->ref);
        break;
    case SX_CHECK:
        c->table->check(raw, op, &c->ref);
        break;
    case SX_PUT:
        c->table->put(raw, op, &c->ref, &c->value);
        break;
    case SX_LIST:
        c->table->list(raw, op, c->ref.key);
        break;
    case SX_WATCH:
        c->table->watch(raw, op, &c->ref);
        break;
    case SX_INFO:
        c->table->info(raw, op);
        break;
    }
}

static void returned(void *arg) {
    struct secrets_call *c = arg;
    c->in_call = false;
    if (c->over) {
        mem_free(c);
    }
}

static void on_secret(void *arg, struct guarded *value, const trl_secret *s) {
    struct secrets_call *c = arg;
    if (c->cancelled || c->fn != SX_FETCH || c->answered) {
        guarded_free(value);
        return;
    }
    c->answered = true;
    struct secret_found found = {value, s->flags, s->version, s->lease_ns};
    c->on_found(c->arg, TRL_OK, &found, NULL);
}

static void on_item(void *arg, trl_bytes item) {
    struct secrets_call *c = arg;
    if (!c->cancelled && c->on_item) {
        c->on_item(c->arg, str_n(item.ptr, item.len));
    }
}

static void on_done(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct secrets_call *c = arg;
    trl_err own;
    if (c->cancelled || c->answered) {
        end(c);
        return;
    }
    bool lost = (c->fn == SX_FETCH) || ((c->fn == SX_CHECK || c->fn == SX_PUT) && !result.len);
    if (st == TRL_OK && lost) {
        memset(&own, 0, sizeof(own));
        own.struct_size = sizeof(own);
        st = trl_errf(&own, TRL_E_INTERNAL, "the backend answered without a %s",
                      c->fn == SX_FETCH ? "value" : "version");
        err = &own;
    }
    if (c->fn == SX_FETCH) {
        c->on_found(c->arg, st, NULL, err);
    } else {
        c->on_text(c->arg, st, st == TRL_OK ? str_n(result.ptr, result.len) : STR_NONE, err);
    }
    end(c);
}

static bool able(const struct secrets_call *c) {
    switch (c->fn) {
    case SX_PUT:
        return c->table->put != NULL;
    case SX_LIST:
        return c->table->list != NULL;
    case SX_WATCH:
        return c->table->watch != NULL;
    case SX_INFO:
        return c->table->info != NULL;
    case SX_FETCH:
    case SX_CHECK:
        break;
    }
    return true;
}

static void cannot(trl_inst *raw, trl_op *op, void *arg) {
    trl_err e = {.struct_size = sizeof(e)};
    (void)raw;
    (void)arg;
    trl_errf(&e, TRL_E_UNSUPP, "this backend cannot do that");
    op_done_with(op, e.code, (trl_bytes){NULL, 0}, &e, NULL);
}

static str keep(char **at, str s) {
    char *to = *at;
    if (s.len) {
        memcpy(to, s.ptr, s.len);
    }
    *at += s.len;
    return str_n(to, s.len);
}

static struct secrets_call *call_new(struct plug_inst *in, enum secrets_fn fn,
                                     const trl_secret_ref *r) {
    struct secrets_call *c =
        mem_zalloc(sizeof(*c) + r->key.len + r->field.len + r->version.len + r->properties.len +
                   r->lattice.len + r->app.len + r->entity.len + 1);
    char *at = c->bytes;
    c->fn = fn;
    c->table = plug_inst_table(in);
    c->ref = (trl_secret_ref){.struct_size = sizeof(c->ref),
                              .flags = r->flags,
                              .key = keep(&at, r->key),
                              .field = keep(&at, r->field),
                              .version = keep(&at, r->version),
                              .properties = keep(&at, r->properties),
                              .lattice = keep(&at, r->lattice),
                              .app = keep(&at, r->app),
                              .entity = keep(&at, r->entity)};
    c->in_call = true;
    return c;
}

static struct secrets_call *start(struct plug_inst *in, struct secrets_call *c,
                                  int64_t timeout_ns) {
    struct op_handler h = {on_done, on_item, NULL, c};
    c->op = op_call(in, timeout_ns, &h, able(c) ? run : cannot, c, returned);
    op_on_secret(c->op, on_secret);
    return c;
}

struct secrets_call *secrets_fetch(struct plug_inst *in, const trl_secret_ref *ref,
                                   int64_t timeout_ns,
                                   void (*done)(void *arg, trl_status st,
                                                const struct secret_found *found, const trl_err *e),
                                   void *arg) {
    struct secrets_call *c = call_new(in, SX_FETCH, ref);
    c->on_found = done;
    c->arg = arg;
    return start(in, c, timeout_ns);
}

static struct secrets_call *text_call(struct plug_inst *in, enum secrets_fn fn,
                                      const trl_secret_ref *ref, secrets_text_fn done, void *arg) {
    struct secrets_call *c = call_new(in, fn, ref);
    c->on_text = done;
    c->arg = arg;
    return c;
}

struct secrets_call *secrets_check(struct plug_inst *in, const trl_secret_ref *ref,
                                   int64_t timeout_ns, secrets_text_fn done, void *arg) {
    return start(in, text_call(in, SX_CHECK, ref, done, arg), timeout_ns);
}

struct secrets_call *secrets_put(struct plug_inst *in, const trl_secret_ref *ref,
                                 const struct guarded *value, uint32_t flags, int64_t timeout_ns,
                                 secrets_text_fn done, void *arg) {
    struct secrets_call *c = text_call(in, SX_PUT, ref, done, arg);
    str bytes = guarded_bytes(value);
    c->value = (trl_secret){
        .struct_size = sizeof(c->value), .flags = flags, .value = {bytes.ptr, bytes.len}};
    return start(in, c, timeout_ns);
}

struct secrets_call *secrets_info(struct plug_inst *in, int64_t timeout_ns, secrets_text_fn done,
                                  void *arg) {
    return start(in, text_call(in, SX_INFO, &(trl_secret_ref){0}, done, arg), timeout_ns);
}

struct secrets_call *secrets_list(struct plug_inst *in, str prefix, int64_t timeout_ns,
                                  void (*item)(void *arg, str item), secrets_text_fn done,
                                  void *arg) {
    struct secrets_call *c = text_call(in, SX_LIST, &(trl_secret_ref){.key = prefix}, done, arg);
    c->on_item = item;
    return start(in, c, timeout_ns);
}

struct secrets_call *secrets_watch(struct plug_inst *in, const trl_secret_ref *ref,
                                   void (*item)(void *arg, str item), secrets_text_fn done,
                                   void *arg) {
    struct secrets_call *c = text_call(in, SX_WATCH, ref, done, arg);
    c->on_item = item;
    return start(in, c, 0);
}

void secrets_cancel(struct secrets_call *c) {
    c->cancelled = true;
    op_cancel(c->op);
}

bool secrets_can_put(struct plug_inst *in) {
    const trl_secrets_v1 *t = plug_inst_table(in);
    return t->put != NULL;
}

bool secrets_can_watch(struct plug_inst *in) {
    const trl_secrets_v1 *t = plug_inst_table(in);
    return t->watch != NULL;
}
