/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/schema.h"

#include <math.h>

#include "base/mem.h"
#include "codec/json.h"
#include "codec/schema_priv.h"

bool schema_fits_type(str type, const struct node *v) {
    static const struct {
        const char *name;
        enum node_type a, b;
    } types[] = {{"null", NODE_NULL, NODE_NULL},       {"boolean", NODE_BOOL, NODE_BOOL},
                 {"integer", NODE_INT, NODE_INT},      {"number", NODE_INT, NODE_FLOAT},
                 {"string", NODE_STRING, NODE_STRING}, {"array", NODE_ARRAY, NODE_ARRAY},
                 {"object", NODE_OBJECT, NODE_OBJECT}};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_is(type, types[i].name)) {
            return !v || v->type == types[i].a || v->type == types[i].b;
        }
    }
    return false;
}

bool schema_same(const struct node *a, const struct node *b) {
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case NODE_NULL:
        return true;
    case NODE_BOOL:
        return a->boolean == b->boolean;
    case NODE_INT:
        return a->negative == b->negative && a->integer == b->integer;
    case NODE_FLOAT:
        return !(a->number < b->number) && !(a->number > b->number);
    case NODE_STRING:
        return str_eq(a->text, b->text);
    default:
        return false; /* schema_check allows scalars only */
    }
}

/* Integers exactly, else as doubles. */
static int compare(const struct node *a, const struct node *b) {
    if (a->type == NODE_INT && b->type == NODE_INT) {
        if (a->negative != b->negative) {
            return a->negative ? -1 : 1;
        }
        int c = a->integer < b->integer ? -1 : a->integer > b->integer;
        return a->negative ? -c : c;
    }
    return a->number < b->number ? -1 : a->number > b->number;
}

struct check {
    struct arena *arena;
    struct schema_findings *f;
    struct buf pointer;
    uint32_t n;
};

/* What was found is not shown: it may be a password. */
__attribute__((format(printf, 4, 5))) static void found(struct check *c, uint32_t line,
                                                        uint32_t column, const char *fmt, ...) {
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_addv(&b, fmt, ap);
    va_end(ap);
    struct schema_findings *f = c->f;
    f->at = mem_grow(f->at, &f->cap, f->n + 1, sizeof(*f->at));
    f->at[f->n++] = (struct schema_finding){.pointer = arena_str(c->arena, buf_str(&c->pointer)),
                                            .line = line,
                                            .column = column,
                                            .text = arena_str(c->arena, buf_str(&b))};
    c->n++;
    buf_finish(&b);
}

static size_t enter(struct check *c, str token) {
    size_t len = c->pointer.len;
    buf_add_c(&c->pointer, '/');
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] == '~' || token.ptr[i] == '/') {
            buf_addf(&c->pointer, token.ptr[i] == '~' ? "~0" : "~1");
        } else {
            buf_add_c(&c->pointer, token.ptr[i]);
        }
    }
    return len;
}

static void validate(struct check *c, const struct node *schema, const struct node *v);

static void validate_number(struct check *c, const struct node *schema, const struct node *v) {
    const struct node *low = node_get(schema, "minimum"), *high = node_get(schema, "maximum");
    if (v->type == NODE_FLOAT && !isfinite(v->number)) {
        found(c, v->line, v->column, "must be a finite number");
    } else if (low && compare(v, low) < 0) {
        found(c, v->line, v->column, "must be at least %.*s", PSTR(low->text));
    } else if (high && compare(v, high) > 0) {
        found(c, v->line, v->column, "must be at most %.*s", PSTR(high->text));
    }
}

static void validate_length(struct check *c, const struct node *schema, const struct node *v,
                            const char *least, const char *most, uint64_t len, const char *what) {
    uint64_t low = node_u64_or(schema, least, 0), high = node_u64_or(schema, most, UINT64_MAX);
    if (len < low) {
        found(c, v->line, v->column, "must have at least %llu %s, has %llu",
              (unsigned long long)low, what, (unsigned long long)len);
    } else if (len > high) {
        found(c, v->line, v->column, "must have at most %llu %s, has %llu",
              (unsigned long long)high, what, (unsigned long long)len);
    }
}

static uint64_t characters(str s) {
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    }
    return n;
}

static void unknown(struct check *c, const struct node_member *m, const struct node *properties) {
    struct buf names = BUF_INIT;
    for (uint32_t i = 0; properties && i < properties->n; i++) {
        buf_addf(&names, "%s%.*s", i ? ", " : "", PSTR(properties->members[i].key));
    }
    found(c, m->line, m->column, "is not known here; known: %s", names.len ? names.ptr : "nothing");
    buf_finish(&names);
}

