/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "codec/json.h"
#include "codec/utf8.h"

bool output_flush(void) {
    bool ok = !ferror(stdout); /* set before: the first to fail may have been a print */
    if (fflush(stdout) != 0) {
        ok = false;
        if (errno == EPIPE) {
            signal(SIGPIPE, SIG_DFL);
            raise(SIGPIPE);
        }
    }
    return ok;
}

static str visible(str s, struct arena *a) {
    struct buf b = BUF_INIT;
    utf8_add_visible(&b, s, "\n\t");
    str r = b.len == s.len ? s : arena_str(a, buf_str(&b));
    buf_finish(&b);
    return r;
}

void output_make_visible(struct node *n, struct arena *a) {
    n->text = n->type == NODE_STRING ? visible(n->text, a) : n->text;
    for (uint32_t i = 0; n->type == NODE_ARRAY && i < n->n; i++) {
        output_make_visible(n->items[i], a);
    }
    for (uint32_t i = 0; n->type == NODE_OBJECT && i < n->n; i++) {
        n->members[i].key = visible(n->members[i].key, a);
        output_make_visible(n->members[i].value, a);
    }
}

void table_init(struct table *t, const char *const *head, uint32_t n) {
    memset(t, 0, sizeof(*t));
    t->n_columns = n;
    for (uint32_t i = 0; i < n; i++) {
        t->head[i] = head[i];
    }
}

void table_cell(struct table *t, str text) {
    struct buf b = BUF_INIT;
    utf8_add_visible(&b, text.len ? text : STR("-"), "");
    *VEC_ADD(&t->cells) = buf_take(&b);
}

void table_cellf(struct table *t, const char *fmt, ...) {
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_addv(&b, fmt, ap);
    va_end(ap);
    *VEC_ADD(&t->cells) = buf_take(&b);
}

