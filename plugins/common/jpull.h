/* SPDX-License-Identifier: Apache-2.0
 *
 * A strict JSON reader (RFC 8259, UTF-8) that builds and allocates nothing: it walks over borrowed
 * text and hands out pieces of it, so a value never leaves the guarded buffer it came in. Pure. The
 * first failure sticks. Error texts are static: they never quote the input.
 */
#ifndef PLUGINS_COMMON_JPULL_H
#define PLUGINS_COMMON_JPULL_H

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

void jpull_init(struct jpull *j, const char *text, size_t n);
enum jpull_kind jpull_peek(struct jpull *j);
/* After jpull_enter() jpull_more() is true before each entry and false at the end or on failure. */
bool jpull_enter(struct jpull *j, char open, bool *ret_first);
bool jpull_more(struct jpull *j, bool *first, char close);
/* A member's name as it stands (escapes and all, without quotes), and its colon. */
bool jpull_key(struct jpull *j, trl_str *ret);
bool jpull_same(trl_str raw_key, trl_str name);
/* A string, decoded in place: the text has to be writable, and is read once. */
bool jpull_string(struct jpull *j, trl_str *ret);
/* The same of a string as jpull_raw() hands it out, into memory with room for raw.len bytes. */
bool jpull_decode(trl_str raw, char *to, size_t *ret_n);
bool jpull_int(struct jpull *j, int64_t *ret);
/* Any value, checked; *ret: its text as it stands, for another reader. */
bool jpull_raw(struct jpull *j, trl_str *ret);
bool jpull_end(struct jpull *j); /* nothing but blanks is left */
/* The member of that name, raw. False: not there (*ret_error NULL) or malformed. The last of two
 * equal names counts. Changes nothing in the text. */
bool jpull_find(trl_str object, trl_str name, trl_str *ret, const char **ret_error);
bool jpull_is(trl_str raw, const char *word_text); /* "null", "true" */

#endif
