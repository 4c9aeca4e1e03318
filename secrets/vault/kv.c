/* SPDX-License-Identifier: Apache-2.0 */
#include "kv_priv.h"

#include <sodium.h>
#include <stdio.h>
#include <time.h>

#include "../../plugins/common/jpull.h"
#include "../../plugins/common/utf8.h"
#include "vault.h"

/* s is told as far as it is printable: it goes into a line of a log. */
static trl_status bad_ref(trl_err *err, const char *what, trl_str s, const char *why) {
    size_t n = 0;
    while (n < s.len && n < 80 && (unsigned char)s.ptr[n] >= 0x20 && s.ptr[n] != 0x7f) {
        n++;
    }
    return trl_errf(err, TRL_E_INVALID, "%s '%.*s': %s", what, (int)n, n ? s.ptr : "", why);
}

static trl_status key_ok(trl_str key, trl_err *err) {
    size_t part = 0;
    if (!utf8_valid(key.ptr, key.len)) {
        return trl_errf(err, TRL_E_INVALID, "key: it is not UTF-8");
    }
    if (key.len == 0 || key.len > KV_KEY_MAX / 2) {
        return trl_errf(err, TRL_E_INVALID, "key: it must have 1 to %u bytes", KV_KEY_MAX / 2);
    }
    for (size_t i = 0; i <= key.len; i++) {
        char c = i < key.len ? key.ptr[i] : '/';
        if ((unsigned char)c < 0x20 || c == 0x7f) {
            return trl_errf(err, TRL_E_INVALID, "key: there is a control character in it");
        }
        if (c == '/') {
            size_t n = i - part;
            if (n == 0 || (n == 1 && key.ptr[part] == '.') ||
                (n == 2 && memcmp(key.ptr + part, "..", 2) == 0)) {
                return bad_ref(err, "key", key, "a part of it is empty, '.' or '..'");
            }
            part = i + 1;
        }
    }
    return TRL_OK;
}

static trl_status take_field(trl_inst *in, trl_str field, struct kv_ref *r, trl_err *err) {
    trl_str f = field.len ? field : trl_cstr(in->conf.field);
    if (f.len >= sizeof(r->field)) {
        return trl_errf(err, TRL_E_INVALID, "field: it is longer than %zu bytes",
                        sizeof(r->field) - 1);
    }
    memcpy(r->field, f.ptr, f.len);
    r->field[f.len] = '\0';
    for (size_t i = 0; i < f.len; i++) {
        if ((unsigned char)f.ptr[i] < 0x20 || f.ptr[i] == 0x7f) {
            return trl_errf(err, TRL_E_INVALID, "field: there is a control character in it");
        }
    }
    return TRL_OK;
}

static trl_status take_version(trl_inst *in, trl_str v, struct kv_ref *r, trl_err *err) {
    r->version = 0;
    r->digest[0] = '\0';
    if (v.len == 0) {
        return TRL_OK;
    }
    if (in->conf.kv_version == 1) {
        size_t n = v.len < sizeof(r->digest) ? v.len : sizeof(r->digest) - 1;
        memcpy(r->digest, v.ptr, n); /* a longer one fits nothing, as the cut one does not */
        r->digest[n] = '\0';
        return TRL_OK;
    }
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '9' || v.len > 15) {
            return bad_ref(err, "version", v, "versions here are whole numbers from 1");
        }
        r->version = r->version * 10 + (v.ptr[i] - '0');
    }
    return r->version ? TRL_OK : bad_ref(err, "version", v, "versions here begin with 1");
}

/* {"encoding":"base64"}; members for other backends are passed over. */
static trl_status take_properties(trl_str json, struct kv_ref *r, trl_err *err) {
    trl_str raw;
    const char *wrong = NULL;
    r->base64 = false;
    if (json.len == 0) {
        return TRL_OK;
    }
    if (jpull_find(json, trl_cstr("encoding"), &raw, &wrong)) {
        r->base64 = jpull_is(raw, "\"base64\"");
        if (!r->base64 && !jpull_is(raw, "\"text\"")) {
            return trl_errf(err, TRL_E_INVALID,
                            "properties: encoding must be \"text\" or \"base64\"");
        }
    }
    return wrong ? trl_errf(err, TRL_E_INVALID, "properties: this is no JSON object: %s", wrong)
                 : TRL_OK;
}

trl_status kv_ref_parse(trl_inst *in, const trl_secret_ref *ref, struct kv_ref *r, trl_err *err) {
    const char *prefix = in->conf.prefix;
    trl_status st = key_ok(ref->key, err);
    if (st != TRL_OK) {
        return st;
    }
    int n = snprintf(r->key, sizeof(r->key), "%s%s%.*s", prefix, *prefix ? "/" : "",
                     (int)ref->key.len, ref->key.ptr);
    if (n < 0 || (size_t)n >= sizeof(r->key)) {
        return trl_errf(err, TRL_E_INVALID, "key: with the configured prefix it is too long");
    }
    st = take_field(in, ref->field, r, err);
    st = st == TRL_OK ? take_version(in, ref->version, r, err) : st;
    return st == TRL_OK ? take_properties(ref->properties, r, err) : st;
}

