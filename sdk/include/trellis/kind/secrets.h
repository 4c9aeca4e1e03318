/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets/1: read a secret by reference. Bytes of a secret cross the border in one direction, by
 * host.secret/1, and never as an ordinary result, an item, a log line or an error text. A backend
 * wipes every copy of its own; host.secret/1 lends it guarded memory (locked, left out of core
 * dumps, wiped when given back).
 */
#ifndef TRELLIS_KIND_SECRETS_H
#define TRELLIS_KIND_SECRETS_H

#include <trellis/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRL_SX_VERSIONS 1u /* older versions can be fetched by trl_secret_ref.version      */
#define TRL_SX_MAPPED   2u /* it keeps grants per entity itself and checks trl_secret_ref.entity */

#define TRL_SECRET_MAX_BYTES (1024u * 1024u)

/* Which secret. Strings are borrowed for the call. */
typedef struct trl_secret_ref {
    uint32_t struct_size, flags;
    trl_str key;        /* path or name in the backend; never empty                          */
    trl_str field;      /* empty: the backend's default, or the whole                        */
    trl_str version;    /* empty: the latest                                                 */
    trl_str properties; /* JSON object: of the manifest's policy for the reference, or empty */
    /* On whose behalf; all empty when Trellis itself asks (preflight, `trellis secret`). */
    trl_str lattice, app;
    trl_str entity; /* public key of the component or provider, when a host asks for it */
} trl_secret_ref;

#define TRL_SECRET_BINARY 1u /* not text */

typedef struct trl_secret {
    uint32_t struct_size, flags; /* TRL_SECRET_* */
    trl_bytes value;             /* at most TRL_SECRET_MAX_BYTES                                  */
    trl_str version;             /* never empty: what trl_secret_ref.version would take; a backend
                                    without versions gives a keyed digest that changes with the value and
                                    does not tell it                                              */
    int64_t lease_ns;            /* > 0: good for so long from now; 0: until it is rotated        */
} trl_secret;

/* "host.secret/1" */
#define TRL_HOST_SECRET_V1 "host.secret/1"
typedef struct trl_host_secret_v1 {
    uint32_t struct_size, flags;
    /* [any] Completes an op of fetch() with TRL_OK. The bytes are copied into guarded memory before
     * it returns; the caller wipes its own. As op_done: once, and it drops the plugin's reference.
     */
    trl_status (*done)(trl_op *op, const trl_secret *s);
    /* [any] Guarded memory; NULL when none is left. free wipes; NULL is fine. */
    void *(*alloc)(void *ctx, size_t n);
    void (*free)(void *ctx, void *p);
} trl_host_secret_v1;

/* What a driver that runs things itself asks for: a secret, for one unit on its host. */
typedef struct trl_secret_read {
    uint32_t struct_size, kind; /* TRL_RUN_* of the unit (driver.h)                          */
    trl_str backend, host_id;   /* the backend by the name that the reference has            */
    const trl_secret_ref *ref;  /* lattice, app, and as entity the unit's id                 */
} trl_secret_read;

/* "host.secret_read/1", for drivers; absent where nobody here has secrets. All [loop]. Policies of
 * the point `secret` are asked first, as for hosts that ask over the bus. */
#define TRL_HOST_SECRET_READ_V1 "host.secret_read/1"
typedef struct trl_host_secret_read_v1 {
    uint32_t struct_size, flags;
    /* Copied. Exactly one on_value in a later turn, unless cancelled or the instance stops: TRL_OK
     * with the secret, whose bytes are lent for the call and lie in guarded memory (what a caller
     * keeps goes into such memory: host.secret/1 alloc); else a status, s == NULL, and why in one
     * line without any value: NOTFOUND, DENIED (by the backend or by a policy), INVALID, UNSUPP (no
     * such backend), UNAVAIL and others (asking again may help). Returns an id > 0. */
    uint64_t (*fetch)(void *ctx, const trl_secret_read *r,
                      void (*on_value)(void *arg, trl_status st, const trl_secret *s, trl_str why),
                      void *arg);
    void (*cancel)(void *ctx, uint64_t id); /* no callback any more; dead ids are ignored */
} trl_host_secret_read_v1;

typedef struct trl_secrets_v1 {
    uint32_t struct_size, flags; /* TRL_SX_* */
    /* Completes by host.secret/1 done(), or fails: NOTFOUND (key, field or version), DENIED,
     * INVALID (the reference makes no sense here), UNAVAIL (retryable), ... Error texts name key,
     * field and version, never a value. */
    void (*fetch)(trl_inst *, trl_op *op, const trl_secret_ref *ref);
    /* Is it there, may it be read? Without reading it where the backend can. Result: the version
     * that fetch() would give now, as text. Same errors. */
    void (*check)(trl_inst *, trl_op *op, const trl_secret_ref *ref);
    /* Emits the version text (as check) once, and again each time it changes, until cancelled; an
     * empty item: it is gone or may not be read. Not being able to ask is no news. NULL: the core
     * asks check() from time to time. */
    void (*watch)(trl_inst *, trl_op *op, const trl_secret_ref *ref);
    void (*cancel)(trl_inst *, trl_op *op); /* complete it soon */
    void (*resume)(trl_inst *, trl_op *op); /* an emission that got TRL_E_BUSY may go on */
    /* Writes a value for key (and field). Result: the new version as text. value is in guarded
     * memory of the caller and borrowed for the call. NULL: this backend is read-only. */
    void (*put)(trl_inst *, trl_op *op, const trl_secret_ref *ref, const trl_secret *value);
    /* Emits the names of keys that start with prefix, in order, never values. NULL: cannot. */
    void (*list)(trl_inst *, trl_op *op, trl_str prefix);
    /* One JSON object: address, login, lease...; may be NULL. */
    void (*info)(trl_inst *, trl_op *op);
} trl_secrets_v1;

#ifdef __cplusplus
}
#endif
#endif
