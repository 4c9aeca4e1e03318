/* SPDX-License-Identifier: Apache-2.0
 *
 * What policy costs: decisions per second of 100 rules, and the usual workloads with none, 5 and 10
 * backends in the chains of `deploy` and `command`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "bench.h"
#include "policy/policy.h"

#define RULES     100u
#define DECISIONS 4096u /* different commands; the cache holds them all */
#define ROUNDS    5
#define W4B_APPS  50u /* a twentieth of the workload each way: a tenth takes minutes */
#define W4B_HOSTS 500u
#define W4B_ENV                                                                                    \
    "TRELLIS_BENCH_W4B" /* "APPS,HOSTS[,BACKENDS]": another size, or one variant once              \
                         */

/* Decisions: chains over one backend, without a control plane. */

struct desk {
    struct loop *loop;
    struct log log;
    struct plug *plug;
    struct plug_inst *in;
    struct policy_chains *chains;
    struct buf text[DECISIONS], what;
    struct policy_question q[DECISIONS];
    bool flag;
};

static void sink(void *arg, int level, str msg, str fields) {
    (void)arg, (void)level, (void)fields;
    fprintf(stderr, "bench: %.*s\n", PSTR(msg));
}

static bool is_set(void *arg) {
    return *(bool *)arg;
}

static void set_flag(void *arg) {
    *(bool *)arg = true;
}

static void wait_flag(struct desk *d) {
    if (!loop_run_until(d->loop, is_set, &d->flag, 30 * SECOND)) {
        die("policy: no answer within 30 s");
    }
    d->flag = false;
}

static void on_started(void *arg, trl_status st, const trl_err *e) {
    if (st != TRL_OK) {
        die("policy: %s", e ? e->msg : "?");
    }
    *(bool *)arg = true;
}

static void on_rulings(void *arg, struct ruling *const *r) {
    struct desk *d = arg;
    if (ruling_denies(r[0])) {
        die("policy: the rules of the bench deny");
    }
    d->flag = true;
}

/* As rules are: images, hosts, counts, verbs and names, in equal parts. */
static void rules(struct buf *out) {
    static const char *const match[] = {
        "{\"image\":{\"registry\":\"*.bad-%u.example\"}}",
        "{\"verb\":\"scale\",\"host\":{\"labels\":{\"pinned\":\"%u-*\"}}}",
        "{\"unit\":\"load-%u-*\",\"instances\":{\"over\":50}}",
        "{\"app\":\"other-%u-*\",\"image\":{\"tag\":\"latest\"}}",
        "{\"image\":\"registry.example/team-%u/**\",\"lattice\":\"prod-*\"}"};
    buf_addf(out, "{\"rules\":[");
    for (uint32_t i = 0; i < RULES; i++) {
        buf_addf(out, "%s{\"name\":\"r%u\",\"verdict\":\"deny\",\"match\":", i ? "," : "", i);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        buf_addf(out, match[i % ARRAY_LEN(match)], i);
#pragma GCC diagnostic pop
        buf_addf(out, "}");
    }
    buf_addf(out, "]}");
}

static void subjects(struct desk *d) {
    buf_addf(&d->what, "scale app-web");
    for (uint32_t i = 0; i < DECISIONS; i++) {
        buf_addf(&d->text[i],
                 "{\"point\":\"command\",\"lattice\":\"default\",\"app\":\"app-%u\",\"verb\":"
                 "\"scale\",\"unit\":\"app-%u-web\",\"image\":\"registry.example/app/web:1.0.0\","
                 "\"count\":1,\"count_old\":0,\"host\":{\"id\":"
                 "\"NAB%053u\",\"name\":\"quiet-sea-%u\",\"labels\":{\"hostcore.arch\":\"x86_64\","
                 "\"hostcore.os\":\"linux\",\"hostcore.osfamily\":\"unix\",\"zone\":\"a\"}},"
                 "\"reason\":\"wanted here and not running\"}",
                 i % 64, i % 64, i, i);
        d->q[i] = (struct policy_question){buf_str(&d->text[i]), buf_str(&d->what)};
    }
}

