/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a plane in the foreground until a signal: `trellis serve`, `trellis up`, and as wadm.
 */
#ifndef TRELLIS_CLI_SERVE_H
#define TRELLIS_CLI_SERVE_H

#include "plane/plane.h"

struct serve_options {
    const struct config *config; /* borrowed */
    bool import_wadm;            /* take models over from wadm's bucket */
    /* up: simulated hosts on the plane's own bus */
    uint32_t sim_hosts;
    const char *sim_lattice;
    const char *const *manifests; /* files to deploy once it serves */
    uint32_t n_manifests;
    const char *login_file; /* has the URL of the dashboard; NULL: none */
    const char *urls;       /* where what is deployed answers, a line each; may be empty */
    const char *program;    /* as the user wrote it, for texts */
    bool colour;
    bool always_up; /* `up`, also without hosts and files */
    bool once;      /* end when everything is deployed, or failed */
};
/* Blocks. Exit code. SIGTERM, SIGINT and SIGHUP (a terminal that goes; unless it is ignored)
 * finish acknowledged work. */
int serve_run(const struct serve_options *o);

#endif
