/* SPDX-License-Identifier: Apache-2.0
 *
 * Deterministic simulation: from one seed come the hosts, the faults, and what users do; once
 * faults stop and users rest, everything must be as wanted, and then nothing more may be sent.
 *
 *   sim_seeds [FIRST [COUNT]]      a failing seed replays with  RIG_VERBOSE=1 sim_seeds SEED 1
 *
 * Checked: convergence within two heartbeats and a little, silence afterwards, never more instances
 * than were wanted at any time, what is not ours is untouched, and the status says what is so.
 */
#include "../unit/cmocka_all.h"

#include <stdlib.h>

#include "catalog/catalog_priv.h"
#include "plane/plane_priv.h"
#include "rig.h"

#define L         "default"
#define APPS      4u
#define HEARTBEAT (5 * SECOND)

struct app_model { /* what users asked for */
    bool stored, deployed;
    uint32_t instances, image, text;
    uint32_t versions;
    uint32_t most; /* largest count asked for */
};

struct run {
    struct rig *r;
    struct rng rng;
    uint64_t seed;
    struct app_model apps[APPS];
    uint32_t foreign; /* instances started by hand */
    bool calm;        /* messages suffer, hosts and the manager do not */
    char trace[64][120];
    uint32_t n_trace;
};

__attribute__((format(printf, 2, 3))) static void say(struct run *x, const char *fmt, ...) {
    va_list ap;
    char *line = x->trace[x->n_trace++ % 64];
    int n = snprintf(line, 120, "%8.3f ", (double)(loop_now_ns(x->r->loop)) / 1e9 - 1000);
    va_start(ap, fmt);
    vsnprintf(line + n, 120 - (size_t)n, fmt, ap);
    va_end(ap);
    if (x->r->verbose) {
        fprintf(stderr, ">> %s\n", line);
    }
}

static void give_up(struct run *x, const char *what, const char *detail) {
    fprintf(stderr, "seed %llu: %s %s\n", (unsigned long long)x->seed, what, detail);
    uint32_t from = x->n_trace > 64 ? x->n_trace - 64 : 0;
    for (uint32_t i = from; i < x->n_trace; i++) {
        fprintf(stderr, "   %s\n", x->trace[i % 64]);
    }
    fprintf(stderr, "replay: RIG_VERBOSE=1 sim_seeds %llu 1\n", (unsigned long long)x->seed);
    fail_msg("seed %llu: %s %s", (unsigned long long)x->seed, what, detail);
}

static void app_yaml(const struct app_model *a, uint32_t i, struct buf *b) {
    buf_addf(
        b,
        "apiVersion: v1\nkind: Application\nmetadata: {name: app%u, annotations: {}}\nspec:\n"
        "  components:\n    - name: web\n      type: component\n      properties:\n"
        "        image: reg/web:%u\n        config: [{name: cfg, properties: {text: \"%u\"}}]\n"
        "      traits:\n        - type: %s\n          properties: {instances: %u}\n"
        "        - type: link\n          properties:\n            namespace: wasi\n"
        "            package: keyvalue\n            interfaces: [store]\n            target:\n"
        "              name: kv\n              config: [{name: lcfg, properties: {b: \"%u\"}}]\n"
        "    - name: kv\n      type: capability\n      properties: {image: \"reg/kv:1\"}\n",
        i, a->image, a->text, i == 3 ? "daemonscaler" : "spreadscaler", a->instances, a->text);
}