static struct desk *desk_create(void) {
    static const char *const dirs[] = {TRELLIS_PLUGIN_DIR};
    struct desk *d = mem_zalloc(sizeof(*d));
    struct buf config = BUF_INIT;
    struct err e = ERR_INIT;
    d->log = (struct log){TRL_LOG_ERROR, sink, d};
    d->loop = loop_create_uv(1);
    d->plug = plug_create(d->loop, &d->log, dirs, 1);
    rules(&config);
    if (plug_inst_create(d->plug, TRL_KIND_POLICY, "rules", buf_str(&config), NULL, 0, &d->in, &e) <
        0) {
        die("policy: %s", e.msg);
    }
    plug_inst_start(d->in, 10 * SECOND, on_started, &d->flag);
    wait_flag(d);
    struct policy_backend b = {
        .in = d->in, .name = STR("rules"), .points = 1u << TRL_POINT_COMMAND};
    struct policy_env env = {.loop = d->loop, .log = &d->log, .backends = &b, .n_backends = 1};
    d->chains = policy_create(&env);
    subjects(d);
    buf_finish(&config);
    return d;
}

static void desk_destroy(struct desk *d) {
    policy_destroy(d->chains);
    plug_inst_stop(d->in, set_flag, &d->flag);
    wait_flag(d);
    plug_inst_destroy(d->in);
    plug_destroy(d->plug);
    loop_destroy(d->loop);
    for (uint32_t i = 0; i < DECISIONS; i++) {
        buf_finish(&d->text[i]);
    }
    buf_finish(&d->what);
    mem_free(d);
}

static const struct policy_about about = {.lattice = {"default", 7}, .app = {"app", 3}};

/* at_once questions in one ask; the best of some rounds, in decisions per second. */
static double uncached(uint32_t at_once, uint32_t n) {
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct desk *d = desk_create();
        int64_t t0 = loop_now_ns(d->loop);
        for (uint32_t i = 0; i < n; i += at_once) {
            policy_ask(d->chains, TRL_POINT_COMMAND, &d->q[i], at_once, &about, on_rulings, d);
            wait_flag(d);
        }
        double rate = (double)n * 1e9 / (double)(loop_now_ns(d->loop) - t0);
        best = rate > best ? rate : best;
        desk_destroy(d);
    }
    return best;
}

static double cached(void) {
    struct desk *d = desk_create();
    uint32_t known = 0;
    double best = 0;
    policy_ask(d->chains, TRL_POINT_COMMAND, d->q, DECISIONS, &about, on_rulings, d);
    wait_flag(d);
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (uint32_t i = 0; i < 16 * DECISIONS; i++) {
            const struct policy_question *q = &d->q[i % DECISIONS];
            known += policy_peek(d->chains, TRL_POINT_COMMAND, q->subject, q->what, &about) != NULL;
        }
        clock_gettime(CLOCK_MONOTONIC, &to);
        double s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
        best = 16 * DECISIONS / s > best ? 16 * DECISIONS / s : best;
    }
    if (known != ROUNDS * 16 * DECISIONS) {
        die("policy: %u of %u rulings were known", known, ROUNDS * 16 * DECISIONS);
    }
    desk_destroy(d);
    return best;
}

static void decisions(void) {
    report("policy", "100 rules", "decisions, new, 512 at a time", uncached(512, DECISIONS), "/s",
           "-", "subjects of commands, chain of one backend, best of 5");
    report("policy", "100 rules", "decisions, new, one at a time", uncached(1, DECISIONS / 8), "/s",
           "-", "the same, each waited for");
    report("policy", "100 rules", "decisions, known", cached(), "/s", "-",
           "the same subjects again, best of 5");
}

/* Workloads with backends */

static const uint32_t backends[] = {0, 5, 10};
static const char *const names[] = {"no policy", "5 backends", "10 backends"};

static void one_app(bool nats) {
    for (uint32_t k = 0; k < ARRAY_LEN(backends); k++) {
        struct series s = {0};
        char what[80];
        struct bed *b = bed_open(&(struct bed_options){.nats = nats,
                                                       .hosts = 100,
                                                       .heartbeat_ns = 30 * SECOND,
                                                       .start_hosts = true,
                                                       .policies = backends[k]});
        bed_run(b, SECOND);
        bench_one_by_one(b, 0, &s);
        snprintf(what, sizeof(what), "deploy one app, %s", names[k]);
        report_series("W1", nats ? "NATS" : "in-process", what, &s, "-",
                      "as W1; backends of 10 rules at deploy and command");
        if (b->n_bad) {
            die("W1: %u requests failed", b->n_bad);
        }
        bed_destroy(b);
    }
}

struct many { /* best of the rounds */
    double deploy_s, deploy_cpu_s, move_s, move_cpu_s;
    uint64_t commands, moves;
};

struct size {
    uint32_t apps, hosts;
    int backends; /* < 0: all variants */
};

