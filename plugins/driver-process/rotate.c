/* SPDX-License-Identifier: Apache-2.0 */
#include "rotate.h"

#include "../common/xmem.h"
#include "run.h"
#include "secrets.h"
#include "settings.h"
#include "spawn.h"

#define AGAIN_NS (5 * NS_PER_S)

struct rotation {
    struct job job;
    struct run *run; /* NULL: it ended meanwhile */
    struct secrets *secrets;
    char *id, *user, *group;
    int at_work;
    char why[320];
};

static void rotation_free(struct rotation *x) {
    if (x->run) {
        x->run->rotation = NULL;
    }
    secrets_free(x->secrets);
    free(x->id);
    free(x->user);
    free(x->group);
    free(x);
}

static void again(void *arg) {
    run_rotate(arg);
}

static void failed(struct run *r, const char *why) {
    const struct trl_inst *d = r->unit->d;
    trl_logf(d->host, TRL_LOG_WARN, "%s: its secrets stay as they are: %s", r->unit->id, why);
    wake_start(&r->again, &r->unit->d->desk, AGAIN_NS, again, r);
}

static void write_it(struct job *j) {
    struct rotation *x = (struct rotation *)(void *)j;
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    if (spawn_user(x->user, x->group, &uid, &gid, x->why, sizeof(x->why)) == 0 &&
        secret_write(x->secrets, uid, gid, x->why, sizeof(x->why)) == 0) {
        spawn_note_secrets(j->d, x->id, x->secrets->hash);
    }
    secret_wipe(x->secrets);
}

static void on_written(struct job *j) {
    struct rotation *x = (struct rotation *)(void *)j;
    struct run *r = x->run;
    uint64_t hash = x->secrets->hash;
    char why[320];
    snprintf(why, sizeof(why), "%s", x->why);
    if (!r) { /* its keeper may have cleaned up before the files came */
        char *id = x->id;
        x->id = NULL;
        rotation_free(x);
        runs_prune(j->d, "", id, 0, 2);
        free(id);
        return;
    }
    rotation_free(x);
    if (why[0]) {
        failed(r, why);
        return;
    }
    r->secrets = hash;
    trl_logf(r->unit->d->host, TRL_LOG_INFO, "%s: secrets were rotated", r->unit->id);
    if (settings_reload(want_settings(r->want))) {
        run_signal(r, settings_reload(want_settings(r->want)));
    }
    run_rotate(r); /* once more, if they changed meanwhile */
}

static void on_fetched(void *arg, const char *why) {
    struct rotation *x = arg;
    struct run *r = x->run;
    if (why) {
        char text[320];
        snprintf(text, sizeof(text), "%s", why);
        rotation_free(x);
        failed(r, text);
        return;
    }
    x->at_work = 1;
    job_start(&x->job, r->unit->d, write_it, on_written);
}

static char *dup_or_null(const char *s) {
    return s ? text_dup(trl_cstr(s)) : NULL;
}

void run_rotate(struct run *r) {
    struct trl_inst *d = r->unit->d;
    int runs = r->state == RUN_STARTING || r->state == RUN_READY;
    char why[320];
    if (!runs || d->stopping || r->fp != r->unit->fp || r->rotation || r->again.id ||
        !d->secret_place || !r->unit->want || r->secrets == secrets_hash(r->unit)) {
        return;
    }
    struct secrets *s = secrets_of(r->unit, why, sizeof(why));
    if (!s) {
        if (why[0]) {
            failed(r, why);
        }
        return;
    }
    struct rotation *x = x_zalloc(sizeof(*x));
    s->dir = text_format("%s/%s", d->secret_place, r->id);
    x->run = r;
    x->secrets = s;
    x->id = text_dup(trl_cstr(r->id));
    x->user = dup_or_null(j_str(want_settings(r->want), "user", NULL));
    x->group = dup_or_null(j_str(want_settings(r->want), "group", NULL));
    r->rotation = x;
    secrets_fetch(s, on_fetched, x);
}

void run_rotate_end(struct run *r) {
    struct rotation *x = r->rotation;
    wake_stop(&r->again);
    if (x && x->at_work) {
        x->run = NULL;
        r->rotation = NULL;
    } else if (x) {
        rotation_free(x);
    }
}
