/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"
#include "../../tools/outside.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *binary(void) {
    static const char *const places[] = {"/usr/sbin/nats-server", "/usr/bin/nats-server",
                                         "/usr/local/bin/nats-server"};
    const char *own = getenv("NATS_SERVER");
    if (own) {
        return own;
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (access(places[i], X_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

int server_present(void) {
    return binary() != NULL;
}

void server_init(struct server *s) {
    memset(s, 0, sizeof(*s));
    snprintf(s->dir, sizeof(s->dir), "/tmp/trellis-nats-XXXXXX");
    if (!mkdtemp(s->dir)) {
        abort();
    }
}

const char *server_file(struct server *s, const char *name, const char *text) {
    return outside_file(s->dir, name, text);
}

const char *server_url(const struct server *s) {
    static char urls[4][64];
    static int turn;
    char *url = urls[turn++ % 4];
    snprintf(url, sizeof(urls[0]), "\"url\":\"nats://127.0.0.1:%d\"", s->port);
    return url;
}

static void write_conf(struct server *s, const char *conf) {
    FILE *f = fopen(server_file(s, "server.conf", ""), "w");
    const char *at;
    if (!f) {
        abort();
    }
    fprintf(f, "host: \"127.0.0.1\"\nport: %d\nserver_name: test\n", s->port ? s->port : -1);
    while ((at = strstr(conf, "%DIR%"))) {
        fprintf(f, "%.*s%s", (int)(at - conf), conf, s->dir);
        conf = at + 5;
    }
    fputs(conf, f);
    fclose(f);
}

void server_start(struct server *s, const char *conf) {
    int fds[2], ready = 0;
    char line[1024];
    const char *path;
    FILE *f;
    pthread_t thread;
    write_conf(s, conf);
    path = server_file(s, "server.conf", NULL);
    if (pipe(fds) != 0) {
        abort();
    }
    s->pid = fork();
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fds[1], 2);
        dup2(fds[1], 1);
        close(fds[0]);
        close(fds[1]);
        execl(binary(), "nats-server", "-c", path, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    f = fdopen(fds[0], "r");
    while (!ready && fgets(line, sizeof(line), f)) {
        const char *at = strstr(line, "Listening for client connections on ");
        if (getenv("SERVER_LOG")) {
            fputs(line, stderr);
        }
        if (at && (at = strrchr(line, ':'))) {
            s->port = (int)strtol(at + 1, NULL, 10);
        }
        ready = strstr(line, "Server is ready") != NULL;
    }
    if (!ready || !s->port) {
        fprintf(stderr, "nats-server does not start: %s\n", line);
        abort();
    }
    if (pthread_create(&thread, NULL, outside_drain, f) != 0) {
        abort();
    }
    pthread_detach(thread);
}

void server_kill(struct server *s) {
    if (s->pid) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
}

void server_wipe(struct server *s) {
    char path[128];
    snprintf(path, sizeof(path), "%s/js", s->dir);
    outside_remove(path);
}

void server_end(struct server *s) {
    server_kill(s);
    outside_remove(s->dir);
}

int run(const char *const argv[]) {
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        char *args[32];
        size_t n = 0;
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) {
            _exit(126);
        }
        while (argv[n] && n < 31) {
            args[n] = strdup(argv[n]);
            n++;
        }
        args[n] = NULL;
        execvp(args[0], args);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    return status;
}
