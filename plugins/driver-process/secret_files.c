/* SPDX-License-Identifier: Apache-2.0 */
#include "secret_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../common/xmem.h"

void secret_wipe(struct secrets *s) {
    for (size_t i = 0; i < s->n; i++) {
        s->d->secret->free(s->d->host->ctx, s->at[i].value);
        s->at[i].value = NULL;
        s->at[i].n = 0;
    }
}

/* The place */

static mode_t passable(void) {
    return geteuid() == 0 ? 0711 : 0700; /* processes of other users go through it */
}

/* A directory that only we can change, on a file system that is memory. It may be there already. */
static int own_dir(const char *path, char *why, size_t cap) {
    struct stat st;
    struct statfs fs;
    if (mkdir(path, passable()) < 0 && errno != EEXIST) {
        snprintf(why, cap, "%s: %s", path, strerror(errno));
        return -1;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int rc = -1;
    if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0) {
        snprintf(why, cap, "%s: %s", path, strerror(errno));
    } else if (st.st_uid != geteuid() || (st.st_mode & 022)) {
        snprintf(why, cap, "%s: others own it or may write to it", path);
    } else if (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC) {
        snprintf(why, cap, "%s is not on a tmpfs", path);
    } else {
        rc = 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static char *place_below(const char *base, const char *state_dir, char *why, size_t cap) {
    unsigned long long h = text_hash(TRL_HASH_INIT, state_dir);
    return own_dir(base, why, cap) < 0 ? NULL : text_format("%s/%016llx", base, h);
}

char *secret_place(const char *wanted, const char *state_dir, char *why, size_t cap) {
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char *bases[3] = {NULL}, *place = NULL;
    size_t n = 0;
    why[0] = '\0';
    if (wanted[0]) {
        return place_below(wanted, state_dir, why, cap);
    }
    if (geteuid() == 0) {
        bases[n++] = text_dup(STR_LIT("/run/trellis-secrets"));
    } else if (runtime && runtime[0] == '/') {
        bases[n++] = text_format("%s/trellis-secrets", runtime);
    }
    bases[n++] = text_format("/dev/shm/trellis-secrets-%u", (unsigned)geteuid());
    for (size_t i = 0; i < n; i++) {
        char reason[256];
        place = place ? place : place_below(bases[i], state_dir, reason, sizeof(reason));
        if (!place) {
            rmdir(bases[i]); /* made for nothing */
        }
        free(bases[i]);
    }
    return place;
}

static void empty_dir(int at, const char *name) {
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            unlinkat(dirfd(d), e->d_name, 0);
        }
    }
    if (d) {
        closedir(d);
    } else if (fd >= 0) {
        close(fd);
    }
    unlinkat(at, name, AT_REMOVEDIR);
}

void secret_sweep(const char *place, int (*keep)(void *arg, const char *run), void *arg) {
    DIR *d = opendir(place);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] != '.' && !keep(arg, e->d_name)) {
            empty_dir(dirfd(d), e->d_name);
        }
    }
    if (d) {
        closedir(d);
    }
}

void secret_remove(const char *place, const char *run) {
    int fd = place ? open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        empty_dir(fd, run);
        close(fd);
    }
}

/* Writing */

static int write_all(int fd, const char *at, size_t n) {
    while (n) {
        ssize_t k = write(fd, at, n);
        if (k < 0 && errno != EINTR) {
            return -1;
        }
        at += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
    return 0;
}

static int fill(int fd, const struct secret *x, uid_t uid, gid_t gid) {
    return write_all(fd, x->value, x->n) < 0 || fchmod(fd, 0400) < 0 ||
                   (uid != (uid_t)-1 && uid != geteuid() && fchown(fd, uid, gid) < 0)
               ? -1
               : 0;
}

/* Under another name first: who opens the file meets the old value or the new one. */
static int write_one(int dir, const struct secret *x, uid_t uid, gid_t gid) {
    char *fresh = text_format(".new.%s", x->file);
    unlinkat(dir, fresh, 0);
    int fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
    int rc = fd < 0 ? -1 : fill(fd, x, uid, gid);
    if (fd >= 0) {
        close(fd);
    }
    if (rc == 0) {
        rc = renameat(dir, fresh, dir, x->file);
    }
    if (rc < 0 && fd >= 0) {
        int e = errno;
        unlinkat(dir, fresh, 0);
        errno = e;
    }
    free(fresh);
    return rc;
}

/* The user of the process passes through it and changes nothing in it. */
static int open_dir(const char *path, uid_t uid, gid_t gid) {
    int foreign = uid != (uid_t)-1 && uid != geteuid();
    char why[256], *place = text_dup(trl_strn(path, (size_t)(strrchr(path, '/') - path)));
    int rc = mkdir(path, 0700);
    if (rc < 0 && errno == ENOENT && own_dir(place, why, sizeof(why)) == 0) {
        rc = mkdir(path, 0700); /* it is made by the first who has a secret */
    }
    free(place);
    if (rc < 0 && errno != EEXIST) {
        return -1;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && foreign && (fchown(fd, geteuid(), gid) < 0 || fchmod(fd, 0750) < 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int secret_write(struct secrets *s, uid_t uid, gid_t gid, char *why, size_t cap) {
    int dir = open_dir(s->dir, uid, gid), rc = dir < 0 ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < s->n; i++) {
        rc = write_one(dir, &s->at[i], uid, gid);
    }
    if (rc < 0) {
        snprintf(why, cap, "its secrets cannot be written to %s: %s", s->dir, strerror(errno));
    }
    if (dir >= 0) {
        close(dir);
    }
    secret_wipe(s);
    return rc;
}

/* A descriptor that can be read, at its beginning, and nothing else. */
static int seal_one(const struct secret *x, uid_t uid, gid_t gid) {
    int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, fd = -1;
    int full = memfd_create(x->file, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (full >= 0 && fill(full, x, uid, gid) == 0 && fcntl(full, F_ADD_SEALS, seals) == 0) {
        char *path = text_format("/proc/self/fd/%d", full);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        free(path);
    }
    if (full >= 0) {
        int e = errno;
        close(full);
        errno = e;
    }
    return fd;
}

int secret_seal(struct secrets *s, uid_t uid, gid_t gid, int *fds, char *why, size_t cap) {
    size_t n = 0;
    while (n < s->n && (fds[n] = seal_one(&s->at[n], uid, gid)) >= 0) {
        n++;
    }
    int e = errno, all = n == s->n;
    while (!all && n > 0) {
        close(fds[--n]);
    }
    if (!all) {
        snprintf(why, cap,
                 "there is no tmpfs for its secrets (option secrets_dir), and no sealed "
                 "descriptor either: %s",
                 strerror(e));
    }
    secret_wipe(s);
    return all ? 0 : -1;
}
