/* SPDX-License-Identifier: Apache-2.0
 *
 * The streams that a transport's configuration declares. All [loop].
 */
#ifndef NATS_DECL_H
#define NATS_DECL_H

#include "stream.h"

struct decl;

struct decls {
    struct peer *peer; /* borrowed */
    struct decl *at;
    size_t n;
};

/* Reads "streams". decls_finish must follow, also on failure. */
trl_status decls_parse(struct decls *ds, struct peer *p, const json_t *config, trl_err *err);
void decls_end(struct decls *ds); /* nothing is under way any more */
void decls_finish(struct decls *ds);

/* The link is up: creates or compares each; says what differs when that changed. */
void decls_look(struct decls *ds);
/* [{"name","present","drift" or "error"}] (owned) */
json_t *decls_json(const struct decls *ds);
/* The stream that keeps a subject (borrowed); NULL: none. */
const char *decls_find(const struct decls *ds, trl_str subject);

#endif
