/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const char *const names[] = {"OK",      "INVALID", "NOTFOUND",  "CONFLICT",   "DENIED",
                                    "BUSY",    "TIMEOUT", "CANCELLED", "CLOSED",     "UNSUPP",
                                    "UNAVAIL", "NOMEM",   "INTERNAL",  "NORESPONDER"};

int err_set(struct err *e, int code, const char *fmt, ...) {
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
        va_end(ap);
        e->code = code;
    }
    return code;
}

int err_wrap(struct err *e, const char *fmt, ...) {
    if (!e) {
        return TRL_E_INTERNAL;
    }
    char old[sizeof(e->msg)];
    memcpy(old, e->msg, sizeof(old));
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(e->msg)) {
        size_t room = sizeof(e->msg) - (size_t)n - 1;
        snprintf(e->msg + n, room + 1, ": %.*s", (int)room, old); /* the tail may go */
    }
    return e->code;
}

int err_from_trl(struct err *e, trl_status st, const trl_err *te) {
    if (st > 0 || st < TRL_E_NORESPONDER) {
        st = TRL_E_INTERNAL;
    }
    int n = te && te->msg_len < sizeof(te->msg) ? (int)te->msg_len : 0;
    if (n > 0) {
        return err_set(e, st, "%.*s", n, te->msg);
    }
    return err_set(e, st, "%s", err_name(st));
}

const char *err_name(int code) {
    return code <= 0 && (size_t)-code < ARRAY_LEN(names) ? names[-code] : "INTERNAL";
}
