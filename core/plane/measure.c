/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/measure.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/metrics.h"
#include "plane/lattices.h"
#include "plane/plane_priv.h"

static const double CONVERGENCE_S[] = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1,
                                       5,     10,    30,   60,   300, 1800};
static const double PLAN_S[] = {0.00001, 0.0001, 0.001, 0.01, 0.1, 1};

enum family {
    BUILD,
    UPTIME,
    COMMANDS,
    STATUS_CHANGES,
    CONVERGENCE,
    PLAN,
    HOSTS,
    INSTANCES,
    APPS,
    INFLIGHT,
    QUEUED,
    HELD,
    SYNCED,
    OPS,
    OPS_SECONDS,
    SLOW,
    VERDICTS,
    POLICY_CALLS,
    POLICY_FAILURES,
    SPANS,
    SPANS_DROPPED,
    CPU,
    RSS,
    DROPPED,
    N_FAMILIES
};

#define C TRL_METRIC_COUNTER
#define G TRL_METRIC_GAUGE
#define H TRL_METRIC_HISTOGRAM
static const struct {
    uint32_t type;
    const char *name, *help, *labels;
    const double *bounds;
    uint32_t n_bounds;
} families[N_FAMILIES] = {
    [BUILD] = {G, "trellis_build_info", "Version of the program", "version", NULL, 0},
    [UPTIME] = {G, "trellis_uptime_seconds", "Since the plane was made", "", NULL, 0},
    [COMMANDS] = {C, "trellis_commands", "Commands to hosts, by what became of them",
                  "lattice,verb,outcome", NULL, 0},
    [STATUS_CHANGES] = {C, "trellis_status_changes", "Status changes of applications",
                        "lattice,type", NULL, 0},
    [CONVERGENCE] = {H, "trellis_convergence_seconds",
                     "From a deploy seen to the status deployed of its generation", "lattice",
                     CONVERGENCE_S, ARRAY_LEN(CONVERGENCE_S)},
    [PLAN] = {H, "trellis_plan_seconds", "One pass over the applications that need a look",
              "lattice", PLAN_S, ARRAY_LEN(PLAN_S)},
    [HOSTS] = {G, "trellis_hosts", "Hosts by state", "lattice,state", NULL, 0},
    [INSTANCES] = {G, "trellis_instances", "Instances that hosts report", "lattice", NULL, 0},
    [APPS] = {G, "trellis_apps", "Applications by status", "lattice,type", NULL, 0},
    [INFLIGHT] = {G, "trellis_commands_in_flight", "Commands sent and not settled", "lattice", NULL,
                  0},
    [QUEUED] = {G, "trellis_queue_depth", "Applications that wait for a pass", "lattice", NULL, 0},
    [HELD] = {G, "trellis_lattice_leader", "1: this instance acts on the lattice", "lattice", NULL,
              0},
    [SYNCED] = {G, "trellis_lattice_synced", "1: the hosts' reports are complete", "lattice", NULL,
                0},
    [OPS] = {C, "trellis_plugin_operations", "Operations of plugins by outcome",
             "kind,plugin,outcome", NULL, 0},
    [OPS_SECONDS] = {C, "trellis_plugin_operation_seconds", "Time spent in operations of plugins",
                     "kind,plugin", NULL, 0},
    [SLOW] = {C, "trellis_plugin_slow_calls", "Calls that kept the loop for more than 100 ms",
              "kind,plugin", NULL, 0},
    [VERDICTS] = {C, "trellis_policy_decisions", "Decisions of policy that were not known already",
                  "verdict", NULL, 0},
    [POLICY_CALLS] = {C, "trellis_policy_calls", "Calls of policy backends", "", NULL, 0},
    [POLICY_FAILURES] = {C, "trellis_policy_failures", "Calls that brought no decision", "", NULL,
                         0},
    [SPANS] = {C, "trellis_spans", "Spans that ended", "", NULL, 0},
    [SPANS_DROPPED] = {C, "trellis_spans_dropped", "Spans that gave way to newer ones", "", NULL,
                       0},
    [CPU] = {C, "process_cpu_seconds", "User and system time", "", NULL, 0},
    [RSS] = {G, "process_resident_memory_bytes", "Resident memory", "", NULL, 0},
    [DROPPED] = {C, "trellis_metrics_dropped", "Samples of series beyond the limit of a family", "",
                 NULL, 0},
};
#undef C
#undef G
#undef H

