/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON is Unicode: what goes into it has to be. Pure.
 */
#ifndef VAULT_UTF8_H
#define VAULT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

static inline bool text_is_utf8(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text, *end = p + n;
    while (n && p < end) {
        size_t more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : (*p & 0xf0) == 0xe0 ? 2 : 3;
        unsigned lo = *p == 0xe0 ? 0xa0 : *p == 0xf0 ? 0x90 : 0x80;
        unsigned hi = *p == 0xed ? 0x9f : *p == 0xf4 ? 0x8f : 0xbf;
        if ((*p >= 0x80 && *p < 0xc2) || *p > 0xf4 || (size_t)(end - p) <= more ||
            (more && (p[1] < lo || p[1] > hi))) {
            return false;
        }
        for (size_t i = 2; i <= more; i++) {
            if ((p[i] & 0xc0) != 0x80) {
                return false;
            }
        }
        p += more + 1;
    }
    return true;
}

#endif