static struct size size_wanted(void) {
    struct size s = {W4B_APPS, W4B_HOSTS, -1};
    const char *text = getenv(W4B_ENV);
    if (text && (sscanf(text, "%u,%u,%d", &s.apps, &s.hosts, &s.backends) < 2 || s.apps == 0 ||
                 s.apps > MAX_APPS || s.hosts == 0)) {
        die("%s is APPS,HOSTS or APPS,HOSTS,BACKENDS with at most %u apps", W4B_ENV, MAX_APPS);
    }
    return s;
}

static void put_all(struct bed *b, uint32_t apps, enum shape shape) {
    for (uint32_t i = 0; i < apps; i++) {
        bed_put(b, i, shape);
    }
    bed_wait_replies(b);
}

static void deploy_all(struct bed *b, uint32_t apps, double *s, double *cpu_s, uint64_t *commands) {
    uint64_t before = bed_commands(b);
    int64_t cpu = bed_cpu_ns(b), t0 = loop_now_ns(b->loop);
    memset(b->deployed, 0, sizeof(b->deployed));
    b->n_deployed = 0;
    for (uint32_t i = 0; i < apps; i++) {
        bed_request(b, "deploy", i, "{}");
    }
    bed_wait_deployed(b, apps);
    double wall = (double)(loop_now_ns(b->loop) - t0) / 1e9;
    double busy = (double)(bed_cpu_ns(b) - cpu) / 1e9;
    *s = *s > 0 && *s < wall ? *s : wall;
    *cpu_s = *cpu_s > 0 && *cpu_s < busy ? *cpu_s : busy;
    *commands = bed_commands(b) - before;
    bed_wait_replies(b);
    bed_run(b, SECOND);
}

static void many_apps(const struct size *z, uint32_t policies, struct many *m) {
    struct bed *b = bed_open(&(struct bed_options){.hosts = z->hosts,
                                                   .heartbeat_ns = 30 * SECOND,
                                                   .start_hosts = true,
                                                   .zones = true,
                                                   .policies = policies});
    bed_run(b, 2 * SECOND);
    put_all(b, z->apps, SHAPE_MANY);
    deploy_all(b, z->apps, &m->deploy_s, &m->deploy_cpu_s, &m->commands);
    put_all(b, z->apps, SHAPE_MOVED);
    deploy_all(b, z->apps, &m->move_s, &m->move_cpu_s, &m->moves);
    if (b->n_bad) {
        die("W4b: %u requests failed", b->n_bad);
    }
    bed_destroy(b);
}

static void tell_many(const struct size *z, const struct many *m, const struct many *none,
                      const char *name) {
    static const char how[] = "in-process, hosts included; best of 5 rounds, taken in turn";
    bool with = m != none;
    char what[80];
    snprintf(what, sizeof(what), "%u apps x 1,000 instances on %u hosts", z->apps, z->hosts);
    report("W4b", name, what, m->deploy_s, "s", "-", how);
    report("W4b", name, "CPU of it", m->deploy_cpu_s, "s", "-", how);
    report("W4b", name, "commands of it", (double)m->commands, "", "-", "counted by the hosts");
    report("W4b", name, "other weights", m->move_s, "s", "-", how);
    report("W4b", name, "CPU of it", m->move_cpu_s, "s", "-", how);
    report("W4b", name, "commands of it", (double)m->moves, "", "-", "counted by the hosts");
    if (with) {
        report(
            "W4b", name, "CPU more than without policy",
            100 * ((m->deploy_cpu_s + m->move_cpu_s) / (none->deploy_cpu_s + none->move_cpu_s) - 1),
            "%", "< 10 %", "both together");
    }
}

static void all_many(void) {
    struct many m[ARRAY_LEN(backends)] = {{0}};
    struct size z = size_wanted();
    if (z.backends >= 0) {
        many_apps(&z, (uint32_t)z.backends, &m[0]);
        tell_many(&z, &m[0], &m[0], z.backends ? "with policy" : "no policy");
        return;
    }
    for (int round = 0; round < 5; round++) {
        for (uint32_t k = 0; k < ARRAY_LEN(backends); k++) {
            many_apps(&z, backends[k], &m[k]);
        }
    }
    for (uint32_t k = 0; k < ARRAY_LEN(backends); k++) {
        tell_many(&z, &m[k], &m[0], names[k]);
    }
}

void bench_policy(bool nats) {
    if (!nats) {
        decisions();
    }
    one_app(nats);
}

void bench_many(bool nats) {
    if (!nats) {
        all_many();
    }
}
