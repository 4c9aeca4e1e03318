/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the agent.
 */
#ifndef TRELLIS_AGENT_AGENT_PRIV_H
#define TRELLIS_AGENT_AGENT_PRIV_H

#include <string.h>

#include "agent/agent.h"
#include "base/digest.h"
#include "base/map.h"
#include "base/mem.h"
#include "hostwire/decode.h"
#include "hostwire/links.h"
#include "hostwire/wire.h"

/* A start, scale or update whose end is still to be told. */
struct asked {
    bool open;
    uint32_t count;
    char *image, *host_id; /* owned; host_id: as the request has it */
    struct strs *annotations;
};

/* A component or provider of this machine: reported by the driver, or asked for. */
struct entry {
    char *id;
    uint32_t kind;  /* TRL_RUN_* */
    bool wanted;    /* asked for, and not stopped since */
    bool busy;      /* being changed to what was asked */
    bool updating;  /* the driver replaces its image, or goes back */
    uint32_t count; /* that run; 0: none, image and annotations are the last known */
    uint32_t health;
    char *image; /* owned; NULL: never reported */
    struct strs *annotations;
    uint32_t told; /* instances, by the last event */
    uint32_t told_health;
    bool changed;    /* image or annotations differ from the last event */
    bool listed;     /* in the report that is being read */
    bool stopping;   /* a provider that is told to stop: silent until it is started again */
    uint64_t serial; /* of the last request about it */
    struct asked asked;
    struct strs *config; /* names, of the last start in this life */
    char *settings;      /* owned, the same; JSON or NULL */
    bool known;          /* config and settings are */
};

/* Anything under way that somebody else calls back about. */
struct job {
    struct agent *a;
    struct job *prev, *next;
    void (*drop)(struct job *j); /* frees what it owns, and itself */
};

struct source { /* a record of the bucket of links */
    struct linkset *set;
};

struct agent {
    struct agent_env env;
    char *lattice, *prefix, *host_id, *name, *version, *url, *kind; /* owned */
    char *subject;     /* "wasmbus.ctl.v1.<lattice>." */
    char *driver_host; /* owned: what the driver calls this host; NULL: not known */
    struct strs *labels, *driver_labels; /* pairs; labels: beside those of the driver */
    struct map entries;                  /* struct entry * by id */
    struct map sources;                  /* struct source * by id of the source */
    struct map configs;                  /* struct strs * (pairs; of an empty one NULL) + 1 */
    struct map given_links;              /* struct vlink * by identity: what the driver has */
    struct map given_configs;            /* name -> anything: the driver has it */
    struct map odd;                      /* keys with values nobody understands: told once */
    struct kv_watch *watch_links, *watch_configs;
    bool links_synced, configs_synced, driver_known, compared, up, leaving;
    struct bus_sub *subs[12];
    uint32_t n_subs;
    struct loop_timer beat, retry;
    int64_t started_ns, beat_ns; /* beat_ns: of the last heartbeat */
    uint64_t serial;
    uint32_t clearing; /* actions of agent_clear under way */
    struct job *jobs;
};

/* A request; borrowed for the call. name: of a config. */
struct ask {
    str reply, name, body;
};
typedef void agent_handler(struct agent *a, const struct ask *q);
agent_handler agent_ping, agent_get, agent_stop_host, agent_label_put, agent_label_del;
agent_handler agent_component_auction, agent_scale, agent_update;
agent_handler agent_provider_auction, agent_provider_start, agent_provider_stop;
agent_handler agent_link_put, agent_link_del, agent_link_get;
agent_handler agent_config_put, agent_config_get, agent_config_del;
agent_handler agent_claims_get, agent_registry_put, agent_unsupported;

void agent_listen(struct agent *a);
void agent_deaf(struct agent *a);

/* Nothing is sent when reply is empty. */
void agent_reply(struct agent *a, str reply, bool ok, const char *message);
void agent_reply_json(struct agent *a, str reply, struct buf *response); /* cleared */
void agent_event(struct agent *a, const char *event, struct buf *data);  /* cleared */

void job_join(struct agent *a, struct job *j, void (*drop)(struct job *j));
void job_end(struct job *j); /* leaves, and drops */
/* An action of this host's lattice: verb and what belongs to it are set, lattice and host here. */
void agent_apply(struct agent *a, trl_action *x, agent_done_fn done, void *arg);
void agent_done_quietly(void *arg, trl_status st, const trl_err *err); /* arg: the agent; logs */
/* Text of a failed action, never empty. */
str agent_err_text(trl_status st, const trl_err *err);

/* host.c */
struct strs *agent_labels(const struct agent *a); /* shared: all of this host */
bool agent_matches(const struct agent *a, const struct node *constraints);
bool agent_can_run(struct agent *a, uint32_t kind, str id, str image);
void agent_say_hello(struct agent *a);
void agent_say_bye(struct agent *a);
void agent_beat(struct agent *a);
void agent_write_labels(const struct agent *a, struct jw *w);

/* units.c */
struct entry *agent_entry(const struct agent *a, str id); /* NULL: none */
/* Made when there is none. kind: of a new one. */
struct entry *agent_entry_get(struct agent *a, str id, uint32_t kind);
void agent_entries_finish(struct agent *a);
bool agent_here(const struct agent *a, str id); /* runs or is wanted */
void asked_set(struct asked *k, str image, str host_id, uint32_t count,
               struct strs *annotations); /* annotations: taken */
void asked_end(struct asked *k);
/* Tells what there is to tell; an entry of which nothing is left goes: the pointer is dead then. */
void agent_tell(struct agent *a, struct entry *e);
void agent_say_failed(struct agent *a, struct entry *e, str why);  /* ends what was asked */
trl_label *agent_marks(const struct strs *pairs, uint32_t *ret_n); /* owned array of borrowed */

/* start.c: what both kinds of units share */
struct start { /* from a request to the driver */
    uint32_t kind, count;
    str id, image, host_id;
    const struct node *annotations, *config, *settings;
};
/* Checks what it needs, hands it over and tells the end by events. */
void agent_start(struct agent *a, const struct start *s);
/* The new image takes the place of the one that runs; everything else stays. */
void agent_replace(struct agent *a, struct entry *e, str image, str host_id,
                   struct strs *annotations);                  /* annotations: taken */
void agent_say_absent(struct agent *a, const struct start *s); /* scaled to 0 what is not there */

/* data.c */
void agent_data_start(struct agent *a);
void agent_data_stop(struct agent *a);
void agent_data_finish(struct agent *a);
/* Looks for the configs of these names, in the bucket where memory has none. done runs once, maybe
 * at once; missing: borrowed, NULL when all are there. trouble: why it is not known, or empty. */
typedef void (*agent_fetched_fn)(void *arg, const struct strs *missing, str trouble);
void agent_fetch(struct agent *a, struct strs *names, agent_fetched_fn done, void *arg);
/* The host writes the record of a component or provider when it first starts. */
void agent_write_spec(struct agent *a, str id, str url);
/* Hands the driver the links and configs that this unit needs. */
void agent_give_unit(struct agent *a, str id, const struct strs *config_names);
/* Everything was read on both sides: what differs is handed over; then the host comes up. */
void agent_compare(struct agent *a);
/* A record of the bucket: false when it makes no sense. *ret_set: shared, NULL when there are no
 * links. ret_url may be NULL; owned. */
bool agent_record_read(str value, struct linkset **ret_set, char **ret_url);
void agent_record_write(str url, const struct linkset *s, struct buf *out);
bool agent_map_read(str value, struct strs **ret); /* of the bucket of configs; shared */

#endif
