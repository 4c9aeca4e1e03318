/* SPDX-License-Identifier: Apache-2.0
 *
 * A real Open Policy Agent of the test's own, from the cache that tests/tools/opa.sh fills, on a
 * port of the kernel's choice; and certificates for it.
 */
#ifndef TEST_OPA_SERVER_H
#define TEST_OPA_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct server {
    pid_t pid;
    char dir[64];     /* owned directory with everything below */
    char binary[512]; /* "": there is none here */
    int port;
};

/* Makes the directory only. */
void server_dir(struct server *s);
/* Makes the directory too; false: no OPA here, the test has to be skipped. */
bool server_find(struct server *s);
/* args: NULL-terminated, behind `run --server --addr ...`; address: NULL for a port, or unix://.
 * Returns when it listens. */
void server_start(struct server *s, const char *address, const char *const *args);
void server_stop(struct server *s);
void server_end(struct server *s); /* stops, removes the directory */
/* A path below the directory; with text, the file is written. Static until the eighth call. */
const char *server_file(struct server *s, const char *name, const char *text);
/* ca.pem, server.pem/.key, client.pem/.key */
void server_certificates(struct server *s);
/* Sends a request in plain HTTP and returns the status. */
int server_send(struct server *s, const char *method, const char *path, const char *body);

#endif
