/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <poll.h>

#include "../../plugins/common/xmem.h"

#define SLICE_MS 50 /* how late a cancel may be heard of */
#define IDLE_MAX_NS                                                                                \
    30000000000ll /* closed by then: certificates and addresses may have changed                   \
                   */
#define RETRY_MS 1000u

struct conn {
    CURLM *multi;
    CURL *easy;
    curl_socket_t fd;
    int64_t idle_since_ns;
    char error[CURL_ERROR_SIZE];
};

trl_status patience_left(const struct patience *p, trl_err *err) {
    if (atomic_load(p->stopping)) {
        return trl_errf(err, TRL_E_CLOSED, "the backend is being stopped");
    }
    if (p->op && p->h->op_cancelled(p->op)) {
        return trl_errf(err, TRL_E_CANCELLED, "cancelled");
    }
    if (p->h->now_ns(p->h->ctx) >= p->deadline_ns) {
        return trl_errf(err, TRL_E_TIMEOUT, "the server did not answer in time");
    }
    return TRL_OK;
}

struct patience patience_within(const struct patience *p, int64_t ns) {
    struct patience w = *p;
    int64_t now = p->h->now_ns(p->h->ctx);
    if (ns < w.deadline_ns - now) {
        w.deadline_ns = now + ns;
    }
    return w;
}

static void conn_close(struct conn *c) {
    if (!c) {
        return;
    }
    if (c->multi && c->easy) {
        curl_multi_remove_handle(c->multi, c->easy);
    }
    curl_easy_cleanup(c->easy);
    curl_multi_cleanup(c->multi);
    free(c);
}

/* OpenSSL keeps the last record it decrypted until the next one comes; not with this option. */
static CURLcode on_tls(CURL *easy, void *ctx, void *arg) {
    (void)easy, (void)arg;
    SSL_CTX_set_options(ctx, SSL_OP_CLEANSE_PLAINTEXT);
    return CURLE_OK;
}

static bool set_tls(CURL *e, const struct conf *c) {
    bool ok = curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_tls) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, c->hostname_check ? 2L : 0L) == CURLE_OK;
    ok &= !c->ca || (curl_easy_setopt(e, CURLOPT_CAINFO, c->ca) == CURLE_OK &&
                     curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK);
    ok &= !c->cert || (curl_easy_setopt(e, CURLOPT_SSLCERT, c->cert) == CURLE_OK &&
                       curl_easy_setopt(e, CURLOPT_SSLKEY, c->key) == CURLE_OK);
    return ok;
}

static bool set_all(struct conn *n, const struct conf *c) {
    CURL *e = n->easy;
    bool ok = curl_easy_setopt(e, CURLOPT_URL, c->url) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, n->error) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
    ok &=
        curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(c->connect_ns / 1000000)) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_PROXY, c->proxy ? c->proxy : "") == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_HTTPPROXYTUNNEL, c->proxy ? 1L : 0L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK;
    /* A name server that does not answer must not hold up who gave up waiting. */
    ok &= curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
    return ok && (!c->tls || set_tls(e, c));
}

static trl_status refused(const struct conn *n, const struct conf *c, CURLcode code, trl_err *err) {
    const char *what = n->error[0] ? n->error : curl_easy_strerror(code);
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        trl_errf(err, TRL_E_UNAVAIL, "%s: its certificate is not accepted: %.120s (see tls.ca)",
                 c->url, what);
        break;
    case CURLE_SSL_CACERT_BADFILE:
        trl_errf(err, TRL_E_UNAVAIL, "tls.ca: %.100s cannot be used: %.80s", c->ca ? c->ca : "",
                 what);
        break;
    case CURLE_SSL_CERTPROBLEM:
        trl_errf(err, TRL_E_UNAVAIL, "tls.cert, tls.key: %.150s", what);
        break;
    default:
        trl_errf(err, TRL_E_UNAVAIL, "%s cannot be reached: %.150s", c->url, what);
    }
    if (err) {
        err->retry_after_ms = RETRY_MS;
    }
    return TRL_E_UNAVAIL;
}

/* Runs libcurl until it is connected. */
static trl_status run(struct conn *n, const struct conf *c, const struct patience *w,
                      trl_err *err) {
    for (;;) {
        int running = 0, queued;
        CURLMcode rc = curl_multi_perform(n->multi, &running);
        CURLMsg *m = rc == CURLM_OK ? curl_multi_info_read(n->multi, &queued) : NULL;
        if (m && m->msg == CURLMSG_DONE) {
            return m->data.result == CURLE_OK ? TRL_OK : refused(n, c, m->data.result, err);
        }
        trl_status st = patience_left(w, err);
        if (st != TRL_OK) {
            return st;
        }
        if (rc != CURLM_OK || curl_multi_poll(n->multi, NULL, 0, SLICE_MS, NULL) != CURLM_OK) {
            return trl_errf(err, TRL_E_INTERNAL, "libcurl fails: %s", curl_multi_strerror(rc));
        }
    }
}

