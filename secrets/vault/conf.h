/* SPDX-License-Identifier: Apache-2.0
 *
 * The backend's options, read out of its config. It holds names of files, never what is in them.
 */
#ifndef VAULT_CONF_H
#define VAULT_CONF_H

#include <stdbool.h>
#include <trellis/trellis.h>

#define CONF_PATH_MAX 200u /* of mount, prefix, namespace, auth.mount */

enum conf_method { CONF_TOKEN, CONF_APPROLE, CONF_JWT, CONF_KUBERNETES };

struct conf {
    char *url;       /* scheme://host:port/, what libcurl connects to */
    char *authority; /* host[:port], the Host header */
    char *base;      /* path in front of /v1, without a slash at its end; may be empty */
    bool tls;
    bool open_net; /* plain HTTP to another machine */
    char *mount, *prefix, *ns, *field;
    int kv_version;
    enum conf_method method;
    char *auth_mount, *role, *role_id, *role_id_file, *secret_id_file, *token_file, *jwt_file;
    char *ca, *cert, *key, *proxy;
    bool hostname_check;
    char *version_key;
    int64_t timeout_ns, connect_ns, poll_ns;
    size_t max_answer;
};

/* All strings are owned and never NULL but for files that are not set. */
trl_status conf_parse(trl_str json, struct conf *c, trl_err *err);
void conf_finish(struct conf *c);
const char *conf_method_name(enum conf_method m);

#endif
