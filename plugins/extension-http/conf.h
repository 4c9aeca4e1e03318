/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration, read once. Tokens are known by their hashes only.
 */
#ifndef HTTP_CONF_H
#define HTTP_CONF_H

#include <netinet/in.h>
#include <trellis/trellis.h>

enum role { ROLE_NONE, ROLE_READ, ROLE_OPERATE, ROLE_ADMIN };
const char *role_name(enum role r);

struct conf_token {
    char *name;
    enum role role;
    unsigned char hash[32]; /* SHA-256 */
};

struct conf {
    char *listen; /* as written, for messages */
    struct sockaddr_storage addr;
    socklen_t addr_len;
    int any_port;             /* a free one when that is in use */
    int loopback;             /* reachable from this machine only */
    char *tls_cert, *tls_key; /* files; NULL: no TLS */
    struct conf_token *tokens;
    size_t n_tokens;
    char **hosts; /* names the Host header may carry, beside those of the address */
    size_t n_hosts;
    int login; /* one-time login URL */
    char *login_file;
    enum role login_role;
    int ui;
    uint32_t max_body_bytes, max_connections, max_connections_per_address, max_streams;
    uint32_t requests_per_second, request_timeout_s, idle_timeout_s;
};

/* Checks what the schema cannot say, and fills *c (owned, conf_finish; on failure too). No I/O. */
trl_status conf_parse(trl_str json, struct conf *c, trl_err *err);
void conf_finish(struct conf *c);

#endif
