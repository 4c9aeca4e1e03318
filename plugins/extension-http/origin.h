/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a request meant for us, and does it come from our own pages? Against DNS rebinding (Host) and
 * against other sites' pages (Origin, Sec-Fetch-Site). Pure.
 */
#ifndef HTTP_ORIGIN_H
#define HTTP_ORIGIN_H

#include "conf.h"

/* port: the one we listen on. */
int origin_host_ok(const struct conf *c, uint16_t port, const char *host);
/* origin, fetch_site: NULL when the header is absent. host has passed origin_host_ok. */
int origin_ok(const struct conf *c, const char *origin, const char *fetch_site, const char *host);

#endif
