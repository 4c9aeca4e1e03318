/* SPDX-License-Identifier: Apache-2.0
 *
 * Descriptors that become readable or writable: one thread waits for all, the loop hears of it. All
 * functions on the loop.
 */
#ifndef DRIVER_PROCESS_IO_H
#define DRIVER_PROCESS_IO_H

#include "driver.h"

struct io *io_create(struct trl_inst *d); /* NULL: no thread or no descriptors left */
void io_destroy(struct io *io);           /* joins the thread; NULL is fine */

/* fn runs once when `events` (EPOLLIN, EPOLLOUT) or an error is there; then watch again. */
struct watch {
    uint32_t id; /* 0: not watched */
    int fd;      /* -1: none */
    void (*fn)(void *arg);
    void *arg;
};
int watch_open(struct io *io, struct watch *w, int fd, uint32_t events, void (*fn)(void *arg),
               void *arg); /* takes fd, also when it fails */
void watch_again(struct io *io, struct watch *w, uint32_t events);
void watch_close(struct io *io, struct watch *w); /* closes the descriptor */

#endif
