/* SPDX-License-Identifier: Apache-2.0
 *
 * One answer of an HTTP/1.1 server, taken apart where it arrives: in a guarded buffer, which in the
 * end holds the body and nothing else. Pure but for the buffer. Any bytes may come.
 */
#ifndef VAULT_HTTP_H
#define VAULT_HTTP_H

#include "sbuf.h"

#define HTTP_HEAD_MAX (32u * 1024u)

enum http_state { HTTP_MORE, HTTP_DONE, HTTP_BAD, HTTP_LARGE, HTTP_NOMEM };

struct http_in {
    struct sbuf *buf; /* borrowed */
    size_t max_body;
    enum http_state state;
    const char *error; /* static, when BAD */
    int step;          /* private */
    size_t body, scan; /* private: end of the finished body; where raw bytes begin */
    uint64_t left;     /* private: of the body or the chunk */
    bool saw_any;      /* a byte has come */

    int status;
    bool keep;             /* the connection can be used again */
    bool redirect;         /* has a Location */
    int64_t retry_after_s; /* < 0: not said */
};

void http_in_init(struct http_in *in, struct sbuf *buf, size_t max_body);
/* Where the next bytes go; NULL: no memory (state NOMEM). *ret_n > 0. */
char *http_in_room(struct http_in *in, size_t *ret_n);
enum http_state http_in_got(struct http_in *in, size_t n);
enum http_state http_in_eof(struct http_in *in);

#endif
