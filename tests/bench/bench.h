/* SPDX-License-Identifier: Apache-2.0
 *
 * A bed for measuring: simulated hosts and a client on a real loop, and a control plane that is
 * either in the same process (in-process transport, file store) or `trellis serve` behind a
 * nats-server that the bed starts and ends.
 */
#ifndef TRELLIS_BENCH_H
#define TRELLIS_BENCH_H

#include <sys/types.h>

#include "plane/plane.h"
#include "sim/sim.h"

#define MS       1000000ll
#define SECOND   (1000 * MS)
#define MAX_APPS 4096u

enum shape {
    SHAPE_USUAL, /* 2 components, provider, 2 links, 1 config */
    SHAPE_WIDE,  /* 10 components, nothing else */
    SHAPE_MANY,  /* 1 component, 1,000 instances over 3 weighted zones */
    SHAPE_MOVED, /* the same with other weights, as version v2 */
};

struct child {
    pid_t pid;
    int port; /* of a nats-server */
};

struct bed {
    bool nats;
    char dir[64]; /* everything on disk */
    struct child server, serve;
    struct loop *loop;
    struct log log;
    struct plug *plug;
    struct plug_inst *transport;
    struct bus *bus;
    struct sim *sim;
    struct world *world;
    struct vlattice *lattice;
    struct config config;
    struct plane *plane;
    bool ready, failed;
    bool deployed[MAX_APPS], gone[MAX_APPS];
    uint32_t n_deployed;
    uint64_t n_status;    /* status messages */
    uint64_t n_store;     /* messages to and from the store, since bed_count_store */
    uint32_t n_bad;       /* replies that were not what they should be */
    uint32_t outstanding; /* requests */
};

struct bed_options {
    bool nats;
    uint32_t hosts;
    int64_t heartbeat_ns;
    bool start_hosts, zones; /* zones: a third of the hosts each; one subscription for all hosts */
    uint32_t policies; /* rules backends at `deploy` and `command`, 10 rules each; they allow */
};
struct bed *bed_open(const struct bed_options *o);
struct bed *bed_create(bool nats, uint32_t hosts, int64_t heartbeat_ns, bool start_hosts);
void bed_destroy(struct bed *b);
void bed_count_store(struct bed *b); /* NATS only; costs the measured ones their share of the CPU */
void bed_plane_start(struct bed *b); /* waits until it serves */
void bed_plane_stop(struct bed *b);
void bed_run(struct bed *b, int64_t ns);
bool bed_until(struct bed *b, bool (*done)(void *arg), void *arg, int64_t timeout_ns);
void bed_request(struct bed *b, const char *op, uint32_t app, const char *body); /* no waiting */
void bed_wait_replies(struct bed *b);
void bed_put(struct bed *b, uint32_t app, enum shape shape);
void bed_wait_deployed(struct bed *b, uint32_t n);
uint64_t bed_commands(const struct bed *b);
uint64_t bed_reads(const struct bed *b); /* requests that only ask */
int64_t bed_cpu_ns(const struct bed *b); /* of the control plane's process */

/* bench_proc.c. They end the program when something cannot be started. */
void child_nats(struct child *c, const char *dir);
void child_run(struct child *c, const char *log_path, char *const argv[]);
void child_stop(struct child *c);
long child_rss_kb(pid_t pid, const char *field); /* "VmRSS:", "RssAnon:" */
int64_t child_cpu_ns(pid_t pid);
void remove_tree(const char *path);
void make_dir(char *path, size_t cap);
void write_file(const char *path, const char *text);
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);

/* bench_report.c: one JSON object per figure, one per line, on stdout. */
struct series {
    double *at; /* owned */
    uint32_t n, cap;
};
void series_add(struct series *s, double x);
double series_quantile(struct series *s, double q); /* sorts */
void report(const char *id, const char *variant, const char *what, double value, const char *unit,
            const char *target, const char *how);
void report_series(const char *id, const char *variant, const char *what, struct series *s,
                   const char *target, const char *how); /* p50 is the figure */

void bench_floor(bool nats); /* bench_floor.c: the machine's own part in W1 */

/* bench_work.c, bench_policy.c, bench_idle.c, bench_up.c */
/* W1: one app after the other, from the deploy request to the status; apps first, first + 1... */
void bench_one_by_one(struct bed *b, uint32_t first, struct series *s);
void bench_deploys(bool nats);   /* W1 and W2 and W6 on one bed */
void bench_failover(bool nats);  /* W5a */
void bench_policy(bool nats);    /* decisions per second, W1 with policy backends */
void bench_many(bool nats);      /* W4b without and with policy backends; in-process only */
void bench_idle(bool nats);      /* W3 */
void bench_footprint(bool nats); /* memory of a plane with nothing to do */
void bench_processes(bool nats); /* trellis up and real processes; in-process only */

#endif
