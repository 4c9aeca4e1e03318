/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_main.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "codec/json.h"
#include "sim/control.h"
#include "sim/inputs.h"
#include "sim/options.h"
#include "sim/sim.h"

#define CONNECT_NS INT64_C(15000000000)

struct app {
    struct sim_options o;
    struct loop *loop;
    struct log log;
    struct plug *plug;
    struct plug_inst *transport;
    struct bus *bus;
    struct sim *sim;
    struct inputs *inputs;
    struct loop_timer end, every;
    FILE *stats;
    bool started, ending; /* started: the hosts, once there is a connection */
    int rc;
};

static void sink(void *arg, int level, str msg, str fields) {
    (void)arg;
    (void)fields;
    fprintf(stderr, "trellis sim: %s%.*s\n", level == TRL_LOG_ERROR ? "error: " : "", PSTR(msg));
}

static void write_stats(struct app *a) {
    struct buf b = BUF_INIT;
    if (!a->stats || !a->sim) {
        return;
    }
    sim_stats_json(a->sim, &b);
    buf_add_c(&b, '\n');
    if (fwrite(b.ptr, 1, b.len, a->stats) != b.len || fflush(a->stats) != 0) {
        log_error(&a->log, "writing counters to %s: %s", a->o.stats, strerror(errno));
        a->rc = 1;
    }
    buf_finish(&b);
}

static void on_stopped(void *arg) {
    struct app *a = arg;
    loop_stop(a->loop);
}

/* Hosts say good-bye, what was published goes out, then the loop is left. */
static void end(struct app *a) {
    if (a->ending) {
        return;
    }
    a->ending = true;
    loop_timer_stop(&a->end);
    loop_timer_stop(&a->every);
    write_stats(a);
    if (a->sim && !a->started) {
        log_error(&a->log, "no connection so far: no host was started");
        a->rc = 1;
    }
    if (a->sim) {
        sim_shutdown(a->sim);
    }
    plug_inst_stop(a->transport, on_stopped, a);
}

static void on_end(void *arg) {
    end(arg);
}

static void on_every(void *arg) {
    struct app *a = arg;
    write_stats(a);
    loop_timer_start(&a->every, a->o.stats_every_ns);
}

static void on_line(void *arg, str line) {
    struct app *a = arg;
    struct buf out = BUF_INIT;
    if (!a->sim || a->ending) {
        return;
    }
    bool more = control_line(sim_world(a->sim), line, loop_now_ns(a->loop), &out);
    if (out.len) {
        fwrite(out.ptr, 1, out.len, stdout);
        fflush(stdout);
    }
    buf_finish(&out);
    if (!more) {
        end(a);
    }
}

/* As real hosts, they do not start before they are connected; a connection lost later they survive.
 */
static void on_link(void *arg, bool up) {
    struct app *a = arg;
    if (!up || a->started || a->ending) {
        return;
    }
    a->started = true;
    sim_start(a->sim);
    log_info(&a->log, "%u hosts, seed %llu", world_n_hosts(sim_world(a->sim)),
             (unsigned long long)a->o.config.seed);
}

static void begin(struct app *a) {
    struct err err = ERR_INIT;
    a->bus = bus_create(a->transport);
    if (sim_create(a->loop, a->bus, &a->o.config, &a->sim, &err) < 0) {
        log_error(&a->log, "%s", err.msg);
        a->rc = 2;
        end(a);
        return;
    }
    bus_watch_link(a->bus, on_link, a);
    if (a->o.for_ns) {
        loop_timer_start(&a->end, a->o.for_ns);
    }
    if (a->o.stats_every_ns && a->stats) {
        loop_timer_start(&a->every, a->o.stats_every_ns);
    }
}

static void on_started(void *arg, trl_status st, const trl_err *e) {
    struct app *a = arg;
    if (a->ending) {
        return;
    }
    if (st == TRL_OK) {
        begin(a);
        return;
    }
    log_error(&a->log, "transport %s does not start: %.*s", a->o.transport, e ? (int)e->msg_len : 0,
              e ? e->msg : "");
    a->rc = 1;
    end(a);
}

static int create_transport(struct app *a, struct err *err) {
    struct buf config = BUF_INIT;
    if (a->o.transport_config) {
        buf_addf(&config, "%s", a->o.transport_config);
    } else if (strcmp(a->o.transport, "nats") == 0 && a->o.nats_url) {
        struct jw w;
        jw_init(&w, &config, false);
        jw_object(&w);
        jw_kv(&w, "url", str_c(a->o.nats_url));
        jw_end_object(&w);
    }
    int rc = plug_inst_create(a->plug, TRL_KIND_TRANSPORT, a->o.transport, buf_str(&config), NULL,
                              0, &a->transport, err);
    buf_finish(&config);
    return rc;
}

static int open_stats(struct app *a, struct err *err) {
    if (!a->o.stats) {
        return 0;
    }
    a->stats = strcmp(a->o.stats, "-") == 0 ? stdout : fopen(a->o.stats, "we");
    return a->stats ? 0
                    : err_set(err, TRL_E_INVALID, "counters cannot go to %s: %s", a->o.stats,
                              strerror(errno));
}

static int open_all(struct app *a, struct err *err) {
    struct inputs_to to = {.on_line = on_line, .on_signal = on_end, .arg = a};
    int rc = open_stats(a, err);
    if (rc == 0) {
        rc = create_transport(a, err);
    }
    if (rc == 0) {
        a->inputs = inputs_create(a->loop, a->o.no_control ? -1 : STDIN_FILENO, &to);
        rc = a->inputs ? 0 : err_set(err, TRL_E_INTERNAL, "no thread for the inputs");
    }
    return rc;
}

static void close_all(struct app *a) {
    inputs_destroy(a->inputs);
    sim_destroy(a->sim);
    bus_destroy(a->bus);
    plug_inst_destroy(a->transport);
    plug_destroy(a->plug);
    loop_destroy(a->loop);
    if (a->stats && a->stats != stdout && fclose(a->stats) != 0) {
        a->rc = 1;
    }
    sim_options_finish(&a->o);
}

int sim_main(int argc, char **argv) {
    struct app a = {.rc = 0};
    struct err err = ERR_INIT;
    if (sim_options_parse(argc, argv, &a.o, &err) < 0) {
        fprintf(stderr, "trellis sim: %s\n", err.msg);
        return 2;
    }
    if (a.o.help) {
        sim_options_help(stdout);
        sim_options_finish(&a.o);
        return 0;
    }
    if (a.o.config.seed == 0 &&
        getrandom(&a.o.config.seed, sizeof(a.o.config.seed), 0) != sizeof(a.o.config.seed)) {
        a.o.config.seed = (uint64_t)getpid();
    }
    inputs_block_signals();
    a.log = (struct log){a.o.verbose ? TRL_LOG_DEBUG : TRL_LOG_INFO, sink, &a};
    a.loop = loop_create_uv(a.o.config.seed);
    a.plug = plug_create(a.loop, &a.log, a.o.dirs.at, a.o.dirs.n);
    loop_timer_init(&a.end, a.loop, on_end, &a);
    loop_timer_init(&a.every, a.loop, on_every, &a);
    if (open_all(&a, &err) == 0) {
        plug_inst_start(a.transport, CONNECT_NS, on_started, &a);
        loop_run(a.loop);
    } else {
        log_error(&a.log, "%s", err.msg);
        a.rc = 1;
    }
    close_all(&a);
    return a.rc;
}
