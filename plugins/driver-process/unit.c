/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../common/xmem.h"
#include "backoff.h"
#include "links.h"
#include "listen.h"
#include "report.h"
#include "rotate.h"
#include "run.h"
#include "secrets.h"

#define STEADY_NS (10 * NS_PER_S) /* who ran for so long starts from the first back-off */
#define ROLL_MARK "wasmcloud.dev/scaler"
#define WORDS_NS  (5 * NS_PER_S)

struct count {
    uint32_t fresh, fresh_ready, old, old_ready, leaving, launching;
};

static struct count count_runs(const struct unit *u) {
    struct count c = {.fresh = 0};
    for (const struct run *r = u->runs; r; r = r->next) {
        int ready = r->state == RUN_READY || r->state == RUN_ADOPTING;
        if (r->state == RUN_STOPPING) {
            c.leaving++;
        } else if (r->fp == u->fp) {
            c.fresh++;
            c.fresh_ready += ready;
        } else {
            c.old++;
            c.old_ready += ready;
        }
    }
    return c;
}

/* Who is ready; and who was told to stop and still runs, unless another takes its place. */
uint32_t unit_running(const struct unit *u) {
    uint32_t n = 0, old = 0;
    for (const struct run *r = u->runs; r; r = r->next) {
        int leaving = r->state == RUN_STOPPING && !r->why[0] && (!u->count || r->fp == u->fp);
        n += r->state == RUN_READY || leaving;
        old += r->state == RUN_READY && r->fp != u->fp;
    }
    return old && n > u->count && u->count ? u->count : n; /* one more while it is replaced */
}

const char *unit_app(const struct unit *u) {
    return u->want ? j_str(json_object_get(u->want->j, "marks"), "wasmcloud.dev/appspec", "") : "";
}

int unit_is_of(const struct unit *u, trl_str lattice, trl_str app) {
    return trl_str_eq(lattice, trl_cstr(u->d->set.lattice)) &&
           (!app.len || trl_str_eq(app, trl_cstr(unit_app(u))));
}

static int settled(const struct unit *u) {
    struct count c = count_runs(u);
    return c.fresh_ready == u->count && c.fresh == u->count && c.old == 0;
}

int unit_is_busy(const struct unit *u) {
    return u->count > 0 && !settled(u);
}

struct unit *unit_find(struct trl_inst *d, const char *id) {
    struct unit *u = d->units;
    while (u && strcmp(u->id, id) != 0) {
        u = u->next;
    }
    return u;
}

struct unit *unit_get(struct trl_inst *d, const char *id) {
    struct unit *u = unit_find(d, id);
    if (!u) {
        u = x_zalloc(sizeof(*u));
        u->d = d;
        u->id = text_dup(trl_cstr(id));
        u->next = d->units;
        d->units = u;
    }
    return u;
}

void unit_free(struct unit *u) {
    for (struct unit **at = &u->d->units; *at; at = &(*at)->next) {
        if (*at == u) {
            *at = u->next;
            break;
        }
    }
    wake_stop(&u->again);
    wake_stop(&u->words);
    want_unref(u->want);
    want_unref(u->back);
    free(u->id);
    free(u);
}

void units_destroy(struct trl_inst *d) {
    while (d->units) {
        while (d->units->runs) {
            run_free(d->units->runs);
        }
        unit_free(d->units);
    }
}

/* What a process is: image, settings, contents of its configs, its links. Not its marks. */
static uint64_t fingerprint(const struct unit *u) {
    const json_t *set = want_settings(u->want), *name;
    char *text = json_dumps(set, JSON_COMPACT | JSON_SORT_KEYS);
    uint64_t h = text_hash(text_hash(TRL_HASH_INIT, want_image(u->want)), text);
    uint64_t links = links_hash(u->d, u->id);
    const json_t *mark = json_object_get(json_object_get(u->want->j, "marks"), ROLL_MARK);
    size_t i;
    int secret = 0;
    free(text);
    json_array_foreach(json_object_get(u->want->j, "configs"), i, name) {
        const char *c = json_string_value(name) ? json_string_value(name) : "";
        uint64_t content = configs_hash_of(u->d, c);
        h = trl_hash_more(text_hash(h, c), &content, sizeof(content));
        secret |= secret_is(c);
    }
    if (secret && mark) { /* changes when a rotated secret is to make other processes */
        h = text_hash(h, json_string_value(mark));
    }
    return trl_hash_more(h, &links, sizeof(links));
}

