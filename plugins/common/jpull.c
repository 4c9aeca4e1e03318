/* SPDX-License-Identifier: Apache-2.0 */
#include "jpull.h"

#include <string.h>

#include "jescape.h"
#include "utf8.h"

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
    /* Only jpull_string() writes, into what is the caller's own buffer; trl_str can only say const.
     */
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

/* What j->p stands before, up to the closing quote. An escape is never shorter than what it stands
 * for, so `to` may be where the string is. NULL: it is only checked. */
static bool characters(struct jpull *j, char *to, size_t *ret_n) {
    char spare[4], *at = to;
    while (j->p < j->end && *j->p != '"') {
        const char *p = j->p;
        size_t n;
        if ((unsigned char)*p < 0x20) {
            return fail(j, "a control character in a string");
        }
        if (*p == '\\') {
            p++;
            n = jescape(&p, j->end, to ? at : spare);
            if (n == 0) {
                return fail(j, "a bad escape in a string");
            }
            j->p += p - j->p;
        } else {
            n = utf8_next(p, (size_t)(j->end - p));
            if (n == 0) {
                return fail(j, "a string that is not UTF-8");
            }
            if (to) {
                memmove(at, p, n);
            }
            j->p += n;
        }
        at += to ? n : 0;
    }
    if (j->p == j->end) {
        return fail(j, "a string does not end");
    }
    *ret_n = to ? (size_t)(at - to) : 0;
    return true;
}

static bool open_quote(struct jpull *j) {
    blanks(j);
    if (j->error || j->p == j->end || *j->p != '"') {
        return fail(j, "a string is missing");
    }
    j->p++;
    return true;
}

static bool string(struct jpull *j) {
    size_t none;
    if (!open_quote(j) || !characters(j, NULL, &none)) {
        return false;
    }
    j->p++;
    return true;
}

bool jpull_string(struct jpull *j, trl_str *ret) {
    if (!open_quote(j)) {
        return false;
    }
    ret->ptr = j->p;
    if (!characters(j, j->p, &ret->len)) {
        return false;
    }
    j->p++;
    return true;
}

bool jpull_decode(trl_str raw, char *to, size_t *ret_n) {
    struct jpull j;
    jpull_init(&j, raw.ptr, raw.len);
    return open_quote(&j) && characters(&j, to, ret_n) && j.p + 1 == j.end;
}

bool jpull_key(struct jpull *j, trl_str *ret) {
    blanks(j);
    char *from = j->p;
    if (!string(j)) {
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
    const char *p = raw.ptr, *end = raw.ptr + raw.len;
    size_t at = 0;
    while (p < end) {
        char c[4] = {*p++};
        size_t n = c[0] == '\\' ? jescape(&p, end, c) : 1;
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
    if (n > 1 && *first == '0') {
        return fail(j, "a number begins with 0");
    }
    if (n == 0) {
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
    bool ok = k == JPULL_OBJECT   ? container(j, '{')
              : k == JPULL_ARRAY  ? container(j, '[')
              : k == JPULL_STRING ? string(j)
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
