/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-sent events. A stream asks the loop for what lies behind its cursor when it has sent what
 * it had, so a slow reader costs one batch, and the ring in the core tells it what it missed.
 */
#include <inttypes.h>
#include <stdio.h>

#include "../common/xmem.h"
#include "http.h"

#define BLOCK_BYTES   16384u
#define KEEP_ALIVE_NS (15 * NS_PER_S)

struct stream {
    struct stream *prev, *next;
    struct trl_inst *in;
    struct MHD_Connection *conn;
    char *lattice, *app, *kinds, *tenant;
    trl_cursor cursor;
    struct text out; /* not sent yet */
    size_t sent;     /* of it */
    struct job *job; /* on its way */
    int stale, suspended, ended;
    int64_t said_ns; /* when something was sent last */
};

static void ask(struct stream *s) {
    if (s->job || s->ended) {
        return;
    }
    struct job *j = job_new(s->in, JOB_EVENTS);
    j->stream = s;
    j->cursor = s->cursor;
    j->lattice = s->lattice ? text_dup(trl_cstr(s->lattice)) : NULL;
    j->app = s->app ? text_dup(trl_cstr(s->app)) : NULL;
    j->kinds = s->kinds ? text_dup(trl_cstr(s->kinds)) : NULL;
    j->tenant = s->tenant ? text_dup(trl_cstr(s->tenant)) : NULL;
    s->stale = 0;
    if (job_send(j)) {
        s->job = j;
    } else {
        s->ended = 1;
    }
}

static void wake(struct stream *s) {
    if (s->suspended) {
        s->suspended = 0;
        MHD_resume_connection(s->conn);
    }
}

static ssize_t reader(void *cls, uint64_t pos, char *buf, size_t max) {
    struct stream *s = cls;
    (void)pos;
    size_t n = s->out.len - s->sent;
    if (n) {
        n = n < max ? n : max;
        memcpy(buf, s->out.ptr + s->sent, n);
        s->sent += n;
        if (s->sent == s->out.len) {
            text_finish(&s->out);
            s->sent = 0;
        }
        return (ssize_t)n;
    }
    if (s->stale) {
        ask(s);
    }
    if (s->ended) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    s->suspended = 1;
    MHD_suspend_connection(s->conn);
    return 0;
}

static void stream_free(void *cls) {
    struct stream *s = cls;
    *(s->prev ? &s->prev->next : &s->in->streams) = s->next;
    if (s->next) {
        s->next->prev = s->prev;
    }
    if (s->job) {
        s->job->stream = NULL;
    }
    s->in->counts.n_streams--;
    free(s->lattice);
    free(s->app);
    free(s->kinds);
    free(s->tenant);
    text_finish(&s->out);
    free(s);
}

static char *param(struct MHD_Connection *conn, const char *name) {
    const char *v = MHD_lookup_connection_value(conn, MHD_GET_ARGUMENT_KIND, name);
    return v && *v ? text_dup(trl_cstr(v)) : NULL;
}

static trl_cursor cursor_of(const char *id) {
    unsigned long long epoch, seq;
    char end;
    trl_cursor none = {0, 0};
    if (!id || strlen(id) > 48 || sscanf(id, "%llx-%llu%c", &epoch, &seq, &end) != 2) {
        return none;
    }
    return (trl_cursor){epoch, seq};
}

struct MHD_Response *stream_create(struct trl_inst *in, struct MHD_Connection *conn,
                                   const char *last_id) {
    struct stream *s = x_zalloc(sizeof(*s));
    s->in = in;
    s->conn = conn;
    s->lattice = param(conn, "lattice");
    s->app = param(conn, "app");
    s->kinds = param(conn, "kind");
    s->tenant = param(conn, "tenant");
    s->cursor = cursor_of(last_id);
    s->stale = 1;
    s->ended = in->closing;
    s->said_ns = in->h->now_ns(in->h->ctx);
    s->next = in->streams;
    if (s->next) {
        s->next->prev = s;
    }
    in->streams = s;
    in->counts.n_streams++;
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, reader, s, stream_free);
    MHD_add_response_header(r, "Content-Type", "text/event-stream");
    return r;
}

void stream_fed(struct stream *s, struct job *j) {
    s->job = NULL;
    if (j->st == TRL_OK) {
        s->cursor = j->cursor;
        s->stale |= j->more;
        text_add(&s->out, j->out.ptr, j->out.len);
        if (j->out.len) {
            s->said_ns = s->in->h->now_ns(s->in->h->ctx);
        }
    } else {
        s->ended = 1;
    }
    job_free(j);
    if (s->out.len || s->ended || s->stale) {
        wake(s); /* the reader asks again when everything is sent */
    }
}

void streams_more(struct trl_inst *in) {
    for (struct stream *s = in->streams; s; s = s->next) {
        s->stale = 1;
        if (!s->out.len) {
            wake(s);
        }
    }
}

void streams_tick(struct trl_inst *in, int64_t now_ns) {
    for (struct stream *s = in->streams; s; s = s->next) {
        if (s->suspended && now_ns - s->said_ns > KEEP_ALIVE_NS) {
            text_adds(&s->out, ": still here\n\n");
            s->said_ns = now_ns;
            wake(s);
        }
    }
}

void streams_end(struct trl_inst *in) {
    for (struct stream *s = in->streams; s; s = s->next) {
        s->ended = 1;
        wake(s);
    }
}
