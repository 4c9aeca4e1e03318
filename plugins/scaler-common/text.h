/* SPDX-License-Identifier: Apache-2.0
 *
 * A line of text in a buffer of fixed size: what does not fit is cut at a character, with "...".
 */
#ifndef PLUGINS_SCALER_TEXT_H
#define PLUGINS_SCALER_TEXT_H

#include <trellis/abi.h>

struct text {
    char *at; /* borrowed; always ends with a NUL once something was added */
    size_t cap, len;
    int full;
};

/* A blank, unless nothing was said so far. */
void text_blank(struct text *t);
void text_str(struct text *t, trl_str s); /* control characters become '?' */
void text_c(struct text *t, const char *c);
void text_u64(struct text *t, uint64_t v);

#endif
