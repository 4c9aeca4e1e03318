/* SPDX-License-Identifier: Apache-2.0
 *
 * How long the spread scaler takes to decide 1,000,000 instances over 10,000 hosts. Prints the best
 * and the median of some runs in milliseconds; gates on nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../../plugins/scaler-spread/solve.h"

#define HOSTS 10000u
#define RUNS  21

struct lattice {
    trl_host_view hosts[HOSTS];
    char ids[HOSTS][60], zones[HOSTS][8];
    trl_label labels[HOSTS][5];
    uint32_t flags[HOSTS], current[HOSTS], failing[HOSTS], wanted[HOSTS], group[HOSTS];
};

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void make(struct lattice *l) {
    uint64_t seed = 1;
    for (uint32_t i = 0; i < HOSTS; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        snprintf(l->ids[i], sizeof(l->ids[i]), "N%08u%s", i,
                 "BCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOP");
        snprintf(l->zones[i], sizeof(l->zones[i]), "%c", 'a' + (int)(i % 3));
        l->labels[i][0] = (trl_label){trl_cstr("arch"), trl_cstr("x86_64")};
        l->labels[i][1] = (trl_label){trl_cstr("hostcore.arch"), trl_cstr("x86_64")};
        l->labels[i][2] = (trl_label){trl_cstr("hostcore.os"), trl_cstr("linux")};
        l->labels[i][3] = (trl_label){trl_cstr("hostcore.osfamily"), trl_cstr("unix")};
        l->labels[i][4] = (trl_label){trl_cstr("zone"), trl_cstr(l->zones[i])};
        l->hosts[i] = (trl_host_view){.struct_size = sizeof(trl_host_view),
                                      .id = trl_cstr(l->ids[i]),
                                      .labels = l->labels[i],
                                      .n_labels = 5,
                                      .n_instances = (uint32_t)(seed >> 60)};
        l->flags[i] = TRL_HOST_READY;
    }
}

static int by_time(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void run(struct lattice *l, const char *what, const char *properties, uint32_t unit_flags) {
    double ms[RUNS];
    trl_err err = {.struct_size = sizeof(err)};
    trl_scaler_spec *spec = NULL;
    trl_unit_view unit = {.struct_size = sizeof(unit), .flags = unit_flags};
    trl_place_out out = {.struct_size = sizeof(out), .wanted = l->wanted, .group = l->group};
    trl_place_in in = {.struct_size = sizeof(in),
                       .unit = &unit,
                       .hosts = l->hosts,
                       .host_stride = sizeof(trl_host_view),
                       .n_hosts = HOSTS,
                       .host_flags = l->flags,
                       .current = l->current,
                       .failing = l->failing};
    if (spec_compile(trl_cstr(properties), &spec, &err) != TRL_OK) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    for (int i = 0; i < RUNS; i++) {
        double start = now_ms();
        spread_place(spec, &in, &out);
        ms[i] = now_ms() - start;
    }
    qsort(ms, RUNS, sizeof(ms[0]), by_time);
    printf("%-44s best %6.2f ms, median %6.2f ms\n", what, ms[0], ms[RUNS / 2]);
    spec_release(spec);
}

#define ZONE(name, weight)                                                                         \
    "{\"name\":\"" name "\",\"requirements\":{\"zone\":\"" name "\"},\"weight\":" #weight "}"
#define ZONES ZONE("a", 57) "," ZONE("b", 31) "," ZONE("c", 12)

int main(void) {
    struct lattice *l = calloc(1, sizeof(*l));
    if (!l) {
        return 1;
    }
    make(l);
    run(l, "1,000,000 over 10,000, 3 zones, from empty",
        "{\"instances\":1000000,\"spread\":[" ZONES "]}", 0);
    memcpy(l->current, l->wanted, sizeof(l->current));
    run(l, "the same once it runs", "{\"instances\":1000000,\"spread\":[" ZONES "]}", 0);
    run(l, "grown by 500,001", "{\"instances\":1500001,\"spread\":[" ZONES "]}", 0);
    run(l, "other weights",
        "{\"instances\":1000000,\"spread\":[" ZONE("a", 1) "," ZONE("b", 1) "," ZONE("c", 1) "]}",
        0);
    run(l, "overlapping spreads",
        "{\"instances\":1000000,\"spread\":[" ZONES ",{\"name\":\"any\",\"requirements\":{}}]}", 0);
    memset(l->current, 0, sizeof(l->current));
    run(l, "5,000 providers over 10,000, overlapping",
        "{\"instances\":5000,\"spread\":[" ZONES ",{\"name\":\"any\",\"requirements\":{}}]}",
        TRL_UNIT_SINGLETON_PER_HOST);
    free(l);
    return 0;
}
