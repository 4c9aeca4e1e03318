/* SPDX-License-Identifier: Apache-2.0 */
#include "sealed.h"

#include <sodium.h>
#include <string.h>

static const char mark[] = "trellis-sealed-1\n";
#define MARK_LEN (sizeof(mark) - 1)

static uint32_t u32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint8_t *put_u32(uint8_t *p, size_t v) {
    for (int i = 0; i < 4; i++) {
        *p++ = (uint8_t)(v >> (8 * i));
    }
    return p;
}

static uint8_t *put_record(uint8_t *p, trl_str key, trl_bytes value) {
    p = put_u32(put_u32(p, key.len), value.len);
    memcpy(p, key.ptr, key.len);
    if (value.len) {
        memcpy(p + key.len, value.ptr, value.len);
    }
    return p + key.len + value.len;
}

int sealed_next(const struct safe_bytes *plain, size_t *at, trl_str *ret_key,
                trl_bytes *ret_value) {
    const uint8_t *p = plain->ptr + *at;
    size_t left = plain->len - *at, k, v;
    if (left < 8) {
        return 0;
    }
    k = u32(p);
    v = u32(p + 4);
    if (k > left - 8 || v > left - 8 - k) {
        return 0;
    }
    *ret_key = (trl_str){(const char *)p + 8, k};
    *ret_value = (trl_bytes){p + 8 + k, v};
    *at += 8 + k + v;
    return 1;
}

static int well_formed(const struct safe_bytes *plain) {
    trl_str key, last = {NULL, 0};
    trl_bytes value;
    size_t at = 0;
    while (sealed_next(plain, &at, &key, &value)) {
        if (safe_key_check(key, NULL) != TRL_OK || value.len > TRL_SECRET_MAX_BYTES ||
            trl_str_cmp(last, key) >= 0) {
            return 0;
        }
        last = key;
    }
    return at == plain->len;
}

trl_status sealed_open(const struct safe *s, const struct safe_bytes *file, const uint8_t key[32],
                       const char *name, struct safe_bytes *ret, trl_err *err) {
    const uint8_t *p = file->ptr;
    ret->ptr = NULL;
    ret->len = 0;
    if (file->len < SEALED_OVERHEAD || memcmp(p, mark, MARK_LEN) != 0) {
        return trl_errf(err, TRL_E_INVALID, "%.120s: it is not a sealed file of this program",
                        name);
    }
    ret->len = file->len - SEALED_OVERHEAD;
    ret->ptr = s->mem->alloc(s->ctx, ret->len + 1);
    if (!ret->ptr) {
        return trl_errf(err, TRL_E_BUSY,
                        "%.120s: no memory can be locked for it: raise the limit (ulimit -l, "
                        "LimitMEMLOCK=)",
                        name);
    }
    if (crypto_secretbox_open_easy(ret->ptr, p + MARK_LEN + crypto_secretbox_NONCEBYTES,
                                   file->len - MARK_LEN - crypto_secretbox_NONCEBYTES, p + MARK_LEN,
                                   key) != 0 ||
        !well_formed(ret)) {
        safe_free(s, ret);
        return trl_errf(err, TRL_E_INVALID,
                        "%.120s: it does not open: it was sealed with another key, or is damaged",
                        name);
    }
    return TRL_OK;
}

void sealed_seal(const struct safe_bytes *plain, const uint8_t key[32], uint8_t *out) {
    memcpy(out, mark, MARK_LEN);
    randombytes_buf(out + MARK_LEN, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(out + MARK_LEN + crypto_secretbox_NONCEBYTES, plain->ptr, plain->len,
                          out + MARK_LEN, key);
}

int sealed_find(const struct safe_bytes *plain, trl_str key, trl_bytes *ret_value) {
    trl_str k;
    trl_bytes v;
    size_t at = 0;
    while (sealed_next(plain, &at, &k, &v)) {
        if (trl_str_eq(k, key)) {
            *ret_value = v;
            return 1;
        }
    }
    return 0;
}

trl_status sealed_put(const struct safe *s, const struct safe_bytes *plain, trl_str key,
                      trl_bytes value, struct safe_bytes *ret, trl_err *err) {
    trl_str k;
    trl_bytes v;
    size_t at = 0, need = plain->len + 8 + key.len + value.len;
    uint8_t *out;
    int written = 0;
    ret->ptr = NULL;
    ret->len = 0;
    if (need > SEALED_PLAIN_MAX) {
        return trl_errf(err, TRL_E_INVALID, "the sealed file would be larger than %u bytes",
                        SEALED_PLAIN_MAX);
    }
    out = ret->ptr = s->mem->alloc(s->ctx, need);
    if (!out) {
        return trl_errf(err, TRL_E_BUSY, "no memory can be locked: raise the limit (ulimit -l)");
    }
    while (sealed_next(plain, &at, &k, &v)) {
        int order = trl_str_cmp(k, key);
        if (order >= 0 && !written) {
            out = put_record(out, key, value);
            written = 1;
        }
        if (order != 0) {
            out = put_record(out, k, v);
        }
    }
    if (!written) {
        out = put_record(out, key, value);
    }
    ret->len = (size_t)(out - ret->ptr);
    return TRL_OK;
}
