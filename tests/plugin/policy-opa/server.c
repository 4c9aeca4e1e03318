/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"
#include "../../tools/outside.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_TURNS 3000 /* of 20 ms */
#define MAX_ARGS       24

void server_dir(struct server *s) {
    snprintf(s->dir, sizeof(s->dir), "/tmp/trellis-opa-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
}

bool server_find(struct server *s) {
    FILE *f = popen(TRELLIS_SOURCE_DIR "/tests/tools/opa.sh --have", "r");
    memset(s, 0, sizeof(*s));
    if (f) {
        if (!fgets(s->binary, sizeof(s->binary), f)) {
            s->binary[0] = '\0';
        }
        s->binary[strcspn(s->binary, "\n")] = '\0';
        pclose(f);
    }
    if (!s->binary[0]) {
        return false;
    }
    server_dir(s);
    return true;
}

const char *server_file(struct server *s, const char *name, const char *text) {
    return outside_file(s->dir, name, text);
}

static bool is_up(struct server *s, const char *address) {
    if (address) {
        return access(address + strlen("unix://"), F_OK) == 0;
    }
    s->port = outside_port(s->pid, 0);
    return s->port != 0;
}

void server_start(struct server *s, const char *address, const char *const *args) {
    const char *argv[MAX_ARGS] = {"opa",      "run",
                                  "--server", "--log-level",
                                  "error",    "--disable-telemetry",
                                  "--addr",   address ? address : "127.0.0.1:0"};
    int n = 8;
    for (; args && *args && n < MAX_ARGS - 1; args++) {
        argv[n++] = *args;
    }
    s->pid = fork();
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!getenv("SERVER_LOG")) {
            freopen("/dev/null", "w", stderr);
            freopen("/dev/null", "w", stdout);
        }
        execv(s->binary, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    for (int i = 0; i < PATIENCE_TURNS && !is_up(s, address); i++) {
        int status;
        assert_int_equal(waitpid(s->pid, &status, WNOHANG), 0); /* else it ended: SERVER_LOG=1 */
        poll(NULL, 0, 20);
    }
    assert_true(is_up(s, address));
}

void server_stop(struct server *s) {
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
}

void server_end(struct server *s) {
    char path[512];
    DIR *d;
    struct dirent *e;
    server_stop(s);
    d = opendir(s->dir);
    while (d && (e = readdir(d))) {
        snprintf(path, sizeof(path), "%s/%s", s->dir, e->d_name);
        unlink(path);
    }
    if (d) {
        closedir(d);
    }
    rmdir(s->dir);
}

static void run(struct server *s, const char *command) {
    char line[1024];
    snprintf(line, sizeof(line), "cd %s && %s >/dev/null 2>&1", s->dir, command);
    assert_int_equal(system(line), 0);
}

void server_certificates(struct server *s) {
    server_file(s, "server.ext", "subjectAltName=IP:127.0.0.1\n");
    run(s, "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
           "-subj /CN=ca -keyout ca.key -out ca.pem");
    run(s, "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server "
           "-keyout server.key -out server.csr");
    run(s, "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
           "-extfile server.ext -out server.pem");
    run(s, "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=trellis "
           "-keyout client.key -out client.csr");
    run(s, "openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
           "-out client.pem");
}

int server_send(struct server *s, const char *method, const char *path, const char *body) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)s->port),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char head[512], answer[64];
    int status = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t n;
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    int len = snprintf(head, sizeof(head),
                       "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\nConnection: close\r\n"
                       "\r\n",
                       method, path, strlen(body));
    assert_int_equal(send(fd, head, (size_t)len, MSG_NOSIGNAL), len);
    assert_int_equal(send(fd, body, strlen(body), MSG_NOSIGNAL), strlen(body));
    n = recv(fd, answer, sizeof(answer) - 1, MSG_WAITALL);
    answer[n > 0 ? n : 0] = '\0';
    sscanf(answer, "HTTP/1.1 %d", &status);
    close(fd);
    return status;
}
