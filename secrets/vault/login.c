/* SPDX-License-Identifier: Apache-2.0 */
#include "login.h"

#include <stdio.h>

#include "../../plugins/common/jpull.h"
#include "ask.h"
#include "vault.h"

#define SECOND_NS 1000000000ll
#define FRAGMENT  8u /* so much of a credential is not repeated out of an answer */

/* Goes into a header line: a token with a line end in it would begin another. */
static trl_status token_ok(const struct sbuf *t, const char *who, trl_err *err) {
    for (size_t i = 0; i < t->n; i++) {
        if ((unsigned char)t->at[i] <= 0x20 || t->at[i] == 0x7f) {
            return trl_errf(err, TRL_E_INVALID, "%s: there is a blank or a control character in it",
                            who);
        }
    }
    return t->n ? TRL_OK : trl_errf(err, TRL_E_INTERNAL, "%s: the token is empty", who);
}

trl_status login_read_token(trl_inst *in, struct sbuf *to, trl_err *err) {
    trl_status st =
        sbuf_read_file(to, in->conf.token_file, LOGIN_TOKEN_MAX, "auth.token_file", err);
    return st == TRL_OK ? token_ok(to, "auth.token_file", err) : st;
}

/* Credentials are not told, should the server repeat them. */
static bool tells(const char *words, const struct sbuf *secret) {
    for (size_t i = 0; i + FRAGMENT <= secret->n; i++) {
        if (memmem(words, strlen(words), secret->at + i, FRAGMENT)) {
            return true;
        }
    }
    return false;
}

static trl_status refused(trl_inst *in, const struct answer *a, const char *path,
                          const struct sbuf *secret, trl_err *err) {
    static const char *const check[] = {"token_file", "role_id and secret_id_file",
                                        "role and jwt_file", "role and jwt_file"};
    char words[100];
    if (a->status == 404 || a->status == 400 || a->status == 401 || a->status == 403) {
        ask_words(a, words, sizeof(words));
        if (tells(words, secret)) {
            words[0] = '\0';
        }
        return trl_errf(err, TRL_E_DENIED,
                        "the server refuses the login at %.60s (HTTP %d)%s%s: check auth.mount, "
                        "namespace, %s",
                        path, a->status, *words ? ": " : "", words, check[in->conf.method]);
    }
    return ask_error(in, a, path, false, err);
}

/* Members of "auth" (a login, a renewal) or "data" (a lookup). */
static trl_status take_grant(const struct answer *a, const char *path, const char *member,
                             const char *life, struct grant *g, trl_err *err) {
    trl_str object, v;
    const char *wrong = NULL;
    struct jpull j;
    int64_t seconds = 0;
    trl_status st = ask_data(a, path, member, &object, err);
    if (st != TRL_OK) {
        return st;
    }
    if (jpull_find(object, trl_cstr(life), &v, &wrong)) {
        jpull_init(&j, v.ptr, v.len);
        if (!jpull_int(&j, &seconds) || seconds < 0 || seconds > INT32_MAX) {
            return trl_errf(err, TRL_E_INTERNAL, "the server's answer for %s has no usable '%s'",
                            path, life);
        }
    }
    g->life_ns = seconds * SECOND_NS;
    g->renewable =
        !wrong && jpull_find(object, trl_cstr("renewable"), &v, &wrong) && jpull_is(v, "true");
    if (!wrong && strcmp(member, "auth") == 0 &&
        jpull_find(object, trl_cstr("client_token"), &v, &wrong)) {
        trl_str token;
        jpull_init(&j, v.ptr, v.len);
        if (!jpull_string(&j, &token)) {
            wrong = "its token is no text";
        } else if (!sbuf_add(&g->token, token.ptr, token.len)) {
            return vault_no_memory(err);
        }
    }
    return wrong ? trl_errf(err, TRL_E_INTERNAL, "the server's answer for %s: %s", path, wrong)
                 : TRL_OK;
}

trl_status login_lookup(trl_inst *in, const struct patience *w, const struct sbuf *token,
                        struct grant *g, trl_err *err) {
    static const char path[] = "auth/token/lookup-self";
    struct answer a;
    struct ask q = {.method = "GET", .path = path, .token = token};
    answer_init(in, &a);
    trl_status st = ask_once(in, w, &q, &a, NULL, err);
    if (st == TRL_OK) {
        st = a.status == 200   ? take_grant(&a, path, "data", "ttl", g, err)
             : a.status == 403 ? trl_errf(err, TRL_E_DENIED, "the server does not know the token")
                               : ask_error(in, &a, path, true, err);
    }
    answer_finish(&a);
    return st;
}

