/* SPDX-License-Identifier: Apache-2.0 */
#include "jpull.h"

#include <string.h>

static bool fail(struct jpull *j, const char *what) {
    if (!j->error) {
        j->error = what;
    }
    return false;
}

static void blanks(struct jpull *j) {
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r')) {
        j->p++;
    }
}

void jpull_init(struct jpull *j, const char *text, size_t n) {
    memset(j, 0, sizeof(*j));
    /* The text is the caller's own buffer; trl_str can only say const. */
    memcpy(&j->p, &text, sizeof(j->p));
    j->end = j->p + n;
}

enum jpull_kind jpull_peek(struct jpull *j) {
    blanks(j);
    if (j->error || j->p == j->end) {
        return JPULL_NONE;
    }
    switch (*j->p) {
    case '{':
        return JPULL_OBJECT;
    case '[':
        return JPULL_ARRAY;
    case '"':
        return JPULL_STRING;
    case 't':
    case 'f':
    case 'n':
        return JPULL_WORD;
    default:
        return *j->p == '-' || (*j->p >= '0' && *j->p <= '9') ? JPULL_NUMBER : JPULL_NONE;
    }
}

bool jpull_enter(struct jpull *j, char open, bool *ret_first) {
    blanks(j);
    if (j->error || j->p == j->end || *j->p != open) {
        return fail(j, open == '{' ? "an object is missing" : "an array is missing");
    }
    if (j->depth == JPULL_DEPTH) {
        return fail(j, "nested too deeply");
    }
    j->depth++;
    j->p++;
    *ret_first = true;
    return true;
}

bool jpull_more(struct jpull *j, bool *first, char close) {
    blanks(j);
    if (j->error) {
        return false;
    }
    if (j->p == j->end) {
        return fail(j, "it ends too early");
    }
    if (*j->p == close) {
        j->p++;
        j->depth--;
        return false;
    }
    if (!*first) {
        if (*j->p != ',') {
            return fail(j, "a comma is missing");
        }
        j->p++;
    }
    *first = false;
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

/* j->p stands behind the 'u'. -1: no code point. */
static int32_t escape_u(struct jpull *j) {
    int hi = hex4(j->p, j->end), lo;
    if (hi < 0 || (hi >= 0xdc00 && hi < 0xe000)) {
        return -1;
    }
    j->p += 4;
    if (hi < 0xd800 || hi >= 0xe000) {
        return hi;
    }
    if (j->end - j->p < 6 || j->p[0] != '\\' || j->p[1] != 'u') {
        return -1;
    }
    lo = hex4(j->p + 2, j->end);
    if (lo < 0xdc00 || lo >= 0xe000) {
        return -1;
    }
    j->p += 6;
    return 0x10000 + ((hi - 0xd800) << 10) + (lo - 0xdc00);
}

/* j->p stands behind the backslash. Bytes written; 0: no such escape. */
static size_t escape(struct jpull *j, char *to) {
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char c = j->p < j->end ? *j->p++ : '\0';
    if (c == 'u') {
        int32_t cp = escape_u(j);
        return cp < 0 ? 0 : put_utf8(to, (uint32_t)cp);
    }
    const char *at = c ? strchr(from, c) : NULL;
    if (!at) {
        return 0;
    }
    *to = into[at - from];
    return 1;
}

/* An escape is never shorter than what it stands for, so the decoded text fits where it came from.
 */
static bool string(struct jpull *j, trl_str *ret, bool decode) {
    blanks(j);
    if (j->error || j->p == j->end || *j->p != '"') {
        return fail(j, "a string is missing");
    }
    char *start = ++j->p, *to = start, spare[4];
    while (j->p < j->end && *j->p != '"') {
        char c = *j->p++;
        if ((unsigned char)c < 0x20) {
            return fail(j, "a control character in a string");
        }
        if (c != '\\') {
            if (decode) {
                *to++ = c;
            }
            continue;
        }
        size_t n = escape(j, decode ? to : spare);
        if (n == 0) {
            return fail(j, "a bad escape in a string");
        }
        to += decode ? n : 0;
    }
    if (j->p == j->end) {
        return fail(j, "a string does not end");
    }
    j->p++;
    ret->ptr = start;
    ret->len = (size_t)(to - start);
    return true;
}

bool jpull_string(struct jpull *j, trl_str *ret) {
    return string(j, ret, true);
}

bool jpull_key(struct jpull *j, trl_str *ret) {
    trl_str none;
    blanks(j);
    char *from = j->p;
    if (!string(j, &none, false)) {
        return false;
    }
    ret->ptr = from + 1;
    ret->len = (size_t)(j->p - from) - 2;
    blanks(j);
    if (j->p == j->end || *j->p != ':') {
        return fail(j, "a colon is missing");
    }
    j->p++;
    return true;
}

bool jpull_same(trl_str raw, trl_str name) {
    struct jpull j;
    size_t at = 0;
    jpull_init(&j, raw.ptr, raw.len);
    while (j.p < j.end) {
        char c[4] = {*j.p++};
        size_t n = c[0] == '\\' ? escape(&j, c) : 1;
        if (n == 0 || name.len - at < n || memcmp(name.ptr + at, c, n) != 0) {
            return false;
        }
        at += n;
    }
    return at == name.len;
}

static size_t digits(struct jpull *j) {
    char *from = j->p;
    while (j->p < j->end && *j->p >= '0' && *j->p <= '9') {
        j->p++;
    }
    return (size_t)(j->p - from);
}

static bool number(struct jpull *j) {
    if (*j->p == '-') {
        j->p++;
    }
    char *first = j->p;
    size_t n = digits(j);
    if (n == 0 || (n > 1 && *first == '0')) {
        return fail(j, "a bad number");
    }
    if (j->p < j->end && *j->p == '.') {
        j->p++;
        if (digits(j) == 0) {
            return fail(j, "a bad number");
        }
    }
    if (j->p < j->end && (*j->p == 'e' || *j->p == 'E')) {
        j->p++;
        if (j->p < j->end && (*j->p == '+' || *j->p == '-')) {
            j->p++;
        }
        if (digits(j) == 0) {
            return fail(j, "a bad number");
        }
    }
    return true;
}

bool jpull_int(struct jpull *j, int64_t *ret) {
    trl_str raw;
    int64_t v = 0;
    if (jpull_peek(j) != JPULL_NUMBER || !jpull_raw(j, &raw)) {
        return fail(j, "a number is missing");
    }
    bool minus = raw.ptr[0] == '-';
    for (size_t i = minus; i < raw.len; i++) {
        int64_t d = raw.ptr[i] - '0';
        if (d < 0 || d > 9 || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, d, &v)) {
            return fail(j, "a number is not whole or too large");
        }
    }
    *ret = minus ? -v : v;
    return true;
}

