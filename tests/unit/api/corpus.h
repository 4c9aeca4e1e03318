/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest corpus through an API in this process: for each case a fresh lattice. What was put
 * before, the put, get, versions, list, deploy, the same bytes with a Content-Type, and delete,
 * which must always work. Needs TRELLIS_FIXTURES. Included once by a test program, behind cmocka.
 */
#ifndef TRELLIS_TESTS_CORPUS_H
#define TRELLIS_TESTS_CORPUS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

struct corpus {
    struct loop *loop;
    struct api *api;
    void (*after_case)(struct corpus *k); /* NULL: nothing */
    void *arg;                            /* of after_case */
    const char *dir;
    uint32_t passed, failed, any;
    uint32_t number; /* of the fresh lattice */
    char lattice[32];
    const struct node *c; /* the case */
    bool bad;
};

__attribute__((format(printf, 2, 3))) static inline void wrong(struct corpus *k, const char *fmt,
                                                               ...) {
    va_list ap;
    str file = node_text(k->c, "file", STR("?"));
    fprintf(stderr, "%.*s: ", PSTR(file));
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    k->bad = true;
}

static inline char *read_file(struct corpus *k, str name, size_t *ret_len) {
    char path[600];
    struct buf b = BUF_INIT;
    char chunk[8192];
    size_t n;
    snprintf(path, sizeof(path), "%s/manifests/%.*s", k->dir, PSTR(name));
    FILE *f = fopen(path, "rb");
    if (!f) {
        fail_msg("cannot read %s", path);
    }
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        buf_add(&b, chunk, n);
    }
    fclose(f);
    *ret_len = b.len;
    buf_add_c(&b, '\0');
    return buf_take(&b);
}

static inline void fresh_lattice(struct corpus *k) {
    snprintf(k->lattice, sizeof(k->lattice), "case-%u", ++k->number);
}

/* Sends to wadm.api.<lattice>.model.<rest>; the reply must be there without any time passing. */
static inline void send(struct corpus *k, const char *rest, const trl_label *headers,
                        uint32_t n_headers, str body, struct reply *r) {
    char subject[400];
    int64_t from_ns = loop_now_ns(k->loop);
    snprintf(subject, sizeof(subject), "wadm.api.%s.model.%s", k->lattice, rest);
    reply_finish(r);
    api_request(k->api, str_c(subject), headers, n_headers, body, on_reply, r);
    if (!loop_run_until(k->loop, reply_there, r, HARNESS_TIMEOUT_NS)) {
        wrong(k, "no reply to %s", rest);
    } else if (!r->root) {
        wrong(k, "the reply to %s is no JSON: %.200s", rest, r->text);
    } else if (loop_now_ns(k->loop) - from_ns > HARNESS_TIMEOUT_NS / 2) {
        wrong(k, "late reply to %s", rest);
    }
}

static inline void send_app(struct corpus *k, const char *op, str app, str version,
                            struct reply *r) {
    char rest[300];
    struct buf body = BUF_INIT;
    snprintf(rest, sizeof(rest), "%s.%.*s", op, PSTR(app));
    if (version.ptr) {
        struct jw w;
        jw_init(&w, &body, false);
        jw_object(&w);
        jw_kv(&w, "version", version);
        jw_end_object(&w);
    }
    send(k, rest, NULL, 0, buf_str(&body), r);
    buf_finish(&body);
}

static inline bool is_error(const struct reply *r) {
    return reply_has(r, "result", "error");
}

static inline void put_file(struct corpus *k, str file, const struct node *headers,
                            struct reply *r) {
    trl_label list[8];
    uint32_t n = 0;
    size_t len;
    char *text = read_file(k, file, &len);
    for (uint32_t i = 0; headers && i < headers->n && n < 8; i++) {
        list[n++] =
            (trl_label){headers->items[i]->items[0]->text, headers->items[i]->items[1]->text};
    }
    send(k, "put", list, n, str_n(text, len), r);
    mem_free(text);
}

