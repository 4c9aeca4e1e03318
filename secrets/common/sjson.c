/* SPDX-License-Identifier: Apache-2.0 */
#include "sjson.h"

#include <string.h>

#define DEPTH_MAX 64

struct at {
    const char *p, *end;
};

static void blanks(struct at *a) {
    while (a->p < a->end && (*a->p == ' ' || *a->p == '\t' || *a->p == '\n' || *a->p == '\r')) {
        a->p++;
    }
}

static int take(struct at *a, char c) {
    blanks(a);
    if (a->p < a->end && *a->p == c) {
        a->p++;
        return 1;
    }
    return 0;
}

/* Bytes of the UTF-8 sequence at p; 0: none. */
static size_t sequence(const unsigned char *p, size_t n) {
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len == 0 || p[0] > 0xf4 || len > n) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return len;
}

int sjson_utf8(const void *text, size_t n) {
    const unsigned char *p = text;
    for (size_t i = 0, len; i < n; i += len) {
        len = sequence(p + i, n - i);
        if (len == 0) {
            return 0;
        }
    }
    return 1;
}

static int hex4(struct at *a, uint32_t *out) {
    *out = 0;
    if (a->end - a->p < 4) {
        return 0;
    }
    for (int i = 0; i < 4; i++) {
        char c = *a->p++;
        int v = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (v < 0) {
            return 0;
        }
        *out = *out << 4 | (uint32_t)v;
    }
    return 1;
}

static size_t put_utf8(uint32_t u, char out[4]) {
    if (u < 0x80) {
        out[0] = (char)u;
        return 1;
    }
    size_t n = u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (u & 0x3f));
        u >>= 6;
    }
    out[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | u);
    return n;
}

static size_t escape(struct at *a, char out[4]) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t u, low;
    const char *at;
    char c;
    if (a->p == a->end) {
        return 0;
    }
    c = *a->p++;
    if (c != 'u') {
        at = c ? strchr(from, c) : NULL;
        out[0] = at ? to[at - from] : 0;
        return at ? 1 : 0;
    }
    if (!hex4(a, &u) || (u >= 0xdc00 && u < 0xe000)) {
        return 0;
    }
    if (u >= 0xd800 && u < 0xdc00) {
        if (a->end - a->p < 6 || a->p[0] != '\\' || a->p[1] != 'u') {
            return 0;
        }
        a->p += 2;
        if (!hex4(a, &low) || low < 0xdc00 || low >= 0xe000) {
            return 0;
        }
        u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
    }
    return put_utf8(u, out);
}

/* After the opening quote: the next character, or 0 and a->p behind the closing quote (*end 1), or
 * 0 for what is no string. */
static size_t character(struct at *a, char out[4], int *end) {
    size_t n;
    *end = 0;
    if (a->p == a->end || (unsigned char)*a->p < 0x20) {
        return 0;
    }
    if (*a->p == '"') {
        a->p++;
        *end = 1;
        return 0;
    }
    if (*a->p == '\\') {
        a->p++;
        return escape(a, out);
    }
    n = sequence((const unsigned char *)a->p, (size_t)(a->end - a->p));
    memcpy(out, a->p, n);
    a->p += n;
    return n;
}

/* A string; *same: is its text this name? name.ptr NULL with same NULL: any. */
static int string(struct at *a, trl_str name, int *same) {
    char c[4];
    size_t n, at = 0;
    int end, equal = 1;
    if (!take(a, '"')) {
        return 0;
    }
    while ((n = character(a, c, &end)) != 0) {
        equal = equal && at + n <= name.len && memcmp(name.ptr + at, c, n) == 0;
        at += n;
    }
    if (same) {
        *same = equal && at == name.len;
    }
    return end;
}

static int digits(struct at *a) {
    const char *from = a->p;
    while (a->p < a->end && *a->p >= '0' && *a->p <= '9') {
        a->p++;
    }
    return a->p > from;
}

static int number(struct at *a) {
    const char *first;
    if (a->p < a->end && *a->p == '-') {
        a->p++;
    }
    first = a->p;
    if (!digits(a) || (*first == '0' && a->p > first + 1)) {
        return 0;
    }
    if (a->p < a->end && *a->p == '.') {
        a->p++;
        if (!digits(a)) {
            return 0;
        }
    }
    if (a->p < a->end && (*a->p == 'e' || *a->p == 'E')) {
        a->p++;
        if (a->p < a->end && (*a->p == '+' || *a->p == '-')) {
            a->p++;
        }
        return digits(a);
    }
    return 1;
}