static void validate_object(struct check *c, const struct node *schema, const struct node *v) {
    const struct node *properties = node_get(schema, "properties");
    const struct node *required = node_get(schema, "required");
    bool closed = !node_bool_or(schema, "additionalProperties", true);
    for (uint32_t i = 0; i < v->n; i++) {
        const struct node_member *m = &v->members[i];
        const struct node *sub = node_get_str(properties, m->key);
        size_t len = enter(c, m->key);
        if (node_get_str(v, m->key) != m->value) {
            found(c, m->line, m->column, "is there twice");
        } else if (sub) {
            validate(c, sub, m->value);
        } else if (closed) {
            unknown(c, m, properties);
        }
        c->pointer.len = len;
    }
    for (uint32_t i = 0; required && i < required->n; i++) {
        if (!node_get_str(v, required->items[i]->text)) {
            size_t len = enter(c, required->items[i]->text);
            found(c, v->line, v->column, "is missing");
            c->pointer.len = len;
        }
    }
}

static void validate_array(struct check *c, const struct node *schema, const struct node *v) {
    const struct node *items = node_get(schema, "items");
    validate_length(c, schema, v, "minItems", "maxItems", v->n, "entries");
    for (uint32_t i = 0; items && i < v->n; i++) {
        size_t len = c->pointer.len;
        buf_addf(&c->pointer, "/%u", i);
        validate(c, items, v->items[i]);
        c->pointer.len = len;
    }
}

static void validate_enum(struct check *c, const struct node *list, const struct node *v) {
    struct buf names = BUF_INIT;
    struct jw w;
    for (uint32_t i = 0; i < list->n; i++) {
        if (schema_same(list->items[i], v)) {
            buf_finish(&names);
            return;
        }
        buf_addf(&names, "%s", i ? ", " : "");
        jw_init(&w, &names, false);
        jw_node(&w, list->items[i]);
    }
    found(c, v->line, v->column, "must be one of %s", names.len ? names.ptr : "nothing");
    buf_finish(&names);
}

static void validate(struct check *c, const struct node *schema, const struct node *v) {
    static const char *const names[] = {"null",     "a boolean", "an integer", "a number",
                                        "a string", "an array",  "an object"};
    str type = node_text(schema, "type", STR_NONE);
    const struct node *list = node_get(schema, "enum");
    if (type.ptr && !schema_fits_type(type, v)) {
        found(c, v->line, v->column, "must be of type %.*s, found %s", PSTR(type), names[v->type]);
        return;
    }
    if (list) {
        validate_enum(c, list, v);
    }
    switch (v->type) {
    case NODE_INT:
    case NODE_FLOAT:
        validate_number(c, schema, v);
        break;
    case NODE_STRING:
        validate_length(c, schema, v, "minLength", "maxLength", characters(v->text), "characters");
        break;
    case NODE_ARRAY:
        validate_array(c, schema, v);
        break;
    case NODE_OBJECT:
        validate_object(c, schema, v);
        break;
    default:
        break;
    }
}

uint32_t schema_validate(const struct node *schema, const struct node *value, struct arena *a,
                         struct schema_findings *f) {
    static const struct node empty = {.type = NODE_OBJECT};
    struct check c = {.arena = a, .f = f};
    validate(&c, schema, value ? value : &empty);
    buf_finish(&c.pointer);
    return c.n;
}

static struct node *fill_object(const struct node *schema, const struct node *v, struct arena *a) {
    const struct node *properties = node_get(schema, "properties");
    uint32_t more = properties ? properties->n : 0;
    struct node *copy = ARENA_NEW(a, struct node);
    *copy = *v;
    copy->members = ARENA_ARRAY(a, struct node_member, v->n + more);
    for (uint32_t i = 0; i < v->n; i++) {
        copy->members[i] = v->members[i];
        copy->members[i].value =
            schema_fill(node_get_str(properties, v->members[i].key), v->members[i].value, a);
    }
    for (uint32_t i = 0; i < more; i++) {
        const struct node_member *p = &properties->members[i];
        const struct node *preset = node_get(p->value, "default");
        if (preset && !node_get_str(v, p->key)) {
            copy->members[copy->n++] =
                (struct node_member){.key = p->key, .value = schema_fill(p->value, preset, a)};
        }
    }
    return copy;
}

struct node *schema_fill(const struct node *schema, const struct node *value, struct arena *a) {
    static const struct node empty = {.type = NODE_OBJECT};
    const struct node *v = value ? value : &empty;
    if (v->type == NODE_OBJECT && schema) {
        return fill_object(schema, v, a);
    }
    struct node *copy = ARENA_NEW(a, struct node);
    *copy = *v;
    if (v->type == NODE_ARRAY) {
        copy->items = ARENA_ARRAY(a, struct node *, v->n);
        for (uint32_t i = 0; i < v->n; i++) {
            copy->items[i] = schema_fill(node_get(schema, "items"), v->items[i], a);
        }
    }
    return copy;
}
