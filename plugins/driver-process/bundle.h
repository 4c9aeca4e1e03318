/* SPDX-License-Identifier: Apache-2.0
 *
 * What a file:// image is: an executable, or a directory or archive in OCI layout that is unpacked
 * once under bundles/ of the state directory. May block: on the worker pool.
 */
#ifndef DRIVER_PROCESS_BUNDLE_H
#define DRIVER_PROCESS_BUNDLE_H

#include "base.h"

struct bundle {                /* owned */
    char *program, *directory; /* directory: where it runs unless it is told otherwise */
    json_t *args, *env;        /* of the bundle itself; NULL: none */
};

int bundle_resolve(struct trl_inst *d, const char *image, const char *entry, struct bundle *b,
                   char *why, size_t cap);
void bundle_finish(struct bundle *b);
/* [pure] */
int bundle_is_file(trl_str image);

#endif
