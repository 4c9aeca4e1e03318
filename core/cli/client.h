/* SPDX-License-Identifier: Apache-2.0
 *
 * The API as a command sees it: a request on a subject, with two carriers: the local socket, and a
 * transport plugin. Blocking; one command, one client.
 */
#ifndef TRELLIS_CLI_CLIENT_H
#define TRELLIS_CLI_CLIENT_H

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

struct client_options {
    const char *socket;   /* path; NULL: the default one */
    const char *name;     /* of the local plane: "default" */
    const char *nats_url; /* given: NATS */
    const char *creds, *nkey_seed, *jwt, *user, *password, *token, *ca, *cert, *key;
    const char *const *plugin_dirs;
    uint32_t n_plugin_dirs;
    int64_t timeout_ms; /* of one request */
    const struct log *log;
};

struct client;
/* Without a choice: the socket if it answers, else NATS on its default address. */
int client_open(const struct client_options *o, struct client **ret, struct err *err);
void client_close(struct client *c); /* NULL is fine */
/* One request. content_type: NULL: none. reply: cleared, then filled. NORESPONDER: nobody serves.
 */
int client_request(struct client *c, str subject, const char *content_type, str body,
                   struct buf *reply, struct err *err);
int client_subscribe(struct client *c, str subject, struct err *err);
/* The next message of the subscriptions. TRL_E_TIMEOUT when none came in time. */
int client_next(struct client *c, int64_t timeout_ms, struct buf *subject, struct buf *body,
                struct err *err);

#endif
