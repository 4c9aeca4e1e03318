/* SPDX-License-Identifier: Apache-2.0 */
#include "life.h"

#include <sys/stat.h>
#include <unistd.h>

#include "../common/xmem.h"
#include "links.h"
#include "report.h"
#include "run.h"
#include "secret_files.h"
#include "state.h"

#define ADOPT_NS (5 * NS_PER_S) /* a keeper that does not answer in this time is left out */

struct start {
    struct job job;
    trl_op *op;
    uint64_t seed[4];
    char *path, *place; /* place: for secrets */
    struct found found;
    struct wake patience;
};

static void beat(void *arg) {
    struct trl_inst *d = arg;
    report_full(d, TRL_REPORT_BEAT);
    d->beat = d->loop->timer_start(d->host->ctx, d->set.beat_ms * NS_PER_MS, beat, d);
}

static void first_beat(void *arg) {
    struct trl_inst *d = arg;
    d->observe->lattice_seen(d->host->ctx, trl_cstr(d->set.lattice));
    beat(d);
}

/* Adoption */

static void adopt(struct trl_inst *d, const json_t *meta) {
    const char *id = j_str(meta, "id", ""), *unit = j_str(meta, "unit", "");
    struct want *w = want_load(json_object_get(meta, "want"));
    if (!w || !unit[0] || strcmp(j_str(meta, "lattice", ""), d->set.lattice) != 0) {
        trl_logf(d->host, TRL_LOG_WARN, "%s/runs/%s: not understood, left alone", d->set.state_dir,
                 id);
        want_unref(w);
        return;
    }
    struct unit *u = unit_get(d, unit);
    struct run *r = x_zalloc(sizeof(*r));
    r->unit = u;
    r->sock.fd = -1;
    r->id = text_dup(trl_cstr(id));
    r->want = w;
    r->fp = strtoull(j_str(meta, "fp", "0"), NULL, 16);
    r->secrets = strtoull(j_str(meta, "secrets", "0"), NULL, 16);
    r->check_address =
        j_str(meta, "check", NULL) ? text_dup(trl_cstr(j_str(meta, "check", ""))) : NULL;
    r->next = u->runs;
    u->runs = r;
    run_adopt(r);
}

/* What is wanted is what the newest process was started as, so many times as was wanted last (or,
 * where nobody wrote that down, as the most common kind runs); the core's first look corrects both.
 */
static void conclude(struct unit *u) {
    struct run *newest = NULL;
    for (struct run *r = u->runs; r; r = r->next) {
        newest = !newest || strcmp(r->id, newest->id) > 0 ? r : newest;
    }
    uint32_t most = 0;
    for (struct run *r = u->runs; r; r = r->next) {
        uint32_t n = 0;
        for (struct run *x = u->runs; x; x = x->next) {
            n += x->fp == r->fp;
        }
        most = n > most ? n : most;
    }
    if (newest) {
        int64_t count = j_int(u->d->counts, u->id, most);
        unit_want(u, want_ref(newest->want), count < 0 ? 0 : (uint32_t)count);
    }
}

static void finish_start(struct trl_inst *d) {
    struct start *s = d->starting;
    unsigned n = 0;
    d->starting = NULL;
    wake_stop(&s->patience);
    links_listen(d);
    for (struct unit *u = d->units, *next; u; u = next) {
        next = u->next;
        for (struct run *r = u->runs, *after; r; r = after) {
            after = r->next;
            if (r->state == RUN_ADOPTING) {
                trl_logf(d->host, TRL_LOG_WARN, "%s: a keeper does not answer: left alone", u->id);
                run_free(r);
            } else {
                n++;
            }
        }
        conclude(u);
        if (!u->runs) {
            unit_free(u);
        }
    }
    if (n) {
        trl_logf(d->host, TRL_LOG_INFO, "adopted %u running processes", n);
    }
    d->ready = 1;
    if (!d->stopping) {
        d->beat = d->loop->timer_start(d->host->ctx, 0, first_beat, d);
    }
    trl_op_ok(d->host, s->op);
    free(s->path);
    free(s);
}

static void on_patience(void *arg) {
    finish_start(arg);
    driver_progress(arg);
}

static int is_live(void *arg, const char *run) {
    return runs_live(((struct found *)arg)->state_fd, run);
}

