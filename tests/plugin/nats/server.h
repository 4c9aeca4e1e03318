/* SPDX-License-Identifier: Apache-2.0
 *
 * A nats-server of the test's own: port chosen by the kernel, data in a temporary directory.
 */
#ifndef TESTS_NATS_SERVER_H
#define TESTS_NATS_SERVER_H

#include <sys/types.h>

struct server {
    char dir[64]; /* removed by server_end */
    pid_t pid;    /* 0: not running */
    int port;     /* kept over restarts; 0: not chosen yet */
};

int server_present(void); /* is there a nats-server to run? */
void server_init(struct server *s);
/* conf: lines of configuration beside port and host. Waits until it is ready; aborts if it is not.
 */
void server_start(struct server *s, const char *conf);
void server_kill(struct server *s); /* kill -9 */
void server_wipe(struct server *s); /* its JetStream data; while it is down */
void server_end(struct server *s);
/* A file in its directory; path is static until the next call (four are kept). */
const char *server_file(struct server *s, const char *name, const char *text);
/* "url":"nats://127.0.0.1:<port>" (static, as above) */
const char *server_url(const struct server *s);

#define JETSTREAM "jetstream { store_dir: \"%DIR%/js\" }\n" /* %DIR% is replaced */

/* Runs a command; 0: it succeeded. */
int run(const char *const argv[]);

#endif
