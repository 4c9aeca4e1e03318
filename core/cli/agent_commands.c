/* SPDX-License-Identifier: Apache-2.0 — trellis agent: this machine as a host of a lattice. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/host_secrets.h"
#include "agent/run.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/logline.h"
#include "cli/plane_config.h"
#include "codec/json.h"
#include "plane/socket.h"
#include "sim/inputs.h"

#define FORCE_STOP_NS (60ll * 1000000000ll)

struct agent_app {
    struct loop *loop;
    struct log log;
    struct logline line;
    struct agent_run *run;
    struct inputs *inputs;
    struct loop_timer force;
    bool stopping;
    int rc;
};

static void on_gone(void *arg) {
    struct agent_app *a = arg;
    a->run = NULL;
    loop_timer_stop(&a->force);
    loop_stop(a->loop);
}

static void stop(struct agent_app *a) {
    if (!a->stopping) {
        a->stopping = true;
        loop_timer_start(&a->force, FORCE_STOP_NS);
        agent_run_stop(a->run, on_gone, a);
    }
}

static void on_force(void *arg) {
    struct agent_app *a = arg;
    log_error(&a->log, "stopping takes too long: ending now");
    _exit(EXIT_FAILED);
}

static void on_signal(void *arg) {
    struct agent_app *a = arg;
    if (a->stopping) {
        log_warn(&a->log, "again a signal: ending now");
        _exit(EXIT_FAILED);
    }
    log_info(&a->log, "a signal: the host leaves the lattice");
    stop(a);
}

static void on_line(void *arg, str line) {
    (void)arg;
    (void)line;
}

static void on_ready(void *arg, const char *host_id) {
    struct agent_app *a = arg;
    log_info(&a->log, "host %s is in the lattice", host_id);
}

static void on_failed(void *arg, const char *text) {
    struct agent_app *a = arg;
    (void)text; /* it was logged */
    a->rc = EXIT_FAILED;
    stop(a);
}

static void on_stop(void *arg) {
    struct agent_app *a = arg;
    log_info(&a->log, "a request of the lattice: the host leaves it");
    stop(a);
}

static int run_it(const struct agent_config *config, const struct config *file) {
    struct agent_app a = {.rc = EXIT_DONE};
    struct err e = ERR_INIT;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    signal(SIGPIPE, SIG_IGN);
    inputs_block_signals();
    logline_init(&a.line, file->log_json);
    a.log = (struct log){file->log_level, logline_sink, &a.line};
    a.loop =
        loop_create_uv((uint64_t)t.tv_sec * 1000003u ^ (uint64_t)t.tv_nsec ^ (uint64_t)getpid());
    loop_timer_init(&a.force, a.loop, on_force, &a);
    struct inputs_to to = {.on_line = on_line, .on_signal = on_signal, .arg = &a};
    struct agent_run_env env = {.loop = a.loop,
                                .log = &a.log,
                                .config = config,
                                .on_ready = on_ready,
                                .on_failed = on_failed,
                                .on_stop = on_stop,
                                .arg = &a};
    if (agent_run_create(&env, &a.run, &e) < 0) {
        a.rc = cli_fail(EXIT_INPUT, "%s", e.msg);
    } else if (!(a.inputs = inputs_create(a.loop, -1, &to))) {
        a.rc = cli_fail(EXIT_FAILED, "no thread for the signals");
        stop(&a);
        loop_run(a.loop);
    } else {
        loop_run(a.loop);
    }
    inputs_destroy(a.inputs);
    loop_destroy(a.loop);
    return a.rc;
}

/* Options */

static int read_labels(struct cli *c, trl_label *at, uint32_t *n) {
    for (uint32_t i = 0; i < c->n_given; i++) {
        if (strcmp(c->given[i].name, "label") != 0) {
            continue;
        }
        str value, key = str_cut(str_c(c->given[i].value), '=', &value);
        if (!value.ptr || !key.len) {
            return cli_fail(EXIT_USAGE, "--label %s: write KEY=VALUE", c->given[i].value);
        }
        at[(*n)++] = (trl_label){key, value};
    }
    return EXIT_DONE;
}

