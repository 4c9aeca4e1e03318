/* SPDX-License-Identifier: Apache-2.0
 *
 * Small text helpers.
 */
#ifndef DRIVER_LATTICE_TEXT_H
#define DRIVER_LATTICE_TEXT_H

#include <trellis/helper.h>

#define STR_LIT(lit) trl_strn("" lit, sizeof(lit) - 1)
#define STR_ARG(s)   (int)(s).len, ((s).ptr ? (s).ptr : "") /* for "%.*s" */

char *text_dup(trl_str s);               /* owned, NUL-terminated */
char *text_dotted(trl_str a, trl_str b); /* "a.b", owned */
__attribute__((format(printf, 1, 2))) char *text_format(const char *fmt, ...); /* owned */
int text_has(trl_str s, const char *part);
int text_ends(trl_str s, const char *tail);
/* One token of a subject that names something: no blanks, dots, wildcards, control characters. */
int text_is_token(trl_str s);
/* A lattice or account name: [A-Za-z0-9_-]+ */
int text_is_plain_name(trl_str s);
/* Copies at most cap - 1 bytes as one line, cut at the border of a character. */
void text_line(char *to, size_t cap, trl_str s);

#endif
