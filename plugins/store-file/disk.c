/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "../common/xmem.h"

#define SNAPSHOT_CHUNK (256u << 10)

void disk_path(const struct disk *d, char path[DISK_PATH_MAX], const char *kind, uint64_t gen,
               const char *suffix) {
    snprintf(path, DISK_PATH_MAX, "%s/%s.%" PRIu64 "%s", d->dir, kind, gen, suffix);
}

static int is_full(int rc) {
    return rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG;
}

/* From here on the store is read-only: what is on the medium is not known any more. */
static trl_status die(struct disk *d, trl_err *err, const char *what, int rc) {
    d->dead.struct_size = sizeof(d->dead);
    trl_errf(&d->dead, TRL_E_INTERNAL,
             "%s of log.%" PRIu64 " failed (%s): nothing is written any more; check the "
             "disk and restart. Directory %s",
             what, d->gen, strerror(-rc), d->dir);
    return trl_errf(err, TRL_E_INTERNAL, "%s", d->dead.msg);
}

trl_status disk_create_log(struct disk *d, uint64_t gen, int *ret_fd, int *ret_named,
                           trl_err *err) {
    struct format_header h = {.version = FORMAT_VERSION,
                              .kind = FORMAT_LOG,
                              .flags = d->sync ? 0 : FORMAT_UNSYNCED,
                              .gen = gen,
                              .revision = d->revision};
    const struct fsio *io = d->io;
    char tmp[DISK_PATH_MAX], path[DISK_PATH_MAX];
    size_t done;
    int rc, fd;
    disk_path(d, tmp, "log", gen, ".tmp");
    disk_path(d, path, "log", gen, "");
    d->out.len = 0;
    format_header_put(&d->out, &d->crc, &h);
    fd = rc = io->open(io->ctx, tmp, O_WRONLY | O_CREAT | O_TRUNC);
    if (rc >= 0) {
        rc = fsio_write_all(io, fd, d->out.ptr, d->out.len, 0, &done);
    }
    if (rc >= 0) {
        rc = io->sync(io->ctx, fd);
    }
    if (rc >= 0) {
        rc = io->rename(io->ctx, tmp, path);
        *ret_named = !is_full(rc);
    }
    if (rc >= 0) {
        rc = io->sync_dir(io->ctx, d->dir);
    }
    if (rc < 0) {
        if (fd >= 0) {
            io->close(io->ctx, fd);
            io->unlink(io->ctx, tmp);
        }
        return trl_errf(err, is_full(rc) ? TRL_E_UNAVAIL : TRL_E_INTERNAL,
                        "cannot create log.%" PRIu64 ": %s. Directory %s", gen, strerror(-rc),
                        d->dir);
    }
    *ret_fd = fd;
    return TRL_OK;
}

trl_status disk_open(struct disk *d, const struct fsio *io, const char *dir, int sync,
                     struct kvindex *ix, struct disk_report *report, trl_err *err) {
    char path[DISK_PATH_MAX];
    int64_t owner = 0;
    trl_status st;
    int rc;
    memset(d, 0, sizeof(*d));
    report->warning[0] = '\0';
    d->io = io;
    d->sync = sync;
    d->lock_fd = d->log_fd = -1;
    crc_init(&d->crc);
    if (snprintf(d->dir, sizeof(d->dir), "%s", dir) >= (int)sizeof(d->dir)) {
        return trl_errf(err, TRL_E_INVALID, "the directory's name is too long");
    }
    rc = io->make_dir(io->ctx, dir);
    if (rc < 0) {
        return trl_errf(err, rc == -EACCES ? TRL_E_DENIED : TRL_E_UNAVAIL,
                        "cannot create directory (%s): %s", strerror(-rc), dir);
    }
    snprintf(path, sizeof(path), "%s/lock", dir);
    d->lock_fd = rc = io->lock(io->ctx, path, &owner);
    if (rc == -EWOULDBLOCK) {
        if (owner > 0) {
            return trl_errf(err, TRL_E_BUSY,
                            "in use by process %" PRId64 ": stop that one, or give this "
                            "one another directory than %s",
                            owner, dir);
        }
        return trl_errf(err, TRL_E_BUSY, "in use by another process: %s", dir);
    }
    if (rc < 0) {
        return trl_errf(err, rc == -EACCES || rc == -EROFS ? TRL_E_DENIED : TRL_E_UNAVAIL,
                        "cannot write there (%s): %s", strerror(-rc), dir);
    }
    st = disk_recover(d, ix, report, err);
    if (st != TRL_OK) {
        disk_close(d);
    }
    return st;
}

