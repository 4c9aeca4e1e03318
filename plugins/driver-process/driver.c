/* SPDX-License-Identifier: Apache-2.0
 *
 * driver/1 "process": executables of this machine as supervised processes.
 */
#include "driver.h"

#include <dlfcn.h>
#include <unistd.h>

#include "../common/xmem.h"
#include "actions.h"
#include "base.h"
#include "bundle.h"
#include "inspect.h"
#include "io.h"
#include "life.h"
#include "links.h"
#include "listen.h"
#include "report.h"
#include "unit.h"

#define SAFE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"lattice\":{\"type\":\"string\",\"default\":\"default\",\"description\":"
    "\"the lattice this machine belongs to\"},"
    "\"state_dir\":{\"type\":\"string\",\"default\":\"\",\"description\":"
    "\"where processes are remembered; empty: trellis/process in the state directory of the "
    "user\"},"
    "\"keeper\":{\"type\":\"string\",\"default\":\"\",\"description\":"
    "\"path of trellis-keeper; empty: beside the plugin, or in libexec\"},"
    "\"labels\":{\"type\":\"object\",\"default\":{},\"description\":"
    "\"labels of this host, name: value\"},"
    "\"on_stop\":{\"type\":\"string\",\"enum\":[\"keep\",\"stop\"],\"default\":\"keep\","
    "\"description\":\"what becomes of the processes when trellis stops\"},"
    "\"unclaimed_ms\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":86400000,\"default\":0,"
    "\"description\":\"processes end when nobody managed them for so long; 0: never\"},"
    "\"cgroup\":{\"type\":\"string\",\"default\":\"\",\"description\":"
    "\"a control group (v2) delegated to trellis, for limits\"},"
    "\"path\":{\"type\":\"string\",\"default\":\"" SAFE_PATH "\",\"description\":"
    "\"PATH of the processes\"},"
    "\"secrets_dir\":{\"type\":\"string\",\"default\":\"\",\"description\":"
    "\"a directory on a tmpfs for secrets; empty: one is found; none: sealed descriptors "
    "instead\"},"
    "\"stop_timeout_ms\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":3600000,"
    "\"default\":10000,\"description\":\"from SIGTERM to SIGKILL\"},"
    "\"log_bytes\":{\"type\":\"integer\",\"minimum\":4096,\"default\":10485760,\"description\":"
    "\"a log is rotated at this size\"},"
    "\"log_files\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"default\":2,"
    "\"description\":\"logs that are kept of one process\"},"
    "\"beat_ms\":{\"type\":\"integer\",\"minimum\":100,\"maximum\":600000,\"default\":30000,"
    "\"description\":\"how often everything is reported\"}}}";

static char *default_state_dir(void) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    return state && state[0] == '/' ? text_format("%s/trellis/process", state)
           : geteuid() == 0         ? text_dup(STR_LIT("/var/lib/trellis/process"))
           : home && home[0] == '/' ? text_format("%s/.local/state/trellis/process", home)
                                    : text_format("/tmp/trellis-%u/process", (unsigned)geteuid());
}

static char *default_keeper(void) {
    static const char *const places[] = {"trellis-keeper",
                                         "../../../libexec/trellis/trellis-keeper"};
    Dl_info info;
    char *path = NULL;
    for (size_t i = 0; i < 2; i++) {
        const char *lib = dladdr((const void *)schema, &info) ? info.dli_fname : "";
        const char *slash = strrchr(lib, '/');
        free(path);
        path = text_format("%.*s/%s", slash ? (int)(slash - lib) : 1, slash ? lib : ".", places[i]);
        if (access(path, X_OK) == 0) {
            break;
        }
    }
    return path;
}

static char *text_or(const json_t *j, const char *key, char *(*otherwise)(void)) {
    const char *s = j_str(j, key, "");
    return s[0] ? text_dup(trl_cstr(s)) : otherwise ? otherwise() : text_dup(STR_LIT(""));
}

