/* SPDX-License-Identifier: Apache-2.0
 *
 * The difference of two manifests for people. Works on what is stored, so that spelling (aliases,
 * old forms, order of keys) makes none.
 */
#include "base/map.h"
#include "codec/json.h"
#include "model/decode.h"

struct diff {
    struct findings *out;
    struct buf path;
    bool hidden; /* within a config: its values are not shown */
};

static void compare(struct diff *d, const struct node *a, const struct node *b);

static void add_value(struct diff *d, const struct node *n, struct buf *out) {
    struct jw w;
    if (!n) {
        buf_addf(out, "(absent)");
    } else if (n->type == NODE_OBJECT || n->type == NODE_ARRAY) {
        buf_addf(out, n->type == NODE_OBJECT ? "{…}" : "[…]");
    } else if (d->hidden) {
        buf_addf(out, "(hidden)");
    } else {
        jw_init(&w, out, false);
        jw_node(&w, n);
    }
}

static void report(struct diff *d, const struct node *a, const struct node *b) {
    struct buf text = BUF_INIT;
    buf_add_str(&text, buf_str(&d->path));
    buf_addf(&text, ": ");
    add_value(d, a, &text);
    buf_addf(&text, " -> ");
    add_value(d, b, &text);
    findings_add(d->out, FINDING_WARNING,
                 !a   ? "added"
                 : !b ? "removed"
                      : "changed",
                 buf_str(&d->path), 0, 0, buf_str(&text), STR(""));
    buf_finish(&text);
}

static void compare_at(struct diff *d, size_t len, const struct node *a, const struct node *b) {
    if (a && b) {
        compare(d, a, b);
    } else {
        report(d, a, b);
    }
    d->path.len = len;
}

static void compare_objects(struct diff *d, const struct node *a, const struct node *b) {
    size_t len = d->path.len;
    for (int side = 0; side < 2; side++) {
        const struct node *o = side ? b : a;
        for (uint32_t i = 0; i < o->n; i++) {
            str key = o->members[i].key;
            const struct node *other = node_get_str(side ? a : b, key);
            if (side && other) {
                continue; /* seen from the other side */
            }
            buf_addf(&d->path, "%s", len ? "." : "");
            buf_add_str(&d->path, key);
            compare_at(d, len, side ? NULL : o->members[i].value,
                       side ? o->members[i].value : other);
        }
    }
}

/* What an entry of a list is called: entries keep their names when others come and go. Traits have
 * none, so it is their type and how many of it came before. */
static void entry_name(const struct node *list, uint32_t i, struct buf *out) {
    const struct node *n = list->items[i];
    str name = node_text(n, "name", STR_NONE), type = node_text(n, "type", STR_NONE);
    uint32_t before = 0;
    buf_clear(out);
    for (uint32_t k = 0; !name.ptr && type.ptr && k < i; k++) {
        before += str_eq(node_text(list->items[k], "type", STR_NONE), type);
    }
    if (name.ptr) {
        buf_add_str(out, name);
    } else if (type.ptr) {
        buf_add_str(out, type);
        if (before) {
            buf_addf(out, " %u", before + 1);
        }
    } else {
        buf_addf(out, "%u", i);
    }
}

static void compare_arrays(struct diff *d, const struct node *a, const struct node *b) {
    size_t len = d->path.len;
    struct map other = MAP_INIT;
    struct buf name = BUF_INIT;
    for (uint32_t i = 0; i < b->n; i++) {
        entry_name(b, i, &name);
        map_set(&other, buf_str(&name), b->items[i]);
    }
    for (uint32_t i = 0; i < a->n; i++) {
        entry_name(a, i, &name);
        buf_addf(&d->path, "[%.*s]", PSTR(buf_str(&name)));
        compare_at(d, len, a->items[i], map_del(&other, buf_str(&name)));
    }
    for (uint32_t i = 0; i < b->n; i++) {
        entry_name(b, i, &name);
        if (map_del(&other, buf_str(&name))) {
            buf_addf(&d->path, "[%.*s]", PSTR(buf_str(&name)));
            compare_at(d, len, NULL, b->items[i]);
        }
    }
    map_finish(&other);
    buf_finish(&name);
}

static bool same_scalar(const struct node *a, const struct node *b) {
    return a->type == b->type && a->boolean == b->boolean && a->negative == b->negative &&
           a->integer == b->integer && !(a->number < b->number) && !(a->number > b->number) &&
           (a->type != NODE_STRING || str_eq(a->text, b->text));
}

static void compare(struct diff *d, const struct node *a, const struct node *b) {
    bool was = d->hidden;
    if (str_ends(buf_str(&d->path), STR(".config"))) {
        d->hidden = true;
    }
    if (a->type == NODE_OBJECT && b->type == NODE_OBJECT) {
        compare_objects(d, a, b);
    } else if (a->type == NODE_ARRAY && b->type == NODE_ARRAY) {
        compare_arrays(d, a, b);
    } else if (!same_scalar(a, b)) {
        report(d, a, b);
    }
    d->hidden = was;
}

static struct node *stored(const struct manifest *m, struct arena *a) {
    struct buf text = BUF_INIT;
    struct node *n = NULL;
    manifest_write(m, STR_NONE, &text);
    json_parse(buf_str(&text), a, &n, NULL);
    buf_finish(&text);
    return n;
}

void model_diff(const struct manifest *old, const struct manifest *new_, struct findings *out) {
    struct arena a = ARENA_INIT;
    struct diff d = {.out = out};
    const struct node *x = stored(old, &a), *y = stored(new_, &a);
    if (x && y) {
        compare(&d, x, y);
    }
    buf_finish(&d.path);
    arena_finish(&a);
}
