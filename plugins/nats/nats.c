/* SPDX-License-Identifier: Apache-2.0
 *
 * The library: a transport and a store that share a connection when their options agree. It is
 * never unloaded (linked with nodelete): threads of the NATS library outlive every instance.
 */
#include "store.h"
#include "transport.h"

TRL_PLUGIN("trellis.nats", "0.1.0", 0, &transport_component, &store_component);