static inline void run_before(struct corpus *k) {
    const struct node *before = node_get(k->c, "before");
    struct reply r = {0};
    for (uint32_t i = 0; before && i < before->n; i++) {
        const struct node *o = before->items[i];
        str op = node_text(o, "op", STR("")), app = node_text(o, "app", STR(""));
        str version = node_text(o, "version", STR_NONE);
        char name[16];
        snprintf(name, sizeof(name), "%.*s", PSTR(op));
        if (str_is(op, "put")) {
            put_file(k, node_text(o, "file", STR("")), NULL, &r);
        } else {
            send_app(k, name, app, version, &r);
        }
        if (!reply_has(&r, "result", "") && str_is(node_text(k->c, "expect", STR("")), "any")) {
            continue; /* what wadm could not do here is ours to do better */
        }
        if (!str_eq(node_text(r.root, "result", STR("")), node_text(o, "result", STR("")))) {
            wrong(k, "before[%u] %s: %.300s", i, name, r.text);
        }
    }
    reply_finish(&r);
}

static inline bool has_defect(const struct node *c, const char *kind) {
    const struct node *list = node_get(c, "defects");
    for (uint32_t i = 0; list && i < list->n; i++) {
        if (str_is(node_text(list->items[i], "kind", STR("")), kind)) {
            return true;
        }
    }
    return false;
}

static inline bool is_number(const struct node *n) {
    return n->type == NODE_INT || n->type == NODE_FLOAT;
}

static inline double value_of(const struct node *n) {
    return n->type == NODE_FLOAT ? n->number
                                 : (n->negative ? -(double)n->integer : (double)n->integer);
}

/* Equal as data. more: ours may have members that theirs lacks. */
static inline bool same(const struct node *theirs, const struct node *ours, bool more) {
    if (!theirs || !ours) {
        return false;
    }
    if (is_number(theirs) && is_number(ours)) {
        double a = value_of(theirs), b = value_of(ours);
        return fabs(a - b) <= fabs(a) * 1e-15;
    }
    if (theirs->type != ours->type) {
        return false;
    }
    if (theirs->type == NODE_OBJECT) {
        for (uint32_t i = 0; i < theirs->n; i++) {
            const struct node *o = node_get_str(ours, theirs->members[i].key);
            if (!same(theirs->members[i].value, o, more)) {
                return false;
            }
        }
        return more ? ours->n >= theirs->n : ours->n == theirs->n;
    }
    if (theirs->type == NODE_ARRAY) {
        for (uint32_t i = 0; i < theirs->n && theirs->n == ours->n; i++) {
            if (!same(theirs->items[i], ours->items[i], more)) {
                return false;
            }
        }
        return theirs->n == ours->n;
    }
    return theirs->type == NODE_BOOL ? theirs->boolean == ours->boolean
           : theirs->type == NODE_STRING
               ? str_is(theirs->text, "{generated}") || str_eq(theirs->text, ours->text)
               : true;
}

static inline void check_texts(struct corpus *k, const struct reply *r) {
    const struct node *texts = node_get(k->c, "text");
    str message = node_text(r->root, "message", STR(""));
    for (uint32_t i = 0; texts && i < texts->n; i++) {
        str t = texts->items[i]->text;
        if (!memmem(message.ptr, message.len, t.ptr, t.len)) {
            wrong(k, "the message lacks \"%.*s\": %.*s", PSTR(t), PSTR(message));
        }
    }
    if (message.len == 0) {
        wrong(k, "empty message");
    }
}

static inline bool version_is(str wanted, str got) {
    return str_is(wanted, "{generated}") ? got.len == 26 : str_eq(wanted, got);
}

static inline void check_model(struct corpus *k, const struct reply *r) {
    str model = node_text(k->c, "model", STR("any")), file = node_text(k->c, "get", STR_NONE);
    struct arena a = ARENA_INIT;
    struct node *theirs = NULL;
    size_t len;
    if (!file.ptr || str_is(model, "any")) {
        return;
    }
    char *text = read_file(k, file, &len);
    struct err err = ERR_INIT;
    if (json_parse(str_n(text, len), &a, &theirs, &err) < 0) {
        wrong(k, "%.*s: %s", PSTR(file), err.msg);
    } else if (!same(theirs, node_get(r->root, "manifest"), str_is(model, "same-or-more"))) {
        wrong(k, "another model: %.2000s", r->text);
    }
    arena_finish(&a);
    mem_free(text);
}