static trl_status read_options(struct options *o, trl_str config, trl_err *err) {
    json_t *j = json_loadb(config.len ? config.ptr : "{}", config.len ? config.len : 2, 0, NULL);
    const char *key;
    json_t *v;
    trl_status st = TRL_OK;
    o->lattice = text_dup(trl_cstr(j_str(j, "lattice", "default")));
    o->state_dir = text_or(j, "state_dir", default_state_dir);
    o->keeper = text_or(j, "keeper", default_keeper);
    o->cgroup = text_or(j, "cgroup", NULL);
    o->secrets_dir = text_or(j, "secrets_dir", NULL);
    o->path = text_dup(trl_cstr(j_str(j, "path", SAFE_PATH)));
    o->labels = json_is_object(json_object_get(j, "labels"))
                    ? json_deep_copy(json_object_get(j, "labels"))
                    : json_object();
    o->stop_all = strcmp(j_str(j, "on_stop", "keep"), "stop") == 0;
    o->unclaimed_ms = j_int(j, "unclaimed_ms", 0);
    o->stop_ms = j_int(j, "stop_timeout_ms", 10000);
    o->log_bytes = j_int(j, "log_bytes", 10 << 20);
    o->log_files = j_int(j, "log_files", 2);
    o->beat_ms = j_int(j, "beat_ms", 30000);
    json_object_foreach(o->labels, key, v) {
        if (!json_is_string(v)) {
            st = trl_errf(err, TRL_E_INVALID, "labels: the value of \"%s\" is no text", key);
        }
    }
    if (st == TRL_OK && o->state_dir[0] != '/') {
        st = trl_errf(err, TRL_E_INVALID, "state_dir: \"%s\" is no absolute path", o->state_dir);
    } else if (st == TRL_OK && o->secrets_dir[0] && o->secrets_dir[0] != '/' &&
               strcmp(o->secrets_dir, "none") != 0) {
        st = trl_errf(err, TRL_E_INVALID,
                      "secrets_dir: \"%s\" is neither \"none\" nor an absolute path",
                      o->secrets_dir);
    } else if (st == TRL_OK && !o->lattice[0]) {
        st = trl_errf(err, TRL_E_INVALID, "lattice: a name is needed");
    }
    json_decref(j);
    return st;
}

static void options_finish(struct options *o) {
    free(o->lattice);
    free(o->state_dir);
    free(o->keeper);
    free(o->cgroup);
    free(o->path);
    free(o->secrets_dir);
    json_decref(o->labels);
}

static trl_status check(trl_str config, trl_err *err) {
    struct options o = {.lattice = NULL};
    trl_status st = read_options(&o, config, err);
    options_finish(&o);
    return st;
}

static void destroy(trl_inst *d) {
    if (d->beat) {
        d->loop->timer_stop(d->host->ctx, d->beat);
    }
    ops_forget(d);
    units_destroy(d);
    listeners_close_all(d);
    io_destroy(d->io);
    desk_finish(&d->desk);
    json_decref(d->configs);
    json_decref(d->links);
    json_decref(d->counts);
    json_decref(d->own_labels);
    if (d->secret_place) {
        rmdir(d->secret_place); /* when nothing runs any more that has any */
    }
    if (d->state_fd >= 0) {
        close(d->state_fd);
    }
    if (d->lock_fd >= 0) {
        close(d->lock_fd);
    }
    free(d->host_id);
    free(d->host_name);
    free(d->secret_place);
    options_finish(&d->set);
    free(d);
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    trl_inst *d = x_zalloc(sizeof(*d));
    d->host = h;
    d->state_fd = d->lock_fd = -1;
    d->observe = h->get_interface(h->ctx, TRL_HOST_OBSERVE_V1);
    d->loop = h->get_interface(h->ctx, TRL_HOST_LOOP_V1);
    d->desk = (struct desk){.host = h, .loop = d->loop};
    d->work = h->get_interface(h->ctx, TRL_HOST_WORK_V1);
    d->secret = h->get_interface(h->ctx, TRL_HOST_SECRET_V1);
    d->secret_read = h->get_interface(h->ctx, TRL_HOST_SECRET_READ_V1);
    d->configs = json_object();
    d->links = json_array();
    d->counts = json_object();
    d->own_labels = json_object();
    trl_status st = read_options(&d->set, config, err);
    if (st == TRL_OK && (!d->observe || !d->loop || !d->work)) {
        st = trl_errf(err, TRL_E_UNSUPP, "needs %s, %s and %s", TRL_HOST_OBSERVE_V1,
                      TRL_HOST_LOOP_V1, TRL_HOST_WORK_V1);
    }
    if (st != TRL_OK) {
        destroy(d);
        return st;
    }
    *out = d;
    return TRL_OK;
}

