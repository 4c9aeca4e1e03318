/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdarg.h>

char *text_of(trl_str s) {
    char *c = x_alloc(s.len + 1);
    if (s.len) {
        memcpy(c, s.ptr, s.len);
    }
    c[s.len] = '\0';
    return c;
}

char *text_dup(const char *s) {
    return s ? text_of(trl_cstr(s)) : NULL;
}

char *text_fmt(const char *fmt, ...) {
    va_list ap;
    int n;
    char *c;
    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    c = x_alloc((size_t)(n < 0 ? 0 : n) + 1);
    c[0] = '\0';
    va_start(ap, fmt);
    vsnprintf(c, (size_t)(n < 0 ? 0 : n) + 1, fmt, ap);
    va_end(ap);
    return c;
}

void text_wipe(char *s) {
    if (s) {
        explicit_bzero(s, strlen(s));
        free(s);
    }
}

static int blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void text_trim(char *s) {
    size_t start = 0, end = strlen(s);
    while (end > 0 && blank(s[end - 1])) {
        end--;
    }
    while (start < end && blank(s[start])) {
        start++;
    }
    memmove(s, s + start, end - start);
    s[end - start] = '\0';
}

void text_join(char **list, const char *more) {
    char *joined = *list ? text_fmt("%s; %s", *list, more) : text_dup(more);
    free(*list);
    *list = joined;
}
