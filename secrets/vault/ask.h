/* SPDX-License-Identifier: Apache-2.0
 *
 * One request to the server and its answer, whatever they are about.
 */
#ifndef VAULT_ASK_H
#define VAULT_ASK_H

#include "conn.h"
#include "sbuf.h"

struct ask {
    const char *method;
    const char *path;         /* behind /v1/, encoded; borrowed */
    const char *ns;           /* NULL: the configured namespace */
    const struct sbuf *body;  /* JSON; NULL: none */
    bool harmless;            /* a POST that changes nothing: may be sent twice */
    bool anonymous;           /* a login: without a token */
    const struct sbuf *token; /* instead of the one of the instance; NULL: that one */
};

struct answer {
    int status;
    bool redirect;
    uint32_t retry_after_ms; /* 0: not said */
    struct sbuf body;        /* guarded; the caller finishes it */
};

void answer_init(trl_inst *in, struct answer *a);
void answer_finish(struct answer *a); /* wipes */

/* Sends it once with the token of that moment (*ret_gen: which one). A status of HTTP is a success
 * here; failures are UNAVAIL, TIMEOUT, CANCELLED, BUSY, INTERNAL. */
trl_status ask_once(trl_inst *in, const struct patience *w, const struct ask *q, struct answer *a,
                    uint64_t *ret_gen, trl_err *err);
/* With a token: logs in when there is none and once more when the server answers 403. */
trl_status ask(trl_inst *in, const struct patience *w, const struct ask *q, struct answer *a,
               trl_err *err);
/* The error for an answer that is not 2xx; what: what was asked for ("secret/data/db"). quote: the
 * server's own words may be told, for nothing secret was sent. */
trl_status ask_error(trl_inst *in, const struct answer *a, const char *what, bool quote,
                     trl_err *err);
/* A JSON object in the answer, and its member "data". INTERNAL when it is not. */
trl_status ask_data(const struct answer *a, const char *what, const char *member, trl_str *ret,
                    trl_err *err);
/* The first of "errors", printable; empty when there is none. */
void ask_words(const struct answer *a, char *to, size_t size);

#endif
