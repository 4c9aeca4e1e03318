/* SPDX-License-Identifier: Apache-2.0 */
#include "fakefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 32
#define FDS_MAX   32
#define HIST_MAX  64
#define SECTOR    512

struct bytes {
    char *p;
    size_t n;
};

struct inode {
    struct bytes cur, durable;
    int lost; /* a sync failed: the kernel dropped the pages, later syncs are empty promises */
};

/* One change of the directory. */
struct change {
    char from[64], to[64]; /* empty: none */
    int inode;
};

struct dir {
    struct {
        char name[64];
        int inode;
    } at[NAMES_MAX];
    size_t n;
};

struct fakefs {
    struct inode *inodes;
    int n_inodes;
    struct dir cur, durable;
    struct change hist[HIST_MAX]; /* since the last sync_dir */
    size_t n_hist;
    int fds[FDS_MAX]; /* inode + 1; -1: a lock */
    int locked;
    uint64_t changes, fail_from, fail_times;
    enum fakefs_fault fault;
    int failed_sync;
    void (*step)(void *arg, int after);
    void *step_arg;
};

static struct bytes bytes_dup(const char *p, size_t n) {
    struct bytes b = {malloc(n + 1), n};
    if (n) {
        memcpy(b.p, p, n);
    }
    return b;
}

struct fakefs *fakefs_create(void) {
    return calloc(1, sizeof(struct fakefs));
}

void fakefs_destroy(struct fakefs *f) {
    for (int i = 0; i < f->n_inodes; i++) {
        free(f->inodes[i].cur.p);
        free(f->inodes[i].durable.p);
    }
    free(f->inodes);
    free(f);
}

static int inode_new(struct fakefs *f, struct bytes content) {
    f->inodes = realloc(f->inodes, (size_t)(f->n_inodes + 1) * sizeof(*f->inodes));
    f->inodes[f->n_inodes].cur = content;
    f->inodes[f->n_inodes].durable = bytes_dup(NULL, 0);
    f->inodes[f->n_inodes].lost = 0;
    return f->n_inodes++;
}

