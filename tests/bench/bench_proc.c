/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

void die(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fputs("bench: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

void remove_tree(const char *path) {
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void make_dir(char *path, size_t cap) {
    const char *tmp = getenv("TMPDIR");
    snprintf(path, cap, "%s/trellis-bench-XXXXXX", tmp && strlen(tmp) < 32 ? tmp : "/tmp");
    if (!mkdtemp(path)) {
        die("cannot make a directory %s", path);
    }
}

void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
        die("cannot write %s", path);
    }
}

void child_run(struct child *c, const char *log_path, char *const argv[]) {
    pid_t parent = getpid();
    c->pid = fork();
    if (c->pid < 0) {
        die("fork: %m");
    }
    if (c->pid == 0) {
        int fd = open(log_path, O_CREAT | O_WRONLY | O_APPEND, 0600);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (fd < 0 || getppid() != parent) {
            _exit(127);
        }
        dup2(fd, 1);
        dup2(fd, 2);
        execvp(argv[0], argv);
        _exit(127);
    }
}

static int port_in(const char *log_path) {
    char text[8192];
    FILE *f = fopen(log_path, "r");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    text[n] = 0;
    if (f) {
        fclose(f);
    }
    const char *at = strstr(text, "Listening for client connections on ");
    const char *port = at ? strchr(at + 36, ':') : NULL;
    return port && strstr(text, "Server is ready") ? (int)strtol(port + 1, NULL, 10) : 0;
}

void child_nats(struct child *c, const char *dir) {
    char conf[128], log[128], text[512];
    const char *own = getenv("NATS_SERVER");
    snprintf(conf, sizeof(conf), "%s/nats.conf", dir);
    snprintf(log, sizeof(log), "%s/nats.log", dir);
    snprintf(
        text, sizeof(text),
        "host: \"127.0.0.1\"\nport: -1\nserver_name: bench\njetstream { store_dir: \"%s/js\" }\n",
        dir);
    write_file(conf, text);
    char *argv[] = {(char *)(uintptr_t)(own ? own : "nats-server"), (char *)(uintptr_t) "-c", conf,
                    NULL};
    setenv("PATH", "/usr/sbin:/usr/local/sbin:/usr/bin:/bin:/usr/local/bin", 1);
    child_run(c, log, argv);
    for (int i = 0; i < 1000 && !(c->port = port_in(log)); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10 * MS}, NULL);
        if (waitpid(c->pid, NULL, WNOHANG) == c->pid) {
            die("nats-server ended at once");
        }
    }
    if (!c->port) {
        die("nats-server does not start");
    }
}

void child_stop(struct child *c) {
    if (c->pid > 0) {
        kill(c->pid, SIGTERM);
        waitpid(c->pid, NULL, 0);
        c->pid = 0;
    }
}

long child_rss_kb(pid_t pid, const char *field) {
    char path[64], line[256];
    long kb = -1;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, field, strlen(field)) == 0) {
            kb = strtol(line + strlen(field), NULL, 10);
        }
    }
    if (f) {
        fclose(f);
    }
    return kb;
}

int64_t child_cpu_ns(pid_t pid) {
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        return 0;
    }
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}
