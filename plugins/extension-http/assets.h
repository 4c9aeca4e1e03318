/* SPDX-License-Identifier: Apache-2.0 — files put into the library at build time. */
#ifndef HTTP_ASSETS_H
#define HTTP_ASSETS_H

#include <stddef.h>

struct asset {
    const char *name;
    const unsigned char *data;
    size_t size;
};
extern const struct asset assets[]; /* ui/; ends with name NULL */
extern const char openapi_base[];   /* openapi.json */
extern const char http_schema[];    /* schema.json */

#endif