static int word(struct at *a) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(a->end - a->p) >= n && memcmp(a->p, words[i], n) == 0) {
            a->p += n;
            return 1;
        }
    }
    return 0;
}

static int value(struct at *a, int depth) {
    int object, none_yet = 1;
    char close;
    blanks(a);
    if (a->p == a->end || depth > DEPTH_MAX) {
        return 0;
    }
    if (*a->p == '"') {
        return string(a, (trl_str){NULL, 0}, NULL);
    }
    if (*a->p != '{' && *a->p != '[') {
        return *a->p == '-' || (*a->p >= '0' && *a->p <= '9') ? number(a) : word(a);
    }
    object = *a->p == '{';
    close = object ? '}' : ']';
    for (a->p++; !take(a, close); none_yet = 0) {
        if ((!none_yet && !take(a, ',')) ||
            (object && (!string(a, (trl_str){NULL, 0}, NULL) || !take(a, ':'))) ||
            !value(a, depth + 1)) {
            return 0;
        }
    }
    return 1;
}

enum sjson sjson_find(trl_str text, trl_str name, trl_str *ret, size_t *ret_close, int *ret_empty) {
    struct at a = {text.ptr, text.ptr + text.len};
    int n = 0, found = 0, same = 0;
    if (!text.len || !take(&a, '{')) {
        return SJSON_BAD;
    }
    for (; !take(&a, '}'); n++) {
        const char *from;
        if ((n && !take(&a, ',')) || !string(&a, name, &same) || !take(&a, ':')) {
            return SJSON_BAD;
        }
        blanks(&a);
        from = a.p;
        if (!value(&a, 1) || (same && found++)) {
            return SJSON_BAD;
        }
        if (same) {
            *ret = (trl_str){from, (size_t)(a.p - from)};
        }
    }
    if (ret_close) {
        *ret_close = (size_t)(a.p - 1 - text.ptr);
    }
    if (ret_empty) {
        *ret_empty = n == 0;
    }
    blanks(&a);
    return a.p != a.end ? SJSON_BAD : found ? SJSON_OK : SJSON_ABSENT;
}

enum sjson sjson_member(trl_str text, trl_str name, trl_str *ret) {
    return sjson_find(text, name, ret, NULL, NULL);
}

int sjson_is_string(trl_str v) {
    return v.len > 1 && v.ptr[0] == '"';
}

int sjson_is_null(trl_str v) {
    return v.len == 4 && memcmp(v.ptr, "null", 4) == 0;
}

int sjson_decode(trl_str v, char *out, size_t *ret_n) {
    struct at a = {v.ptr, v.ptr + v.len};
    char c[4];
    size_t n, at = 0;
    int end = 0;
    if (v.len < 2 || !take(&a, '"')) {
        return 0;
    }
    while ((n = character(&a, c, &end)) != 0) {
        memcpy(out + at, c, n);
        at += n;
    }
    *ret_n = at;
    return end && a.p == a.end;
}

int sjson_bytes(trl_str v, uint8_t *out, size_t *ret_n) {
    struct at a = {v.ptr, v.ptr + v.len};
    size_t n = 0;
    if (!v.len || !take(&a, '[')) {
        return 0;
    }
    while (!take(&a, ']')) {
        unsigned u = 0;
        const char *from;
        if (n && !take(&a, ',')) {
            return 0;
        }
        blanks(&a);
        for (from = a.p; a.p < a.end && *a.p >= '0' && *a.p <= '9' && a.p - from < 4; a.p++) {
            u = u * 10 + (unsigned)(*a.p - '0');
        }
        if (a.p == from || u > 255 || (*from == '0' && a.p > from + 1)) {
            return 0;
        }
        out[n++] = (uint8_t)u;
    }
    *ret_n = n;
    return a.p == a.end;
}

int sjson_encode(const char *text, size_t n, char *out, size_t *ret_n) {
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    if (!sjson_utf8(text, n)) {
        return 0;
    }
    out[at++] = '"';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            out[at++] = '\\';
            out[at++] = (char)c;
        } else if (c < 0x20) {
            memcpy(out + at, "\\u00", 4);
            out[at + 4] = hex[c >> 4];
            out[at + 5] = hex[c & 15];
            at += 6;
        } else {
            out[at++] = (char)c;
        }
    }
    out[at++] = '"';
    *ret_n = at;
    return 1;
}
