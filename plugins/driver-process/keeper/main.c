/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis-keeper DIRECTORY: parent of one process of an application. It holds what must not die
 * with the manager: the log pipes, the listening sockets, the exit status. The manager finds it
 * again by the socket in its directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "keeper.h"
#include "logfile.h"
#include "server.h"

#define LEFTOVERS_MS 2000 /* what a process leaves behind may end by itself for so long */
#define KILL_AGAIN   100

struct keeper {
    struct spec spec;
    struct server server;
    struct logfile log;
    struct logstream out, err;
    pid_t pid;
    int signals, notify; /* descriptors; notify -1: none */
    int ready, main_gone, all_gone, stopping, killing, reaped;
    int code, signum;
    long long started_ms, ended_ms;  /* wall */
    long long deadline_ms, alone_ms; /* monotonic; 0: none */
};

static long long clock_ms(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static long long now_ms(void) {
    return clock_ms(CLOCK_MONOTONIC);
}

static void tell_start(const char *text) {
    ssize_t done = write(KEEPER_FD_RESULT, text, strlen(text));
    (void)done; /* the manager sees an end without a word then, and calls it a failure */
    close(KEEPER_FD_RESULT);
}

/* Ending */

static void stop(struct keeper *k, long long ms) {
    long long deadline = now_ms() + ms;
    if (k->all_gone) {
        return;
    }
    if (!k->stopping || deadline < k->deadline_ms) {
        k->deadline_ms = deadline;
    }
    if (!k->stopping) {
        kill(-k->pid, SIGTERM);
    }
    k->stopping = 1;
}

static void status_text(const struct keeper *k, char *text, size_t cap) {
    if (k->all_gone) {
        snprintf(text, cap, "exit %d %d %lld", k->code, k->signum, k->ended_ms);
    } else {
        snprintf(text, cap, "run %d %lld %d", (int)k->pid, k->started_ms, k->ready);
    }
}

static void write_exit(const struct keeper *k) {
    char text[96];
    int fd = open(KEEPER_EXIT ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int n = snprintf(text, sizeof(text), "%d %d %lld\n", k->code, k->signum, k->ended_ms);
    if (fd >= 0) {
        if (write(fd, text, (size_t)n) == n) {
            rename(KEEPER_EXIT ".new", KEEPER_EXIT);
        }
        close(fd);
    }
}

static void all_over(struct keeper *k) {
    char text[KEEPER_MSG_MAX];
    while (logstream_read(&k->out, &k->log) || logstream_read(&k->err, &k->log)) {
    }
    logstream_end(&k->out, &k->log);
    logstream_end(&k->err, &k->log);
    child_forget_cgroup(&k->spec);
    child_forget_secrets(&k->spec, !server_clients(&k->server));
    k->all_gone = 1;
    k->deadline_ms = 0;
    write_exit(k);
    status_text(k, text, sizeof(text));
    server_say(&k->server, -1, text);
}

static void on_children(struct keeper *k) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != k->pid) {
            continue;
        }
        k->main_gone = 1;
        k->ended_ms = clock_ms(CLOCK_REALTIME);
        k->code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        k->signum = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    if (k->main_gone && !k->all_gone && pid < 0 && errno == ECHILD) {
        all_over(k);
    } else if (k->main_gone && !k->all_gone) {
        stop(k, LEFTOVERS_MS);
    }
}

static void on_deadline(struct keeper *k) {
    if (!k->killing) {
        logfile_note(&k->log, "trellis: still running at the deadline: killed");
    }
    k->killing = 1;
    child_kill_all(k->pid, &k->spec);
    k->deadline_ms = now_ms() + KILL_AGAIN;
}

/* What comes in */

static void on_signal(struct keeper *k) {
    struct signalfd_siginfo s;
    while (read(k->signals, &s, sizeof(s)) == sizeof(s)) {
        if (s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT) {
            stop(k, (long long)k->spec.stop_ms);
            k->reaped = 1;
        }
    }
    on_children(k);
}

static void on_notify(struct keeper *k) {
    char text[4096];
    ssize_t n = recv(k->notify, text, sizeof(text) - 1, MSG_DONTWAIT);
    if (n <= 0 || k->ready) {
        return;
    }
    text[n] = '\0';
    for (char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        k->ready |= strncmp(line, "READY=1", 7) == 0 && (line[7] == '\n' || line[7] == '\0');
    }
    if (k->ready) {
        server_say(&k->server, -1, "ready");
    }
}

