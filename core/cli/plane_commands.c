/* SPDX-License-Identifier: Apache-2.0 — trellis serve, up, sim. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/ephemeral.h"
#include "cli/files.h"
#include "cli/local_secrets.h"
#include "cli/plane_config.h"
#include "cli/serve.h"
#include "cli/urls.h"
#include "codec/json.h"
#include "model/admit.h"
#include "plane/socket.h"
#include "sim/sim_main.h"

static int serve(struct cli *c) {
    struct config config;
    config_defaults(&config);
    config.log_level = c->log.level;
    int rc = config_load(c, &config);
    if (rc == EXIT_DONE) {
        config_add_dirs(c, &config);
        config_add_nats(c, &config);
        struct serve_options o = {.config = &config, .sim_lattice = c->lattice};
        rc = serve_run(&o);
    }
    config_finish(&config);
    return rc;
}

static bool runs_files(const struct manifest *m) {
    for (uint32_t i = 0; m && i < m->n_items; i++) {
        if (m->items[i].image.ptr && str_starts(m->items[i].image, STR("file://"))) {
            return true;
        }
    }
    return false;
}

/* Every fault of the files, before anything starts. Standard input is read only once: later.
 * *processes: some of them run executables of this machine; urls: where these will answer. */
static int check_manifests(struct cli *c, bool *processes, struct buf *urls) {
    int rc = EXIT_DONE;
    for (int i = 0; i < c->argc; i++) {
        struct buf text = BUF_INIT;
        struct err e = ERR_INIT;
        struct findings f;
        struct manifest *m = NULL;
        char *message = NULL;
        findings_init(&f);
        if (strcmp(c->argv[i], "-") == 0) {
            continue;
        }
        if (file_read_manifest(c->argv[i], &text, &e) < 0) {
            rc = cli_fail(EXIT_INPUT, "%s: nothing was started", e.msg);
        } else if (model_admit(buf_str(&text), STR_NONE, 0, &m, &f, &message), f.errors) {
            config_tell_findings(&f, c->argv[i]);
            rc = cli_fail(EXIT_INPUT, "%s: %u fault%s, nothing was started", c->argv[i], f.errors,
                          f.errors == 1 ? "" : "s");
        }
        *processes |= runs_files(m);
        urls_of(m, urls);
        mem_free(message);
        manifest_destroy(m);
        findings_finish(&f);
        buf_finish(&text);
    }
    return rc;
}

/* Makes the store's directory, so that a wrong place is told with what to do. */
static int make_data(const char *dir) {
    char *path = mem_strdup(dir);
    int rc = EXIT_DONE;
    for (char *p = path + 1; rc == EXIT_DONE; p++) {
        char was = *p;
        if (was == '/' || was == '\0') {
            *p = '\0';
            if (mkdir(path, 0700) < 0 && errno != EEXIST) {
                rc = errno;
            }
            *p = was;
        }
        if (was == '\0') {
            break;
        }
    }
    if (rc == EXIT_DONE && access(dir, W_OK | X_OK) < 0) {
        rc = errno;
    }
    mem_free(path);
    return rc ? cli_fail(EXIT_FAILED,
                         "cannot keep data in %s: %s: choose another directory with --data DIR, or "
                         "keep nothing with --memory",
                         dir, strerror(rc))
              : EXIT_DONE;
}

/* This machine is the host. What runs ends with us, unless it is to be kept for the next `up`. */
static void use_processes(struct cli *c, struct config *config, const char *state) {
    struct buf dir = BUF_INIT;
    struct err e = ERR_INIT;
    config->drivers = ARENA_NEW(&config->arena, struct plugin_choice);
    config->n_drivers = 1;
    config->drivers[0] = (struct plugin_choice){STR("process"), STR("{}"), NULL};
    if (local_secrets_use(c, config, &e) < 0) {
        fprintf(stderr, "%s: units that name secrets of '" LOCAL_SECRETS "' will not start\n",
                e.msg);
    }
    buf_addf(&dir, "%s.processes", state);
    config_set_string(config, &config->drivers[0], "state_dir", dir.ptr);
    config_set_string(config, &config->drivers[0], "lattice", c->lattice);
    config_set_string(config, &config->drivers[0], "on_stop",
                      cli_option(c, "keep") ? "keep" : "stop");
    if (cli_option(c, "ephemeral")) {
        config_plugin_set(config, &config->drivers[0], "unclaimed_ms", STR("2000"));
    }
    buf_finish(&dir);
}

