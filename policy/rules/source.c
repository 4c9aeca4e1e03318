/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <trellis/helper.h>
#include <unistd.h>

#include "../../plugins/common/xmem.h"

#define SETTLE_NS 50000000ll /* between the two looks at what changed */
#define FRESH_S   3          /* so young, a file may change again within its stamp */

/* What tells a file from what it was before. */
struct stamp {
    struct timespec mtime, ctime;
    ino_t inode;
    dev_t device;
    off_t size;
};

struct look { /* one, on a worker thread: touches nothing else */
    struct source *s;
    const char *path;
    struct stamp stamp;
    bool fresh;         /* in: read it whatever the stamp says; out: so young */
    bool wants_settled; /* in: only rules whose hash is `candidate` are compiled */
    bool unchanged;     /* out: the same bytes as those of `taken` */
    uint64_t taken, candidate, hash;
    struct ruleset *rules; /* out: owned */
    struct text fault;     /* out */
};

struct source {
    const trl_host *host;
    const trl_host_loop_v1 *loop;
    const trl_host_work_v1 *work;
    const char *path;
    uint32_t poll_ms;
    void (*on_rules)(void *arg, struct ruleset *rs);
    void (*on_bad)(void *arg, const char *what);
    void *arg;
    uint64_t timer;
    bool stopped;
    struct stamp stamp; /* of the last look */
    bool fresh, has_rules;
    uint64_t taken, candidate; /* hashes: what was taken or refused, what is to settle */
    struct text fault;         /* told already */
};

static bool same_stamp(const struct stamp *a, const struct stamp *b) {
    return a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec &&
           a->ctime.tv_sec == b->ctime.tv_sec && a->ctime.tv_nsec == b->ctime.tv_nsec &&
           a->inode == b->inode && a->device == b->device && a->size == b->size;
}

/* The whole file; false: the fault is written. */
static bool read_all(struct look *l, int fd, struct text *bytes) {
    char part[16384];
    ssize_t n;
    while ((n = read(fd, part, sizeof(part))) != 0) {
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            text_f(&l->fault, "cannot read %s: %s", l->path, strerror(errno));
            return false;
        }
        text_add(bytes, part, (size_t)n);
        if (bytes->len > FILE_MAX) {
            text_f(&l->fault, "cannot read %s: more than %u bytes", l->path, FILE_MAX);
            return false;
        }
    }
    return true;
}

static void compile(struct look *l, const struct text *bytes) {
    struct text why = {0};
    struct tree_node *tree = tree_read_yaml(text_str(bytes), &why);
    l->rules = tree ? rules_compile(tree, l->path, &why) : NULL;
    if (!l->rules) {
        text_f(&l->fault, "%s:", l->path);
        text_cut(&l->fault, text_str(&why), 700);
    }
    text_finish(&why);
}

static void look_inside(struct look *l, int fd) {
    struct text bytes = {0};
    if (read_all(l, fd, &bytes)) {
        l->hash = trl_hash_more(TRL_HASH_INIT, bytes.at, bytes.len);
        l->unchanged = l->hash == l->taken;
        if (!l->unchanged && (!l->wants_settled || l->hash == l->candidate)) {
            compile(l, &bytes);
        }
    }
    text_finish(&bytes);
}

static void look_run(void *arg) {
    struct look *l = arg;
    struct stat st;
    struct timespec now;
    bool must = l->fresh;
    int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0) {
        text_f(&l->fault, "cannot read %s: %s", l->path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        text_f(&l->fault, "cannot read %s: no regular file", l->path);
    } else {
        struct stamp stamp = {st.st_mtim, st.st_ctim, st.st_ino, st.st_dev, st.st_size};
        clock_gettime(CLOCK_REALTIME, &now);
        l->fresh = now.tv_sec - st.st_ctim.tv_sec < FRESH_S;
        if (!must && same_stamp(&stamp, &l->stamp)) {
            l->unchanged = true;
            l->hash = l->taken;
        } else {
            look_inside(l, fd);
        }
        l->stamp = stamp;
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void begin_look(void *arg);

static void next_look(struct source *s, int64_t delay_ns) {
    s->timer = s->loop->timer_start(s->host->ctx, delay_ns, begin_look, s);
}

static void tell_fault(struct source *s, const struct look *l) {
    s->taken = l->hash; /* 0 when it could not be read; not looked at again until it changes */
    if (trl_str_eq(text_str(&s->fault), text_str(&l->fault))) {
        return;
    }
    text_clear(&s->fault);
    text_add(&s->fault, l->fault.at, l->fault.len);
    s->on_bad(s->arg, s->fault.at);
}

static void take_rules(struct source *s, struct look *l) {
    s->taken = l->hash;
    s->has_rules = true;
    text_clear(&s->fault);
    s->on_rules(s->arg, l->rules);
    l->rules = NULL;
}

static void look_done(void *arg) {
    struct look *l = arg;
    struct source *s = l->s;
    if (!s->stopped) {
        bool settle = false;
        s->stamp = l->stamp;
        s->fresh = l->fresh || l->fault.len > 0;
        if (l->fault.len) {
            tell_fault(s, l);
        } else if (l->rules) {
            take_rules(s, l);
        } else if (!l->unchanged) {
            settle = true; /* looked at again soon; the stamp does not matter */
            s->candidate = l->hash;
            s->fresh = true;
        }
        if (!s->stopped) {
            next_look(s, settle ? SETTLE_NS : (int64_t)s->poll_ms * 1000000);
        }
    }
    rules_free(l->rules);
    text_finish(&l->fault);
    free(l);
}

static void begin_look(void *arg) {
    struct source *s = arg;
    struct look *l = x_zalloc(sizeof(*l));
    s->timer = 0;
    *l = (struct look){.s = s,
                       .path = s->path,
                       .stamp = s->stamp,
                       .fresh = s->fresh,
                       .wants_settled = s->has_rules,
                       .taken = s->taken,
                       .candidate = s->candidate};
    if (s->work->queue(s->host->ctx, look_run, look_done, l) != TRL_OK) {
        free(l); /* the instance is being stopped */
    }
}

struct source *source_create(const trl_host *h, const char *path, uint32_t poll_ms,
                             void (*on_rules)(void *arg, struct ruleset *rs),
                             void (*on_bad)(void *arg, const char *what), void *arg) {
    struct source *s = x_zalloc(sizeof(*s));
    s->host = h;
    s->loop = h->get_interface(h->ctx, TRL_HOST_LOOP_V1);
    s->work = h->get_interface(h->ctx, TRL_HOST_WORK_V1);
    s->path = path;
    s->poll_ms = poll_ms;
    s->on_rules = on_rules;
    s->on_bad = on_bad;
    s->arg = arg;
    s->fresh = true;
    return s;
}

void source_start(struct source *s) {
    begin_look(s);
}

void source_stop(struct source *s) {
    s->stopped = true;
    s->loop->timer_stop(s->host->ctx, s->timer);
}

void source_destroy(struct source *s) {
    if (s) {
        text_finish(&s->fault);
        free(s);
    }
}
