/* SPDX-License-Identifier: Apache-2.0
 *
 * The corpus of manifests with a real wadm's verdicts ($TRELLIS_FIXTURES/manifests): every case
 * that the model alone can judge. And our own cases, tests/fixtures/manifests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "model/admit.h"

#define MAX_PAYLOAD 1048576u

struct runner {
    const char *dir;
    struct arena arena;
    uint32_t total, passed, failed, skipped, headers, models, warned;
};

static struct buf read_file(const char *dir, str name) {
    char path[1024];
    struct buf b = BUF_INIT;
    char block[65536];
    size_t n;
    snprintf(path, sizeof(path), "%s/manifests/%.*s", dir, PSTR(name));
    FILE *f = fopen(path, "rb");
    if (!f) {
        fail_msg("cannot open %s", path);
        return b;
    }
    while ((n = fread(block, 1, sizeof(block), f)) > 0) {
        buf_add(&b, block, n);
    }
    fclose(f);
    return b;
}

/* Own cases have the body in the line. */
static struct buf read_body(struct runner *r, const struct node *c) {
    struct buf b = BUF_INIT;
    if (!node_get(c, "body")) {
        return read_file(r->dir, node_text(c, "file", STR("")));
    }
    buf_add_str(&b, node_text(c, "body", STR("")));
    return b;
}

__attribute__((format(printf, 3, 4))) static bool wrong(struct runner *r, str file, const char *fmt,
                                                        ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "%.*s: ", PSTR(file));
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    r->failed++;
    return false;
}

static double value_of(const struct node *n) {
    return n->type == NODE_INT && n->negative ? -fabs(n->number) : n->number;
}

/* Equal as data; more: b may have members that a lacks. The texts {generated} stand for any. */
static bool same(const struct node *a, const struct node *b, bool more) {
    bool numbers = (a->type == NODE_INT || a->type == NODE_FLOAT) &&
                   (b->type == NODE_INT || b->type == NODE_FLOAT);
    if (numbers) {
        double x = value_of(a), y = value_of(b);
        bool ints = a->type == NODE_INT && b->type == NODE_INT;
        return ints ? a->integer == b->integer && a->negative == b->negative
                    : fabs(x - y) <= 1e-15 * (fabs(x) + fabs(y));
    }
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case NODE_BOOL:
        return a->boolean == b->boolean;
    case NODE_STRING:
        return str_eq(a->text, b->text) || str_is(a->text, "{generated}");
    case NODE_ARRAY:
        for (uint32_t i = 0; a->n == b->n && i < a->n; i++) {
            if (!same(a->items[i], b->items[i], more)) {
                return false;
            }
        }
        return a->n == b->n;
    case NODE_OBJECT:
        for (uint32_t i = 0; i < a->n; i++) {
            const struct node *other = node_get_str(b, a->members[i].key);
            if (!other || !same(a->members[i].value, other, more)) {
                return false;
            }
        }
        return more ? a->n <= b->n : a->n == b->n;
    default:
        return true;
    }
}

static bool check_model(struct runner *r, const struct node *c, const struct manifest *m) {
    str file = node_text(c, "file", STR("")), rule = node_text(c, "model", STR("any"));
    str version = manifest_version(m);
    struct buf text = BUF_INIT, again = BUF_INIT, want = BUF_INIT;
    struct node *got = NULL, *wanted = NULL;
    struct manifest *back = NULL;
    struct findings f;
    struct err err = ERR_INIT;
    bool ok = true;
    findings_init(&f);
    manifest_write(m, version.ptr ? STR_NONE : STR("01J9ZC6Q2W8S4T3R5V7X9Y1Z2A"), &text);
    if (json_parse(buf_str(&text), &r->arena, &got, &err) < 0) {
        ok = wrong(r, file, "its own output is no JSON: %s", err.msg);
    } else if (manifest_parse(buf_str(&text), MANIFEST_JSON, &back, &f) < 0) {
        ok = wrong(r, file, "its own output is refused: %.*s", PSTR(f.at[0].message));
    } else {
        manifest_write(back, STR_NONE, &again);
        if (!str_eq(buf_str(&text), buf_str(&again))) {
            ok = wrong(r, file, "output changes when put again:\n%s\n%s", text.ptr, again.ptr);
        }
    }
    if (ok && !str_is(rule, "any") && node_get(c, "get")) {
        wanted = node_get(c, "get"); /* own cases have it in the line */
        if (wanted->type == NODE_STRING) {
            want = read_file(r->dir, wanted->text);
            wanted = NULL;
            json_parse(buf_str(&want), &r->arena, &wanted, &err);
        }
        if (!wanted || !same(wanted, got, str_is(rule, "same-or-more"))) {
            ok = wrong(r, file, "another model (%.*s):\n%s", PSTR(rule), text.ptr);
        }
        r->models++;
    }
    manifest_destroy(back);
    findings_finish(&f);
    buf_finish(&text);
    buf_finish(&again);
    buf_finish(&want);
    return ok;
}

