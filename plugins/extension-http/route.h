/* SPDX-License-Identifier: Apache-2.0
 *
 * Which path means which operation. The table is also what the OpenAPI document is made of. Pure.
 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include "conf.h"

enum route_does {
    DOES_CALL,    /* an operation of the core's API */
    DOES_ANY,     /* ... named in the path */
    DOES_STREAM,  /* server-sent events */
    DOES_LOGIN,   /* POST: trades the one-time token */
    DOES_LOGOUT,  /* POST */
    DOES_SESSION, /* GET: who am I */
    DOES_OPENAPI,
    DOES_METRICS,
    DOES_LIVE,
    DOES_READY,
};

enum route_body { BODY_NONE, BODY_MANIFEST, BODY_JSON };

struct route_param {
    const char *name; /* of the query, and of the member of the operation's body */
    char type;        /* 's' string, 'u' number, 'b' boolean */
    const char *about;
};

struct route {
    const char *method;
    const char *path; /* "/api/v1/lattices/{lattice}/apps/{name}" */
    enum route_does does;
    const char *operation; /* DOES_CALL */
    enum route_body body;
    const struct route_param *params; /* ends with name NULL, or NULL */
    const char *summary;
};

#define ROUTE_PART_MAX 256u
struct route_parts {
    char lattice[ROUTE_PART_MAX], name[ROUTE_PART_MAX], operation[ROUTE_PART_MAX];
};

extern const struct route routes[]; /* ends with method NULL */

/* path: decoded. NULL: no such path, or (then *allow lists the methods it knows) not by that
 * method. */
const struct route *route_find(const char *method, const char *path, struct route_parts *parts,
                               char allow[64]);
/* What an operation asks of its caller. changes: TRL_API_CHANGES of its flags. */
enum role route_role(const char *operation, int changes);

#endif
