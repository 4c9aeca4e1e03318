/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <limits.h>
#include <strings.h>

enum step { HEAD, LENGTH, UNTIL_CLOSE, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER };

void http_in_init(struct http_in *in, struct sbuf *buf, size_t max_body) {
    memset(in, 0, sizeof(*in));
    in->buf = buf;
    in->max_body = max_body;
    in->retry_after_s = -1;
    sbuf_clear(buf);
}

static enum http_state bad(struct http_in *in, const char *why) {
    in->error = why;
    in->state = HTTP_BAD;
    return in->state;
}

/* Raw bytes that are not looked at yet close up to the body: what was between is not needed. */
static void close_up(struct http_in *in) {
    struct sbuf *b = in->buf;
    size_t rest = b->n - in->scan;
    if (in->scan > in->body) {
        memmove(b->at + in->body, b->at + in->scan, rest);
        b->n = in->body + rest;
        in->scan = in->body;
    }
}

char *http_in_room(struct http_in *in, size_t *ret_n) {
    size_t want = 4096;
    if (in->buf->n) {
        close_up(in);
    }
    if (in->step == LENGTH || in->step == CHUNK) {
        want = in->left < want ? (size_t)in->left + 2 : want;
    }
    if (!sbuf_room(in->buf, want)) {
        in->state = HTTP_NOMEM;
        return NULL;
    }
    *ret_n = in->buf->cap - in->buf->n;
    return in->buf->at + in->buf->n;
}

