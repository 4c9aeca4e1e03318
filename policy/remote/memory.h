/* SPDX-License-Identifier: Apache-2.0
 *
 * What a host of wasmCloud remembers of its policy service: which request asked what, and which
 * answers were overridden since. Bounded: when full, it starts over.
 */
#ifndef REMOTE_MEMORY_H
#define REMOTE_MEMORY_H

#include <stdint.h>

#define MEMORY_MAX 16384u /* requests, and overrides */

struct memory;

struct override {
    int permitted;
    char *message; /* NULL: none; owned */
};

struct memory *memory_create(uint64_t seed);
void memory_destroy(struct memory *m); /* NULL is fine */

/* Request id asked about key. Returns 1 when earlier requests were forgotten for it: their answers
 * cannot be overridden any more. */
int memory_note(struct memory *m, const char *id, const char *key);
/* What the request asked about; NULL: not known. Borrowed. */
const char *memory_key(const struct memory *m, const char *id);
void memory_override(struct memory *m, const char *key, int permitted, const char *message);
/* NULL: the service has to be asked. Borrowed. */
const struct override *memory_find(const struct memory *m, const char *key);
uint32_t memory_overrides(const struct memory *m);

#endif
