/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper.h"

#define HIGH_FD 64 /* above everything the process gets */

/* Between fork and exec: tells the keeper what failed, and ends. */
__attribute__((noreturn, format(printf, 2, 3))) static void give_up(int fd, const char *fmt, ...) {
    char text[256];
    int e = errno;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    size_t at = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    snprintf(text + at, sizeof(text) - at, ": %s", strerror(e));
    ssize_t done = write(fd, text, strlen(text));
    _exit(done < 0 ? 126 : 127);
}

static void set_limits(const struct spec *s, int tell) {
    for (int i = 0; i < s->n_limits; i++) {
        struct rlimit now, l = {s->limits[i].value, s->limits[i].value};
        int which = s->limits[i].which;
        if (getrlimit((__rlimit_resource_t)which, &now) == 0 && now.rlim_max < l.rlim_max &&
            geteuid() != 0) {
            errno = EPERM;
            give_up(tell, "a resource limit is above the one of the manager");
        }
        if (setrlimit((__rlimit_resource_t)which, &l) < 0) {
            give_up(tell, "cannot set a resource limit");
        }
    }
}

static void set_user(const struct spec *s, int tell) {
    gid_t gid = (gid_t)s->gid;
    if (s->uid < 0 || ((uid_t)s->uid == geteuid() && (s->gid < 0 || gid == getegid()))) {
        return;
    }
    if ((s->gid >= 0 && (setgroups(1, &gid) < 0 || setgid(gid) < 0)) || setuid((uid_t)s->uid) < 0) {
        give_up(tell, "cannot become user %lld", (long long)s->uid);
    }
}

static void default_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    for (int i = 1; i < NSIG; i++) {
        signal(i, SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void join_cgroup(const struct spec *s, int tell) {
    char path[PATH_MAX];
    if (!s->cgroup) {
        return;
    }
    snprintf(path, sizeof(path), "%s/cgroup.procs", s->cgroup);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, "0", 1) != 1) {
        give_up(tell, "cannot join %s", s->cgroup);
    }
    close(fd);
}

static char **environment(const struct spec *s) {
    static char pid[32], fds[32], names[1024];
    size_t n = 0;
    while (s->env[n]) {
        n++;
    }
    char **env = calloc(n + 4, sizeof(*env));
    if (env && n) {
        memcpy(env, s->env, n * sizeof(*env));
    }
    if (env && s->n_fds) {
        snprintf(pid, sizeof(pid), "LISTEN_PID=%d", (int)getpid());
        snprintf(fds, sizeof(fds), "LISTEN_FDS=%d", s->n_fds);
        snprintf(names, sizeof(names), "LISTEN_FDNAMES=%s", s->fdnames ? s->fdnames : "");
        env[n] = pid;
        env[n + 1] = fds;
        env[n + 2] = names;
    }
    return env;
}

__attribute__((noreturn)) static void run(const struct spec *s, int out, int err, int tell,
                                          pid_t keeper) {
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    setsid();
    default_signals();
    join_cgroup(s, tell);
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) {
        give_up(tell, "cannot prepare its standard streams");
    }
    for (int i = 0; i < s->n_fds + s->n_sealed;
         i++) { /* each one place down, to where systemd puts them */
        if (dup2(KEEPER_FD_LISTEN + i, 3 + i) < 0 || fcntl(3 + i, F_SETFD, 0) < 0) {
            give_up(tell, "cannot pass its descriptors");
        }
    }
    close_range(3u + (unsigned)(s->n_fds + s->n_sealed), ~0u, CLOSE_RANGE_CLOEXEC);
    set_limits(s, tell);
    set_user(s, tell);
    umask(022);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        give_up(tell, "cannot give up privileges");
    }
    if (getppid() != keeper) { /* it died before the kernel knew that we shall die with it */
        _exit(127);
    }
    if (s->dir && chdir(s->dir) < 0) {
        give_up(tell, "cannot enter directory %s", s->dir);
    }
    char **env = environment(s);
    if (!env) {
        give_up(tell, "its environment");
    }
    execve(s->argv[0], s->argv, env);
    int e = errno;
    if (e == ENOENT && access(s->argv[0], F_OK) == 0) {
        errno = e;
        give_up(tell, "cannot run %s: its interpreter (first line, or ELF loader)", s->argv[0]);
    }
    errno = e;
    give_up(tell, "cannot run %s", s->argv[0]);
}

