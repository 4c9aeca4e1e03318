/* SPDX-License-Identifier: Apache-2.0
 *
 * Watching one key, and the names of all. A message on the key's subject says that there may be
 * news, and it may come before the bucket has it: so the bucket is asked, a few times if need be.
 */
#include <stdio.h>
#include <string.h>

#include "../../plugins/common/xmem.h"
#include "kv.h"

#define HINT_TRIES 4

struct watch {
    struct flow f;
    char *key;
    uint64_t sub;
    char seen[24]; /* revision as text */
    int told, owed;
    int hinted; /* looks that a hint is still good for */
    int again;  /* a hint came while a look was under way */
};

static void look(struct flow *f);

static void watch_finish(struct flow *f) {
    struct watch *w = (struct watch *)f;
    if (w->sub) {
        f->in->bus->cancel(f->in->host->ctx, w->sub);
    }
    free(w->key);
}

static void tell(struct flow *f) {
    struct watch *w = (struct watch *)f;
    w->owed = f->in->host->op_emit(f->op, (trl_bytes){w->seen, strlen(w->seen)}) == TRL_E_BUSY;
    w->told = 1;
}

static void watch_resume(struct flow *f) {
    if (((struct watch *)f)->owed) {
        tell(f);
    }
}

static void on_looked(struct flow *f, trl_status st, const trl_msg *m) {
    struct watch *w = (struct watch *)f;
    struct js_got got;
    char now[24] = "";
    int bad;
    js_got_parse(f->in->bucket, w->key, st, m, &got);
    js_got_finish(&got);
    bad = got.st != TRL_OK && got.st != TRL_E_NOTFOUND;
    if (got.st == TRL_OK) {
        snprintf(now, sizeof(now), "%llu", (unsigned long long)got.seq);
    }
    /* Not being able to ask says nothing about the secret. */
    if (!bad && (!w->told || strcmp(now, w->seen) != 0)) {
        memcpy(w->seen, now, sizeof(now));
        w->hinted = 0;
        tell(f);
    }
    if (bad) {
        w->hinted = 1; /* once more soon */
    }
    if (w->again) {
        w->again = 0;
        look(f);
    } else if (w->hinted > 0) {
        int64_t ms = 20ll << (2 * (HINT_TRIES - w->hinted));
        w->hinted--;
        flow_wait(f, ms, look);
    } else {
        flow_wait(f, f->in->poll_ns / 1000000, look);
    }
}

static void look(struct flow *f) {
    struct watch *w = (struct watch *)f;
    if (f->req) {
        w->again = 1;
    } else {
        js_get(f, f->in->bucket, w->key, 0, on_looked);
    }
}

static void on_hint(void *arg, const trl_msg *m) {
    struct watch *w = arg;
    (void)m; /* the box is in the bucket in a moment */
    w->hinted = HINT_TRIES;
    look(&w->f);
}

void watch_begin(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    struct watch *w;
    char *subject;
    if (!trl_key_ok(ref->key)) {
        trl_op_fail(in->host, op, TRL_E_INVALID, "that is no key of a bucket");
        return;
    }
    w = flow_new(in, sizeof(*w), op);
    w->f.finish = watch_finish;
    w->f.on_resume = watch_resume;
    w->key = x_checked(strndup(ref->key.ptr, ref->key.len));
    subject = text_of("$KV.%s.%s", in->bucket, w->key);
    w->sub = in->bus->subscribe(in->host->ctx, trl_cstr(subject), (trl_str){NULL, 0}, on_hint, w);
    free(subject);
    look(&w->f);
}

void ops_link_up(trl_inst *in) {
    for (struct flow *f = in->flows; f; f = f->next) {
        if (f->on_resume == watch_resume) {
            look(f);
        }
    }
}

struct list {
    struct flow f;
    char *prefix;
    char **names;
    size_t n, cap, at;
    size_t seen;   /* subjects of the pages so far */
    int confirmed; /* names[at] is alive and waits for room */
};

