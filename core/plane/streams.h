/* SPDX-License-Identifier: Apache-2.0
 *
 * What a transport with streams keeps of what we publish: declared here unless the configuration
 * declares streams itself (an empty list: none).
 */
#ifndef TRELLIS_PLANE_STREAMS_H
#define TRELLIS_PLANE_STREAMS_H

#include "plane/config.h"

/* The transport's choice, with our streams if it takes streams and names none. Strings live in c's
 * arena. */
struct plugin_choice streams_declare(struct config *c, const struct plugin_choice *transport);

#endif
