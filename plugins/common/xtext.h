/* SPDX-License-Identifier: Apache-2.0
 *
 * Owned C strings made of what the core lends. Memory: xmem.h.
 */
#ifndef PLUGINS_COMMON_XTEXT_H
#define PLUGINS_COMMON_XTEXT_H

#include <stdarg.h>
#include <stdio.h>
#include <trellis/helper.h>

#include "xmem.h"

#define STR_LIT(lit) trl_strn("" lit, sizeof(lit) - 1)
#define STR_ARG(s)   (int)(s).len, ((s).ptr ? (s).ptr : "") /* for "%.*s" */

static inline char *text_dup(trl_str s) {
    char *c = x_alloc(s.len + 1);
    if (s.len) {
        memcpy(c, s.ptr, s.len);
    }
    c[s.len] = '\0';
    return c;
}

__attribute__((format(printf, 1, 2))) static inline char *text_format(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    size_t cap = n < 0 ? 1 : (size_t)n + 1;
    char *c = x_zalloc(cap);
    va_start(ap, fmt);
    vsnprintf(c, cap, fmt, ap);
    va_end(ap);
    return c;
}

/* Copies at most cap - 1 bytes as one line, cut at the border of a character. */
static inline void text_line(char *to, size_t cap, trl_str s) {
    size_t n = s.len < cap - 1 ? s.len : cap - 1;
    while (n < s.len && n > 0 && ((unsigned char)s.ptr[n] & 0xc0u) == 0x80u) {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        to[i] = (unsigned char)s.ptr[i] < ' ' ? ' ' : s.ptr[i];
    }
    to[n] = '\0';
}

#endif
