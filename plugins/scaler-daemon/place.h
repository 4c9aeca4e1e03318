/* SPDX-License-Identifier: Apache-2.0
 *
 * The same number on every host that matches a spread. The first one that matches, in the order of
 * the manifest, is the one a host serves; weights mean nothing.
 */
#ifndef PLUGINS_DAEMON_PLACE_H
#define PLUGINS_DAEMON_PLACE_H

#include "../scaler-common/spec.h"

void daemon_place(const trl_scaler_spec *spec, const trl_place_in *in, trl_place_out *out);

#endif
