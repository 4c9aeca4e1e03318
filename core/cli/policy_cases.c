/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/policy_cases.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/policy_subject.h"
#include "cli/files.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "policy/audit.h"
#include "policy/ruling.h"

struct reading {
    struct policy_cases *cs;
    str file;
    struct err *err;
};

__attribute__((format(printf, 3, 4))) static int wrong(struct reading *r, const struct node *at,
                                                       const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(r->err, TRL_E_INVALID, "%.*s:%u:%u: %s", PSTR(r->file), at->line, at->column,
                   text);
}

str policy_case_text(const struct node *n, uint32_t nth) {
    if (n && n->type == NODE_ARRAY) {
        n = nth < n->n ? n->items[nth] : NULL;
    } else if (nth > 0) {
        n = NULL;
    }
    return n && n->type == NODE_STRING ? n->text : STR_NONE;
}

static int check_members(struct reading *r, const struct node *n) {
    static const char *const known[] = {"name",   "point", "manifest", "subject",
                                        "expect", "rule",  "code",     "enforce"};
    for (uint32_t i = 0; i < n->n; i++) {
        const struct node_member *m = &n->members[i];
        size_t k = 0;
        while (k < ARRAY_LEN(known) && !str_is(m->key, known[k])) {
            k++;
        }
        if (k == ARRAY_LEN(known)) {
            return wrong(
                r, n,
                "a case has no '%.*s': it has name, point, manifest, subject, expect, rule, "
                "code, enforce",
                PSTR(m->key));
        }
    }
    return 0;
}

static int read_texts(struct reading *r, const struct node *n, const char *what) {
    uint32_t count = n && n->type == NODE_ARRAY ? n->n : 1;
    for (uint32_t i = 0; n && i < count; i++) {
        if (!policy_case_text(n, i).len) {
            return wrong(r, n, "%s must be a text or a list of texts", what);
        }
    }
    return 0;
}

/* Members of `over` instead of those of the same name in `base` (NULL: none), and the point. */
static void write_subject(struct policy_case *pc, const struct node *base, const struct node *over,
                          struct arena *a) {
    struct buf text = BUF_INIT;
    struct jw w;
    jw_init(&w, &text, false);
    jw_object(&w);
    if (!node_get(base, "point") && !node_get(over, "point")) {
        jw_kv(&w, "point", str_c(policy_point_name(pc->point)));
    }
    for (uint32_t i = 0; base && i < base->n; i++) {
        if (!node_get_str(over, base->members[i].key)) {
            jw_key_str(&w, base->members[i].key);
            jw_node(&w, base->members[i].value);
        }
    }
    for (uint32_t i = 0; over && i < over->n; i++) {
        jw_key_str(&w, over->members[i].key);
        jw_node(&w, over->members[i].value);
    }
    jw_end_object(&w);
    pc->subject = arena_str(a, buf_str(&text));
    buf_finish(&text);
}

/* What policies hear of a manifest. path: relative to the file of the case. */
static int subject_of(struct reading *r, const struct node *at, const struct policy_case *pc,
                      const struct node **ret) {
    struct buf text = BUF_INIT, json = BUF_INIT;
    struct manifest *m = NULL;
    struct findings f;
    struct node *n = NULL;
    size_t dir = r->file.len;
    while (dir > 0 && r->file.ptr[dir - 1] != '/') {
        dir--;
    }
    str path = arena_printf(&r->cs->arena, "%.*s%.*s", at->text.ptr[0] == '/' ? 0 : (int)dir,
                            r->file.ptr, PSTR(at->text));
    if (file_read(path.ptr, &text, r->err) < 0) {
        return err_wrap(r->err, "%.*s:%u:%u", PSTR(r->file), at->line, at->column);
    }
    findings_init(&f);
    int rc = manifest_parse(buf_str(&text), MANIFEST_ANY, &m, &f);
    if (rc < 0) {
        const struct finding *first = findings_first_error(&f);
        struct buf why = BUF_INIT;
        finding_format(first, path, &why);
        rc = wrong(r, at, "%.*s", PSTR(buf_str(&why)));
        buf_finish(&why);
    } else {
        struct policy_subject s = {.point = pc->point, .lattice = STR("default")};
        policy_subject_write(&s, m, &json);
        rc = json_parse(arena_str(&r->cs->arena, buf_str(&json)), &r->cs->arena, &n, r->err);
    }
    *ret = n;
    manifest_destroy(m);
    findings_finish(&f);
    buf_finish(&json);
    buf_finish(&text);
    return rc;
}

static int read_subject(struct reading *r, const struct node *n, struct policy_case *pc) {
    const struct node *subject = node_get(n, "subject"), *file = node_get(n, "manifest"),
                      *base = NULL;
    bool of_manifest = pc->point == TRL_POINT_PUT || pc->point == TRL_POINT_DEPLOY;
    if ((subject && subject->type != NODE_OBJECT) || (!subject && !file)) {
        return wrong(r, n, "subject must be a map: docs/policy.md lists what is in it");
    }
    if (file && (file->type != NODE_STRING || !file->text.len || !of_manifest)) {
        return wrong(r, file, "manifest is a file, and goes with the points put and deploy");
    }
    int rc = file ? subject_of(r, file, pc, &base) : 0;
    if (rc == 0) {
        write_subject(pc, base, subject, &r->cs->arena);
    }
    return rc;
}

