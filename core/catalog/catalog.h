/* SPDX-License-Identifier: Apache-2.0
 *
 * What users put and deployed: one head per app, one record per version, in the store by
 * compare-and-set, in memory by watch. Everything on the loop; callbacks run in a later turn.
 *
 * Keys: 1.<tenant>.<lattice>.app.<app> (head), 1.<tenant>.<lattice>.ver.<app>.<uid>-<n> (version);
 * tokens outside [A-Za-z0-9_-] are escaped =XX; tenant "_" when single.
 */
#ifndef TRELLIS_CATALOG_CATALOG_H
#define TRELLIS_CATALOG_CATALOG_H

#include "base/log.h"
#include "base/trace.h"
#include "model/manifest.h"
#include "plug/kv.h"

#define CATALOG_KEEP_VERSIONS 100u
#define CATALOG_APP_MAX       190u
#define CATALOG_LATTICE_MAX   64u
#define CATALOG_TENANT_MAX    56u
#define CATALOG_NAMES_MAX     200u /* all three together, as stored */

struct catalog;

struct version {        /* borrowed views, valid until the next turn */
    uint32_t n;         /* 1, 2, ...; order of insertion; never reused in one uid */
    str version;        /* free text */
    str hash;           /* SHA-256 hex of the canonical model without version */
    int64_t created_ms; /* UNIX time */
    str json;           /* the stored manifest; ptr NULL when its record is missing */
};

/* Which version of a secret a version of an app was deployed with; values are nowhere. */
struct secret_pin {
    uint32_t n; /* of the app's version */
    str name;   /* the secret's name in the manifest */
    str version;
    bool fixed; /* a rollback: hosts are told to read this very version */
};

struct app {
    str tenant, lattice, name;
    str uid;       /* of this life of the name */
    uint32_t next; /* number of the next version */
    struct version *versions;
    uint32_t n_versions;
    uint32_t deployed;   /* a version's n; 0: none */
    uint64_t generation; /* raised by deploy, undeploy, rollback, delete */
    uint32_t *applied;   /* n of versions whose resources may still exist */
    uint32_t n_applied;
    str *refresh; /* delete keys of links to renew: "source\nns\npackage\nname" */
    uint32_t n_refresh;
    struct secret_pin *pins;
    uint32_t n_pins;
    struct trace_ctx trace; /* of the call that raised the generation last; or none */
    bool deleting;          /* invisible to the API; goes when applied is empty */
    uint64_t revision;      /* of the head record */
};

/* The apps as last seen. NULL when absent. Deleting ones are found by catalog_find_any only. */
const struct app *catalog_find(const struct catalog *c, str tenant, str lattice, str name);
const struct app *catalog_find_any(const struct catalog *c, str tenant, str lattice, str name);
/* Visible apps of a lattice, by name in byte order. */
void catalog_list(const struct catalog *c, str tenant, str lattice,
                  void (*fn)(void *arg, const struct app *a), void *arg);
/* All heads of a lattice, deleting ones too. */
void catalog_each(const struct catalog *c, str tenant, str lattice,
                  void (*fn)(void *arg, const struct app *a), void *arg);
/* Lattices that have heads. */
void catalog_lattices(const struct catalog *c, void (*fn)(void *arg, str tenant, str lattice),
                      void *arg);
const struct version *app_version(const struct app *a, str version); /* by text */
const struct version *app_version_n(const struct app *a, uint32_t n);
const struct version *app_current(const struct app *a); /* last inserted */
/* Parsed form of a version, cached; borrowed until the version goes. NULL when unreadable (logged).
 */
const struct manifest *catalog_manifest(struct catalog *c, const struct app *a, uint32_t n);

struct catalog_env {
    struct loop *loop;
    struct kv *kv;
    const struct log *log;
    void (*on_change)(void *arg, const struct app *a); /* head changed, appeared or vanished
                                                          (then a is its last state with deployed 0,
                                                          n_versions 0, n_applied 0) */
    void (*on_loaded)(void *arg);                      /* first SYNC: memory is complete; no
                                                          on_change came before it */
    void *arg;
};
struct catalog *catalog_create(const struct catalog_env *env); /* starts loading at once */
/* Pending callbacks do not run. Before the kv. */
void catalog_destroy(struct catalog *c);
bool catalog_loaded(const struct catalog *c);
bool catalog_idle(const struct catalog *c); /* no write under way */