/* A page on loopback, for whoever can read the login file; unless the file says what to extend. */
static char *use_http(struct cli *c, struct config *config, const char *socket) {
    const char *listen = cli_option(c, "http");
    if (config->n_extensions || cli_option(c, "once") || (listen && strcmp(listen, "off") == 0)) {
        return NULL;
    }
    struct buf login = BUF_INIT;
    buf_addf(&login, "%s.login", socket);
    config->extensions = ARENA_NEW(&config->arena, struct plugin_choice);
    config->n_extensions = 1;
    config->extensions[0] = (struct plugin_choice){STR("http"), STR("{}"), NULL};
    if (listen) { /* asked for: not to be had is an error */
        config->extensions[0].at = ARENA_NEW(&config->arena, struct node);
    }
    config_set_string(config, &config->extensions[0], "listen", listen ? listen : "127.0.0.1:8181");
    config_set_string(config, &config->extensions[0], "login_file", login.ptr);
    config_plugin_set(config, &config->extensions[0], "login", STR("true"));
    config_plugin_set(config, &config->extensions[0], "any_port",
                      listen ? STR("false") : STR("true"));
    return buf_take(&login);
}

/* What one up is made of. */
struct setup {
    struct config config;
    uint64_t hosts;
    bool processes;
    char *socket, *login; /* owned; login: NULL without a dashboard */
    struct buf dir, urls; /* dir: of the store */
    struct ephemeral *ephemeral;
};

/* The places of all that is kept: under the user's state directory, or in one that goes with us. */
static int set_places(struct cli *c, struct setup *u) {
    const char *data = cli_option(c, "data");
    struct err e = ERR_INIT;
    int rc = EXIT_DONE;
    u->socket =
        c->connect.socket ? mem_strdup(c->connect.socket) : socket_default_path(c->connect.name);
    u->config.socket = str_c(u->socket);
    if (cli_option(c, "ephemeral")) {
        struct buf login = BUF_INIT;
        buf_addf(&login, "%s.login", u->socket);
        const char *const paths[] = {u->socket, login.ptr};
        rc = ephemeral_begin(paths, 2, &u->ephemeral, &e);
        buf_finish(&login);
        if (rc < 0) {
            return cli_fail(EXIT_FAILED, "%s", e.msg);
        }
        buf_addf(&u->dir, "%s/store", ephemeral_dir(u->ephemeral));
        return EXIT_DONE;
    }
    char *state = state_default_dir(), *here = getcwd(NULL, 0);
    buf_addf(&u->dir, "%s%s%s/%s", data && *data != '/' && here ? here : "",
             data && *data != '/' ? "/" : "", data ? data : state,
             data ? "store" : c->connect.name);
    free(here);
    mem_free(state);
    return rc;
}

static int check_options(struct cli *c, struct setup *u) {
    static const char *const not_with[] = {"data", "keep", "config"};
    const char *n = cli_option(c, "hosts");
    if (n && (!str_u64(str_c(n), &u->hosts) || u->hosts > 10000)) {
        return cli_fail(EXIT_USAGE, "--hosts %s: a number up to 10000", n);
    }
    if (n && cli_option(c, "processes")) {
        return cli_fail(EXIT_USAGE, "--hosts and --processes: the hosts are either simulated, or "
                                    "this machine");
    }
    for (size_t i = 0; cli_option(c, "ephemeral") && i < 3; i++) {
        if (cli_option(c, not_with[i])) {
            return cli_fail(EXIT_USAGE, "--ephemeral and --%s: it keeps nothing, nowhere",
                            not_with[i]);
        }
    }
    return EXIT_DONE;
}

