/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"

#include <stdio.h>
#include <time.h>

#include "login.h"
#include "vault.h"

#define MS               1000000ll
#define SLICE_MS         50
#define BACKOFF_FIRST_MS 250u
#define BACKOFF_MAX_MS   15000u
#define AGAIN_NS         (5000 * MS)  /* between two logins because of a 403 */
#define OLD_NS           (60000 * MS) /* a role's policies may have changed since */
#define RENEW_RETRY_NS   (2000 * MS)
#define DUE_MIN_NS       (200 * MS)

void auth_init(trl_inst *in) {
    struct auth *a = &in->auth;
    pthread_condattr_t attr;
    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&a->changed, &attr);
    pthread_condattr_destroy(&attr);
    sbuf_init(&a->token, &in->mem);
    a->last = vault_err();
}

void auth_finish(trl_inst *in) {
    sbuf_finish(&in->auth.token);
    pthread_cond_destroy(&in->auth.changed);
    pthread_mutex_destroy(&in->auth.lock);
}

static int64_t now(const trl_inst *in) {
    return in->h->now_ns(in->h->ctx);
}

/* With the lock held. */
static bool alive(const trl_inst *in) {
    const struct auth *a = &in->auth;
    return a->token.n && (a->life_ns == 0 || now(in) - a->got_ns < a->life_ns);
}

static bool of_the_asker(trl_status st) {
    return st == TRL_E_CANCELLED || st == TRL_E_TIMEOUT || st == TRL_E_CLOSED;
}

/* With the lock held: one line for a failure, and no other until it changes. */
static void tell(trl_inst *in, const trl_err *err, const char *doing) {
    struct auth *a = &in->auth;
    if (err->code != TRL_OK && !of_the_asker(err->code) &&
        strncmp(a->logged, err->msg, sizeof(a->logged)) != 0) {
        snprintf(a->logged, sizeof(a->logged), "%s", err->msg);
        trl_logf(in->h, err->code == TRL_E_UNAVAIL ? TRL_LOG_WARN : TRL_LOG_ERROR, "%s: %s", doing,
                 err->msg);
    }
}

/* With the lock held, by the thread that is busy. */
static void keep(trl_inst *in, struct grant *g, bool fresh) {
    struct auth *a = &in->auth;
    if (fresh) {
        sbuf_finish(&a->token);
        a->token = g->token;
        sbuf_init(&g->token, &in->mem);
        a->gen++;
        a->logins++;
        a->first_life_ns = g->life_ns;
    } else {
        a->renewals++;
    }
    a->got_ns = now(in);
    a->life_ns = g->life_ns;
    a->renewable = g->renewable;
    a->retry_ns = 0;
    a->backoff_ms = 0;
    a->not_before_ns = 0;
    a->logged[0] = '\0';
    if (fresh && g->unsure) {
        trl_logf(in->h, TRL_LOG_WARN,
                 "the token in auth.token_file may not look itself up: it is not valid, or has no "
                 "policy 'default' and is not renewed");
    }
    vault_auth_changed(in);
}

/* With the lock held. */
static void failed(trl_inst *in, const trl_err *err, const char *doing) {
    struct auth *a = &in->auth;
    tell(in, err, doing);
    if (err->code == TRL_E_UNAVAIL || of_the_asker(err->code)) {
        return; /* the next who needs it tries */
    }
    a->backoff_ms = a->backoff_ms ? a->backoff_ms * 2 : BACKOFF_FIRST_MS;
    a->backoff_ms = a->backoff_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : a->backoff_ms;
    a->not_before_ns = now(in) + a->backoff_ms * MS;
}

/* With the lock held and busy set by this thread; the lock is given up meanwhile. */
static trl_status log_in(trl_inst *in, const struct patience *w, trl_err *err) {
    struct auth *a = &in->auth;
    struct grant g = {.life_ns = 0};
    trl_err mine = vault_err();
    sbuf_init(&g.token, &in->mem);
    pthread_mutex_unlock(&a->lock);
    trl_status st = login(in, w, &g, &mine);
    mine.code = st;
    pthread_mutex_lock(&a->lock);
    if (st == TRL_OK) {
        keep(in, &g, true);
    } else {
        failed(in, &mine, "login");
        *err = mine;
    }
    a->last = mine;
    a->attempts++;
    sbuf_finish(&g.token);
    return st;
}

static void begin(struct auth *a) {
    a->busy = true;
}

static void end(struct auth *a) {
    a->busy = false;
    pthread_cond_broadcast(&a->changed);
}

/* With the lock held: until no thread is busy. Its failure is ours, too, unless it gave up early.
 */
static trl_status wait_turn(trl_inst *in, const struct patience *w, trl_err *err) {
    struct auth *a = &in->auth;
    uint64_t seen = a->attempts;
    while (a->busy) {
        struct timespec until;
        trl_status st = patience_left(w, err);
        if (st != TRL_OK) {
            return st;
        }
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += SLICE_MS * MS;
        if (until.tv_nsec >= 1000 * MS) {
            until.tv_nsec -= 1000 * MS;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&a->changed, &a->lock, &until);
    }
    if (a->attempts != seen && a->last.code != TRL_OK && !of_the_asker(a->last.code)) {
        *err = a->last;
        return err->code;
    }
    return TRL_OK;
}

/* With the lock held. */
static trl_status need_token(trl_inst *in, const struct patience *w, trl_err *err) {
    struct auth *a = &in->auth;
    while (!alive(in)) {
        trl_status st = wait_turn(in, w, err);
        if (st != TRL_OK || alive(in)) {
            return st;
        }
        int64_t left = a->not_before_ns - now(in);
        if (left > 0) {
            *err = a->last;
            err->retry_after_ms = (uint32_t)(left / MS) + 1;
            return err->code;
        }
        begin(a);
        st = log_in(in, w, err);
        end(a);
        if (st != TRL_OK) {
            return st;
        }
    }
    return TRL_OK;
}

