/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of `trellis sim`.
 */
#ifndef TRELLIS_SIM_OPTIONS_H
#define TRELLIS_SIM_OPTIONS_H

#include <stdio.h>

#include "base/mem.h"
#include "sim/config.h"

struct sim_options {
    struct sim_config config; /* its arrays are the vectors below */
    const char *transport, *nats_url, *transport_config;
    const char *stats;      /* a file, "-" for stdout, NULL: none */
    int64_t stats_every_ns; /* 0: at the end only */
    int64_t for_ns;         /* 0: until told to end */
    bool verbose, help, no_control;
    VEC(const char *) lattices, labels, host_ids, dirs;
    VEC(struct sim_image_fault) image_faults; /* pattern: owned */
};

/* The strings of argv are borrowed for the life of the options. */
int sim_options_parse(int argc, char **argv, struct sim_options *ret, struct err *err);
void sim_options_finish(struct sim_options *o);
void sim_options_help(FILE *to);

#endif
