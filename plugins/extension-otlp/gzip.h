/* SPDX-License-Identifier: Apache-2.0
 *
 * The body of a request, compressed. [any]
 */
#ifndef OTLP_GZIP_H
#define OTLP_GZIP_H

#include "../common/curl_thread.h"

/* Before it is submitted. It stays as it is where compressing fails. */
void gzip_body(struct http_req *r);

#endif
