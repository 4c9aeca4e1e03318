/* SPDX-License-Identifier: Apache-2.0
 *
 * A strict JSON cursor for trait properties: whole numbers keep all 64 bits, nothing is built. The
 * caller asks for what it expects; the first failure sticks and every later call fails.
 */
#ifndef PLUGINS_SCALER_JSON_READ_H
#define PLUGINS_SCALER_JSON_READ_H

#include <stdbool.h>
#include <trellis/abi.h>

struct json_read {
    const char *start, *p, *end; /* borrowed text */
    const char *error;           /* static: what is wrong, NULL: nothing so far */
    uint32_t depth;
};

enum json_kind {
    JSON_NONE, /* the end, or something that begins no value */
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL
};

void json_read_init(struct json_read *r, trl_str text);
enum json_kind json_read_peek(struct json_read *r);
/* After json_read_enter() (peek said object or array), json_read_more() is true before each element
 * and false once, at the end of the container or on failure. */
bool json_read_enter(struct json_read *r, bool *ret_first);
bool json_read_more(struct json_read *r, bool *first, char close);
bool json_read_colon(struct json_read *r);
/* *ret: owned (free), NUL-terminated beyond len. */
bool json_read_string(struct json_read *r, trl_str *ret);
/* A whole number from 0 to 2^64-1, written without fraction or exponent. */
bool json_read_u64(struct json_read *r, uint64_t *ret);
bool json_read_null(struct json_read *r);
bool json_read_end(struct json_read *r); /* nothing but blanks is left */

#endif