void unit_touch(struct unit *u) {
    if (u->want) {
        uint64_t before = u->fp + u->secrets;
        u->fp = fingerprint(u);
        u->secrets = secrets_hash(u);
        if (before != u->fp + u->secrets && u->error[0]) { /* something new may work at once */
            u->fails = 0;
            u->next_start_ns = 0;
        }
    }
    unit_soon(u);
}

/* -1: of nobody any more. The next life goes on from there, also in the middle of a change. */
static void note_count(const struct unit *u, int64_t count) {
    struct trl_inst *d = u->d;
    if (j_int(d->counts, u->id, -1) == count) {
        return;
    }
    if (count < 0) {
        json_object_del(d->counts, u->id);
    } else {
        json_object_set_new(d->counts, u->id, json_integer(count));
    }
    save_file(d, "counts.json", json_dumps(d->counts, JSON_COMPACT), NULL, NULL);
}

void unit_want(struct unit *u, struct want *w, uint32_t count) {
    if (w) {
        want_unref(u->want);
        u->want = w;
    }
    u->count = count;
    note_count(u, count);
    unit_touch(u);
}

/* An update that cannot succeed: what ran before runs on. */
static void go_back(struct unit *u) {
    struct want *back = u->back;
    char text[256];
    snprintf(text, sizeof(text), "%s", u->error);
    u->back = NULL;
    u->fails = 0;
    u->next_start_ns = 0;
    u->error[0] = '\0';
    unit_want(u, back, u->count_back);
    report_unit(u);
    ticket_fail(&u->update, TRL_E_INVALID, "%s", text);
}

void unit_failed(struct unit *u, struct run *r, const char *text) {
    struct trl_inst *d = u->d;
    int64_t now = now_ns(d), delay;
    int was_ready = r && r->ready_ns > 0, fresh = !r || r->fp == u->fp;
    if (was_ready && now - r->ready_ns >= STEADY_NS) {
        u->fails = 0;
    }
    snprintf(u->error, sizeof(u->error), "%s", text);
    u->restarts += r != NULL;
    u->fails++;
    delay = backoff_ns(u->fails, was_ready, u->lacks_secret);
    u->lacks_secret = 0;
    delay += (int64_t)(d->loop->random(d->host->ctx) % (uint64_t)(delay / 5 + 1));
    u->next_start_ns = fresh ? now + delay : u->next_start_ns;
    trl_logf(d->host, TRL_LOG_WARN, "%s: %s", u->id, text);
    report_note(u, TRL_NOTE_START_FAILED, text);
    if (u->back && fresh && (!was_ready || u->fails >= 3)) {
        go_back(u);
    }
}

void unit_ready(struct unit *u, struct run *r) {
    (void)r;
    report_unit(u);
    unit_soon(u);
}

/* The step */

/* Sockets that what is wanted listens on; those it does not need go once the change is over. */
static int open_listeners(struct unit *u, char *why, size_t cap) {
    char name[64];
    const char *address;
    for (struct listener *l = u->d->listeners; l; l = l->next) {
        if (strcmp(l->unit, u->id) == 0) {
            l->used = links_target(u->d, u->id, l->name);
        }
    }
    for (size_t i = 0; settings_listen(want_settings(u->want), i, name, &address); i++) {
        if (!listener_get(u->d, u->id, name, address, why, cap)) {
            return -1;
        }
    }
    return 0;
}

static void stop_all(struct unit *u) {
    for (struct run *r = u->runs; r; r = r->next) {
        run_stop(r, "");
    }
}

/* The one that is missed least: not ready before ready, young before old. */
static struct run *pick(struct unit *u, int fresh) {
    struct run *best = NULL;
    for (struct run *r = u->runs; r; r = r->next) {
        int ready = r->state == RUN_READY;
        if (r->state != RUN_STOPPING && (r->fp == u->fp) == fresh &&
            (!best || ready < (best->state == RUN_READY) ||
             (ready == (best->state == RUN_READY) && strcmp(r->id, best->id) > 0))) {
            best = r;
        }
    }
    return best;
}

