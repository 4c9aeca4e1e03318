/* SPDX-License-Identifier: Apache-2.0
 *
 * A small HTTP/1.1 server for tests, as ill-behaved as they want it. One thread per connection;
 * the callback runs on it. Port of the kernel's choice on 127.0.0.1, or a socket handed over.
 */
#ifndef TEST_FAKE_HTTP_H
#define TEST_FAKE_HTTP_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct fake_http;
struct fake_conn;

struct fake_req {
    const char *method, *path;
    const char *head; /* the whole head, NUL-terminated */
    const char *body; /* NUL-terminated */
    size_t len;
};

typedef void (*fake_fn)(void *arg, struct fake_conn *c, const struct fake_req *r);

struct fake_http *fake_http_create(fake_fn fn, void *arg);
/* The same behind TLS; clients need a certificate of that authority. PEM files. */
struct fake_http *fake_http_create_tls(fake_fn fn, void *arg, const char *cert, const char *key,
                                       const char *ca);
/* Ends all connections, joins all threads. */
void fake_http_destroy(struct fake_http *f);
const char *fake_http_url(const struct fake_http *f);
uint32_t fake_http_accepted(struct fake_http *f);
uint32_t fake_http_requests(struct fake_http *f);
/* Serves a connected socket too (taken). */
void fake_http_serve(struct fake_http *f, int fd);

/* From the callback. more: header lines, each with CRLF, or "". */
void fake_reply(struct fake_conn *c, int status, const char *more, const char *body, size_t len);
void fake_json(struct fake_conn *c, int status, const char *body);
void fake_raw(struct fake_conn *c, const void *bytes, size_t n); /* whatever it is */
void fake_close(struct fake_conn *c);
/* Returns when the client gives up, or the server ends. Says nothing meanwhile. */
void fake_hold(struct fake_conn *c);

#endif
