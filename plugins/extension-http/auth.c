/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define TOKEN_MAX_BYTES 512u

void auth_init(struct auth *a, const struct conf *c) {
    memset(a, 0, sizeof(*a));
    a->conf = c;
    if (sodium_init() < 0) { /* no source of randomness: no login could be made */
        abort();
    }
}

void auth_finish(struct auth *a) {
    sodium_memzero(a, sizeof(*a));
}

static trl_str bearer(const char *header) {
    static const char scheme[] = "Bearer ";
    trl_str none = {NULL, 0};
    if (!header || strncasecmp(header, scheme, sizeof(scheme) - 1) != 0) {
        return none;
    }
    header += sizeof(scheme) - 1;
    header += strspn(header, " ");
    size_t n = strnlen(header, TOKEN_MAX_BYTES + 1);
    return n && n <= TOKEN_MAX_BYTES ? trl_strn(header, n) : none;
}

static void hash_of(trl_str token, unsigned char ret[32]) {
    crypto_hash_sha256(ret, (const unsigned char *)token.ptr, token.len);
}

static struct auth_session *session_of(struct auth *a, const unsigned char hash[32]) {
    for (size_t i = 0; i < AUTH_SESSIONS; i++) {
        struct auth_session *s = &a->sessions[i];
        if (s->used_ns && sodium_memcmp(s->hash, hash, 32) == 0) {
            return s;
        }
    }
    return NULL;
}

static void name_session(const struct auth *a, const struct auth_session *s, struct who *w) {
    w->role = a->conf->login_role;
    snprintf(w->name, sizeof(w->name), "login-%u", s->number);
}

struct who auth_check(struct auth *a, const char *header, int64_t now_ns) {
    struct who w = {ROLE_NONE, ""};
    trl_str token = bearer(header);
    unsigned char hash[32];
    if (!token.len) {
        return w;
    }
    hash_of(token, hash);
    for (size_t i = 0; i < a->conf->n_tokens; i++) {
        const struct conf_token *t = &a->conf->tokens[i];
        if (sodium_memcmp(t->hash, hash, 32) == 0) {
            w.role = t->role;
            snprintf(w.name, sizeof(w.name), "%s", t->name);
            return w;
        }
    }
    struct auth_session *s = session_of(a, hash);
    if (s && now_ns - s->used_ns > AUTH_IDLE_NS) {
        sodium_memzero(s, sizeof(*s));
    } else if (s) {
        s->used_ns = now_ns;
        name_session(a, s, &w);
    }
    return w;
}

static void random_token(char ret[AUTH_TOKEN_SIZE]) {
    unsigned char bytes[32];
    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2base64(ret, AUTH_TOKEN_SIZE, bytes, sizeof(bytes),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bytes, sizeof(bytes));
}

void auth_new_login(struct auth *a, char ret[AUTH_TOKEN_SIZE]) {
    random_token(ret);
    hash_of(trl_cstr(ret), a->login_hash);
    a->login_open = 1;
}

int auth_login(struct auth *a, trl_str token, int64_t now_ns, char ret[AUTH_TOKEN_SIZE],
               struct who *who) {
    unsigned char hash[32];
    hash_of(token, hash);
    if (!a->login_open || token.len == 0 || sodium_memcmp(hash, a->login_hash, 32) != 0) {
        return 0;
    }
    a->login_open = 0;
    sodium_memzero(a->login_hash, sizeof(a->login_hash));
    struct auth_session *oldest = &a->sessions[0];
    for (size_t i = 1; i < AUTH_SESSIONS; i++) {
        if (a->sessions[i].used_ns < oldest->used_ns) {
            oldest = &a->sessions[i];
        }
    }
    random_token(ret);
    hash_of(trl_cstr(ret), oldest->hash);
    oldest->used_ns = now_ns > 0 ? now_ns : 1;
    oldest->number = ++a->next_number;
    name_session(a, oldest, who);
    return 1;
}

int auth_logout(struct auth *a, const char *header) {
    trl_str token = bearer(header);
    unsigned char hash[32];
    if (!token.len) {
        return 0;
    }
    hash_of(token, hash);
    struct auth_session *s = session_of(a, hash);
    if (s) {
        sodium_memzero(s, sizeof(*s));
    }
    return s != NULL;
}
