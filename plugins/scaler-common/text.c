/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char dots[] = "...";

/* Cuts back to the beginning of a character that leaves room for the dots. */
static void cut(struct text *t) {
    t->full = 1;
    if (t->cap < sizeof(dots)) {
        return;
    }
    size_t n = t->cap - sizeof(dots);
    if (n > t->len) {
        n = t->len;
    }
    while (n > 0 && ((unsigned char)t->at[n] & 0xc0) == 0x80) {
        n--;
    }
    memcpy(t->at + n, dots, sizeof(dots));
    t->len = n + sizeof(dots) - 1;
}

void text_str(struct text *t, trl_str s) {
    for (size_t i = 0; i < s.len && !t->full; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (t->len + 1 >= t->cap) {
            cut(t);
            return;
        }
        t->at[t->len++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
        t->at[t->len] = '\0';
    }
}

void text_c(struct text *t, const char *c) {
    text_str(t, (trl_str){c, strlen(c)});
}

void text_u64(struct text *t, uint64_t v) {
    char digits[24];
    snprintf(digits, sizeof(digits), "%" PRIu64, v);
    text_c(t, digits);
}

void text_blank(struct text *t) {
    if (t->len > 0) {
        text_c(t, " ");
    }
}
