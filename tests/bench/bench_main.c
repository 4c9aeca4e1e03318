/* SPDX-License-Identifier: Apache-2.0
 *
 * bench [WORKLOAD...] — footprint, processes, floor, deploys, failover, policy, many, idle; each
 * with -nats or -inproc for one variant only; none: all. Prints one JSON object per figure; gates
 * on nothing.
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

static const struct {
    const char *name;
    void (*run)(bool nats);
} workloads[] = {{"footprint", bench_footprint}, {"processes", bench_processes},
                 {"floor", bench_floor},         {"deploys", bench_deploys},
                 {"failover", bench_failover},   {"policy", bench_policy},
                 {"many", bench_many},           {"idle", bench_idle}};

static bool wanted(int argc, char **argv, const char *name, const char *suffix) {
    for (int i = 1; i < argc; i++) {
        size_t n = strlen(name);
        if (strncmp(argv[i], name, n) == 0 && (!argv[i][n] || strcmp(argv[i] + n, suffix) == 0)) {
            return true;
        }
    }
    return argc < 2;
}

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        for (int nats = 0; nats < 2; nats++) {
            if (wanted(argc, argv, workloads[i].name, nats ? "-nats" : "-inproc")) {
                fprintf(stderr, "bench: %s %s\n", workloads[i].name, nats ? "NATS" : "in-process");
                workloads[i].run(nats);
            }
        }
    }
    return 0;
}
