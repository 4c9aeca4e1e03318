/* SPDX-License-Identifier: Apache-2.0
 *
 * A JSON reader that builds nothing: it walks over text that the caller may write to and hands out
 * pieces of it. Strings are decoded in place, so a value never leaves the guarded buffer it came
 * in; jpull_string() reads a string once. The first failure sticks. Error texts are static: they
 * never quote the input.
 */
#ifndef VAULT_JPULL_H
#define VAULT_JPULL_H

#include <stdbool.h>
#include <trellis/abi.h>

#define JPULL_DEPTH 64u

struct jpull {
    char *p, *end;
    const char *error; /* NULL: nothing so far */
    uint32_t depth;
};

enum jpull_kind {
    JPULL_NONE, /* the end, or nothing that begins a value */
    JPULL_OBJECT,
    JPULL_ARRAY,
    JPULL_STRING,
    JPULL_NUMBER,
    JPULL_WORD /* true, false, null */
};

void jpull_init(struct jpull *j, const char *text, size_t n); /* written to */
enum jpull_kind jpull_peek(struct jpull *j);
/* After jpull_enter() jpull_more() is true before each entry and false at the end or on failure. */
bool jpull_enter(struct jpull *j, char open, bool *ret_first);
bool jpull_more(struct jpull *j, bool *first, char close);
/* A member's name as it stands (escapes and all, without quotes), and its colon. */
bool jpull_key(struct jpull *j, trl_str *ret);
bool jpull_same(trl_str raw_key, trl_str name);
bool jpull_string(struct jpull *j, trl_str *ret);
bool jpull_int(struct jpull *j, int64_t *ret);
/* Any value, checked; *ret: its text as it stands, for another reader. */
bool jpull_raw(struct jpull *j, trl_str *ret);
bool jpull_end(struct jpull *j); /* nothing but blanks is left */
/* The member of that name, raw. False: not there (*ret_error NULL) or malformed. The last of two
 * equal names counts. Changes nothing in the text. */
bool jpull_find(trl_str object, trl_str name, trl_str *ret, const char **ret_error);
bool jpull_is(trl_str raw, const char *word_text); /* "null", "true" */

#endif