static bool has_path(const struct findings *f, str path) {
    for (uint32_t i = 0; i < f->n; i++) {
        if (str_eq(f->at[i].path, path)) {
            return true;
        }
    }
    return false;
}

/* What the input has and the stored model of wadm lacks: kept, or told by path. */
static bool check_silence(struct runner *r, const struct node *c, const struct findings *f) {
    const struct node *lost = node_get(c, "lost"), *defects = node_get(c, "defects");
    str file = node_text(c, "file", STR(""));
    bool silent = false, custom = strstr(file.ptr, "unknown-type") != NULL;
    for (uint32_t i = 0; defects && i < defects->n; i++) {
        silent |= str_is(node_text(defects->items[i], "kind", STR("")), "silent-loss");
    }
    for (uint32_t i = 0; silent && !custom && lost && i < lost->n; i++) {
        if (!has_path(f, lost->items[i]->text)) {
            return wrong(r, file, "nothing said of %.*s", PSTR(lost->items[i]->text));
        }
    }
    if (silent && !custom && f->n == 0) {
        return wrong(r, file, "a silent loss stays silent");
    }
    r->warned += silent;
    return true;
}

/* Everything wadm's validator finds has its counterpart of the same level. */
static bool check_findings(struct runner *r, const struct node *c, const struct findings *f) {
    const struct node *want = node_get(c, "findings");
    str file = node_text(c, "file", STR(""));
    uint32_t at = 0;
    for (uint32_t i = 0; want && i < want->n; i++) {
        str message = node_text(want->items[i], "message", STR(""));
        str level = node_text(want->items[i], "level", STR(""));
        size_t colon = 0; /* what follows a bracket or a colon is worded by us */
        while (colon < message.len && message.ptr[colon] != '[' && message.ptr[colon] != '{' &&
               message.ptr[colon] != '"' && message.ptr[colon] != ':') {
            colon++;
        }
        while (at < f->n && (!str_starts(f->at[at].message, str_n(message.ptr, colon)) ||
                             (f->at[at].level == FINDING_ERROR) != str_is(level, "error"))) {
            at++;
        }
        if (at++ == f->n) {
            return wrong(r, file, "not found, or not in this order: %.*s", PSTR(message));
        }
    }
    return true;
}

struct verdict {
    struct manifest *m;
    struct findings f;
    char *message;
    int rc;
};

static struct verdict judge(str body, str header) {
    struct verdict v = {.m = NULL};
    findings_init(&v.f);
    v.rc = model_admit(body, header, MAX_PAYLOAD, &v.m, &v.f, &v.message);
    return v;
}

static void verdict_finish(struct verdict *v) {
    manifest_destroy(v->m);
    findings_finish(&v->f);
    mem_free(v->message);
}

static bool check_expect(struct runner *r, str file, str how, str expect, const struct verdict *v) {
    if ((str_is(expect, "accept") && v->rc < 0) || (str_is(expect, "reject") && v->rc == 0)) {
        return wrong(r, file, "%.*s: expected %.*s: %s", PSTR(how), PSTR(expect),
                     v->message ? v->message : "accepted");
    }
    if (v->rc < 0 && (!v->message || !v->message[0] || v->f.errors == 0)) {
        return wrong(r, file, "refused without a word");
    }
    for (uint32_t i = 0; i < v->f.n; i++) {
        const struct finding *x = &v->f.at[i];
        if (x->path.len && !x->line) {
            return wrong(r, file, "no line for %.*s", PSTR(x->path));
        }
    }
    return true;
}

static bool check_texts(struct runner *r, const struct node *c, const struct verdict *v) {
    const struct node *texts = node_get(c, "text");
    str file = node_text(c, "file", STR("")), path = node_text(c, "path", STR_NONE);
    for (uint32_t i = 0; texts && i < texts->n; i++) {
        if (!v->message || !strstr(v->message, texts->items[i]->text.ptr)) {
            return wrong(r, file, "the message lacks \"%.*s\": %s", PSTR(texts->items[i]->text),
                         v->message ? v->message : "none");
        }
    }
    /* "A good message names it (or the missing member below it)": rule 11 names the object. */
    if (path.ptr && v->rc < 0 && !strstr(v->message, path.ptr) &&
        !strstr(v->message, "'image' or 'application'")) {
        return wrong(r, file, "the message does not name %.*s: %s", PSTR(path), v->message);
    }
    return true;
}

