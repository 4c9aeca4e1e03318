/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests in, replies out: wadm's API, Trellis's own, and what is announced. Everything on the
 * loop.
 */
#ifndef TRELLIS_API_API_H
#define TRELLIS_API_API_H

#include "base/log.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "plug/bus.h"
#include "plug/kv.h"
#include "plug/tracer.h"
#include "policy/policy.h"
#include "secrets/secrets.h"

struct api;

struct api_env { /* everything borrowed for the life of the api */
    struct loop *loop;
    const struct log *log;
    struct bus *bus;
    struct kv *kv;
    struct catalog *catalog;
    struct policy_chains *policy; /* NULL: everything is allowed */
    struct audit *audit;          /* NULL: none */
    struct secrets *secrets;      /* NULL: no backend is configured here */
    struct tracer *tracer;        /* NULL: no spans */
    const char *prefix;           /* "wadm.api" */
    bool multitenant;
    size_t max_payload; /* bytes of a message; 0: 1 MiB */
    /* The tenant is "_" when there is only one. NULL: lattice unknown. */
    struct engine *(*engine_of)(void *arg, str tenant, str lattice);
    /* Makes the lattice known: engine_of gives one afterwards. */
    void (*lattice_wanted)(void *arg, str tenant, str lattice);
    void (*each_engine)(void *arg, void (*fn)(void *fn_arg, struct engine *e), void *fn_arg);
    const char *version;
    bool readonly;     /* answers questions, refuses changes */
    bool keep_journal; /* the transport keeps no streams: the journal goes into the store */
    void *arg;
};

struct api *api_create(const struct api_env *env);
/* No callback runs any more. Catalog, bus and kv must be destroyed in the same turn. NULL is fine.
 */
void api_destroy(struct api *a);
/* Subscribes: begins answering. Call it once the catalog is loaded. */
void api_serve(struct api *a);

/* From the plane: what engines and the catalog tell. */
void api_on_status(struct api *a, struct engine *e, str app, const struct app_status *s);
void api_on_command(struct api *a, struct engine *e, const struct command_record *r);
void api_policy_changed(struct api *a); /* rulings may differ: what is deployed is judged again */
/* A head changed: when it vanished, its retained status is purged. */
void api_on_app(struct api *a, const struct app *app);

/* The same door for the local socket and for tests. reply: exactly once, perhaps before this
 * returns; json is borrowed for the call; never after api_destroy. */
void api_request(struct api *a, str subject, const trl_label *headers, uint32_t n_headers, str body,
                 void (*reply)(void *arg, str json), void *arg);
/* The same for somebody who is known: caller is a JSON object, for policies and the audit. */
void api_request_by(struct api *a, str caller, str subject, const trl_label *headers,
                    uint32_t n_headers, str body, void (*reply)(void *arg, str json), void *arg);
/* The operations by name, for extensions: replies of any size, changes are audited. INVALID: no
 * such operation, or a name that no subject could have; reply does not run then. */
trl_status api_call(struct api *a, const trl_api_call *c,
                    void (*reply)(void *arg, trl_status st, str json), void *arg);
/* What a reply says in short. ret_code: "ok", "NOT_FOUND", ...; part of json or static. */
trl_status api_reply_status(str json, str *ret_code);
void api_each_operation(void (*fn)(void *arg, const trl_api_operation *o), void *arg);
struct journal *api_journal(struct api *a);
/* Told of everything that is announced; one watcher per call, for the life of the api. */
void api_watch(struct api *a, void (*fn)(void *arg, str subject, str body), void *arg);

#endif
