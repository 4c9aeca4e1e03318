/* SPDX-License-Identifier: Apache-2.0
 *
 * The one-time login URL, in a file that only its owner can read. Its token lies behind '#', which
 * browsers do not send: it is in no log of a server or proxy.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http.h"

/* Owned; NULL: there is no private place. */
static char *default_path(const struct trl_inst *in) {
    const char *run = secure_getenv("XDG_RUNTIME_DIR");
    struct text t = {NULL, 0, 0};
    if (run && *run == '/') {
        text_addf(&t, "%s/trellis", run);
    } else if (geteuid() == 0) {
        text_adds(&t, "/run/trellis");
    } else {
        return NULL;
    }
    if (mkdir(t.ptr, 0700) < 0 && errno != EEXIST) {
        text_finish(&t);
        return NULL;
    }
    text_addf(&t, "/http-%u.login", in->port);
    return text_take(&t);
}

static int write_file(const char *path, const char *token, const struct trl_inst *in) {
    const struct conf *c = &in->conf;
    int wild = c->n_hosts && !c->loopback;
    struct text t = {NULL, 0, 0}, line = {NULL, 0, 0};
    text_addf(&t, "%s.new", path);
    unlink(t.ptr);
    int fd = open(t.ptr, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    text_addf(&line, "%s://%.*s:%u/#login=%s\n", c->tls_cert ? "https" : "http",
              wild ? (int)strcspn(c->hosts[0], ":") : (int)(strrchr(c->listen, ':') - c->listen),
              wild ? c->hosts[0] : c->listen, in->port, token);
    int ok = fd >= 0 && write(fd, line.ptr, line.len) == (ssize_t)line.len;
    if (fd >= 0) {
        close(fd);
    }
    ok = ok && rename(t.ptr, path) == 0;
    explicit_bzero(line.ptr, line.len);
    text_finish(&line);
    text_finish(&t);
    return ok;
}

void login_prepare(struct trl_inst *in) {
    char token[AUTH_TOKEN_SIZE];
    if (!in->login_path) {
        in->login_path =
            in->conf.login_file ? text_dup(trl_cstr(in->conf.login_file)) : default_path(in);
    }
    if (!in->login_path) {
        trl_logf(in->h, TRL_LOG_WARN,
                 "no place for the one-time login URL: set login_file, XDG_RUNTIME_DIR, or "
                 "tokens");
        return;
    }
    auth_new_login(&in->auth, token);
    if (write_file(in->login_path, token, in)) {
        trl_logf(in->h, TRL_LOG_INFO, "a one-time login URL is in %s", in->login_path);
    } else {
        trl_logf(in->h, TRL_LOG_WARN, "cannot write the one-time login URL to %s: %s",
                 in->login_path, strerror(errno));
    }
    explicit_bzero(token, sizeof(token));
}

void login_remove(struct trl_inst *in) {
    if (in->login_path) {
        unlink(in->login_path);
    }
}
