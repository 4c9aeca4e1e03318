/* SPDX-License-Identifier: Apache-2.0 */
#include "hostask.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define COMPONENT "{\"name\":\"web\",\"hash\":\"AB\",\"tags\":[],\"prov\":false}"
#define HOST      "{\"name\":\"h\",\"labels\":{}}"

static const unsigned char issuer_seed[32] = {7};

static void b64url(struct buf *out, const void *p, size_t n) {
    char text[2048];
    sodium_bin2base64(text, sizeof(text), p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    buf_addf(out, "%s", text);
}

static void public_of(unsigned prefix, char out[NKEY_PUBLIC_LEN + 1]) {
    unsigned char pk[32], sk[64];
    crypto_sign_seed_keypair(pk, sk, issuer_seed);
    nkey_encode_public(prefix, pk, out);
}

void hostask_entity(char ret[NKEY_PUBLIC_LEN + 1]) {
    public_of(NKEY_MODULE, ret);
}

static char *token(unsigned prefix, const char *metadata, long exp) {
    static const char header[] = "{\"typ\":\"jwt\",\"alg\":\"Ed25519\"}";
    unsigned char pk[32], sk[64], sig[64];
    char iss[NKEY_PUBLIC_LEN + 1], sub[NKEY_PUBLIC_LEN + 1];
    struct buf claims = BUF_INIT, out = BUF_INIT;
    public_of(NKEY_ACCOUNT, iss);
    public_of(prefix, sub);
    crypto_sign_seed_keypair(pk, sk, issuer_seed);
    buf_addf(&claims, "{\"jti\":\"a\",\"iat\":1,\"iss\":\"%s\",\"sub\":\"%s\",\"wascap\":%s", iss,
             sub, metadata);
    if (exp) {
        buf_addf(&claims, ",\"exp\":%ld", exp);
    }
    buf_add_c(&claims, '}');
    b64url(&out, header, sizeof(header) - 1);
    buf_add_c(&out, '.');
    b64url(&out, claims.ptr, claims.len);
    crypto_sign_detached(sig, NULL, (const unsigned char *)out.ptr, out.len, sk);
    buf_add_c(&out, '.');
    b64url(&out, sig, sizeof(sig));
    buf_finish(&claims);
    return buf_take(&out);
}

void hostask_seal(const struct hostask *q, str server, struct hostask_box *ret) {
    uint8_t to[32];
    struct buf plain = BUF_INIT;
    char *entity = token(NKEY_MODULE, COMPONENT, q->exp), *host = token(NKEY_SERVER, HOST, 0);
    memset(ret, 0, sizeof(*ret));
    xkey_generate(&ret->own);
    xkey_public_text(ret->own.pub, ret->own_text);
    buf_addf(&plain,
             "{\"key\":\"%s\",\"field\":null,\"version\":%s,\"context\":{\"entity_jwt\":\"%s%s\","
             "\"host_jwt\":\"%s%s\",\"application\":{\"name\":\"shop\",\"policy\":\"%s\"}}}",
             q->key, q->version ? q->version : "null", entity, q->bad_entity ? "x" : "", host,
             q->bad_host ? "x" : "", q->policy ? q->policy : "{}");
    if (q->not_json) {
        plain.ptr[0] = '#';
    }
    if (xkey_parse_public(server, to) && plain.len + XKEY_OVERHEAD <= sizeof(ret->bytes) &&
        xkey_seal(&ret->own, to, plain.ptr, plain.len, ret->bytes)) {
        ret->n = plain.len + XKEY_OVERHEAD;
    }
    buf_finish(&plain);
    mem_free(entity);
    mem_free(host);
}

char *hostask_open(const struct hostask_box *box, str header, str body) {
    uint8_t peer[32];
    char *opened = mem_zalloc(body.len + 1);
    if (!xkey_parse_public(header, peer) || body.len < XKEY_OVERHEAD ||
        !xkey_open(&box->own, peer, body.ptr, body.len, (uint8_t *)opened)) {
        mem_free(opened);
        return NULL;
    }
    return opened;
}
