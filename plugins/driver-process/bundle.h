/* SPDX-License-Identifier: Apache-2.0
 *
 * What a file:// image is: an executable; or a directory or archive, unpacked once under bundles/
 * of the state directory, in OCI image layout or plain (then `entry` says what to run). May block:
 * on the worker pool.
 */
#ifndef DRIVER_PROCESS_BUNDLE_H
#define DRIVER_PROCESS_BUNDLE_H

#include "base.h"

struct bundle {                /* owned */
    char *program, *directory; /* directory: where it runs unless it is told otherwise */
    json_t *args, *env;        /* of the bundle itself; NULL: none */
};

/* entry: NULL: the bundle's own. */
int bundle_resolve(struct trl_inst *d, const char *image, const char *entry, struct bundle *b,
                   char *why, size_t cap);
void bundle_finish(struct bundle *b);
/* [pure] */
int bundle_is_file(trl_str image);

/* oci.c: unpacks the layers of the layout in `layout` into `root`, an empty directory; *config is
 * the image's configuration (owned). Digests are verified. */
int oci_unpack(const char *layout, const char *root, json_t **config, char *why, size_t cap);
/* The digest of the image's manifest ("sha256:..."), owned; NULL with a text. */
char *oci_digest(const char *layout, char *why, size_t cap);
/* tar -x of an archive, compressed or not. */
int oci_tar(const char *archive, const char *root, char *why, size_t cap);

#endif
