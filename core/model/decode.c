/* SPDX-License-Identifier: Apache-2.0 */
#include "model/decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

size_t dec_member(struct decoder *d, str key) {
    size_t len = d->path.len;
    if (len) {
        buf_add_c(&d->path, '.');
    }
    buf_add_str(&d->path, key);
    return len;
}

size_t dec_index(struct decoder *d, uint32_t i) {
    size_t len = d->path.len;
    buf_addf(&d->path, "[%u]", i);
    return len;
}

void dec_pop(struct decoder *d, size_t len) {
    d->path.len = len;
    if (d->path.ptr) {
        d->path.ptr[len] = '\0';
    }
}

struct text_pos dec_pos(const struct node *n) {
    return n ? (struct text_pos){n->line, n->column} : (struct text_pos){0, 0};
}

/* "path: text"; the path alone would not reach a client of wadm's API. */
static void add(struct decoder *d, enum finding_level level, struct text_pos at, const char *code,
                const char *fix, str text) {
    struct buf b = BUF_INIT;
    buf_add_str(&b, buf_str(&d->path));
    if (b.len) {
        buf_add(&b, ": ", 2);
    }
    buf_add_str(&b, text);
    findings_add(d->f, level, code, buf_str(&d->path), at.line, at.column, buf_str(&b),
                 str_c(fix ? fix : ""));
    buf_finish(&b);
}

static void keep_fault(struct decoder *d, struct text_pos at, str text) {
    struct trait_faults *x = d->trial;
    if (!x->at) {
        x->at = ARENA_ARRAY(d->arena, struct trait_fault, TRAIT_FAULTS_MAX);
    }
    if (x->n < TRAIT_FAULTS_MAX) {
        x->at[x->n++] = (struct trait_fault){arena_str(d->arena, buf_str(&d->path)),
                                             arena_str(d->arena, text), at.line, at.column};
    }
}

void dec_fault(struct decoder *d, struct text_pos at, const char *code, const char *fix,
               const char *fmt, ...) {
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_addv(&b, fmt, ap);
    va_end(ap);
    if (!d->trial) {
        add(d, FINDING_ERROR, at, code, fix, buf_str(&b));
    } else {
        keep_fault(d, at, buf_str(&b));
    }
    d->faults++;
    buf_finish(&b);
}

void dec_warn(struct decoder *d, struct text_pos at, const char *code, const char *fix,
              const char *fmt, ...) {
    if (d->trial) {
        return;
    }
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_addv(&b, fmt, ap);
    va_end(ap);
    add(d, FINDING_WARNING, at, code, fix, buf_str(&b));
    buf_finish(&b);
}

static const char *type_name(const struct node *n) {
    static const char *const names[] = {"null",     "a boolean", "an integer", "a number",
                                        "a string", "a list",    "a mapping"};
    return n->type == NODE_NULL && n->text.len == 0 ? "nothing" : names[n->type];
}

static void wrong_type(struct decoder *d, const struct node *n, const char *wanted) {
    bool scalar = n->type == NODE_BOOL || n->type == NODE_INT || n->type == NODE_FLOAT;
    const char *fix = scalar && strcmp(wanted, "a string") == 0 ? "put the value in quotes" : NULL;
    dec_fault(d, dec_pos(n), "wrong-type", fix, "expected %s, found %s", wanted, type_name(n));
}

/* Nothing behind the colon: an empty list or mapping where wadm decodes directly. */
static bool is_blank(const struct decoder *d, const struct node *n, enum regime regime) {
    return regime == DIRECT && !d->json && n->type == NODE_NULL && n->text.len == 0;
}

static void unknown_member(struct decoder *d, const struct node_member *m,
                           const struct fields *fs) {
    struct text_pos at = {m->line, m->column};
    if (!fs->deny) {
        dec_warn(d, at, "unknown-member", "remove it, or check its spelling",
                 "unknown member of %s: it is kept but has no effect", fs->what);
        return;
    }
    struct buf names = BUF_INIT;
    for (int i = 0; i < FIELDS_MAX && fs->names[i]; i++) {
        buf_addf(&names, "%s%s", i ? ", " : "", fs->names[i]);
    }
    dec_fault(d, at, "unknown-member", "remove it, or check its spelling",
              "unknown member, %s has: %s", fs->what, names.ptr);
    buf_finish(&names);
}

