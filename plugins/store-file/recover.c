/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a store's directory. Two ends of a log must be told apart: one that a crash left
 * unfinished (never acknowledged: dropped, with a warning) and one that was damaged later (refused,
 * with the place).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "../common/xmem.h"
#include "disk.h"

struct gens {
    uint64_t *at;
    size_t n, cap;
};

struct listing {
    const struct disk *d;
    struct gens logs, snapshots;
    uint64_t best; /* newest snapshot, 0: none */
};

struct loader {
    struct disk *d;
    struct kvindex *ix;
    struct disk_report *report;
    trl_err *err;
    uint64_t revision, floor;
};

static void gens_add(struct gens *g, uint64_t gen) {
    size_t i;
    g->at = x_grow(g->at, g->n, &g->cap, sizeof(*g->at));
    for (i = g->n; i && g->at[i - 1] > gen; i--) {
        g->at[i] = g->at[i - 1];
    }
    g->at[i] = gen;
    g->n++;
}

/* "<kind>.<number>" and nothing behind it. */
static int gen_of(const char *name, const char *kind, uint64_t *ret) {
    size_t n = strlen(kind);
    uint64_t v = 0;
    if (strncmp(name, kind, n) != 0 || name[n] != '.' || name[n + 1] < '1' || name[n + 1] > '9') {
        return 0;
    }
    for (const char *p = name + n + 1; *p; p++) {
        if (*p < '0' || *p > '9' || p > name + n + 18) {
            return 0;
        }
        v = v * 10 + (uint64_t)(*p - '0');
    }
    *ret = v;
    return 1;
}

static void on_name(void *arg, const char *name) {
    struct listing *l = arg;
    uint64_t gen;
    if (gen_of(name, "log", &gen)) {
        gens_add(&l->logs, gen);
    } else if (gen_of(name, "snapshot", &gen)) {
        gens_add(&l->snapshots, gen);
        l->best = gen > l->best ? gen : l->best;
    }
}

/* Collected first, removed after: the directory is not changed while it is read. */
struct names {
    char **at;
    size_t n, cap;
};

static void on_tmp(void *arg, const char *name) {
    struct names *t = arg;
    size_t n = strlen(name);
    if (n > 4 && strcmp(name + n - 4, ".tmp") == 0 &&
        (strncmp(name, "log.", 4) == 0 || strncmp(name, "snapshot.", 9) == 0)) {
        t->at = x_grow(t->at, t->n, &t->cap, sizeof(*t->at));
        t->at[t->n] = x_alloc(n + 1);
        memcpy(t->at[t->n++], name, n + 1);
    }
}

static void remove_tmp(const struct disk *d) {
    struct names t = {NULL, 0, 0};
    d->io->list(d->io->ctx, d->dir, on_tmp, &t);
    for (size_t i = 0; i < t.n; i++) {
        char path[DISK_PATH_MAX + 256];
        snprintf(path, sizeof(path), "%s/%s", d->dir, t.at[i]);
        d->io->unlink(d->io->ctx, path);
        free(t.at[i]);
    }
    free(t.at);
}

static void remove_gens(const struct disk *d, const struct gens *g, const char *kind,
                        uint64_t before) {
    char path[DISK_PATH_MAX];
    for (size_t i = 0; i < g->n && g->at[i] < before; i++) {
        disk_path(d, path, kind, g->at[i], "");
        d->io->unlink(d->io->ctx, path);
    }
}

static int listing_read(struct listing *l, const struct disk *d) {
    memset(l, 0, sizeof(*l));
    l->d = d;
    return d->io->list(d->io->ctx, d->dir, on_name, l);
}

static void listing_finish(struct listing *l) {
    free(l->logs.at);
    free(l->snapshots.at);
}

void disk_remove_before(const struct disk *d, uint64_t gen) {
    struct listing l;
    if (listing_read(&l, d) == 0) {
        remove_gens(d, &l.snapshots, "snapshot", gen);
        remove_gens(d, &l.logs, "log", gen);
    }
    listing_finish(&l);
}

static trl_status damaged(struct loader *l, const char *kind, uint64_t gen, uint64_t offset,
                          const char *what) {
    const char *remedy = strcmp(kind, "log") == 0
                             ? "Restore the directory from a backup; or lose what follows: cut the "
                               "file there (truncate -s) and remove later logs"
                             : "Restore the directory from a backup";
    return trl_errf(l->err, TRL_E_INVALID,
                    "%s.%" PRIu64 " is damaged at byte %" PRIu64 " (%s). %s. In %s", kind, gen,
                    offset, what, remedy, l->d->dir);
}

