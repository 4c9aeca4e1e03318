/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include "text.h"

struct stream_check {
    struct peer *peer;
    const struct stream_want *want;
    int only_look, created, tries;
    stream_fn done;
    void *arg;
    struct js_call *call;
};

void stream_want_finish(struct stream_want *w) {
    for (size_t i = 0; i < w->n_subjects; i++) {
        free(w->subjects[i]);
    }
    free(w->subjects);
    free(w->name);
    free(w->description);
    memset(w, 0, sizeof(*w));
}

static json_t *want_json(const struct peer *p, const struct stream_want *w) {
    json_t *j = json_object();
    json_t *j_subjects = json_array();
    for (size_t i = 0; i < w->n_subjects; i++) {
        json_array_append_new(j_subjects, json_string(w->subjects[i]));
    }
    json_object_set_new(j, "name", json_string(w->name));
    json_object_set_new(j, "description", json_string(w->description ? w->description : ""));
    json_object_set_new(j, "subjects", j_subjects);
    json_object_set_new(j, "retention", json_string("limits"));
    json_object_set_new(j, "max_consumers", json_integer(-1));
    json_object_set_new(j, "max_msgs", json_integer(-1));
    json_object_set_new(j, "max_msg_size", json_integer(-1));
    json_object_set_new(j, "max_msgs_per_subject", json_integer(w->max_msgs_per_subject));
    json_object_set_new(j, "max_bytes", json_integer(w->max_bytes));
    json_object_set_new(j, "max_age", json_integer(w->max_age_s * 1000000000));
    json_object_set_new(j, "discard", json_string(w->bucket ? "new" : "old"));
    json_object_set_new(j, "storage", json_string(p->storage));
    json_object_set_new(j, "num_replicas", json_integer(p->replicas));
    json_object_set_new(j, "allow_direct", json_boolean(w->allow_direct));
    if (w->bucket) {
        json_object_set_new(j, "allow_rollup_hdrs", json_true());
        json_object_set_new(j, "deny_delete", json_true());
    }
    return j;
}

static int array_has(const json_t *array, const json_t *value) {
    size_t i;
    json_t *b_v;
    json_array_foreach(array, i, b_v) {
        if (json_equal(b_v, value)) {
            return 1;
        }
    }
    return 0;
}

static int same(const json_t *have, const json_t *want) {
    if (json_is_array(want)) { /* as a set */
        size_t i;
        json_t *b_v;
        json_array_foreach(want, i, b_v) {
            if (!array_has(have, b_v)) {
                return 0;
            }
        }
        return json_array_size(have) == json_array_size(want);
    }
    if (json_is_boolean(want)) { /* absent is false */
        return json_is_true(have) == json_is_true(want);
    }
    return json_equal(have, want);
}

/* "no limit" has several spellings. */
static json_t *limit(json_t *v) {
    return json_integer_value(v) <= 0 ? json_integer(-1) : json_incref(v);
}

static json_t *compare(const struct peer *p, const struct stream_want *w, const json_t *have) {
    static const char *const fields[] = {
        "subjects", "max_msgs_per_subject", "max_age",  "max_bytes", "allow_direct",
        "storage",  "num_replicas",         "retention"};
    json_t *j_want = want_json(p, w), *j_drift = json_array();
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        json_t *b_want = json_object_get(j_want, fields[i]),
               *b_have = json_object_get(have, fields[i]);
        int number = json_is_integer(b_want);
        json_t *j_a = number ? limit(b_have) : json_incref(b_have);
        json_t *j_b = number ? limit(b_want) : json_incref(b_want);
        if (!same(j_a, j_b)) {
            json_t *j_null = json_null();
            json_array_append_new(j_drift, json_pack("{s:s,s:O,s:O}", "field", fields[i], "have",
                                                     b_have ? b_have : j_null, "want", b_want));
            json_decref(j_null);
        }
        json_decref(j_a);
        json_decref(j_b);
    }
    json_decref(j_want);
    return j_drift;
}

