/* SPDX-License-Identifier: Apache-2.0 */
#include "value.h"

#include <math.h>

#include "../common/utf8.h"
#include "../common/xmem.h"

#define DEPTH_MAX 16
#define OWN       "trellis."

static trl_str lit(const char *s) {
    return trl_cstr(s);
}

static size_t valid_until(trl_str s, size_t i) {
    size_t n;
    while (i < s.len && (n = utf8_next(s.ptr + i, s.len - i)) > 0) {
        i += n;
    }
    return i;
}

void value_text(struct jwrite *w, trl_str s) {
    static const char mark[] = "\xef\xbf\xbd";
    size_t good = valid_until(s, 0), n = 0;
    if (good == s.len) {
        jwrite_str(w, s);
        return;
    }
    char *clean = x_realloc_n(NULL, s.len, sizeof(mark) - 1);
    for (size_t i = 0; i < s.len; i = good) {
        good = valid_until(s, i);
        memcpy(clean + n, s.ptr + i, good - i);
        n += good - i;
        if (good < s.len) {
            memcpy(clean + n, mark, sizeof(mark) - 1);
            n += sizeof(mark) - 1;
            good++;
        }
    }
    jwrite_str(w, trl_strn(clean, n));
    free(clean);
}

void value_number(struct jwrite *w, double v) {
    char text[40];
    if (isnan(v) || isinf(v)) {
        jwrite_str(w, lit(isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity"));
        return;
    }
    int n = snprintf(text, sizeof(text), "%.15g", v);
    if (strtod(text, NULL) != v) {
        n = snprintf(text, sizeof(text), "%.17g", v);
    }
    jwrite_raw(w, trl_strn(text, (size_t)n));
}

void value_u64(struct jwrite *w, uint64_t v) {
    char text[32];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    jwrite_str(w, trl_strn(text, (size_t)n));
}

void value_hex(struct jwrite *w, const uint8_t *id, size_t n) {
    static const char digits[] = "0123456789abcdef";
    char text[32];
    for (size_t i = 0; i < n && i < sizeof(text) / 2; i++) {
        text[2 * i] = digits[id[i] >> 4];
        text[2 * i + 1] = digits[id[i] & 15];
    }
    jwrite_str(w, trl_strn(text, 2 * n));
}

static void put_any(struct jwrite *w, const struct jnode *v, int depth);

/* {"values": [...]}; of an object those are KeyValues. */
static void put_list(struct jwrite *w, const struct jnode *v, int depth) {
    jwrite_open(w, '{');
    jwrite_key(w, lit("values"));
    jwrite_open(w, '[');
    JNODE_EACH(v, it) {
        if (v->kind == J_OBJECT) {
            jwrite_open(w, '{');
            jwrite_key(w, lit("key"));
            value_text(w, it->key);
            jwrite_key(w, lit("value"));
        }
        put_any(w, it, depth + 1);
        if (v->kind == J_OBJECT) {
            jwrite_close(w, '}');
        }
    }
    jwrite_close(w, ']');
    jwrite_close(w, '}');
}

static void put_real(struct jwrite *w, trl_str digits) {
    char text[64];
    size_t n = digits.len < sizeof(text) - 1 ? digits.len : sizeof(text) - 1;
    memcpy(text, digits.ptr, n);
    text[n] = '\0';
    value_number(w, strtod(text, NULL));
}

static void put_integer(struct jwrite *w, int64_t v) {
    char text[32];
    int n = snprintf(text, sizeof(text), "%lld", (long long)v);
    jwrite_str(w, trl_strn(text, (size_t)n));
}

static void put_any(struct jwrite *w, const struct jnode *v, int depth) {
    static const char *const names[] = {
        [J_FALSE] = "boolValue",   [J_TRUE] = "boolValue",     [J_INT] = "intValue",
        [J_REAL] = "doubleValue",  [J_STRING] = "stringValue", [J_ARRAY] = "arrayValue",
        [J_OBJECT] = "kvlistValue"};
    int deep = depth >= DEPTH_MAX && (v->kind == J_ARRAY || v->kind == J_OBJECT);
    jwrite_open(w, '{');
    if (v->kind != J_NULL) { /* else an AnyValue without a value */
        jwrite_key(w, lit(deep ? "stringValue" : names[v->kind]));
    }
    if (deep) {
        jwrite_str(w, lit("(nested too deeply)"));
    } else if (v->kind == J_STRING) {
        value_text(w, v->text);
    } else if (v->kind == J_INT) {
        put_integer(w, v->integer);
    } else if (v->kind == J_REAL) {
        put_real(w, v->text);
    } else if (v->kind == J_TRUE || v->kind == J_FALSE) {
        jwrite_raw(w, lit(v->kind == J_TRUE ? "true" : "false"));
    } else if (v->kind != J_NULL) {
        put_list(w, v, depth);
    }
    jwrite_close(w, '}');
}

void value_any(struct jwrite *w, const struct jnode *v) {
    put_any(w, v, 0);
}

static void put_key(struct jwrite *w, trl_str key) {
    jwrite_open(w, '{');
    jwrite_key(w, lit("key"));
    if (key.len && memchr(key.ptr, '.', key.len)) {
        value_text(w, key);
    } else {
        size_t n = sizeof(OWN) - 1;
        char *own = x_alloc(n + key.len);
        memcpy(own, OWN, n);
        if (key.len) {
            memcpy(own + n, key.ptr, key.len);
        }
        value_text(w, trl_strn(own, n + key.len));
        free(own);
    }
    jwrite_key(w, lit("value"));
}

void value_attribute(struct jwrite *w, trl_str key, trl_str text) {
    put_key(w, key);
    jwrite_open(w, '{');
    jwrite_key(w, lit("stringValue"));
    value_text(w, text);
    jwrite_close(w, '}');
    jwrite_close(w, '}');
}

void value_attribute_any(struct jwrite *w, trl_str key, const struct jnode *v) {
    put_key(w, key);
    value_any(w, v);
    jwrite_close(w, '}');
}

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int value_id(trl_str hex, uint8_t *id, size_t n) {
    int any = 0;
    if (hex.len != 2 * n) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        int hi = digit(hex.ptr[2 * i]), lo = digit(hex.ptr[2 * i + 1]);
        if (hi < 0 || lo < 0) {
            return 0;
        }
        id[i] = (uint8_t)(hi << 4 | lo);
        any |= id[i];
    }
    return any != 0;
}
