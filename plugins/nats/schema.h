/* SPDX-License-Identifier: Apache-2.0 — the configuration of both components as JSON Schema. */
#ifndef NATS_SCHEMA_H
#define NATS_SCHEMA_H

extern const char transport_schema[];
extern const char store_schema[];

#endif
