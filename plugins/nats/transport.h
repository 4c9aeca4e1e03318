/* SPDX-License-Identifier: Apache-2.0 — the component transport/1 "nats". */
#ifndef NATS_TRANSPORT_H
#define NATS_TRANSPORT_H

#include <trellis/trellis.h>

extern const trl_component transport_component;

#endif
