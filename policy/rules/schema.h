/* SPDX-License-Identifier: Apache-2.0 — the configuration as JSON Schema. */
#ifndef POLICY_RULES_SCHEMA_H
#define POLICY_RULES_SCHEMA_H

extern const char rules_schema[];

#endif
