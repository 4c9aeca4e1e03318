/* SPDX-License-Identifier: Apache-2.0
 *
 * Small inline helpers for plugin authors. Nothing here crosses the border.
 */
#ifndef TRELLIS_HELPER_H
#define TRELLIS_HELPER_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <trellis/kind/policy.h>
#include <trellis/kind/store.h>
#include <trellis/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline trl_str trl_strn(const char *ptr, size_t len) {
    trl_str s;
    s.ptr = ptr;
    s.len = len;
    return s;
}

static inline trl_str trl_cstr(const char *c) {
    return trl_strn(c, c ? strlen(c) : 0);
}

static inline int trl_str_eq(trl_str a, trl_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline int trl_str_is(trl_str a, const char *c) {
    return trl_str_eq(a, trl_cstr(c));
}

/* Bytewise order. */
static inline int trl_str_cmp(trl_str a, trl_str b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static inline int trl_str_starts(trl_str s, trl_str prefix) {
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

/* The value of a label in an array sorted by key; {NULL, 0} when absent. */
static inline trl_str trl_label_get(const trl_label *labels, uint32_t n, trl_str key) {
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = trl_str_cmp(labels[mid].key, key);
        if (c == 0) {
            return labels[mid].value;
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return trl_strn(NULL, 0);
}

__attribute__((format(printf, 3, 4))) static inline trl_status
trl_errf(trl_err *err, trl_status code, const char *fmt, ...) {
    if (err) {
        va_list ap;
        int n;
        va_start(ap, fmt);
        n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
        va_end(ap);
        err->code = code;
        err->msg_len = n < 0                            ? 0
                       : (uint32_t)n < sizeof(err->msg) ? (uint32_t)n
                                                        : (uint32_t)sizeof(err->msg) - 1;
    }
    return code;
}

__attribute__((format(printf, 3, 4))) static inline void trl_logf(const trl_host *h, int32_t level,
                                                                  const char *fmt, ...) {
    char text[1024];
    va_list ap;
    int n;
    if (level > h->log_level(h->ctx)) {
        return;
    }
    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0) {
        return;
    }
    h->log(h->ctx, level, trl_strn(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1),
           trl_strn(NULL, 0));
}

/* Completes an op with an error text. */
static inline void trl_op_fail(const trl_host *h, trl_op *op, trl_status code, const char *text) {
    trl_err e;
    trl_bytes none = {NULL, 0};
    memset(&e, 0, sizeof(e));
    e.struct_size = sizeof(e);
    trl_errf(&e, code, "%s", text);
    h->op_done(op, code, none, &e);
}

static inline void trl_op_ok(const trl_host *h, trl_op *op) {
    trl_bytes none = {NULL, 0};
    h->op_done(op, TRL_OK, none, NULL);
}

/* Element i of a strided array. */
static inline const void *trl_at(const void *base, uint32_t stride, uint32_t i) {
    return (const char *)base + (size_t)stride * i;
}

/* 64-bit FNV-1a, the hash of the border: stable everywhere, not for untrusted hash tables. */
static inline uint64_t trl_hash_more(uint64_t h, const void *p, size_t n) {
    const unsigned char *b = (const unsigned char *)p;
    size_t i;
    for (i = 0; i < n; i++) {
        h = (h ^ b[i]) * 0x100000001b3ull;
    }
    return h;
}
#define TRL_HASH_INIT 0xcbf29ce484222325ull

/* Hash of a config map: entries sorted by key, each as len32le key len32le value. Core and drivers
 * compare configs by it. */
static inline uint64_t trl_config_hash(const trl_label *sorted, uint32_t n) {
    uint64_t h = TRL_HASH_INIT;
    uint32_t i;
    for (i = 0; i < n; i++) {
        uint32_t kl = (uint32_t)sorted[i].key.len, vl = (uint32_t)sorted[i].value.len;
        unsigned char lk[4] = {(unsigned char)kl, (unsigned char)(kl >> 8),
                               (unsigned char)(kl >> 16), (unsigned char)(kl >> 24)};
        unsigned char lv[4] = {(unsigned char)vl, (unsigned char)(vl >> 8),
                               (unsigned char)(vl >> 16), (unsigned char)(vl >> 24)};
        h = trl_hash_more(h, lk, 4);
        h = trl_hash_more(h, sorted[i].key.ptr, kl);
        h = trl_hash_more(h, lv, 4);
        h = trl_hash_more(h, sorted[i].value.ptr, vl);
    }
    return h;
}

/* Emits one store entry through a caller-provided scratch buffer of at least
 * sizeof(trl_entry) + key.len + value.len bytes. */
static inline trl_status trl_entry_emit(const trl_host *h, trl_op *op, void *scratch,
                                        uint32_t flags, uint64_t revision, trl_str key,
                                        trl_bytes value) {
    trl_entry e;
    trl_bytes item;
    memset(&e, 0, sizeof(e));
    e.struct_size = sizeof(e);
    e.flags = flags;
    e.revision = revision;
    e.key_len = (uint32_t)key.len;
    e.value_len = (uint32_t)value.len;
    memcpy(scratch, &e, sizeof(e));
    if (key.len) {
        memcpy((char *)scratch + sizeof(e), key.ptr, key.len);
    }
    if (value.len) {
        memcpy((char *)scratch + sizeof(e) + key.len, value.ptr, value.len);
    }
    item.ptr = scratch;
    item.len = sizeof(e) + key.len + value.len;
    return h->op_emit(op, item);
}

/* What a subject has of it; empty from a core that does not know it, and where it is no text of
 * that form. */
static inline trl_str trl_subject_traceparent(const trl_subject *s) {
    trl_str none = {0, 0}, t;
    size_t i;
    if (s->struct_size < offsetof(trl_subject, traceparent) + sizeof(s->traceparent)) {
        return none;
    }
    t = s->traceparent;
    if (t.len != TRL_TRACEPARENT_LEN) {
        return none;
    }
    for (i = 0; i < t.len; i++) {
        char c = t.ptr[i];
        if (c != '-' && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) {
            return none;
        }
    }
    return t;
}

/* Emits one verdict of policy/1. reasons_json: a JSON array or empty. scratch: a caller-provided
 * buffer of at least sizeof(trl_verdict) + reasons_json.len bytes. */
static inline trl_status trl_verdict_emit(const trl_host *h, trl_op *op, void *scratch,
                                          uint32_t index, int32_t verdict, uint32_t flags,
                                          uint32_t ttl_ms, trl_str reasons_json) {
    trl_verdict v;
    trl_bytes item;
    memset(&v, 0, sizeof(v));
    v.struct_size = sizeof(v);
    v.flags = flags;
    v.index = index;
    v.verdict = verdict;
    v.ttl_ms = ttl_ms;
    v.reasons_len = (uint32_t)reasons_json.len;
    memcpy(scratch, &v, sizeof(v));
    if (reasons_json.len) {
        memcpy((char *)scratch + sizeof(v), reasons_json.ptr, reasons_json.len);
    }
    item.ptr = scratch;
    item.len = sizeof(v) + reasons_json.len;
    return h->op_emit(op, item);
}

/* Is the key legal for store/1? */
static inline int trl_key_ok(trl_str k) {
    size_t i;
    if (k.len < 1 || k.len > 250 || k.ptr[0] == '.' || k.ptr[k.len - 1] == '.') {
        return 0;
    }
    for (i = 0; i < k.len; i++) {
        char c = k.ptr[i];
        int ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                 c == '.' || c == '_' || c == '=' || c == '/' || c == '-';
        if (!ok || (c == '.' && k.ptr[i - 1] == '.')) {
            return 0;
        }
    }
    return 1;
}

#ifdef __cplusplus
}
#endif
#endif