/* Requests in a world with faults may time out at the host, never at us: the API is ours. */
static void user_acts(struct run *x) {
    uint32_t i = (uint32_t)rng_below(&x->rng, APPS);
    struct app_model *a = &x->apps[i];
    char name[16];
    snprintf(name, sizeof(name), "app%u", i);
    switch (rng_below(&x->rng, 6)) {
    case 0:
    case 1:
    case 2: {
        struct buf b = BUF_INIT;
        a->instances = (uint32_t)rng_below(&x->rng, i == 3 ? 3 : 7);
        a->image = 1 + (uint32_t)rng_below(&x->rng, 3);
        a->text = (uint32_t)rng_below(&x->rng, 4);
        app_yaml(a, i, &b);
        rig_put(x->r, L, b.ptr);
        rig_deploy(x->r, L, name);
        a->stored = a->deployed = true;
        say(x, "deploy %s n=%u image=%u text=%u", name, a->instances, a->image, a->text);
        buf_finish(&b);
        break;
    }
    case 3:
        if (a->stored) {
            rig_undeploy(x->r, L, name);
            a->deployed = false;
            say(x, "undeploy %s", name);
        }
        break;
    case 4:
        if (a->stored) {
            rig_delete(x->r, L, name);
            a->stored = a->deployed = false;
            say(x, "delete %s", name);
        }
        break;
    default:
        rig_request(x->r, "wadm.api." L ".model.put", "{{ not: a manifest");
        rig_request(x->r, "wadm.api." L ".model.deploy.nobody", "");
    }
}

static void fate_acts(struct run *x) {
    struct world *w = x->r->world;
    struct vhost *h = world_host(w, (uint32_t)rng_below(&x->rng, world_n_hosts(w)));
    int64_t now = loop_now_ns(x->r->loop);
    uint64_t what = rng_below(&x->rng, 8);
    static const char *const names[] = {"crash",   "stop",   "start",    "start",
                                        "restart", "freeze", "unfreeze", "plane restarts"};
    say(x, "%s %s", names[what], what < 7 ? vhost_id(h) : "");
    switch (what) {
    case 0:
        world_host_crash(h, now);
        break;
    case 1:
        world_host_stop(h, now);
        break;
    case 2:
    case 3:
        world_host_start(h, now);
        break;
    case 4:
        world_host_restart(h, now);
        break;
    case 5:
        world_host_freeze(h, now);
        break;
    case 6:
        world_host_unfreeze(h, now);
        break;
    default:
        rig_plane_stop(x->r);
        rig_run(x->r, (int64_t)rng_below(&x->rng, 3) * SECOND);
        rig_plane_start(x->r);
    }
}

/* Each class of faults is off in a third of the seeds. */
static double rate(struct run *x, double most) {
    return rng_below(&x->rng, 3) == 0 ? 0 : most * (double)rng_below(&x->rng, 1000) / 1000;
}

static void set_faults(struct run *x, bool on) {
    struct sim_faults f = sim_config_instant().faults;
    if (on) {
        f.reply = (struct sim_delay){0, (int64_t)rng_below(&x->rng, 50) * 1000000};
        f.start_component = (struct sim_delay){0, (int64_t)rng_below(&x->rng, 2000) * 1000000};
        f.start_provider = (struct sim_delay){0, (int64_t)rng_below(&x->rng, 2000) * 1000000};
        f.event_lost = rate(x, 0.3);
        f.event_dup = rate(x, 0.2);
        f.event_reordered = rate(x, 0.2);
        if (x->calm) { /* one host's messages keep their order on one connection */
            f.event_reordered = 0;
        }
        f.reorder = (struct sim_delay){1000000, 3 * SECOND};
        f.start_fail = rate(x, 0.3);
        f.no_reply = x->calm ? 0 : rate(x, 0.1);
        f.request_lost = x->calm ? 0 : rate(x, 0.1);
        f.nack = rate(x, 0.1);
    }
    world_set_faults(x->r->world, &f);
    for (uint32_t i = 0; i < world_n_hosts(x->r->world); i++) {
        world_host_faults(world_host(x->r->world, i), NULL);
    }
}

static uint32_t hosts_up(struct run *x) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < world_n_hosts(x->r->world); i++) {
        n += vhost_state(world_host(x->r->world, i)) == VHOST_UP;
    }
    return n;
}

