/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench.h"
#include "plug/loop.h"

#define W1_RUNS  250u
#define W1_TURNS 3 /* in each lattice */
#define LATTICES 5
#define W2_APPS  1000u
#define W2_HOSTS 100u

static const char *variant(bool nats) {
    return nats ? "NATS" : "in-process";
}

static double ms_since(struct bed *b, int64_t t0) {
    return (double)(loop_now_ns(b->loop) - t0) / 1e6;
}

static bool flag_set(void *arg) {
    return *(bool *)arg;
}

static void take_away(struct bed *b, uint32_t app) {
    bed_request(b, "undeploy", app, "{}");
    if (!bed_until(b, flag_set, &b->gone[app], 30 * SECOND)) {
        die("app-%u is not undeployed after 30 s", app);
    }
    bed_request(b, "del", app, "{}");
    bed_wait_replies(b);
}

void bench_one_by_one(struct bed *b, uint32_t first, struct series *s) {
    for (uint32_t i = 0; i < W1_RUNS; i++) {
        uint32_t app = first + i;
        bed_put(b, app, SHAPE_USUAL);
        bed_wait_replies(b);
        int64_t t0 = loop_now_ns(b->loop);
        bed_request(b, "deploy", app, "{}");
        if (!bed_until(b, flag_set, &b->deployed[app], 60 * SECOND)) {
            die("app-%u is not deployed after 60 s", app);
        }
        series_add(s, ms_since(b, t0));
        bed_wait_replies(b);
        take_away(b, app);
    }
}

/* The machine's other load comes and goes, for seconds or minutes: lattices without and with other
 * apps are measured in turn. The middle turn counts; the best, the worst and the slowest of all
 * deploys are told. */
struct figures {
    struct series medians; /* ms; of each turn */
    struct series slowest; /* ms; of each turn */
    struct series kept;    /* bytes per deploy, undeploy and delete; one of each lattice */
};

static void one_by_one(struct bed *b, struct figures *f) {
    int pid = b->nats ? b->serve.pid : getpid();
    long kb = 0;
    for (int i = 0; i < W1_TURNS; i++) {
        struct series s = {0};
        kb = i == 1 ? child_rss_kb(pid, "VmRSS:") : kb; /* after the first, all has grown once */
        bench_one_by_one(b, 2000, &s);
        series_add(&f->medians, series_quantile(&s, 0.5));
        series_add(&f->slowest, series_quantile(&s, 1));
        mem_free(s.at);
    }
    series_add(&f->kept, ((double)child_rss_kb(pid, "VmRSS:") - (double)kb) * 1024 /
                             (W1_RUNS * (W1_TURNS - 1)));
}

static void report_figures(bool nats, const char *what, const char *target, struct figures *f) {
    report("W1", variant(nats), what, series_quantile(&f->medians, 0.5), "ms", target,
           "deploy request to status deployed, one after the other, 100 hosts; median of the "
           "middle one of 15 turns of 250, 3 in each of 5 lattices");
    report("W1", variant(nats), "the same, median of the best turn",
           series_quantile(&f->medians, 0), "ms", "-", "as above");
    report("W1", variant(nats), "the same, median of the worst turn",
           series_quantile(&f->medians, 1), "ms", "-", "as above");
    report("W1", variant(nats), "the same, slowest of all deploys", series_quantile(&f->slowest, 1),
           "ms", "-",
           "of 3,750; the first of a lattice waits until 25 ms have brought no other host");
    report("W10", variant(nats), "memory kept per deploy, undeploy and delete",
           series_quantile(&f->kept, 0.5), "B", "0",
           "VmRSS before the second and after the last turn of a lattice, median of 5; rings are "
           "still being filled, and memory comes and goes in waves of 3,000 deploys (in-process: "
           "14.0 MB allocated after 4,000 and after 13,000)");
    mem_free(f->medians.at);
    mem_free(f->slowest.at);
    mem_free(f->kept.at);
}

/* W2, ms; one of each lattice. */
struct filling {
    struct series put, deploy, cpu;
    double commands, mb; /* of the last */
};

static void fill(struct bed *b, struct filling *f) {
    int64_t t0 = loop_now_ns(b->loop);
    for (uint32_t i = 0; i < W2_APPS; i++) {
        bed_put(b, i, SHAPE_USUAL);
        if (i % 100 == 99) {
            bed_wait_replies(b);
        }
    }
    series_add(&f->put, ms_since(b, t0));
    uint64_t commands = bed_commands(b);
    int64_t cpu = bed_cpu_ns(b);
    t0 = loop_now_ns(b->loop);
    for (uint32_t i = 0; i < W2_APPS; i++) {
        bed_request(b, "deploy", i, "{}");
    }
    bed_wait_deployed(b, W2_APPS);
    series_add(&f->deploy, ms_since(b, t0));
    series_add(&f->cpu, (double)(bed_cpu_ns(b) - cpu) / 1e6);
    bed_wait_replies(b);
    bed_run(b, SECOND);
    f->commands = (double)(bed_commands(b) - commands);
    f->mb = (double)child_rss_kb(b->nats ? b->serve.pid : getpid(), "VmRSS:") / 1024;
}

