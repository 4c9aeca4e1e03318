/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/utf8.h"

void jw_init(struct jw *w, struct buf *out, bool pretty) {
    *w = (struct jw){.out = out, .pretty = pretty};
}

static void new_line(struct jw *w) {
    if (w->pretty) {
        buf_add_c(w->out, '\n');
        for (uint32_t k = 0; k < w->depth; k++) {
            buf_add(w->out, "  ", 2);
        }
    }
}

/* Before a value or a key: the comma and the line break, unless a key stands before it. */
static void lead(struct jw *w) {
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->comma) {
        buf_add_c(w->out, ',');
    }
    if (w->depth) {
        new_line(w);
    }
}

static void open_bracket(struct jw *w, char c) {
    lead(w);
    buf_add_c(w->out, c);
    w->depth++;
    w->comma = false;
}

static void close_bracket(struct jw *w, char c) {
    w->depth--;
    if (w->comma) {
        new_line(w);
    }
    buf_add_c(w->out, c);
    w->comma = true;
}

void jw_object(struct jw *w) {
    open_bracket(w, '{');
}

void jw_array(struct jw *w) {
    open_bracket(w, '[');
}

void jw_end_object(struct jw *w) {
    close_bracket(w, '}');
}

void jw_end_array(struct jw *w) {
    close_bracket(w, ']');
}

static void add_escaped(struct buf *out, unsigned char c) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = memchr(from, c, sizeof(from) - 1);
    if (at) {
        const char two[2] = {'\\', to[at - from]};
        buf_add(out, two, 2);
    } else {
        buf_addf(out, "\\u%04x", c);
    }
}

static void add_quoted(struct buf *out, str s) {
    size_t i = utf8_plain(s.ptr, s.len);
    char *to = buf_room(out, i + 2);
    *to++ = '"';
    if (i) {
        memcpy(to, s.ptr, i);
    }
    out->len += i + 1;
    while (i < s.len) {
        size_t n = utf8_plain(s.ptr + i, s.len - i);
        buf_add(out, s.ptr + i, n);
        i += n;
        if (i == s.len) {
            break;
        }
        n = utf8_next(s.ptr + i, s.len - i, NULL);
        if (n == 1) {
            add_escaped(out, (unsigned char)s.ptr[i]);
        } else if (n == 0) {
            buf_add(out, "\xef\xbf\xbd", 3);
        } else {
            buf_add(out, s.ptr + i, n);
        }
        i += n ? n : 1;
    }
    buf_add_c(out, '"');
}

void jw_key_str(struct jw *w, str key) {
    lead(w);
    add_quoted(w->out, key);
    buf_add_c(w->out, ':');
    if (w->pretty) {
        buf_add_c(w->out, ' ');
    }
    w->after_key = true;
    w->comma = true;
}

/* The commonest call by far: in one go. */
void jw_key(struct jw *w, const char *key) {
    size_t n = strlen(key);
    if (w->pretty) {
        jw_key_str(w, str_n(key, n));
        return;
    }
    char *to = buf_room(w->out, n + 4);
    if (w->comma) {
        *to++ = ',';
    }
    *to++ = '"';
    memcpy(to, key, n);
    memcpy(to + n, "\":", 3);
    w->out->len = (size_t)(to + n + 2 - w->out->ptr);
    w->after_key = true;
    w->comma = true;
}

void jw_raw(struct jw *w, str json) {
    lead(w);
    buf_add_str(w->out, json);
    w->comma = true;
}

void jw_str(struct jw *w, str s) {
    lead(w);
    add_quoted(w->out, s);
    w->comma = true;
}

void jw_cstr(struct jw *w, const char *s) {
    jw_str(w, str_c(s));
}

void jw_u64(struct jw *w, uint64_t v) {
    lead(w);
    buf_add_u64(w->out, v);
    w->comma = true;
}

void jw_f64(struct jw *w, double v) {
    char b[40];
    if (!isfinite(v)) {
        jw_null(w);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(b, sizeof(b), "%.*g", digits, v);
        if (memcmp(&(double){strtod(b, NULL)}, &v, sizeof(v)) == 0) {
            break;
        }
    }
    lead(w);
    buf_add_str(w->out, str_c(b));
    if (!strpbrk(b, ".e")) { /* stays a float for the next reader */
        buf_add(w->out, ".0", 2);
    }
    w->comma = true;
}

void jw_bool(struct jw *w, bool v) {
    jw_raw(w, v ? STR("true") : STR("false"));
}

void jw_null(struct jw *w) {
    jw_raw(w, STR("null"));
}

void jw_node(struct jw *w, const struct node *n) {
    switch (n ? n->type : NODE_NULL) {
    case NODE_NULL:
        jw_null(w);
        break;
    case NODE_BOOL:
        jw_bool(w, n->boolean);
        break;
    case NODE_INT:
        lead(w);
        buf_addf(w->out, "%s%llu", n->negative ? "-" : "", (unsigned long long)n->integer);
        w->comma = true;
        break;
    case NODE_FLOAT:
        jw_f64(w, n->number);
        break;
    case NODE_STRING:
        jw_str(w, n->text);
        break;
    case NODE_ARRAY:
        jw_array(w);
        for (uint32_t i = 0; i < n->n; i++) {
            jw_node(w, n->items[i]);
        }
        jw_end_array(w);
        break;
    case NODE_OBJECT:
        jw_object(w);
        for (uint32_t i = 0; i < n->n; i++) {
            jw_key_str(w, n->members[i].key);
            jw_node(w, n->members[i].value);
        }
        jw_end_object(w);
        break;
    }
}

void jw_kv(struct jw *w, const char *key, str value) {
    jw_key(w, key);
    jw_str(w, value);
}

void jw_kv_u64(struct jw *w, const char *key, uint64_t v) {
    jw_key(w, key);
    jw_u64(w, v);
}

void jw_kv_bool(struct jw *w, const char *key, bool v) {
    jw_key(w, key);
    jw_bool(w, v);
}
