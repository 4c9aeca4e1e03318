/* SPDX-License-Identifier: Apache-2.0
 *
 * A plane in the foreground: signals, log lines, the local socket, simulated hosts for `up`.
 */
#include "cli/serve.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/logline.h"
#include "cli/up.h"
#include "plane/socket.h"

#define FORCE_STOP_NS (20ll * 1000000000ll)
#define N_SIGNALS     3

struct server {
    const struct serve_options *o;
    struct loop *loop;
    struct log log;
    struct plane *plane;
    struct socket_server *socket;
    struct up *up;
    uv_signal_t signals[N_SIGNALS];
    struct loop_timer force;
    struct logline line; /* of the log */
    bool stopping, stopped, hangup;
    int rc;
};

/* Lines of the log go above what `up` draws. */
static void log_line(void *arg, int level, str msg, str fields) {
    struct server *s = arg;
    bool hidden = s->up && isatty(STDERR_FILENO) && up_hide(s->up);
    logline_sink(&s->line, level, msg, fields);
    if (hidden) {
        up_show(s->up);
    }
}

static void on_gone(void *arg) {
    struct server *s = arg;
    s->stopped = true;
    loop_timer_stop(&s->force);
    for (int i = 0; i < N_SIGNALS; i++) {
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    }
    loop_stop(s->loop);
}

static void stop_plane(void *arg) {
    struct server *s = arg;
    plane_stop(s->plane, on_gone, s);
}

static void stop_up(void *arg) {
    struct server *s = arg;
    if (s->socket) {
        socket_server_stop(s->socket, stop_plane, s);
    } else {
        stop_plane(s);
    }
}

static void stop(struct server *s) {
    if (s->stopping) {
        return;
    }
    s->stopping = true;
    loop_timer_start(&s->force, FORCE_STOP_NS);
    if (s->up) {
        up_stop(s->up, stop_up, s);
    } else {
        stop_up(s);
    }
}

static void on_force(void *arg) {
    struct server *s = arg;
    log_error(&s->log, "stopping takes too long: ending now");
    _exit(EXIT_FAILED);
}

static void on_signal(uv_signal_t *h, int signum) {
    struct server *s = h->data;
    if (s->stopping && (signum == SIGHUP || s->hangup)) {
        s->hangup = false; /* a terminal that closes tells several times */
        return;
    }
    s->hangup = signum == SIGHUP;
    if (s->stopping) {
        log_warn(&s->log, "again %s: ending now", strsignal(signum));
        _exit(EXIT_FAILED);
    }
    log_info(&s->log, "%s: finishing acknowledged work", strsignal(signum));
    stop(s);
}

static void on_ready(void *arg, struct plane *p) {
    struct server *s = arg;
    (void)p;
    if (s->socket) {
        socket_server_watch(s->socket);
    }
    if (s->up) {
        up_begin(s->up);
    }
}

static void on_failed(void *arg, struct plane *p, const char *text) {
    struct server *s = arg;
    (void)p;
    (void)text; /* the plane logged it */
    s->rc = EXIT_FAILED;
    stop(s);
}

static void on_up_done(void *arg, int rc) {
    struct server *s = arg;
    s->rc = rc;
    if (s->o->once) {
        stop(s);
    }
}

static int open_socket(struct server *s) {
    struct err e = ERR_INIT;
    char *path = str_dup(s->o->config->socket);
    int rc = 0;
    if (*path && socket_server_create(s->plane, s->loop, &s->log, path, &s->socket, &e) < 0) {
        log_error(&s->log, "%s", e.msg);
        rc = EXIT_FAILED;
    } else if (*path) {
        log_info(&s->log, "local API on %s", path);
    }
    mem_free(path);
    return rc;
}

static void listen_to_signals(struct server *s) {
    static const int numbers[N_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    struct sigaction hup;
    bool nohup = sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler == SIG_IGN;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < N_SIGNALS; i++) {
        uv_signal_init(loop_uv(s->loop), &s->signals[i]);
        s->signals[i].data = s;
        if (numbers[i] != SIGHUP || !nohup) {
            uv_signal_start(&s->signals[i], on_signal, numbers[i]);
        }
    }
}

int serve_run(const struct serve_options *o) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    struct server s = {.o = o};
    logline_init(&s.line, o->config->log_json);
    s.log = (struct log){o->config->log_level, log_line, &s};
    s.loop =
        loop_create_uv((uint64_t)t.tv_sec * 1000003u ^ (uint64_t)t.tv_nsec ^ (uint64_t)getpid());
    loop_timer_init(&s.force, s.loop, on_force, &s);
    listen_to_signals(&s);
    struct plane_env env = {.loop = s.loop,
                            .log = &s.log,
                            .config = o->config,
                            .version = TRELLIS_VERSION,
                            .import_wadm = o->import_wadm,
                            .on_ready = on_ready,
                            .on_failed = on_failed,
                            .arg = &s};
    s.plane = plane_create(&env);
    s.rc = open_socket(&s);
    if (s.rc) {
        stop(&s);
    } else if (o->always_up) {
        s.up = up_create(o, s.loop, &s.log, s.plane, on_up_done, &s);
    }
    loop_run(s.loop);
    up_destroy(s.up);
    s.up = NULL;
    socket_server_destroy(s.socket);
    loop_destroy(s.loop);
    return s.rc;
}