void disk_reserve(struct disk *d, size_t bytes) {
    uint64_t from = d->zeros > d->log_bytes ? d->zeros : d->log_bytes;
    trl_err err = {.struct_size = sizeof(err)};
    size_t done;
    char *zeros;
    int rc;
    if (!d->sync || d->dead.code || d->no_zeros || from - d->log_bytes >= bytes / 4) {
        return;
    }
    zeros = x_zalloc(bytes);
    d->no_zeros = fsio_write_all(d->io, d->log_fd, zeros, bytes, from, &done) < 0;
    d->zeros = from + bytes; /* some of them, if that failed */
    free(zeros);
    rc = d->no_zeros ? 0 : d->io->sync(d->io->ctx, d->log_fd);
    if (rc < 0) {
        die(d, &err, "syncing", rc);
    }
}

/* Or they stay: they do no harm. */
static void cut_zeros(struct disk *d) {
    if (d->zeros > d->log_bytes && !d->dead.code) {
        d->io->truncate(d->io->ctx, d->log_fd, d->log_bytes);
    }
    d->zeros = 0;
}

void disk_close(struct disk *d) {
    if (d->log_fd >= 0) {
        if (!d->sync) {
            d->io->sync(d->io->ctx, d->log_fd);
        }
        cut_zeros(d);
        d->io->close(d->io->ctx, d->log_fd);
    }
    if (d->lock_fd >= 0) {
        d->io->close(d->io->ctx, d->lock_fd);
    }
    d->log_fd = d->lock_fd = -1;
    out_finish(&d->out);
}

/* A write that did not go through: cut the log back to where it was good. */
static trl_status undo(struct disk *d, int rc, size_t wanted, trl_err *err) {
    d->zeros = 0;
    int back = d->io->truncate(d->io->ctx, d->log_fd, d->log_bytes);
    if (back < 0 || !is_full(rc)) {
        return die(d, err, back < 0 ? "cutting back" : "writing", back < 0 ? back : rc);
    }
    return trl_errf(err, TRL_E_UNAVAIL,
                    "no room for %zu bytes (%s): changes are refused until there is; "
                    "directory %s",
                    wanted, strerror(-rc), d->dir);
}

trl_status disk_append(struct disk *d, const struct kvwrite *first, trl_err *err) {
    uint32_t count = 0;
    size_t done = 0;
    int rc;
    if (d->dead.code) {
        *err = d->dead;
        return d->dead.code;
    }
    d->out.len = 0;
    format_frame_begin(&d->out);
    for (const struct kvwrite *w = first; w; w = w->next) {
        for (uint32_t i = 0; w->status == TRL_OK && i < w->n; i++) {
            format_entry_put(&d->out, w->items[i].rec);
            count++;
        }
    }
    if (!count) {
        return TRL_OK;
    }
    format_frame_end(&d->out, &d->crc, 0, d->gen, d->revision + 1, count);
    rc = fsio_write_all(d->io, d->log_fd, d->out.ptr, d->out.len, d->log_bytes, &done);
    if (rc < 0) {
        return undo(d, rc, d->out.len, err);
    }
    if (d->sync) {
        rc = d->io->sync(d->io->ctx, d->log_fd);
        if (rc < 0) { /* the kernel may have dropped the pages: a second try would lie */
            return die(d, err, "syncing", rc);
        }
        d->count.syncs++;
    }
    d->log_bytes += d->out.len;
    d->revision += count;
    d->count.appends++;
    d->count.bytes += d->out.len;
    if (d->out.cap > (1u << 20)) {
        out_finish(&d->out);
    }
    return TRL_OK;
}

