/* SPDX-License-Identifier: Apache-2.0
 *
 * What the core tells, as OTLP requests in JSON encoding: enums are numbers, 64-bit integers
 * strings, ids hexadecimal. Pure. One encoder holds one request at a time.
 */
#ifndef OTLP_ENCODE_H
#define OTLP_ENCODE_H

#include <trellis/kind/extension.h>

#include "conf.h"
#include "value.h"

struct encoder { /* zeroed memory is an empty one */
    struct jwrite w;
    struct jtree tree; /* of the fields or the event being written */
    uint32_t n;        /* spans, records or points so far */
    char *open;        /* the metric whose points are being written */
    uint32_t open_type;
};

/* resource: a JSON text of encode_resource(). */
void encode_begin(struct encoder *e, enum signal s, trl_str resource);
void encode_span(struct encoder *e, const trl_span *s);
void encode_log(struct encoder *e, const trl_log_record *r);
void encode_event(struct encoder *e, const trl_event *ev);
/* Series of one name follow one another. Types of the future are left out. */
void encode_metric(struct encoder *e, const trl_metric *m, int64_t start_ns, int64_t now_ns);
/* The request (owned); the encoder is empty then. */
char *encode_end(struct encoder *e, size_t *len);
void encode_drop(struct encoder *e); /* in place of encode_end */

/* An OTLP resource (owned) with the attributes of two JSON objects; of those in both, the one of
 * conf. conf may be NULL. */
char *encode_resource(const char *own, const char *conf);

#endif
