/* SPDX-License-Identifier: Apache-2.0
 *
 * The border, seen from the core: find, check, load, negotiate, create, start, stop. One `struct
 * plug` per control plane (several live in one process; the loaded code is shared, instances are
 * not).
 */
#ifndef TRELLIS_PLUG_PLUG_H
#define TRELLIS_PLUG_PLUG_H

#include <trellis/trellis.h>

#include "base/err.h"
#include "base/log.h"
#include "plug/loop.h"

struct plug;
struct plug_inst; /* an instance of a component, with its host table */

/* dirs: searched in order, before TRELLIS_PLUGIN_PATH and the built-in ones. loop and log are
 * borrowed for the life of the plug. */
struct plug *plug_create(struct loop *loop, const struct log *log, const char *const *dirs,
                         uint32_t n_dirs);
/* Libraries (by file name without ".so") and the SHA-256 of their files, in hex; copied. REQUIRE:
 * nothing else is loaded, and what is mapped is a sealed copy of the bytes that were checked. WARN:
 * the log tells. To be said before the first instance. */
enum plug_trust { PLUG_TRUST_OFF, PLUG_TRUST_WARN, PLUG_TRUST_REQUIRE };
struct plug_allowed {
    const char *library, *sha256;
};
void plug_allow(struct plug *p, enum plug_trust trust, const struct plug_allowed *at, uint32_t n);
/* All instances must be destroyed. */
void plug_destroy(struct plug *p);
struct loop *plug_loop(struct plug *p);
const struct log *plug_log(struct plug *p);

/* Host interfaces offered to instances (borrowed, static tables): host.transport/1 and
 * host.observe/1 come from their owners this way. ctx is what the plugin passes back... through the
 * host's ctx: the core wraps it, see plug_iface_ctx(). Must be set before plug_inst_create. */
struct plug_iface {
    const char *id;
    const void *table;
    void *ctx;
};
/* The ctx that was registered for interface `id`, from the ctx a plugin passes to its functions. */
void *plug_iface_ctx(void *host_ctx, const char *id);
/* The instance behind a host ctx. */
struct plug_inst *plug_inst_of(void *host_ctx);

/* Finds component `name` of kind `kind` ("store/1"). The library is <name>.so in the directories,
 * or <kind>-<name>.so ("store-file.so" for store "file"), or one that a short table maps (nats-kv
 * lives in nats.so). Loads it if need be, checks config against the schema, fills in defaults,
 * creates. config: JSON text of an object, empty for {}. */
int plug_inst_create(struct plug *p, const char *kind, const char *name, str config,
                     const struct plug_iface *ifaces, uint32_t n_ifaces, struct plug_inst **ret,
                     struct err *err);
/* done runs in a later turn. start: st is TRL_OK when ready. */
void plug_inst_start(struct plug_inst *in, int64_t timeout_ns,
                     void (*done)(void *arg, trl_status st, const trl_err *e), void *arg);
/* Cancels what is outstanding, waits for it, stops. Then destroy is legal. Works in any state. */
void plug_inst_stop(struct plug_inst *in, void (*done)(void *arg), void *arg);
void plug_inst_destroy(struct plug_inst *in); /* NULL is fine */

trl_inst *plug_inst_raw(struct plug_inst *in);
const void *plug_inst_table(
    struct plug_inst *in); /* the kind's table, normalised: full size, absent functions NULL */
const trl_component *plug_inst_component(struct plug_inst *in);
const trl_plugin *plug_inst_plugin(struct plug_inst *in);
struct plug *plug_inst_plug(struct plug_inst *in);
bool plug_inst_ready(const struct plug_inst *in); /* started, and not being stopped */

/* What became of an instance's operations so far (start and stop are not among them). */
#define PLUG_STATUSES (-TRL_E_NORESPONDER + 1)
struct plug_counts {
    uint64_t by_status[PLUG_STATUSES]; /* [-status] */
    int64_t spent_ns;                  /* from begin to the answer, all together */
    uint64_t slow;                     /* calls that kept the loop for more than 100 ms */
};
const struct plug_counts *plug_inst_counts(const struct plug_inst *in);
void plug_each(struct plug *p, void (*fn)(void *arg, struct plug_inst *in), void *arg);

/* Checks one library without creating anything: for `plugin list|inspect` and `config check`. */
struct plug_file_info {
    char *path;               /* owned by the info */
    char *note;               /* JSON of the ELF note, NULL if none */
    char sha256[65];          /* of the file, in hex */
    const trl_plugin *plugin; /* NULL unless loaded */
};
int plug_inspect_file(const char *path, struct plug_file_info *ret,
                      struct err *err); /* never maps the code */
void plug_file_info_finish(struct plug_file_info *i);
/* Calls fn for every library in the directories; err_text is NULL when it passed the checks. */
void plug_list(struct plug *p,
               void (*fn)(void *arg, const struct plug_file_info *i, const char *err_text),
               void *arg);
/* Validates config for a component and returns it with defaults filled in (owned JSON text).
 * Findings (JSON pointer, blank, text) one per line in err. */
int plug_check_config(struct plug *p, const char *kind, const char *name, str config,
                      char **ret_config, struct err *err);

#endif
