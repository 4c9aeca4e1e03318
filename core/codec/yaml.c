/* SPDX-License-Identifier: Apache-2.0
 *
 * libyaml's events only: its document interface is quadratic in anchors. An alias shares the nodes
 * of its anchor, but counts and nests as if they stood there again, so whoever walks the tree meets
 * no more than the limits.
 */
#include "codec/yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/map.h"
#include "base/mem.h"
#include "codec/yaml_scalar.h"

/* What an anchor stands for. */
struct anchor {
    struct node *node;
    uint32_t nodes, height; /* of the whole subtree */
    bool open;              /* still being read: an alias to it is recursive */
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    struct arena *arena;
    struct yaml_report *report;
    struct err *err;
    str text;
    size_t skipped; /* the byte order mark */
    struct map anchors;
    uint32_t depth, flow, nodes;
    VEC(struct node *) items;
    VEC(struct node_member) members;
};

/* The reader tells an offset only. */
static struct text_pos pos_at(const struct reader *r, size_t offset) {
    struct text_pos p = {1, 1};
    for (size_t i = r->skipped; i < r->text.len && i < offset + r->skipped; i++) {
        unsigned char c = (unsigned char)r->text.ptr[i];
        if (c == '\n') {
            p.line++;
            p.column = 1;
        } else if ((c & 0xc0) != 0x80) {
            p.column++;
        }
    }
    return p;
}

static struct text_pos pos_of(const yaml_mark_t *m) {
    return (struct text_pos){(uint32_t)m->line + 1, (uint32_t)m->column + 1};
}

static int parser_fault(struct reader *r) {
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "no reason given";
    if (p->error == YAML_READER_ERROR) {
        r->report->pos = pos_at(r, p->problem_offset);
        return err_set(r->err, TRL_E_INVALID, "%s (manifests are UTF-8 text)", problem);
    }
    r->report->pos = pos_of(&p->problem_mark);
    if (p->context) {
        return err_set(r->err, TRL_E_INVALID, "%s, %s that starts in line %zu", problem, p->context,
                       p->context_mark.line + 1);
    }
    return err_set(r->err, TRL_E_INVALID, "%s", problem);
}

__attribute__((format(printf, 2, 3))) static int fail(struct reader *r, const char *fmt, ...) {
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    r->report->pos = pos_of(&r->event.start_mark);
    return err_set(r->err, TRL_E_INVALID, "%s", text);
}

/* The next event; the one before it is gone. */
static int next(struct reader *r) {
    yaml_event_delete(&r->event);
    r->report->steps += r->flow > 16 ? r->flow - 15 : 1; /* libyaml looks at each open bracket */
    if (r->report->steps > YAML_MAX_STEPS) {
        r->report->pos = pos_of(&r->parser.mark);
        r->report->limit = true;
        return err_set(r->err, TRL_E_INVALID, "the document takes more than %u steps to read",
                       YAML_MAX_STEPS);
    }
    return yaml_parser_parse(&r->parser, &r->event) ? 0 : parser_fault(r);
}

static struct anchor *anchor_add(struct reader *r, const yaml_char_t *name, struct node *n) {
    if (!name) {
        return NULL;
    }
    struct anchor *a = ARENA_NEW(r->arena, struct anchor);
    a->node = n;
    a->open = true;
    map_set(&r->anchors, str_c((const char *)name), a);
    return a;
}

static void anchor_close(struct anchor *a, uint32_t nodes, uint32_t height) {
    if (a) {
        a->nodes = nodes;
        a->height = height;
        a->open = false;
    }
}

static int too_deep(struct reader *r) {
    r->report->limit = true;
    return fail(r, "nested deeper than %u levels", YAML_MAX_DEPTH);
}

static int count(struct reader *r, uint32_t more) {
    r->nodes += more;
    r->report->limit = r->nodes > YAML_MAX_NODES;
    return r->nodes > YAML_MAX_NODES
               ? fail(r, "more than %u values in one document, aliases counted as often as used",
                      YAML_MAX_NODES)
               : 0;
}

