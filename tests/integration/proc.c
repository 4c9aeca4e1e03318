/* SPDX-License-Identifier: Apache-2.0 */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void pause_a_little(void) {
    poll(NULL, 0, 10);
}

static void *reader(void *arg) {
    struct proc *p = arg;
    char chunk[4096];
    ssize_t n;
    while ((n = read(p->out, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0) {
            continue;
        }
        pthread_mutex_lock(&p->lock);
        p->text = realloc(p->text, p->len + (size_t)n + 1);
        if (!p->text) {
            abort();
        }
        memcpy(p->text + p->len, chunk, (size_t)n);
        p->len += (size_t)n;
        p->text[p->len] = '\0';
        pthread_cond_broadcast(&p->more);
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_lock(&p->lock);
    p->over = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void exec_child(const char *const argv[], int out) {
    char *args[64];
    size_t n = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (argv[n] && n < 63) {
        args[n] = strdup(argv[n]);
        n++;
    }
    args[n] = NULL;
    if (!freopen("/dev/null", "r", stdin)) {
        _exit(126);
    }
    dup2(out, 1);
    dup2(out, 2);
    execv(args[0], args);
    _exit(127);
}

void proc_start(struct proc *p, const char *const argv[]) {
    int fds[2];
    memset(p, 0, sizeof(*p));
    if (pipe2(fds, O_CLOEXEC) != 0) {
        abort();
    }
    p->pid = fork();
    if (p->pid == 0) {
        exec_child(argv, fds[1]);
    }
    close(fds[1]);
    p->out = fds[0];
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    if (p->pid < 0 || pthread_create(&p->reader, NULL, reader, p) != 0) {
        abort();
    }
}

static uint32_t count(const struct proc *p, const char *text) {
    uint32_t n = 0;
    for (const char *at = p->text; at && (at = strstr(at, text)); at += strlen(text)) {
        n++;
    }
    return n;
}

uint32_t proc_count(struct proc *p, const char *text) {
    pthread_mutex_lock(&p->lock);
    uint32_t n = count(p, text);
    pthread_mutex_unlock(&p->lock);
    return n;
}

bool proc_wait(struct proc *p, const char *text, uint32_t n, int64_t timeout_ms) {
    struct timespec end;
    int rc = 0;
    bool there;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += timeout_ms / 1000 + 1;
    pthread_mutex_lock(&p->lock);
    while (!(there = count(p, text) >= n) && !p->over && rc == 0) {
        rc = pthread_cond_timedwait(&p->more, &p->lock, &end);
    }
    if (!there) {
        fprintf(stderr, "\"%s\" was not written; this was:\n%s\n", text, p->text ? p->text : "");
    }
    pthread_mutex_unlock(&p->lock);
    return there;
}

static int finish(struct proc *p, int status) {
    pthread_join(p->reader, NULL);
    close(p->out);
    if (getenv("TEST_LOG")) {
        fprintf(stderr, "--- %d ended with %d:\n%s---\n", (int)p->pid, status,
                p->text ? p->text : "");
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->more);
    p->pid = 0;
    return status;
}

int proc_end(struct proc *p, int signum) {
    int status = 0;
    if (!p->pid) {
        return 0;
    }
    kill(p->pid, signum);
    waitpid(p->pid, &status, 0);
    finish(p, status);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        fprintf(stderr, "ended with %d:\n%s\n", WEXITSTATUS(status), p->text ? p->text : "");
    }
    free(p->text);
    p->text = NULL;
    return status;
}

int proc_run(const char *const argv[], int64_t timeout_ms, char **ret_text) {
    struct proc p;
    int status = -1;
    struct timespec end;
    int rc = 0;
    proc_start(&p, argv);
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += timeout_ms / 1000 + 1;
    pthread_mutex_lock(&p.lock);
    while (!p.over && rc == 0) {
        rc = pthread_cond_timedwait(&p.more, &p.lock, &end);
    }
    bool over = p.over;
    pthread_mutex_unlock(&p.lock);
    if (!over) {
        kill(p.pid, SIGKILL);
    }
    waitpid(p.pid, &status, 0);
    finish(&p, status);
    *ret_text = p.text ? p.text : strdup("");
    return over && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