static void read_it(struct job *j) {
    struct start *s = (struct start *)(void *)j;
    struct found *f = &s->found;
    const char *wanted = j->d->set.secrets_dir;
    state_open(s->path, s->seed, f);
    if (!f->error[0] && strcmp(wanted, "none") != 0) {
        char why[256];
        s->place = secret_place(wanted, s->path, why, sizeof(why));
        if (!s->place && why[0]) {
            snprintf(f->error, sizeof(f->error), "secrets_dir: %s", why);
        }
    }
    if (s->place) {
        secret_sweep(s->place, is_live, f);
    }
}

static void on_read(struct job *j) {
    struct start *s = (struct start *)(void *)j;
    struct trl_inst *d = j->d;
    struct found *f = &s->found;
    size_t i;
    const json_t *meta;
    if (f->error[0]) {
        op_refuse(&d->desk, s->op, TRL_E_UNAVAIL, "%s", f->error);
        found_finish(f);
        free(s->place);
        free(s->path);
        free(s);
        return;
    }
    d->state_fd = f->state_fd;
    d->lock_fd = f->lock_fd;
    d->host_id = f->host_id;
    d->secret_place = s->place;
    json_decref(d->configs);
    json_decref(d->links);
    json_decref(d->own_labels);
    d->configs = f->configs;
    d->links = f->links;
    d->own_labels = f->labels;
    json_decref(d->counts);
    d->counts = f->counts;
    d->starting = s;
    json_array_foreach(f->runs, i, meta) {
        if (!json_is_true(json_object_get(meta, "ended"))) {
            adopt(d, meta);
        } else { /* of a unit that is over, no log is kept */
            const char *unit = j_str(meta, "unit", "");
            runs_prune(d, unit, NULL, 0, j_int(d->counts, unit, 0) > 0 ? 2 : 0);
        }
    }
    json_decref(f->runs);
    wake_start(&s->patience, &d->desk, ADOPT_NS, on_patience, d);
}

void life_start(struct trl_inst *d, trl_op *op) {
    struct start *s = x_zalloc(sizeof(*s));
    char name[256] = "localhost";
    gethostname(name, sizeof(name) - 1);
    d->host_name = text_dup(trl_cstr(name));
    d->started_ns = now_ns(d);
    s->op = op;
    s->path = text_dup(trl_cstr(d->set.state_dir));
    for (int i = 0; i < 4; i++) {
        s->seed[i] = d->loop->random(d->host->ctx);
    }
    if (access(d->set.keeper, X_OK) < 0) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "there is no keeper at %s (option keeper)",
                  d->set.keeper);
        free(s->path);
        free(s);
        return;
    }
    job_start(&s->job, d, read_it, on_read);
}

void life_stop(struct trl_inst *d, trl_op *op) {
    d->stopping = 1;
    d->stop_op = op;
    tickets_cancel(&d->desk, NULL);
    if (d->beat) {
        d->loop->timer_stop(d->host->ctx, d->beat);
        d->beat = 0;
    }
    for (struct unit *u = d->units; u; u = u->next) {
        wake_stop(&u->words);
        unit_soon(u);
    }
    driver_progress(d);
}

/* Something is on its way out: it is waited for. */
static int leaving(const struct trl_inst *d) {
    for (const struct unit *u = d->units; u; u = u->next) {
        for (const struct run *r = u->runs; r; r = r->next) {
            if (d->set.stop_all || r->state == RUN_STOPPING) {
                return 1;
            }
        }
    }
    return 0;
}

static int adopting(const struct trl_inst *d) {
    for (const struct unit *u = d->units; u; u = u->next) {
        for (const struct run *r = u->runs; r; r = r->next) {
            if (r->state == RUN_ADOPTING) {
                return 1;
            }
        }
    }
    return 0;
}

void driver_progress(struct trl_inst *d) {
    if (d->starting && !adopting(d)) {
        finish_start(d);
    }
    if (d->stopping && d->stop_op && d->n_jobs == 0 && !d->saves && !d->starting && !leaving(d)) {
        trl_op *op = d->stop_op;
        d->stop_op = NULL;
        ops_forget(d);
        units_destroy(d);
        trl_op_ok(d->host, op);
    }
}
