/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader of our own, because jansson gives no position for a value and folds repeated members,
 * and both have to be reported (docs/adr/0005-json-reader.md).
 */
#include "codec/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/utf8.h"

struct reader {
    str text;
    size_t i;
    char *copy; /* the text once more in the arena; strings are unescaped in place there */
    struct arena *arena;
    struct err *err;
    uint32_t depth, nodes;
    size_t pos_at; /* positions are found going forward only, so all of them cost O(n) */
    struct text_pos pos;
    VEC(struct node *) items;
    VEC(struct node_member) members;
    bool blind; /* nobody asks where things stand, but for errors */
};

static struct text_pos pos_of(struct reader *r, size_t at) {
    if (r->blind) {
        return r->pos;
    }
    const char *p = r->text.ptr + r->pos_at, *end = r->text.ptr + at;
    for (const char *nl; p < end && (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1) {
        r->pos.line++;
        r->pos.column = 1;
    }
    for (; p < end; p++) {
        r->pos.column += ((unsigned char)*p & 0xc0) != 0x80;
    }
    r->pos_at = at > r->pos_at ? at : r->pos_at;
    return r->pos;
}

__attribute__((format(printf, 2, 3))) static int fail(struct reader *r, const char *fmt, ...) {
    r->blind = false;
    pos_of(r, r->i);
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_addv(&b, fmt, ap);
    va_end(ap);
    int rc = err_set(r->err, TRL_E_INVALID, "%s", b.ptr);
    buf_finish(&b);
    return rc;
}

/* What stands at the reading point, for messages. */
static const char *seen(const struct reader *r, char b[16]) {
    if (r->i >= r->text.len) {
        return "the end of the text";
    }
    unsigned char c = (unsigned char)r->text.ptr[r->i];
    if (c > 0x20 && c < 0x7f) {
        const char s[4] = {'\'', (char)c, '\'', '\0'};
        memcpy(b, s, sizeof(s));
        return b;
    }
    return c >= 0x80 ? "a character outside ASCII" : "a control character";
}

static int peek(const struct reader *r) {
    return r->i < r->text.len ? (unsigned char)r->text.ptr[r->i] : -1;
}

static void skip_blanks(struct reader *r) {
    int c = peek(r);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        r->i++;
        c = peek(r);
    }
}

static int read_hex4(struct reader *r, uint32_t *ret) {
    uint32_t v = 0;
    for (int k = 0; k < 4; k++, r->i++) {
        int c = peek(r);
        uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                            : 16;
        if (d == 16) {
            return fail(r, "\\u must be followed by four hexadecimal digits");
        }
        v = v << 4 | d;
    }
    *ret = v;
    return 0;
}

static int read_unicode(struct reader *r, uint32_t *ret) {
    uint32_t cp = 0, low = 0;
    int rc = read_hex4(r, &cp);
    if (rc < 0) {
        return rc;
    }
    if (cp >= 0xdc00 && cp < 0xe000) {
        return fail(r, "a low surrogate (\\u%04X) without a high one before it", cp);
    }
    if (cp >= 0xd800 && cp < 0xdc00) {
        if (r->i + 1 >= r->text.len || memcmp(r->text.ptr + r->i, "\\u", 2) != 0) {
            return fail(r, "a high surrogate (\\u%04X) without a low one behind it", cp);
        }
        r->i += 2;
        rc = read_hex4(r, &low);
        if (rc < 0) {
            return rc;
        }
        if (low < 0xdc00 || low > 0xdfff) {
            return fail(r, "a high surrogate (\\u%04X) without a low one behind it", cp);
        }
        cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
    }
    *ret = cp;
    return 0;
}

static int read_escape(struct reader *r, char **out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = peek(r);
    if (c == 'u') {
        uint32_t cp = 0;
        r->i++;
        int rc = read_unicode(r, &cp);
        if (rc == 0) {
            *out += utf8_put(*out, cp);
        }
        return rc;
    }
    const char *at = c > 0 ? memchr(from, c, sizeof(from) - 1) : NULL;
    if (!at) {
        return fail(r, "unknown escape: \\ is followed by one of \" \\ / b f n r t u");
    }
    *(*out)++ = to[at - from];
    r->i++;
    return 0;
}

/* The opening quote is at the reading point. Never longer than its source, so it fits into the
 * copy, and the place of the closing quote has room for a NUL. */
