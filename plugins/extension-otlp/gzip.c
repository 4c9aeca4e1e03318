/* SPDX-License-Identifier: Apache-2.0 */
#include "gzip.h"

#include <zlib.h>

#include "../common/xmem.h"

#define GZIP_FORMAT (15 + 16) /* the largest window, with gzip's head and tail */
#define MEMORY      8         /* zlib's default */

void gzip_body(struct http_req *r) {
    z_stream z = {0};
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_FORMAT, MEMORY, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return;
    }
    size_t cap = deflateBound(&z, (uLong)r->body_len);
    char *out = x_alloc(cap);
    z.next_in = (Bytef *)r->body;
    z.avail_in = (uInt)r->body_len;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)cap;
    if (deflate(&z, Z_FINISH) == Z_STREAM_END) {
        free(r->body);
        r->body = out;
        r->body_len = cap - z.avail_out;
        r->encoding = "gzip";
    } else {
        free(out);
    }
    deflateEnd(&z);
}
