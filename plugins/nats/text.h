/* SPDX-License-Identifier: Apache-2.0
 *
 * Owned C strings for this plugin. Every function that returns char * returns owned memory.
 */
#ifndef NATS_TEXT_H
#define NATS_TEXT_H

#include <trellis/trellis.h>

#include "../common/xmem.h"

char *text_dup(const char *s); /* NULL stays NULL */
char *text_of(trl_str s);
__attribute__((format(printf, 1, 2))) char *text_fmt(const char *fmt, ...);
/* Overwrites before freeing: for anything that may be a secret. NULL is fine. */
void text_wipe(char *s);
/* Cuts white space at both ends, in place. */
void text_trim(char *s);
/* Adds to a list in the form "a; b". *list may be NULL. */
void text_join(char **list, const char *more);

#endif