char *stream_drift_text(const json_t *drift) {
    char *text = NULL;
    size_t i;
    json_t *b_d;
    json_array_foreach(drift, i, b_d) {
        char *have = json_dumps(json_object_get(b_d, "have"), JSON_ENCODE_ANY | JSON_COMPACT);
        char *want = json_dumps(json_object_get(b_d, "want"), JSON_ENCODE_ANY | JSON_COMPACT);
        char *one =
            text_fmt("%s: have %s, want %s", json_string_value(json_object_get(b_d, "field")),
                     have ? have : "?", want ? want : "?");
        text_join(&text, one);
        free(one);
        free(have);
        free(want);
    }
    return text;
}

static void finish(struct stream_check *s, trl_status st, const struct stream_found *f,
                   const trl_err *err) {
    stream_fn done = s->done;
    void *arg = s->arg;
    free(s);
    done(arg, st, f, err);
}

static uint64_t u64_of(const json_t *o, const char *key) {
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

static void found(struct stream_check *s, const json_t *info) {
    const json_t *config = json_object_get(info, "config"), *state = json_object_get(info, "state");
    const char *since = json_string_value(json_object_get(info, "created"));
    json_t *j_drift = compare(s->peer, s->want, config);
    struct stream_found f = {
        .created = s->created,
        /* Of several servers any may answer a direct read, also one that is behind. */
        .allow_direct = json_is_true(json_object_get(config, "allow_direct")) &&
                        json_integer_value(json_object_get(config, "num_replicas")) <= 1,
        .forgets = json_integer_value(json_object_get(config, "max_age")) > 0,
        .max_msgs_per_subject = json_integer_value(json_object_get(config, "max_msgs_per_subject")),
        .subjects = u64_of(state, "num_subjects"),
        .messages = u64_of(state, "messages"),
        .bytes = u64_of(state, "bytes"),
        .first_seq = u64_of(state, "first_seq"),
        .last_seq = u64_of(state, "last_seq"),
        .b_drift = j_drift,
    };
    snprintf(f.since, sizeof(f.since), "%s", since ? since : "");
    finish(s, TRL_OK, &f, NULL);
    json_decref(j_drift);
}

static void look(struct stream_check *s);

static void on_created(void *arg, trl_status st, natsMsg *m) {
    struct stream_check *s = arg;
    trl_err err = {.struct_size = sizeof(err)};
    char *what = text_fmt("creating stream %s", s->want->name);
    int code;
    json_t *j = js_answer(s->peer, st, m, what, &code, &err);
    s->call = NULL;
    free(what);
    if (!j && code == JS_E_NAME_TAKEN && s->tries++ < 3) { /* somebody was faster */
        look(s);
        return;
    }
    if (!j) {
        finish(s, err.code, NULL, &err);
        return;
    }
    s->created = 1;
    found(s, j);
    json_decref(j);
}

static void on_info(void *arg, trl_status st, natsMsg *m) {
    struct stream_check *s = arg;
    trl_err err = {.struct_size = sizeof(err)};
    char *text = text_fmt("looking at stream %s", s->want->name);
    int code;
    json_t *j = js_answer(s->peer, st, m, text, &code, &err);
    s->call = NULL;
    free(text);
    if (!j && code == JS_E_NOT_FOUND_STREAM && !s->only_look) {
        text = text_fmt("STREAM.CREATE.%s", s->want->name);
        s->call = js_api(s->peer, text, want_json(s->peer, s->want), on_created, s);
        free(text);
        return;
    }
    if (!j) {
        finish(s, err.code, NULL, &err);
        return;
    }
    found(s, j);
    json_decref(j);
}

static void look(struct stream_check *s) {
    char *subject = text_fmt("STREAM.INFO.%s", s->want->name);
    s->call = js_api(s->peer, subject, NULL, on_info, s);
    free(subject);
}

struct stream_check *stream_ensure(struct peer *p, const struct stream_want *w, int only_look,
                                   stream_fn done, void *arg) {
    struct stream_check *s = x_zalloc(sizeof(*s));
    s->peer = p;
    s->want = w;
    s->only_look = only_look;
    s->done = done;
    s->arg = arg;
    look(s);
    return s;
}

void stream_check_end(struct stream_check *s) {
    if (s) {
        js_drop(s->call);
        free(s);
    }
}
