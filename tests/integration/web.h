/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of the HTTP extension on loopback: single requests, and a stream that a thread reads
 * until it is told to stop.
 */
#ifndef TRELLIS_TESTS_WEB_H
#define TRELLIS_TESTS_WEB_H

#include <pthread.h>
#include <stdbool.h>

#include "base/str.h"

/* The status, 0: no answer in time. All that was read, head and body, is added to out. */
int web_get(unsigned port, const char *token, const char *path, struct buf *out);

struct web_stream {
    int fd;
    pthread_t reader;
    pthread_mutex_t lock; /* guards text */
    struct buf text;
};

bool web_stream_open(struct web_stream *w, unsigned port, const char *token, const char *path);
bool web_stream_has(struct web_stream *w, const char *word);
void web_stream_close(struct web_stream *w); /* the text stays, for the caller to free */

#endif
