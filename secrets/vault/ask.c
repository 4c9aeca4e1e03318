/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include <stdio.h>

#include "../../plugins/common/jpull.h"
#include "http.h"
#include "vault.h"

#define RETRY_SEALED_MS 5000u

void answer_init(trl_inst *in, struct answer *a) {
    memset(a, 0, sizeof(*a));
    sbuf_init(&a->body, &in->mem);
}

void answer_finish(struct answer *a) {
    sbuf_finish(&a->body);
}

static trl_status compose(trl_inst *in, const struct patience *w, const struct ask *q,
                          struct sbuf *r, uint64_t *ret_gen, trl_err *err) {
    const struct conf *c = &in->conf;
    const char *ns = q->ns ? q->ns : c->ns;
    char text[64];
    sbuf_text(r, q->method);
    sbuf_text(r, " ");
    sbuf_text(r, c->base);
    sbuf_text(r, "/v1/");
    sbuf_text(r, q->path);
    sbuf_text(r, " HTTP/1.1\r\nHost: ");
    sbuf_text(r, c->authority);
    sbuf_text(r,
              "\r\nUser-Agent: trellis\r\nAccept: application/json\r\nX-Vault-Request: true\r\n");
    if (*ns) {
        sbuf_text(r, "X-Vault-Namespace: ");
        sbuf_text(r, ns);
        sbuf_text(r, "\r\n");
    }
    if (q->token) {
        sbuf_text(r, "X-Vault-Token: ");
        sbuf_add(r, q->token->at, q->token->n);
        sbuf_text(r, "\r\n");
    } else if (!q->anonymous) {
        trl_status st = auth_header(in, w, r, ret_gen, err);
        if (st != TRL_OK) {
            return st;
        }
    }
    if (q->body) {
        snprintf(text, sizeof(text), "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                 q->body->n);
        sbuf_text(r, text);
    }
    sbuf_text(r, "\r\n");
    if (q->body) {
        sbuf_add(r, q->body->at, q->body->n);
    }
    return r->failed ? vault_no_memory(err) : TRL_OK;
}

static trl_status read_answer(struct conn *c, struct http_in *h, const struct patience *w,
                              trl_err *err) {
    enum http_state s = HTTP_MORE;
    while (s == HTTP_MORE) {
        size_t room, n;
        char *at = http_in_room(h, &room);
        if (!at) {
            return vault_no_memory(err);
        }
        trl_status st = conn_recv(c, at, room, w, &n, err);
        if (st != TRL_OK) {
            return st;
        }
        s = n ? http_in_got(h, n) : http_in_eof(h);
    }
    switch (s) {
    case HTTP_DONE:
        return TRL_OK;
    case HTTP_LARGE:
        return trl_errf(err, TRL_E_INVALID,
                        "the server's answer is longer than %zu bytes (max_answer_bytes)",
                        h->max_body);
    default:
        if (!h->saw_any) {
            return trl_errf(err, TRL_E_UNAVAIL, "the server closed the connection unanswered");
        }
        return trl_errf(err, TRL_E_INTERNAL, "the server's answer is no HTTP: %s", h->error);
    }
}

static trl_status exchange(trl_inst *in, struct conn *c, const struct sbuf *r, struct http_in *h,
                           const struct patience *w, trl_err *err) {
    trl_status st = conn_send(c, r->at, r->n, w, err);
    if (st == TRL_OK || st == TRL_E_UNAVAIL) {
        /* A server that refuses while it is still being asked says why, then closes. */
        trl_status read = read_answer(c, h, w, err);
        st = st == TRL_OK || read == TRL_OK ? read : st;
    }
    pool_give(&in->pool, c, st == TRL_OK && h->keep, w->h->now_ns(w->h->ctx));
    return st;
}

/* A kept connection may have been closed just now. Reading again does no harm, writing may. */
static trl_status send_request(trl_inst *in, const struct ask *q, const struct sbuf *r,
                               struct http_in *h, const struct patience *w, trl_err *err) {
    struct conn *c = NULL;
    bool reads = q->harmless || strcmp(q->method, "POST") != 0;
    if (reads && (c = pool_take(&in->pool, w->h->now_ns(w->h->ctx))) != NULL) {
        trl_status st = exchange(in, c, r, h, w, err);
        if (st != TRL_E_UNAVAIL || h->saw_any) {
            return st;
        }
        http_in_init(h, h->buf, h->max_body);
    }
    trl_status st = pool_connect(&in->pool, w, &c, err);
    return st == TRL_OK ? exchange(in, c, r, h, w, err) : st;
}

trl_status ask_once(trl_inst *in, const struct patience *w, const struct ask *q, struct answer *a,
                    uint64_t *ret_gen, trl_err *err) {
    struct patience mine;
    struct sbuf r;
    struct http_in h;
    sbuf_init(&r, &in->mem);
    http_in_init(&h, &a->body, in->conf.max_answer);
    trl_status st = compose(in, w, q, &r, ret_gen, err);
    if (st == TRL_OK) {
        mine = patience_within(w, in->conf.timeout_ns);
        atomic_fetch_add(&in->requests, 1);
        st = send_request(in, q, &r, &h, &mine, err);
        /* Only the op's own deadline is a time-out of the caller's. */
        if (st == TRL_E_TIMEOUT && mine.deadline_ns < w->deadline_ns) {
            st = trl_errf(err, TRL_E_UNAVAIL, "%s does not answer within request_timeout_ms",
                          in->conf.url);
        }
        if (st == TRL_E_UNAVAIL && err && err->retry_after_ms == 0) {
            err->retry_after_ms = VAULT_RETRY_MS;
        }
        if (st != TRL_OK) {
            atomic_fetch_add(&in->failures, 1);
        }
    }
    sbuf_finish(&r);
    a->status = h.status;
    a->redirect = h.redirect;
    a->retry_after_ms = h.retry_after_s < 0      ? 0
                        : h.retry_after_s > 3600 ? 3600000u
                                                 : (uint32_t)h.retry_after_s * 1000u;
    if (st != TRL_OK) {
        answer_finish(a);
    }
    return st;
}

trl_status ask(trl_inst *in, const struct patience *w, const struct ask *q, struct answer *a,
               trl_err *err) {
    uint64_t gen = 0;
    trl_status st = ask_once(in, w, q, a, &gen, err);
    if (st != TRL_OK || a->status != 403) {
        return st;
    }
    trl_err why = vault_err();
    st = auth_again(in, w, gen, &why);
    if (st == TRL_OK) {
        return ask_once(in, w, q, a, &gen, err);
    }
    if (why.msg_len) { /* a login was due and failed: whether it is allowed is not known */
        *err = why;
        answer_finish(a);
        return st;
    }
    return TRL_OK; /* the 403 stands */
}

void ask_words(const struct answer *a, char *to, size_t size) {
    trl_str errors, words;
    const char *wrong;
    struct jpull j;
    bool first;
    *to = '\0';
    if (!jpull_find(sbuf_str(&a->body), trl_cstr("errors"), &errors, &wrong)) {
        return;
    }
    jpull_init(&j, errors.ptr, errors.len);
    if (!jpull_enter(&j, '[', &first) || !jpull_more(&j, &first, ']') ||
        !jpull_string(&j, &words)) {
        return;
    }
    size_t n = words.len < size - 1 ? words.len : size - 1;
    for (size_t i = 0; i < n; i++) {
        char c = words.ptr[i];
        to[i] = (c < 0x20 || c == 0x7f) ? ' ' : c;
    }
    to[n] = '\0';
}

static trl_status unavailable(const struct answer *a, const char *why, uint32_t wait_ms,
                              trl_err *err) {
    trl_errf(err, TRL_E_UNAVAIL, "%s (HTTP %d)", why, a->status);
    err->retry_after_ms = a->retry_after_ms ? a->retry_after_ms : wait_ms;
    return TRL_E_UNAVAIL;
}

trl_status ask_error(trl_inst *in, const struct answer *a, const char *what, bool quote,
                     trl_err *err) {
    char words[100] = "";
    if (quote) {
        ask_words(a, words, sizeof(words));
    }
    const char *colon = *words ? ": " : "";
    switch (a->status) {
    case 403:
    case 401:
        return trl_errf(err, TRL_E_DENIED,
                        "the server denies %.90s (namespace '%.30s'): the token's policy must "
                        "allow it%s%.60s",
                        what, in->conf.ns, colon, words);
    case 404:
        return trl_errf(err, TRL_E_NOTFOUND, "nothing is at %.120s%s%s", what, colon, words);
    case 405:
        return trl_errf(err, TRL_E_UNSUPP, "the server cannot do this at %.100s%s%s", what, colon,
                        words);
    case 412:
        return unavailable(a, "the server has not caught up with its leader", 200, err);
    case 429:
        return unavailable(a, "the server has had too many requests", VAULT_RETRY_MS, err);
    case 503:
        return unavailable(a, "the server is sealed, a standby, or being maintained",
                           RETRY_SEALED_MS, err);
    default:
        break;
    }
    if (a->status >= 500) {
        return unavailable(a, "the server has a fault of its own", VAULT_RETRY_MS, err);
    }
    if (a->status >= 300 && a->status < 400) {
        return unavailable(a,
                           "the server points to another one, which is not followed with a "
                           "token: set address to the active one",
                           RETRY_SEALED_MS, err);
    }
    return trl_errf(err, TRL_E_INVALID, "the server refuses the request for %.90s (HTTP %d)%s%s",
                    what, a->status, colon, words);
}

trl_status ask_data(const struct answer *a, const char *what, const char *member, trl_str *ret,
                    trl_err *err) {
    const char *wrong = NULL;
    if (!jpull_find(sbuf_str(&a->body), trl_cstr(member), ret, &wrong)) {
        return trl_errf(err, TRL_E_INTERNAL, "the server's answer for %.100s %s%s%s", what,
                        wrong ? "is no JSON: " : "has no '", wrong ? wrong : member,
                        wrong ? "" : "'");
    }
    return TRL_OK;
}
