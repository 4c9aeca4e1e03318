/* SPDX-License-Identifier: Apache-2.0
 *
 * What the example programs share: a small HTTP server on the sockets that Trellis hands over, and
 * what a program is told through its environment.
 */
#ifndef EXAMPLES_HTTP_H
#define EXAMPLES_HTTP_H

#include <stddef.h>

#ifndef VERSION
#define VERSION "1"
#endif

struct request {
    char path[256];
    char key[256]; /* of "Authorization: Bearer KEY"; else empty */
};

struct answer {
    int status; /* 200 unless changed */
    char body[4096];
};

/* Serves every socket it is handed until SIGTERM, then finishes what it began. The handler is
 * called from several threads. GET /healthz ("ok") and /pid are answered without it. Returns
 * main's. */
int http_serve(const char *name, void (*handle)(const struct request *r, struct answer *a));

/* GET / at "127.0.0.1:1234"; key: sent as a bearer token unless it is empty. The status, or -1 when
 * nobody answers. */
int http_get(const char *address, const char *key, char *body, size_t cap);

void say(struct answer *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *env(const char *name, const char *otherwise);

/* Content of the file that TRELLIS_SECRET_<name>_FILE names, without a newline at its end; empty
 * when there is none. Read anew each time: a rotation counts at once. */
void secret(const char *name, char *value, size_t cap);

#endif
