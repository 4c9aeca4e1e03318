/* SPDX-License-Identifier: Apache-2.0 */
#include "sbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../plugins/common/jescape.h"

#define SBUF_FIRST 2048u

void sbuf_init(struct sbuf *b, const struct sbuf_mem *mem) {
    memset(b, 0, sizeof(*b));
    b->mem = mem;
}

void sbuf_finish(struct sbuf *b) {
    if (b->mem) {
        b->mem->table->free(b->mem->ctx, b->at);
        sbuf_init(b, b->mem);
    }
}

void sbuf_clear(struct sbuf *b) {
    if (b->at) {
        explicit_bzero(b->at, b->cap);
    }
    b->n = 0;
    b->failed = false;
}

bool sbuf_room(struct sbuf *b, size_t more) {
    size_t want, cap = b->cap ? b->cap : SBUF_FIRST;
    if (b->failed || __builtin_add_overflow(b->n, more, &want) || want > SIZE_MAX / 4) {
        b->failed = true;
        return false;
    }
    if (want <= b->cap) {
        return true;
    }
    while (cap < want) {
        cap *= 2;
    }
    char *at = b->mem->table->alloc(b->mem->ctx, cap);
    if (!at) {
        b->failed = true;
        return false;
    }
    if (b->n) {
        memcpy(at, b->at, b->n);
    }
    b->mem->table->free(b->mem->ctx, b->at);
    b->at = at;
    b->cap = cap;
    return true;
}

bool sbuf_add(struct sbuf *b, const void *p, size_t n) {
    if (!sbuf_room(b, n)) {
        return false;
    }
    if (n) {
        memcpy(b->at + b->n, p, n);
        b->n += n;
    }
    return true;
}

bool sbuf_text(struct sbuf *b, const char *text) {
    return sbuf_add(b, text, strlen(text));
}

bool sbuf_quote(struct sbuf *b, const char *p, size_t n) {
    sbuf_add(b, "\"", 1);
    for (size_t i = 0; i < n && sbuf_room(b, 6); i++) {
        b->n += jescape_put(p[i], b->at + b->n);
    }
    return sbuf_add(b, "\"", 1);
}

trl_str sbuf_str(const struct sbuf *b) {
    return trl_strn(b->at, b->n);
}

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void trim(struct sbuf *b) {
    size_t from = 0;
    while (b->n && blank(b->at[b->n - 1])) {
        b->n--;
    }
    while (from < b->n && blank(b->at[from])) {
        from++;
    }
    if (from) {
        memmove(b->at, b->at + from, b->n - from);
        b->n -= from;
    }
}

static trl_status read_all(struct sbuf *b, int fd, size_t max, const char *path, const char *who,
                           trl_err *err) {
    sbuf_clear(b);
    for (;;) {
        if (!sbuf_room(b, 1024)) {
            return trl_errf(err, TRL_E_BUSY,
                            "%s: no memory can be locked for it: raise the limit (ulimit -l, "
                            "LimitMEMLOCK=)",
                            who);
        }
        ssize_t got = read(fd, b->at + b->n, b->cap - b->n);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return trl_errf(err, TRL_E_UNAVAIL, "%s: %.120s cannot be read: %s", who, path,
                            strerror(errno));
        }
        if (got == 0) {
            break;
        }
        b->n += (size_t)got;
        if (b->n > max) {
            return trl_errf(err, TRL_E_INVALID, "%s: %.120s is longer than %zu bytes", who, path,
                            max);
        }
    }
    trim(b);
    if (b->n == 0) {
        return trl_errf(err, TRL_E_UNAVAIL, "%s: %.120s is empty", who, path);
    }
    return TRL_OK;
}

trl_status sbuf_read_file(struct sbuf *b, const char *path, size_t max, const char *who,
                          trl_err *err) {
    struct stat st;
    trl_status rc;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return trl_errf(err, TRL_E_UNAVAIL, "%s: %.120s cannot be opened: %s", who, path,
                        strerror(errno));
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        rc = trl_errf(err, TRL_E_INVALID, "%s: %.120s is not a regular file", who, path);
    } else if (st.st_mode & S_IWOTH) {
        rc = trl_errf(err, TRL_E_INVALID, "%s: everybody may write %.120s: run 'chmod o-w' on it",
                      who, path);
    } else {
        rc = read_all(b, fd, max, path, who, err);
    }
    close(fd);
    if (rc != TRL_OK) {
        sbuf_finish(b);
    }
    return rc;
}