static size_t encode(char *to, size_t room, const char *s) {
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (; *s && n + 4 < room; s++) {
        unsigned char c = (unsigned char)*s;
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
            strchr("-._~/", c)) {
            to[n++] = (char)c;
        } else {
            to[n++] = '%';
            to[n++] = hex[c >> 4];
            to[n++] = hex[c & 15];
        }
    }
    to[n] = '\0';
    return n;
}

void kv_path(const trl_inst *in, const char *kind, const char *key, char *path) {
    int n = snprintf(path, 400, "%.256s%s%s/", in->conf.mount, kind ? "/" : "", kind ? kind : "");
    encode(path + n, KV_PATH_MAX - (size_t)n, key);
}

void kv_name(const trl_inst *in, const char *key, char *to, size_t size) {
    snprintf(to, size, "%.40s/%.80s", in->conf.mount, key);
}

void kv_read_init(trl_inst *in, struct kv_read *r) {
    memset(r, 0, sizeof(*r));
    answer_init(in, &r->answer);
}

void kv_read_finish(struct kv_read *r) {
    answer_finish(&r->answer);
}

int64_t kv_number(trl_str object, const char *name) {
    trl_str raw;
    const char *wrong;
    struct jpull j;
    int64_t v = 0;
    if (!jpull_find(object, trl_cstr(name), &raw, &wrong)) {
        return 0;
    }
    jpull_init(&j, raw.ptr, raw.len);
    return jpull_int(&j, &v) ? v : 0;
}

/* A version may carry the time at which it is going to be deleted (delete_version_after). */
static bool deleted(trl_str meta) {
    trl_str raw;
    const char *wrong;
    char text[20];
    struct tm tm;
    time_t at = time(NULL);
    if (!jpull_find(meta, trl_cstr("deletion_time"), &raw, &wrong) || raw.len <= 2 ||
        raw.ptr[0] != '"') {
        return false;
    }
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&at, &tm));
    return raw.len < 21 || memcmp(raw.ptr + 1, text, 19) <= 0;
}

trl_status kv_state(trl_inst *in, const struct kv_ref *ref, int64_t version, trl_str meta,
                    trl_err *err) {
    trl_str raw;
    const char *wrong;
    char name[128];
    kv_name(in, ref->key, name, sizeof(name));
    if (jpull_find(meta, trl_cstr("destroyed"), &raw, &wrong) && jpull_is(raw, "true")) {
        return trl_errf(err, TRL_E_NOTFOUND, "%s: version %lld was destroyed", name,
                        (long long)version);
    }
    if (deleted(meta)) {
        return trl_errf(err, TRL_E_NOTFOUND, "%s: version %lld was deleted (it can be undeleted)",
                        name, (long long)version);
    }
    return TRL_OK;
}

static bool find_meta(const struct answer *a, trl_str *ret) {
    trl_str data;
    const char *wrong;
    return jpull_find(sbuf_str(&a->body), trl_cstr("data"), &data, &wrong) &&
           jpull_find(data, trl_cstr("metadata"), ret, &wrong);
}

int64_t kv_last_version(const struct answer *a) {
    trl_str meta;
    return find_meta(a, &meta) ? kv_number(meta, "version") : 0;
}

/* 404 has many meanings; the body tells which. */
static trl_status not_found(trl_inst *in, const struct kv_ref *ref, const struct answer *a,
                            trl_err *err) {
    trl_str data, meta;
    const char *wrong;
    char name[128], words[100], version[48] = "";
    kv_name(in, ref->key, name, sizeof(name));
    if (find_meta(a, &meta)) {
        trl_status st = kv_state(in, ref, kv_number(meta, "version"), meta, err);
        if (st != TRL_OK) {
            return st;
        }
    }
    ask_words(a, words, sizeof(words));
    if (strstr(words, "no handler") || strstr(words, "unsupported path")) {
        return trl_errf(err, TRL_E_NOTFOUND,
                        "%s: no KV engine (version %d) is mounted at '%.60s' in namespace '%.60s'",
                        name, in->conf.kv_version, in->conf.mount, in->conf.ns);
    }
    if (jpull_find(sbuf_str(&a->body), trl_cstr("warnings"), &data, &wrong) &&
        memmem(data.ptr, data.len, "versioned", 9)) {
        return trl_errf(err, TRL_E_NOTFOUND,
                        "%s: the mount has version 2 of the KV engine: set kv_version to 2", name);
    }
    if (ref->version) {
        snprintf(version, sizeof(version), ", version %lld", (long long)ref->version);
    }
    return trl_errf(err, TRL_E_NOTFOUND, "%s%s is not there (namespace '%.60s')", name, version,
                    in->conf.ns);
}

