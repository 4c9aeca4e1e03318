/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing text, and JSON strings in it. Zeroed memory is an empty text.
 */
#ifndef POLICY_RULES_TEXT_H
#define POLICY_RULES_TEXT_H

#include <stddef.h>
#include <trellis/abi.h>

struct text {
    char *at; /* owned; ends with a NUL once something was added */
    size_t len, cap;
};

void text_add(struct text *t, const char *p, size_t n);
void text_c(struct text *t, const char *c);
__attribute__((format(printf, 2, 3))) void text_f(struct text *t, const char *fmt, ...);
/* At most max bytes of s, cut at a character with "..."; control characters become '?'. */
void text_cut(struct text *t, trl_str s, size_t max);
/* "..." with everything escaped that JSON wants escaped. s: UTF-8. */
void text_json(struct text *t, trl_str s);
trl_str text_str(const struct text *t); /* borrowed until the next change */
void text_clear(struct text *t);        /* keeps the memory */
void text_finish(struct text *t);

#endif
