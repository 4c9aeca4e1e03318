/* SPDX-License-Identifier: Apache-2.0
 *
 * Conformance suites: one per kind, run on every component of that kind. They speak to the
 * component through the border, as the core does, and print what failed and how many checks there
 * were.
 */
#ifndef TRELLIS_TESTKIT_SUITE_H
#define TRELLIS_TESTKIT_SUITE_H

#include <stdint.h>

#define SUITE_VIRTUAL      1u /* on the virtual loop */
#define SUITE_DURABLE      2u /* a store: the same config opened again shows the same */
#define SUITE_SMALL_VALUES 4u /* a store: the largest value is a little less than 1 MiB */
#define SUITE_NOT_EMPTY    8u /* a store: others' keys may be in it */

/* config_json: of the component. Plugins are looked up in TRELLIS_PLUGIN_DIR of the environment,
 * else where the testkit was built. Return how many checks failed; 0 is good. */
int suite_store(const char *component, const char *config_json, uint32_t flags);
int suite_transport(const char *component, const char *config_json, uint32_t flags);

#endif
