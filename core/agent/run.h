/* SPDX-License-Identifier: Apache-2.0
 *
 * An agent with all it stands on: a transport, the two buckets of the lattice, a driver. Everything
 * on the loop; strings are borrowed for the life of the run.
 */
#ifndef TRELLIS_AGENT_RUN_H
#define TRELLIS_AGENT_RUN_H

#include "base/err.h"
#include "plug/plug.h"

struct agent_plugin {
    const char *name;
    str config; /* JSON */
};

struct agent_config {
    struct agent_plugin transport, driver;
    struct agent_plugin links, configs; /* stores: the buckets */
    const char *const *plugin_dirs;
    uint32_t n_plugin_dirs;
    enum plug_trust trust;
    const struct plug_allowed *allow;
    uint32_t n_allow;
    const char *lattice, *prefix, *version, *url, *state_dir;
    const char *secrets_topic; /* "wasmcloud.secrets" */
    const char *account_file;  /* a seed, who signs for units; NULL: one is made in state_dir */
    const trl_label *labels;   /* beside those of the driver */
    uint32_t n_labels;
    int64_t heartbeat_ns;
    bool keep; /* what runs goes on when the agent ends, and the host says nothing */
};

struct agent_run_env {
    struct loop *loop;
    const struct log *log;
    const struct agent_config *config;
    void (*on_ready)(void *arg, const char *host_id);
    void (*on_failed)(void *arg, const char *text); /* stop it then */
    void (*on_stop)(void *arg); /* a request of the lattice asked the host to end: stop it */
    void *arg;
};

struct agent_run;

/* No callback before it returns. < 0: wrong configuration, nothing runs. */
int agent_run_create(const struct agent_run_env *env, struct agent_run **ret, struct err *err);
/* Once. The host says good-bye, what runs ends (but with keep, unless a request asked), plugins
 * stop; it frees itself before done. */
void agent_run_stop(struct agent_run *r, void (*done)(void *arg), void *arg);

#endif
