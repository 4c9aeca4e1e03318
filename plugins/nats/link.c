/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection of the library, from connect to close. All on the worker, but for the callbacks.
 */
#include "conn_priv.h"
#include "login.h"
#include "text.h"

#define WRITE_DEADLINE_MS 5000
#define FOUND_MAX         64u

/* The library has closed the connection, or we have. Drops the reference link_try took. */
static void on_closed(natsConnection *nc, void *arg) {
    struct conn *c = arg;
    pthread_mutex_lock(&c->lock);
    if (c->nc == nc) {
        c->lost = 1;
        conn_wake(c);
    }
    pthread_mutex_unlock(&c->lock);
    conn_unref(c);
}

/* The quoted part behind `what` in a permission error; returns 0 if it is not there. */
static int quoted(const char *text, const char *what, char *out, size_t cap) {
    const char *at = strcasestr(text, what), *end;
    if (!at) {
        return 0;
    }
    at += strlen(what);
    end = strchr(at, '"');
    if (!end || (size_t)(end - at) >= cap) {
        return 0;
    }
    memcpy(out, at, (size_t)(end - at));
    out[end - at] = '\0';
    return 1;
}

static void deny_sub(struct conn *c, const char *subject) {
    struct sink *sinks[16];
    size_t n = 0;
    pthread_mutex_lock(&c->lock);
    for (struct conn_sub *s = c->subs; s && n < 16; s = s->next) {
        if (strcmp(s->subject, subject) == 0) {
            sink_ref(s->sink);
            sinks[n++] = s->sink;
        }
    }
    pthread_mutex_unlock(&c->lock);
    for (size_t i = 0; i < n; i++) {
        sinks[i]->on_msg(sinks[i], TRL_E_DENIED, NULL);
        sink_unref(sinks[i]);
    }
}

static void on_denied(struct conn *c, const char *text) {
    char subject[1024];
    int fresh;
    pthread_mutex_lock(&c->lock);
    fresh = strncmp(c->denied, text, sizeof(c->denied) - 1) != 0;
    snprintf(c->denied, sizeof(c->denied), "%s", text);
    pthread_mutex_unlock(&c->lock);
    if (fresh) {
        conn_logf(c, TRL_LOG_ERROR, "nats: the server refuses: %s; give this login the permission",
                  text);
    }
    if (quoted(text, "publish to \"", subject, sizeof(subject))) {
        rpc_deny(c, subject);
    } else if (quoted(text, "subscription to \"", subject, sizeof(subject))) {
        deny_sub(c, subject);
    }
}

static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus err, void *arg) {
    struct conn *c = arg;
    const char *text = nats_GetLastError(NULL);
    (void)nc;
    if (err == NATS_NOT_PERMITTED) {
        on_denied(c, text ? text : "");
    } else if (err == NATS_SLOW_CONSUMER) {
        pthread_mutex_lock(&c->lock);
        c->slow++;
        pthread_mutex_unlock(&c->lock);
        conn_logf(c, TRL_LOG_WARN, "nats: slow consumer of %s: messages were dropped",
                  sub ? natsSubscription_GetSubject(sub) : "?");
    } else {
        conn_logf(c, TRL_LOG_DEBUG, "nats: %s", text && *text ? text : natsStatus_GetText(err));
    }
}

static void on_sub_msg(natsConnection *nc, natsSubscription *ns, natsMsg *m, void *arg) {
    struct conn_sub *sub = arg;
    (void)nc, (void)ns;
    sub->sink->on_msg(sub->sink, TRL_OK, m);
}

static void on_sub_over(void *arg) {
    conn_sub_unref(arg);
}

static void on_inbox_over(void *arg) {
    conn_unref(arg);
}

/* If the connection broke in this moment, no callback can be set any more, and one for a message
 * may be running: then the reference stays for good, which is the small evil. */
natsStatus link_subscribe(struct conn *c, struct conn_sub *sub) {
    natsStatus st;
    if (sub->ns) {
        return NATS_OK;
    }
    atomic_fetch_add(&sub->refs, 1);
    st = sub->queue ? natsConnection_QueueSubscribe(&sub->ns, c->nc, sub->subject, sub->queue,
                                                    on_sub_msg, sub)
                    : natsConnection_Subscribe(&sub->ns, c->nc, sub->subject, on_sub_msg, sub);
    if (st != NATS_OK) {
        atomic_fetch_sub(&sub->refs, 1);
        sub->ns = NULL;
        return st;
    }
    return natsSubscription_SetOnCompleteCB(sub->ns, on_sub_over, sub);
}

