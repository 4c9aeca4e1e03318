/* SPDX-License-Identifier: Apache-2.0
 *
 * What a collector's answer means, by the OTLP/HTTP specification. Pure.
 */
#ifndef OTLP_ANSWER_H
#define OTLP_ANSWER_H

#include "conf.h"

enum meaning {
    TAKEN,   /* but for `rejected` */
    RETRY,   /* the same again, later */
    REFUSED, /* it will never be taken */
};

struct verdict {
    enum meaning meaning;
    uint64_t rejected;       /* of what was taken */
    uint32_t retry_after_ms; /* 0: not said */
    int32_t code;            /* the HTTP status, or a trl_status: the same trouble has the same */
    char text[256];          /* for people, one line; "" when all is well */
};

void answer_judge(const struct conf *c, enum signal s, const struct http_answer *a,
                  struct verdict *v);

#endif
