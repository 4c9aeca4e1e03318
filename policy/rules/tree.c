/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <jansson.h>
#include <yaml.h>

#include "../../plugins/common/xmem.h"

static struct tree_node *node_new(enum tree_type type, struct tree_node *parent) {
    struct tree_node *n = x_zalloc(sizeof(*n));
    n->type = type;
    n->parent = parent;
    return n;
}

static char *dup_text(const char *p, size_t n) {
    char *out = x_alloc(n + 1);
    if (n) {
        memcpy(out, p, n);
    }
    out[n] = '\0';
    return out;
}

void tree_free(struct tree_node *n) {
    if (!n) {
        return;
    }
    for (uint32_t i = 0; i < n->n; i++) {
        tree_free(n->items[i]);
    }
    free(n->items);
    free((char *)(uintptr_t)n->key);
    free(n->text);
    free(n);
}

static void add(struct tree_node *parent, struct tree_node *n) {
    if (parent->n == parent->cap) {
        parent->cap = parent->cap ? parent->cap * 2 : 8;
        parent->items = x_realloc_n(parent->items, parent->cap, sizeof(*parent->items));
    }
    n->index = parent->n;
    parent->items[parent->n++] = n;
}

const struct tree_node *tree_get(const struct tree_node *m, const char *key) {
    for (uint32_t i = 0; m && m->type == TREE_MAP && i < m->n; i++) {
        if (strcmp(m->items[i]->key, key) == 0) {
            return m->items[i];
        }
    }
    return NULL;
}

void tree_where(const struct tree_node *n, struct text *to) {
    if (n->line) {
        text_f(to, "%u:%u", n->key_line ? n->key_line : n->line,
               n->key_line ? n->key_column : n->column);
    } else if (n->parent) {
        if (n->parent->parent) {
            tree_where(n->parent, to);
        }
        if (n->key) {
            text_f(to, "/%s", n->key);
        } else {
            text_f(to, "/%u", n->index);
        }
    }
}

/* YAML */

struct reader {
    yaml_parser_t parser;
    struct text *err;
    uint32_t n_nodes;
};

static void fail_at(struct reader *r, const yaml_mark_t *at, const char *what) {
    text_f(r->err, "%zu:%zu: %s", at->line + 1, at->column + 1, what);
}

static void fail_syntax(struct reader *r) {
    const yaml_parser_t *p = &r->parser;
    bool alias = p->context && strstr(p->context, "alias");
    bool tab = p->problem && strstr(p->problem, "cannot start any token");
    const yaml_mark_t *at = p->error == YAML_READER_ERROR ? &p->mark : &p->problem_mark;
    fail_at(r, at, p->problem ? p->problem : "this is no YAML");
    if (p->error == YAML_READER_ERROR) {
        text_f(r->err, " (byte %zu)", p->problem_offset);
    }
    text_c(r->err, alias ? ": put a pattern that begins with * in quotes"
                   : tab ? ": quote it; indent with blanks, not with tabs"
                         : "");
}

/* Takes the next event; false on a syntax error. The caller deletes it. */
static bool next(struct reader *r, yaml_event_t *e) {
    if (!yaml_parser_parse(&r->parser, e)) {
        fail_syntax(r);
        return false;
    }
    return true;
}

static struct tree_node *read_value(struct reader *r, const yaml_event_t *e,
                                    struct tree_node *parent, uint32_t depth);

static bool plain_null(const yaml_event_t *e) {
    const char *v = (const char *)e->data.scalar.value;
    return e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*v || strcmp(v, "~") == 0 || strcmp(v, "null") == 0);
}

/* One member: its key has been read. */
static bool read_member(struct reader *r, const yaml_event_t *key, struct tree_node *map,
                        uint32_t depth) {
    yaml_event_t e;
    if (key->type != YAML_SCALAR_EVENT ||
        strlen((const char *)key->data.scalar.value) != key->data.scalar.length) {
        fail_at(r, &key->start_mark, "a name must be one word");
        return false;
    }
    const char *name = (const char *)key->data.scalar.value;
    if (tree_get(map, name)) {
        text_f(r->err, "%zu:%zu: '%.60s' stands twice", key->start_mark.line + 1,
               key->start_mark.column + 1, name);
        return false;
    }
    if (!next(r, &e)) {
        return false;
    }
    struct tree_node *n = read_value(r, &e, map, depth);
    yaml_event_delete(&e);
    if (n) {
        n->key = dup_text(name, strlen(name));
        n->key_line = (uint32_t)key->start_mark.line + 1;
        n->key_column = (uint32_t)key->start_mark.column + 1;
        add(map, n);
    }
    return n != NULL;
}

static bool read_inside(struct reader *r, struct tree_node *n, uint32_t depth) {
    for (;;) {
        yaml_event_t e;
        bool ok = true;
        if (!next(r, &e)) {
            return false;
        }
        if (e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&e);
            return true;
        }
        if (n->type == TREE_MAP) {
            ok = read_member(r, &e, n, depth);
        } else {
            struct tree_node *item = read_value(r, &e, n, depth);
            ok = item != NULL;
            if (ok) {
                add(n, item);
            }
        }
        yaml_event_delete(&e);
        if (!ok) {
            return false;
        }
    }
}