static int read_string(struct reader *r, str *ret) {
    char *start = r->copy + ++r->i, *out = start;
    for (;;) {
        size_t n = utf8_plain(r->text.ptr + r->i, r->text.len - r->i);
        memcpy(out, r->text.ptr + r->i, n);
        out += n;
        r->i += n;
        int c = peek(r);
        if (c < 0) {
            return fail(r, "the text ends within a string");
        }
        if (c == '"') {
            r->i++;
            *out = '\0';
            *ret = str_n(start, (size_t)(out - start));
            return 0;
        }
        if (c < 0x20) {
            return fail(r, "a control character in a string must be written as \\u%04X",
                        (unsigned)c);
        }
        if (c == '\\') {
            r->i++;
            int rc = read_escape(r, &out);
            if (rc < 0) {
                return rc;
            }
            continue;
        }
        n = utf8_next(r->text.ptr + r->i, r->text.len - r->i, NULL);
        if (n == 0) {
            return fail(r, "a byte that is not UTF-8");
        }
        memcpy(out, r->text.ptr + r->i, n);
        out += n;
        r->i += n;
    }
}

static int skip_digits(struct reader *r) {
    if (peek(r) < '0' || peek(r) > '9') {
        char b[16];
        return fail(r, "a number needs a digit here, found %s", seen(r, b));
    }
    while (peek(r) >= '0' && peek(r) <= '9') {
        r->i++;
    }
    return 0;
}

static int scan_number(struct reader *r, bool *ret_float) {
    int rc = 0;
    if (peek(r) == '-') {
        r->i++;
    }
    bool zero = peek(r) == '0';
    rc = skip_digits(r);
    if (rc == 0 && zero && r->i >= 2 && r->text.ptr[r->i - 1] >= '0' &&
        r->text.ptr[r->i - 2] >= '0' && r->text.ptr[r->i - 2] <= '9') {
        return fail(r, "a number must not start with a superfluous 0");
    }
    if (rc == 0 && peek(r) == '.') {
        r->i++;
        *ret_float = true;
        rc = skip_digits(r);
    }
    if (rc == 0 && (peek(r) == 'e' || peek(r) == 'E')) {
        r->i++;
        *ret_float = true;
        if (peek(r) == '+' || peek(r) == '-') {
            r->i++;
        }
        rc = skip_digits(r);
    }
    return rc;
}

static int read_number(struct reader *r, struct node *n) {
    size_t start = r->i;
    bool is_float = false;
    int rc = scan_number(r, &is_float);
    if (rc < 0) {
        return rc;
    }
    n->text = arena_str(r->arena, str_n(r->text.ptr + start, r->i - start));
    n->negative = n->text.ptr[0] == '-';
    n->number = strtod(n->text.ptr, NULL);
    if (!isfinite(n->number)) {
        r->i = start;
        return fail(r, "the number is out of range");
    }
    n->type = NODE_FLOAT;
    /* What no 64-bit integer holds, and -0, is a float, as for everybody else who reads this. */
    if (!is_float && str_u64(str_skip(n->text, n->negative), &n->integer) &&
        (!n->negative || (n->integer > 0 && n->integer <= (uint64_t)INT64_MAX + 1))) {
        n->type = NODE_INT;
    } else {
        n->integer = 0;
        n->flags = is_float || n->number == 0 ? 0 : NODE_INEXACT;
    }
    return 0;
}

static int read_word(struct reader *r, struct node *n) {
    static const struct {
        const char *word;
        enum node_type type;
        bool boolean;
    } words[] = {
        {"true", NODE_BOOL, true}, {"false", NODE_BOOL, false}, {"null", NODE_NULL, false}};
    for (size_t k = 0; k < ARRAY_LEN(words); k++) {
        if (str_starts(str_skip(r->text, r->i), str_c(words[k].word))) {
            n->type = words[k].type;
            n->boolean = words[k].boolean;
            n->text = str_c(words[k].word);
            r->i += n->text.len;
            return 0;
        }
    }
    char b[16];
    return fail(r, "expected a value, found %s", seen(r, b));
}

static int read_value(struct reader *r, struct node **ret);

static int read_array(struct reader *r, struct node *n) {
    uint32_t base = r->items.n;
    n->type = NODE_ARRAY;
    r->i++;
    skip_blanks(r);
    while (peek(r) != ']' || r->items.n > base) {
        struct node *item = NULL;
        int rc = read_value(r, &item);
        if (rc < 0) {
            return rc;
        }
        *VEC_ADD(&r->items) = item;
        skip_blanks(r);
        if (peek(r) == ']') {
            break;
        }
        if (peek(r) != ',') {
            char b[16];
            return fail(r, "expected ',' or ']' in an array, found %s", seen(r, b));
        }
        r->i++;
    }
    r->i++;
    n->n = r->items.n - base;
    n->items = ARENA_ARRAY(r->arena, struct node *, n->n);
    if (n->n) {
        memcpy(n->items, r->items.at + base, n->n * sizeof(*n->items));
    }
    r->items.n = base;
    return 0;
}

