/* SPDX-License-Identifier: Apache-2.0 */
#include "sjson.h"

#include "../../plugins/common/jescape.h"
#include "../../plugins/common/jpull.h"
#include "../../plugins/common/utf8.h"

enum sjson sjson_find(trl_str text, trl_str name, trl_str *ret, size_t *ret_close, int *ret_empty) {
    struct jpull j;
    int n = 0, found = 0;
    bool first;
    trl_str key, raw;
    jpull_init(&j, text.ptr, text.len);
    if (!jpull_enter(&j, '{', &first)) {
        return SJSON_BAD;
    }
    for (; jpull_more(&j, &first, '}'); n++) {
        if (!jpull_key(&j, &key) || !jpull_raw(&j, &raw)) {
            return SJSON_BAD;
        }
        if (jpull_same(key, name)) {
            if (found++) {
                return SJSON_BAD;
            }
            *ret = raw;
        }
    }
    if (ret_close) {
        *ret_close = (size_t)(j.p - 1 - text.ptr);
    }
    if (ret_empty) {
        *ret_empty = n == 0;
    }
    return !jpull_end(&j) ? SJSON_BAD : found ? SJSON_OK : SJSON_ABSENT;
}

enum sjson sjson_member(trl_str text, trl_str name, trl_str *ret) {
    return sjson_find(text, name, ret, NULL, NULL);
}

int sjson_is_string(trl_str v) {
    return v.len > 1 && v.ptr[0] == '"';
}

int sjson_is_null(trl_str v) {
    return jpull_is(v, "null");
}

int sjson_text(trl_str v, char *out, size_t *ret_n) {
    return sjson_is_string(v) && jpull_decode(v, out, ret_n);
}

int sjson_bytes(trl_str v, uint8_t *out, size_t *ret_n) {
    struct jpull j;
    size_t n = 0;
    bool first;
    int64_t byte;
    jpull_init(&j, v.ptr, v.len);
    if (!jpull_enter(&j, '[', &first)) {
        return 0;
    }
    while (jpull_more(&j, &first, ']')) {
        if (jpull_peek(&j) != JPULL_NUMBER || *j.p == '-' || !jpull_int(&j, &byte) || byte > 255) {
            return 0;
        }
        out[n++] = (uint8_t)byte;
    }
    *ret_n = n;
    return jpull_end(&j);
}

int sjson_encode(const char *text, size_t n, char *out, size_t *ret_n) {
    size_t at = 0;
    if (!utf8_valid(text, n)) {
        return 0;
    }
    out[at++] = '"';
    for (size_t i = 0; i < n; i++) {
        at += jescape_put(text[i], out + at);
    }
    out[at++] = '"';
    *ret_n = at;
    return 1;
}