static trl_status read_file(struct loader *l, const char *kind, uint64_t gen, char **text,
                            size_t *len, struct format_header *h) {
    char path[DISK_PATH_MAX];
    uint32_t want = strcmp(kind, "log") == 0 ? FORMAT_LOG : FORMAT_SNAPSHOT;
    int rc;
    disk_path(l->d, path, kind, gen, "");
    rc = fsio_read_all(l->d->io, path, text, len);
    if (rc < 0) {
        return trl_errf(l->err, rc == -EACCES ? TRL_E_DENIED : TRL_E_UNAVAIL,
                        "cannot read %s.%" PRIu64 " (%s). In %s", kind, gen,
                        rc == -ENOENT ? "it is missing: restore the directory from a backup"
                                      : strerror(-rc),
                        l->d->dir);
    }
    rc = format_header_get(*text, *len, &l->d->crc, h);
    if (rc > 0) {
        return trl_errf(l->err, TRL_E_UNSUPP,
                        "%s.%" PRIu64 " has format %u, this program reads up to %u: use "
                        "the newer program that wrote it. In %s",
                        kind, gen, h->version, FORMAT_VERSION, l->d->dir);
    }
    if (rc < 0 || h->kind != want || h->gen != gen) {
        return damaged(l, kind, gen, 0, "its header");
    }
    return TRL_OK;
}

/* Puts a frame's entries into the index. first: what the first revision must be, 0 for any. */
static int load_frame(struct loader *l, const struct format_frame *f, uint64_t first) {
    size_t at = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        struct kvrec *r;
        if (format_entry_get(f, &at, &r) < 0) {
            return -1;
        }
        if (first ? r->e.revision != first + i : r->e.revision > l->revision) {
            kvrec_unref(r);
            return -1;
        }
        kvindex_load(l->ix, r);
        kvrec_unref(r);
    }
    return at == f->body_len ? 0 : -1;
}

static trl_status load_snapshot(struct loader *l, uint64_t gen) {
    struct format_header h;
    struct format_frame f;
    char *text = NULL;
    size_t len = 0, at = FORMAT_HEADER;
    uint64_t n = 0;
    trl_status st = read_file(l, "snapshot", gen, &text, &len, &h);
    if (st == TRL_OK) {
        l->revision = h.revision;
        l->floor = h.floor;
    }
    while (st == TRL_OK) {
        if (format_frame_get(text + at, len - at, &l->d->crc, gen, &f) != FORMAT_OK ||
            f.first != n || load_frame(l, &f, 0) < 0) {
            st = damaged(l, "snapshot", gen, at, "a record");
            break;
        }
        at += f.whole;
        n += f.count;
        if (f.count == 0) {
            st = at == len ? st : damaged(l, "snapshot", gen, at, "more than it should hold");
            break;
        }
    }
    free(text);
    return st;
}

/* Is there a good frame anywhere from `at` on? */
static int frame_behind(const struct loader *l, const char *text, size_t len, size_t at,
                        uint64_t gen) {
    struct format_frame f;
    while (at + FORMAT_FRAME_HEAD <= len) {
        const char *p = memchr(text + at, FORMAT_FRAME_FIRST, len - at);
        if (!p) {
            return 0;
        }
        at = (size_t)(p - text);
        if (format_frame_get(p, len - at, &l->d->crc, gen, &f) == FORMAT_OK) {
            return 1;
        }
        at++;
    }
    return 0;
}

/* The log is good up to `at`, and `f` is not. Only one frame is ever on its way to the medium, so
 * an unfinished write has no good frame behind it (unless nothing was synced in this log). */
static trl_status log_tail(struct loader *l, const struct format_header *h, const char *text,
                           size_t len, size_t at, enum format_result why,
                           const struct format_frame *f, int last) {
    int unsynced = (h->flags & FORMAT_UNSYNCED) != 0, torn = why == FORMAT_CUT;
    if (!torn && format_is_torn(text + at, len - at, at)) {
        size_t behind = why == FORMAT_BAD_BODY ? at + f->whole : at + 1;
        torn = unsynced || !frame_behind(l, text, len, behind, h->gen);
    }
    if (!last || !torn) {
        return damaged(l, "log", h->gen, at, why == FORMAT_CUT ? "it was cut" : "a record");
    }
    snprintf(l->report->warning, sizeof(l->report->warning),
             "the last %zu bytes of log.%" PRIu64 " were an unfinished write and were "
             "dropped; every acknowledged change is there%s",
             len - at, h->gen, unsynced ? " that was synced" : "");
    return TRL_OK;
}

/* Without the zeros that were written ahead. A frame ends with another byte. */
static size_t used(const char *text, size_t len) {
    while (len > FORMAT_HEADER && text[len - 1] == 0) {
        len--;
    }
    return len;
}

