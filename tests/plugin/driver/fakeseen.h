/* SPDX-License-Identifier: Apache-2.0
 *
 * What a core would believe after everything that was reported, to compare with what is.
 */
#ifndef TESTS_DRIVER_FAKESEEN_H
#define TESTS_DRIVER_FAKESEEN_H

#include <jansson.h>
#include <trellis/trellis.h>

struct seen {
    json_t *units;   /* "host unit" -> "image xcount" */
    json_t *links;   /* "source target name interfaces" -> true */
    json_t *configs; /* name -> "absent" or the hash */
};
void seen_init(struct seen *s);
void seen_finish(struct seen *s);
void seen_report(struct seen *s, const trl_report *r);
void seen_host_gone(struct seen *s, trl_str host);
void seen_links(struct seen *s, const trl_link *links, uint32_t n, uint32_t stride, int32_t full);
void seen_link_gone(struct seen *s, const trl_link *key);
void seen_config(struct seen *s, const trl_config_seen *c);

#endif