static bool word(struct jpull *j) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(j->end - j->p) >= n && memcmp(j->p, words[i], n) == 0) {
            j->p += n;
            return true;
        }
    }
    return fail(j, "a word that is not JSON");
}

static bool container(struct jpull *j, char open) {
    bool first;
    trl_str none;
    if (!jpull_enter(j, open, &first)) {
        return false;
    }
    while (jpull_more(j, &first, open == '{' ? '}' : ']')) {
        if ((open == '{' && !jpull_key(j, &none)) || !jpull_raw(j, &none)) {
            return false;
        }
    }
    return !j->error;
}

bool jpull_raw(struct jpull *j, trl_str *ret) {
    enum jpull_kind k = jpull_peek(j);
    char *from = j->p;
    trl_str none;
    bool ok = k == JPULL_OBJECT   ? container(j, '{')
              : k == JPULL_ARRAY  ? container(j, '[')
              : k == JPULL_STRING ? string(j, &none, false)
              : k == JPULL_NUMBER ? number(j)
              : k == JPULL_WORD   ? word(j)
                                  : fail(j, "a value is missing");
    ret->ptr = from;
    ret->len = (size_t)(j->p - from);
    return ok;
}

bool jpull_end(struct jpull *j) {
    blanks(j);
    return !j->error && (j->p == j->end || fail(j, "something follows the value"));
}

bool jpull_find(trl_str object, trl_str name, trl_str *ret, const char **ret_error) {
    struct jpull j;
    bool first, found = false;
    trl_str key, raw;
    jpull_init(&j, object.ptr, object.len);
    if (jpull_enter(&j, '{', &first)) {
        while (jpull_more(&j, &first, '}') && jpull_key(&j, &key) && jpull_raw(&j, &raw)) {
            if (jpull_same(key, name)) {
                *ret = raw;
                found = true;
            }
        }
        jpull_end(&j);
    }
    *ret_error = j.error;
    return found && !j.error;
}

bool jpull_is(trl_str raw, const char *word_text) {
    return raw.len == strlen(word_text) && memcmp(raw.ptr, word_text, raw.len) == 0;
}
