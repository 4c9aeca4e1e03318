/* SPDX-License-Identifier: Apache-2.0
 *
 * The cursor is a JSON object: run -> [inode of the log file, offset in it]. A file that was
 * rotated is found again by its inode; one that is gone is followed by the oldest that is there.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/xmem.h"
#include "inspect.h"
#include "keeper/keeper.h"
#include "run.h"

#define ANSWER_BYTES (384u * 1024u) /* of all lines together: an answer fits a message */
#define FILES_MAX    101
#define LINE_MAX     (64u * 1024u)

struct entry {
    int64_t at_ms;
    size_t order;
    json_t *line; /* owned */
};

struct reading {
    struct job job;
    struct ticket ticket;
    json_t *units;         /* prefix of run directories -> unit id */
    json_t *cursor, *next; /* as given, as to be given; owned */
    int64_t since_ms;
    size_t max_lines, budget; /* budget: bytes per run */
    struct entry *entries;
    size_t n, cap;
    int tail; /* the newest lines only */
};

static json_t *clean(const char *text, size_t n) {
    json_t *j = json_stringn(text, n);
    if (!j) { /* no UTF-8 */
        char *ascii = text_dup(trl_strn(text, n));
        for (size_t i = 0; i < n; i++) {
            ascii[i] = (unsigned char)ascii[i] >= 0x80 ? '?' : ascii[i];
        }
        j = json_stringn(ascii, n);
        free(ascii);
    }
    return j;
}

/* "<unix ms> <stream> <text>"; returns the bytes it is worth. */
static size_t take_line(struct reading *r, const char *run, const char *unit, const char *line,
                        size_t n) {
    char *end;
    long long at = strtoll(line, &end, 10);
    size_t head = (size_t)(end - line);
    if (head == 0 || n < head + 3 || *end != ' ' || at < r->since_ms) {
        return 0;
    }
    json_t *j = json_object();
    json_object_set_new(j, "at_ms", json_integer(at));
    json_object_set_new(j, "unit", json_string(unit));
    json_object_set_new(j, "instance", json_string(run));
    json_object_set_new(j, "stream", json_string(tolower(end[1]) == 'e' ? "err" : "out"));
    json_object_set_new(j, "text", clean(end + 3, n - head - 3));
    r->entries = x_grow(r->entries, r->n, &r->cap, sizeof(*r->entries));
    r->entries[r->n] = (struct entry){at, r->n, j};
    r->n++;
    return n + 64;
}

/* Lines from offset on, as long as the budget lasts; returns the offset after the last one. */
static off_t take_file(struct reading *r, int fd, off_t offset, const char *run, const char *unit,
                       size_t *budget) {
    char *buf = x_alloc(LINE_MAX + 1);
    ssize_t n;
    while (*budget && (n = pread(fd, buf, LINE_MAX, offset)) > 0) {
        size_t from = 0;
        buf[n] = '\0';
        for (char *nl; *budget && (nl = memchr(buf + from, '\n', (size_t)n - from));) {
            size_t len = (size_t)(nl - buf) - from;
            size_t cost = take_line(r, run, unit, buf + from, len);
            *budget -= cost < *budget ? cost : *budget;
            from += len + 1;
        }
        if (from == 0) { /* a line that is not finished, or none of ours */
            break;
        }
        offset += (off_t)from;
    }
    free(buf);
    return offset;
}