static int read_verdict(struct reading *r, const struct node *n, struct policy_case *pc) {
    str expect = node_text(n, "expect", STR_NONE);
    for (pc->verdict = TRL_V_ABSTAIN; pc->verdict <= TRL_V_DENY; pc->verdict++) {
        if (str_is(expect, ruling_word(pc->verdict))) {
            return 0;
        }
    }
    return wrong(r, n, "expect must be allow, warn, deny or abstain");
}

static int read_enforce(struct reading *r, const struct node *n, struct policy_case *pc) {
    const struct node *enforce = node_get(n, "enforce");
    str text = node_text(n, "enforce", STR_NONE);
    if (!enforce) {
        return 0;
    }
    pc->stop_known = true;
    pc->stop = str_is(text, "stop");
    return pc->stop || str_is(text, "start") ? 0
                                             : wrong(r, enforce, "enforce must be stop or start");
}

static int read_case(struct reading *r, const struct node *n) {
    struct policy_case pc = {.file = r->file, .line = n->line};
    if (n->type != NODE_OBJECT) {
        return wrong(r, n, "a case must be a map with name, point, subject and expect");
    }
    pc.name = node_text(n, "name", STR_NONE);
    pc.rules = node_get(n, "rule");
    pc.codes = node_get(n, "code");
    int rc = check_members(r, n);
    if (rc == 0 && !pc.name.len) {
        rc = wrong(r, n, "a case without a name");
    }
    if (rc == 0 && !policy_point_parse(node_text(n, "point", STR_NONE), &pc.point)) {
        rc = wrong(r, n, "point must be put, deploy, place, command, host or secret");
    }
    rc = rc ? rc : read_subject(r, n, &pc);
    rc = rc ? rc : read_verdict(r, n, &pc);
    rc = rc ? rc : read_enforce(r, n, &pc);
    rc = rc ? rc : read_texts(r, pc.rules, "rule");
    rc = rc ? rc : read_texts(r, pc.codes, "code");
    if (rc == 0) {
        *VEC_ADD(&r->cs->all) = pc;
    }
    return rc;
}

static int read_document(struct reading *r, str text) {
    struct node *root = NULL;
    int rc = str_ends(r->file, STR(".json")) ? json_parse(text, &r->cs->arena, &root, r->err)
                                             : yaml_parse(text, &r->cs->arena, &root, r->err);
    if (rc < 0) {
        return err_wrap(r->err, "%.*s", PSTR(r->file));
    }
    const struct node *list = node_get(root, "cases");
    if (!list || list->type != NODE_ARRAY || root->n != 1) {
        return wrong(r, root, "a file of cases is `cases:` with a list");
    }
    for (uint32_t i = 0; rc == 0 && i < list->n; i++) {
        rc = read_case(r, list->items[i]);
    }
    return rc;
}

static int read_file(struct policy_cases *cs, const char *path, struct err *err) {
    struct reading r = {cs, arena_str(&cs->arena, str_c(path)), err};
    struct buf text = BUF_INIT;
    int rc = file_read(path, &text, err);
    if (rc == 0) { /* nodes point into their arena, not into the text */
        rc = read_document(&r, arena_str(&cs->arena, buf_str(&text)));
        buf_finish(&text);
    }
    return rc;
}

static int is_case_file(const struct dirent *e) {
    str name = str_c(e->d_name);
    return name.ptr[0] != '.' && (str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml")) ||
                                  str_ends(name, STR(".json")));
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name); /* alphasort would ask the locale */
}

static int read_directory(struct policy_cases *cs, const char *path, struct err *err) {
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, is_case_file, by_name), rc = 0;
    if (n < 0) {
        return err_set(err, TRL_E_INVALID, "cannot read %s: %s", path, strerror(errno));
    }
    if (n == 0) {
        rc = err_set(err, TRL_E_INVALID, "%s: no *.yaml, *.yml or *.json in it", path);
    }
    for (int i = 0; i < n; i++) {
        size_t len = strlen(path);
        while (len > 1 && path[len - 1] == '/') {
            len--;
        }
        str file = arena_printf(&cs->arena, "%.*s/%s", (int)len, path, entries[i]->d_name);
        rc = rc ? rc : read_file(cs, file.ptr, err);
        free(entries[i]); /* of libc */
    }
    free(entries);
    return rc;
}

int policy_cases_read(struct policy_cases *cs, const char *path, struct err *err) {
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return read_directory(cs, path, err);
    }
    return read_file(cs, path, err);
}

void policy_cases_finish(struct policy_cases *cs) {
    VEC_FREE(&cs->all);
    arena_finish(&cs->arena);
}