trl_status pool_connect(struct pool *p, const struct patience *w, struct conn **ret, trl_err *err) {
    struct conn *n = x_zalloc(sizeof(*n));
    trl_status st;
    n->multi = x_checked(curl_multi_init());
    n->easy = x_checked(curl_easy_init());
    if (!set_all(n, p->conf)) {
        st = trl_errf(err, TRL_E_INTERNAL,
                      "libcurl cannot do what is needed: it has to be the one with OpenSSL");
    } else if (curl_multi_add_handle(n->multi, n->easy) != CURLM_OK) {
        st = trl_errf(err, TRL_E_INTERNAL, "libcurl fails");
    } else {
        st = run(n, p->conf, w, err);
    }
    if (st == TRL_OK && (curl_easy_getinfo(n->easy, CURLINFO_ACTIVESOCKET, &n->fd) != CURLE_OK ||
                         n->fd == CURL_SOCKET_BAD)) {
        st = trl_errf(err, TRL_E_UNAVAIL, "%s: the connection is gone", p->conf->url);
    }
    if (st != TRL_OK) {
        conn_close(n);
        return st;
    }
    *ret = n;
    return TRL_OK;
}

static trl_status wait_for(struct conn *c, short events, const struct patience *w, trl_err *err) {
    struct pollfd fd = {c->fd, events, 0};
    trl_status st = patience_left(w, err);
    if (st == TRL_OK) {
        poll(&fd, 1, SLICE_MS);
    }
    return st;
}

trl_status conn_send(struct conn *c, const char *at, size_t n, const struct patience *w,
                     trl_err *err) {
    while (n) {
        size_t sent = 0;
        CURLcode code = curl_easy_send(c->easy, at, n, &sent);
        if (code == CURLE_AGAIN) {
            trl_status st = wait_for(c, POLLOUT, w, err);
            if (st != TRL_OK) {
                return st;
            }
        } else if (code != CURLE_OK) {
            return trl_errf(err, TRL_E_UNAVAIL, "the connection broke while asking");
        }
        at += sent;
        n -= sent;
    }
    return TRL_OK;
}

trl_status conn_recv(struct conn *c, char *at, size_t cap, const struct patience *w, size_t *ret_n,
                     trl_err *err) {
    for (;;) {
        CURLcode code = curl_easy_recv(c->easy, at, cap, ret_n);
        if (code == CURLE_OK) {
            return TRL_OK;
        }
        if (code != CURLE_AGAIN) {
            return trl_errf(err, TRL_E_UNAVAIL, "the connection broke before the answer ended");
        }
        trl_status st = wait_for(c, POLLIN, w, err);
        if (st != TRL_OK) {
            return st;
        }
    }
}

/* The pool */

void pool_init(struct pool *p, const struct conf *c) {
    memset(p, 0, sizeof(*p));
    p->conf = c;
    pthread_mutex_init(&p->lock, NULL);
}

void pool_close(struct pool *p) {
    pthread_mutex_lock(&p->lock);
    while (p->n) {
        conn_close(p->idle[--p->n]);
    }
    pthread_mutex_unlock(&p->lock);
}

void pool_finish(struct pool *p) {
    pool_close(p);
    pthread_mutex_destroy(&p->lock);
}

/* Nothing may come on an idle connection: what does is its end, or nobody knows what. */
static bool usable(const struct conn *c, int64_t now_ns) {
    struct pollfd fd = {c->fd, POLLIN, 0};
    return now_ns - c->idle_since_ns < IDLE_MAX_NS && poll(&fd, 1, 0) == 0;
}

struct conn *pool_take(struct pool *p, int64_t now_ns) {
    struct conn *c = NULL;
    pthread_mutex_lock(&p->lock);
    while (p->n && !c) {
        c = p->idle[--p->n];
        if (!usable(c, now_ns)) {
            conn_close(c);
            c = NULL;
        }
    }
    pthread_mutex_unlock(&p->lock);
    return c;
}

void pool_give(struct pool *p, struct conn *c, bool keep, int64_t now_ns) {
    if (!c) {
        return;
    }
    c->idle_since_ns = now_ns;
    pthread_mutex_lock(&p->lock);
    if (keep && p->n < POOL_MAX) {
        p->idle[p->n++] = c;
        c = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    conn_close(c);
}