static int dir_find(const struct dir *d, const char *name) {
    for (size_t i = 0; i < d->n; i++) {
        if (strcmp(d->at[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static void dir_set(struct dir *d, const char *name, int inode) {
    int i = dir_find(d, name);
    if (i < 0) {
        i = (int)d->n++;
        snprintf(d->at[i].name, sizeof(d->at[i].name), "%s", name);
    }
    d->at[i].inode = inode;
}

static void dir_del(struct dir *d, const char *name) {
    int i = dir_find(d, name);
    if (i >= 0) {
        d->at[i] = d->at[--d->n];
    }
}

static void dir_apply(struct dir *d, const struct change *c) {
    if (c->from[0]) {
        dir_del(d, c->from);
    }
    if (c->to[0]) {
        dir_set(d, c->to, c->inode);
    }
}

static void dir_change(struct fakefs *f, const char *from, const char *to, int inode) {
    struct change *c = &f->hist[f->n_hist];
    if (f->n_hist++ == HIST_MAX) {
        abort();
    }
    snprintf(c->from, sizeof(c->from), "%s", from);
    snprintf(c->to, sizeof(c->to), "%s", to);
    c->inode = inode;
    dir_apply(&f->cur, c);
}

static const char *base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static uint64_t draw(uint64_t *seed) {
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return *seed >> 33;
}

static size_t common(const struct bytes *a, const struct bytes *b) {
    size_t n = 0, max = a->n < b->n ? a->n : b->n;
    while (n < max && a->p[n] == b->p[n]) {
        n++;
    }
    return n;
}

/* These bytes never arrived: what the medium had there, behind its end zeros. */
static void as_before(struct bytes *out, const struct bytes *durable, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        out->p[i] = i < durable->n ? durable->p[i] : 0;
    }
}

static struct bytes survive(const struct inode *n, enum fakefs_model model, uint64_t *seed) {
    const struct bytes *c = &n->cur, *d = &n->durable;
    struct bytes out;
    if (model == FAKEFS_NOTHING || (model != FAKEFS_ALL && c->n < d->n)) {
        return draw(seed) % 2 || model == FAKEFS_NOTHING ? bytes_dup(d->p, d->n)
                                                         : bytes_dup(c->p, c->n);
    }
    out = bytes_dup(c->p, c->n);
    if (model == FAKEFS_TORN) {
        size_t same = common(c, d), kept = same + (size_t)(draw(seed) % (c->n - same + 1));
        if (draw(seed) % 2 || c->n == d->n) { /* the size arrived, the data did not */
            as_before(&out, d, kept, c->n);
        } else {
            out.n = kept > d->n ? kept : d->n;
            as_before(&out, d, kept, out.n);
        }
    } else if (model == FAKEFS_REORDERED) {
        for (size_t at = common(c, d); at < c->n;) {
            size_t end = (at / SECTOR + 1) * SECTOR;
            end = end < c->n ? end : c->n;
            if (draw(seed) % 2) {
                as_before(&out, d, at, end);
            }
            at = end;
        }
    }
    return out;
}

struct fakefs *fakefs_crash(const struct fakefs *f, enum fakefs_model model, uint64_t seed) {
    struct fakefs *g = fakefs_create();
    struct dir now = f->durable, *d = &now;
    size_t kept = f->n_hist;
    if (model == FAKEFS_NOTHING) {
        kept = 0;
    } else if (model == FAKEFS_TORN) {
        kept = draw(&seed) % (f->n_hist + 1);
    }
    for (size_t i = 0; i < kept; i++) { /* reordered: any of them */
        if (model != FAKEFS_REORDERED || draw(&seed) % 2) {
            dir_apply(&now, &f->hist[i]);
        }
    }
    for (size_t i = 0; i < d->n; i++) {
        struct bytes b = survive(&f->inodes[d->at[i].inode], model, &seed);
        int n = inode_new(g, b);
        free(g->inodes[n].durable.p);
        g->inodes[n].durable = bytes_dup(b.p, b.n);
        dir_set(&g->cur, d->at[i].name, n);
    }
    g->durable = g->cur;
    return g;
}

struct fakefs *fakefs_kill(const struct fakefs *f) {
    struct fakefs *g = fakefs_create();
    g->inodes = malloc((size_t)(f->n_inodes + 1) * sizeof(*g->inodes));
    g->n_inodes = f->n_inodes;
    for (int i = 0; i < f->n_inodes; i++) {
        g->inodes[i].cur = bytes_dup(f->inodes[i].cur.p, f->inodes[i].cur.n);
        g->inodes[i].durable = bytes_dup(f->inodes[i].durable.p, f->inodes[i].durable.n);
        g->inodes[i].lost = f->inodes[i].lost;
    }
    g->cur = f->cur;
    g->durable = f->durable;
    memcpy(g->hist, f->hist, sizeof(g->hist));
    g->n_hist = f->n_hist;
    return g;
}

struct fakefs *fakefs_dup(const struct fakefs *f) {
    return fakefs_crash(f, FAKEFS_ALL, 0);
}

void fakefs_on_step(struct fakefs *f, void (*fn)(void *arg, int after), void *arg) {
    f->step = fn;
    f->step_arg = arg;
}

void fakefs_fail(struct fakefs *f, uint64_t nth, enum fakefs_fault fault, uint64_t times) {
    f->fail_from = f->changes + nth;
    f->fail_times = times;
    f->fault = fault;
}

uint64_t fakefs_changes(const struct fakefs *f) {
    return f->changes;
}

int fakefs_failed_sync(const struct fakefs *f) {
    return f->failed_sync;
}

/* 0, or the error the call must return. */
static int before(struct fakefs *f, int is_write) {
    int rc = 0;
    f->changes++;
    if (f->step) {
        f->step(f->step_arg, 0);
    }
    if (f->fail_times && f->changes >= f->fail_from && f->changes < f->fail_from + f->fail_times) {
        switch (f->fault) {
        case FAKEFS_ENOSPC:
            rc = -ENOSPC;
            break;
        case FAKEFS_EIO:
            rc = -EIO;
            break;
        case FAKEFS_EINTR:
            rc = is_write ? -EINTR : 0;
            break;
        default:
            rc = is_write ? 1 : 0;
            break;
        }
    }
    return rc;
}

static int after(struct fakefs *f, int rc) {
    if (f->step) {
        f->step(f->step_arg, 1);
    }
    return rc;
}

static int fd_new(struct fakefs *f, int inode) {
    for (int i = 0; i < FDS_MAX; i++) {
        if (!f->fds[i]) {
            f->fds[i] = inode < 0 ? -1 : inode + 1;
            return i;
        }
    }
    abort();
}

static struct inode *inode_of(struct fakefs *f, int fd) {
    return &f->inodes[f->fds[fd] - 1];
}

static int fake_open(void *ctx, const char *path, int flags) {
    struct fakefs *f = ctx;
    int i = dir_find(&f->cur, base(path)), rc;
    if (i >= 0 && !(flags & O_TRUNC)) {
        return fd_new(f, f->cur.at[i].inode);
    }
    if (!(flags & O_CREAT)) {
        return -ENOENT;
    }
    rc = before(f, 0);
    if (rc < 0) {
        return rc;
    }
    rc = inode_new(f, bytes_dup(NULL, 0));
    dir_change(f, "", base(path), rc);
    return after(f, fd_new(f, rc));
}

static int64_t fake_write(void *ctx, int fd, const void *p, size_t n, uint64_t offset) {
    struct fakefs *f = ctx;
    struct inode *i = inode_of(f, fd);
    size_t end;
    int rc = before(f, 1);
    if (rc == -ENOSPC && n > 3) { /* some of it fits, then no more */
        n /= 2;
        f->fail_from = f->changes + 1;
        f->fail_times = 1;
    } else if (rc < 0) {
        return rc;
    } else if (rc > 0 && n > 1) {
        n = n / 3 + 1;
    }
    end = (size_t)offset + n > i->cur.n ? (size_t)offset + n : i->cur.n;
    i->cur.p = realloc(i->cur.p, end + 1);
    memset(i->cur.p + i->cur.n, 0, end - i->cur.n);
    memcpy(i->cur.p + offset, p, n);
    i->cur.n = end;
    after(f, 0);
    return (int64_t)n;
}

static int64_t fake_read(void *ctx, int fd, void *p, size_t n, uint64_t offset) {
    struct inode *i = inode_of(ctx, fd);
    if (offset >= i->cur.n) {
        return 0;
    }
    n = n < i->cur.n - offset ? n : i->cur.n - offset;
    memcpy(p, i->cur.p + offset, n);
    return (int64_t)n;
}

static int64_t fake_size(void *ctx, int fd) {
    return (int64_t)inode_of(ctx, fd)->cur.n;
}

static int fake_truncate(void *ctx, int fd, uint64_t size) {
    struct fakefs *f = ctx;
    int rc = before(f, 0);
    if (rc < 0) {
        return rc;
    }
    inode_of(f, fd)->cur.n = size;
    return after(f, 0);
}

static int fake_sync(void *ctx, int fd) {
    struct fakefs *f = ctx;
    struct inode *i;
    int rc = before(f, 0);
    if (rc < 0) {
        f->failed_sync = 1;
        inode_of(f, fd)->lost = 1;
        return rc;
    }
    i = inode_of(f, fd);
    if (i->lost) {
        return after(f, 0);
    }
    free(i->durable.p);
    i->durable = bytes_dup(i->cur.p, i->cur.n);
    return after(f, 0);
}

static int fake_close(void *ctx, int fd) {
    struct fakefs *f = ctx;
    f->locked = f->locked && f->fds[fd] != -1;
    f->fds[fd] = 0;
    return 0;
}

static int fake_rename(void *ctx, const char *from, const char *to) {
    struct fakefs *f = ctx;
    int i, rc = before(f, 0);
    if (rc < 0) {
        return rc;
    }
    i = dir_find(&f->cur, base(from));
    if (i < 0) {
        return -ENOENT;
    }
    i = f->cur.at[i].inode;
    dir_change(f, base(from), base(to), i);
    return after(f, 0);
}

static int fake_unlink(void *ctx, const char *path) {
    struct fakefs *f = ctx;
    int rc;
    if (dir_find(&f->cur, base(path)) < 0) {
        return -ENOENT;
    }
    rc = before(f, 0);
    if (rc < 0) {
        return rc;
    }
    dir_change(f, base(path), "", 0);
    return after(f, 0);
}

static int fake_sync_dir(void *ctx, const char *path) {
    struct fakefs *f = ctx;
    int rc = before(f, 0);
    (void)path;
    if (rc < 0) {
        return rc;
    }
    f->durable = f->cur;
    f->n_hist = 0;
    return after(f, 0);
}

static int fake_list(void *ctx, const char *path, void (*fn)(void *arg, const char *name),
                     void *arg) {
    struct fakefs *f = ctx;
    (void)path;
    for (size_t i = 0; i < f->cur.n; i++) {
        fn(arg, f->cur.at[i].name);
    }
    return 0;
}

static int fake_make_dir(void *ctx, const char *path) {
    (void)ctx;
    (void)path;
    return 0;
}

static int fake_lock(void *ctx, const char *path, int64_t *owner) {
    struct fakefs *f = ctx;
    (void)path;
    *owner = f->locked ? 4711 : 0;
    if (f->locked) {
        return -EWOULDBLOCK;
    }
    f->locked = 1;
    return fd_new(f, -1);
}

struct fsio fakefs_io(struct fakefs *f) {
    return (struct fsio){.ctx = f,
                         .open = fake_open,
                         .write = fake_write,
                         .read = fake_read,
                         .size = fake_size,
                         .truncate = fake_truncate,
                         .sync = fake_sync,
                         .close = fake_close,
                         .rename = fake_rename,
                         .unlink = fake_unlink,
                         .sync_dir = fake_sync_dir,
                         .list = fake_list,
                         .make_dir = fake_make_dir,
                         .lock = fake_lock};
}

char *fakefs_data(struct fakefs *f, const char *path, size_t *ret_len) {
    int i = dir_find(&f->cur, base(path));
    if (i < 0) {
        return NULL;
    }
    *ret_len = f->inodes[f->cur.at[i].inode].cur.n;
    return f->inodes[f->cur.at[i].inode].cur.p;
}

void fakefs_cut(struct fakefs *f, const char *path, size_t len) {
    f->inodes[f->cur.at[dir_find(&f->cur, base(path))].inode].cur.n = len;
}

void fakefs_remove(struct fakefs *f, const char *path) {
    dir_del(&f->cur, base(path));
}

size_t fakefs_names(struct fakefs *f, char names[][64], size_t cap) {
    size_t n = f->cur.n < cap ? f->cur.n : cap;
    for (size_t i = 0; i < n; i++) {
        memcpy(names[i], f->cur.at[i].name, 64);
    }
    return n;
}

int fakefs_open_fds(const struct fakefs *f) {
    int n = 0;
    for (int i = 0; i < FDS_MAX; i++) {
        n += f->fds[i] != 0;
    }
    return n;
}
