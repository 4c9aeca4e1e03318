/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../common/xmem.h"
#include "keeper/keeper.h"
#include "listen.h"
#include "prepare.h"
#include "rotate.h"
#include "secrets.h"
#include "state.h"

#define KEEPER_EXTRA_NS (5 * NS_PER_S) /* beyond the deadline of a stop */
#define ADOPT_AGAIN_NS  (20 * NS_PER_MS)

struct launch {
    struct job job;
    struct spawn *spawn;
    struct run *run;
};

/* Nothing was started yet: its secrets are not there. */
static void launch_drop(struct run *r) {
    if (r->launch) {
        spawn_free(r->launch->spawn);
        free(r->launch);
        r->launch = NULL;
    }
}

void run_free(struct run *r) {
    struct unit *u = r->unit;
    for (struct run **at = &u->runs; *at; at = &(*at)->next) {
        if (*at == r) {
            *at = r->next;
            break;
        }
    }
    health_stop(&r->health);
    wake_stop(&r->patience);
    run_rotate_end(r);
    launch_drop(r);
    watch_close(u->d->io, &r->sock);
    want_unref(r->want);
    free(r->check_address);
    free(r->dir);
    free(r->id);
    free(r);
}

static void say(struct run *r, const char *text) {
    if (r->sock.id && send(r->sock.fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        trl_logf(r->unit->d->host, TRL_LOG_WARN, "%s: its keeper does not listen: %s", r->unit->id,
                 strerror(errno));
    }
}

char *run_prefix(const char *unit) {
    return text_format("u%08x-", (unsigned)text_hash(TRL_HASH_INIT, unit));
}

struct prune {
    struct job job;
    char *prefix, *gone; /* gone: a run, or NULL */
    int lost;            /* its keeper left no word */
    unsigned keep;
};

static void prune(struct job *j) {
    struct prune *p = (struct prune *)(void *)j;
    if (p->lost) {
        runs_mark_ended(j->d->state_fd, p->gone);
    }
    if (p->gone) {
        secret_remove(j->d->secret_place, p->gone);
    }
    runs_clean(j->d->state_fd, p->prefix, p->gone, p->keep);
}

static void on_pruned(struct job *j) {
    struct prune *p = (struct prune *)(void *)j;
    free(p->prefix);
    free(p->gone);
    free(p);
}

void runs_prune(struct trl_inst *d, const char *unit, const char *gone, int lost, unsigned keep) {
    struct prune *p = x_zalloc(sizeof(*p));
    p->gone = gone ? text_dup(trl_cstr(gone)) : NULL;
    p->lost = lost;
    p->prefix = run_prefix(unit);
    p->keep = keep;
    job_start(&p->job, d, prune, on_pruned);
}

/* The end of a process, whoever tells of it. lost: its keeper did not. */
static void ended(struct run *r, const char *how, int lost) {
    char *id = text_dup(trl_cstr(r->id));
    struct unit *u = r->unit;
    char text[320];
    int expected = r->state == RUN_STOPPING && !r->why[0];
    snprintf(text, sizeof(text), "%s%s%s", r->why, r->why[0] ? "; " : "", how);
    if (!expected) {
        unit_failed(u, r, text);
    }
    run_free(r);
    runs_prune(u->d, u->id, id, lost, u->count || u->d->starting ? 2 : 0);
    free(id);
    unit_soon(u);
}

static void on_exit_told(struct run *r, const char *text) {
    int code = 0, signum = 0;
    long long at_ms = 0;
    char how[160];
    if (sscanf(text, "exit %d %d %lld", &code, &signum, &at_ms) < 2) {
        return;
    }
    long long ran = r->started_ms && at_ms > r->started_ms ? at_ms - r->started_ms : 0;
    if (signum) {
        snprintf(how, sizeof(how), "ended by signal %d (%s) after %lld.%03lld s", signum,
                 strsignal(signum), ran / 1000, ran % 1000);
    } else {
        snprintf(how, sizeof(how), "ended with status %d after %lld.%03lld s", code, ran / 1000,
                 ran % 1000);
    }
    say(r, "reap");
    ended(r, how, 0);
}

static void on_patience(void *arg) {
    struct run *r = arg;
    if (r->pid > 0) {
        kill(-r->pid, SIGKILL);
    }
    ended(r, "its keeper did not stop it in time: killed", 1);
}

static void on_dropped(void *arg) {
    ended(arg, "not started", 0);
}

void run_stop(struct run *r, const char *why) {
    char text[64];
    int64_t ms = settings_stop_ms(r->unit->d, want_settings(r->want));
    if (r->state == RUN_STOPPING) {
        return;
    }
    snprintf(r->why, sizeof(r->why), "%s", why);
    health_stop(&r->health);
    if (r->launch) {
        launch_drop(r);
        wake_start(&r->patience, &r->unit->d->desk, 0, on_dropped, r);
    } else if (r->state != RUN_LAUNCHING) {
        snprintf(text, sizeof(text), "stop %lld", (long long)ms);
        say(r, text);
        wake_start(&r->patience, &r->unit->d->desk, ms * NS_PER_MS + KEEPER_EXTRA_NS, on_patience,
                   r);
    }
    r->state = RUN_STOPPING;
}

void run_signal(struct run *r, int signum) {
    char text[32];
    snprintf(text, sizeof(text), "signal %d", signum);
    say(r, text);
}

static void on_healthy(void *arg) {
    struct run *r = arg;
    if (r->state == RUN_STARTING) {
        r->state = RUN_READY;
        r->ready_ns = now_ns(r->unit->d);
        say(r, "ready");
        unit_ready(r->unit, r);
    }
}

static void on_sick(void *arg, const char *why) {
    struct run *r = arg;
    char text[256];
    snprintf(text, sizeof(text), "health check: %s", why);
    unit_soon(r->unit);
    run_stop(r, text);
}

static void begin_checks(struct run *r, int ready) {
    struct trl_inst *d = r->unit->d;
    struct health_spec s = settings_health(want_settings(r->want));
    free(r->dir);
    r->dir = spawn_dir(d, r->id);
    r->health = (struct health){.on_ready = on_healthy, .on_failed = on_sick, .arg = r};
    health_start(&r->health, d, s, s.address ? s.address : r->check_address, r->dir, ready);
}

/* Messages of the keeper */

static void on_fds(struct run *r, const char *names, const int *fds, int n) {
    for (int i = 0; i < n; i++) {
        const char *end = strchr(names, ':');
        char *name = text_dup(trl_strn(names, end ? (size_t)(end - names) : strlen(names)));
        names = end ? end + 1 : names + strlen(names);
        if (strcmp(name, "health") == 0) {
            close(fds[i]);
        } else {
            listener_adopt(r->unit->d, r->unit->id, name, NULL, fds[i]);
        }
        free(name);
    }
    r->got_fds = 1;
}

static void on_run_told(struct run *r, const char *text) {
    int pid = 0, said_ready = 0;
    long long started_ms = 0;
    if (sscanf(text, "run %d %lld %d", &pid, &started_ms, &said_ready) != 3) {
        return;
    }
    r->pid = pid;
    r->started_ms = started_ms;
    if (r->state == RUN_ADOPTING) {
        r->state = said_ready ? RUN_READY : RUN_STARTING;
        r->ready_ns = said_ready ? now_ns(r->unit->d) : 0;
        begin_checks(r, said_ready);
        driver_progress(r->unit->d);
    } else if (said_ready) { /* before we listened */
        health_notified(&r->health);
    }
}

static void on_message(struct run *r, const char *text, const int *fds, int n_fds) {
    if (strncmp(text, "fds ", 4) == 0) {
        on_fds(r, text + 4, fds, n_fds);
        return;
    }
    for (int i = 0; i < n_fds; i++) {
        close(fds[i]);
    }
    if (strncmp(text, "run ", 4) == 0) {
        on_run_told(r, text);
    } else if (strcmp(text, "ready") == 0) {
        health_notified(&r->health);
    } else if (strncmp(text, "exit ", 5) == 0) {
        on_exit_told(r, text); /* r is gone */
    }
}

static ssize_t receive(struct run *r, char *text, size_t cap, int *fds, int *n_fds) {
    union {
        char bytes[CMSG_SPACE(sizeof(int) * KEEPER_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec v = {text, cap - 1};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(r->sock.fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    *n_fds = 0;
    for (struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL; c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            *n_fds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(fds, CMSG_DATA(c), sizeof(int) * (size_t)*n_fds);
        }
    }
    text[n > 0 ? n : 0] = '\0';
    return n;
}

static void on_sock(void *arg) {
    struct run *r = arg;
    char text[KEEPER_MSG_MAX];
    int fds[KEEPER_FDS_MAX], n_fds = 0;
    ssize_t n = receive(r, text, sizeof(text), fds, &n_fds);
    if (n > 0) {
        int last = strncmp(text, "exit ", 5) == 0;
        if (!last) {
            watch_again(r->unit->d->io, &r->sock, EPOLLIN);
        }
        on_message(r, text, fds, n_fds);
    } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        watch_again(r->unit->d->io, &r->sock, EPOLLIN);
    } else { /* the process dies with its keeper; so shall its children */
        if (r->pid > 0) {
            kill(-r->pid, SIGKILL);
        }
        ended(r, "its keeper died", 1);
    }
}

/* Paths of sockets are short; the state directory's need not be. */
static int connect_keeper(const struct trl_inst *d, const char *id) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char *name = text_format("runs/%s", id);
    int dir = openat(d->state_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = dir < 0 ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    free(name);
    snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" KEEPER_SOCK, dir);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        close(fd);
        fd = -1;
    }
    if (dir >= 0) {
        close(dir);
    }
    return fd;
}

static int open_sock(struct run *r) {
    int fd = connect_keeper(r->unit->d, r->id);
    return fd < 0 ? -1 : watch_open(r->unit->d->io, &r->sock, fd, EPOLLIN, on_sock, r);
}

static void try_adopt(void *arg) {
    struct run *r = arg;
    struct trl_inst *d = r->unit->d;
    if (open_sock(r) == 0) {
        say(r, "fds");
        say(r, "status");
    } else if (!runs_take(d->state_fd, r->id)) { /* it has only just begun */
        wake_start(&r->patience, &d->desk, ADOPT_AGAIN_NS, try_adopt, r);
    } else {
        trl_logf(d->host, TRL_LOG_WARN, "%s: a process ended while nobody managed it", r->unit->id);
        runs_prune(d, r->unit->id, r->id, 1, 2);
        run_free(r);
        driver_progress(d);
    }
}

void run_adopt(struct run *r) {
    r->state = RUN_ADOPTING;
    r->adopted = 1;
    wake_start(&r->patience, &r->unit->d->desk, 0, try_adopt, r);
}

/* Starting */

static void work(struct job *j) {
    struct launch *l = (struct launch *)(void *)j;
    spawn_run(j->d, l->spawn);
}

static void on_launched(struct job *j) {
    struct launch *l = (struct launch *)(void *)j;
    struct run *r = l->run;
    int stop = r->state == RUN_STOPPING;
    char why[256];
    snprintf(why, sizeof(why), "%s", r->why);
    if (l->spawn->error[0]) {
        ended(r, l->spawn->error, 0);
    } else if (r->pid = l->spawn->pid, open_sock(r) < 0) {
        kill(-r->pid, SIGKILL);
        ended(r, "its keeper cannot be reached", 1);
    } else {
        r->started_ms = r->unit->d->loop->wall_ms(r->unit->d->host->ctx);
        r->state = RUN_STARTING;
        begin_checks(r, 0);
        say(r, "status"); /* it may have ended before we could listen */
        if (stop) {
            run_stop(r, why);
        }
        unit_soon(r->unit);
    }
    spawn_free(l->spawn);
    free(l);
}

static void on_secrets(void *arg, const char *why) {
    struct run *r = arg;
    struct launch *l = r->launch;
    char text[320];
    if (!why) {
        r->launch = NULL;
        job_start(&l->job, r->unit->d, work, on_launched);
        return;
    }
    snprintf(text, sizeof(text), "%s", why);
    launch_drop(r);
    r->unit->lacks_secret = 1;
    ended(r, text, 0);
}

int run_start(struct unit *u, char *why, size_t cap) {
    struct trl_inst *d = u->d;
    struct run *r = x_zalloc(sizeof(*r));
    char *prefix = run_prefix(u->id);
    r->unit = u;
    r->sock.fd = -1;
    r->fp = u->fp;
    r->want = want_ref(u->want);
    r->id =
        text_format("%s%013llx-%llx", prefix, (unsigned long long)d->loop->wall_ms(d->host->ctx),
                    (unsigned long long)++d->serial);
    free(prefix);
    r->next = u->runs;
    u->runs = r;
    struct spawn *s = spawn_prepare(r, why, cap);
    if (!s) {
        run_free(r);
        return -1;
    }
    struct launch *l = x_zalloc(sizeof(*l));
    l->spawn = s;
    l->run = r;
    if (s->secrets) {
        r->launch = l;
        secrets_fetch(s->secrets, on_secrets, r);
    } else {
        job_start(&l->job, d, work, on_launched);
    }
    return 0;
}
