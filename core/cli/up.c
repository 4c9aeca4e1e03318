/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/up.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/app_show.h"
#include "cli/cli.h"
#include "cli/files.h"
#include "cli/live.h"
#include "codec/json.h"
#include "sim/sim.h"

#define FOLLOW_NS  (100ll * 1000000ll)
#define GIVE_UP_NS (120ll * 1000000000ll)

struct up_app {
    struct up *up;
    char *name;
    struct buf tree; /* as last told */
    bool asking, done, failed;
};

struct up {
    const struct serve_options *o;
    struct loop *loop;
    const struct log *log;
    struct plane *plane;
    struct sim *sim;
    struct loop_timer follow;
    int64_t until_ns;
    VEC(struct up_app *) apps;
    uint32_t next;    /* manifest to send */
    struct live live; /* all apps */
    bool finished, stopping;
    void (*done)(void *arg, int rc);
    void *arg;
};

static void finish(struct up *u, int rc) {
    if (!u->finished) {
        u->finished = true;
        u->done(u->arg, rc);
    }
}

static void on_status(void *arg, str json) {
    struct up_app *x = arg;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    x->asking = false;
    if (json_parse(json, &a, &n, NULL) == 0) {
        const struct node *data = node_get(n, "data");
        buf_clear(&x->tree);
        app_tree(data, x->up->o->colour, &x->tree);
        x->done = str_is(node_text(data, "type", STR("")), "deployed");
    }
    arena_finish(&a);
}

static void ask(struct up *u, struct up_app *x) {
    struct buf subject = BUF_INIT;
    x->asking = true;
    buf_addf(&subject, "trellis.api.%s.app.status.%s", u->o->sim_lattice, x->name);
    api_request(plane_api(u->plane), buf_str(&subject), NULL, 0, STR_NONE, on_status, x);
    buf_finish(&subject);
}

static void deployed(struct up *u) {
    live_leave(&u->live);
    if (u->apps.n && !u->o->once) {
        bool urls = u->o->urls && *u->o->urls;
        printf("\nDeployed.%s%s\nMore from a second terminal:  %s app list\nCtrl-C stops it.\n",
               urls ? " It answers:\n" : "", urls ? u->o->urls : "", u->o->program);
        fflush(stdout);
    }
}

/* People are told once, and may go on looking. */
static void not_yet(struct up *u) {
    live_leave(&u->live);
    printf("\nNot deployed yet: it is tried on, as the lines above say. Ctrl-C stops it.\n");
    fflush(stdout);
    u->until_ns = INT64_MAX;
}

static void on_follow(void *arg) {
    struct up *u = arg;
    struct buf tree = BUF_INIT;
    bool all = true, failed = false;
    for (uint32_t i = 0; i < u->apps.n; i++) {
        struct up_app *x = u->apps.at[i];
        if (!x->failed && !x->asking) {
            ask(u, x);
        }
        buf_add_str(&tree, buf_str(&x->tree));
        all &= x->done || x->failed;
        failed |= x->failed;
    }
    if (tree.len) {
        live_draw(&u->live, buf_str(&tree));
    }
    buf_finish(&tree);
    if (!all && !u->o->once && loop_now_ns(u->loop) > u->until_ns) {
        not_yet(u);
    }
    if (all || loop_now_ns(u->loop) > u->until_ns) {
        if (all && !failed) {
            deployed(u);
        }
        finish(u, failed ? EXIT_INPUT : all ? EXIT_DONE : EXIT_NO);
        return;
    }
    loop_timer_start(&u->follow, FOLLOW_NS);
}

static void send_next(struct up *u);

static void on_applied(void *arg, str json) {
    struct up_app *x = arg;
    struct up *u = x->up;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    const char *file = u->o->manifests[u->next - 1];
    bool ok = json_parse(json, &a, &n, NULL) == 0 && str_is(node_text(n, "result", STR("")), "ok");
    const struct node *findings = node_get(n, "findings");
    for (uint32_t i = 0; findings && i < findings->n; i++) {
        const struct node *f = findings->items[i];
        fprintf(stderr, "%s:%llu:%llu: %.*s: %.*s\n", file,
                (unsigned long long)node_u64_or(f, "line", 0),
                (unsigned long long)node_u64_or(f, "column", 0),
                PSTR(node_text(f, "level", STR("error"))), PSTR(node_text(f, "message", STR(""))));
    }
    x->failed = !ok;
    x->name = str_dup(node_text(node_get(n, "data"), "name", STR("")));
    if (!ok) {
        fprintf(stderr, "%s: %.*s\n", file, PSTR(node_text(n, "message", STR("no answer"))));
    }
    arena_finish(&a);
    send_next(u);
}