trl_status auth_need(trl_inst *in, const struct patience *w, trl_err *err) {
    pthread_mutex_lock(&in->auth.lock);
    trl_status st = need_token(in, w, err);
    pthread_mutex_unlock(&in->auth.lock);
    return st;
}

trl_status auth_header(trl_inst *in, const struct patience *w, struct sbuf *r, uint64_t *ret_gen,
                       trl_err *err) {
    struct auth *a = &in->auth;
    pthread_mutex_lock(&a->lock);
    trl_status st = need_token(in, w, err);
    if (st == TRL_OK) {
        sbuf_text(r, "X-Vault-Token: ");
        sbuf_add(r, a->token.at, a->token.n);
        sbuf_text(r, "\r\n");
        *ret_gen = a->gen;
    }
    pthread_mutex_unlock(&a->lock);
    return st;
}

/* With the lock held: a copy, for a request that is made without the lock. */
static bool copy_token(trl_inst *in, struct sbuf *to) {
    sbuf_init(to, &in->mem);
    return sbuf_add(to, in->auth.token.at, in->auth.token.n);
}

/* With busy set, without the lock: is a login likely to change the answer? Method token: only a
 * file that has changed helps. Others: a token that the server does not know any more, or an old
 * one. */
static trl_status worth_it(trl_inst *in, const struct patience *w, const struct sbuf *token,
                           int64_t age_ns, trl_err *err) {
    struct grant g = {.life_ns = 0};
    sbuf_init(&g.token, &in->mem);
    trl_status st;
    if (in->conf.method == CONF_TOKEN) {
        st = login_read_token(in, &g.token, err);
        if (st == TRL_OK && g.token.n == token->n && memcmp(g.token.at, token->at, token->n) == 0) {
            st = TRL_E_DENIED;
        }
    } else if (age_ns >= OLD_NS) {
        st = TRL_OK;
    } else {
        st = login_lookup(in, w, token, &g, err);
        st = st == TRL_OK ? TRL_E_DENIED : st == TRL_E_DENIED ? TRL_OK : st;
    }
    sbuf_finish(&g.token);
    return st;
}

trl_status auth_again(trl_inst *in, const struct patience *w, uint64_t gen, trl_err *err) {
    struct auth *a = &in->auth;
    struct sbuf token;
    pthread_mutex_lock(&a->lock);
    trl_status st = wait_turn(in, w, err);
    if (st == TRL_OK && a->gen == gen && now(in) < a->no_again_ns) {
        st = TRL_E_DENIED;
    }
    if (st == TRL_OK && a->gen == gen) {
        int64_t age = now(in) - a->got_ns;
        begin(a);
        st = copy_token(in, &token) ? TRL_OK : vault_no_memory(err);
        pthread_mutex_unlock(&a->lock);
        st = st == TRL_OK ? worth_it(in, w, &token, age, err) : st;
        sbuf_finish(&token);
        pthread_mutex_lock(&a->lock);
        if (st == TRL_OK) {
            a->no_again_ns = now(in) + AGAIN_NS;
            st = log_in(in, w, err);
        }
        end(a);
    }
    pthread_mutex_unlock(&a->lock);
    return st;
}

/* With busy set, without the lock. TRL_OK: renewed. Others: a login is better. */
static trl_status renew(trl_inst *in, const struct patience *w, const struct sbuf *token,
                        int64_t first_life_ns, struct grant *g, trl_err *err) {
    trl_status st = login_renew(in, w, token, g, err);
    if (st == TRL_OK && in->conf.method != CONF_TOKEN && g->life_ns < first_life_ns / 2) {
        return trl_errf(err, TRL_E_DENIED, "the token nears the end of what it may live");
    }
    return st;
}

void auth_renew(trl_inst *in, const struct patience *w) {
    struct auth *a = &in->auth;
    struct grant g = {.life_ns = 0};
    struct sbuf token;
    trl_err err = vault_err();
    trl_status st = TRL_E_DENIED;
    sbuf_init(&g.token, &in->mem);
    pthread_mutex_lock(&a->lock);
    if (a->busy || !a->token.n) { /* a login is under way, and arms the timer anew */
        pthread_mutex_unlock(&a->lock);
        return;
    }
    begin(a);
    bool renewable = a->renewable;
    int64_t first = a->first_life_ns;
    bool copied = copy_token(in, &token);
    pthread_mutex_unlock(&a->lock);
    if (renewable && copied) {
        st = renew(in, w, &token, first, &g, &err);
    }
    sbuf_finish(&token);
    pthread_mutex_lock(&a->lock);
    if (st == TRL_OK) {
        keep(in, &g, false);
    } else if (st != TRL_E_UNAVAIL && !of_the_asker(st)) {
        st = log_in(in, w, &err);
    }
    if (st != TRL_OK) {
        tell(in, &err, "renewal");
        a->retry_ns = now(in) + RENEW_RETRY_NS;
    }
    end(a);
    pthread_mutex_unlock(&a->lock);
    sbuf_finish(&g.token);
}

int64_t auth_due_ns(trl_inst *in) {
    struct auth *a = &in->auth;
    int64_t due = INT64_MAX;
    pthread_mutex_lock(&a->lock);
    if (a->retry_ns) {
        due = a->retry_ns;
    } else if (a->token.n && a->life_ns) {
        int64_t wait = a->life_ns / 3 * 2;
        due = a->got_ns + (wait < DUE_MIN_NS ? DUE_MIN_NS : wait);
    }
    pthread_mutex_unlock(&a->lock);
    return due;
}