static void list_finish(struct flow *f) {
    struct list *l = (struct list *)f;
    for (size_t i = 0; i < l->n; i++) {
        free(l->names[i]);
    }
    free(l->names);
    free(l->prefix);
}

static void list_next(struct flow *f);

/* A name whose last entry is a deletion is none. */
static void on_confirmed(struct flow *f, trl_status st, const trl_msg *m) {
    struct list *l = (struct list *)f;
    struct js_got got;
    js_got_parse(f->in->bucket, l->names[l->at], st, m, &got);
    js_got_finish(&got);
    if (got.st == TRL_OK) {
        l->confirmed = 1;
    } else if (got.st == TRL_E_NOTFOUND) {
        l->at++;
    } else {
        flow_fail(f, got.st, "%s", got.why);
        return;
    }
    list_next(f);
}

static void list_next(struct flow *f) {
    struct list *l = (struct list *)f;
    if (l->confirmed) {
        const char *name = l->names[l->at];
        trl_status st = f->in->host->op_emit(f->op, (trl_bytes){name, strlen(name)});
        if (st == TRL_E_BUSY) {
            return; /* resume() goes on */
        }
        l->confirmed = 0;
        l->at = st == TRL_OK ? l->at + 1 : l->n;
    }
    if (l->at == l->n) {
        flow_done(f, "");
    } else {
        js_get(f, f->in->bucket, l->names[l->at], 0, on_confirmed);
    }
}

static void list_resume(struct flow *f) {
    if (((struct list *)f)->confirmed) {
        list_next(f);
    }
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_page(struct list *l);

static void on_subjects(struct flow *f, trl_status st, const trl_msg *m) {
    struct list *l = (struct list *)f;
    size_t skip = strlen(f->in->bucket) + 5, n = strlen(l->prefix), page;
    char why[200];
    json_t *v = st == TRL_OK ? js_json(m) : NULL, *subjects, *count;
    const char *subject;
    int64_t code = st == TRL_OK ? js_error(v, why) : 0;
    if (st != TRL_OK || code) {
        st = st == TRL_OK ? TRL_E_UNAVAIL : js_trouble(st, why);
        json_decref(v);
        flow_fail(f, st, "%s", why);
        return;
    }
    subjects = json_object_get(json_object_get(v, "state"), "subjects");
    page = json_object_size(subjects);
    json_object_foreach(subjects, subject, count) {
        if (strlen(subject) > skip && strncmp(subject + skip, l->prefix, n) == 0) {
            l->names = x_grow(l->names, l->n, &l->cap, sizeof(*l->names));
            l->names[l->n++] = x_checked(strdup(subject + skip));
        }
    }
    l->seen += page;
    if (page && (size_t)json_integer_value(json_object_get(v, "total")) > l->seen) {
        json_decref(v);
        list_page(l);
        return;
    }
    json_decref(v);
    if (l->n) {
        qsort(l->names, l->n, sizeof(*l->names), by_bytes);
    }
    list_next(f);
}

static void list_page(struct list *l) {
    trl_inst *in = l->f.in;
    char *subject = text_of("%sSTREAM.INFO.KV_%s", in->api, in->bucket);
    char *body = text_of("{\"subjects_filter\":\"$KV.%s.>\",\"offset\":%zu}", in->bucket, l->seen);
    flow_request(&l->f, subject, NULL, 0, (trl_bytes){body, strlen(body)}, on_subjects);
    free(body);
    free(subject);
}

void list_begin(trl_inst *in, trl_op *op, trl_str prefix) {
    struct list *l = flow_new(in, sizeof(*l), op);
    l->f.finish = list_finish;
    l->f.on_resume = list_resume;
    l->prefix = x_checked(strndup(prefix.len ? prefix.ptr : "", prefix.len));
    list_page(l);
}
