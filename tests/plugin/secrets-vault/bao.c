/* SPDX-License-Identifier: Apache-2.0 */
#include "bao.h"
#include "../../tools/outside.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int find(char *to, size_t size) {
    FILE *f = popen("'" TRELLIS_SOURCE_DIR "/tests/tools/openbao.sh' --have 2>/dev/null", "r");
    char *line = f ? fgets(to, (int)size, f) : NULL;
    int ok = line && strchr(line, '\n');
    if (ok) {
        *strchr(line, '\n') = '\0';
    }
    return f && pclose(f) == 0 && ok;
}

int bao_present(void) {
    char path[512];
    int there = find(path, sizeof(path));
    if (!there) {
        printf("skipped: no OpenBao server (tests/tools/openbao.sh fetches it)\n");
    }
    return there;
}

const char *bao_file(struct bao *b, const char *name, const char *text) {
    return outside_file(b->dir, name, text);
}

static void spawn(struct bao *b, int out) {
    b->pid = fork();
    if (b->pid == 0) {
        char tls_dir[128];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        snprintf(tls_dir, sizeof(tls_dir), "-dev-tls-cert-dir=%s", b->dir);
        setenv("HOME", b->dir, 1);
        unsetenv("LD_PRELOAD");
        dup2(out, 1);
        dup2(out, 2);
        execl(b->program, "bao", "server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token",
              "-dev-listen-address=127.0.0.1:0", "-log-level=warn",
              b->tls ? "-dev-tls" : (char *)NULL, tls_dir, (char *)NULL);
        _exit(127);
    }
}

void bao_start(struct bao *b, int tls) {
    int fds[2], ready = 0, cluster = 0;
    char line[1024] = "";
    pthread_t thread;
    memset(b, 0, sizeof(*b));
    b->tls = tls;
    snprintf(b->dir, sizeof(b->dir), "/tmp/trellis-bao-XXXXXX");
    if (!find(b->program, sizeof(b->program)) || !mkdtemp(b->dir) || pipe2(fds, O_CLOEXEC) != 0) {
        abort();
    }
    spawn(b, fds[1]);
    close(fds[1]);
    FILE *f = fdopen(fds[0], "r");
    while (!ready && fgets(line, sizeof(line), f)) {
        const char *at = strstr(line, "cluster address: \"127.0.0.1:");
        if (getenv("SERVER_LOG")) {
            fputs(line, stderr);
        }
        if (at) {
            cluster = (int)strtol(strchr(at, '.') + 7, NULL, 10);
        }
        ready = strstr(line, "Root Token: root") != NULL;
    }
    b->port = ready ? outside_port(b->pid, cluster) : 0;
    if (!b->port) {
        fprintf(stderr, "OpenBao does not start: %s\n", line);
        abort();
    }
    snprintf(b->address, sizeof(b->address), "http%s://127.0.0.1:%d", tls ? "s" : "", b->port);
    if (pthread_create(&thread, NULL, outside_drain, f) != 0) {
        abort();
    }
    pthread_detach(thread);
}

void bao_pause(struct bao *b, int stopped) {
    kill(b->pid, stopped ? SIGSTOP : SIGCONT);
    if (stopped) { /* told when its last thread has stopped */
        waitpid(b->pid, NULL, WUNTRACED);
    }
}

void bao_end(struct bao *b) {
    if (b->pid > 0) {
        kill(b->pid, SIGKILL);
        waitpid(b->pid, NULL, 0);
        b->pid = 0;
        outside_remove(b->dir);
    }
}

static void child(const struct bao *b, int in, int out, const char *const argv[]) {
    char *args[40], ca[128];
    size_t n = 0;
    snprintf(ca, sizeof(ca), "%s/vault-ca.pem", b->dir);
    setenv("BAO_ADDR", b->address, 1);
    setenv("BAO_TOKEN", "root", 1);
    setenv("HOME", b->dir, 1);
    if (b->tls) {
        setenv("BAO_CACERT", ca, 1);
    }
    if (b->ns) {
        setenv("BAO_NAMESPACE", b->ns, 1);
    }
    dup2(in, 0);
    dup2(out, 1);
    if (!getenv("SERVER_LOG") && !freopen("/dev/null", "w", stderr)) {
        _exit(126);
    }
    args[n++] = strdup("bao");
    for (size_t i = 0; argv[i] && n < 39; i++) {
        args[n++] = strdup(argv[i]);
    }
    args[n] = NULL;
    execv(b->program, args);
    _exit(127);
}

int bao_run(struct bao *b, const void *input, size_t n, char out[4096], const char *const argv[]) {
    int in[2], back[2], status = -1;
    size_t got = 0;
    char rest[512];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0) {
        abort();
    }
    pid_t pid = fork();
    if (pid == 0) {
        child(b, in[0], back[1], argv);
    }
    close(in[0]);
    close(back[1]);
    for (size_t sent = 0; sent < n;) {
        ssize_t w = write(in[1], (const char *)input + sent, n - sent);
        if (w <= 0) {
            break;
        }
        sent += (size_t)w;
    }
    close(in[1]);
    for (ssize_t r; (r = read(back[0], rest, sizeof(rest))) > 0;) {
        for (ssize_t i = 0; i < r && out && got < 4095; i++) {
            out[got++] = rest[i];
        }
    }
    close(back[0]);
    if (out) {
        got -= got && out[got - 1] == '\n';
        out[got] = '\0';
    }
    waitpid(pid, &status, 0);
    return status;
}

int bao_plant(struct bao *b, const char *mount, const char *key, const char *field,
              const void *value, size_t n) {
    char path[300], assign[300];
    snprintf(path, sizeof(path), "%s/%s", mount, key);
    snprintf(assign, sizeof(assign), "%s=-", field);
    return bao_run(b, value, n, NULL, (const char *const[]){"kv", "put", path, assign, NULL});
}
