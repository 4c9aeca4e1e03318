/* SPDX-License-Identifier: Apache-2.0
 *
 * The suite of extension/1 on the exporter: with a collector that is not there, and with one that
 * never answers.
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

/* Connections are made to it, and nobody takes them. */
static int listener(unsigned *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 512), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void conforms(const char *more, unsigned port) {
    char config[256];
    snprintf(config, sizeof(config),
             "{\"endpoint\":\"http://127.0.0.1:%u\",\"interval_ms\":10,\"batch_ms\":1,"
             "\"retry_ms\":1,\"retry_max_ms\":5%s}",
             port, more);
    assert_int_equal(suite_extension("otlp", config, NULL), 0);
}

static void conforms_without_a_collector(void **state) {
    unsigned port;
    (void)state;
    close(listener(&port));
    conforms("", port);
    conforms(",\"compression\":\"gzip\",\"batch_max\":1", port);
}

static void conforms_while_nobody_answers(void **state) {
    unsigned port;
    int fd = listener(&port);
    (void)state;
    conforms(",\"flush_ms\":1", port);
    conforms(",\"flush_ms\":0,\"timeout_ms\":5", port);
    close(fd);
}

/* Run by suite_export.py, which looks at what arrives. */
static void conforms_with_a_collector(void **state) {
    const char *port = getenv("OTLP_TEST_PORT");
    (void)state;
    conforms(",\"flush_ms\":4000,\"batch_max\":8192", port ? (unsigned)strtoul(port, NULL, 10) : 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(conforms_without_a_collector),
                                       cmocka_unit_test(conforms_while_nobody_answers)};
    const struct CMUnitTest with[] = {cmocka_unit_test(conforms_with_a_collector)};
    return getenv("OTLP_TEST_PORT") ? cmocka_run_group_tests(with, NULL, NULL)
                                    : cmocka_run_group_tests(tests, NULL, NULL);
}