static void one_field(struct decoder *d, const struct node_member *m, const struct fields *fs,
                      struct node **out) {
    struct text_pos at = {m->line, m->column};
    enum regime regime = fs->regime;
    const struct node *k = m->key_node;
    if (k && (k->type == NODE_ARRAY || k->type == NODE_OBJECT)) {
        dec_fault(d, at, "wrong-key", NULL, "a list or a mapping cannot be the name of a member");
        return;
    }
    bool number = k && k->type == NODE_INT && !k->negative && !fs->deny; /* just not known */
    if (k && regime != DIRECT && k->type != NODE_STRING && !number) {
        size_t len = dec_member(d, m->key);
        dec_fault(d, at, "wrong-key", "put the name in quotes",
                  "the name of a member must be a string, found %s", type_name(k));
        dec_pop(d, len);
        return;
    }
    size_t len = dec_member(d, m->key);
    int i = fields_find(fs, m->key);
    if (i < 0) {
        unknown_member(d, m, fs);
    } else if (out[i] && regime == TREE) {
        dec_warn(d, at, "duplicate-member", "remove one of them",
                 "this member is there twice: the one in line %u is dropped, this one counts",
                 out[i]->line);
        out[i] = m->value;
    } else if (out[i]) {
        dec_fault(d, at, "duplicate-member", "remove one of them",
                  "duplicate member, it stands in line %u already", out[i]->line);
    } else {
        out[i] = m->value;
    }
    dec_pop(d, len);
}

bool dec_fields(struct decoder *d, const struct node *n, const struct fields *fs,
                struct node **out) {
    memset(out, 0, FIELDS_MAX * sizeof(*out));
    if (is_blank(d, n, fs->regime)) {
        return true;
    }
    if (n->type != NODE_OBJECT) {
        wrong_type(d, n, "a mapping");
        return false;
    }
    for (uint32_t i = 0; i < n->n; i++) {
        one_field(d, &n->members[i], fs, out);
    }
    return true;
}

const struct node *dec_need(struct decoder *d, const struct node *parent, const struct fields *fs,
                            struct node **out, int index) {
    if (!out[index]) {
        size_t len = dec_member(d, str_c(fs->names[index]));
        dec_fault(d, dec_pos(parent), "missing-member", NULL, "missing member, %s needs it",
                  fs->what);
        dec_pop(d, len);
    }
    return out[index];
}

bool dec_string(struct decoder *d, const struct node *n, enum regime regime, str *ret) {
    bool scalar = n->type != NODE_ARRAY && n->type != NODE_OBJECT;
    if (n->type != NODE_STRING && (regime != DIRECT || d->json || !scalar)) {
        wrong_type(d, n, "a string");
        return false;
    }
    *ret = n->text;
    return true;
}

void dec_need_string(struct decoder *d, const struct node *parent, const struct fields *fs,
                     struct node **out, int index, str *ret) {
    const struct node *n = dec_need(d, parent, fs, out, index);
    if (n) {
        size_t len = dec_member(d, str_c(fs->names[index]));
        dec_string(d, n, fs->regime, ret);
        dec_pop(d, len);
    }
}

void dec_opt_string(struct decoder *d, const struct fields *fs, struct node **out, int index,
                    str *ret) {
    if (!node_is_null(out[index])) {
        size_t len = dec_member(d, str_c(fs->names[index]));
        dec_string(d, out[index], fs->regime, ret);
        dec_pop(d, len);
    }
}

bool dec_list(struct decoder *d, const struct node *n, enum regime regime, uint32_t *ret_n) {
    *ret_n = 0;
    if (is_blank(d, n, regime)) {
        return true;
    }
    if (n->type != NODE_ARRAY) {
        wrong_type(d, n, "a list");
        return false;
    }
    *ret_n = n->n;
    return true;
}

