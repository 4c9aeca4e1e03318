/* SPDX-License-Identifier: Apache-2.0
 *
 * Request subjects of both APIs, taken apart. Pure.
 */
#ifndef TRELLIS_API_SUBJECT_H
#define TRELLIS_API_SUBJECT_H

#include "base/str.h"

enum subject_door { DOOR_WADM, DOOR_TRELLIS };

enum subject_fault {
    SUBJECT_OK,
    SUBJECT_NO_CATEGORY,
    SUBJECT_NO_OPERATION,
    SUBJECT_EXTRA,   /* too many tokens */
    SUBJECT_FOREIGN, /* neither prefix */
};

struct subject { /* borrowed parts of the subject */
    enum subject_door door;
    str account; /* "_" when there is one tenant only */
    str lattice, category, operation;
    str name; /* ptr NULL when absent */
};

#define SUBJECT_TRELLIS "trellis.api"

/* prefix: wadm's, e.g. "wadm.api". Fills what it finds, whatever it returns. */
enum subject_fault subject_parse(str subject, str prefix, bool multitenant, struct subject *ret);
/* wadm's words for it (WA 1.1); static. */
const char *subject_fault_text(enum subject_fault f);

#endif
