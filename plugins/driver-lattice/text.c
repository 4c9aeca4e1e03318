/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

char *text_dotted(trl_str a, trl_str b) {
    char *c = x_alloc(a.len + b.len + 2);
    if (a.len) {
        memcpy(c, a.ptr, a.len);
    }
    c[a.len] = '.';
    if (b.len) {
        memcpy(c + a.len + 1, b.ptr, b.len);
    }
    c[a.len + b.len + 1] = '\0';
    return c;
}

int text_has(trl_str s, const char *part) {
    return s.len && memmem(s.ptr, s.len, part, strlen(part)) != NULL;
}

int text_ends(trl_str s, const char *tail) {
    size_t n = strlen(tail);
    return s.len >= n && memcmp(s.ptr + s.len - n, tail, n) == 0;
}

int text_is_token(trl_str s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == 0x7f || c == '.' || c == '*' || c == '>') {
            return 0;
        }
    }
    return s.len > 0;
}

int text_is_plain_name(trl_str s) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-')) {
            return 0;
        }
    }
    return s.len > 0;
}
