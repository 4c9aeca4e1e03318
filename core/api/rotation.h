/* SPDX-License-Identifier: Apache-2.0
 *
 * Rotated secrets of deployed apps: those with `trellis.dev/on-change.<secret>: hot` or `roll` are
 * followed in their backend; a new version is pinned in the app's head, and the engine does the
 * rest. Only where this instance acts for the lattice.
 */
#ifndef TRELLIS_API_ROTATION_H
#define TRELLIS_API_ROTATION_H

#include "api/api_priv.h"

struct rotation;

struct rotation *rotation_create(struct api *a);
void rotation_destroy(struct rotation *r); /* before the secrets room; NULL is fine */
/* A head appeared, changed or vanished. */
void rotation_on_app(struct rotation *r, const struct app *x);

#endif