static void start(trl_inst *d, trl_op *op) {
    d->io = io_create(d);
    if (!d->io) {
        op_refuse(&d->desk, op, TRL_E_UNAVAIL, "no thread or no descriptors are left");
        return;
    }
    life_start(d, op);
}

static void tell_all(struct trl_inst *d) {
    report_all(d);
    links_report(d);
}

static void resync(trl_inst *d, trl_op *op, trl_str lattice) {
    op_ok_later(d, op, trl_str_eq(lattice, trl_cstr(d->set.lattice)) ? tell_all : NULL);
}

static void read_configs(trl_inst *d, trl_op *op, trl_str lattice, const trl_str *names,
                         uint32_t n) {
    if (trl_str_eq(lattice, trl_cstr(d->set.lattice)) && n) {
        configs_report(d, names, n);
    }
    op_ok_later(d, op, NULL);
}

static void probe(trl_inst *d, trl_op *op, trl_str lattice, trl_str id) {
    if (trl_str_eq(lattice, trl_cstr(d->set.lattice)) && trl_str_eq(id, trl_cstr(d->host_id))) {
        op_ok_later(d, op, report_all);
    } else {
        op_refuse(&d->desk, op, TRL_E_NORESPONDER, "there is no host %.*s here", STR_ARG(id));
    }
}

static int32_t can_run(trl_inst *d, const trl_unit_view *unit, const trl_host_view *host) {
    (void)d;
    (void)host;
    return bundle_is_file(unit->image);
}

static void cancel(trl_inst *d, trl_op *op) {
    tickets_cancel(&d->desk, op);
}

static const trl_driver_v1 table = {.struct_size = sizeof(trl_driver_v1),
                                    .flags = TRL_DRIVER_LINKS | TRL_DRIVER_RETRIES,
                                    .verbs = ACTIONS_VERBS,
                                    .apply = actions_apply,
                                    .resync = resync,
                                    .read_configs = read_configs,
                                    .probe = probe,
                                    .can_run = can_run,
                                    .cancel = cancel,
                                    .logs = logs_read,
                                    .usage = usage_read};

static const void *get_interface(trl_inst *d, const char *id) {
    (void)d;
    return strcmp(id, TRL_KIND_DRIVER) == 0 ? &table : NULL;
}

static const char *const needs[] = {TRL_HOST_OBSERVE_V1, TRL_HOST_LOOP_V1, TRL_HOST_WORK_V1, NULL};
static const char *const rights[] = {"exec", "fs:read", "fs:write", "net", NULL};

static const trl_component component = {.struct_size = sizeof(trl_component),
                                        .thread_model = TRL_LOOP,
                                        .iface = TRL_KIND_DRIVER,
                                        .name = "process",
                                        .summary = "executables of this machine, supervised",
                                        .config_schema = schema,
                                        .needs = needs,
                                        .rights = rights,
                                        .check = check,
                                        .create = create,
                                        .start = start,
                                        .stop = life_stop,
                                        .destroy = destroy,
                                        .get_interface = get_interface};

TRL_PLUGIN("trellis.driver-process", "0.1.0", 1, &component);
