/* SPDX-License-Identifier: Apache-2.0
 *
 * Request bodies as a Rust host decodes them: unknown keys are ignored, a repeated key or a key
 * beside its alias is refused, null is nothing for optional members only.
 */
#ifndef TRELLIS_SIM_DECODE_H
#define TRELLIS_SIM_DECODE_H

#include "codec/json.h"

enum sim_field_type {
    SIM_F_STR,  /* str */
    SIM_F_U32,  /* uint32_t */
    SIM_F_U64,  /* uint64_t */
    SIM_F_BOOL, /* bool */
    SIM_F_MAP,  /* const struct node *: an object of strings, NULL when absent */
    SIM_F_LIST, /* const struct node *: an array of strings, NULL when absent */
};

struct sim_field {
    const char *name, *alias; /* alias may be NULL */
    enum sim_field_type type;
    bool required, nullable;
    size_t offset; /* in the struct that is filled */
};

/* Fills out, whose fields hold the defaults. False: the body is refused. Strings and nodes live in
 * the arena. */
bool sim_decode(str body, const struct sim_field *fields, uint32_t n, void *out, struct arena *a);
/* An object of strings, in *ret. */
bool sim_decode_map(str body, const struct node **ret, struct arena *a);
/* The body of registry.put: credentials by registry. */
bool sim_decode_registries(str body, struct arena *a);

#endif