static natsStatus subscribe_inbox(struct conn *c) {
    char *subject = text_fmt("%s*", c->inbox);
    natsStatus st;
    atomic_fetch_add(&c->refs, 1);
    st = natsConnection_Subscribe(&c->inbox_sub, c->nc, subject, rpc_on_reply, c);
    free(subject);
    if (st != NATS_OK) {
        atomic_fetch_sub(&c->refs, 1);
        c->inbox_sub = NULL;
        return st;
    }
    natsSubscription_SetPendingLimits(c->inbox_sub, -1, -1);
    return natsSubscription_SetOnCompleteCB(c->inbox_sub, on_inbox_over, c);
}

/* Subscriptions of all users. They may come and go meanwhile; their jobs do the rest. */
static natsStatus subscribe_all(struct conn *c) {
    struct conn_sub **subs = NULL;
    size_t n = 0, cap = 0;
    natsStatus st = subscribe_inbox(c);
    pthread_mutex_lock(&c->lock);
    for (struct conn_sub *s = c->subs; s; s = s->next) {
        subs = x_grow(subs, n, &cap, sizeof(struct conn_sub *));
        atomic_fetch_add(&s->refs, 1);
        subs[n++] = s;
    }
    pthread_mutex_unlock(&c->lock);
    for (size_t i = 0; i < n; i++) {
        if (st == NATS_OK) {
            st = link_subscribe(c, subs[i]);
        }
        conn_sub_unref(subs[i]);
    }
    free(subs);
    return st == NATS_OK ? natsConnection_FlushTimeout(c->nc, c->opts.connect_timeout_ms) : st;
}

/* Library calls that only fail without memory are checked together at the end. */
static natsStatus set_options(struct conn *c, const struct opts_url *url, natsOptions *o) {
    natsStatus st = natsOptions_SetURL(o, url->url);
    int ok = natsOptions_SetName(o, c->opts.name) == NATS_OK;
    ok &= natsOptions_SetAllowReconnect(o, false) == NATS_OK;
    ok &= natsOptions_SetTimeout(o, c->opts.connect_timeout_ms) == NATS_OK;
    ok &= natsOptions_SetSendAsap(o, true) == NATS_OK;
    ok &= natsOptions_SetWriteDeadline(o, WRITE_DEADLINE_MS) == NATS_OK;
    ok &= natsOptions_SetPingInterval(o, c->opts.ping_interval_ms) == NATS_OK;
    ok &= natsOptions_SetMaxPingsOut(o, 2) == NATS_OK;
    ok &= natsOptions_UseGlobalMessageDelivery(o, true) == NATS_OK;
    ok &= natsOptions_SetClosedCB(o, on_closed, c) == NATS_OK;
    ok &= natsOptions_SetErrorHandler(o, on_error, c) == NATS_OK;
    return st != NATS_OK || ok ? st : NATS_NO_MEMORY;
}