static int read_heartbeat(struct cli *c, int64_t *ret_ns) {
    const char *text = cli_option(c, "heartbeat");
    uint64_t s = 30;
    if (text && (!str_u64(str_c(text), &s) || s == 0 || s > 3600)) {
        return cli_fail(EXIT_USAGE, "--heartbeat %s: seconds, 1 to 3600", text);
    }
    *ret_ns = (int64_t)s * 1000000000ll;
    return EXIT_DONE;
}

/* The driver of this machine: that of the file, unless it is the one for hosts of a lattice. */
static struct plugin_choice *choose_driver(struct config *config) {
    if (config->n_drivers == 0 || str_is(config->drivers[0].name, "lattice")) {
        config->drivers = ARENA_NEW(&config->arena, struct plugin_choice);
        config->n_drivers = 1;
        config->drivers[0] = (struct plugin_choice){STR("process"), STR("{}"), NULL};
    }
    return &config->drivers[0];
}

static bool set_already(const struct plugin_choice *p, const char *key, str *ret, struct arena *a) {
    struct node *n = NULL;
    if (json_parse(p->config, a, &n, NULL) < 0 || !node_get(n, key)) {
        return false;
    }
    *ret = node_text(n, key, STR(""));
    return true;
}

/* Without who logs in: everybody in the lattice can read it. */
static const char *plain_url(struct config *config) {
    str url, rest;
    if (!set_already(&config->transport, "url", &url, &config->arena)) {
        return "nats://127.0.0.1:4222";
    }
    struct buf out = BUF_INIT;
    for (str one = str_cut(url, ',', &rest); one.ptr; one = str_cut(rest, ',', &rest)) {
        const char *slashes = memmem(one.ptr, one.len, "://", 3);
        const char *at = memrchr(one.ptr, '@', one.len);
        size_t scheme = slashes ? (size_t)(slashes + 3 - one.ptr) : 0;
        if (out.len) {
            buf_add_c(&out, ',');
        }
        buf_add_str(&out, at ? str_n(one.ptr, scheme) : STR(""));
        buf_add_str(&out, at ? str_skip(one, (size_t)(at + 1 - one.ptr)) : one);
        if (!rest.ptr) {
            break;
        }
    }
    const char *text = arena_str(&config->arena, buf_str(&out)).ptr;
    buf_finish(&out);
    return text ? text : "";
}

/* A bucket of the lattice's hosts, as they make it. */
static struct agent_plugin bucket(struct config *config, const char *prefix, const char *lattice) {
    struct plugin_choice with = config->store;
    if (str_is(with.name, "nats-kv")) {
        str name = arena_printf(&config->arena, "%s_%s", prefix, lattice);
        config_set_string(config, &with, "bucket", name.ptr);
        config_plugin_set(config, &with, "history", STR("1"));
    }
    return (struct agent_plugin){arena_str(&config->arena, with.name).ptr, with.config};
}

static const char *state_dir(struct cli *c, struct config *config, const char *lattice) {
    const char *given = cli_option(c, "state-dir");
    char *base = state_default_dir(), *here = getcwd(NULL, 0);
    str path = !given          ? arena_printf(&config->arena, "%s/agent-%s", base, lattice)
               : *given == '/' ? arena_str(&config->arena, str_c(given))
                               : arena_printf(&config->arena, "%s/%s", here ? here : "", given);
    mem_free(base);
    free(here);
    return path.ptr;
}

static const char *lattice_of(struct cli *c, struct config *config) {
    bool one = config->n_lattices == 1 && !str_is(config->lattices[0], "*");
    return one && strcmp(c->lattice, "default") == 0
               ? arena_str(&config->arena, config->lattices[0]).ptr
               : c->lattice;
}

/* As for a host of wasmCloud, or as the servers of this file answer; they share a default. */
static const char *secrets_topic(struct config *config) {
    const char *topic = getenv("WASMCLOUD_SECRETS_TOPIC");
    return topic && *topic                   ? topic
           : config->gates.secrets_topic.len ? config->gates.secrets_topic.ptr
                                             : "wasmcloud.secrets";
}

