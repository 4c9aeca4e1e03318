/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's socket: who is connected, what they ask, what they are told.
 */
#ifndef KEEPER_SERVER_H
#define KEEPER_SERVER_H

#include <sys/types.h>

#include "spec.h"

#define SERVER_CLIENTS 8

struct server {
    int listener, clients[SERVER_CLIENTS]; /* -1: free */
};

struct request {
    enum { REQ_NONE, REQ_STATUS, REQ_STOP, REQ_SIGNAL, REQ_FDS, REQ_READY, REQ_REAP } what;
    long long number;
};

int server_open(struct server *s); /* 0 or -1 (errno); in the current directory */
void server_close(struct server *s);
void server_accept(struct server *s);
int server_clients(const struct server *s);
/* Reads one request of client i; a client that left is forgotten. */
struct request server_read(struct server *s, int i);
void server_say(struct server *s, int i, const char *text); /* i < 0: to all */
void server_send_fds(struct server *s, int i, const struct spec *spec);

#endif
