/* SPDX-License-Identifier: Apache-2.0 */
#include "login.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "nkey.h"
#include "text.h"

#define SECRET_MAX 65536u

/* The trimmed text of a small file (owned), or NULL with *why set. */
static char *read_secret(const char *option, const char *path, char **why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = x_zalloc(SECRET_MAX + 1);
    size_t n = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && n < SECRET_MAX) {
        got = read(fd, text + n, SECRET_MAX - n);
        n += got > 0 ? (size_t)got : 0;
    }
    if (got < 0) {
        *why = text_fmt("%s: cannot read %s: %s", option, path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    text_trim(text);
    if (!*why && !*text) {
        *why = text_fmt("%s: %s is empty", option, path);
    }
    if (*why) {
        text_wipe(text);
        return NULL;
    }
    return text;
}

static natsStatus on_jwt(char **jwt, char **error, void *arg) {
    const struct login *l = arg;
    *jwt = strdup(l->jwt); /* the library frees it with free() */
    *error = NULL;
    return *jwt ? NATS_OK : NATS_NO_MEMORY;
}

static natsStatus on_sign(char **error, unsigned char **sig, int *sig_len, const char *nonce,
                          void *arg) {
    const struct login *l = arg;
    *error = NULL;
    return nats_Sign(l->seed, nonce, sig, sig_len);
}

static char *by_key(struct login *l, const struct opts *o, natsOptions *to) {
    char *why = NULL, pub[NKEY_PUBLIC_LEN + 1];
    natsStatus st;
    l->seed =
        opts_seed_literal(o->seed) ? text_dup(o->seed) : read_secret("nkey_seed", o->seed, &why);
    if (!l->seed) {
        return why;
    }
    if (!nkey_public(l->seed, pub)) {
        return text_fmt(
            "nkey_seed: no valid seed (58 characters beginning with SU, with a checksum)");
    }
    if (!o->jwt) {
        st = natsOptions_SetNKey(to, pub, on_sign, l);
    } else {
        int literal = access(o->jwt, F_OK) != 0 && strncmp(o->jwt, "eyJ", 3) == 0;
        l->jwt = literal ? text_dup(o->jwt) : read_secret("jwt", o->jwt, &why);
        if (!l->jwt) {
            return why;
        }
        text_trim(l->jwt);
        st = natsOptions_SetUserCredentialsCallbacks(to, on_jwt, l, on_sign, l);
    }
    return st == NATS_OK ? NULL : text_fmt("nkey_seed: %s", natsStatus_GetText(st));
}

static char *by_secret(const struct opts *o, natsOptions *to) {
    char *why = NULL, *secret = NULL;
    natsStatus st = NATS_OK;
    if (o->user) {
        secret = o->password_file ? read_secret("password_file", o->password_file, &why)
                                  : text_dup(o->password);
        st = secret ? natsOptions_SetUserInfo(to, o->user, secret) : NATS_OK;
    } else if (o->token || o->token_file) {
        secret =
            o->token_file ? read_secret("token_file", o->token_file, &why) : text_dup(o->token);
        st = secret ? natsOptions_SetToken(to, secret) : NATS_OK;
    }
    text_wipe(secret);
    return why || st == NATS_OK ? why : text_fmt("login: %s", natsStatus_GetText(st));
}

static char *tls_file(const char *option, const char *path) {
    return access(path, R_OK) == 0
               ? NULL
               : text_fmt("tls.%s: cannot read %s: %s", option, path, strerror(errno));
}

static char *tls_apply(const struct opts *o, const struct opts_url *url, natsOptions *to) {
    const char *host = o->tls.hostname ? o->tls.hostname : url->host;
    natsStatus st = NATS_OK;
    char *why = NULL;
    if (o->tls.hostname_check) { /* in force as soon as the server asks for TLS */
        st = natsOptions_SetExpectedHostname(to, host);
    }
    if (st == NATS_OK && o->tls.required) {
        st = natsOptions_SetSecure(to, true);
    }
    if (st == NATS_OK && o->tls.ca) {
        why = tls_file("ca", o->tls.ca);
        st = why ? NATS_OK : natsOptions_LoadCATrustedCertificates(to, o->tls.ca);
    }
    if (!why && st == NATS_OK && o->tls.cert) {
        why = tls_file("cert", o->tls.cert);
        why = why ? why : tls_file("key", o->tls.key);
        st = why ? NATS_OK : natsOptions_LoadCertificatesChain(to, o->tls.cert, o->tls.key);
    }
    if (!why && st != NATS_OK) {
        const char *text = nats_GetLastError(NULL);
        why = text_fmt("tls: %s", text && *text ? text : natsStatus_GetText(st));
    }
    return why;
}

char *login_apply(struct login *l, const struct opts *o, const struct opts_url *url,
                  natsOptions *to) {
    char *why = tls_apply(o, url, to);
    memset(l, 0, sizeof(*l));
    if (why) {
        return why;
    }
    if (o->creds) {
        natsStatus st;
        if (access(o->creds, R_OK) != 0) {
            return text_fmt("creds: cannot read %s: %s", o->creds, strerror(errno));
        }
        st = natsOptions_SetUserCredentialsFromFiles(to, o->creds, NULL);
        return st == NATS_OK ? NULL : text_fmt("creds: %s", natsStatus_GetText(st));
    }
    return o->seed ? by_key(l, o, to) : by_secret(o, to);
}

void login_finish(struct login *l) {
    text_wipe(l->seed);
    text_wipe(l->jwt);
    memset(l, 0, sizeof(*l));
}

int login_signs(const struct opts *o) {
    return o->creds || o->seed;
}

static const char *remedy(natsStatus st, const struct opts *o) {
    switch (st) {
    case NATS_CONNECTION_AUTH_FAILED:
        return o->creds  ? "the server does not accept the login of the creds file"
               : o->seed ? "the server does not accept nkey_seed/jwt"
               : o->user ? "the server does not accept user and password"
               : o->token || o->token_file
                   ? "the server does not accept the token"
                   : "the server wants a login; set creds, nkey_seed, user or token";
    case NATS_SECURE_CONNECTION_WANTED:
        return "TLS is asked for, but this server does not offer it";
    case NATS_SECURE_CONNECTION_REQUIRED:
        return "the server insists on TLS; set tls";
    case NATS_SSL_ERROR:
        return "TLS failed; check tls.ca, tls.cert and the name in the server's certificate";
    default:
        return NULL;
    }
}

char *login_explain(natsStatus st, const struct opts *o, const struct opts_url *url) {
    natsStatus last = NATS_OK;
    const char *said = nats_GetLastError(&last), *hint;
    char *text;
    if (last == NATS_OK || !said || !*said) {
        said = natsStatus_GetText(st);
    }
    hint = remedy(last != NATS_OK ? last : st, o);
    text =
        hint ? text_fmt("%s: %s (%s)", url->url, hint, said) : text_fmt("%s: %s", url->url, said);
    for (char *p = text; *p; p++) {
        if (*p == '\n' || *p == '\r') {
            *p = ' ';
        }
    }
    return text;
}
