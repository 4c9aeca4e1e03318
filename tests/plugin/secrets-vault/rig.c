/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include "../../tools/outside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../unit/cmocka_all.h"

static bool fits(const struct rule *u, const struct fake_req *q) {
    size_t n = strlen(u->path);
    if (u->times < 0 || (u->method[0] && strcmp(u->method, q->method) != 0)) {
        return false;
    }
    if (n && u->path[n - 1] == '*') {
        return strncmp(u->path, q->path, n - 1) == 0;
    }
    return n == 0 || strcmp(u->path, q->path) == 0;
}

static void serve(void *arg, struct fake_conn *c, const struct fake_req *q) {
    struct rig *r = arg;
    struct rule u = {.status = 404, .body = "{\"errors\":[]}"};
    bool found = false;
    pthread_mutex_lock(&r->lock);
    snprintf(r->head, sizeof(r->head), "%s", q->head);
    if (q->len) {
        snprintf(r->body, sizeof(r->body), "%s", q->body);
    }
    for (size_t i = r->n_rules; i-- > 0 && !found;) {
        if (fits(&r->rules[i], q)) {
            u = r->rules[i];
            r->asked[i]++;
            found = true;
            if (r->rules[i].times > 0 && --r->rules[i].times == 0) {
                r->rules[i].times = -1;
            }
        }
    }
    r->unexpected += !found;
    pthread_mutex_unlock(&r->lock);
    size_t len = u.len ? u.len : u.body ? strlen(u.body) : 0;
    if (u.hold) {
        fake_hold(c);
    } else if (u.status == 0) {
        fake_raw(c, u.body, len);
        fake_close(c);
    } else {
        fake_reply(c, u.status, u.more ? u.more : "", u.body ? u.body : "", len);
    }
}

void rig_init(struct rig *r) {
    memset(r, 0, sizeof(*r));
    pthread_mutex_init(&r->lock, NULL);
    snprintf(r->dir, sizeof(r->dir), "/tmp/trellis-vault-XXXXXX");
    if (!mkdtemp(r->dir)) {
        abort();
    }
    r->http = fake_http_create(serve, r);
    r->tk = tk_create(false);
}

const char *rig_file(struct rig *r, const char *name, const char *text) {
    return outside_file(r->dir, name, text);
}

void rig_open(struct rig *r, const char *more) {
    char config[1200], auth[200] = "";
    if (!strstr(more, "\"auth\"")) {
        snprintf(auth, sizeof(auth), ",\"auth\":{\"token_file\":\"%s\"}",
                 rig_file(r, "token", "first\n"));
    }
    snprintf(config, sizeof(config), "{\"address\":\"%s%s\"%s%s}", fake_http_url(r->http),
             r->base ? r->base : "", auth, more);
    r->in = tk_open(r->tk, TRL_KIND_SECRETS, "vault", config, NULL, 0);
    assert_non_null(r->in);
}

void rig_close(struct rig *r) {
    tk_close(r->tk, r->in);
    r->in = NULL;
}

void rig_finish(struct rig *r) {
    if (r->in) {
        rig_close(r);
    }
    fake_http_destroy(r->http);
    outside_remove(r->dir);
    pthread_mutex_destroy(&r->lock);
    assert_int_equal(tk_destroy(r->tk), 0);
}

size_t rig_rule(struct rig *r, struct rule rule) {
    pthread_mutex_lock(&r->lock);
    size_t i = r->n_rules++;
    if (i >= 16) {
        abort();
    }
    r->rules[i] = rule;
    r->asked[i] = 0;
    pthread_mutex_unlock(&r->lock);
    return i;
}

void rig_drop(struct rig *r, size_t rule) {
    pthread_mutex_lock(&r->lock);
    r->rules[rule].times = -1;
    while (r->n_rules && r->rules[r->n_rules - 1].times < 0) {
        r->n_rules--;
    }
    pthread_mutex_unlock(&r->lock);
}

uint32_t rig_asked(struct rig *r, size_t rule) {
    pthread_mutex_lock(&r->lock);
    uint32_t n = r->asked[rule];
    pthread_mutex_unlock(&r->lock);
    return n;
}

bool rig_saw(struct rig *r, const char *part) {
    pthread_mutex_lock(&r->lock);
    bool yes = strstr(r->head, part) != NULL;
    pthread_mutex_unlock(&r->lock);
    return yes;
}

bool rig_sent(struct rig *r, const char *body) {
    pthread_mutex_lock(&r->lock);
    bool yes = strcmp(r->body, body) == 0;
    if (!yes) {
        fprintf(stderr, "sent: %s\n", r->body);
    }
    pthread_mutex_unlock(&r->lock);
    return yes;
}

struct waiting {
    struct rig *r;
    size_t rule;
    uint32_t n;
};

static bool enough(void *arg) {
    struct waiting *w = arg;
    return rig_asked(w->r, w->rule) >= w->n;
}

/* What is waited for happens on another thread: the loop looks again every so often. */
static void tick(void *arg) {
    struct rig *r = arg;
    loop_timer_start(&r->ticking, 5 * TK_MS);
}

bool rig_until(struct rig *r, bool (*done)(void *arg), void *arg) {
    loop_timer_init(&r->ticking, tk_loop(r->tk), tick, r);
    tick(r);
    bool met = tk_until(r->tk, done, arg);
    loop_timer_stop(&r->ticking);
    return met;
}

void rig_wait_asked(struct rig *r, size_t rule, uint32_t n) {
    struct waiting w = {r, rule, n};
    rig_until(r, enough, &w);
}

void rig_usual(struct rig *r) {
    RULE(r, .method = "GET", .path = "/v1/auth/token/lookup-self", .status = 200,
         .body = RIG_LOOKUP);
    RULE(r, .method = "GET", .path = "/v1/secret/data/a", .status = 200,
         .body = RIG_DATA("{\"value\":\"v1\"}", "1"));
}
