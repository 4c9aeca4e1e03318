/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a secret there, may it be read, which version is it: asked without its value where the server
 * allows that. And versions as text, of both versions of the engine.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "../../plugins/common/jpull.h"
#include "kv_priv.h"
#include "vault.h"

#define KEY_FILE_MAX 4096u

/* A file that is not there is made, so that versions stay the same from now on. */
static trl_status make_key_file(const char *path, trl_err *err) {
    unsigned char key[32];
    char text[sizeof(key) * 2 + 1];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST
                   ? TRL_OK
                   : trl_errf(err, TRL_E_UNAVAIL, "version_key: %.120s cannot be created: %s", path,
                              strerror(errno));
    }
    randombytes_buf(key, sizeof(key));
    sodium_bin2hex(text, sizeof(text), key, sizeof(key));
    ssize_t n = write(fd, text, sizeof(text) - 1);
    bool ok = n == (ssize_t)sizeof(text) - 1 && fsync(fd) == 0;
    sodium_memzero(key, sizeof(key));
    sodium_memzero(text, sizeof(text));
    close(fd);
    if (!ok) {
        unlink(path);
        return trl_errf(err, TRL_E_UNAVAIL, "version_key: %.120s cannot be written", path);
    }
    return TRL_OK;
}

trl_status kv_digest_key(trl_inst *in, trl_err *err) {
    const char *path = in->conf.version_key;
    struct sbuf text;
    trl_status st = TRL_OK;
    sbuf_init(&text, &in->mem);
    if (!path) {
        randombytes_buf(in->digest_key, sizeof(in->digest_key));
    } else {
        if (access(path, F_OK) != 0) {
            st = make_key_file(path, err);
        }
        st = st == TRL_OK ? sbuf_read_file(&text, path, KEY_FILE_MAX, "version_key", err) : st;
        if (st == TRL_OK && text.n < 16) {
            st = trl_errf(err, TRL_E_INVALID, "version_key: %.120s must have 16 bytes or more",
                          path);
        }
        if (st == TRL_OK) {
            crypto_generichash(in->digest_key, sizeof(in->digest_key),
                               (const unsigned char *)text.at, text.n, NULL, 0);
        }
    }
    sbuf_finish(&text);
    return st;
}

/* Differs for every key and field, so that it does not tell that two values are equal. */
static void digest(const trl_inst *in, const struct kv_ref *ref, trl_str value,
                   char to[KV_VERSION_MAX]) {
    crypto_generichash_state h;
    unsigned char sum[16];
    crypto_generichash_init(&h, in->digest_key, sizeof(in->digest_key), sizeof(sum));
    crypto_generichash_update(&h, (const unsigned char *)ref->key, strlen(ref->key) + 1);
    crypto_generichash_update(&h, (const unsigned char *)ref->field, strlen(ref->field) + 1);
    crypto_generichash_update(&h, (const unsigned char *)value.ptr, value.len);
    crypto_generichash_final(&h, sum, sizeof(sum));
    sodium_memzero(&h, sizeof(h));
    sodium_bin2hex(to, KV_VERSION_MAX, sum, sizeof(sum));
}

trl_status kv_version(trl_inst *in, const struct kv_ref *ref, int64_t version, trl_str value,
                      char to[KV_VERSION_MAX], trl_err *err) {
    char name[128];
    if (in->conf.kv_version == 2) {
        snprintf(to, KV_VERSION_MAX, "%lld", (long long)version);
        return TRL_OK;
    }
    digest(in, ref, value, to);
    if (ref->digest[0] && strcmp(ref->digest, to) != 0) {
        kv_name(in, ref->key, name, sizeof(name));
        return trl_errf(err, TRL_E_NOTFOUND,
                        "%s: it has another version now, and kv_version 1 keeps the latest only",
                        name);
    }
    return TRL_OK;
}

/* With the value, which is wiped at once. */
static trl_status check_reading(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                                char to[KV_VERSION_MAX], trl_err *err) {
    struct kv_read r;
    trl_str value;
    kv_read_init(in, &r);
    trl_status st = kv_read(in, w, ref, &r, err);
    st = st == TRL_OK ? kv_field(in, ref, &r, &value, err) : st;
    st = st == TRL_OK ? kv_version(in, ref, r.version, value, to, err) : st;
    kv_read_finish(&r);
    return st;
}

/* GET metadata: the state of the wanted version among all of them. */
static trl_status check_metadata(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                                 int64_t *ret_version, trl_err *err) {
    struct answer a;
    trl_str data, versions, one;
    const char *wrong = NULL;
    char name[128], number[24];
    kv_name(in, ref->key, name, sizeof(name));
    answer_init(in, &a);
    trl_status st = kv_get(in, w, ref, "metadata", "", &a, err);
    st = st == TRL_OK ? ask_data(&a, name, "data", &data, err) : st;
    if (st == TRL_OK) {
        *ret_version = ref->version ? ref->version : kv_number(data, "current_version");
        snprintf(number, sizeof(number), "%lld", (long long)*ret_version);
        if (*ret_version && jpull_find(data, trl_cstr("versions"), &versions, &wrong) &&
            jpull_find(versions, trl_cstr(number), &one, &wrong)) {
            st = kv_state(in, ref, *ret_version, one, err);
        } else {
            st = wrong
                     ? trl_errf(err, TRL_E_INTERNAL, "%s: its metadata is no JSON: %s", name, wrong)
                     : trl_errf(err, TRL_E_NOTFOUND, "%s has no version %s", name,
                                *ret_version ? number : "yet");
        }
    }
    answer_finish(&a);
    return st;
}