static int run_up(struct cli *c, struct setup *u) {
    bool memory = cli_option(c, "memory") || u->ephemeral;
    struct config *config = &u->config;
    config->log_level = cli_option(c, "verbose") ? TRL_LOG_INFO : TRL_LOG_WARN;
    config->transport = (struct plugin_choice){STR("inproc"), STR("{}"), NULL};
    config->store = (struct plugin_choice){memory ? STR("memory") : STR("file"), STR("{}"), NULL};
    if (!memory) {
        config_set_string(config, &config->store, "dir", u->dir.ptr);
    }
    int rc = config_load(c, config);
    if (rc == EXIT_DONE && str_is(config->store.name, "file") && !config->store.at) {
        rc = make_data(u->dir.ptr);
    }
    if (rc != EXIT_DONE) {
        return rc;
    }
    u->processes = !cli_option(c, "config") && !cli_option(c, "hosts") && /* the file says which */
                   (u->processes || c->argc == 0 || cli_option(c, "processes"));
    if (u->processes) {
        use_processes(c, config, u->dir.ptr);
    }
    config_add_dirs(c, config);
    u->login = use_http(c, config, u->socket);
    struct serve_options o = {.config = config,
                              .login_file = u->login,
                              .urls = u->urls.ptr,
                              .program = c->program,
                              .sim_hosts = u->processes ? 0 : (uint32_t)u->hosts,
                              .sim_lattice = c->lattice,
                              .manifests = (const char *const *)c->argv,
                              .n_manifests = (uint32_t)c->argc,
                              .colour = c->colour,
                              .once = cli_option(c, "once") != NULL,
                              .always_up = true};
    return serve_run(&o);
}

static int up(struct cli *c) {
    struct setup u = {.hosts = 3};
    config_defaults(&u.config);
    int rc = check_options(c, &u);
    rc = rc ? rc : check_manifests(c, &u.processes, &u.urls);
    rc = rc ? rc : set_places(c, &u);
    rc = rc ? rc : run_up(c, &u);
    ephemeral_end(u.ephemeral);
    buf_finish(&u.dir);
    buf_finish(&u.urls);
    mem_free(u.login);
    mem_free(u.socket);
    config_finish(&u.config);
    return rc;
}

static const struct cli_opt for_up[] = {
    {"hosts", 0, "N", false,
     "simulated wasmCloud hosts (default: 3, when FILEs have other images than file://)"},
    {"processes", 0, NULL, false,
     "this machine is the host (so it is when a FILE has images file://, and without a FILE)"},
    {"keep", 0, NULL, false,
     "leave the processes running at the end, for the next `up` to take over"},
    {"ephemeral", 0, NULL, false,
     "no process and no file of it outlives this command, however it ends"},
    {"data", 0, "DIR", false, "where the store lives (default: $XDG_STATE_HOME/trellis)"},
    {"memory", 0, NULL, false, "keep nothing"},
    {"once", 0, NULL, false,
     "end when everything is deployed (0), or not in time (1), or wrong (5)"},
    {"http", 0, "ADDRESS", false,
     "where the dashboard listens, `off`: nowhere (default: 127.0.0.1:8181 or a free port)"},
    {"config", 'c', "FILE", false, "start from this configuration"},
    {"verbose", 0, NULL, false, "log what happens"},
    {NULL, 0, NULL, false, NULL}};

static const struct cli_opt for_serve[] = {
    {"config", 'c', "FILE", false, "configuration (docs/operating.md)"},
    {NULL, 0, NULL, false, NULL}};

const struct command cli_plane_commands[] = {
    {NULL, "up", "[FILE...]", 0, -1,
     "everything in one process: bus, store, hosts; deploys the files",
     "Runs until Ctrl-C. The other commands find it by its socket.\n", for_up, up},
    {NULL, "serve", "", 0, 0, "serve the API and reconcile, over NATS unless configured otherwise",
     "Without a file: NATS on 127.0.0.1:4222, its key-value store, every lattice.\n", for_serve,
     serve},
    {NULL, "sim", "[OPTIONS]", 0, -1, "virtual wasmCloud 1.9 hosts on a bus, for tests and trials",
     "`trellis sim --help` has options of its own.\n", NULL, NULL},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