/* [["v1", false], ...] against the reply to versions. */
static inline void check_versions(struct corpus *k, str app, const char *member) {
    const struct node *want = node_get(k->c, member), *got;
    struct reply r = {0};
    send_app(k, "versions", app, STR_NONE, &r);
    got = node_get(r.root, "versions");
    if (want && want->type == NODE_ARRAY) {
        bool ok = got && got->n == want->n;
        for (uint32_t i = 0; ok && i < want->n; i++) {
            ok =
                version_is(want->items[i]->items[0]->text,
                           node_text(got->items[i], "version", STR("?"))) &&
                want->items[i]->items[1]->boolean == node_bool_or(got->items[i], "deployed", false);
        }
        if (!ok) {
            wrong(k, "%s: %.300s", member, r.text);
        }
    }
    reply_finish(&r);
}

static inline void check_summary(struct corpus *k, str app) {
    const struct node *want = node_get(k->c, "summary");
    struct reply r = {0};
    bool found = false;
    send(k, "list", NULL, 0, STR(""), &r);
    for (uint32_t i = 0; r.root && r.root->type == NODE_ARRAY && i < r.root->n; i++) {
        if (str_eq(node_text(r.root->items[i], "name", STR("")), app)) {
            found = !want || same(want, r.root->items[i], true);
        }
    }
    if (!found) {
        wrong(k, "list: %.400s", r.text);
    }
    reply_finish(&r);
}

static inline void check_deploy(struct corpus *k, str app, bool binding) {
    const struct node *want = node_get(k->c, "deploy");
    struct reply r = {0};
    send_app(k, "deploy", app, STR_NONE, &r);
    if (want && binding &&
        !str_eq(node_text(want, "result", STR("")), node_text(r.root, "result", STR("")))) {
        wrong(k, "deploy: %.300s", r.text);
    }
    reply_finish(&r);
    if (binding) {
        check_versions(k, app, "versions_after_deploy");
    }
}

static inline void check_delete(struct corpus *k, str app) {
    struct reply r = {0};
    send_app(k, "del", app, STR_NONE, &r);
    if (is_error(&r)) {
        wrong(k, "del: %.300s", r.text);
    }
    send_app(k, "get", app, STR_NONE, &r);
    if (!reply_has(&r, "result", "notfound")) {
        wrong(k, "get after del: %.300s", r.text);
    }
    reply_finish(&r);
}

static inline void check_round_trip(struct corpus *k, const struct reply *got) {
    trl_label type = {STR("Content-Type"), STR("application/json")};
    struct buf text = BUF_INIT;
    struct jw w;
    struct reply r = {0};
    jw_init(&w, &text, false);
    jw_node(&w, node_get(got->root, "manifest"));
    fresh_lattice(k);
    send(k, "put", &type, 1, buf_str(&text), &r);
    if (is_error(&r)) {
        wrong(k, "the model returned is refused when put again: %.300s", r.text);
    } else {
        char app[200];
        snprintf(app, sizeof(app), "%.*s", PSTR(node_text(r.root, "name", STR(""))));
        send_app(k, "get", str_c(app), STR_NONE, &r);
        if (!same(node_get(got->root, "manifest"), node_get(r.root, "manifest"), false)) {
            wrong(k, "the model returned changes when put again: %.300s", r.text);
        }
    }
    buf_finish(&text);
    reply_finish(&r);
}

