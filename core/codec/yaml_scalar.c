/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/yaml_scalar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CORE_TAG "tag:yaml.org,2002:"

static bool is_null(str s) {
    return str_is(s, "~") || str_is(s, "null") || str_is(s, "Null") || str_is(s, "NULL");
}

static bool read_bool(str s, bool *ret) {
    *ret = str_is(s, "true") || str_is(s, "True") || str_is(s, "TRUE");
    return *ret || str_is(s, "false") || str_is(s, "False") || str_is(s, "FALSE");
}

static uint32_t digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0');
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : 99;
}

/* 128 bits in four parts, low first. False: no digits, a wrong one, or more than 128 bits. */
static bool read_digits(str s, uint32_t radix, uint32_t limb[4]) {
    memset(limb, 0, 4 * sizeof(*limb));
    for (size_t i = 0; i < s.len; i++) {
        uint64_t carry = digit_of(s.ptr[i]);
        if (carry >= radix) {
            return false;
        }
        for (int k = 0; k < 4; k++) {
            carry += (uint64_t)limb[k] * radix;
            limb[k] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry) {
            return false;
        }
    }
    return s.len > 0;
}

static bool only_digits(str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
    }
    return true;
}

/* 012 and 00 are text. */
static bool leading_zero(str s) {
    if (s.len && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
        s = str_skip(s, 1);
    }
    return s.len > 1 && s.ptr[0] == '0' && only_digits(s);
}

static bool read_int(str text, struct node *n) {
    static const struct {
        const char *prefix;
        uint32_t radix;
    } radixes[] = {{"0x", 16}, {"0o", 8}, {"0b", 2}};
    uint32_t limb[4], radix = 10;
    str s = text;
    bool negative = s.len && s.ptr[0] == '-';
    if (s.len && (negative || s.ptr[0] == '+')) {
        s = str_skip(s, 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(radixes); i++) {
        if (str_starts(s, str_c(radixes[i].prefix))) {
            radix = radixes[i].radix;
            s = str_skip(s, 2);
            break;
        }
    }
    if ((radix == 10 && leading_zero(text)) || !read_digits(s, radix, limb)) {
        return false;
    }
    uint64_t low = (uint64_t)limb[1] << 32 | limb[0], high = (uint64_t)limb[3] << 32 | limb[2];
    uint64_t half = (uint64_t)1 << 63;
    if (negative && (high > half || (high == half && low > 0))) {
        return false; /* below -2^127: goes on as a float */
    }
    n->type = NODE_INT;
    n->negative = negative && (low | high) != 0;
    n->integer = low;
    n->number = (negative ? -1.0 : 1.0) * ((double)high * 18446744073709551616.0 + (double)low);
    if (high > 0 || (negative && low > half)) {
        n->type = NODE_FLOAT;
        n->integer = 0;
        n->flags |= NODE_WIDE | NODE_INEXACT;
    }
    return true;
}

/* Decimal notation only: strtod alone would take "infinity" and hexadecimal too. */
static bool float_grammar(str s) {
    size_t i = 0, digits = 0;
    if (s.len && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
        i++;
    }
    for (; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++) {
        digits++;
    }
    if (i < s.len && s.ptr[i] == '.') {
        for (i++; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++) {
            digits++;
        }
    }
    if (digits && i < s.len && (s.ptr[i] == 'e' || s.ptr[i] == 'E')) {
        i++;
        i += i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+');
        size_t from = i;
        while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9') {
            i++;
        }
        digits = i > from;
    }
    return digits > 0 && i == s.len;
}

static bool read_float(str s, struct node *n) {
    str bare = s.len && s.ptr[0] == '+' ? str_skip(s, 1) : s;
    double v = 0;
    if (str_is(bare, ".inf") || str_is(bare, ".Inf") || str_is(bare, ".INF")) {
        v = (double)INFINITY;
    } else if (str_is(s, "-.inf") || str_is(s, "-.Inf") || str_is(s, "-.INF")) {
        v = -(double)INFINITY;
    } else if (str_is(s, ".nan") || str_is(s, ".NaN") || str_is(s, ".NAN")) {
        v = (double)NAN;
    } else if (float_grammar(s)) {
        v = strtod(s.ptr, NULL); /* the text is NUL-terminated in the arena */
        if (!isfinite(v)) {
            n->flags |= NODE_INEXACT;
            return false;
        }
        if (only_digits(str_skip(s, s.ptr[0] == '-' || s.ptr[0] == '+'))) {
            n->flags |= NODE_INEXACT;
        }
    } else {
        return false;
    }
    n->type = NODE_FLOAT;
    n->number = v;
    return true;
}

static void type_plain(struct node *n) {
    if (n->text.len == 0 || is_null(n->text)) {
        n->type = NODE_NULL;
    } else if (read_bool(n->text, &n->boolean)) {
        n->type = NODE_BOOL;
    } else if (!read_int(n->text, n) && !leading_zero(n->text)) {
        read_float(n->text, n);
    }
}

/* A core tag forces its type, or the scalar is at fault. */
static void type_tagged(struct node *n, const char *name) {
    bool ok = true;
    if (strcmp(name, "null") == 0) {
        ok = is_null(n->text);
        n->type = ok ? NODE_NULL : NODE_STRING;
    } else if (strcmp(name, "bool") == 0) {
        ok = read_bool(n->text, &n->boolean);
        n->type = ok ? NODE_BOOL : NODE_STRING;
    } else if (strcmp(name, "int") == 0) {
        ok = read_int(n->text, n);
    } else if (strcmp(name, "float") == 0) {
        ok = read_float(n->text, n);
        n->flags &= ~NODE_INEXACT;
    }
    if (!ok) {
        n->flags = (n->flags & ~NODE_INEXACT) | NODE_BAD_TAG;
    }
}

void yaml_scalar_type(struct node *n, bool plain, const char *tag) {
    n->type = NODE_STRING;
    if (tag && tag[0] == '!') {
        n->flags |= NODE_LOCAL_TAG;
    } else if (tag) {
        if (strncmp(tag, CORE_TAG, sizeof(CORE_TAG) - 1) == 0) {
            type_tagged(n, tag + sizeof(CORE_TAG) - 1);
        }
    } else if (plain) {
        type_plain(n);
    }
}