struct converging {
    uint64_t generation;
    int64_t since_ns;
};

struct measure {
    struct plane *plane;
    struct metrics *metrics;
    struct metric_family *f[N_FAMILIES];
    struct map converging; /* "tenant/lattice/app" -> struct converging */
    int64_t begun_ns;
};

struct measure *measure_create(struct plane *p) {
    struct measure *m = mem_zalloc(sizeof(*m));
    m->plane = p;
    m->metrics = metrics_create();
    m->begun_ns = loop_now_ns(p->env.loop);
    for (int i = 0; i < N_FAMILIES; i++) {
        m->f[i] = metrics_declare(m->metrics, families[i].type, families[i].name, families[i].help,
                                  families[i].labels, families[i].bounds, families[i].n_bounds);
    }
    return m;
}

void measure_destroy(struct measure *m) {
    if (!m) {
        return;
    }
    for (uint32_t i = 0; i < m->converging.n; i++) {
        mem_free(m->converging.at[i].value);
    }
    map_finish(&m->converging);
    metrics_destroy(m->metrics);
    mem_free(m);
}

void measure_command(struct measure *m, const struct command_record *r) {
    str outcome = r->outcome == 1   ? STR("sent")
                  : r->outcome == 0 ? STR("done")
                                    : str_c(err_name(r->outcome));
    str values[] = {r->lattice, r->verb, outcome};
    metric_add(m->f[COMMANDS], values, 1);
}

static void app_key(str tenant, str lattice, str app, struct buf *out) {
    buf_addf(out, "%.*s/%.*s/%.*s", PSTR(tenant), PSTR(lattice), PSTR(app));
}

void measure_app(struct measure *m, const struct app *a) {
    struct buf key = BUF_INIT;
    app_key(a->tenant, a->lattice, a->name, &key);
    struct converging *c = map_get(&m->converging, buf_str(&key));
    if (!a->deployed) {
        mem_free(map_del(&m->converging, buf_str(&key)));
    } else if (m->plane->serving && (!c || c->generation != a->generation)) {
        if (!c) {
            c = mem_zalloc(sizeof(*c));
            map_set(&m->converging, buf_str(&key), c);
        }
        *c = (struct converging){a->generation, loop_now_ns(m->plane->env.loop)};
    }
    buf_finish(&key);
}

void measure_status(struct measure *m, const struct engine *e, str app,
                    const struct app_status *s) {
    str lattice = engine_lattice(e);
    str values[] = {lattice, str_c(status_type_name(s->type))};
    struct buf key = BUF_INIT;
    app_key(engine_tenant(e), lattice, app, &key);
    struct converging *c = map_get(&m->converging, buf_str(&key));
    metric_add(m->f[STATUS_CHANGES], values, 1);
    if (c && c->since_ns && s->type == STATUS_DEPLOYED && s->generation == c->generation) {
        metric_observe(m->f[CONVERGENCE], &lattice,
                       (double)(loop_now_ns(m->plane->env.loop) - c->since_ns) / 1e9);
        c->since_ns = 0; /* its generation is told once */
    }
    buf_finish(&key);
}

void measure_pass(struct measure *m, const struct engine *e, int64_t took_ns) {
    str lattice = engine_lattice(e);
    metric_observe(m->f[PLAN], &lattice, (double)took_ns / 1e9);
}

/* What is looked up when somebody asks. */

struct counting {
    const struct engine *e;
    uint32_t n[STATUS_DEPLOYED + 1];
};

static void count_app(void *arg, const struct app *a) {
    struct counting *c = arg;
    const struct app_status *s = engine_status(c->e, a->name);
    c->n[s ? s->type : STATUS_UNDEPLOYED]++;
}

static void gauge(struct measure *m, enum family f, str lattice, double value) {
    metric_set(m->f[f], &lattice, value);
}

