/* SPDX-License-Identifier: Apache-2.0
 *
 * The conformance suite of secrets/1: what is planted comes back, errors say what is wrong, old
 * versions and changes are told, everything ends when it is asked to, and no byte of a value is in
 * a log line, an error, a result or, after the instance is gone, in the memory of the process. The
 * backend's test says how values get into the backend by other ways than the plugin.
 */
#ifndef TRELLIS_TESTKIT_SUITE_SECRETS_H
#define TRELLIS_TESTKIT_SUITE_SECRETS_H

#include "testkit.h"

#define SX_FIXED  1u /* what was planted before the instance is opened is all there ever is   */
#define SX_TEXT   2u /* values are text without NUL                                          */
#define SX_FIELDS 4u /* plant takes fields, and a field that is not there is NOTFOUND        */
#define SX_NO_SCAN                                                                                 \
    8u /* a library holds values where nobody can wipe them: memory is not searched */

/* All functions may block; NULL: there is none. */
struct suite_secrets {
    const char *component, *config; /* JSON text */
    uint32_t flags;
    size_t max_bytes; /* the largest value that fits; 0: TRL_SECRET_MAX_BYTES */
    void *ctx;
    /* Before the instance is created, after it is destroyed: interfaces it needs. */
    const struct plug_iface *(*enter)(void *ctx, struct tk *tk, uint32_t *n);
    void (*leave)(void *ctx, struct tk *tk);
    /* Writes (again) a value, replacing the whole of what was there under the key; 0 when it did.
     * Keeps no copy. NULL: put() of the plugin is used. Keys are of [a-z0-9/] and begin with
     * "suite/". */
    int (*plant)(void *ctx, const char *key, const char *field, const void *value, size_t n);
    void (*remove)(void *ctx, const char *key);
    /* Makes the key unreadable for the plugin, for good. */
    void (*deny)(void *ctx, const char *key);
    /* 1: cut the backend off; 0: it is there again. */
    void (*outage)(void *ctx, int down);
};

/* Returns how many checks failed; 0 is good. Prints the count. */
int suite_secrets(const struct suite_secrets *b);

#endif
