/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trace.h"

#include <endian.h>
#include <string.h>

static const char digits[] = "0123456789abcdef";

/* n lower-case hex digits, at most 16. */
static bool read_hex(const char *p, size_t n, uint64_t *ret) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        const char *d = p[i] ? memchr(digits, p[i], 16) : NULL;
        if (!d) {
            return false;
        }
        v = v << 4 | (uint64_t)(d - digits);
    }
    *ret = v;
    return true;
}

/* Eight digits at once: each nibble in a byte of its own, the highest first, then as text. */
static void write_hex8(char *p, uint32_t v) {
    uint64_t x = v;
    x = (x | x << 16) & 0x0000ffff0000ffffull;
    x = (x | x << 8) & 0x00ff00ff00ff00ffull;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0full;
    uint64_t letters = (x + 0x0606060606060606ull) >> 4 & 0x0101010101010101ull;
    x += 0x3030303030303030ull + letters * ('a' - '9' - 1);
    x = htobe64(x);
    memcpy(p, &x, 8);
}

static void write_hex16(char *p, uint64_t v) {
    write_hex8(p, (uint32_t)(v >> 32));
    write_hex8(p + 8, (uint32_t)v);
}

bool trace_parse(str text, struct trace_ctx *ret) {
    struct trace_ctx t;
    uint64_t version, flags;
    const char *p = text.ptr;
    memset(ret, 0, sizeof(*ret));
    if (text.len < TRACE_LEN || p[2] != '-' || p[35] != '-' || p[52] != '-' ||
        !read_hex(p, 2, &version) || version == 0xff || !read_hex(p + 3, 16, &t.hi) ||
        !read_hex(p + 19, 16, &t.lo) || !read_hex(p + 36, 16, &t.span) ||
        !read_hex(p + 53, 2, &flags)) {
        return false;
    }
    if (text.len > TRACE_LEN && (version == 0 || p[TRACE_LEN] != '-')) {
        return false;
    }
    t.flags = (uint8_t)(flags & TRACE_SAMPLED);
    if ((t.hi | t.lo) == 0 || t.span == 0) {
        return false;
    }
    *ret = t;
    return true;
}

static bool is_header(str name) {
    static const char want[] = TRACE_HEADER;
    bool same = name.len == sizeof(want) - 1;
    for (size_t i = 0; same && i < name.len; i++) {
        same = (name.ptr[i] | 0x20) == want[i];
    }
    return same;
}

bool trace_of_headers(const trl_label *headers, uint32_t n, struct trace_ctx *ret) {
    memset(ret, 0, sizeof(*ret));
    for (uint32_t i = 0; i < n; i++) {
        if (is_header(headers[i].key)) {
            return trace_parse(str_trim(headers[i].value), ret);
        }
    }
    return false;
}

str trace_text(const struct trace_ctx *t, char buf[TRACE_LEN + 1]) {
    if (!trace_known(t)) {
        return STR_NONE;
    }
    memcpy(buf, "00-", 3);
    write_hex16(buf + 3, t->hi);
    write_hex16(buf + 19, t->lo);
    buf[35] = '-';
    write_hex16(buf + 36, t->span);
    buf[52] = '-';
    buf[53] = digits[t->flags >> 4];
    buf[54] = digits[t->flags & 15];
    buf[TRACE_LEN] = '\0';
    return str_n(buf, TRACE_LEN);
}

str trace_id_text(const struct trace_ctx *t, char buf[TRACE_LEN + 1]) {
    if (!trace_known(t)) {
        return STR_NONE;
    }
    write_hex16(buf, t->hi);
    write_hex16(buf + 16, t->lo);
    buf[TRACE_ID_LEN] = '\0';
    return str_n(buf, TRACE_ID_LEN);
}

void trace_span_text(uint64_t span, char ret[17]) {
    write_hex16(ret, span);
    ret[16] = '\0';
}

bool trace_id_parse(str text, struct trace_ctx *ret) {
    memset(ret, 0, sizeof(*ret));
    return text.len == TRACE_ID_LEN && read_hex(text.ptr, 16, &ret->hi) &&
           read_hex(text.ptr + 16, 16, &ret->lo) && trace_known(ret);
}

void trace_child(struct rng *rng, const struct trace_ctx *parent, struct trace_ctx *ret) {
    struct trace_ctx t = {0, 0, 0, TRACE_SAMPLED};
    if (trace_known(parent)) {
        t = *parent;
    } else {
        t.hi = rng_next(rng);
        t.lo = rng_next(rng) | 1; /* never all zero */
    }
    do {
        t.span = rng_next(rng);
    } while (t.span == 0);
    *ret = t;
}
