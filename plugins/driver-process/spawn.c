/* SPDX-License-Identifier: Apache-2.0 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/xmem.h"
#include "bundle.h"
#include "keeper/keeper.h"
#include "secrets.h"
#include "state.h"

#define HIGH_FD  64    /* above those a keeper gets */
#define START_MS 20000 /* a keeper that says nothing for so long is given up */

char *spawn_dir(const struct trl_inst *d, const char *id) {
    return text_format("%s/runs/%s", d->set.state_dir, id);
}

__attribute__((format(printf, 2, 3))) static int fail(struct spawn *s, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->error, sizeof(s->error), fmt, ap);
    va_end(ap);
    return -1;
}

static void line(struct spawn *s, const char *key, const char *value) {
    json_array_append_new(s->lines, json_sprintf("%s=%s", key, value));
}

static void number(struct spawn *s, const char *key, int n) {
    json_array_append_new(s->lines, json_sprintf("%s=%d", key, n));
}

static int write_file(int dir, const char *name, const char *text, size_t n, mode_t mode, uid_t uid,
                      gid_t gid) {
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    int rc = fd >= 0 && write(fd, text, n) == (ssize_t)n ? 0 : -1;
    if (rc == 0 && uid != (uid_t)-1 && uid != geteuid()) {
        rc = fchown(fd, uid, gid);
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

int spawn_user(const char *user, const char *group, uid_t *uid, gid_t *gid, char *why, size_t cap) {
    char buf[4096];
    struct passwd pw, *p = NULL;
    struct group gr, *g = NULL;
    if (user) {
        if (getpwnam_r(user, &pw, buf, sizeof(buf), &p) != 0 || !p) {
            snprintf(why, cap, "there is no user \"%s\" on this machine", user);
            return -1;
        }
        *uid = p->pw_uid;
        *gid = p->pw_gid;
        if (*uid != geteuid() && geteuid() != 0) {
            snprintf(why, cap,
                     "only a manager that runs as root can start processes as user \"%s\"", user);
            return -1;
        }
    }
    if (group) {
        if (getgrnam_r(group, &gr, buf, sizeof(buf), &g) != 0 || !g) {
            snprintf(why, cap, "there is no group \"%s\" on this machine", group);
            return -1;
        }
        *gid = g->gr_gid;
    }
    return 0;
}

static int find_user(struct spawn *s, uid_t *uid, gid_t *gid) {
    char number[32];
    if (spawn_user(s->user, s->group, uid, gid, s->error, sizeof(s->error)) < 0) {
        return -1;
    }
    if (s->user) {
        snprintf(number, sizeof(number), "%u", (unsigned)*uid);
        line(s, "uid", number);
    }
    if (s->user || s->group) {
        snprintf(number, sizeof(number), "%u", (unsigned)*gid);
        line(s, "gid", number);
    }
    return 0;
}

void spawn_note_secrets(const struct trl_inst *d, const char *id, uint64_t hash) {
    char text[20], *name = text_format("runs/%s", id);
    int dir = openat(d->state_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)hash);
    if (dir >= 0) { /* without it they are read once more */
        write_file(dir, "secrets", text, strlen(text), 0600, (uid_t)-1, (gid_t)-1);
        close(dir);
    }
    free(name);
}

static int give_secrets(struct trl_inst *d, struct spawn *s, uid_t uid, gid_t gid) {
    struct secrets *x = s->secrets;
    if (!x) {
        return 0;
    }
    if (x->dir) {
        spawn_note_secrets(d, s->id, x->hash);
        return secret_write(x, uid, gid, s->error, sizeof(s->error));
    }
    if (secret_seal(x, uid, gid, s->fds + s->n_fds, s->error, sizeof(s->error)) < 0) {
        return -1;
    }
    s->n_sealed = (int)x->n;
    return 0;
}

static int write_spec(struct spawn *s, int dir) {
    size_t n = 0, i;
    const json_t *v;
    char *text, *at;
    json_array_foreach(s->lines, i, v) {
        n += json_string_length(v) + 1;
    }
    text = at = x_alloc(n);
    json_array_foreach(s->lines, i, v) {
        memcpy(at, json_string_value(v), json_string_length(v) + 1);
        at += json_string_length(v) + 1;
    }
    int rc = write_file(dir, KEEPER_SPEC, text, n, 0600, (uid_t)-1, (gid_t)-1);
    free(text);
    return rc < 0 ? fail(s, "cannot write its files: %s", strerror(errno)) : 0;
}

static int write_files(struct trl_inst *d, struct spawn *s, int dir) {
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    struct bundle b = {.program = NULL};
    size_t i;
    const json_t *v;
    if (find_user(s, &uid, &gid) < 0) {
        return -1;
    }
    if (bundle_resolve(d, s->image, s->entry, &b, s->error, sizeof(s->error)) < 0) {
        bundle_finish(&b);
        return -1;
    }
    line(s, "argv", b.program);
    json_array_foreach(b.args, i, v) {
        line(s, "argv", json_string_value(v));
    }
    json_array_foreach(s->args, i, v) {
        line(s, "argv", json_string_value(v));
    }
    json_array_foreach(b.env, i, v) {
        line(s, "env", json_string_value(v));
    }
    line(s, "dir", s->directory ? s->directory : b.directory);
    bundle_finish(&b);
    if (give_secrets(d, s, uid, gid) < 0) {
        return -1;
    }
    if (s->n_fds) {
        number(s, "fds", s->n_fds);
        line(s, "fdnames", s->fdnames);
    }
    if (s->n_sealed) {
        number(s, "sealed", s->n_sealed);
    }
    if (write_file(dir, "config.json", s->config, strlen(s->config), 0400, uid, gid) < 0 ||
        write_file(dir, "meta.json", s->meta, strlen(s->meta), 0600, (uid_t)-1, (gid_t)-1) < 0) {
        return fail(s, "cannot write its files: %s", strerror(errno));
    }
    return write_spec(s, dir);
}

/* Passes the descriptors as 3, 4, ...; all of them are above those numbers. */
static int start(const struct trl_inst *d, char *const argv[], const int *fds, int n_fds,
                 pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    char *const env[] = {NULL};
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    for (int i = 0; i < n_fds; i++) {
        posix_spawn_file_actions_adddup2(&actions, fds[i], KEEPER_FD_RESULT + i);
    }
    int rc = posix_spawn(pid, d->set.keeper, &actions, &attr, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return rc;
}

/* What the keeper says of the start; it ends the text by closing its end. */
static void hear(struct spawn *s, int fd) {
    char text[400];
    size_t n = 0;
    struct pollfd p = {fd, POLLIN, 0};
    for (;;) {
        ssize_t k = poll(&p, 1, START_MS) > 0 ? read(fd, text + n, sizeof(text) - 1 - n) : -1;
        if (k <= 0) {
            break;
        }
        n += (size_t)k;
    }
    text[n] = '\0';
    if (sscanf(text, "ok %d", &s->pid) != 1) {
        fail(s, "%s", n ? text : "its keeper ended without a word");
    }
}

static void start_keeper(struct trl_inst *d, struct spawn *s, char *dir) {
    char *argv[] = {d->set.keeper, dir, NULL};
    int ends[2], fds[SPAWN_FDS_MAX + 1], n = 0, status;
    pid_t pid = 0;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        fail(s, "cannot make a pipe: %s", strerror(errno));
        return;
    }
    fds[n++] = fcntl(ends[1], F_DUPFD_CLOEXEC, HIGH_FD);
    for (int i = 0; i < s->n_fds + s->n_sealed; i++) {
        fds[n++] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
    }
    close(ends[1]);
    int rc = start(d, argv, fds, n, &pid);
    for (int i = 0; i < n; i++) {
        close(fds[i]);
    }
    if (rc != 0) {
        fail(s, "cannot start %s: %s", d->set.keeper, strerror(rc));
    } else {
        hear(s, ends[0]);
        waitpid(pid, &status, 0); /* it has left its keeper behind */
    }
    close(ends[0]);
}

static void close_fds(struct spawn *s) {
    for (int i = 0; i < s->n_fds + s->n_sealed; i++) {
        close(s->fds[i]);
    }
    s->n_fds = s->n_sealed = 0;
}

void spawn_run(struct trl_inst *d, struct spawn *s) {
    char *path = spawn_dir(d, s->id), *name = text_format("runs/%s", s->id);
    int dir = -1;
    if ((mkdirat(d->state_fd, name, 0711) < 0 && errno != EEXIST) ||
        (dir = openat(d->state_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        fail(s, "cannot make %s: %s", path, strerror(errno));
    } else if (write_files(d, s, dir) == 0) {
        start_keeper(d, s, path);
    }
    if (dir >= 0) {
        close(dir);
    }
    if (s->error[0]) { /* it never ran: nothing is worth keeping */
        runs_remove(d->state_fd, s->id, 1);
        secret_remove(s->secrets && s->secrets->dir ? d->secret_place : NULL, s->id);
    }
    if (s->secrets) {
        secret_wipe(s->secrets);
    }
    close_fds(s);
    free(path);
    free(name);
}

void spawn_free(struct spawn *s) {
    close_fds(s);
    secrets_free(s->secrets);
    free(s->id);
    free(s->image);
    free(s->entry);
    free(s->config);
    free(s->meta);
    free(s->user);
    free(s->group);
    free(s->directory);
    free(s->fdnames);
    json_decref(s->lines);
    json_decref(s->args);
    free(s);
}

int spawn_check(const struct trl_inst *d, const char *dir, int64_t timeout_ms, char *why,
                size_t cap) {
    char flag[] = "--check", *path = text_dup(trl_cstr(dir));
    char *argv[] = {d->set.keeper, flag, path, NULL};
    pid_t pid = 0;
    int status = 0, rc = start(d, argv, NULL, 0, &pid);
    free(path);
    if (rc != 0) {
        snprintf(why, cap, "cannot start %s: %s", d->set.keeper, strerror(rc));
        return -1;
    }
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {fd, POLLIN, 0};
    int in_time = fd < 0 || poll(&p, 1, (int)timeout_ms) > 0;
    if (!in_time) {
        kill(pid, SIGTERM); /* it takes the check along */
    }
    waitpid(pid, &status, 0);
    if (fd >= 0) {
        close(fd);
    }
    if (!in_time) {
        snprintf(why, cap, "the check did not end within %lld ms", (long long)timeout_ms);
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        snprintf(why, cap, "the check ended with status %d",
                 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    } else {
        return 0;
    }
    return -1;
}
