/* SPDX-License-Identifier: Apache-2.0
 *
 * The suite of extension/1 on the HTTP extension: requests come from sockets that nobody reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "suite_extension.h"

#define TOKEN_HASH                                                                                 \
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" /* of "test" */

struct sockets {
    int fds[256];
    unsigned n, asked;
};

static unsigned port_of(trl_str info) {
    const char *at = info.ptr ? strstr(info.ptr, "\"port\":") : NULL;
    return at ? (unsigned)strtoul(at + 7, NULL, 10) : 0;
}

static void poke(void *arg, trl_str info) {
    static const char *const asks[] = {"GET /api/v1/lattices/default/apps",
                                       "GET /api/v1/stream?lattice=default",
                                       "GET /metrics",
                                       "GET /readyz",
                                       "GET /api/v1/stream",
                                       "GET /livez"};
    struct sockets *s = arg;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port_of(info)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char text[256];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && s->n < 256);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    int n = snprintf(text, sizeof(text),
                     "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer test\r\n\r\n",
                     asks[s->asked++ % (sizeof(asks) / sizeof(asks[0]))]);
    assert_int_equal(write(fd, text, (size_t)n), n);
    s->fds[s->n++] = fd;
}

static int ask(unsigned port, const char *path, char *answer, size_t cap) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char text[256];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    int n = snprintf(text, sizeof(text),
                     "GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer test\r\n"
                     "Connection: close\r\n\r\n",
                     path);
    assert_int_equal(write(fd, text, (size_t)n), n);
    size_t have = 0;
    ssize_t got;
    while (have < cap - 1 && (got = read(fd, answer + have, cap - 1 - have)) > 0) {
        have += (size_t)got;
    }
    answer[have] = '\0';
    close(fd);
    return have > 12 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

/* The loop does not turn while this waits for the answers: that is what they are about. */
static void poke_hung(void *arg, trl_str info) {
    static const struct {
        const char *path, *says;
        int status;
    } rows[] = {
        {"/livez", "has not come round for 60 s", 503},
        {"/api/v1/lattices/default/apps", "No answer in time", 504},
        {"/readyz", "does not answer", 503},
        {"/", "<!doctype html>", 200},
    };
    struct sockets *s = arg;
    char answer[4096];
    for (size_t i = 0; s->asked == 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(ask(port_of(info), rows[i].path, answer, sizeof(answer)), rows[i].status);
        assert_non_null(strstr(answer, rows[i].says));
    }
    poke(arg, info);
}

static void let_go(void *arg) {
    struct sockets *s = arg;
    while (s->n) {
        close(s->fds[--s->n]);
    }
}

static void conforms(void **state) {
    struct sockets s = {.n = 0};
    const struct suite_poke p = {poke, let_go, &s, 0};
    (void)state;
    assert_int_equal(
        suite_extension("http",
                        "{\"listen\":\"127.0.0.1:0\",\"limits\":{\"requests_per_second\":100000},"
                        "\"tokens\":[{\"name\":\"t\",\"role\":\"admin\",\"sha256\":\"" TOKEN_HASH
                        "\"}]}",
                        &p),
        0);
}

static void a_hung_core_is_told(void **state) {
    struct sockets s = {.n = 0};
    const struct suite_poke p = {poke_hung, let_go, &s, 60000000000ll};
    (void)state;
    assert_int_equal(
        suite_extension("http",
                        "{\"listen\":\"127.0.0.1:0\",\"limits\":{\"request_timeout_s\":1},"
                        "\"tokens\":[{\"name\":\"t\",\"role\":\"admin\",\"sha256\":\"" TOKEN_HASH
                        "\"}]}",
                        &p),
        0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(conforms),
                                       cmocka_unit_test(a_hung_core_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
