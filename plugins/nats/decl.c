/* SPDX-License-Identifier: Apache-2.0 */
#include "decl.h"

#include "subject.h"
#include "text.h"

struct decl {
    struct peer *peer;
    struct stream_want want;
    struct stream_check *check;
    json_t *j_drift; /* NULL: not looked at yet */
    char *trouble;   /* as last logged; NULL: fine */
};

static void decl_say(struct decl *d, char *trouble) {
    if (trouble && (!d->trouble || strcmp(d->trouble, trouble) != 0)) {
        trl_logf(d->peer->host, TRL_LOG_WARN, "%s", trouble);
    }
    free(d->trouble);
    d->trouble = trouble;
}

static void on_stream(void *arg, trl_status st, const struct stream_found *f, const trl_err *err) {
    struct decl *d = arg;
    char *drift;
    d->check = NULL;
    if (st == TRL_E_UNAVAIL && !d->peer->up) {
        return; /* the link broke: there will be another look */
    }
    json_decref(d->j_drift);
    d->j_drift = st == TRL_OK ? json_incref(f->b_drift) : NULL;
    if (st != TRL_OK) {
        decl_say(d, text_fmt("%s", err->msg));
        return;
    }
    if (f->created) {
        trl_logf(d->peer->host, TRL_LOG_INFO, "nats: stream %s created", d->want.name);
    }
    drift = stream_drift_text(f->b_drift);
    decl_say(d, drift
                    ? text_fmt("nats: stream %s differs from its declaration and is used as it is: "
                               "%s",
                               d->want.name, drift)
                    : NULL);
    free(drift);
}

void decls_look(struct decls *ds) {
    for (size_t i = 0; i < ds->n; i++) {
        struct decl *d = &ds->at[i];
        stream_check_end(d->check);
        d->check = stream_ensure(ds->peer, &d->want, 0, on_stream, d);
    }
}

json_t *decls_json(const struct decls *ds) {
    json_t *j_list = json_array();
    for (size_t i = 0; i < ds->n; i++) {
        const struct decl *d = &ds->at[i];
        json_t *j = json_pack("{s:s,s:b}", "name", d->want.name, "present", d->j_drift != NULL);
        if (d->j_drift) {
            json_object_set(j, "drift", d->j_drift);
        } else if (d->trouble) {
            json_object_set_new(j, "error", json_string(d->trouble));
        }
        json_array_append_new(j_list, j);
    }
    return j_list;
}

static int name_ok(const char *s) {
    size_t n = strlen(s);
    for (; *s; s++) {
        if ((unsigned char)*s <= ' ' || strchr(".*>/\\", *s) || *s == 0x7f) {
            return 0;
        }
    }
    return n > 0 && n <= 200;
}

static trl_status parse_stream(const json_t *v, size_t at, struct stream_want *w, trl_err *err) {
    const char *name = opts_str(v, "name");
    const json_t *subjects = json_object_get(v, "subjects");
    size_t i;
    json_t *b_s;
    if (!name || !name_ok(name)) {
        return trl_errf(err, TRL_E_INVALID,
                        "streams[%zu].name: a name without blanks, '.', '*', '>', '/'", at);
    }
    w->name = text_dup(name);
    w->description = text_dup(opts_str(v, "description"));
    w->max_msgs_per_subject = opts_int(v, "max_msgs_per_subject", -1);
    w->max_age_s = opts_int(v, "max_age_s", 0);
    w->max_bytes = opts_int(v, "max_bytes", -1);
    w->allow_direct = opts_bool(v, "allow_direct", 0);
    w->subjects = x_zalloc_n(json_array_size(subjects), sizeof(char *));
    json_array_foreach(subjects, i, b_s) {
        const char *s = json_string_value(b_s);
        if (!s || !subject_ok(trl_cstr(s), 1)) {
            return trl_errf(err, TRL_E_INVALID, "streams[%zu].subjects[%zu]: no subject", at, i);
        }
        w->subjects[w->n_subjects++] = text_dup(s);
    }
    if (!w->n_subjects) {
        return trl_errf(err, TRL_E_INVALID, "streams[%zu].subjects: at least one is needed", at);
    }
    return TRL_OK;
}

trl_status decls_parse(struct decls *ds, struct peer *p, const json_t *config, trl_err *err) {
    const json_t *list = json_object_get(config, "streams");
    size_t i;
    json_t *b_v;
    ds->peer = p;
    ds->n = 0;
    ds->at = x_zalloc_n(json_array_size(list), sizeof(*ds->at));
    json_array_foreach(list, i, b_v) {
        struct decl *d = &ds->at[ds->n++];
        trl_status st = parse_stream(b_v, i, &d->want, err);
        d->peer = p;
        if (st != TRL_OK) {
            return st;
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(ds->at[k].want.name, d->want.name) == 0) {
                return trl_errf(err, TRL_E_INVALID,
                                "streams[%zu].name: the same as of streams[%zu]", i, k);
            }
        }
    }
    return TRL_OK;
}

const char *decls_find(const struct decls *ds, trl_str subject) {
    if (!subject_ok(subject, 1)) {
        return NULL;
    }
    for (size_t i = 0; i < ds->n; i++) {
        const struct stream_want *w = &ds->at[i].want;
        for (size_t k = 0; k < w->n_subjects; k++) {
            if (subject_covers(trl_cstr(w->subjects[k]), subject)) {
                return w->name;
            }
        }
    }
    return NULL;
}

void decls_end(struct decls *ds) {
    for (size_t i = 0; i < ds->n; i++) {
        stream_check_end(ds->at[i].check);
        ds->at[i].check = NULL;
    }
}

void decls_finish(struct decls *ds) {
    decls_end(ds);
    for (size_t i = 0; i < ds->n; i++) {
        stream_want_finish(&ds->at[i].want);
        json_decref(ds->at[i].j_drift);
        free(ds->at[i].trouble);
    }
    free(ds->at);
    ds->at = NULL;
    ds->n = 0;
}
