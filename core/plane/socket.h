/* SPDX-License-Identifier: Apache-2.0
 *
 * The API on a Unix socket, for a plane without a broker: requests, and what the plane publishes.
 * Directory 0700, socket 0600, and the peer must be the same user or root.
 */
#ifndef TRELLIS_PLANE_SOCKET_H
#define TRELLIS_PLANE_SOCKET_H

#include "plane/plane.h"

struct socket_server;
/* Takes over a path that nobody listens on any more; refuses one that answers. */
int socket_server_create(struct plane *p, struct loop *loop, const struct log *log,
                         const char *path, struct socket_server **ret, struct err *err);
/* Once the plane has an API: subscribers of the socket get what is published. */
void socket_server_watch(struct socket_server *s);
/* Stops listening, closes every connection; done runs when all handles are closed. */
void socket_server_stop(struct socket_server *s, void (*done)(void *arg), void *arg);
/* After stop, and after the plane is gone (replies under way point here). */
void socket_server_destroy(struct socket_server *s);

/* $TRELLIS_SOCKET, else $XDG_RUNTIME_DIR/trellis/<name>.sock, else /run/trellis/<name>.sock (root),
 * else <state directory>/<name>.sock. Owned string. */
char *socket_default_path(const char *name);
/* $XDG_STATE_HOME/trellis, else ~/.local/state/trellis, else /var/lib/trellis (root). Owned. */
char *state_default_dir(void);

#endif