static void report_filling(bool nats, struct filling *f) {
    report_series("W2", variant(nats), "put 1,000 apps", &f->put, "-",
                  "100 requests at a time, 5 lattices");
    report_series("W2", variant(nats), "deploy 1,000 apps on 100 hosts", &f->deploy,
                  nats ? "<= 3 s" : "<= 0.5 s",
                  "all deploy requests at once, until the last app is seen deployed, 5 lattices");
    report_series("W2", variant(nats), nats ? "CPU of the manager" : "CPU, hosts included", &f->cpu,
                  "-", "process clock");
    report("W2", variant(nats), "commands", f->commands, "", "6,000 (minimum)",
           "counted by the hosts");
    report("W2", variant(nats), "memory of the manager with 1,000 apps", f->mb, "MB", "-",
           nats ? "VmRSS" : "VmRSS, hosts included");
}

static void restart(struct bed *b) {
    struct series s = {0};
    uint64_t commands = bed_commands(b);
    for (int i = 0; i < 5; i++) {
        bed_plane_stop(b);
        int64_t t0 = loop_now_ns(b->loop);
        bed_plane_start(b);
        series_add(&s, ms_since(b, t0));
        bed_run(b, 2 * SECOND);
    }
    report_series("W6", variant(b->nats), "restart with 1,000 models, 100 hosts: serving", &s,
                  "<= 1 s", "from start to the API being served, 5 runs");
    report("W6", variant(b->nats), "commands after 5 restarts",
           (double)(bed_commands(b) - commands), "", "0", "counted by the hosts for 2 s each");
}

void bench_deploys(bool nats) {
    struct figures empty = {.medians = {0}}, full = {.medians = {0}};
    struct filling w2 = {.put = {0}};
    for (int i = 0; i < LATTICES; i++) {
        struct bed *b = bed_create(nats, W2_HOSTS, 30 * SECOND, true);
        bed_run(b, SECOND);
        one_by_one(b, &empty);
        fill(b, &w2);
        one_by_one(b, &full);
        if (i == LATTICES - 1) {
            restart(b);
        }
        if (b->n_bad) {
            die("%u requests failed", b->n_bad);
        }
        bed_destroy(b);
    }
    report_figures(nats, "deploy one app, empty lattice", nats ? "p50 <= 3 ms" : "p50 <= 0.5 ms",
                   &empty);
    report_filling(nats, &w2);
    report_figures(nats, "deploy one app, 1,000 apps deployed", "the same as empty", &full);
}

static bool all_scaled(void *arg) {
    struct bed *b = arg;
    return b->lattice->count.ops[SIM_OP_SCALE] >= 2000;
}

void bench_failover(bool nats) {
    struct series s = {0};
    for (int run = 0; run < 5; run++) {
        struct bed *b = bed_create(nats, 2, 30 * SECOND, false);
        world_host_start(world_host(b->world, 0), loop_now_ns(b->loop));
        for (uint32_t i = 0; i < 100; i++) {
            bed_put(b, i, SHAPE_WIDE);
        }
        bed_wait_replies(b);
        for (uint32_t i = 0; i < 100; i++) {
            bed_request(b, "deploy", i, "{}");
        }
        bed_wait_deployed(b, 100);
        bed_run(b, SECOND);
        world_host_start(world_host(b->world, 1), loop_now_ns(b->loop));
        bed_run(b, SECOND);
        uint64_t before = b->lattice->count.ops[SIM_OP_SCALE];
        if (before != 1000) {
            die("W5a: %llu scale commands before the host stops, not 1,000",
                (unsigned long long)before);
        }
        int64_t t0 = loop_now_ns(b->loop);
        world_host_stop(world_host(b->world, 0), t0);
        if (!bed_until(b, all_scaled, b, 60 * SECOND)) {
            die("W5a: only %llu scale commands after 60 s",
                (unsigned long long)b->lattice->count.ops[SIM_OP_SCALE] - before);
        }
        series_add(&s, ms_since(b, t0));
        bed_destroy(b);
    }
    report_series("W5a", variant(nats), "1,000 components of a stopped host commanded again", &s,
                  "<= 100 ms",
                  "from host_stopped to the last command at the other host, 100 apps, 5 runs");
}