static inline void check_accepted(struct corpus *k, const struct reply *put, bool binding) {
    struct arena a = ARENA_INIT;
    str app = arena_str(&a, node_text(put->root, "name", STR("")));
    struct reply got = {0};
    if (binding) {
        str want = node_text(k->c, "version", STR_NONE);
        str message = node_text(put->root, "message", STR(""));
        if (!str_eq(node_text(k->c, "result", STR("")), node_text(put->root, "result", STR(""))) ||
            !str_eq(node_text(k->c, "name", STR("")), app) ||
            (want.ptr && !version_is(want, node_text(put->root, "current_version", STR("")))) ||
            node_u64_or(k->c, "total_versions", 0) != node_u64_or(put->root, "total_versions", 0)) {
            wrong(k, "put: %.300s", put->text);
        }
        if (!str_starts(message, arena_printf(&a, "Successfully put manifest %.*s ", PSTR(app)))) {
            wrong(k, "message of put: %.*s", PSTR(message));
        }
        check_versions(k, app, "versions");
        check_summary(k, app);
    }
    send_app(k, "get", app, STR_NONE, &got);
    if (!reply_has(&got, "result", "success")) {
        wrong(k, "get: %.300s", got.text);
    } else if (binding) {
        check_model(k, &got);
    }
    check_deploy(k, app, binding && !has_defect(k->c, "wrong-check") && !has_defect(k->c, "brick"));
    check_delete(k, app);
    check_round_trip(k, &got);
    reply_finish(&got);
    arena_finish(&a);
}

static inline void check_with_headers(struct corpus *k) {
    const struct node *with = node_get(k->c, "with_header");
    struct reply r = {0};
    size_t len;
    char *text = read_file(k, node_text(k->c, "file", STR("")), &len);
    for (uint32_t i = 0; with && i < with->n; i++) {
        trl_label type = {STR("Content-Type"), with->members[i].key};
        str expect = node_text(with->members[i].value, "expect", STR("any"));
        fresh_lattice(k);
        send(k, "put", &type, 1, str_n(text, len), &r);
        if (!str_is(expect, "any") && is_error(&r) != str_is(expect, "reject")) {
            wrong(k, "as %.*s: %.300s", PSTR(with->members[i].key), r.text);
        }
    }
    mem_free(text);
    reply_finish(&r);
}

static inline void run_case(struct corpus *k) {
    str expect = node_text(k->c, "expect", STR("any"));
    bool any = str_is(expect, "any");
    struct reply r = {0};
    k->bad = false;
    fresh_lattice(k);
    run_before(k);
    put_file(k, node_text(k->c, "file", STR("")), node_get(k->c, "headers"), &r);
    if (!any && is_error(&r) != str_is(expect, "reject")) {
        wrong(k, "%.*s expected: %.300s", PSTR(expect), r.text);
    } else if (is_error(&r)) {
        check_texts(k, &r);
    } else {
        check_accepted(k, &r, !any);
    }
    if (!node_get(k->c, "before")) {
        check_with_headers(k);
    }
    reply_finish(&r);
    if (k->after_case) {
        k->after_case(k);
    }
    k->any += any;
    k->failed += k->bad;
    k->passed += !k->bad;
}

/* Every case of the corpus; the caller sets loop and api. False: there is no corpus. */
static inline bool corpus_run(struct corpus *k) {
    char path[600], *line = NULL;
    size_t cap = 0;
    ssize_t len;
    k->dir = getenv("TRELLIS_FIXTURES");
    snprintf(path, sizeof(path), "%s/manifests/verdicts.jsonl", k->dir ? k->dir : "");
    FILE *f = fopen(path, "r");
    if (!f) {
        return false;
    }
    while ((len = getline(&line, &cap, f)) >= 0) {
        struct arena a = ARENA_INIT;
        struct node *c = NULL;
        while (len > 0 && line[len - 1] == '\n') {
            len--;
        }
        if (json_parse(str_n(line, (size_t)len), &a, &c, NULL) == 0) {
            k->c = c;
            run_case(k);
        }
        arena_finish(&a);
    }
    free(line);
    fclose(f);
    print_message("%u cases: %u as wanted, %u not; in %u anything goes\n", k->passed + k->failed,
                  k->passed, k->failed, k->any);
    return true;
}

#endif
