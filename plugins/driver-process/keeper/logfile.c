/* SPDX-License-Identifier: Apache-2.0 */
#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "keeper.h"

static long long wall_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void open_file(struct logfile *l) {
    struct stat st;
    l->fd = open(KEEPER_LOG, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    l->size = l->fd >= 0 && fstat(l->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

void logfile_open(struct logfile *l, uint64_t max_bytes, unsigned files) {
    *l = (struct logfile){.fd = -1, .max_bytes = max_bytes, .files = files};
    open_file(l);
}

static void rotate(struct logfile *l) {
    char from[32], to[32];
    for (unsigned i = l->files - 1; i > 0; i--) {
        snprintf(to, sizeof(to), KEEPER_LOG ".%u", i);
        if (i == 1) {
            snprintf(from, sizeof(from), KEEPER_LOG);
        } else {
            snprintf(from, sizeof(from), KEEPER_LOG ".%u", i - 1);
        }
        rename(from, to);
    }
    if (l->files == 1) {
        unlink(KEEPER_LOG);
    }
    close(l->fd);
    open_file(l);
}

static void put(struct logfile *l, char stream, const char *text, size_t n) {
    char head[48];
    int h = snprintf(head, sizeof(head), "%lld %c ", wall_ms(), stream);
    struct iovec v[3] = {{head, (size_t)h}, {(void *)(uintptr_t)text, n}, {(char[]){'\n'}, 1}};
    size_t want = (size_t)h + n + 1;
    if (l->fd >= 0 && l->size && l->size + want > l->max_bytes) {
        rotate(l);
    }
    if (l->fd < 0) {
        open_file(l);
    }
    ssize_t done = l->fd >= 0 ? writev(l->fd, v, 3) : -1;
    if (done > 0 && (size_t)done < want) { /* half a line is none */
        done = ftruncate(l->fd, (off_t)l->size) == 0 ? -1 : done;
    }
    l->size += done > 0 ? (uint64_t)done : 0;
    l->lost += done < 0;
}

static void line(struct logfile *l, char stream, const char *text, size_t n) {
    uint64_t lost = l->lost;
    if (lost) {
        char note[64];
        l->lost = 0;
        int k = snprintf(note, sizeof(note), "trellis: %llu lines could not be written",
                         (unsigned long long)lost);
        put(l, 'E', note, (size_t)k);
        l->lost = l->lost ? lost : 0;
    }
    put(l, stream, text, n);
}

void logfile_note(struct logfile *l, const char *text) {
    line(l, 'E', text, strlen(text));
}

static void cut(struct logstream *s, struct logfile *l) {
    size_t from = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->line[i] == '\n') {
            line(l, s->name, s->line + from, i - from);
            from = i + 1;
        } else if (s->line[i] == '\0') {
            s->line[i] = ' ';
        }
    }
    if (from == 0 && s->n == sizeof(s->line)) { /* too long for one: it goes on in the next */
        line(l, s->name == 'O' ? 'o' : 'e', s->line, s->n);
        from = s->n;
    }
    memmove(s->line, s->line + from, s->n - from);
    s->n -= from;
}

int logstream_read(struct logstream *s, struct logfile *l) {
    if (s->fd < 0) {
        return 0;
    }
    ssize_t n = read(s->fd, s->line + s->n, sizeof(s->line) - s->n);
    if (n > 0) {
        s->n += (size_t)n;
        cut(s, l);
        return 1;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(s->fd);
        s->fd = -1;
    }
    return 0;
}

void logstream_end(struct logstream *s, struct logfile *l) {
    if (s->n) {
        line(l, s->name, s->line, s->n);
        s->n = 0;
    }
}