struct entry {
    struct pair pair;
    const struct node_member *m;
};

static int entry_cmp(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int c = str_cmp(x->pair.key, y->pair.key);
    return c ? c : x->m < y->m ? -1 : x->m > y->m;
}

static bool map_entry(struct decoder *d, const struct node_member *m, enum regime regime,
                      struct pair *ret) {
    const struct node *k = m->key_node;
    size_t len = dec_member(d, m->key);
    bool ok = true;
    if (k && (k->type == NODE_ARRAY || k->type == NODE_OBJECT ||
              (regime != DIRECT && k->type != NODE_STRING))) {
        dec_fault(d, (struct text_pos){m->line, m->column}, "wrong-key", "put the key in quotes",
                  "a key must be a string, found %s", type_name(k));
        ok = false;
    }
    ret->key = m->key;
    ok = dec_string(d, m->value, regime, &ret->value) && ok;
    dec_pop(d, len);
    return ok;
}

/* Sorted by key; of equal keys the last counts, and the others are told. */
void dec_map(struct decoder *d, const struct node *n, enum regime regime, struct pair **ret,
             uint32_t *ret_n) {
    uint32_t used = 0;
    if (is_blank(d, n, regime)) {
        return;
    }
    if (n->type != NODE_OBJECT) {
        wrong_type(d, n, "a mapping");
        return;
    }
    struct entry *at = mem_array(n->n + 1, sizeof(*at));
    for (uint32_t i = 0; i < n->n; i++) {
        at[used].m = &n->members[i];
        used += map_entry(d, &n->members[i], regime, &at[used].pair);
    }
    qsort(at, used, sizeof(*at), entry_cmp);
    *ret = ARENA_ARRAY(d->arena, struct pair, used);
    *ret_n = 0;
    for (uint32_t i = 0; i < used; i++) {
        if (i + 1 < used && str_eq(at[i].pair.key, at[i + 1].pair.key)) {
            size_t len = dec_member(d, at[i].pair.key);
            dec_warn(d, (struct text_pos){at[i].m->line, at[i].m->column}, "duplicate-key",
                     "remove one of them",
                     "this key is there twice: this one is dropped, the one in line %u counts",
                     at[i + 1].m->line);
            dec_pop(d, len);
        } else {
            (*ret)[(*ret_n)++] = at[i].pair;
        }
    }
    mem_free(at);
}

static bool one_buffered(struct decoder *d, const struct node *n) {
    if (n->flags & NODE_LOCAL_TAG) {
        dec_fault(d, dec_pos(n), "tag", "remove the tag", "a tag (!…) is not allowed here");
    } else if (n->flags & NODE_BAD_TAG) {
        dec_fault(d, dec_pos(n), "tag", "remove the tag", "the text does not fit its tag");
    } else if (n->flags & NODE_WIDE) {
        dec_fault(d, dec_pos(n), "number", "put it in quotes, if text will do",
                  "an integer beyond 64 bits");
    } else {
        return true;
    }
    return false;
}

bool dec_buffered(struct decoder *d, const struct node *n, bool keys) {
    bool ok = one_buffered(d, n);
    for (uint32_t i = 0; n->type == NODE_ARRAY && i < n->n; i++) {
        size_t len = dec_index(d, i);
        ok = dec_buffered(d, n->items[i], keys) && ok;
        dec_pop(d, len);
    }
    for (uint32_t i = 0; n->type == NODE_OBJECT && i < n->n; i++) {
        const struct node_member *m = &n->members[i];
        size_t len = dec_member(d, m->key);
        if (m->key_node && keys && m->key_node->type != NODE_STRING) {
            dec_fault(d, (struct text_pos){m->line, m->column}, "wrong-key",
                      "put the key in quotes", "a key must be a string, found %s",
                      type_name(m->key_node));
            ok = false;
        } else if (m->key_node) {
            ok = dec_buffered(d, m->key_node, keys) && ok;
        }
        ok = dec_buffered(d, m->value, keys) && ok;
        dec_pop(d, len);
    }
    return ok;
}