static void on_request(struct keeper *k, int i) {
    char text[KEEPER_MSG_MAX];
    struct request r = server_read(&k->server, i);
    switch (r.what) {
    case REQ_STATUS:
        status_text(k, text, sizeof(text));
        server_say(&k->server, i, text);
        break;
    case REQ_STOP:
        server_say(&k->server, i, "stopping");
        stop(k, r.number < 0 ? 0 : r.number);
        break;
    case REQ_SIGNAL:
        if (!k->main_gone && r.number > 0 && r.number < 65) {
            kill(k->pid, (int)r.number);
        }
        server_say(&k->server, i, "ok");
        break;
    case REQ_FDS:
        server_send_fds(&k->server, i, &k->spec);
        break;
    case REQ_READY:
        k->ready = 1;
        server_say(&k->server, i, "ok");
        break;
    case REQ_REAP:
        k->reaped |= k->all_gone;
        server_say(&k->server, i, k->all_gone ? "ok" : "running");
        break;
    default:
        break;
    }
}

/* A manager that does not come back within this time wanted nothing to outlive it. */
static void on_alone(struct keeper *k) {
    logfile_note(&k->log, "trellis: nobody manages this process any more: stopping it");
    stop(k, (long long)k->spec.stop_ms);
    k->reaped = 1;
    k->alone_ms = 0;
}

static int timeout(struct keeper *k) {
    long long now = now_ms(), until = 0;
    if (!k->spec.unclaimed_ms || k->reaped || server_clients(&k->server)) {
        k->alone_ms = 0;
    } else if (!k->alone_ms) {
        k->alone_ms = now + (long long)k->spec.unclaimed_ms;
    }
    until = k->deadline_ms;
    until = k->alone_ms && (!until || k->alone_ms < until) ? k->alone_ms : until;
    return !until ? -1 : until > now ? (int)(until - now) : 0;
}

static void run(struct keeper *k) {
    enum { FIXED = 5 };
    while (!(k->all_gone && k->reaped)) {
        struct pollfd p[FIXED + SERVER_CLIENTS] = {{k->signals, POLLIN, 0},
                                                   {k->server.listener, POLLIN, 0},
                                                   {k->out.fd, POLLIN, 0},
                                                   {k->err.fd, POLLIN, 0},
                                                   {k->notify, POLLIN, 0}};
        for (int i = 0; i < SERVER_CLIENTS; i++) {
            p[FIXED + i] = (struct pollfd){k->server.clients[i], POLLIN, 0};
        }
        if (poll(p, FIXED + SERVER_CLIENTS, timeout(k)) < 0 && errno != EINTR) {
            stop(k, 0);
        }
        if (p[2].revents) {
            logstream_read(&k->out, &k->log);
        }
        if (p[3].revents) {
            logstream_read(&k->err, &k->log);
        }
        if (p[4].revents) {
            on_notify(k);
        }
        for (int i = 0; i < SERVER_CLIENTS; i++) {
            if (p[FIXED + i].revents && k->server.clients[i] >= 0) {
                on_request(k, i);
            }
        }
        if (p[1].revents) {
            server_accept(&k->server);
        }
        if (p[0].revents) {
            on_signal(k);
        }
        if (k->alone_ms && now_ms() >= k->alone_ms && !server_clients(&k->server)) {
            on_alone(k);
        }
        if (k->deadline_ms && now_ms() >= k->deadline_ms && !k->all_gone) {
            on_deadline(k);
        }
    }
}

/* Start */

static int open_notify(struct keeper *k) {
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = KEEPER_NOTIFY};
    k->notify = -1;
    if (!k->spec.notify) {
        return 0;
    }
    unlink(KEEPER_NOTIFY);
    k->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (k->notify < 0 || bind(k->notify, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        chmod(KEEPER_NOTIFY, 0600) < 0) {
        return -1;
    }
    return k->spec.uid >= 0 && geteuid() == 0 ? chown(KEEPER_NOTIFY, (uid_t)k->spec.uid, (gid_t)-1)
                                              : 0;
}

static int open_streams(struct keeper *k, int ends[2]) {
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0) {
        return -1;
    }
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    k->out.fd = out[0];
    k->out.name = 'O';
    k->err.fd = err[0];
    k->err.name = 'E';
    ends[0] = out[1];
    ends[1] = err[1];
    return 0;
}

