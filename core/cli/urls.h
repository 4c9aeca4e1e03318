/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an application of processes answers over HTTP, as far as its manifest says so: addresses it
 * listens on, of units whose health is asked over HTTP.
 */
#ifndef TRELLIS_CLI_URLS_H
#define TRELLIS_CLI_URLS_H

#include "base/str.h"
#include "model/manifest.h"

/* Adds a line each: "  http://127.0.0.1:8080/  (app, unit)". */
void urls_of(const struct manifest *m, struct buf *to);

#endif
