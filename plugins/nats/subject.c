/* SPDX-License-Identifier: Apache-2.0 */
#include "subject.h"

/* The token at *at; moves *at behind its dot. {NULL, 0} with *at past the end: no more. */
static int next_token(trl_str s, size_t *at, trl_str *tok) {
    size_t start = *at;
    if (start > s.len) {
        return 0;
    }
    while (*at < s.len && s.ptr[*at] != '.') {
        (*at)++;
    }
    *tok = trl_strn(s.ptr + start, *at - start);
    (*at)++;
    return 1;
}

int subject_ok(trl_str s, int wildcards) {
    size_t at = 0;
    trl_str tok = {NULL, 0};
    if (s.len == 0 || s.len > SUBJECT_MAX) {
        return 0;
    }
    while (next_token(s, &at, &tok)) {
        int wild = trl_str_is(tok, "*") || trl_str_is(tok, ">");
        if (tok.len == 0 || (wild && !wildcards) || (trl_str_is(tok, ">") && at <= s.len)) {
            return 0;
        }
        for (size_t i = 0; i < tok.len; i++) {
            if ((unsigned char)tok.ptr[i] <= ' ' || tok.ptr[i] == 0x7f) {
                return 0;
            }
        }
    }
    return 1;
}

int subject_covers(trl_str pattern, trl_str s) {
    size_t pa = 0, sa = 0;
    trl_str p = {NULL, 0}, t = {NULL, 0};
    for (;;) {
        int more_p = next_token(pattern, &pa, &p), more_s = next_token(s, &sa, &t);
        if (!more_p || !more_s) {
            return more_p == more_s;
        }
        if (trl_str_is(p, ">")) {
            return 1;
        }
        if (trl_str_is(t, ">") || (trl_str_is(p, "*") ? 0 : !trl_str_eq(p, t))) {
            return 0;
        }
    }
}
