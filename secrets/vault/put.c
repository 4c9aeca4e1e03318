/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing: one field of a secret changes, the others stay, and nothing that came between is lost
 * (check-and-set).
 */
#include <sodium.h>
#include <stdio.h>

#include "../../plugins/common/jpull.h"
#include "../../plugins/common/utf8.h"
#include "kv_priv.h"
#include "put.h"
#include "vault.h"

#define PUT_TRIES 3

/* What is to be the value, as JSON, in guarded memory. */
static trl_status put_text(trl_inst *in, const struct kv_ref *ref, const trl_secret *v,
                           struct sbuf *to, trl_err *err) {
    const char *p = v->value.len ? v->value.ptr : "";
    struct jpull j;
    trl_str raw;
    (void)in;
    if (v->value.len > TRL_SECRET_MAX_BYTES) {
        return trl_errf(err, TRL_E_INVALID, "the value is larger than 1 MiB");
    }
    if (ref->base64) {
        size_t room = sodium_base64_encoded_len(v->value.len, sodium_base64_VARIANT_ORIGINAL);
        if (!sbuf_text(to, "\"") || !sbuf_room(to, room + 1)) {
            return vault_no_memory(err);
        }
        sodium_bin2base64(to->at + to->n, room, (const unsigned char *)p, v->value.len,
                          sodium_base64_VARIANT_ORIGINAL);
        to->n += room - 1; /* without its NUL */
        sbuf_text(to, "\"");
    } else if (!utf8_valid(p, v->value.len) || v->flags & TRL_SECRET_BINARY) {
        return trl_errf(err, TRL_E_INVALID,
                        "the value is not text, and the server keeps text only: set the "
                        "reference's property encoding to base64");
    } else if (strcmp(ref->field, "*") == 0) {
        sbuf_add(to, p, v->value.len);
        jpull_init(&j, to->at, to->failed ? 0 : to->n);
        if (!to->failed &&
            (jpull_peek(&j) != JPULL_OBJECT || !jpull_raw(&j, &raw) || !jpull_end(&j))) {
            return trl_errf(err, TRL_E_INVALID, "field '*' takes one JSON object: %s",
                            j.error ? j.error : "the value is something else");
        }
    } else {
        sbuf_quote(to, p, v->value.len);
    }
    return to->failed ? vault_no_memory(err) : TRL_OK;
}

/* The members of what is there but the field, then the field. */
static void put_merged(const struct kv_ref *ref, trl_str old, const struct sbuf *value,
                       struct sbuf *body) {
    struct jpull j;
    bool first, any = false;
    trl_str key, raw;
    if (strcmp(ref->field, "*") == 0) {
        sbuf_add(body, value->at, value->n);
        return;
    }
    sbuf_text(body, "{");
    jpull_init(&j, old.ptr, old.len);
    if (old.len && jpull_enter(&j, '{', &first)) {
        while (jpull_more(&j, &first, '}') && jpull_key(&j, &key) && jpull_raw(&j, &raw)) {
            if (jpull_same(key, trl_cstr(ref->field))) {
                continue;
            }
            sbuf_text(body, any ? ",\"" : "\"");
            sbuf_add(body, key.ptr, key.len);
            sbuf_text(body, "\":");
            sbuf_add(body, raw.ptr, raw.len);
            any = true;
        }
    }
    sbuf_text(body, any ? "," : "");
    sbuf_quote(body, ref->field, strlen(ref->field));
    sbuf_text(body, ":");
    sbuf_add(body, value->at, value->n);
    sbuf_text(body, "}");
}

static trl_status conflict(trl_inst *in, const struct kv_ref *ref, trl_err *err) {
    char name[128];
    kv_name(in, ref->key, name, sizeof(name));
    return trl_errf(err, TRL_E_CONFLICT, "%s: somebody else wrote it meanwhile", name);
}

