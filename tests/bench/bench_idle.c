/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "plug/loop.h"

#define IDLE_HOSTS 1000u
#define IDLE_APPS  100u

static uint64_t heartbeats(const struct bed *b) {
    return b->lattice->count.events[SIM_EV_HOST_HEARTBEAT];
}

struct idle {
    uint64_t beats, commands, reads, store, status;
    int64_t cpu_ns, at_ns;
    size_t bytes;
};

static struct idle look(const struct bed *b) {
    return (struct idle){.beats = heartbeats(b),
                         .commands = bed_commands(b),
                         .reads = bed_reads(b),
                         .store = b->n_store,
                         .status = b->n_status,
                         .cpu_ns = bed_cpu_ns(b),
                         .at_ns = loop_now_ns(b->loop),
                         .bytes = mallinfo2().uordblks};
}

static struct bed *settled(bool nats, int64_t heartbeat_ns) {
    struct bed *b = bed_create(nats, IDLE_HOSTS, heartbeat_ns, true);
    bed_run(b, 2 * SECOND);
    for (uint32_t i = 0; i < IDLE_APPS; i++) {
        bed_put(b, i, SHAPE_USUAL);
    }
    bed_wait_replies(b);
    for (uint32_t i = 0; i < IDLE_APPS; i++) {
        bed_request(b, "deploy", i, "{}");
    }
    bed_wait_deployed(b, IDLE_APPS);
    bed_wait_replies(b);
    if (nats) {
        bed_count_store(b);
    }
    bed_run(b, 10 * SECOND); /* buffers have grown to what they need, once */
    return b;
}

static double per(uint64_t n, uint64_t beats) {
    return beats ? (double)n / (double)beats : 0;
}

void bench_idle(bool nats) {
    const char *v = nats ? "NATS" : "in-process";
    struct bed *b = settled(nats, SECOND);
    struct idle x = look(b);
    bed_run(b, 10 * SECOND);
    struct idle y = look(b);
    uint64_t n = y.beats - x.beats;
    const char *how = "1,000 hosts, 100 apps, heartbeats every second for 10 s";
    report("W3", v, "heartbeats", (double)n, "", "-", how);
    if (nats) {
        report("W3", v, "store messages per idle heartbeat", per(y.store - x.store, n), "", "0",
               "messages on $KV and $JS.API; the lease is renewed meanwhile");
        report("W3", v, "CPU of the manager per idle heartbeat",
               per((uint64_t)(y.cpu_ns - x.cpu_ns), n) / 1e3, "us", "-", how);
    } else {
        report("W3", v, "bytes kept per idle heartbeat",
               n ? ((double)y.bytes - (double)x.bytes) / (double)n : 0, "B", "0",
               "mallinfo2, hosts included");
    }
    report("W3", v, "requests per idle heartbeat", per(y.reads - x.reads, n), "", "0",
           "counted by the hosts");
    report("W3", v, "commands per idle heartbeat", per(y.commands - x.commands, n), "", "0",
           "counted by the hosts");
    report("W3", v, "status messages per idle heartbeat", per(y.status - x.status, n), "", "0",
           "counted by the client");
    bed_destroy(b);
    if (nats) {
        b = settled(nats, 30 * SECOND);
        x = look(b);
        bed_run(b, 30 * SECOND);
        y = look(b);
        report("W3", v, "CPU of the manager, 1,000 hosts x 100 apps, 30 s heartbeats",
               100.0 * (double)(y.cpu_ns - x.cpu_ns) / (double)(y.at_ns - x.at_ns), "%", "< 1 %",
               "process clock over 30 s");
        bed_destroy(b);
    }
}

static void footprint_of(struct child *c, const char *v, const char *target) {
    report("memory", v, "idle", (double)child_rss_kb(c->pid, "VmRSS:") / 1024, "MB", target,
           "VmRSS of trellis serve after 1 s without hosts or apps");
    report("memory", v, "idle, own pages", (double)child_rss_kb(c->pid, "RssAnon:") / 1024, "MB",
           "-", "RssAnon of the same");
}

void bench_footprint(bool nats) {
    if (nats) {
        struct bed *b = bed_create(true, 1, 30 * SECOND, false);
        bed_run(b, SECOND);
        footprint_of(&b->serve, "NATS", "<= 16 MB");
        bed_destroy(b);
        return;
    }
    char dir[64], config[96], log[96], text[256];
    struct child c = {0};
    make_dir(dir, sizeof(dir));
    snprintf(config, sizeof(config), "%s/trellis.yaml", dir);
    snprintf(log, sizeof(log), "%s/serve.log", dir);
    snprintf(text, sizeof(text),
             "transport: {plugin: inproc}\nstore: {plugin: file, dir: \"%s/store\"}\n"
             "socket: \"%s/sock\"\n",
             dir, dir);
    write_file(config, text);
    char *argv[] = {(char *)(uintptr_t)TRELLIS_BINARY, (char *)(uintptr_t) "serve",
                    (char *)(uintptr_t) "-c", config, NULL};
    setenv("TRELLIS_PLUGIN_PATH", TRELLIS_PLUGIN_DIR, 1);
    child_run(&c, log, argv);
    sleep(1);
    footprint_of(&c, "in-process", "<= 5 MB");
    child_stop(&c);
    remove_tree(dir);
}
