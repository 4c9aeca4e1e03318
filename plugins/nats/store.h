/* SPDX-License-Identifier: Apache-2.0 — the component store/1 "nats-kv". */
#ifndef NATS_STORE_H
#define NATS_STORE_H

#include <trellis/trellis.h>

extern const trl_component store_component;

#endif
