/* SPDX-License-Identifier: Apache-2.0
 *
 * One reply of an API in this process. Included once by a test program.
 */
#ifndef TRELLIS_TESTS_API_REPLY_H
#define TRELLIS_TESTS_API_REPLY_H

#include "api/api.h"
#include "base/mem.h"
#include "codec/json.h"

#define HARNESS_TIMEOUT_NS (1000 * 1000000ll)

/* A reply, parsed. */
struct reply {
    struct arena arena;
    uint32_t n;
    char *text;        /* owned */
    struct node *root; /* NULL: no JSON */
    int64_t took_ns;
};

static inline void on_reply(void *arg, str json) {
    struct reply *r = arg;
    if (r->n++ == 0) {
        r->text = str_dup(json);
        json_parse(json, &r->arena, &r->root, NULL);
    }
}

static inline bool reply_there(void *arg) {
    return ((struct reply *)arg)->n > 0;
}

static inline void reply_finish(struct reply *r) {
    arena_finish(&r->arena);
    mem_free(r->text);
    *r = (struct reply){0};
}

static inline bool reply_has(const struct reply *r, const char *key, const char *value) {
    return str_is(node_text(r->root, key, STR("(none)")), value);
}

#endif