/* Columns are as wide as their characters, not their bytes. */
static size_t width(const char *s) {
    size_t n = 0;
    for (; *s; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

const char *output_colour(bool on, str word) {
    static const char *const green[] = {"deployed", "running", "ready"};
    static const char *const yellow[] = {"reconciling", "waiting", "suspect", "unhealthy"};
    if (!on) {
        return "";
    }
    for (size_t i = 0; i < ARRAY_LEN(green); i++) {
        if (str_is(word, green[i])) {
            return "\033[32m";
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(yellow); i++) {
        if (str_is(word, yellow[i])) {
            return "\033[33m";
        }
    }
    return str_is(word, "failed") || str_is(word, "stale") ? "\033[31m" : "";
}

void table_print(struct table *t, bool colour) {
    size_t w[TABLE_COLUMNS];
    uint32_t rows = t->cells.n / t->n_columns;
    for (uint32_t c = 0; c < t->n_columns; c++) {
        w[c] = width(t->head[c]);
        for (uint32_t r = 0; r < rows; r++) {
            size_t n = width(t->cells.at[r * t->n_columns + c]);
            w[c] = n > w[c] ? n : w[c];
        }
    }
    for (uint32_t r = 0; r <= rows; r++) {
        for (uint32_t c = 0; c < t->n_columns; c++) {
            const char *text = r ? t->cells.at[(r - 1) * t->n_columns + c] : t->head[c];
            const char *on = r ? output_colour(colour, str_c(text)) : colour ? "\033[1m" : "";
            bool last = c + 1 == t->n_columns;
            printf("%s%s%s%*s", on, text, *on ? "\033[0m" : "",
                   last ? 0 : (int)(w[c] - width(text)) + 2, "");
        }
        putchar('\n');
    }
    for (uint32_t i = 0; i < t->cells.n; i++) {
        mem_free(t->cells.at[i]);
    }
    VEC_FREE(&t->cells);
}

/* JSON as YAML reads it back, and no terminal obeys: it has some characters raw that YAML refuses
 * or takes for line ends. */
static void add_escaped(struct buf *out, str json) {
    for (size_t i = 0; i < json.len;) {
        uint32_t c = 0;
        size_t n = utf8_next(json.ptr + i, json.len - i, &c);
        n = n ? n : 1;
        if ((c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe ||
            c == 0xffff) {
            buf_addf(out, "\\u%04x", c);
        } else {
            buf_add(out, json.ptr + i, n);
        }
        i += n;
    }
}

/* A string that YAML would read as something else is quoted the JSON way, which YAML reads too. */
static void yaml_string(str s, struct buf *out) {
    bool plain = s.len > 0 && s.len < 200;
    for (size_t i = 0; plain && i < s.len; i++) {
        char c = s.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/' ||
                    (i > 0 && ((c >= '0' && c <= '9') || c == '-' || c == '.' || c == ' '));
        plain = word && !(c == ' ' && i + 1 == s.len);
    }
    static const char *const words[] = {"true",  "false", "null", "yes",   "no",
                                        "on",    "off",   "y",    "n",     "True",
                                        "False", "Null",  "TRUE", "FALSE", "NULL"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        plain = plain && !str_is(s, words[i]);
    }
    if (plain) {
        buf_add_str(out, s);
    } else {
        struct buf json = BUF_INIT;
        struct jw w;
        jw_init(&w, &json, false);
        jw_str(&w, s);
        add_escaped(out, buf_str(&json));
        buf_finish(&json);
    }
}

#define LONGEST_KEY 1000u /* of those that need no question mark */

static void yaml_key(str key, uint32_t indent, bool below, struct buf *out) {
    size_t from = out->len;
    yaml_string(key, out);
    if (out->len - from > LONGEST_KEY) {
        out->len = from;
        buf_addf(out, "? ");
        yaml_string(key, out);
        buf_addf(out, "\n%*s", (int)indent, "");
    }
    buf_addf(out, below ? ":\n" : ": ");
}

static void yaml_scalar(const struct node *n, struct buf *out) {
    if (n->type == NODE_STRING) {
        yaml_string(n->text, out);
    } else {
        struct jw w;
        jw_init(&w, out, false);
        jw_node(&w, n);
    }
}

static bool nested(const struct node *n) {
    return (n->type == NODE_ARRAY || n->type == NODE_OBJECT) && n->n > 0;
}

void output_yaml(const struct node *n, uint32_t indent, struct buf *out) {
    if (!nested(n)) {
        yaml_scalar(n, out);
        buf_add_c(out, '\n');
        return;
    }
    for (uint32_t i = 0; i < n->n; i++) {
        const struct node *v = n->type == NODE_ARRAY ? n->items[i] : n->members[i].value;
        if (i > 0 || n->type == NODE_ARRAY || indent == 0 || out->len == 0 ||
            out->ptr[out->len - 1] == '\n') {
            buf_addf(out, "%*s", (int)indent, "");
        }
        if (n->type == NODE_ARRAY) {
            buf_add_str(out, STR("- "));
            if (nested(v) && v->type == NODE_ARRAY) {
                buf_add_c(out, '\n');
            }
            output_yaml(v, indent + 2, out);
        } else {
            yaml_key(n->members[i].key, indent, nested(v), out);
            output_yaml(v, indent + 2, out);
        }
    }
}

void output_node(enum cli_format f, const struct node *n) {
    struct buf out = BUF_INIT;
    if (f == FORMAT_YAML) {
        output_yaml(n, 0, &out);
    } else {
        struct buf json = BUF_INIT;
        struct jw w;
        jw_init(&w, &json, true);
        jw_node(&w, n);
        add_escaped(&out, buf_str(&json));
        buf_finish(&json);
        buf_add_c(&out, '\n');
    }
    fwrite(out.ptr, 1, out.len, stdout);
    buf_finish(&out);
}

void output_age(struct buf *out, int64_t then_ms) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t s = (int64_t)t.tv_sec - then_ms / 1000;
    s = s < 0 ? 0 : s;
    if (s < 120) {
        buf_addf(out, "%llds", (long long)s);
    } else if (s < 7200) {
        buf_addf(out, "%lldm", (long long)s / 60);
    } else if (s < 172800) {
        buf_addf(out, "%lldh", (long long)s / 3600);
    } else {
        buf_addf(out, "%lldd", (long long)s / 86400);
    }
}