static void over(struct unit *u) {
    struct trl_inst *d = u->d;
    report_unit(u);
    note_count(u, -1);
    for (struct listener *l = d->listeners; l; l = l->next) {
        l->used = strcmp(l->unit, u->id) == 0 ? links_target(d, u->id, l->name) : l->used;
    }
    listeners_drop_unused(d, u->id);
    runs_prune(d, u->id, NULL, 0, 0);
    ticket_fail(&u->update, TRL_E_CONFLICT, "it was stopped meanwhile");
    ticket_ok(&u->stop);
    unit_free(u);
    driver_progress(d);
}

static void step(void *arg);

static void start_some(struct unit *u) {
    char why[256];
    for (;;) {
        struct count c = count_runs(u);
        uint32_t room = u->count + (c.old && settings_overlap(want_settings(u->want)) ? 1 : 0);
        int one_by_one = u->fails > 0 && c.fresh > c.fresh_ready;
        if (c.fresh >= u->count || c.fresh + c.old >= room || one_by_one) {
            return;
        }
        if (now_ns(u->d) < u->next_start_ns) {
            wake_start(&u->again, &u->d->desk, u->next_start_ns - now_ns(u->d), step, u);
            return;
        }
        if (open_listeners(u, why, sizeof(why)) < 0 || run_start(u, why, sizeof(why)) < 0) {
            unit_failed(u, NULL, why);
            unit_soon(u);
            return;
        }
    }
}

/* What is old goes as what is new becomes ready; where both cannot run at once, before. */
static void stop_some(struct unit *u) {
    for (;;) {
        struct count c = count_runs(u);
        struct run *r = NULL;
        int spare = c.fresh_ready + c.old_ready > u->count || c.old > c.old_ready;
        int make_room = c.fresh < u->count && c.fresh == c.fresh_ready && c.leaving == 0 &&
                        !settings_overlap(want_settings(u->want));
        if (c.fresh > u->count) {
            r = pick(u, 1);
        } else if (c.old && (spare || make_room || c.fresh_ready >= u->count)) {
            r = pick(u, 0);
        }
        if (!r) {
            return;
        }
        run_stop(r, "");
    }
}

static void is_settled(struct unit *u) {
    u->error[0] = '\0';
    wake_stop(&u->words);
    want_unref(u->back);
    u->back = NULL;
    listeners_drop_unused(u->d, u->id);
    report_unit(u);
    ticket_ok(&u->update);
}

/* It takes long, and goes on: the core need not think that it was forgotten. */
static void on_words(void *arg) {
    struct unit *u = arg;
    if (u->count ? unit_is_busy(u) && !u->error[0] : u->runs != NULL) {
        report_note(u, TRL_NOTE_BUSY, u->count ? "starting" : "stopping");
        wake_start(&u->words, &u->d->desk, WORDS_NS, on_words, u);
    }
}

static void have_words(struct unit *u) {
    if (!u->words.id) {
        wake_start(&u->words, &u->d->desk, WORDS_NS, on_words, u);
    }
}

static void step(void *arg) {
    struct unit *u = arg;
    struct trl_inst *d = u->d;
    if (d->starting) { /* what is wanted is not known before all keepers have answered */
        driver_progress(d);
        return;
    }
    if (d->stopping) {
        if (d->set.stop_all) {
            stop_all(u);
        }
        driver_progress(d);
        return;
    }
    if (u->count == 0) {
        stop_all(u);
        if (!u->runs) {
            over(u);
            return;
        }
        report_unit(u);
        have_words(u);
        return;
    }
    start_some(u);
    stop_some(u);
    for (struct run *r = u->runs; r; r = r->next) {
        run_rotate(r);
    }
    if (settled(u)) {
        is_settled(u);
    } else {
        report_unit(u);
        have_words(u);
    }
}

void unit_soon(struct unit *u) {
    wake_start(&u->again, &u->d->desk, 0, step, u);
}