static void send_next(struct up *u) {
    if (u->stopping) {
        return;
    }
    if (u->next == u->o->n_manifests) {
        u->until_ns = loop_now_ns(u->loop) + GIVE_UP_NS;
        if (u->apps.n) {
            on_follow(u);
        } else {
            printf("Running. Deploy something:  trellis app apply FILE --wait\n");
            fflush(stdout);
            finish(u, EXIT_DONE);
        }
        return;
    }
    struct buf text = BUF_INIT, subject = BUF_INIT;
    struct err e = ERR_INIT;
    const char *file = u->o->manifests[u->next++];
    struct up_app *x = mem_zalloc(sizeof(*x));
    x->up = u;
    *VEC_ADD(&u->apps) = x;
    if (file_read_manifest(file, &text, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        x->failed = true;
        x->name = mem_strdup("");
        send_next(u);
    } else {
        buf_addf(&subject, "trellis.api.%s.app.apply", u->o->sim_lattice);
        api_request(plane_api(u->plane), buf_str(&subject), NULL, 0, buf_str(&text), on_applied, x);
    }
    buf_finish(&text);
    buf_finish(&subject);
}

/* A link that opens the dashboard once: for the eyes at a terminal, not for log files. */
static void tell_dashboard(const struct up *u) {
    struct buf url = BUF_INIT;
    struct err e = ERR_INIT;
    if (u->o->login_file && file_read(u->o->login_file, &url, &e) == 0) {
        if (isatty(STDOUT_FILENO)) {
            printf("Dashboard (the link works once):  %.*s\n", PSTR(str_trim(buf_str(&url))));
        } else {
            printf("Dashboard: a link that works once is in %s\n", u->o->login_file);
        }
        fflush(stdout);
    }
    buf_finish(&url);
}

bool up_hide(struct up *u) {
    return live_hide(&u->live);
}

void up_show(struct up *u) {
    live_show(&u->live);
}

void up_begin(struct up *u) {
    struct err e = ERR_INIT;
    const char *const labels[] = {"zone=a|b|c"};
    const char *const lattices[] = {u->o->sim_lattice};
    struct sim_config c = sim_config_default();
    tell_dashboard(u);
    c.hosts = u->o->sim_hosts;
    c.lattices = lattices;
    c.n_lattices = 1;
    c.labels = labels;
    c.n_labels = 1;
    if (u->o->config->gates.secrets_topic.len) {
        c.secrets = SIM_SECRETS_OK; /* as hosts that are told the topic */
    }
    if (c.hosts && sim_create(u->loop, plane_bus(u->plane), &c, &u->sim, &e) < 0) {
        log_error(u->log, "simulated hosts: %s", e.msg);
        finish(u, EXIT_FAILED);
        return;
    }
    if (u->sim) {
        world_start(sim_world(u->sim), loop_now_ns(u->loop));
        log_info(u->log, "%u simulated hosts in lattice %s", c.hosts, u->o->sim_lattice);
    }
    send_next(u);
}

struct up *up_create(const struct serve_options *o, struct loop *loop, const struct log *log,
                     struct plane *plane, void (*done)(void *arg, int rc), void *arg) {
    struct up *u = mem_zalloc(sizeof(*u));
    u->o = o;
    u->loop = loop;
    u->log = log;
    u->plane = plane;
    u->done = done;
    u->arg = arg;
    loop_timer_init(&u->follow, loop, on_follow, u);
    return u;
}

void up_stop(struct up *u, void (*done)(void *arg), void *arg) {
    u->stopping = true;
    loop_timer_stop(&u->follow);
    sim_destroy(u->sim);
    u->sim = NULL;
    loop_post(u->loop, done, arg);
}

void up_destroy(struct up *u) {
    if (!u) {
        return;
    }
    for (uint32_t i = 0; i < u->apps.n; i++) {
        mem_free(u->apps.at[i]->name);
        buf_finish(&u->apps.at[i]->tree);
        mem_free(u->apps.at[i]);
    }
    VEC_FREE(&u->apps);
    live_finish(&u->live);
    mem_free(u);
}
