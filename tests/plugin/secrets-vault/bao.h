/* SPDX-License-Identifier: Apache-2.0
 *
 * An OpenBao server of the test's own, in dev mode: port chosen by the kernel, everything in
 * memory. It is managed by its own command line program, so that no value is ever in the test's
 * memory but for the caller's.
 */
#ifndef TESTS_VAULT_BAO_H
#define TESTS_VAULT_BAO_H

#include <stddef.h>
#include <sys/types.h>

struct bao {
    char dir[64]; /* removed by bao_end */
    char program[512];
    char address[64];
    pid_t pid;
    int tls;
    int port;
    const char *ns; /* namespace of the commands; NULL: the root's */
};

/* 0: there is none to run, which is said once. */
int bao_present(void);
void bao_start(struct bao *b, int tls); /* aborts when it does not start */
void bao_end(struct bao *b);
void bao_pause(struct bao *b, int stopped); /* SIGSTOP, SIGCONT */
/* A file in its directory; text NULL: only the path (four are kept). */
const char *bao_file(struct bao *b, const char *name, const char *text);
/* Runs "bao ARG..." as root; the list ends with NULL. 0: it succeeded. input: n bytes for its
 * standard input. out: its output without the last line end, up to 4095 bytes; may be NULL. */
int bao_run(struct bao *b, const void *input, size_t n, char out[4096], const char *const argv[]);
#define BAO(b, ...)          bao_run((b), NULL, 0, NULL, (const char *const[]){__VA_ARGS__, NULL})
#define BAO_OUT(b, out, ...) bao_run((b), NULL, 0, (out), (const char *const[]){__VA_ARGS__, NULL})
/* "bao kv put MOUNT/key field=-" with the value from memory. */
int bao_plant(struct bao *b, const char *mount, const char *key, const char *field,
              const void *value, size_t n);

#endif