/* The log files of a run, oldest first; returns how many. */
static int open_files(int state_fd, const char *run, int fds[FILES_MAX], ino_t inodes[FILES_MAX]) {
    int n = 0;
    for (int i = FILES_MAX - 1; i >= 0; i--) {
        struct stat st;
        char *path = i ? text_format("runs/%s/" KEEPER_LOG ".%d", run, i)
                       : text_format("runs/%s/" KEEPER_LOG, run);
        int fd = openat(state_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        free(path);
        if (fd >= 0 && fstat(fd, &st) == 0) {
            fds[n] = fd;
            inodes[n++] = st.st_ino;
        } else if (fd >= 0) {
            close(fd);
        }
    }
    return n;
}

/* Where the newest lines begin: at most the budget before the end. */
static void begin_at_tail(const int *fds, int n, size_t budget, int *file, off_t *offset) {
    struct stat st;
    *file = n - 1;
    *offset = 0;
    while (*file > 0 && fstat(fds[*file], &st) == 0 && (size_t)st.st_size < budget) {
        budget -= (size_t)st.st_size;
        (*file)--;
    }
    if (fstat(fds[*file], &st) == 0 && (size_t)st.st_size > budget) {
        char c = 0;
        *offset = st.st_size - (off_t)budget;
        while (pread(fds[*file], &c, 1, (*offset)++) == 1 && c != '\n') {
        }
    }
}

static void take_run(struct reading *r, const char *run, const char *unit) {
    int fds[FILES_MAX], file = 0;
    ino_t inodes[FILES_MAX];
    int n = open_files(r->job.d->state_fd, run, fds, inodes);
    const json_t *at = json_object_get(r->cursor, run);
    off_t offset = 0;
    size_t budget = r->budget;
    for (int i = 0; i < n; i++) {
        if (at && (json_int_t)inodes[i] == json_integer_value(json_array_get(at, 0))) {
            file = i;
            offset = (off_t)json_integer_value(json_array_get(at, 1));
        }
    }
    if (n && !at && r->tail) {
        begin_at_tail(fds, n, r->budget, &file, &offset);
        budget = SIZE_MAX;
    }
    for (int i = file; i < n && budget; i++) {
        offset = take_file(r, fds[i], offset, run, unit, &budget);
        json_object_set_new(r->next, run,
                            json_pack("[I,I]", (json_int_t)inodes[i], (json_int_t)offset));
        offset = 0;
    }
    for (int i = 0; i < n; i++) {
        close(fds[i]);
    }
}

static int by_time(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    return x->at_ms != y->at_ms ? (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms)
                                : (x->order > y->order) - (x->order < y->order);
}

static const char *unit_of(const struct reading *r, const char *run) {
    const char *prefix;
    json_t *unit;
    json_object_foreach(r->units, prefix, unit) {
        if (strncmp(run, prefix, strlen(prefix)) == 0) {
            return json_string_value(unit);
        }
    }
    return NULL;
}

static void read_all(struct job *j) {
    struct reading *r = (struct reading *)(void *)j;
    json_t *runs = json_array();
    size_t i;
    const json_t *run;
    int fd = openat(j->d->state_fd, "runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (unit_of(r, e->d_name)) {
            json_array_append_new(runs, json_string(e->d_name));
        }
    }
    if (d) {
        closedir(d);
    }
    r->budget = ANSWER_BYTES / (json_array_size(runs) ? json_array_size(runs) : 1);
    json_array_foreach(runs, i, run) {
        take_run(r, json_string_value(run), unit_of(r, json_string_value(run)));
    }
    json_decref(runs);
    if (r->n) {
        qsort(r->entries, r->n, sizeof(*r->entries), by_time);
    }
}

static void on_read(struct job *j) {
    struct reading *r = (struct reading *)(void *)j;
    size_t from = r->tail && r->n > r->max_lines ? r->n - r->max_lines : 0;
    json_t *lines = json_array(), *out = json_object();
    for (size_t i = 0; i < r->n; i++) {
        if (i >= from) {
            json_array_append(lines, r->entries[i].line);
        }
        json_decref(r->entries[i].line);
    }
    char *cursor = json_dumps(r->next, JSON_COMPACT);
    json_object_set_new(out, "lines", lines);
    json_object_set_new(out, "cursor", json_string(cursor));
    char *text = json_dumps(out, JSON_COMPACT);
    ticket_result(&r->ticket, text);
    free(text);
    free(cursor);
    json_decref(out);
    json_decref(r->units);
    json_decref(r->cursor);
    json_decref(r->next);
    free(r->entries);
    free(r);
}

void logs_read(struct trl_inst *d, trl_op *op, const trl_log_query *q) {
    struct reading *r = x_zalloc(sizeof(*r));
    r->units = json_object();
    r->next = json_object();
    r->cursor = q->cursor.len ? json_loadb(q->cursor.ptr, q->cursor.len, 0, NULL) : NULL;
    r->since_ms = q->since_ms;
    r->max_lines = q->max_lines ? q->max_lines : 100;
    r->tail = !q->cursor.len && !q->since_ms;
    for (const struct unit *u = d->units; u; u = u->next) {
        if (unit_is_of(u, q->lattice, q->app) &&
            (!q->unit_id.len || trl_str_eq(q->unit_id, trl_cstr(u->id)))) {
            char *prefix = run_prefix(u->id);
            json_object_set_new(r->units, prefix, json_string(u->id));
            free(prefix);
        }
    }
    ticket_open(&r->ticket, &d->desk, op);
    job_start(&r->job, d, read_all, on_read);
}