static const char *reason_to_skip(const struct node *c) {
    str stage = node_text(c, "stage", STR(""));
    if (node_get(c, "before") && str_is(stage, "version-exists")) {
        return "needs the store: the version exists";
    }
    if (str_is(stage, "storage") && str_is(node_text(c, "category", STR("")), "sequence")) {
        return "needs the store: what is stored counts";
    }
    return NULL;
}

static bool check_headers(struct runner *r, const struct node *c, str body) {
    const struct node *with = node_get(c, "with_header");
    str file = node_text(c, "file", STR(""));
    bool ok = true;
    for (uint32_t i = 0; with && i < with->n; i++) {
        struct verdict v = judge(body, with->members[i].key);
        ok = check_expect(r, file, with->members[i].key,
                          node_text(with->members[i].value, "expect", STR("any")), &v) &&
             ok;
        if (ok && v.rc == 0 && node_bool_or(with->members[i].value, "same_model", false)) {
            ok = check_model(r, c, v.m);
        }
        verdict_finish(&v);
        r->headers++;
    }
    return ok;
}

static str header_of(const struct node *c) {
    const struct node *headers = node_get(c, "headers");
    for (uint32_t i = 0; headers && i < headers->n; i++) {
        const struct node *h = headers->items[i];
        if (h->n == 2 && str_is(h->items[0]->text, "Content-Type")) {
            return h->items[1]->text;
        }
    }
    return STR_NONE;
}

static void run_case(struct runner *r, const struct node *c) {
    str file = node_text(c, "file", STR(""));
    const char *skip = reason_to_skip(c);
    r->total++;
    if (skip) {
        printf("skipped %.*s: %s\n", PSTR(file), skip);
        r->skipped++;
        return;
    }
    struct buf body = read_body(r, c);
    struct verdict v = judge(buf_str(&body), header_of(c));
    bool ok = check_expect(r, file, STR("plain"), node_text(c, "expect", STR("any")), &v);
    ok = ok && check_texts(r, c, &v);
    if (ok && v.rc == 0) {
        str name = node_text(c, "name", STR_NONE), version = node_text(c, "version", STR_NONE);
        str got = manifest_version(v.m);
        ok = check_model(r, c, v.m) && check_silence(r, c, &v.f);
        if (ok && name.ptr && !str_eq(v.m->name, name)) {
            ok = wrong(r, file, "named %.*s", PSTR(v.m->name));
        }
        if (ok && version.ptr && (got.ptr || !str_is(version, "{generated}")) &&
            !str_eq(got, version)) {
            ok = wrong(r, file, "version %.*s", PSTR(got));
        }
    }
    ok = ok && (!v.m || check_findings(r, c, &v.f));
    ok = check_headers(r, c, buf_str(&body)) && ok;
    verdict_finish(&v);
    buf_finish(&body);
    r->passed += ok;
}

static void run_corpus(const char *dir) {
    struct runner r = {.dir = dir};
    struct buf all = read_file(r.dir, STR("verdicts.jsonl"));
    str rest = buf_str(&all);
    while (rest.len) {
        struct node *c = NULL;
        struct err err = ERR_INIT;
        str line = str_cut(rest, '\n', &rest);
        if (line.len == 0) {
            continue;
        }
        if (json_parse(line, &r.arena, &c, &err) < 0) {
            fail_msg("verdicts.jsonl: %s", err.msg);
        }
        run_case(&r, c);
        arena_reset(&r.arena);
    }
    printf("total %u, passed %u, failed %u, skipped %u; with headers %u, models compared %u, "
           "silent losses told %u\n",
           r.total, r.passed, r.total - r.passed - r.skipped, r.skipped, r.headers, r.models,
           r.warned);
    buf_finish(&all);
    arena_finish(&r.arena);
    assert_int_equal(r.failed, 0);
    assert_int_equal(r.total, r.passed + r.skipped);
}

static void test_corpus(void **state) {
    const char *dir = getenv("TRELLIS_FIXTURES");
    (void)state;
    if (!dir) {
        printf("total 0, passed 0, skipped all: TRELLIS_FIXTURES is not set\n");
        skip();
    }
    run_corpus(dir);
}

static void test_own_cases(void **state) {
    (void)state;
    run_corpus(TRELLIS_SOURCE_DIR "/tests/fixtures");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_corpus),
                                       cmocka_unit_test(test_own_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