static trl_status post(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                       const struct sbuf *body, int64_t *ret_version, trl_err *err) {
    char path[KV_PATH_MAX], name[128], words[100];
    struct answer a;
    struct ask q = {.method = "POST", .path = path, .body = body};
    trl_str data;
    bool v2 = in->conf.kv_version == 2;
    kv_path(in, v2 ? "data" : NULL, ref->key, path);
    kv_name(in, ref->key, name, sizeof(name));
    answer_init(in, &a);
    trl_status st = ask(in, w, &q, &a, err);
    if (st != TRL_OK) {
    } else if (a.status == 400) {
        ask_words(&a, words, sizeof(words)); /* matched, not told: they answer to a value */
        st = strstr(words, "check-and-set") ? conflict(in, ref, err)
                                            : ask_error(in, &a, name, false, err);
    } else if (a.status != 200 && a.status != 204) {
        st = ask_error(in, &a, name, false, err);
    } else if (v2) {
        st = ask_data(&a, name, "data", &data, err);
        *ret_version = st == TRL_OK ? kv_number(data, "version") : 0;
        if (st == TRL_OK && *ret_version <= 0) {
            st = trl_errf(err, TRL_E_INTERNAL, "%s: written, but the answer has no version", name);
        }
    }
    answer_finish(&a);
    return st;
}

/* What is there now. *ret_cas: its version, also when it was deleted; 0: never there. */
static trl_status look(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                       struct kv_read *r, int64_t *ret_cas, trl_err *err) {
    struct kv_ref latest = *ref;
    char version[KV_VERSION_MAX];
    trl_str value = {NULL, 0};
    trl_err mine = vault_err();
    latest.version = 0;
    trl_status st = kv_read(in, w, &latest, r, &mine);
    if (st == TRL_E_NOTFOUND) {
        *ret_cas = kv_last_version(&r->answer);
        r->data = value;
        st = TRL_OK;
    } else if (st == TRL_OK) {
        *ret_cas = r->version;
        if (ref->digest[0]) { /* decodes in place: of a copy */
            struct kv_read again;
            kv_read_init(in, &again);
            st = kv_read(in, w, &latest, &again, &mine);
            st = st == TRL_OK ? kv_field(in, &latest, &again, &value, &mine) : st;
            st = st == TRL_OK ? kv_version(in, ref, 0, value, version, &mine) : st;
            st = st == TRL_E_NOTFOUND ? conflict(in, ref, &mine) : st;
            kv_read_finish(&again);
        }
    } else if (st == TRL_E_DENIED) {
        char name[128];
        kv_name(in, ref->key, name, sizeof(name));
        trl_errf(&mine, st, "%s may not be read, and it must be: what else is in it stays", name);
    }
    if (st != TRL_OK) {
        *err = mine;
    }
    return st;
}

static trl_status attempt(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                          const struct sbuf *value, int64_t *ret_version, trl_err *err) {
    struct kv_read r;
    struct sbuf body;
    char text[64];
    int64_t cas = 0;
    kv_read_init(in, &r);
    sbuf_init(&body, &in->mem);
    trl_status st = look(in, w, ref, &r, &cas, err);
    if (st == TRL_OK && ref->version && ref->version != cas) {
        st = conflict(in, ref, err);
    }
    if (st == TRL_OK) {
        if (in->conf.kv_version == 2) {
            snprintf(text, sizeof(text), "{\"options\":{\"cas\":%lld},\"data\":", (long long)cas);
            sbuf_text(&body, text);
        }
        put_merged(ref, r.data, value, &body);
        sbuf_text(&body, in->conf.kv_version == 2 ? "}" : "");
        st = body.failed ? vault_no_memory(err) : post(in, w, ref, &body, ret_version, err);
    }
    sbuf_finish(&body);
    kv_read_finish(&r);
    return st;
}

trl_status kv_put(trl_inst *in, const struct patience *w, const struct kv_ref *ref,
                  const trl_secret *v, char to[KV_VERSION_MAX], trl_err *err) {
    struct sbuf value;
    struct kv_ref any = *ref;
    int64_t version = 0;
    sbuf_init(&value, &in->mem);
    trl_status st = put_text(in, ref, v, &value, err);
    for (int i = 0; st == TRL_OK; i++) {
        st = attempt(in, w, ref, &value, &version, err);
        if (st == TRL_OK) {
            break;
        }
        if (st == TRL_E_CONFLICT && i + 1 < PUT_TRIES && !ref->version && !ref->digest[0]) {
            st = TRL_OK;
        }
    }
    if (st == TRL_OK) {
        any.digest[0] = '\0';
        trl_str s = {v->value.ptr, v->value.len};
        st = kv_version(in, &any, version, s, to, err);
    }
    sbuf_finish(&value);
    return st;
}
