/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP requests to one server, on a thread of their own: all of them share its connections, none
 * can hold up another or the loop. What an instance knows about its calls lives on this thread too.
 * [thread] is this one; times are in ns of the host's clock.
 */
#ifndef PLUGINS_COMMON_CURL_THREAD_H
#define PLUGINS_COMMON_CURL_THREAD_H

#include <trellis/helper.h>

struct http;

/* A header of every request; value or file is set. The file is read at every request. */
struct http_header {
    const char *option; /* as messages name it: "token_file" */
    const char *before; /* "Authorization: Bearer " */
    const char *value, *file;
    int spaces; /* the file's text may have some within it */
};

/* Which server, and how. Strings may be NULL where nothing is configured, but for the first three
 * and limit_option. */
struct http_conf {
    const char *name;  /* begins log lines: "opa" */
    const char *agent; /* the User-Agent */
    const char *url;   /* without a '/' at its end */
    const char *unix_socket, *ca, *cert, *key;
    const struct http_header *headers;
    uint32_t n_headers;
    uint32_t max_connections; /* at most HTTP_CONNECTIONS_MAX */
    int64_t timeout_ms, connect_timeout_ms;
    const char *limit_option; /* what a message about too long an answer names */
};

#define HTTP_CONNECTIONS_MAX 64u

/* What came of a request. st is TRL_OK for every complete HTTP answer, whatever its status; the
 * status of one that did not end is told, too (0: none came). */
struct http_answer {
    trl_status st;
    const char *why; /* st != TRL_OK: what happened, for people; no newline */
    long status;
    uint32_t retry_after_ms; /* 0: not said */
    const char *body;
    size_t len;
};

/* Embedded in its owner. The members before on_done are the owner's to set; path and body are
 * taken when it is submitted. */
struct http_req {
    char *path; /* "/v1/data/..." */
    char *body; /* NULL: a GET */
    size_t body_len;
    const char *encoding; /* of the body: "gzip"; static. NULL: none */
    const char *header;   /* one more, "Name: value", borrowed; NULL: none */
    size_t limit;         /* longest answer */
    int64_t deadline_ns;
    void (*on_done)(struct http_req *r, const struct http_answer *a); /* [thread] once */

    struct http_req *prev, *next;
    void *easy, *headers; /* of the request under way */
    char *got;
    size_t n_got, cap;
    char trouble[256]; /* curl's own words */
};

struct http_facts {
    uint64_t requests, connections, failures;
    char failure[256]; /* the last; "" since the last success */
};

/* c is borrowed for its life. NULL: out of memory. */
struct http *http_create(const trl_host *h, const struct http_conf *c);
/* [loop] tick: called on the thread at every turn; it returns when it wants to be called again
 * (INT64_MAX: no matter). on_thread_end: the last thing that runs on the thread. */
trl_status http_start(struct http *h, int64_t (*tick)(void *arg, int64_t now_ns),
                      void (*on_thread_end)(void *arg), void *arg, trl_err *err);
/* [any] Runs fn(arg) on the thread, in order. -1: it is ending, nothing will run. */
int http_post(struct http *h, void (*fn)(void *arg), void *arg);
/* [thread] Ends the thread after this turn. Every request has to be dropped before. */
void http_quit(struct http *h);
/* [loop] Waits for the thread's end, frees everything. NULL is fine. */
void http_destroy(struct http *h);

/* [thread] on_done comes, but not from within this call. */
void http_submit(struct http *h, struct http_req *r);
/* [thread] No on_done any more. A request that is over or was never submitted is ignored. */
void http_drop(struct http *h, struct http_req *r);
/* [thread] A finished request was of no use after all: told in the log and in the facts. */
void http_failed(struct http *h, const char *why);
void http_worked(struct http *h);
void http_facts(struct http *h, struct http_facts *out); /* [any] */

#endif
