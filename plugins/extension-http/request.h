/* SPDX-License-Identifier: Apache-2.0
 *
 * One request, from its first line to its answer. HTTP thread only.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "http.h"

struct ex {
    struct ex *prev, *next;
    struct trl_inst *in;
    struct MHD_Connection *conn;
    struct conn *c;
    int begun, bad_uri;
    const struct route *route; /* NULL: a page, or refused */
    struct route_parts parts;
    const char *operation; /* CALL, ANY */
    struct who who;
    struct text body;
    int too_large;
    struct job *job;             /* on its way; the connection is suspended */
    int64_t deadline_ns;         /* of the job */
    struct MHD_Response *answer; /* ready to go out */
    unsigned status;
};

const char *request_header(const struct ex *x, const char *name); /* NULL when absent */
/* Sets the answer; the first one counts. body: taken. */
void request_answer(struct ex *x, unsigned status, struct text *body);
__attribute__((format(printf, 4, 5))) void request_refuse(struct ex *x, unsigned status,
                                                          const char *code, const char *fmt, ...);
/* The headers that every answer has. */
void request_guard(struct MHD_Response *r, int api);

/* admit.c: before the body is read. Answers when it is refused; a page is an answer, too. */
void request_admit(struct ex *x, const char *url, const char *method);
/* Where it comes from, as text. */
void request_peer(const struct ex *x, char *text, size_t cap);

#endif