trl_status disk_rotate(struct disk *d, trl_err *err) {
    int fd = -1, named = 0, rc;
    trl_status st;
    if (d->dead.code) {
        *err = d->dead;
        return d->dead.code;
    }
    /* A log with a successor must be whole. */
    rc = d->sync ? 0 : d->io->sync(d->io->ctx, d->log_fd);
    if (rc < 0) {
        return die(d, err, "syncing", rc);
    }
    st = disk_create_log(d, d->gen + 1, &fd, &named, err);
    if (st != TRL_OK) {
        if (named) { /* it may be there after a crash; going on in the old one would contradict it
                      */
            err->code = st = TRL_E_INTERNAL;
            d->dead = *err;
        }
        return st;
    }
    cut_zeros(d);
    d->io->close(d->io->ctx, d->log_fd);
    d->log_fd = fd;
    d->gen++;
    d->old_bytes += d->log_bytes;
    d->log_bytes = FORMAT_HEADER;
    d->no_zeros = 0;
    return TRL_OK;
}

/* One chunk of the snapshot; returns 0 or a negative errno. */
static int snapshot_flush(const struct disk *d, int fd, struct out *o, uint64_t *at) {
    size_t done;
    int rc = fsio_write_all(d->io, fd, o->ptr, o->len, *at, &done);
    *at += o->len;
    o->len = 0;
    return rc;
}

static int snapshot_body(const struct disk *d, const struct disk_snapshot *s, int fd, struct out *o,
                         uint64_t *at) {
    size_t i = 0;
    while (i < s->n) {
        size_t first = i, start = format_frame_begin(o);
        int rc;
        while (i < s->n && o->len - start < SNAPSHOT_CHUNK) {
            format_entry_put(o, s->recs[i++]);
        }
        format_frame_end(o, &d->crc, start, s->gen, first, (uint32_t)(i - first));
        rc = snapshot_flush(d, fd, o, at);
        if (rc < 0) {
            return rc;
        }
        if (s->abandon && __atomic_load_n(s->abandon, __ATOMIC_RELAXED)) {
            return -ECANCELED;
        }
    }
    format_frame_end(o, &d->crc, format_frame_begin(o), s->gen, s->n, 0);
    return snapshot_flush(d, fd, o, at);
}

trl_status disk_snapshot(const struct disk *d, const struct disk_snapshot *s, trl_err *err) {
    struct format_header h = {.version = FORMAT_VERSION,
                              .kind = FORMAT_SNAPSHOT,
                              .gen = s->gen,
                              .revision = s->revision,
                              .floor = s->floor};
    const struct fsio *io = d->io;
    char tmp[DISK_PATH_MAX], path[DISK_PATH_MAX];
    struct out o = {NULL, 0, 0};
    uint64_t at = 0;
    int rc, fd;
    disk_path(d, tmp, "snapshot", s->gen, ".tmp");
    disk_path(d, path, "snapshot", s->gen, "");
    format_header_put(&o, &d->crc, &h);
    fd = rc = io->open(io->ctx, tmp, O_WRONLY | O_CREAT | O_TRUNC);
    if (rc >= 0) {
        rc = snapshot_flush(d, fd, &o, &at);
        rc = rc < 0 ? rc : snapshot_body(d, s, fd, &o, &at);
        rc = rc < 0 ? rc : io->sync(io->ctx, fd);
        io->close(io->ctx, fd);
    }
    out_finish(&o);
    rc = rc < 0 ? rc : io->rename(io->ctx, tmp, path);
    if (rc < 0) {
        io->unlink(io->ctx, tmp);
    }
    rc = rc < 0 ? rc : io->sync_dir(io->ctx, d->dir);
    if (rc < 0) {
        return trl_errf(err, rc == -ECANCELED ? TRL_E_CANCELLED : TRL_E_UNAVAIL,
                        "writing snapshot.%" PRIu64 " failed (%s); the logs are kept. "
                        "Directory %s",
                        s->gen, strerror(-rc), d->dir);
    }
    disk_remove_before(d, s->gen);
    return TRL_OK;
}

void disk_snapshot_done(struct disk *d) {
    d->old_bytes = 0;
}