static void drop_nc(struct conn *c) {
    natsConnection *nc = c->nc;
    pthread_mutex_lock(&c->lock);
    c->nc = NULL;
    c->lost = 0;
    pthread_mutex_unlock(&c->lock);
    natsConnection_Close(nc);
    natsSubscription_Destroy(c->inbox_sub);
    c->inbox_sub = NULL;
    pthread_mutex_lock(&c->lock);
    for (struct conn_sub *s = c->subs; s; s = s->next) {
        natsSubscription_Destroy(s->ns);
        s->ns = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    natsConnection_Destroy(nc);
}

/* Returns NULL when connected, else what is wrong (owned). */
static char *link_try(struct conn *c, const struct opts_url *url, natsStatus *ret_st) {
    natsOptions *o = NULL;
    natsConnection *nc = NULL;
    struct login login = {0};
    natsStatus st = natsOptions_Create(&o);
    char *why = NULL;
    if (st == NATS_OK) {
        st = set_options(c, url, o);
    }
    if (st == NATS_OK) {
        why = login_apply(&login, &c->opts, url, o);
    }
    if (st == NATS_OK && !why) {
        atomic_fetch_add(&c->refs, 1);
        st = natsConnection_Connect(&nc, o);
        if (st != NATS_OK) {
            atomic_fetch_sub(&c->refs, 1); /* on_closed is not called for an attempt */
        }
    }
    if (st == NATS_OK && !why) {
        pthread_mutex_lock(&c->lock);
        c->nc = nc;
        c->lost = 0;
        pthread_mutex_unlock(&c->lock);
        st = subscribe_all(c);
    }
    if (st != NATS_OK && !why) {
        why = login_explain(st, &c->opts, url);
    }
    if (why && nc) {
        drop_nc(c);
    }
    login_finish(&login);
    if (o) { /* what is kept needs no login */
        natsOptions_SetUserInfo(o, NULL, NULL);
        natsOptions_SetToken(o, NULL);
        natsOptions_Destroy(c->kept);
        c->kept = o;
    }
    *ret_st = st;
    return why;
}

static int known_url(const struct conn *c, const char *url) {
    const char *address = strstr(url, "://");
    for (size_t i = 0; i < c->opts.n_urls + c->n_found; i++) {
        const struct opts_url *u =
            i < c->opts.n_urls ? &c->opts.urls[i] : &c->found[i - c->opts.n_urls];
        if (strcmp(strstr(u->url, "://"), address) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Servers of a cluster name each other; a later connect tries those too. */
static void learn_servers(struct conn *c, int tls) {
    char **list = NULL;
    int n = 0;
    if (natsConnection_GetDiscoveredServers(c->nc, &list, &n) != NATS_OK) {
        return;
    }
    for (int i = 0; i < n; i++) {
        struct opts_url u;
        if (c->n_found < FOUND_MAX && opts_url_parse(list[i], tls, &u)) {
            if (known_url(c, u.url)) {
                free(u.url);
                free(u.host);
            } else {
                c->found = x_realloc_n(c->found, c->n_found + 1, sizeof(*c->found));
                c->found[c->n_found++] = u;
            }
        }
        free(list[i]);
    }
    free(list);
}

static void link_is_up(struct conn *c, const struct opts_url *url) {
    char id[sizeof(c->server_id)] = "";
    natsConnection_GetConnectedServerId(c->nc, id, sizeof(id));
    learn_servers(c, url->tls);
    atomic_store(&c->max_payload, (unsigned long long)natsConnection_GetMaxPayload(c->nc));
    pthread_mutex_lock(&c->lock);
    snprintf(c->url, sizeof(c->url), "%s", url->url);
    memcpy(c->server_id, id, sizeof(id));
    c->links++;
    c->denied[0] = '\0';
    pthread_mutex_unlock(&c->lock);
    atomic_store(&c->up, 1);
    c->opened_ns = conn_now_ns();
    free(c->said);
    c->said = NULL;
    conn_logf(c, TRL_LOG_INFO, "nats: connected to %s, server %s", url->url, id);
    conn_event(c, CONN_UP);
    if (natsConnection_IsClosed(c->nc)) { /* on_closed may have run before c->nc was set */
        pthread_mutex_lock(&c->lock);
        c->lost = 1;
        pthread_mutex_unlock(&c->lock);
    }
}

static void say_trouble(struct conn *c, char *trouble, int hopeless) {
    if (!c->said || strcmp(c->said, trouble) != 0) {
        conn_logf(c, hopeless ? TRL_LOG_ERROR : TRL_LOG_WARN,
                  "nats: not connected: %s; trying again until it works, at most every %lld ms",
                  trouble, (long long)c->opts.reconnect_max_ms);
    }
    free(c->said);
    c->said = trouble;
}

void link_open_round(struct conn *c) {
    char *trouble = NULL;
    int hopeless = 0;
    for (size_t i = 0; i < c->opts.n_urls + c->n_found; i++) {
        const struct opts_url *url =
            i < c->opts.n_urls ? &c->opts.urls[i] : &c->found[i - c->opts.n_urls];
        natsStatus st = NATS_OK;
        char *why = link_try(c, url, &st);
        if (why && st == NATS_CONNECTION_AUTH_FAILED && login_signs(&c->opts)) {
            free(why);
            why = link_try(c, url, &st);
        }
        if (!why) {
            free(trouble);
            link_is_up(c, url);
            return;
        }
        hopeless |= st != NATS_NO_SERVER && st != NATS_IO_ERROR && st != NATS_TIMEOUT;
        text_join(&trouble, why);
        free(why);
    }
    say_trouble(c, trouble, hopeless);
}

void link_close(struct conn *c) {
    const char *text = NULL;
    natsStatus st = natsConnection_GetLastError(c->nc, &text);
    char *why = text_dup(st != NATS_OK && text && *text ? text : natsStatus_GetText(st));
    int closing;
    pthread_mutex_lock(&c->lock);
    closing = c->closing && !c->lost;
    pthread_mutex_unlock(&c->lock);
    atomic_store(&c->up, 0);
    learn_servers(c, 0);
    drop_nc(c);
    rpc_fail_all(c, TRL_E_UNAVAIL);
    if (!closing) {
        conn_logf(c, TRL_LOG_WARN, "nats: lost the connection to %s%s%s; connecting again", c->url,
                  st == NATS_OK ? "" : ": ", st == NATS_OK ? "" : why);
    }
    free(why);
    conn_event(c, CONN_DOWN);
}
