/* SPDX-License-Identifier: Apache-2.0
 *
 * Recorded sessions of wash with a real wadm: their lines, and when two replies are the same.
 * Included once by a test program.
 */
#ifndef TRELLIS_TESTS_RECORDED_H
#define TRELLIS_TESTS_RECORDED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/json.h"

static inline void write_body(const struct node *data, struct buf *out) {
    if (data && data->type == NODE_STRING) {
        buf_add_str(out, data->text);
    } else if (data) {
        struct jw w;
        jw_init(&w, out, false);
        jw_node(&w, data);
    }
}

/* versions: generated version of the recording -> ours (owned string). */
static inline void translate(const struct map *versions, struct buf *text) {
    for (uint32_t i = 0; i < versions->n; i++) {
        const char *theirs = versions->at[i].key.ptr, *ours = versions->at[i].value;
        for (char *at = text->ptr; at && (at = strstr(at, theirs)); at += ULID_LEN) {
            memcpy(at, ours, ULID_LEN);
        }
    }
}

static inline void learn_version(struct map *versions, const struct node *theirs,
                                 const struct node *ours) {
    str a = node_text(theirs, "current_version", STR(""));
    str b = node_text(ours, "current_version", STR(""));
    if (a.len == ULID_LEN && b.len == ULID_LEN && !map_has(versions, a)) {
        map_set(versions, a, str_dup(b));
    }
}

static inline bool same(const struct node *a, const struct node *b) {
    if (!a || !b || a->type != b->type || a->n != b->n) {
        return false;
    }
    if (a->type == NODE_OBJECT) {
        for (uint32_t i = 0; i < a->n; i++) {
            if (!same(a->members[i].value, node_get_str(b, a->members[i].key))) {
                return false;
            }
        }
        return true;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (!same(a->items[i], b->items[i])) {
            return false;
        }
    }
    return a->type == NODE_BOOL ? a->boolean == b->boolean
                                : a->type == NODE_ARRAY || str_eq(a->text, b->text);
}

/* The rest of such a message is a rendering of wadm's own data: ours names the components. */
static inline bool same_put_note(const struct node *theirs, const struct node *ours) {
    str a = node_text(theirs, "message", STR("")), b = node_text(ours, "message", STR(""));
    const char *at = memmem(a.ptr, a.len, "not deployed: ", 14);
    return at && str_starts(b, str_n(a.ptr, (size_t)(at - a.ptr)));
}

/* fn(arg, message, line) for each line of the recording; false: there is none. */
static inline bool recorded_each(const char *name,
                                 void (*fn)(void *arg, const struct node *m, str line), void *arg) {
    const char *dir = getenv("TRELLIS_FIXTURES");
    char path[512], *line = NULL;
    size_t cap = 0;
    ssize_t len;
    FILE *f;
    snprintf(path, sizeof(path), "%s/recordings/%s.jsonl", dir ? dir : "", name);
    f = fopen(path, "r");
    if (!f) {
        return false;
    }
    while ((len = getline(&line, &cap, f)) >= 0) {
        struct arena a = ARENA_INIT;
        struct node *m = NULL;
        while (len > 0 && line[len - 1] == '\n') {
            len--;
        }
        if (json_parse(str_n(line, (size_t)len), &a, &m, NULL) == 0) {
            fn(arg, m, str_n(line, (size_t)len));
        }
        arena_finish(&a);
    }
    free(line);
    fclose(f);
    return true;
}

#endif