static bool header_is(trl_str line, const char *name, trl_str *ret_value) {
    size_t n = strlen(name);
    if (line.len <= n || line.ptr[n] != ':' || strncasecmp(line.ptr, name, n) != 0) {
        return false;
    }
    const char *p = line.ptr + n + 1, *end = line.ptr + line.len;
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    while (end > p && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    *ret_value = trl_strn(p, (size_t)(end - p));
    return true;
}

static bool is_nocase(trl_str s, const char *word) {
    return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

static bool decimal(trl_str s, uint64_t max, uint64_t *ret) {
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned d = (unsigned)(s.ptr[i] - '0');
        if (d > 9 || v > (max - d) / 10) {
            return false;
        }
        v = v * 10 + d;
    }
    *ret = v;
    return s.len > 0;
}

/* "HTTP/1.1 200 OK" */
static bool status_line(struct http_in *in, trl_str line) {
    uint64_t code;
    if (line.len < 12 || memcmp(line.ptr, "HTTP/1.", 7) != 0 || line.ptr[8] != ' ' ||
        !decimal(trl_strn(line.ptr + 9, 3), 999, &code) || code < 100 ||
        (line.len > 12 && line.ptr[12] != ' ')) {
        return false;
    }
    in->status = (int)code;
    in->keep = line.ptr[7] != '0';
    return true;
}

struct framing {
    bool chunked, coded, length;
    uint64_t n;
};

static bool header(struct http_in *in, struct framing *f, trl_str line) {
    trl_str v;
    uint64_t n;
    if (header_is(line, "Content-Length", &v)) {
        if (!decimal(v, INT64_MAX, &n) || (f->length && f->n != n)) {
            return false;
        }
        f->length = true;
        f->n = n;
    } else if (header_is(line, "Transfer-Encoding", &v)) {
        f->chunked = is_nocase(v, "chunked");
        f->coded = !f->chunked;
    } else if (header_is(line, "Content-Encoding", &v)) {
        f->coded |= !is_nocase(v, "identity");
    } else if (header_is(line, "Connection", &v)) {
        in->keep = in->keep && !is_nocase(v, "close");
    } else if (header_is(line, "Retry-After", &v)) {
        if (decimal(v, INT32_MAX, &n)) {
            in->retry_after_s = (int64_t)n;
        }
    } else if (header_is(line, "Location", &v)) {
        in->redirect = true;
    }
    return true;
}

/* The line that begins at `from`, without its end; false: not whole yet. LF alone is taken, too. */
static bool line_at(const struct http_in *in, size_t from, trl_str *ret, size_t *ret_next) {
    const char *p = in->buf->at + from, *nl = memchr(p, '\n', in->buf->n - from);
    if (!nl) {
        return false;
    }
    *ret_next = from + (size_t)(nl - p) + 1;
    *ret = trl_strn(p, (size_t)(nl - p) - (nl > p && nl[-1] == '\r'));
    return true;
}

static enum http_state begin_body(struct http_in *in, const struct framing *f) {
    if (in->status < 200) { /* 100 Continue and the like: the real head follows */
        in->status = 0;
        return HTTP_MORE;
    }
    if (f->coded) {
        return bad(in, "it is encoded, which nobody asked for");
    }
    if (in->status == 204 || in->status == 304) {
        in->state = HTTP_DONE;
    } else if (f->chunked) {
        in->step = CHUNK_SIZE;
    } else if (f->length) {
        in->step = LENGTH;
        in->left = f->n;
        if (f->n > in->max_body) {
            in->state = HTTP_LARGE;
        } else if (f->n == 0) {
            in->state = HTTP_DONE;
        }
    } else {
        in->step = UNTIL_CLOSE;
        in->keep = false;
    }
    return in->state;
}

static bool step_head(struct http_in *in) {
    struct framing f = {0};
    trl_str line;
    size_t at = in->scan;
    bool first = true;
    for (;;) {
        if (!line_at(in, at, &line, &at)) {
            if (in->buf->n - in->scan > HTTP_HEAD_MAX) {
                bad(in, "its head does not end");
            }
            return false;
        }
        if (first ? !status_line(in, line) : !header(in, &f, line)) {
            bad(in, first ? "it does not begin as HTTP/1 does" : "it has a wrong Content-Length");
            return false;
        }
        if (!first && line.len == 0) {
            break;
        }
        first = false;
    }
    in->scan = at;
    return begin_body(in, &f) == HTTP_MORE;
}

/* Takes raw bytes into the body: up to `left`. */
static bool take(struct http_in *in) {
    size_t have = in->buf->n - in->scan;
    size_t n = have < in->left ? have : (size_t)in->left;
    if (in->body + n > in->max_body) {
        in->state = HTTP_LARGE;
        return false;
    }
    if (in->scan > in->body) {
        memmove(in->buf->at + in->body, in->buf->at + in->scan, n);
    }
    in->body += n;
    in->scan += n;
    in->left -= n;
    return in->left == 0;
}

static bool step_chunk_size(struct http_in *in) {
    trl_str line;
    size_t next, i = 0;
    uint64_t n = 0;
    if (!line_at(in, in->scan, &line, &next)) {
        if (in->buf->n - in->scan > 1024) {
            bad(in, "a chunk has no size");
        }
        return false;
    }
    for (; i < line.len && i < 15; i++) {
        char c = line.ptr[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0) {
            break;
        }
        n = n * 16 + (unsigned)d;
    }
    if (i == 0 || (i < line.len && line.ptr[i] != ';' && line.ptr[i] != ' ')) {
        bad(in, "a chunk has no size");
        return false;
    }
    in->scan = next;
    in->left = n;
    in->step = n ? CHUNK : TRAILER;
    if (n > in->max_body) {
        in->state = HTTP_LARGE;
        return false;
    }
    return true;
}

/* A blank line: behind a chunk at once, at the end after any trailers. */
static bool step_line(struct http_in *in) {
    trl_str line;
    size_t next;
    if (!line_at(in, in->scan, &line, &next)) {
        if (in->buf->n - in->scan > HTTP_HEAD_MAX) {
            bad(in, "its trailer does not end");
        }
        return false;
    }
    in->scan = next;
    if (in->step == CHUNK_END) {
        if (line.len) {
            bad(in, "a chunk is longer than it said");
            return false;
        }
        in->step = CHUNK_SIZE;
    } else if (line.len == 0) {
        in->state = HTTP_DONE;
        return false;
    }
    return true;
}

static bool advance(struct http_in *in) {
    switch (in->step) {
    case HEAD:
        return step_head(in);
    case LENGTH:
        if (take(in)) {
            in->state = HTTP_DONE;
        }
        return false;
    case UNTIL_CLOSE:
        in->left = UINT64_MAX;
        take(in);
        return false;
    case CHUNK:
        if (take(in)) {
            in->step = CHUNK_END;
        }
        return in->step == CHUNK_END;
    case CHUNK_SIZE:
        return step_chunk_size(in);
    default:
        return step_line(in);
    }
}

static void finish(struct http_in *in) {
    struct sbuf *b = in->buf;
    if (in->scan < b->n) { /* bytes that nobody asked for */
        in->keep = false;
    }
    if (b->at) {
        explicit_bzero(b->at + in->body, b->cap - in->body);
    }
    b->n = in->body;
}

enum http_state http_in_got(struct http_in *in, size_t n) {
    in->buf->n += n;
    in->saw_any |= n > 0;
    while (in->state == HTTP_MORE && advance(in)) {
    }
    if (in->state == HTTP_DONE) {
        finish(in);
    }
    return in->state;
}

enum http_state http_in_eof(struct http_in *in) {
    if (in->state == HTTP_MORE) {
        in->keep = false;
        if (in->step != UNTIL_CLOSE) {
            return bad(in, in->saw_any ? "it ends too early" : "the connection was closed");
        }
        in->state = HTTP_DONE;
        finish(in);
    }
    return in->state;
}