/* GET subkeys: the names of the fields without their values. UNSUPP: nothing was learnt. */
static trl_status check_subkeys(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                                int64_t *ret_version, trl_err *err) {
    struct answer a;
    trl_str data, keys, meta, one;
    const char *wrong = NULL;
    char name[128], query[64];
    int n = snprintf(query, sizeof(query), "?depth=1");
    if (ref->version) {
        snprintf(query + n, sizeof(query) - (size_t)n, "&version=%lld", (long long)ref->version);
    }
    kv_name(in, ref->key, name, sizeof(name));
    answer_init(in, &a);
    trl_err mine = vault_err();
    trl_status st = kv_get(in, w, ref, "subkeys", query, &a, &mine);
    if (st == TRL_E_UNAVAIL || st == TRL_E_CANCELLED || st == TRL_E_TIMEOUT || st == TRL_E_CLOSED ||
        st == TRL_E_BUSY) {
        *err = mine;
    } else if (st != TRL_OK || ask_data(&a, name, "data", &data, &mine) != TRL_OK ||
               !jpull_find(data, trl_cstr("subkeys"), &keys, &wrong) ||
               !jpull_find(data, trl_cstr("metadata"), &meta, &wrong)) {
        st = TRL_E_UNSUPP;
    } else {
        *ret_version = kv_number(meta, "version");
        st = kv_state(in, ref, *ret_version, meta, err);
        if (st == TRL_OK && strcmp(ref->field, "*") != 0 &&
            !jpull_find(keys, trl_cstr(ref->field), &one, &wrong)) {
            st = trl_errf(err, TRL_E_NOTFOUND, "%s has no field '%.60s'", name, ref->field);
        }
    }
    answer_finish(&a);
    return st;
}

static bool in_list(trl_str list, const char *word) {
    struct jpull j;
    bool first;
    trl_str s;
    jpull_init(&j, list.ptr, list.len);
    if (!jpull_enter(&j, '[', &first)) {
        return false;
    }
    while (jpull_more(&j, &first, ']') && jpull_raw(&j, &s)) {
        if (s.len == strlen(word) + 2 && memcmp(s.ptr + 1, word, s.len - 2) == 0) {
            return true;
        }
    }
    return false;
}

/* Asks what the token may do there. Only a clear "not to read" counts. */
static trl_status check_allowed(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                                trl_err *err) {
    char path[KV_PATH_MAX], name[128];
    struct answer a;
    struct sbuf body;
    struct ask q = {
        .method = "POST", .path = "sys/capabilities-self", .harmless = true, .body = &body};
    trl_str data, caps;
    const char *wrong;
    uint64_t gen;
    int n = snprintf(path, sizeof(path), "%s/data/%s", in->conf.mount, ref->key);
    kv_name(in, ref->key, name, sizeof(name));
    answer_init(in, &a);
    sbuf_init(&body, &in->mem);
    sbuf_text(&body, "{\"paths\":[");
    sbuf_quote(&body, path, (size_t)n);
    sbuf_text(&body, "]}");
    trl_status st = body.failed ? vault_no_memory(err) : ask_once(in, w, &q, &a, &gen, err);
    if (st == TRL_OK && a.status == 200 &&
        jpull_find(sbuf_str(&a.body), trl_cstr("data"), &data, &wrong) &&
        jpull_find(data, trl_cstr("capabilities"), &caps, &wrong) && !in_list(caps, "read") &&
        !in_list(caps, "root")) {
        st = trl_errf(err, TRL_E_DENIED,
                      "%s is there, but the token's policy does not allow to read it", name);
    }
    sbuf_finish(&body);
    answer_finish(&a);
    return st;
}

trl_status kv_check(trl_inst *in, const struct patience *w, const struct kv_ref *ref, bool full,
                    char to[KV_VERSION_MAX], trl_err *err) {
    int64_t version = 0, other;
    trl_err mine = vault_err();
    if (in->conf.kv_version == 1) {
        return check_reading(in, w, ref, to, err);
    }
    trl_status st = check_metadata(in, w, ref, &version, &mine);
    bool known = st != TRL_E_DENIED;
    if (known && st != TRL_OK) {
        *err = mine;
        return st;
    }
    if (!known || (full && strcmp(ref->field, "*") != 0)) {
        st = check_subkeys(in, w, ref, known ? &other : &version, err);
        known |= st != TRL_E_UNSUPP;
        if (st != TRL_OK && st != TRL_E_UNSUPP) {
            return st;
        }
    }
    if (!known) {
        return check_reading(in, w, ref, to, err);
    }
    st = full ? check_allowed(in, w, ref, err) : TRL_OK;
    return st == TRL_OK ? kv_version(in, ref, version, trl_strn(NULL, 0), to, err) : st;
}
