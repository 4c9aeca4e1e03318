/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the answer of a Vault server. The first byte says in how large pieces they arrive,
 * which makes no difference to what is read; looking for a member changes nothing.
 */
#include <string.h>

#include "../../plugins/common/jpull.h"
#include "fuzz.h"
#include "http.h"

static void *get(void *ctx, size_t n) {
    (void)ctx;
    return malloc(n);
}

static void give(void *ctx, void *p) {
    (void)ctx;
    free(p);
}

static const trl_host_secret_v1 table = {sizeof(table), 0, NULL, get, give};
static const struct sbuf_mem mem = {&table, NULL};

static enum http_state feed(struct http_in *in, struct sbuf *b, const uint8_t *data, size_t size,
                            size_t step) {
    enum http_state s = HTTP_MORE;
    http_in_init(in, b, 65536);
    for (size_t at = 0; at < size && s == HTTP_MORE;) {
        size_t room, n = size - at < step ? size - at : step;
        char *to = http_in_room(in, &room);
        n = n < room ? n : room;
        memcpy(to, data + at, n);
        at += n;
        s = http_in_got(in, n);
    }
    return s == HTTP_MORE ? http_in_eof(in) : s;
}

static void look(struct sbuf *b) {
    static const char *const names[] = {"data", "metadata", "errors", "auth", ""};
    trl_str raw, again, text;
    const char *wrong, *too;
    struct jpull j;
    for (size_t i = 0; i < 5; i++) {
        bool found = jpull_find(sbuf_str(b), trl_cstr(names[i]), &raw, &wrong);
        HOLDS(!found || !wrong);
        HOLDS(jpull_find(sbuf_str(b), trl_cstr(names[i]), &again, &too) == found);
        HOLDS(!found || trl_str_eq(raw, again));
        if (found) {
            HOLDS(raw.ptr >= b->at && raw.ptr + raw.len <= b->at + b->n);
            jpull_find(raw, trl_cstr("data"), &text, &wrong);
        }
    }
    jpull_init(&j, b->at, b->n);
    if (jpull_peek(&j) == JPULL_STRING && jpull_string(&j, &text)) {
        HOLDS(text.len + 2 <= b->n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sbuf one, other;
    struct http_in a, b;
    if (size == 0) {
        return 0;
    }
    sbuf_init(&one, &mem);
    sbuf_init(&other, &mem);
    enum http_state s = feed(&a, &one, data + 1, size - 1, 65536);
    enum http_state t = feed(&b, &other, data + 1, size - 1, 1u + data[0]);
    HOLDS(s != HTTP_MORE && s != HTTP_NOMEM && (s != HTTP_BAD || a.error));
    HOLDS((s == HTTP_DONE) == (t == HTTP_DONE));
    if (s == HTTP_DONE) {
        HOLDS(a.status == b.status && a.retry_after_s == b.retry_after_s);
        HOLDS(trl_str_eq(sbuf_str(&one), sbuf_str(&other)));
        look(&one);
    }
    /* and as JSON by itself */
    sbuf_clear(&other);
    if (sbuf_add(&other, data + 1, size - 1)) {
        look(&other);
    }
    sbuf_finish(&one);
    sbuf_finish(&other);
    return 0;
}
