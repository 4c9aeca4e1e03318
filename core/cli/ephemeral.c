/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ephemeral.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define LOOK_NS (20l * 1000000l)

struct ephemeral {
    char *dir;
    int alive; /* the other end is told of our end by the kernel */
    pid_t pid;
};

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st;
    (void)kind;
    (void)ftw;
    remove(path);
    return 0;
}

/* Keepers live in the directories of their runs. Zombies have no working directory. */
static bool somebody_is_in(const char *dir) {
    DIR *d = opendir("/proc");
    size_t len = strlen(dir);
    bool found = false;
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        char path[300], cwd[4096];
        if (!isdigit((unsigned char)e->d_name[0])) {
            continue;
        }
        snprintf(path, sizeof(path), "/proc/%s/cwd", e->d_name);
        ssize_t n = readlink(path, cwd, sizeof(cwd) - 1);
        found = n > (ssize_t)len && strncmp(cwd, dir, len) == 0 && cwd[len] == '/';
    }
    if (d) {
        closedir(d);
    }
    return found;
}

static bool answers(const char *path) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return yes;
}

static void bury(const char *dir, const char *const *paths, uint32_t n) {
    const struct timespec look = {0, LOOK_NS};
    bool taken = n && answers(paths[0]);
    for (uint32_t i = 0; i < n && !taken; i++) {
        unlink(paths[i]);
    }
    while (somebody_is_in(dir)) {
        nanosleep(&look, NULL);
    }
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The process that stays. Its standard streams are nobody's: whoever reads ours is told the end. */
__attribute__((noreturn)) static void stay(int told, const char *dir, const char *const *paths,
                                           uint32_t n) {
    char c;
    ssize_t k;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    setsid();
    prctl(PR_SET_NAME, "trellis-after");
    for (int i = 0; i < 3 && null >= 0; i++) {
        dup2(null, i);
    }
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    do {
        k = read(told, &c, 1);
    } while (k > 0 || (k < 0 && errno == EINTR));
    bury(dir, paths, n);
    _exit(0);
}

/* Where the user's files of this session go; they are gone with the machine at the latest. */
static char *make_dir(struct err *err) {
    const char *run = getenv("XDG_RUNTIME_DIR"), *tmp = getenv("TMPDIR");
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/trellis-up-XXXXXX",
             run && access(run, W_OK) == 0 ? run
             : tmp && *tmp == '/'          ? tmp
                                           : "/tmp");
    char *real = mkdtemp(b.ptr) ? realpath(b.ptr, NULL) : NULL;
    if (!real) {
        err_set(err, TRL_E_DENIED, "cannot make a directory %s: %s", b.ptr, strerror(errno));
    }
    buf_finish(&b);
    return real;
}

int ephemeral_begin(const char *const *paths, uint32_t n, struct ephemeral **ret, struct err *err) {
    int ends[2];
    char *dir = make_dir(err);
    if (!dir) {
        return TRL_E_DENIED;
    }
    fflush(NULL);
    pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();
    if (pid == 0) {
        close(ends[1]);
        stay(ends[0], dir, paths, n);
    }
    if (pid < 0) {
        int rc = err_set(err, TRL_E_UNAVAIL, "cannot start a process: %s", strerror(errno));
        rmdir(dir);
        free(dir);
        return rc;
    }
    close(ends[0]);
    *ret = mem_zalloc(sizeof(**ret));
    **ret = (struct ephemeral){dir, ends[1], pid};
    return 0;
}

const char *ephemeral_dir(const struct ephemeral *e) {
    return e->dir;
}

void ephemeral_end(struct ephemeral *e) {
    if (!e) {
        return;
    }
    close(e->alive);
    while (waitpid(e->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    free(e->dir);
    mem_free(e);
}
