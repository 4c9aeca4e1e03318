/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of JSON that holds secrets, read in place and written: nothing is allocated, nothing
 * copied but what is asked for, into memory of the caller's choice. Stricter than jpull_find(): a
 * name that stands twice is an error. Pure.
 */
#ifndef SECRETS_COMMON_SJSON_H
#define SECRETS_COMMON_SJSON_H

#include <trellis/abi.h>

enum sjson { SJSON_OK, SJSON_ABSENT, SJSON_BAD }; /* BAD: no object, not JSON, or stands twice */

/* text: one JSON object and nothing else. *ret: the member's value as it is written, borrowed. */
enum sjson sjson_member(trl_str text, trl_str name, trl_str *ret);
/* The same, with what a replacement needs: *ret_close is where the object's '}' is, *ret_empty
 * whether it has no members. Either may be NULL. */
enum sjson sjson_find(trl_str text, trl_str name, trl_str *ret, size_t *ret_close, int *ret_empty);

int sjson_is_string(trl_str value);
int sjson_is_null(trl_str value);
/* A string's characters: out has room for value.len bytes. 0: it is no string. */
int sjson_text(trl_str value, char *out, size_t *ret_n);
/* [0,255,...]: out has room for value.len / 2 bytes. 0: it is no array of bytes. */
int sjson_bytes(trl_str value, uint8_t *out, size_t *ret_n);
/* Text as a JSON string with its quotes: out has room for 6 * n + 2 bytes. 0: it is not UTF-8. */
int sjson_encode(const char *text, size_t n, char *out, size_t *ret_n);

#endif