static int write_file(const char *dir, const char *name, const char *text) {
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644); /* they are there in a real one */
    int rc = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static int make_cgroup(const struct spec *s, char *why, size_t cap) {
    const char *const names[] = {"memory.max", "cpu.max", "pids.max"};
    const char *const values[] = {s->memory_max, s->cpu_max, s->pids_max};
    char parent[PATH_MAX];
    if (!s->cgroup) {
        return 0;
    }
    snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(s->cgroup, '/') - s->cgroup), s->cgroup);
    if (access(parent, F_OK) == 0) { /* what is not delegated is missed below */
        write_file(parent, "cgroup.subtree_control", "+memory +cpu +pids");
    }
    if (mkdir(s->cgroup, 0755) < 0 && errno != EEXIST) {
        snprintf(why, cap, "cannot make the control group %s: %s", s->cgroup, strerror(errno));
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        if (values[i] && write_file(s->cgroup, names[i], values[i]) < 0) {
            snprintf(why, cap,
                     "cannot set %s of control group %s: %s (is that controller delegated to us?)",
                     names[i], s->cgroup, strerror(errno));
            return -1;
        }
    }
    return 0;
}

pid_t child_start(const struct spec *s, int out, int err, char *why, size_t cap) {
    int tell[2];
    pid_t me = getpid();
    if (make_cgroup(s, why, cap) < 0) {
        return -1;
    }
    if (pipe2(tell, O_CLOEXEC) < 0) {
        snprintf(why, cap, "cannot make a pipe: %s", strerror(errno));
        return -1;
    }
    int high = fcntl(tell[1], F_DUPFD_CLOEXEC, HIGH_FD);
    int high_out = fcntl(out, F_DUPFD_CLOEXEC, HIGH_FD),
        high_err = fcntl(err, F_DUPFD_CLOEXEC, HIGH_FD);
    pid_t pid = high < 0 || high_out < 0 || high_err < 0 ? -1 : fork();
    if (pid == 0) {
        run(s, high_out, high_err, high, me);
    }
    int e = errno;
    close(tell[1]);
    close(high);
    close(high_out);
    close(high_err);
    ssize_t n = pid > 0 ? read(tell[0], why, cap - 1) : 0;
    close(tell[0]);
    if (pid < 0) {
        snprintf(why, cap, "cannot start a process: %s", strerror(e));
    } else if (n > 0) {
        why[n] = '\0';
        return -1;
    }
    return pid;
}

static pid_t parent_of(const char *pid) {
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) {
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    const char *after = strrchr(text, ')');
    int parent = 0;
    return after && sscanf(after, ") %*c %d", &parent) == 1 ? (pid_t)parent : 0;
}

void child_kill_all(pid_t pid, const struct spec *s) {
    DIR *d = opendir("/proc");
    pid_t me = getpid();
    kill(-pid, SIGKILL);
    if (s->cgroup) {
        write_file(s->cgroup, "cgroup.kill", "1");
    }
    for (struct dirent *e; d && (e = readdir(d));) {
        if (isdigit((unsigned char)e->d_name[0]) && parent_of(e->d_name) == me) {
            kill((pid_t)strtol(e->d_name, NULL, 10), SIGKILL);
        }
    }
    if (d) {
        closedir(d);
    }
}

void child_forget_cgroup(const struct spec *s) {
    if (s->cgroup) {
        rmdir(s->cgroup);
    }
}

void child_forget_secrets(const struct spec *s, int last) {
    DIR *d = s->secrets_dir ? opendir(s->secrets_dir) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            unlinkat(dirfd(d), e->d_name, 0);
        }
    }
    if (d) {
        closedir(d);
        rmdir(s->secrets_dir);
    }
    const char *slash = s->secrets_dir ? strrchr(s->secrets_dir, '/') : NULL;
    if (last && slash) {
        char place[PATH_MAX];
        snprintf(place, sizeof(place), "%.*s", (int)(slash - s->secrets_dir), s->secrets_dir);
        rmdir(place);
    }
}
