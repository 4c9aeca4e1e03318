/* SPDX-License-Identifier: Apache-2.0 */
#include "json_read.h"

#include <string.h>

#include "../common/xmem.h"

#define DEPTH_MAX 16

static bool fail(struct json_read *r, const char *what) {
    if (!r->error) {
        r->error = what;
    }
    return false;
}

static void blanks(struct json_read *r) {
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r')) {
        r->p++;
    }
}

void json_read_init(struct json_read *r, trl_str text) {
    memset(r, 0, sizeof(*r));
    r->start = r->p = text.len ? text.ptr : "";
    r->end = r->p + text.len;
}

enum json_kind json_read_peek(struct json_read *r) {
    blanks(r);
    if (r->error || r->p == r->end) {
        return JSON_NONE;
    }
    switch (*r->p) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return *r->p == '-' || (*r->p >= '0' && *r->p <= '9') ? JSON_NUMBER : JSON_NONE;
    }
}

bool json_read_enter(struct json_read *r, bool *ret_first) {
    enum json_kind k = json_read_peek(r);
    if (k != JSON_OBJECT && k != JSON_ARRAY) {
        return fail(r, "not JSON: a value is missing");
    }
    if (r->depth == DEPTH_MAX) {
        return fail(r, "nested too deeply");
    }
    r->depth++;
    r->p++;
    *ret_first = true;
    return true;
}

bool json_read_more(struct json_read *r, bool *first, char close) {
    blanks(r);
    if (r->error) {
        return false;
    }
    if (r->p == r->end) {
        return fail(r, "not JSON: it ends too early");
    }
    if (*r->p == close) {
        r->p++;
        r->depth--;
        return false;
    }
    if (!*first) {
        if (*r->p != ',') {
            return fail(r, "not JSON: a comma is missing");
        }
        r->p++;
        blanks(r);
    }
    *first = false;
    return true;
}

bool json_read_colon(struct json_read *r) {
    blanks(r);
    if (r->error || r->p == r->end || *r->p != ':') {
        return fail(r, "not JSON: a colon is missing");
    }
    r->p++;
    return true;
}

static int hex4(const char *p, const char *end) {
    int v = 0;
    if (end - p < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0) {
            return -1;
        }
        v = v * 16 + d;
    }
    return v;
}

static size_t put_utf8(char *to, uint32_t c) {
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* r->p stands behind the 'u'. Returns the code point, -1 when it is none. */
static int32_t escape_u(struct json_read *r) {
    int hi = hex4(r->p, r->end);
    if (hi < 0 || (hi >= 0xdc00 && hi < 0xe000)) {
        return -1;
    }
    r->p += 4;
    if (hi < 0xd800 || hi >= 0xe000) {
        return hi;
    }
    if (r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u') {
        return -1;
    }
    int lo = hex4(r->p + 2, r->end);
    if (lo < 0xdc00 || lo >= 0xe000) {
        return -1;
    }
    r->p += 6;
    return 0x10000 + ((hi - 0xd800) << 10) + (lo - 0xdc00);
}

/* r->p stands behind the backslash. Returns bytes written to `to`, 0 on failure. */
static size_t escape(struct json_read *r, char *to) {
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char c = r->p < r->end ? *r->p++ : '\0';
    if (c == 'u') {
        int32_t cp = escape_u(r);
        return cp < 0 ? 0 : put_utf8(to, (uint32_t)cp);
    }
    const char *at = c ? strchr(from, c) : NULL;
    if (!at) {
        return 0;
    }
    *to = into[at - from];
    return 1;
}

bool json_read_string(struct json_read *r, trl_str *ret) {
    if (json_read_peek(r) != JSON_STRING) {
        return fail(r, "not JSON: a string is missing");
    }
    char *out = x_alloc((size_t)(r->end - r->p)); /* an escape is never shorter than what it says */
    size_t n = 0;
    r->p++;
    while (r->p < r->end && *r->p != '"') {
        unsigned char c = (unsigned char)*r->p++;
        if (c < 0x20) {
            break;
        }
        if (c != '\\') {
            out[n++] = (char)c;
            continue;
        }
        size_t added = escape(r, out + n);
        if (added == 0) {
            free(out);
            return fail(r, "not JSON: a bad escape in a string");
        }
        n += added;
    }
    if (r->p == r->end || *r->p != '"') {
        free(out);
        return fail(r, "not JSON: a string does not end");
    }
    r->p++;
    out[n] = '\0';
    ret->ptr = out;
    ret->len = n;
    return true;
}

bool json_read_u64(struct json_read *r, uint64_t *ret) {
    static const char what[] = "must be a whole number from 0 to 18446744073709551615";
    if (json_read_peek(r) != JSON_NUMBER || *r->p == '-') {
        return fail(r, what);
    }
    const char *p = r->p;
    uint64_t v = 0;
    if (*p == '0' && r->end - p > 1 && p[1] >= '0' && p[1] <= '9') {
        return fail(r, "not JSON: a number begins with 0");
    }
    for (; p < r->end && *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (v > (UINT64_MAX - digit) / 10) {
            return fail(r, what);
        }
        v = v * 10 + digit;
    }
    if (p < r->end && (*p == '.' || *p == 'e' || *p == 'E')) {
        return fail(r, what);
    }
    r->p = p;
    *ret = v;
    return true;
}

bool json_read_null(struct json_read *r) {
    if (json_read_peek(r) != JSON_NULL || r->end - r->p < 4 || memcmp(r->p, "null", 4) != 0) {
        return fail(r, "not JSON: null is misspelt");
    }
    r->p += 4;
    return true;
}

bool json_read_end(struct json_read *r) {
    blanks(r);
    if (r->error || r->p != r->end) {
        return fail(r, "not JSON: something follows the value");
    }
    return true;
}
