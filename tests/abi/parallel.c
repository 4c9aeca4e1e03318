/* SPDX-License-Identifier: Apache-2.0 — as slow_serial.c, on the pool */
#define MODEL TRL_PARALLEL
#define NAME  "parallel"
#include "slow_serial.c"