static int begin(struct keeper *k, char *why, size_t cap) {
    sigset_t set;
    int ends[2];
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    k->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (k->signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || server_open(&k->server) < 0 ||
        open_notify(k) < 0 || open_streams(k, ends) < 0) {
        snprintf(why, cap, "its keeper cannot start: %s", strerror(errno));
        return -1;
    }
    logfile_open(&k->log, k->spec.log_bytes, k->spec.log_files);
    k->started_ms = clock_ms(CLOCK_REALTIME);
    k->pid = child_start(&k->spec, ends[0], ends[1], why, cap);
    for (int i = 0; i < k->spec.n_sealed; i++) { /* those are the process's alone */
        close(KEEPER_FD_LISTEN + k->spec.n_fds + i);
    }
    close(ends[0]);
    close(ends[1]);
    return k->pid < 0 ? -1 : 0;
}

/* trellis-keeper --check DIRECTORY: the program that says whether the process is well, run like the
 * process itself. Its exit status is ours; SIGTERM ends it. */
static int run_check(const char *dir) {
    struct spec s = {.text = NULL};
    char why[384] = "";
    sigset_t set;
    int status = 0, signum = 0, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (chdir(dir) < 0 || spec_read(&s, KEEPER_SPEC, why, sizeof(why)) < 0 || !s.check[0]) {
        return 126;
    }
    struct spec check = s;
    check.argv = s.check;
    check.n_fds = check.n_sealed = 0;
    pid_t pid = child_start(&check, null, null, why, sizeof(why));
    while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
        if (sigwait(&set, &signum) == 0 && signum == SIGTERM) {
            kill(-pid, SIGKILL);
        }
    }
    spec_finish(&s);
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}

/* As ../state.h says. Above all descriptors that were passed. */
static int hold_directory(void) {
    int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, KEEPER_FD_LISTEN + KEEPER_FDS_MAX);
    if (fd >= 0) {
        close(fd);
    }
    return high < 0 || flock(high, LOCK_SH) < 0 ? -1 : high;
}

int main(int argc, char **argv) {
    static struct keeper k; /* two log buffers: too large for some stacks */
    char why[384] = "";
    int held;
    if (argc == 3 && strcmp(argv[1], "--check") == 0) {
        return run_check(argv[2]);
    }
    if (argc != 2 || fcntl(KEEPER_FD_RESULT, F_GETFD) < 0) {
        fprintf(stderr, "trellis-keeper is started by Trellis, one for each process it runs.\n");
        return 2;
    }
    if (chdir(argv[1]) < 0) {
        snprintf(why, sizeof(why), "cannot enter %s: %s", argv[1], strerror(errno));
    } else if ((held = hold_directory()) < 0) {
        snprintf(why, sizeof(why), "cannot lock %s: %s", argv[1], strerror(errno));
    } else if (spec_read(&k.spec, KEEPER_SPEC, why, sizeof(why)) == 0) {
        pid_t pid = fork(); /* the manager waits for us, and never for the keeper */
        if (pid > 0) {
            return 0;
        }
        setsid();
        fcntl(KEEPER_FD_RESULT, F_SETFD, FD_CLOEXEC);
        int n_fds = k.spec.n_fds + k.spec.n_sealed;
        for (int i = 0; i < n_fds; i++) {
            fcntl(KEEPER_FD_LISTEN + i, F_SETFD, FD_CLOEXEC);
        }
        dup2(held, KEEPER_FD_LISTEN + n_fds); /* the lock lives on in it */
        fcntl(KEEPER_FD_LISTEN + n_fds, F_SETFD, FD_CLOEXEC);
        close_range((unsigned)(KEEPER_FD_LISTEN + n_fds + 1), ~0u, 0);
        if (pid == 0 && begin(&k, why, sizeof(why)) == 0) {
            snprintf(why, sizeof(why), "ok %d", (int)k.pid);
            tell_start(why);
            run(&k);
            server_close(&k.server);
            unlink(KEEPER_NOTIFY);
            return 0;
        }
        child_forget_cgroup(&k.spec);
        unlink(KEEPER_SOCK);
    }
    tell_start(why[0] ? why : "cannot fork");
    return 1;
}
