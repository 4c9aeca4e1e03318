/* SPDX-License-Identifier: Apache-2.0
 *
 * Small text helpers, those of xtext.h and more.
 */
#ifndef DRIVER_LATTICE_TEXT_H
#define DRIVER_LATTICE_TEXT_H

#include "../common/xtext.h"

char *text_dotted(trl_str a, trl_str b); /* "a.b", owned */
int text_has(trl_str s, const char *part);
int text_ends(trl_str s, const char *tail);
/* One token of a subject that names something: no blanks, dots, wildcards, control characters. */
int text_is_token(trl_str s);
/* A lattice or account name: [A-Za-z0-9_-]+ */
int text_is_plain_name(trl_str s);

#endif
