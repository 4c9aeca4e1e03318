/* SPDX-License-Identifier: Apache-2.0
 *
 * The carrier over NATS: the transport plugin, loaded through the border like anywhere else.
 */
#ifndef TRELLIS_CLI_NATS_CLIENT_H
#define TRELLIS_CLI_NATS_CLIENT_H

#include "cli/client.h"

struct nats_client;
int nats_client_open(const struct client_options *o, struct nats_client **ret, struct err *err);
void nats_client_close(struct nats_client *c); /* NULL is fine */
/* trace: W3C traceparent; empty: none. */
int nats_client_request(struct nats_client *c, str subject, const char *content_type,
                        const char *trace, str body, struct buf *reply, struct err *err);
int nats_client_subscribe(struct nats_client *c, str subject, struct err *err);
int nats_client_next(struct nats_client *c, int64_t timeout_ms, struct buf *subject,
                     struct buf *body, struct err *err);
/* The plugin's config for these options; secrets go from the environment to the plugin only. */
void nats_config_json(const struct client_options *o, struct buf *out);

#endif
