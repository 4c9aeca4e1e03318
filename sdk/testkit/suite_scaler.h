/* SPDX-License-Identifier: Apache-2.0
 *
 * Conformance suite of scaler/1: the laws of kind/scaler.h over thousands of made-up lattices.
 */
#ifndef TRELLIS_TESTKIT_SUITE_SCALER_H
#define TRELLIS_TESTKIT_SUITE_SCALER_H

#include <stdint.h>

/* properties: JSON texts the scaler accepts. Hosts of the suite carry the labels cloud (real,
 * fake), region (us-east-1, us-west-1) and zone (a, b, c), so requirements should be about these.
 * Where a text contains "instances":<number>, growing and shrinking is tried by changing that
 * number. Prints what failed; returns how many checks did. */
int suite_scaler(const char *component, const char *const properties[], uint32_t n);

#endif
