/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets. They belong to a unit, not to one of its processes, so that a new process
 * takes over where the old one leaves and no connection is refused meanwhile.
 *
 * Addresses: "127.0.0.1:8080", "[::1]:8080", "localhost:0", "8080" (loopback), "unix:/run/x.sock".
 */
#ifndef DRIVER_PROCESS_LISTEN_H
#define DRIVER_PROCESS_LISTEN_H

#include "base.h"

struct listener {
    struct listener *next;
    char *unit, *name, *address; /* owned; address: as really bound */
    char *asked;                 /* owned; as asked for */
    int fd, used;
};

/* Returns a listening descriptor or -1 with a text; bound: the address with its real port, owned.
 */
int listen_open(const char *address, char **bound, char *why, size_t cap);
/* A non-blocking connection under way; -1 with errno. */
int listen_connect(const char *address);
int listen_address_ok(const char *address);

struct listener *listener_find(struct trl_inst *d, const char *unit, const char *name);
/* The one there is, else a new one; NULL with a text. */
struct listener *listener_get(struct trl_inst *d, const char *unit, const char *name,
                              const char *address, char *why, size_t cap);
/* One that a keeper held; fd: taken. */
void listener_adopt(struct trl_inst *d, const char *unit, const char *name, const char *asked,
                    int fd);
void listener_close(struct trl_inst *d, struct listener *l);
void listeners_drop_unused(struct trl_inst *d, const char *unit); /* those with used == 0 */
void listeners_close_all(struct trl_inst *d);

#endif
