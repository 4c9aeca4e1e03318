/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis.yaml: which plugin serves each role, and its config. Read whole, checked whole: every
 * fault is told with its place before anything starts.
 */
#ifndef TRELLIS_PLANE_CONFIG_H
#define TRELLIS_PLANE_CONFIG_H

#include "base/arena.h"
#include "codec/node.h"
#include "model/finding.h"
#include "plane/config_gates.h"
#include "plane/config_trust.h"

struct scaler_choice {
    str trait; /* "spreadscaler" */
    struct plugin_choice plugin;
};

struct config {
    struct arena arena; /* owns everything */
    str path;           /* for messages; empty: built in */
    str *lattices;      /* {"*"}: discover */
    uint32_t n_lattices;
    const char **plugin_dirs;
    uint32_t n_plugin_dirs;
    struct plugin_choice transport, store;
    struct plugin_choice *drivers;
    uint32_t n_drivers;
    struct scaler_choice *scalers;
    uint32_t n_scalers;
    struct plugin_choice *extensions;
    uint32_t n_extensions;
    struct config_gates gates; /* policy, secrets, host_services */
    struct config_trust trust; /* plugins */
    str api_prefix;            /* "wadm.api" */
    bool multitenant;
    bool observe_only; /* allow_wadm: observe */
    uint64_t cleanup_interval_s;
    int log_level; /* TRL_LOG_* */
    bool log_json;
    str socket; /* path; empty: none */
};

/* Fills defaults: NATS on 127.0.0.1:4222 with its KV store, the lattice driver, both scalers. */
void config_defaults(struct config *c);
/* Defaults, then the file's text over them. All faults into f; < 0 when there is an error:
 * then c has what is right in the file, for `config check` only. */
int config_parse(struct config *c, str path, str text, struct findings *f);
void config_finish(struct config *c);
/* One plugin block as {"plugin": ..., members}: for `config explain`. */
void config_write(const struct config *c, struct buf *out);
/* Sets or replaces a member of a plugin's JSON config (flags of the command line). */
void config_plugin_set(struct config *c, struct plugin_choice *p, const char *key, str json_value);

#endif
