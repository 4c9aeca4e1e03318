/* SPDX-License-Identifier: Apache-2.0 */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../../plugins/common/xmem.h"

static trl_status take_key(const struct safe_bytes *b, const char *name, uint8_t out[32],
                           trl_err *err) {
    size_t n = 0;
    if (b->len == 32) {
        memcpy(out, b->ptr, 32);
        return TRL_OK;
    }
    if ((b->len == 64 || (b->len == 65 && b->ptr[64] == '\n')) &&
        sodium_hex2bin(out, 32, (const char *)b->ptr, 64, NULL, &n, NULL) == 0 && n == 32) {
        return TRL_OK;
    }
    return trl_errf(err, TRL_E_INVALID,
                    "%.120s: a key is 32 bytes or 64 hexadecimal digits, this has %zu bytes", name,
                    b->len);
}

trl_status keyfile_load(const struct safe *s, const char *path, uint8_t out[32], trl_err *err) {
    struct safe own = *s;
    struct safe_bytes b;
    struct stat meta;
    trl_status st = safe_load(&own, AT_FDCWD, path, 4096, &b, &meta, err);
    if (st == TRL_OK) {
        st = take_key(&b, path, out, err);
        safe_free(&own, &b);
    }
    return st;
}

/* Under the lock of its directory. */
static trl_status make(const struct safe *s, const char *path, uint8_t out[32], trl_err *err) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = slash ? (size_t)(slash - path) + (slash == path) : 1;
    char *parent = x_zalloc(n + 1);
    trl_status st;
    int dir;
    memcpy(parent, slash ? path : ".", n);
    dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0 && flock(dir, LOCK_EX) == 0) {
        st = keyfile_load(s, path, out, err);
        if (st == TRL_E_NOTFOUND) {
            randombytes_buf(out, 32);
            st = safe_replace(dir, name, out, 32, err);
        }
    } else {
        st = safe_errno(errno, parent, err);
    }
    if (dir >= 0) {
        close(dir);
    }
    free(parent);
    return st;
}

trl_status keyfile_load_or_make(const struct safe *s, const char *path, uint8_t out[32],
                                trl_err *err) {
    trl_status st = keyfile_load(s, path, out, err);
    trl_err why = {.struct_size = sizeof(why)};
    if (st != TRL_E_NOTFOUND) {
        return st;
    }
    st = make(s, path, out, &why);
    if (st != TRL_OK) {
        return trl_errf(err, st,
                        "there is no key for versions, and none can be made (%.150s): set "
                        "version_key to a file this process may create",
                        why.msg);
    }
    return TRL_OK;
}

void version_digest(const uint8_t key[32], trl_str name, trl_str field, trl_bytes value,
                    char out[VERSION_LEN + 1]) {
    crypto_generichash_state h;
    uint8_t sum[VERSION_LEN / 2], lengths[16];
    for (size_t i = 0; i < 8; i++) {
        lengths[i] = (uint8_t)((uint64_t)name.len >> (8 * i));
        lengths[8 + i] = (uint8_t)((uint64_t)field.len >> (8 * i));
    }
    crypto_generichash_init(&h, key, 32, sizeof(sum));
    crypto_generichash_update(&h, lengths, sizeof(lengths));
    crypto_generichash_update(&h, (const uint8_t *)name.ptr, name.len);
    crypto_generichash_update(&h, (const uint8_t *)field.ptr, field.len);
    crypto_generichash_update(&h, value.ptr, value.len);
    crypto_generichash_final(&h, sum, sizeof(sum));
    sodium_memzero(&h, sizeof(h));
    sodium_bin2hex(out, VERSION_LEN + 1, sum, sizeof(sum));
}
