/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors: a code of the border (TRL_E_*) and one line of text that says what, where, why and what
 * to do. Fallible functions return 0 or the code and take `struct err *` last; NULL is allowed.
 */
#ifndef TRELLIS_BASE_ERR_H
#define TRELLIS_BASE_ERR_H

#include <trellis/abi.h>

struct err {
    int code;
    char msg[1024];
};
#define ERR_INIT                                                                                   \
    { 0, "" }

/* Sets and returns code (a TRL_E_*). */
__attribute__((format(printf, 3, 4))) int err_set(struct err *e, int code, const char *fmt, ...);
/* Puts "context: " before the text; returns the code already there. */
__attribute__((format(printf, 2, 3))) int err_wrap(struct err *e, const char *fmt, ...);
/* Takes over what a plugin said; a code it should not use reads as INTERNAL. */
int err_from_trl(struct err *e, trl_status st, const trl_err *te);
const char *err_name(int code); /* "TIMEOUT"; static */

#endif