/* *ret_len: how much of it is good. */
static trl_status load_log(struct loader *l, uint64_t gen, int last, uint64_t *ret_len) {
    struct format_header h;
    struct format_frame f;
    char *text = NULL;
    size_t len = 0, at = FORMAT_HEADER;
    trl_status st = read_file(l, "log", gen, &text, &len, &h);
    len = st == TRL_OK ? used(text, len) : len;
    if (st == TRL_OK && h.revision != l->revision) {
        st = damaged(l, "log", gen, 0, "it does not follow what was before it");
    }
    while (st == TRL_OK && at < len) {
        enum format_result r = format_frame_get(text + at, len - at, &l->d->crc, gen, &f);
        if (r != FORMAT_OK) {
            st = log_tail(l, &h, text, len, at, r, &f, last);
            break;
        }
        if (f.first != l->revision + 1 || !f.count || load_frame(l, &f, f.first) < 0) {
            st = damaged(l, "log", gen, at, "revisions out of order");
            break;
        }
        l->revision += f.count;
        at += f.whole;
    }
    free(text);
    *ret_len = at;
    return st;
}

/* The last log, open for appending, cut to what is good. */
static trl_status reopen_log(struct loader *l, uint64_t gen, uint64_t good) {
    struct disk *d = l->d;
    const struct fsio *io = d->io;
    char path[DISK_PATH_MAX];
    int64_t size = 0;
    int rc;
    disk_path(d, path, "log", gen, "");
    d->log_fd = rc = io->open(io->ctx, path, O_WRONLY);
    if (rc >= 0) {
        size = io->size(io->ctx, d->log_fd);
        rc = size < 0 ? (int)size : 0;
    }
    if (rc >= 0 && (uint64_t)size > good) {
        rc = io->truncate(io->ctx, d->log_fd, good);
    }
    /* The last process may have been killed before it could sync: what was just read, and the names
     * of the files, must be on the medium before anybody builds on them. */
    rc = rc < 0 ? rc : io->sync(io->ctx, d->log_fd);
    rc = rc < 0 ? rc : io->sync_dir(io->ctx, d->dir);
    if (rc < 0) {
        return trl_errf(l->err, rc == -EACCES || rc == -EROFS ? TRL_E_DENIED : TRL_E_UNAVAIL,
                        "cannot write log.%" PRIu64 " (%s). In %s", gen, strerror(-rc), d->dir);
    }
    d->gen = gen;
    d->log_bytes = good;
    return TRL_OK;
}

static trl_status load_logs(struct loader *l, const struct gens *logs, uint64_t first) {
    uint64_t want = first, good = 0;
    trl_status st;
    for (size_t i = 0; i < logs->n; i++) {
        if (logs->at[i] < first) {
            continue;
        }
        if (logs->at[i] != want) {
            break;
        }
        l->d->old_bytes += good;
        st = load_log(l, want, i + 1 == logs->n, &good);
        if (st != TRL_OK) {
            return st;
        }
        want++;
    }
    if (want == first || logs->at[logs->n - 1] != want - 1) {
        return trl_errf(l->err, TRL_E_INVALID,
                        "log.%" PRIu64 " is missing: restore the directory from a "
                        "backup. In %s",
                        want, l->d->dir);
    }
    return reopen_log(l, want - 1, good);
}

trl_status disk_recover(struct disk *d, struct kvindex *ix, struct disk_report *report,
                        trl_err *err) {
    struct loader l = {d, ix, report, err, 0, 0};
    struct listing found;
    trl_status st = TRL_OK;
    int rc, named = 0;
    remove_tmp(d);
    rc = listing_read(&found, d);
    if (rc < 0) {
        st = trl_errf(err, TRL_E_UNAVAIL, "cannot list the directory (%s): %s", strerror(-rc),
                      d->dir);
    } else if (!found.best && !found.logs.n) {
        d->gen = 1;
        d->log_bytes = FORMAT_HEADER;
        st = disk_create_log(d, 1, &d->log_fd, &named, err);
    } else {
        if (found.best) {
            st = load_snapshot(&l, found.best);
        }
        if (st == TRL_OK) {
            st = load_logs(&l, &found.logs, found.best ? found.best : 1);
        }
        if (st == TRL_OK) { /* what a crash after a snapshot left */
            remove_gens(d, &found.snapshots, "snapshot", found.best);
            remove_gens(d, &found.logs, "log", found.best);
        }
    }
    listing_finish(&found);
    d->revision = l.revision;
    kvindex_loaded(ix, l.revision, l.floor);
    return st;
}
