/* SPDX-License-Identifier: Apache-2.0
 *
 * A wasmCloud 1.x host as the lattice sees it, played by a driver of this machine: control requests
 * in, actions out; reports of the driver in, events out. Links and configs live in the two buckets
 * that hosts of a lattice share. It starts no plugin; run.h does. All on the loop.
 */
#ifndef TRELLIS_AGENT_AGENT_H
#define TRELLIS_AGENT_AGENT_H

#include "hostwire/strs.h"
#include "plug/bus.h"
#include "plug/kv.h"

struct agent;

typedef void (*agent_done_fn)(void *arg, trl_status st, const trl_err *err);

struct agent_driver { /* the driver as the agent uses it */
    /* done runs in a later turn, exactly once. The action is borrowed for the call. */
    void (*apply)(void *arg, const trl_action *x, agent_done_fn done, void *done_arg);
    /* What the driver has of these; told by agent_on_configs before done. */
    void (*read_configs)(void *arg, const str *names, uint32_t n, agent_done_fn done,
                         void *done_arg);
    bool (*can_run)(void *arg, const trl_unit_view *unit, const trl_host_view *host);
    uint64_t verbs; /* bit n: verb n */
    void *arg;
};

struct agent_env { /* strings are copied, the others borrowed for the life of the agent */
    struct loop *loop;
    const struct log *log;
    struct bus *bus;
    struct kv *links, *configs; /* LATTICEDATA_<lattice>, CONFIGDATA_<lattice> */
    struct agent_driver driver;
    str lattice, prefix;    /* prefix: "wasmbus.ctl" */
    str host_id, name;      /* "N...", "quiet-river-0042" */
    str version, url, kind; /* kind: name of the driver, the label hostcore.driver */
    struct strs *labels;    /* taken: pairs beside those of the driver */
    int64_t heartbeat_ns;
    void (*on_ready)(void *arg);                    /* it is a host now */
    void (*on_failed)(void *arg, const char *text); /* the buckets cannot be read */
    void (*on_stop)(void *arg);                     /* a request asked the host to end */
    void *arg;
};

/* Reads the buckets. The host says hello when they are read and the driver is known. */
struct agent *agent_create(const struct agent_env *env);
/* The driver has told all it runs and all links it has. */
void agent_driver_known(struct agent *a);
/* Says good-bye (loudly) or just falls silent. Reports are still taken. */
void agent_leave(struct agent *a, bool say);
/* Asks the driver to end everything it runs; it goes on by itself until nothing runs. */
void agent_clear(struct agent *a);
bool agent_is_clear(const struct agent *a);
void agent_destroy(struct agent *a); /* what is under way is dropped silently */

/* host.observe/1 */
void agent_on_report(struct agent *a, const trl_report *r);
void agent_on_links(struct agent *a, const trl_link *links, uint32_t n, uint32_t stride, bool full);
void agent_on_configs(struct agent *a, const trl_config_seen *c, uint32_t n, uint32_t stride);
void agent_on_note(struct agent *a, str unit, int32_t code, str text);

#endif