static int read_alias(struct reader *r, struct node **ret, uint32_t *ret_height) {
    const struct anchor *a = map_get(&r->anchors, str_c((const char *)r->event.data.alias.anchor));
    if (!a) {
        return fail(r, "the alias *%.64s has no anchor before it",
                    (const char *)r->event.data.alias.anchor);
    }
    if (a->open) {
        return fail(r, "the alias *%.64s stands within its own anchor",
                    (const char *)r->event.data.alias.anchor);
    }
    if (r->depth + a->height > YAML_MAX_DEPTH) {
        return too_deep(r);
    }
    *ret = a->node;
    *ret_height = a->height;
    return count(r, a->nodes);
}

static int read_scalar(struct reader *r, struct node *n) {
    str s = str_n((const char *)r->event.data.scalar.value, r->event.data.scalar.length);
    n->text = arena_str(r->arena, s);
    yaml_scalar_type(n, r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE,
                     (const char *)r->event.data.scalar.tag);
    return 0;
}

static int read_node(struct reader *r, struct node **ret, uint32_t *ret_height);

static int read_items(struct reader *r, struct node *n, uint32_t *height) {
    uint32_t base = r->items.n, below = 0;
    int rc = next(r);
    while (rc == 0 && r->event.type != YAML_SEQUENCE_END_EVENT) {
        struct node *item = NULL;
        rc = read_node(r, &item, &below);
        if (rc == 0) {
            *VEC_ADD(&r->items) = item;
            *height = below >= *height ? below + 1 : *height;
            rc = next(r);
        }
    }
    n->n = r->items.n - base;
    n->items = ARENA_ARRAY(r->arena, struct node *, n->n);
    if (n->n) {
        memcpy(n->items, r->items.at + base, n->n * sizeof(*n->items));
    }
    r->items.n = base;
    return rc;
}

static int read_member(struct reader *r, uint32_t *height) {
    struct node_member m = {.line = (uint32_t)r->event.start_mark.line + 1,
                            .column = (uint32_t)r->event.start_mark.column + 1};
    struct node *key = NULL;
    uint32_t below = 0;
    int rc = read_node(r, &key, &below);
    if (rc < 0) {
        return rc;
    }
    r->nodes -= r->nodes > 0; /* only values are counted */
    *height = below >= *height ? below + 1 : *height;
    m.key = key->text;
    m.key_node = key->type == NODE_STRING && !key->flags ? NULL : key;
    rc = next(r);
    if (rc == 0) {
        rc = read_node(r, &m.value, &below);
    }
    if (rc == 0) {
        *VEC_ADD(&r->members) = m;
        *height = below >= *height ? below + 1 : *height;
        rc = next(r);
    }
    return rc;
}

static int read_members(struct reader *r, struct node *n, uint32_t *height) {
    uint32_t base = r->members.n;
    int rc = next(r);
    while (rc == 0 && r->event.type != YAML_MAPPING_END_EVENT) {
        rc = read_member(r, height);
    }
    n->n = r->members.n - base;
    n->members = ARENA_ARRAY(r->arena, struct node_member, n->n);
    if (n->n) {
        memcpy(n->members, r->members.at + base, n->n * sizeof(*n->members));
    }
    r->members.n = base;
    return rc;
}

static int read_collection(struct reader *r, struct node *n, uint32_t *height) {
    bool list = r->event.type == YAML_SEQUENCE_START_EVENT;
    const yaml_char_t *tag =
        list ? r->event.data.sequence_start.tag : r->event.data.mapping_start.tag;
    bool flow = list ? r->event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE
                     : r->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
    n->type = list ? NODE_ARRAY : NODE_OBJECT;
    n->flags = tag && tag[0] == '!' ? NODE_LOCAL_TAG : 0;
    if (r->depth == YAML_MAX_DEPTH) {
        return too_deep(r);
    }
    *height = 1;
    r->depth++;
    r->flow += flow;
    int rc = list ? read_items(r, n, height) : read_members(r, n, height);
    r->depth--;
    r->flow -= flow;
    return rc;
}

