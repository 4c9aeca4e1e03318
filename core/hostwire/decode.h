/* SPDX-License-Identifier: Apache-2.0
 *
 * Request bodies as a Rust host decodes them: unknown keys are ignored, a repeated key or a key
 * beside its alias is refused, null is nothing for optional members only.
 */
#ifndef TRELLIS_HOSTWIRE_DECODE_H
#define TRELLIS_HOSTWIRE_DECODE_H

#include "codec/json.h"

enum wire_field_type {
    WIRE_F_STR,  /* str */
    WIRE_F_U32,  /* uint32_t */
    WIRE_F_U64,  /* uint64_t */
    WIRE_F_BOOL, /* bool */
    WIRE_F_MAP,  /* const struct node *: an object of strings, NULL when absent */
    WIRE_F_LIST, /* const struct node *: an array of strings, NULL when absent */
    WIRE_F_ANY,  /* const struct node *: whatever it is, NULL when absent */
};

struct wire_field {
    const char *name, *alias; /* alias may be NULL */
    enum wire_field_type type;
    bool required, nullable;
    size_t offset; /* in the struct that is filled */
};

/* Fills out, whose fields hold the defaults. False: the body is refused. Strings and nodes live in
 * the arena. */
bool wire_decode(str body, const struct wire_field *fields, uint32_t n, void *out, struct arena *a);
/* An object of strings, in *ret. */
bool wire_decode_map(str body, const struct node **ret, struct arena *a);
/* The body of registry.put: credentials by registry. */
bool wire_decode_registries(str body, struct arena *a);

#endif