static void add_engine(void *arg, struct engine *e) {
    struct measure *m = arg;
    str lattice = engine_lattice(e);
    const struct observed *o = engine_observed(e);
    struct engine_load load;
    struct counting c = {.e = e};
    uint32_t states[3] = {0, 0, 0};
    uint64_t instances = 0;
    static const char *const names[] = {"ready", "suspect", "stale"};
    for (uint32_t i = 0; i < o->order.n; i++) {
        const struct seen_host *h = &o->hosts.at[o->order.at[i]];
        states[h->suspect ? 1 : h->stale ? 2 : 0]++;
        instances += h->total;
    }
    for (uint32_t i = 0; i < 3; i++) {
        str values[] = {lattice, str_c(names[i])};
        metric_set(m->f[HOSTS], values, states[i]);
    }
    catalog_each(m->plane->catalog, engine_tenant(e), lattice, count_app, &c);
    for (uint32_t i = 0; i <= STATUS_DEPLOYED; i++) {
        str values[] = {lattice, str_c(status_type_name((enum status_type)i))};
        metric_set(m->f[APPS], values, c.n[i]);
    }
    engine_read_load(e, &load);
    gauge(m, INSTANCES, lattice, (double)instances);
    gauge(m, INFLIGHT, lattice, load.in_flight);
    gauge(m, QUEUED, lattice, load.queued);
    gauge(m, HELD, lattice, load.active);
    gauge(m, SYNCED, lattice, engine_synced(e));
}

static void add_inst(void *arg, struct plug_inst *in) {
    struct measure *m = arg;
    const struct plug_counts *c = plug_inst_counts(in);
    const trl_component *k = plug_inst_component(in);
    str values[] = {str_c(k->iface), str_c(k->name), STR_NONE};
    for (uint32_t i = 0; i < PLUG_STATUSES; i++) {
        if (c->by_status[i]) {
            values[2] = i ? str_c(err_name(-(int)i)) : STR("OK");
            metric_set(m->f[OPS], values, (double)c->by_status[i]);
        }
    }
    metric_set(m->f[OPS_SECONDS], values, (double)c->spent_ns / 1e9);
    metric_set(m->f[SLOW], values, (double)c->slow);
}

static void add_policy(struct measure *m) {
    struct policy_chains *chains = gates_policy(m->plane->gates);
    struct policy_counts n;
    if (!chains) {
        return;
    }
    policy_counts(chains, &n);
    for (int32_t v = TRL_V_ALLOW; v <= TRL_V_DENY; v++) {
        str verdict = str_c(ruling_word(v));
        metric_set(m->f[VERDICTS], &verdict, (double)n.verdicts[v]);
    }
    metric_set(m->f[POLICY_CALLS], NULL, (double)n.calls);
    metric_set(m->f[POLICY_FAILURES], NULL, (double)n.failures);
}

static void add_spans(struct measure *m) {
    uint64_t last = tracer_last(m->plane->tracer), first = tracer_first(m->plane->tracer);
    metric_set(m->f[SPANS], NULL, (double)last);
    metric_set(m->f[SPANS_DROPPED], NULL, first ? (double)(first - 1) : 0);
}

static void add_process(struct measure *m) {
    struct timespec t;
    unsigned long size, resident;
    str version = str_c(m->plane->env.version ? m->plane->env.version : "");
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%lu %lu", &size, &resident) == 2) {
        metric_set(m->f[RSS], NULL, (double)resident * (double)sysconf(_SC_PAGESIZE));
    }
    if (f) {
        fclose(f);
    }
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0) {
        metric_set(m->f[CPU], NULL, (double)t.tv_sec + (double)t.tv_nsec / 1e9);
    }
    metric_set(m->f[UPTIME], NULL, (double)(loop_now_ns(m->plane->env.loop) - m->begun_ns) / 1e9);
    metric_set(m->f[BUILD], &version, 1);
    metric_set(m->f[DROPPED], NULL, (double)metrics_dropped(m->metrics));
}

static void each(void *ctx, void (*fn)(void *arg, const trl_metric *x), void *arg) {
    struct measure *m = plug_iface_ctx(ctx, TRL_HOST_METRICS_V1);
    static const enum family anew[] = {HOSTS, INSTANCES, APPS, INFLIGHT, QUEUED, HELD, SYNCED};
    for (size_t i = 0; i < ARRAY_LEN(anew); i++) {
        metric_clear(m->f[anew[i]]);
    }
    lattices_each(m->plane, add_engine, m);
    plug_each(m->plane->plug, add_inst, m);
    add_policy(m);
    add_spans(m);
    add_process(m);
    metrics_each(m->metrics, fn, arg);
}

const trl_host_metrics_v1 measure_iface = {sizeof(measure_iface), 0, each};