/* The current event starts the node; afterwards it is the node's last. ret_height: levels of
 * collections, 0 for a scalar. */
static int read_node(struct reader *r, struct node **ret, uint32_t *ret_height) {
    uint32_t before = r->nodes, height = 0;
    *ret_height = 0;
    if (r->event.type == YAML_ALIAS_EVENT) {
        return read_alias(r, ret, ret_height);
    }
    int rc = count(r, 1);
    if (rc < 0) {
        return rc;
    }
    struct node *n = ARENA_NEW(r->arena, struct node);
    struct text_pos at = pos_of(&r->event.start_mark);
    struct anchor *a = NULL;
    n->line = at.line;
    n->column = at.column;
    if (r->event.type == YAML_SCALAR_EVENT) {
        a = anchor_add(r, r->event.data.scalar.anchor, n);
        rc = read_scalar(r, n);
    } else {
        a = anchor_add(r,
                       r->event.type == YAML_SEQUENCE_START_EVENT
                           ? r->event.data.sequence_start.anchor
                           : r->event.data.mapping_start.anchor,
                       n);
        rc = read_collection(r, n, &height);
    }
    if (rc == 0) {
        anchor_close(a, r->nodes - before, height);
        *ret = n;
        *ret_height = height;
    }
    return rc;
}

static int read_stream(struct reader *r, struct node **ret) {
    uint32_t height = 0;
    int rc = next(r); /* stream start */
    rc = rc < 0 ? rc : next(r);
    if (rc == 0 && r->event.type == YAML_STREAM_END_EVENT) {
        *ret = ARENA_NEW(r->arena, struct node); /* nothing at all reads as an empty value */
        (*ret)->line = (*ret)->column = 1;
        return 0;
    }
    rc = rc < 0 ? rc : next(r);
    rc = rc < 0 ? rc : read_node(r, ret, &height);
    rc = rc < 0 ? rc : next(r); /* document end */
    rc = rc < 0 ? rc : next(r);
    if (rc == 0 && r->event.type != YAML_STREAM_END_EVENT) {
        rc = fail(r, "a second document starts here, only one is allowed");
    }
    return rc;
}

/* libyaml compares each %TAG with all before it. */
static bool too_many_directives(str text) {
    uint32_t n = 0;
    const char *p = text.ptr, *end = text.ptr + text.len;
    while (p && p < end && n <= YAML_MAX_DIRECTIVES) {
        n += *p == '%';
        p = memchr(p, '\n', (size_t)(end - p));
        p = p ? p + 1 : NULL;
    }
    return n > YAML_MAX_DIRECTIVES;
}

int yaml_parse_report(str text, struct arena *a, struct node **ret, struct yaml_report *report,
                      struct err *err) {
    struct reader r = {.arena = a, .report = report, .err = err, .text = text};
    struct node *n = NULL;
    *report = (struct yaml_report){{0, 0}, 0, false};
    if (too_many_directives(text)) {
        return err_set(err, TRL_E_INVALID, "more than %u lines that start with %%",
                       YAML_MAX_DIRECTIVES);
    }
    if (!yaml_parser_initialize(&r.parser)) {
        return err_set(err, TRL_E_NOMEM, "no memory for the YAML parser");
    }
    if (str_starts(text, STR("\xef\xbb\xbf"))) {
        r.skipped = 3;
    }
    str body = str_skip(text, r.skipped);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(body.ptr ? body.ptr : ""),
                                 body.len);
    int rc = read_stream(&r, &n);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    map_finish(&r.anchors);
    VEC_FREE(&r.items);
    VEC_FREE(&r.members);
    if (rc == 0) {
        *ret = n;
    }
    return rc;
}

int yaml_parse(str text, struct arena *a, struct node **ret, struct err *err) {
    struct yaml_report report;
    int rc = yaml_parse_report(text, a, ret, &report, err);
    if (rc < 0 && report.pos.line) {
        err_wrap(err, "line %u, column %u", report.pos.line, report.pos.column);
    }
    return rc;
}
