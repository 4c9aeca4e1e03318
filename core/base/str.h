/* SPDX-License-Identifier: Apache-2.0
 *
 * String views (trl_str, as on the plugin border) and a growing byte buffer.
 */
#ifndef TRELLIS_BASE_STR_H
#define TRELLIS_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <trellis/abi.h>
#include <trellis/helper.h>

typedef trl_str str;
#define STR(lit) ((str){"" lit, sizeof(lit) - 1}) /* static */
#define STR_NONE ((str){NULL, 0})
#define PSTR(s)  (int)(s).len, ((s).ptr ? (s).ptr : "") /* for "%.*s" */

/* Not inlined: hundreds of places compare names, few of them in the way of an event. */
str str_c(const char *c); /* borrowed */
bool str_eq(str a, str b);
bool str_is(str a, const char *c);
int str_cmp(str a, str b); /* bytewise order */
bool str_starts(str s, str prefix);
static inline str str_n(const char *p, size_t n) {
    return trl_strn(p, n);
}
bool str_ends(str s, str suffix);
str str_trim(str s);           /* borrowed part of s, ASCII blanks off both ends */
str str_skip(str s, size_t n); /* s without its first n bytes */
/* Cuts at the first c: returns what is before, *rest is what follows (ptr NULL when c is not
 * there). */
str str_cut(str s, char c, str *rest);
char *str_dup(str s);                            /* owned, NUL-terminated */
bool str_u64(str s, uint64_t *ret);              /* decimal digits only, no overflow */
int str_cmp_qsort(const void *a, const void *b); /* for arrays of str */

/* Growing bytes, always NUL-terminated behind len once something was added. */
struct buf {
    char *ptr;
    size_t len, cap;
};
#define BUF_INIT                                                                                   \
    { NULL, 0, 0 }

void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, str s);
void buf_add_c(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t v); /* decimal */
/* Room for n bytes behind what is there; the caller writes up to n and adds to len. A NUL is the
 * next addition's business. */
char *buf_room(struct buf *b, size_t n);
__attribute__((format(printf, 2, 3))) void buf_addf(struct buf *b, const char *fmt, ...);
__attribute__((format(printf, 2, 0))) void buf_addv(struct buf *b, const char *fmt, va_list ap);
void buf_clear(struct buf *b);    /* keeps the memory */
void buf_finish(struct buf *b);   /* frees it */
str buf_str(const struct buf *b); /* borrowed until the next change */
char *buf_take(struct buf *b);    /* owned C string; the buffer is empty afterwards */

#endif
