/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/identity.h"

#include <sodium.h>
#include <stdlib.h>

#include "agent/key.h"
#include "base/guarded.h"
#include "base/mem.h"
#include "jwt_issue.h"

/* A token is made for one question. What is left is room for clocks that differ. */
#define TOKEN_S 3600

struct identity { /* in guarded memory */
    uint8_t host[32], account[32];
    char host_id[NKEY_PUBLIC_LEN + 1], account_id[NKEY_PUBLIC_LEN + 1];
};

static void public_of(unsigned prefix, const uint8_t seed[32], char ret[NKEY_PUBLIC_LEN + 1]) {
    uint8_t pub[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    crypto_sign_seed_keypair(pub, secret, seed);
    nkey_encode_public(prefix, pub, ret);
    sodium_memzero(secret, sizeof(secret));
}

int identity_open(const char *dir, const char *account_file, struct identity **ret,
                  struct err *err) {
    struct identity *x = guarded_alloc(sizeof(*x));
    if (!x) {
        return err_set(err, TRL_E_NOMEM,
                       "no memory can be locked for the keys of this host: raise the limit "
                       "(ulimit -l, LimitMEMLOCK=)");
    }
    int rc = key_host(dir, x->host, err);
    rc = rc < 0 ? rc : key_account(dir, account_file, x->account, err);
    if (rc < 0) {
        guarded_release(x);
        return rc;
    }
    public_of(NKEY_SERVER, x->host, x->host_id);
    public_of(NKEY_ACCOUNT, x->account, x->account_id);
    *ret = x;
    return 0;
}

void identity_close(struct identity *x) {
    guarded_release(x);
}

const char *identity_host(const struct identity *x) {
    return x->host_id;
}

const char *identity_account(const struct identity *x) {
    return x->account_id;
}

static void add_text(crypto_generichash_state *h, str s) {
    uint64_t n = s.len;
    crypto_generichash_update(h, (const unsigned char *)&n, sizeof(n));
    crypto_generichash_update(h, (const unsigned char *)s.ptr, s.len);
}

void identity_unit(const struct identity *x, bool provider, str lattice, str unit,
                   char ret[NKEY_PUBLIC_LEN + 1]) {
    uint8_t seed[32];
    crypto_generichash_state h;
    crypto_generichash_init(&h, x->account, sizeof(x->account), sizeof(seed));
    add_text(&h, provider ? STR("provider") : STR("component"));
    add_text(&h, lattice);
    add_text(&h, unit);
    crypto_generichash_final(&h, seed, sizeof(seed));
    public_of(provider ? NKEY_SERVICE : NKEY_MODULE, seed, ret);
    sodium_memzero(seed, sizeof(seed));
    sodium_memzero(&h, sizeof(h));
}

static char *issue(const struct jwt_claims *c, const uint8_t seed[32]) {
    char *token = jwt_issue(c, seed), *own = mem_strdup(token);
    free(token);
    return own;
}

char *identity_host_token(const struct identity *x, str name, int64_t now_s) {
    struct jwt_claims c = {.kind = JWT_HOST,
                           .iss = x->host_id,
                           .sub = x->host_id,
                           .name = name,
                           .iat_s = now_s,
                           .exp_s = now_s + TOKEN_S};
    return issue(&c, x->host);
}

char *identity_unit_token(const struct identity *x, bool provider, str lattice, str unit,
                          int64_t now_s) {
    char sub[NKEY_PUBLIC_LEN + 1];
    identity_unit(x, provider, lattice, unit, sub);
    struct jwt_claims c = {.kind = provider ? JWT_PROVIDER : JWT_COMPONENT,
                           .iss = x->account_id,
                           .sub = sub,
                           .name = unit,
                           .iat_s = now_s,
                           .exp_s = now_s + TOKEN_S};
    return issue(&c, x->account);
}