static void count_named(void *arg, const struct app *a) {
    uint32_t n = a->n_versions;
    for (uint32_t i = 0; i < a->n_applied; i++) {
        n += app_version_n(a, a->applied[i]) == NULL;
    }
    *(uint32_t *)arg += n;
}

/* Of each version that a head names there is a record, and of no other. */
static void check_store(struct run *x) {
    const struct catalog *c = x->r->plane->catalog;
    uint32_t named = 0;
    char detail[64];
    catalog_each(c, STR("_"), STR(L), count_named, &named);
    if (c->records.n != named) {
        snprintf(detail, sizeof(detail), "%u, heads name %u", c->records.n, named);
        give_up(x, "records of versions:", detail);
    }
}

/* At rest: what runs is what the users asked for, and the status says so. */
static void check_rest(struct run *x) {
    struct rig *r = x->r;
    for (uint32_t i = 0; i < APPS; i++) {
        const struct app_model *a = &x->apps[i];
        char name[16], web[16], kv[16], image[16], cfg[16], text[16], detail[200];
        snprintf(name, sizeof(name), "app%u", i);
        snprintf(web, sizeof(web), "app%u-web", i);
        snprintf(kv, sizeof(kv), "app%u-kv", i);
        snprintf(image, sizeof(image), "reg/web:%u", a->image);
        snprintf(cfg, sizeof(cfg), "app%u-cfg", i);
        snprintf(text, sizeof(text), "%u", a->text);
        uint32_t want = !a->deployed ? 0 : i == 3 ? a->instances * hosts_up(x) : a->instances;
        const struct app_status *s = rig_status(r, L, name);
        snprintf(detail, sizeof(detail),
                 "%s: wanted %u of %s, running %u of any, %u of it (%u hosts up); %s %.100s", name,
                 want, image, rig_running(r, L, web, NULL), rig_running(r, L, web, image),
                 hosts_up(x), s ? status_type_name(s->type) : "no status",
                 s && s->message.len ? s->message.ptr : "");
        if (rig_running(r, L, web, NULL) != want ||
            (want && rig_running(r, L, web, image) != want)) {
            give_up(x, "components are not as wanted:", detail);
        }
        if (rig_running(r, L, kv, NULL) != (a->deployed ? 1 : 0)) {
            give_up(x, "the provider is not as wanted:", detail);
        }
        if (a->deployed && !rig_has_config(r, L, cfg, "text", text)) {
            give_up(x, "the config is not as wanted:", detail);
        }
        if (a->deployed && (!s || s->type != STATUS_DEPLOYED)) {
            give_up(x, "the status is untrue:", detail);
        }
        if (!a->deployed && s && s->type == STATUS_DEPLOYED) {
            give_up(x, "the status is untrue:", detail);
        }
        const char *told = map_get(&r->told, str_c(name));
        if (s && (!told || !str_starts(str_c(told), str_c(status_type_name(s->type))) ||
                  !str_ends(str_c(told), s->message))) {
            give_up(x, "the last status told is another one:", told ? told : "none");
        }
    }
    check_store(x);
    uint32_t foreign = rig_running(r, L, "byhand", NULL);
    if (foreign > x->foreign || (x->calm && foreign != x->foreign)) {
        give_up(x, "what is not ours", "was changed");
    }
    uint32_t links = 1; /* the one put by hand */
    for (uint32_t i = 0; i < APPS; i++) {
        links += x->apps[i].deployed;
    }
    if (rig_links(r, L) != links) {
        char detail[64];
        snprintf(detail, sizeof(detail), "%u instead of %u", rig_links(r, L), links);
        give_up(x, "links are not as wanted:", detail);
    }
}

/* With messages lost and doubled but hosts alive there is never more than was asked for at some
 * time (twice that while one host's old image waits for the new one elsewhere), and never two of a
 * provider. */
