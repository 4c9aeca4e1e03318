/* SPDX-License-Identifier: Apache-2.0
 *
 * Image references as hosts read them: what is refused before anything is fetched, and with which
 * text. Nothing is really fetched.
 */
#ifndef TRELLIS_SIM_IMAGE_H
#define TRELLIS_SIM_IMAGE_H

#include "base/str.h"

enum sim_image_kind { SIM_IMAGE_COMPONENT, SIM_IMAGE_PROVIDER };

/* False: error text as in the events, appended to why. */
bool sim_image_ok(enum sim_image_kind kind, str ref, bool allow_latest, struct buf *why);
bool sim_image_parses(str ref);    /* else a scale to 0 fetches nothing */
bool sim_image_builtin(str ref);   /* wasmcloud+builtin://... */
str sim_image_normal(str ref);     /* as reported for providers; part of ref */
bool sim_glob(str pattern, str s); /* '*' fits any run of characters */

#endif
