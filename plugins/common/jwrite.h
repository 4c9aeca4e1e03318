/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes a JSON text from front to back: commas, quotes and escapes are its business, nesting is
 * the caller's. Text that is no UTF-8 spoils the whole.
 */
#ifndef PLUGINS_COMMON_JWRITE_H
#define PLUGINS_COMMON_JWRITE_H

#include <trellis/abi.h>

struct jwrite { /* zeroed memory is an empty text */
    char *text;
    size_t len, cap;
    int comma, bad;
};

void jwrite_open(struct jwrite *w, char bracket); /* '{' or '[' */
void jwrite_close(struct jwrite *w, char bracket);
void jwrite_key(struct jwrite *w, trl_str key);
void jwrite_str(struct jwrite *w, trl_str s);
void jwrite_u64(struct jwrite *w, uint64_t v);
void jwrite_false(struct jwrite *w);
void jwrite_raw(struct jwrite *w, trl_str json); /* one value, as it is */
char *jwrite_take(struct jwrite *w); /* owned, NUL-terminated; NULL: spoilt. w is empty then */

#endif
