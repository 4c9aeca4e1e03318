/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include <stdio.h>
#include <string.h>

#define PATIENCE (TK_PATIENCE / 2)

static struct answer *fresh(void) {
    static struct answer answers[4];
    static unsigned turn;
    struct answer *a = &answers[turn++ % 4];
    memset(a, 0, sizeof(*a));
    return a;
}

static trl_secret_ref ref_of(struct question q) {
    trl_secret_ref r;
    memset(&r, 0, sizeof(r));
    r.struct_size = sizeof(r);
    r.key = trl_cstr(q.key);
    r.field = trl_cstr(q.field);
    r.version = trl_cstr(q.version);
    r.entity = trl_cstr(q.entity);
    return r;
}

static void over(struct answer *a, trl_status st, const trl_err *e) {
    a->done = true;
    a->st = st;
    if (e) {
        snprintf(a->why, sizeof(a->why), "%.*s", (int)e->msg_len, e->msg);
    }
}

static void on_found(void *arg, trl_status st, const struct secret_found *f, const trl_err *e) {
    struct answer *a = arg;
    if (f) {
        str v = guarded_bytes(f->value);
        a->value_len = v.len;
        snprintf(a->text, sizeof(a->text), "%.*s", v.len < 4000 ? (int)v.len : 4000, v.ptr);
        snprintf(a->version, sizeof(a->version), "%.*s", PSTR(f->version));
        a->flags = f->flags;
        guarded_free(f->value);
    }
    over(a, st, e);
}

static void on_text(void *arg, trl_status st, str text, const trl_err *e) {
    struct answer *a = arg;
    if (a->items == 0) {
        snprintf(a->text, sizeof(a->text), "%.*s", PSTR(text));
        snprintf(a->version, sizeof(a->version), "%.*s", PSTR(text));
    }
    over(a, st, e);
}

static void on_item(void *arg, str item) {
    struct answer *a = arg;
    size_t n = strlen(a->text);
    a->items++;
    snprintf(a->text + n, sizeof(a->text) - n, "%.*s ", PSTR(item));
}

static const struct answer *wait(struct tk *tk, struct answer *a) {
    tk_until_set(tk, &a->done);
    return a;
}

const struct answer *ask_fetch(struct tk *tk, struct plug_inst *in, struct question q) {
    struct answer *a = fresh();
    trl_secret_ref r = ref_of(q);
    secrets_fetch(in, &r, PATIENCE, on_found, a);
    return wait(tk, a);
}

const struct answer *ask_check(struct tk *tk, struct plug_inst *in, struct question q) {
    struct answer *a = fresh();
    trl_secret_ref r = ref_of(q);
    secrets_check(in, &r, PATIENCE, on_text, a);
    return wait(tk, a);
}

const struct answer *ask_put(struct tk *tk, struct plug_inst *in, struct question q,
                             const void *value, size_t n) {
    struct answer *a = fresh();
    trl_secret_ref r = ref_of(q);
    struct guarded *g = guarded_create(value, n);
    secrets_put(in, &r, g, 0, PATIENCE, on_text, a);
    wait(tk, a);
    guarded_free(g);
    return a;
}

const struct answer *ask_list(struct tk *tk, struct plug_inst *in, const char *prefix) {
    struct answer *a = fresh();
    secrets_list(in, str_c(prefix), PATIENCE, on_item, on_text, a);
    return wait(tk, a);
}

const struct answer *ask_info(struct tk *tk, struct plug_inst *in) {
    struct answer *a = fresh();
    secrets_info(in, PATIENCE, on_text, a);
    return wait(tk, a);
}

void ask_st_at(struct tk *tk, const struct answer *a, trl_status want, const char *file, int line) {
    tk_check_at(tk, a->st == want, file, line, "%s '%s', not %s", err_name(a->st), a->why,
                err_name(want));
}

void ask_text_at(struct tk *tk, const struct answer *a, const char *want, const char *file,
                 int line) {
    tk_check_at(tk, a->st == TRL_OK && strcmp(a->text, want) == 0, file, line,
                "'%s' (%s %s), not '%s'", a->text, err_name(a->st), a->why, want);
}

void ask_refused(struct tk *tk, const char *name, const char *config, const char *part,
                 const struct plug_iface *ifaces, uint32_t n_ifaces) {
    struct plug_inst *in = tk_create_inst(tk, TRL_KIND_SECRETS, name, config, ifaces, n_ifaces);
    trl_status st = TRL_E_INVALID;
    if (in) {
        st = tk_start(tk, in);
        tk_close(tk, in);
    }
    TK_CHECK_F(tk, st != TRL_OK && strstr(tk_error(tk), part), "%s: %s '%s' is without '%s'",
               config, err_name(st), tk_error(tk), part);
}