static int set_up(struct cli *c, struct config *config, struct agent_config *a) {
    const char *prefix = getenv("WASMCLOUD_CTL_TOPIC_PREFIX");
    struct plugin_choice *driver = choose_driver(config);
    str on_stop;
    a->lattice = lattice_of(c, config);
    a->state_dir = state_dir(c, config, a->lattice);
    if (str_is(driver->name, "process")) {
        str own;
        if (!set_already(driver, "state_dir", &own, &config->arena)) {
            str dir = arena_printf(&config->arena, "%s/process", a->state_dir);
            config_set_string(config, driver, "state_dir", dir.ptr);
        }
        config_set_string(config, driver, "lattice", a->lattice);
    }
    a->keep = set_already(driver, "on_stop", &on_stop, &config->arena) && str_is(on_stop, "keep");
    if (str_is(config->transport.name, "nats") && !str_is(config->store.name, "nats-kv")) {
        return cli_fail(EXIT_INPUT,
                        "store: %.*s: hosts of a lattice share their links and configurations in "
                        "NATS: leave the store out, or write nats-kv",
                        PSTR(config->store.name));
    }
    config_set_string(config, &config->transport, "name", "trellis-agent");
    a->url = plain_url(config);
    a->transport = (struct agent_plugin){arena_str(&config->arena, config->transport.name).ptr,
                                         config->transport.config};
    a->driver = (struct agent_plugin){arena_str(&config->arena, driver->name).ptr, driver->config};
    a->links = bucket(config, "LATTICEDATA", a->lattice);
    a->configs = bucket(config, "CONFIGDATA", a->lattice);
    a->plugin_dirs = config->plugin_dirs;
    a->n_plugin_dirs = config->n_plugin_dirs;
    a->trust = config->trust.trust;
    a->allow = config->trust.allow;
    a->n_allow = config->trust.n_allow;
    a->prefix = prefix && *prefix ? prefix : "wasmbus.ctl";
    a->account_file = cli_option(c, "account");
    a->secrets_topic = secrets_topic(config);
    if (!host_secrets_topic_ok(str_c(a->secrets_topic))) {
        return cli_fail(EXIT_USAGE,
                        "WASMCLOUD_SECRETS_TOPIC=%s: a topic has tokens of letters, digits, dashes "
                        "and underscores, joined by dots",
                        a->secrets_topic);
    }
    a->version = TRELLIS_VERSION;
    return EXIT_DONE;
}

static int agent(struct cli *c) {
    struct config config;
    struct agent_config a = {.keep = false};
    trl_label labels[CLI_OPTIONS];
    config_defaults(&config);
    config.log_level = c->log.level;
    int rc = config_load(c, &config);
    rc = rc ? rc : read_labels(c, labels, &a.n_labels);
    rc = rc ? rc : read_heartbeat(c, &a.heartbeat_ns);
    if (rc == EXIT_DONE) {
        config_add_dirs(c, &config);
        config_add_nats(c, &config);
        a.labels = labels;
        rc = set_up(c, &config, &a);
    }
    rc = rc ? rc : run_it(&a, &config);
    config_finish(&config);
    return rc;
}

static const struct cli_opt options[] = {
    {"config", 'c', "FILE", false, "trellis.yaml: transport, driver and log are read from it"},
    {"label", 0, "KEY=VALUE", false, "a label of this host; may be repeated"},
    {"state-dir", 0, "DIR", false, "who this host is, and what it runs (default: by lattice)"},
    {"account", 0, "FILE", false, "a seed (SA...): who signs for what asks for secrets here"},
    {"heartbeat", 0, "SECONDS", false, "between two heartbeats (default: 30)"},
    {NULL, 0, NULL, false, NULL}};

const struct command cli_agent_commands[] = {
    {NULL, "agent", "", 0, 0, "make this machine a host of a lattice",
     "\nSpeaks the control protocol of wasmCloud 1.x hosts over NATS, and runs what it is told to "
     "as\n"
     "processes: see docs/agent.md. `trellis serve` and wadm schedule it like any other host. "
     "Until\n"
     "a signal; then the host leaves the lattice, and what it runs ends (`on_stop: keep` of the\n"
     "driver: it runs on, and the next agent with this state directory adopts it).\n",
     options, agent},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL}};