static int read_member(struct reader *r) {
    struct node_member m = {.value = NULL};
    char b[16];
    skip_blanks(r);
    if (peek(r) != '"') {
        return fail(r, "expected a member name in double quotes, found %s", seen(r, b));
    }
    struct text_pos at = pos_of(r, r->i);
    m.line = at.line;
    m.column = at.column;
    int rc = read_string(r, &m.key);
    if (rc < 0) {
        return rc;
    }
    skip_blanks(r);
    if (peek(r) != ':') {
        return fail(r, "expected ':' behind a member name, found %s", seen(r, b));
    }
    r->i++;
    rc = read_value(r, &m.value);
    if (rc == 0) {
        *VEC_ADD(&r->members) = m;
    }
    return rc;
}

static int read_object(struct reader *r, struct node *n) {
    uint32_t base = r->members.n;
    n->type = NODE_OBJECT;
    r->i++;
    skip_blanks(r);
    while (peek(r) != '}' || r->members.n > base) {
        int rc = read_member(r);
        if (rc < 0) {
            return rc;
        }
        skip_blanks(r);
        if (peek(r) == '}') {
            break;
        }
        if (peek(r) != ',') {
            char b[16];
            return fail(r, "expected ',' or '}' in an object, found %s", seen(r, b));
        }
        r->i++;
    }
    r->i++;
    n->n = r->members.n - base;
    n->members = ARENA_ARRAY(r->arena, struct node_member, n->n);
    if (n->n) {
        memcpy(n->members, r->members.at + base, n->n * sizeof(*n->members));
    }
    r->members.n = base;
    return 0;
}

static int read_value(struct reader *r, struct node **ret) {
    skip_blanks(r);
    int c = peek(r), rc;
    if (++r->nodes > JSON_MAX_NODES) {
        return fail(r, "more than %u values in one document", JSON_MAX_NODES);
    }
    struct node *n = ARENA_NEW(r->arena, struct node);
    struct text_pos at = pos_of(r, r->i);
    n->line = at.line;
    n->column = at.column;
    if (c == '{' || c == '[') {
        if (r->depth == JSON_MAX_DEPTH) {
            return fail(r, "nested deeper than %u levels", JSON_MAX_DEPTH);
        }
        r->depth++;
        rc = c == '{' ? read_object(r, n) : read_array(r, n);
        r->depth--;
    } else if (c == '"') {
        n->type = NODE_STRING;
        rc = read_string(r, &n->text);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        rc = read_number(r, n);
    } else {
        rc = read_word(r, n);
    }
    *ret = n;
    return rc;
}

static int parse(str text, struct arena *a, bool blind, struct node **ret, struct text_pos *ret_pos,
                 struct err *err) {
    struct reader r = {.text = text, .arena = a, .err = err, .pos = {1, 1}, .blind = blind};
    struct node *n = NULL;
    r.copy = arena_alloc(a, text.len + 1);
    int rc = read_value(&r, &n);
    if (rc == 0) {
        skip_blanks(&r);
        if (r.i < text.len) {
            char b[16];
            rc = fail(&r, "expected nothing behind the document, found %s", seen(&r, b));
        }
    }
    if (rc < 0) {
        *ret_pos = r.pos;
    } else {
        *ret = n;
    }
    VEC_FREE(&r.items);
    VEC_FREE(&r.members);
    return rc;
}

int json_parse_pos(str text, struct arena *a, struct node **ret, struct text_pos *ret_pos,
                   struct err *err) {
    return parse(text, a, false, ret, ret_pos, err);
}

static int parse_telling(str text, struct arena *a, bool blind, struct node **ret,
                         struct err *err) {
    struct text_pos pos = {0, 0};
    int rc = parse(text, a, blind, ret, &pos, err);
    if (rc < 0) {
        err_wrap(err, "line %u, column %u", pos.line, pos.column);
    }
    return rc;
}

int json_parse(str text, struct arena *a, struct node **ret, struct err *err) {
    return parse_telling(text, a, false, ret, err);
}

int json_parse_blind(str text, struct arena *a, struct node **ret, struct err *err) {
    return parse_telling(text, a, true, ret, err);
}
