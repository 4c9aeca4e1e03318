/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

uint64_t text_hash(uint64_t h, const char *text) {
    return trl_hash_more(h, text ? text : "", text ? strlen(text) + 1 : 1);
}

const char *j_str(const json_t *o, const char *key, const char *otherwise) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : otherwise;
}

int64_t j_int(const json_t *o, const char *key, int64_t otherwise) {
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

json_t *j_of(trl_str s) {
    json_t *j = json_stringn(s.ptr ? s.ptr : "", s.len);
    return j ? j : json_string("");
}

/* Answers in a later turn */

struct later {
    struct trl_inst *d;
    struct later *next;
    struct ticket ticket;
    struct wake wake;
    void (*before)(struct trl_inst *d);
};

static void later_free(struct later *l) {
    for (struct later **at = &l->d->laters; *at; at = &(*at)->next) {
        if (*at == l) {
            *at = l->next;
            break;
        }
    }
    wake_stop(&l->wake);
    free(l);
}

static void on_later(void *arg) {
    struct later *l = arg;
    if (l->before) {
        l->before(l->d);
    }
    ticket_ok(&l->ticket);
    later_free(l);
}

void op_ok_later(struct trl_inst *d, trl_op *op, void (*before)(struct trl_inst *d)) {
    struct later *l = x_zalloc(sizeof(*l));
    l->d = d;
    l->before = before;
    ticket_open(&l->ticket, &d->desk, op);
    l->next = d->laters;
    d->laters = l;
    wake_start(&l->wake, &d->desk, 0, on_later, l);
}

void ops_forget(struct trl_inst *d) {
    while (d->laters) {
        later_free(d->laters);
    }
}

/* Jobs */

static void on_work(void *arg) {
    struct job *j = arg;
    j->work(j);
}

static void on_done(void *arg) {
    struct job *j = arg;
    struct trl_inst *d = j->d;
    d->n_jobs--;
    j->done(j);
    driver_progress(d);
}

void job_start(struct job *j, struct trl_inst *d, void (*work)(struct job *j),
               void (*done)(struct job *j)) {
    j->d = d;
    j->work = work;
    j->done = done;
    d->n_jobs++;
    if (d->work->queue(d->host->ctx, on_work, on_done, j) != TRL_OK) {
        work(j); /* no pool any more: the instance is about to end */
        on_done(j);
    }
}

/* Files of the state directory, one at a time */

struct save {
    struct job job;
    struct save *next;
    char *name, *text;
    int error;
    void (*done)(void *arg, int error);
    void *arg;
};

static void write_it(struct job *j) {
    struct save *s = (struct save *)(void *)j;
    char *fresh = text_format("%s.new", s->name);
    size_t n = strlen(s->text);
    int fd = openat(j->d->state_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    s->error = fd < 0 || write(fd, s->text, n) != (ssize_t)n ? (errno ? errno : EIO) : 0;
    if (fd >= 0) {
        close(fd);
    }
    if (!s->error && renameat(j->d->state_fd, fresh, j->d->state_fd, s->name) < 0) {
        s->error = errno;
    }
    free(fresh);
}

static void next_save(struct trl_inst *d);

static void on_saved(struct job *j) {
    struct save *s = (struct save *)(void *)j;
    struct trl_inst *d = j->d;
    d->saving = 0;
    if (s->error) {
        trl_logf(d->host, TRL_LOG_ERROR, "cannot write %s/%s: %s", d->set.state_dir, s->name,
                 strerror(s->error));
    }
    if (s->done) {
        s->done(s->arg, s->error);
    }
    free(s->name);
    free(s->text);
    free(s);
    next_save(d);
}

static void next_save(struct trl_inst *d) {
    struct save *s = d->saves;
    if (s && !d->saving) {
        d->saves = s->next;
        d->saving = 1;
        job_start(&s->job, d, write_it, on_saved);
    }
}

void save_file(struct trl_inst *d, const char *name, char *text, void (*done)(void *arg, int error),
               void *arg) {
    struct save *s = x_zalloc(sizeof(*s)), **at = &d->saves;
    s->name = text_dup(trl_cstr(name));
    s->text = text;
    s->done = done;
    s->arg = arg;
    while (*at) {
        at = &(*at)->next;
    }
    *at = s;
    next_save(d);
}
