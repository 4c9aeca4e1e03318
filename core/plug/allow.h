/* SPDX-License-Identifier: Apache-2.0
 *
 * Which libraries may be loaded, by the SHA-256 of their bytes, and a copy of just these bytes that
 * nobody can change between the check and the mapping.
 */
#ifndef TRELLIS_PLUG_ALLOW_H
#define TRELLIS_PLUG_ALLOW_H

#include "base/log.h"
#include "base/mem.h"
#include "plug/plug.h"

struct allow {
    enum plug_trust trust;
    VEC(struct plug_allowed) at; /* owned strings */
};

void allow_set(struct allow *a, enum plug_trust trust, const struct plug_allowed *at, uint32_t n);
void allow_finish(struct allow *a);
/* May the library of that path, with these bytes, be loaded? With WARN it may, and the log says
 * what is wrong. */
int allow_check(const struct allow *a, const struct log *log, const char *path, str bytes,
                struct err *err);
/* A sealed copy in memory; ret_path: what to map it by. Its descriptor is never closed: a later one
 * of the same number would be taken for this library. */
int allow_seal(const char *path, str bytes, char ret_path[32], struct err *err);

#endif