enum catalog_code {
    CATALOG_OK,
    CATALOG_UNCHANGED,  /* put: same hash as the newest version, nothing written (our API) */
    CATALOG_NOT_FOUND,  /* no such app                    */
    CATALOG_NO_VERSION, /* no such version                */
    CATALOG_EXISTS,     /* put: that version text exists  */
    CATALOG_STORAGE,    /* the store failed; err says how */
    CATALOG_MOVED,      /* deploy: it is not the newest version any more */
    CATALOG_TOO_LONG,   /* a name that makes no legal key */
};

struct catalog_result {
    enum catalog_code code;
    str app;               /* writes: whose */
    const char *err;       /* CATALOG_STORAGE: text */
    str version, previous; /* put: stored, and current before; deploy: resolved */
    uint32_t n, total;     /* version number; versions after the put */
    bool first;            /* put: the app is new; undeploy: it was never asked for before */
    bool was_deployed;     /* del, undeploy: it was deployed before */
    bool last;             /* del: that was the last version */
};
typedef void (*catalog_done_fn)(void *arg, const struct catalog_result *r);

/* Reads the app and its versions from the store into memory: another instance may have written a
 * moment ago. done: OK, NOT_FOUND, STORAGE. False: no key can be made of the names, so there is
 * none, and done does not run. */
bool catalog_look(struct catalog *c, str tenant, str lattice, str name, catalog_done_fn done,
                  void *arg);

/* Writes of one app are done one after another in order of calling; conflicts with other instances
 * are re-read and re-applied up to 5 times. Nothing is refused, or left as it is, by memory alone:
 * the store is read first. version: ptr NULL generates a ULID. if_changed:
 * UNCHANGED when the hash equals the newest version's. */
void catalog_put(struct catalog *c, str tenant, str lattice, const struct manifest *m, str version,
                 bool if_changed, catalog_done_fn done, void *arg);
/* version: ptr NULL or "latest": the newest ("" is a version like others). refresh: delete keys to
 * add to the head in the same write. */
void catalog_deploy(struct catalog *c, str tenant, str lattice, str name, str version,
                    const str *refresh, uint32_t n_refresh, catalog_done_fn done, void *arg);
/* The same, with the versions of secrets it is deployed with (n of each is ignored). keep: the
 * version's own pins stay and are fixed, as a rollback wants it; pins are not looked at. newest:
 * MOVED when another version is by the time of writing. trace: of the call, kept with the head;
 * NULL: none. */
void catalog_deploy_pinned(struct catalog *c, str tenant, str lattice, str name, str version,
                           const str *refresh, uint32_t n_refresh, const struct secret_pin *pins,
                           uint32_t n_pins, bool keep, bool newest, const struct trace_ctx *trace,
                           catalog_done_fn done, void *arg);
/* A secret was rotated: version n of the app uses that version of it now, and these links are to be
 * renewed. Only while n is deployed. */
void catalog_pin(struct catalog *c, str tenant, str lattice, str name, const struct secret_pin *pin,
                 const str *refresh, uint32_t n_refresh, catalog_done_fn done, void *arg);
/* Empty: none is known. fixed may be NULL. */
str app_pin(const struct app *a, uint32_t n, str secret, bool *ret_fixed);
void catalog_undeploy(struct catalog *c, str tenant, str lattice, str name,
                      const struct trace_ctx *trace, catalog_done_fn done, void *arg);
/* version: ptr NULL deletes the app. */
void catalog_delete(struct catalog *c, str tenant, str lattice, str name, str version,
                    const struct trace_ctx *trace, catalog_done_fn done, void *arg);
/* The engine: these versions leave nothing behind any more; these links were renewed. Only written
 * when the head still has the generation given. */
void catalog_settle(struct catalog *c, str tenant, str lattice, str name, uint64_t generation,
                    const uint32_t *gone, uint32_t n_gone, const str *renewed, uint32_t n_renewed,
                    catalog_done_fn done, void *arg);

/* Legal as a token of keys and subjects? */
bool catalog_lattice_ok(str lattice);

#endif
