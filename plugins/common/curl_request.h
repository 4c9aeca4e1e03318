/* SPDX-License-Identifier: Apache-2.0
 *
 * One request in curl's terms: its options, and what its end means. [thread] of curl_thread.h.
 */
#ifndef PLUGINS_COMMON_CURL_REQUEST_H
#define PLUGINS_COMMON_CURL_REQUEST_H

#include <curl/curl.h>

#include "curl_thread.h"

/* Sets up a blank handle. Fails when a file of the configuration cannot be used. */
trl_status http_prepare(CURL *easy, const struct http_conf *c, struct http_req *r,
                        int64_t timeout_ms, trl_err *err);
/* Fills a; a->why may point to why. */
void http_outcome(const struct http_conf *c, struct http_req *r, CURLcode code,
                  struct http_answer *a, char *why, size_t cap);
void http_headers_free(void *headers); /* wiped: one of them may be a token */
/* Are the files of the configuration there? */
trl_status http_check_files(const struct http_conf *c, trl_err *err);

#endif
