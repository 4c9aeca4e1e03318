/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8, strictly: no surrogates, nothing overlong, nothing above U+10FFFF.
 */
#ifndef TRELLIS_CODEC_UTF8_H
#define TRELLIS_CODEC_UTF8_H

#include "base/str.h"

/* Bytes of the sequence at p (1-4), 0 when it is not valid within n bytes. ret_cp may be NULL. */
size_t utf8_next(const char *p, size_t n, uint32_t *ret_cp);
/* Bytes at p up to the first that is no ASCII, a control character, a quote or a backslash: what
 * JSON strings hold as it is. */
size_t utf8_plain(const char *p, size_t n);
size_t utf8_put(char *out, uint32_t cp); /* writes 1-4 bytes, returns how many */
/* Appends s with \xNN in place of control characters, with which a text could draw on the terminal
 * of who reads it; those in keep stay. */
void utf8_add_visible(struct buf *out, str s, const char *keep);
/* Offset of the first invalid byte; s.len when all is well. */
size_t utf8_check(str s);

#endif
