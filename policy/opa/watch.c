/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include "../../plugins/common/xmem.h"
#include "answer.h"

#define PATIENCE       3 /* polls that may fail before what is kept counts as unknown */
#define POLL_NS        10000000000ll
#define POLICIES_BYTES (64u << 20) /* with their syntax trees */
#define REVISION_BYTES (1u << 20)

struct watcher {
    struct watcher *next;
    trl_op *op;
    int owed;  /* a change that the core did not take yet */
    int fresh; /* has heard nothing: what happened while it was on its way here is not known */
};

struct watch {
    const trl_host *host;
    const struct opts *opts;
    struct http *http;
    struct watcher *watchers;
    struct http_req poll;
    int polling;
    int64_t next_ns;
    uint64_t revision; /* as last seen */
    int seen;          /* revision is one */
    uint64_t era, last_era;
    uint32_t failed; /* polls in a row */
    char what[300];
};

struct watch *watch_create(const trl_host *host, const struct opts *o, struct http *h) {
    struct watch *w = x_zalloc(sizeof(*w));
    w->host = host;
    w->opts = o;
    w->http = h;
    return w;
}

void watch_destroy(struct watch *w) {
    free(w);
}

uint64_t watch_era(const struct watch *w) {
    return w->era;
}

/* Telling */

static void tell(struct watch *w, struct watcher *one) {
    trl_bytes item = {w->what, strlen(w->what)};
    one->owed = w->host->op_emit(one->op, item) == TRL_E_BUSY;
}

static void tell_all(struct watch *w, const char *what, int only_fresh) {
    snprintf(w->what, sizeof(w->what), "%s", what);
    for (struct watcher *one = w->watchers; one; one = one->next) {
        if (one->fresh || !only_fresh) {
            one->fresh = 0;
            tell(w, one);
        }
    }
}

void watch_resume(struct watch *w, trl_op *op) {
    for (struct watcher *one = w->watchers; one; one = one->next) {
        if (one->op == op && one->owed) {
            tell(w, one);
        }
    }
}

void watch_add(struct watch *w, trl_op *op) {
    struct watcher *one = x_zalloc(sizeof(*one));
    one->op = op;
    one->fresh = 1;
    one->next = w->watchers;
    if (!w->watchers) {
        w->next_ns = 0; /* look at once */
    }
    w->watchers = one;
}

static void drop_poll(struct watch *w) {
    if (w->polling) {
        http_drop(w->http, &w->poll);
        w->polling = 0;
    }
}

void watch_cancel(struct watch *w, trl_op *op, trl_status st) {
    struct watcher **at = &w->watchers;
    while (*at && (*at)->op != op) {
        at = &(*at)->next;
    }
    if (*at) {
        struct watcher *one = *at;
        *at = one->next;
        trl_op_fail(w->host, one->op, st, st == TRL_E_CANCELLED ? "cancelled" : "stopped");
        free(one);
    }
    if (!w->watchers) { /* nobody looks: what happens now is not known later */
        drop_poll(w);
        w->era = 0;
        w->seen = 0;
    }
}

void watch_end(struct watch *w) {
    while (w->watchers) {
        watch_cancel(w, w->watchers->op, TRL_E_CLOSED);
    }
    drop_poll(w);
}

/* Polling */

static void poll_failed(struct watch *w, const char *why) {
    char text[300];
    http_failed(w->http, why);
    if (++w->failed == PATIENCE && w->era) {
        w->era = 0;
        snprintf(text, sizeof(text), "whether the rules changed is not known any more: %.200s",
                 why);
        tell_all(w, text, 0);
    }
}

static void poll_worked(struct watch *w, uint64_t revision) {
    const char *of = w->opts->revision_path ? "revision" : "policies";
    int changed = w->seen && revision != w->revision;
    char text[300];
    http_worked(w->http);
    w->failed = 0;
    w->seen = 1;
    w->revision = revision;
    if (changed || !w->era) {
        w->era = ++w->last_era;
    }
    snprintf(text, sizeof(text), "%s %s at %.150s", of, changed ? "changed" : "first seen",
             w->opts->url);
    tell_all(w, text, !changed);
}

static void on_poll(struct http_req *r, const struct http_answer *a) {
    struct watch *w = (struct watch *)((char *)r - offsetof(struct watch, poll));
    trl_err err = {.struct_size = sizeof(err)};
    uint64_t revision = 0;
    trl_status st = a->st;
    w->polling = 0;
    w->next_ns = w->host->now_ns(w->host->ctx) + w->opts->watch_ms * 1000000;
    if (st != TRL_OK) {
        trl_errf(&err, st, "%s", a->why);
    } else if (a->status != 200) {
        st = answer_refused(w->opts->url, a->status, a->body, a->len, &err);
    } else {
        st = answer_revision(a->body, a->len, !w->opts->revision_path, &revision, &err);
    }
    if (st != TRL_OK) {
        poll_failed(w, err.msg);
    } else {
        poll_worked(w, revision);
    }
}

int64_t watch_tick(struct watch *w, int64_t now_ns) {
    if (!w->watchers || w->polling || w->opts->watch_ms == 0) {
        return INT64_MAX;
    }
    if (now_ns < w->next_ns) {
        return w->next_ns;
    }
    w->polling = 1;
    w->poll = (struct http_req){
        .path = w->opts->revision_path ? opts_data_path(w->opts->revision_path, 0)
                                       : x_checked(strdup("/v1/policies")),
        .limit = w->opts->revision_path ? REVISION_BYTES : POLICIES_BYTES,
        .deadline_ns = now_ns + POLL_NS,
        .on_done = on_poll,
    };
    http_submit(w->http, &w->poll);
    return INT64_MAX;
}