static trl_status error_of(trl_inst *in, const struct kv_ref *ref, const struct answer *a,
                           trl_err *err) {
    char name[128];
    kv_name(in, ref->key, name, sizeof(name));
    return a->status == 404 ? not_found(in, ref, a, err) : ask_error(in, a, name, true, err);
}

trl_status kv_get(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                  const char *kind, const char *query, struct answer *a, trl_err *err) {
    char path[KV_PATH_MAX + 64];
    struct ask q = {.method = "GET", .path = path};
    kv_path(in, kind, ref->key, path);
    size_t n = strlen(path);
    snprintf(path + n, sizeof(path) - n, "%s", query);
    trl_status st = ask(in, w, &q, a, err);
    return st == TRL_OK && a->status != 200 ? error_of(in, ref, a, err) : st;
}

trl_status kv_read(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                   struct kv_read *r, trl_err *err) {
    bool v2 = in->conf.kv_version == 2;
    trl_str outer, meta;
    const char *wrong = NULL;
    char query[48] = "", name[128];
    kv_name(in, ref->key, name, sizeof(name));
    if (ref->version) {
        snprintf(query, sizeof(query), "?version=%lld", (long long)ref->version);
    }
    trl_status st = kv_get(in, w, ref, v2 ? "data" : NULL, query, &r->answer, err);
    st = st == TRL_OK ? ask_data(&r->answer, name, "data", &outer, err) : st;
    if (st != TRL_OK) {
        return st;
    }
    if (!v2) {
        int64_t lease = kv_number(sbuf_str(&r->answer.body), "lease_duration");
        r->lease_ns = lease > 0 && lease < INT32_MAX ? lease * 1000000000ll : 0;
        r->data = outer;
        return TRL_OK;
    }
    if (!jpull_find(outer, trl_cstr("data"), &r->data, &wrong) ||
        !jpull_find(outer, trl_cstr("metadata"), &meta, &wrong)) {
        return trl_errf(err, TRL_E_INTERNAL,
                        "%s: the server's answer is not that of KV version 2 (kv_version?)", name);
    }
    r->version = kv_number(meta, "version");
    if (r->data.ptr[0] != '{') {
        st = kv_state(in, ref, r->version, meta, err);
    }
    if (st == TRL_OK && (r->version <= 0 || r->data.ptr[0] != '{')) {
        st = trl_errf(err, TRL_E_INTERNAL, "%s: the server's answer has no version or no data",
                      name);
    }
    return st;
}

static trl_status decode_base64(trl_str *v, const char *name, const char *field, trl_err *err) {
    char *at;
    size_t n = 0;
    const char *end = NULL;
    memcpy(&at, &v->ptr, sizeof(at)); /* our own buffer */
    /* Decoding writes behind where it reads. */
    if (sodium_base642bin((unsigned char *)at, v->len, v->ptr, v->len, "\r\n ", &n, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        end != v->ptr + v->len) {
        return trl_errf(err, TRL_E_INVALID, "%s: field '%.60s' is no base64", name, field);
    }
    v->len = n;
    return TRL_OK;
}

trl_status kv_field(trl_inst *in, const struct kv_ref *ref, struct kv_read *r, trl_str *ret,
                    trl_err *err) {
    trl_str raw = r->data;
    const char *wrong = NULL;
    char name[128];
    struct jpull j;
    kv_name(in, ref->key, name, sizeof(name));
    if (strcmp(ref->field, "*") != 0 &&
        (!jpull_find(r->data, trl_cstr(ref->field), &raw, &wrong) || jpull_is(raw, "null"))) {
        return wrong ? trl_errf(err, TRL_E_INTERNAL, "%s: the server's answer is no JSON: %s", name,
                                wrong)
                     : trl_errf(err, TRL_E_NOTFOUND, "%s has no field '%.60s'", name, ref->field);
    }
    if (raw.len && raw.ptr[0] == '"') {
        jpull_init(&j, raw.ptr, raw.len);
        if (!jpull_string(&j, &raw)) {
            return trl_errf(err, TRL_E_INTERNAL, "%s: the server's answer is no JSON: %s", name,
                            j.error);
        }
    }
    if (ref->base64) {
        trl_status st = decode_base64(&raw, name, ref->field, err);
        if (st != TRL_OK) {
            return st;
        }
    }
    if (raw.len > TRL_SECRET_MAX_BYTES) {
        return trl_errf(err, TRL_E_INVALID, "%s: the value is larger than 1 MiB", name);
    }
    *ret = raw;
    return TRL_OK;
}
