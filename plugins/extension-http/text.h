/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing buffer. Zeroed memory is an empty one. NUL-terminated behind len once something was
 * added.
 */
#ifndef HTTP_TEXT_H
#define HTTP_TEXT_H

#include <trellis/trellis.h>

#include "../common/xtext.h"

struct text {
    char *ptr;
    size_t len, cap;
};

void text_add(struct text *t, const void *p, size_t n);
void text_adds(struct text *t, const char *s);
void text_addv(struct text *t, trl_str s);
__attribute__((format(printf, 2, 3))) void text_addf(struct text *t, const char *fmt, ...);
/* s as a JSON string with its quotes; what is no UTF-8 becomes '?'. */
void text_add_json(struct text *t, trl_str s);
char *text_take(struct text *t); /* owned; the buffer is empty afterwards */
void text_finish(struct text *t);

#endif
