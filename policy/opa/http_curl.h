/* SPDX-License-Identifier: Apache-2.0
 *
 * One request in curl's terms: its options, and what its end means. [thread] of http.h.
 */
#ifndef OPA_HTTP_CURL_H
#define OPA_HTTP_CURL_H

#include <curl/curl.h>

#include "http.h"

/* Sets up a blank handle. Fails when a file of the options cannot be used. */
trl_status http_prepare(CURL *easy, const struct opts *o, struct http_req *r, int64_t timeout_ms,
                        trl_err *err);
/* Fills a; a->why may point to why. */
void http_outcome(const struct opts *o, struct http_req *r, CURLcode code, struct http_answer *a,
                  char *why, size_t cap);
void http_headers_free(void *headers); /* wiped: one of them is the token */
/* Are the files of the options there? */
trl_status http_check_files(const struct opts *o, trl_err *err);

#endif
