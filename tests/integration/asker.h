/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of HTTP servers on this machine: one request, or several threads that ask all the time
 * and count what fails. Used by tests and by the bench.
 */
#ifndef TRELLIS_TESTS_ASKER_H
#define TRELLIS_TESTS_ASKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASKER_THREADS 4u

/* GET path; address: "127.0.0.1:8080" or the path of a Unix socket. True: status 200; body: what
 * came with it, else what went wrong. */
bool http_ask(const char *address, const char *path, char *body, size_t cap);
/* A port of 127.0.0.1 that is free now, and that the kernel gives to nobody who asks for any. */
int free_port(void);

struct asker {
    char address[128];
    pthread_t threads[ASKER_THREADS];
    bool asking;
    atomic_bool stop;
    atomic_uint good, bad;
    pthread_mutex_t lock; /* guards what follows */
    char first_bad[1024];
    char last[1024];         /* body of the last answer */
    int64_t last_ns, gap_ns; /* when it came; the longest time between two answers of anybody */
};

void asker_start(struct asker *a, const char *address);
void asker_stop(struct asker *a);
bool asker_says(struct asker *a, const char *text); /* the last answer contains it */

#endif