static void check_excess(struct run *x) {
    for (uint32_t i = 0; x->calm && i < 3; i++) {
        struct app_model *a = &x->apps[i];
        char web[16], kv[16], detail[100];
        snprintf(web, sizeof(web), "app%u-web", i);
        snprintf(kv, sizeof(kv), "app%u-kv", i);
        a->most = a->instances > a->most ? a->instances : a->most;
        uint32_t n = rig_running(x->r, L, web, NULL), providers = rig_hosts_running(x->r, L, kv);
        snprintf(detail, sizeof(detail), "%s: %u, at most %u were asked for; %u providers", web, n,
                 a->most, providers);
        if (n > 2 * a->most || providers > 1) {
            give_up(x, "too many instances:", detail);
        }
    }
}

/* Somebody else's component and link, which nothing of ours may touch. */
static void start_by_hand(struct run *x) {
    struct vhost *h = world_host(x->r->world, 0);
    struct buf subject = BUF_INIT, body = BUF_INIT;
    rig_run(x->r, SECOND);
    buf_addf(&subject, "component.scale.%s", vhost_id(h));
    buf_addf(&body,
             "{\"component_id\":\"byhand\",\"component_ref\":\"reg/x:1\",\"count\":2,"
             "\"host_id\":\"%s\"}",
             vhost_id(h));
    rig_ctl(x->r, L, subject.ptr, body.ptr);
    rig_ctl(x->r, L, "link.put",
            "{\"source_id\":\"byhand\",\"target\":\"x\",\"wit_namespace\":\"a\","
            "\"wit_package\":\"b\",\"interfaces\":[\"c\"]}");
    rig_run(x->r, SECOND);
    x->foreign = 2;
    buf_finish(&subject);
    buf_finish(&body);
}

static void one_seed(uint64_t seed) {
    struct run x = {.seed = seed, .calm = seed % 4 == 0};
    rng_seed(&x.rng, seed * 7919 + 1);
    struct rig_options o = {
        .seed = seed, .hosts = 1 + (uint32_t)rng_below(&x.rng, 5), .heartbeat_ns = HEARTBEAT};
    x.r = rig_create(&o);
    start_by_hand(&x);
    set_faults(&x, true);
    uint32_t steps = 10 + (uint32_t)rng_below(&x.rng, 30);
    for (uint32_t i = 0; i < steps; i++) {
        if (!x.calm && rng_below(&x.rng, 3) == 0) {
            fate_acts(&x);
        } else {
            user_acts(&x);
        }
        rig_run(x.r, (int64_t)rng_below(&x.rng, 4000) * 1000000);
        check_excess(&x);
        if (rng_below(&x.rng, 10) == 0) {
            set_faults(&x, true);
        }
    }
    say(&x, "faults stop");
    set_faults(&x, false);
    for (uint32_t i = 0; i < world_n_hosts(x.r->world); i++) {
        world_host_unfreeze(world_host(x.r->world, i), loop_now_ns(x.r->loop));
        world_host_start(world_host(x.r->world, i), loop_now_ns(x.r->loop));
    }
    /* Two heartbeats and the longest back-off that these runs reach: then one more for what it hid.
     */
    rig_run(x.r, 330 * SECOND);
    check_rest(&x);
    uint64_t before = rig_commands(x.r, L);
    rig_run(x.r, 10 * HEARTBEAT);
    if (rig_commands(x.r, L) != before) {
        give_up(&x, "commands", "go on at rest");
    }
    rig_destroy(x.r);
}

static uint64_t first = 1, count = 1000;

static void seeds_converge(void **state) {
    (void)state;
    for (uint64_t s = first; s < first + count; s++) {
        one_seed(s);
    }
    printf("simulation: %llu seeds from %llu, all converged\n", (unsigned long long)count,
           (unsigned long long)first);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(seeds_converge)};
    if (argc > 1) {
        first = strtoull(argv[1], NULL, 10);
    }
    if (argc > 2) {
        count = strtoull(argv[2], NULL, 10);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