static bool fits(struct reader *r, const yaml_event_t *e, uint32_t depth) {
    const char *why = NULL;
    if (e->type == YAML_ALIAS_EVENT) {
        why = "aliases are not read: write it out, and put a pattern that begins with * in quotes";
    } else if (depth > TREE_DEPTH) {
        why = "nested too deeply";
    } else if (++r->n_nodes > TREE_NODES) {
        why = "too much in one file";
    } else if (e->type == YAML_SCALAR_EVENT &&
               strlen((const char *)e->data.scalar.value) != e->data.scalar.length) {
        why = "a NUL character in a text";
    }
    if (why) {
        fail_at(r, &e->start_mark, why);
    }
    return !why;
}

static struct tree_node *read_value(struct reader *r, const yaml_event_t *e,
                                    struct tree_node *parent, uint32_t depth) {
    if (!fits(r, e, depth)) {
        return NULL;
    }
    struct tree_node *n = node_new(e->type == YAML_SCALAR_EVENT           ? TREE_SCALAR
                                   : e->type == YAML_SEQUENCE_START_EVENT ? TREE_LIST
                                                                          : TREE_MAP,
                                   parent);
    n->line = (uint32_t)e->start_mark.line + 1;
    n->column = (uint32_t)e->start_mark.column + 1;
    if (n->type == TREE_SCALAR) {
        n->text = dup_text((const char *)e->data.scalar.value, e->data.scalar.length);
        n->is_null = plain_null(e);
    } else if (!read_inside(r, n, depth + 1)) {
        tree_free(n);
        return NULL;
    }
    return n;
}

/* The stream's start, one document, the stream's end. */
static struct tree_node *read_stream(struct reader *r) {
    struct tree_node *root = NULL;
    for (;;) {
        yaml_event_t e;
        bool end, ok = true;
        if (!next(r, &e)) {
            break;
        }
        end = e.type == YAML_STREAM_END_EVENT;
        if (e.type == YAML_DOCUMENT_START_EVENT && root) {
            fail_at(r, &e.start_mark, "a second document: rules are one document");
            ok = false;
        } else if (e.type != YAML_STREAM_START_EVENT && e.type != YAML_DOCUMENT_START_EVENT &&
                   e.type != YAML_DOCUMENT_END_EVENT && !end) {
            root = read_value(r, &e, NULL, 0);
            ok = root != NULL;
        }
        yaml_event_delete(&e);
        if (end && !root) {
            text_c(r->err, "1:1: nothing stands in it");
        }
        if (end && root) {
            return root;
        }
        if (end || !ok) {
            break;
        }
    }
    tree_free(root);
    return NULL;
}

struct tree_node *tree_read_yaml(trl_str text, struct text *err) {
    struct reader r = {.err = err};
    if (text.len > FILE_MAX) {
        text_f(err, "1:1: more than %u bytes", FILE_MAX);
        return NULL;
    }
    if (!yaml_parser_initialize(&r.parser)) {
        abort();
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.len ? text.ptr : ""),
                                 text.len);
    struct tree_node *root = read_stream(&r);
    yaml_parser_delete(&r.parser);
    return root;
}

/* JSON */

static struct tree_node *from_json(json_t *j, struct tree_node *parent, uint32_t depth);

static bool json_inside(json_t *j, struct tree_node *n, uint32_t depth) {
    const char *key;
    json_t *v;
    size_t i;
    json_object_foreach(j, key, v) {
        struct tree_node *m = from_json(v, n, depth + 1);
        if (!m) {
            return false;
        }
        m->key = dup_text(key, strlen(key));
        add(n, m);
    }
    json_array_foreach(j, i, v) {
        struct tree_node *m = from_json(v, n, depth + 1);
        if (!m) {
            return false;
        }
        add(n, m);
    }
    return true;
}

static struct tree_node *from_json(json_t *j, struct tree_node *parent, uint32_t depth) {
    if (depth > TREE_DEPTH) {
        return NULL;
    }
    struct tree_node *n = node_new(json_is_object(j)  ? TREE_MAP
                                   : json_is_array(j) ? TREE_LIST
                                                      : TREE_SCALAR,
                                   parent);
    if (n->type != TREE_SCALAR) {
        if (!json_inside(j, n, depth)) {
            tree_free(n);
            return NULL;
        }
    } else if (json_is_string(j)) {
        n->text = dup_text(json_string_value(j), json_string_length(j));
    } else {
        char *text = json_dumps(j, JSON_ENCODE_ANY);
        n->text = dup_text(text ? text : "", text ? strlen(text) : 0);
        n->is_null = json_is_null(j);
        free(text);
    }
    return n;
}

struct tree_node *tree_read_json(trl_str text, struct text *err) {
    json_error_t e;
    json_t *j = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &e);
    if (!j) {
        text_c(err, e.text);
        return NULL;
    }
    struct tree_node *n = from_json(j, NULL, 0);
    json_decref(j);
    if (!n) {
        text_c(err, "nested too deeply");
    }
    return n;
}