trl_status login_renew(trl_inst *in, const struct patience *w, const struct sbuf *token,
                       struct grant *g, trl_err *err) {
    static const char path[] = "auth/token/renew-self";
    struct answer a;
    struct sbuf body;
    struct ask q = {.method = "POST", .path = path, .token = token, .body = &body};
    answer_init(in, &a);
    sbuf_init(&body, &in->mem);
    trl_status st =
        sbuf_text(&body, "{}") ? ask_once(in, w, &q, &a, NULL, err) : vault_no_memory(err);
    if (st == TRL_OK) {
        st = a.status == 200 ? take_grant(&a, path, "auth", "lease_duration", g, err)
                             : ask_error(in, &a, path, true, err);
    }
    sbuf_finish(&g->token); /* the same as before */
    sbuf_finish(&body);
    answer_finish(&a);
    return st;
}

static trl_status login_token(trl_inst *in, const struct patience *w, struct grant *g,
                              trl_err *err) {
    trl_status st = login_read_token(in, &g->token, err);
    if (st != TRL_OK) {
        return st;
    }
    st = login_lookup(in, w, &g->token, g, err);
    if (st == TRL_E_DENIED) { /* not known, or without the policy for that: its use will show */
        g->unsure = true;
        st = TRL_OK;
    }
    return st;
}

static trl_status credential(struct sbuf *to, const char *literal, const char *file,
                             const char *who, trl_err *err) {
    if (literal) {
        return sbuf_text(to, literal) ? TRL_OK : vault_no_memory(err);
    }
    return file ? sbuf_read_file(to, file, LOGIN_TOKEN_MAX, who, err) : TRL_OK;
}

static trl_status login_body(trl_inst *in, struct sbuf *body, struct sbuf *secret, trl_err *err) {
    const struct conf *c = &in->conf;
    bool approle = c->method == CONF_APPROLE;
    struct sbuf name;
    sbuf_init(&name, &in->mem);
    trl_status st = approle
                        ? credential(&name, c->role_id, c->role_id_file, "auth.role_id_file", err)
                        : credential(&name, c->role, NULL, "", err);
    if (st == TRL_OK) {
        st = approle ? credential(secret, NULL, c->secret_id_file, "auth.secret_id_file", err)
                     : credential(secret, NULL, c->jwt_file, "auth.jwt_file", err);
    }
    if (st == TRL_OK) {
        sbuf_text(body, "{");
        if (name.n) {
            sbuf_text(body, approle ? "\"role_id\":" : "\"role\":");
            sbuf_quote(body, name.at, name.n);
        }
        if (secret->n) {
            sbuf_text(body, name.n ? "," : "");
            sbuf_text(body, approle ? "\"secret_id\":" : "\"jwt\":");
            sbuf_quote(body, secret->at, secret->n);
        }
        sbuf_text(body, "}");
        st = body->failed ? vault_no_memory(err) : TRL_OK;
    }
    sbuf_finish(&name);
    return st;
}

static trl_status login_role(trl_inst *in, const struct patience *w, struct grant *g,
                             trl_err *err) {
    char path[300];
    struct answer a;
    struct sbuf body, secret;
    struct ask q = {.method = "POST", .path = path, .anonymous = true, .body = &body};
    snprintf(path, sizeof(path), "auth/%s/login", in->conf.auth_mount);
    answer_init(in, &a);
    sbuf_init(&body, &in->mem);
    sbuf_init(&secret, &in->mem);
    trl_status st = login_body(in, &body, &secret, err);
    st = st == TRL_OK ? ask_once(in, w, &q, &a, NULL, err) : st;
    if (st == TRL_OK) {
        st = a.status == 200 ? take_grant(&a, path, "auth", "lease_duration", g, err)
                             : refused(in, &a, path, &secret, err);
        st = st == TRL_OK ? token_ok(&g->token, path, err) : st;
    }
    sbuf_finish(&secret);
    sbuf_finish(&body);
    answer_finish(&a);
    return st;
}

trl_status login(trl_inst *in, const struct patience *w, struct grant *g, trl_err *err) {
    return in->conf.method == CONF_TOKEN ? login_token(in, w, g, err) : login_role(in, w, g, err);
}
