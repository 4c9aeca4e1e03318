/* SPDX-License-Identifier: Apache-2.0
 *
 * How to reach and convince a server: the part of the configuration that the transport and the
 * store have in common. Secrets stay in here; nothing of them goes into a log line or an error.
 */
#ifndef NATS_OPTS_H
#define NATS_OPTS_H

#include <jansson.h>
#include <trellis/trellis.h>

#define OPTS_DEFAULT_URL "nats://127.0.0.1:4222"

struct opts_url {
    char *url;  /* scheme://host:port, without user info: fit to be shown */
    char *host; /* for the certificate */
    int tls;
};

struct opts {
    struct opts_url *urls;
    size_t n_urls;
    char *user, *password, *token; /* from the options or from a URL */
    char *password_file, *token_file;
    char *creds, *seed, *jwt; /* seed and jwt: a literal or a file name */
    struct {
        char *ca, *cert, *key, *hostname;
        int required, hostname_check;
    } tls;
    char *name, *inbox_prefix;
    int64_t connect_timeout_ms, ping_interval_ms, reconnect_max_ms;
    size_t pending_bytes;
    char *key; /* equal text: equal options, so one connection serves both */
};

/* Checks what one member alone cannot say, and fills *o (owned, opts_finish). No I/O. */
trl_status opts_parse(const json_t *config, struct opts *o, trl_err *err);
void opts_finish(struct opts *o);

/* Members with defaults, for those who read the rest of a configuration. */
int64_t opts_int(const json_t *config, const char *key, int64_t dflt);
int opts_bool(const json_t *config, const char *key, int dflt);
const char *opts_str(const json_t *config, const char *key); /* borrowed; NULL when absent or "" */

/* A server that another server named ("host:port", with or without scheme). 0: not understood. */
int opts_url_parse(const char *text, int tls, struct opts_url *ret);

/* Is it a seed ("SU…", 58 characters), as opposed to a file name? */
int opts_seed_literal(const char *s);

#endif
