/* SPDX-License-Identifier: Apache-2.0
 *
 * driver/1: make hosts act, report what they run. One path for intent (actions), one for truth
 * (reports through host.observe/1). An ack never changes observed state: where the host answers
 * after the work (config, link, label, provider stop) the driver turns the reply into a delta
 * report BEFORE it completes the op.
 *
 * A `lattice` here is a lattice id: the name, or "<account>/<name>" in a multitenant plane.
 */
#ifndef TRELLIS_KIND_DRIVER_H
#define TRELLIS_KIND_DRIVER_H

#include <trellis/kind/scaler.h>
#include <trellis/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Verbs (trl_action.verb) */
#define TRL_DO_SCALE                                                                               \
    1u /* component: unit_id, image, count (0: stop), config_names, annotations, body = limits     \
          JSON or empty */
#define TRL_DO_UPDATE                                                                              \
    2u /* component: image_old -> image on one host, as one step: preflight                        \
          (flag), stop, start; back to image_old on failure. done = over  */
#define TRL_DO_PROVIDER_START 3u
#define TRL_DO_PROVIDER_STOP  4u /* done = stopped */
#define TRL_DO_LINK_PUT       5u /* link; done = put */
#define TRL_DO_LINK_DEL       6u /* link (target ignored by hosts); done = deleted */
#define TRL_DO_CONFIG_PUT     7u /* name, body = JSON map of strings; done = stored */
#define TRL_DO_CONFIG_DEL     8u
#define TRL_DO_LABEL_PUT      9u /* name = key, body = value */
#define TRL_DO_LABEL_DEL      10u
#define TRL_DO_HOST_STOP      11u
#define TRL_DO_LINK_RENEW     12u /* link: del, then put, so that changed config content arrives */

#define TRL_ACT_PREFLIGHT 1u /* UPDATE: try the new image under a scratch id first */
#define TRL_ACT_RUNNING   2u /* SCALE: the unit runs there now (a rebuild or a stop) */
#define TRL_ACT_PROVIDER  4u /* UPDATE: the unit is a provider: stop, reply, start */

typedef struct trl_link {
    uint32_t struct_size, flags;
    trl_str source, target, name, ns, package;
    const trl_str *interfaces;
    const trl_str *source_config;
    const trl_str *target_config;
    uint32_t n_interfaces, n_source_config, n_target_config, reserved;
} trl_link;

typedef struct trl_action {
    uint32_t struct_size, verb;
    trl_str lattice, host_id, unit_id, image, image_old, name;
    uint32_t count, flags;
    const trl_str *config_names; /* order matters */
    uint32_t n_config_names;
    uint32_t n_annotations;
    const trl_label *annotations;
    const trl_str *config_names_old; /* UPDATE: to go back */
    uint32_t n_config_names_old;
    uint32_t n_annotations_old;
    const trl_label *annotations_old;
    uint32_t count_old, reserved;
    const trl_link *link;
    trl_str body;
    trl_str key;         /* idempotency key */
    trl_str traceparent; /* W3C trace context of this action, for the host; or empty */
} trl_action;

#define TRL_RUN_COMPONENT 1u
#define TRL_RUN_PROVIDER  2u

#define TRL_HEALTH_UNKNOWN 0u
#define TRL_HEALTH_OK      1u
#define TRL_HEALTH_FAILING 2u

typedef struct trl_running { /* one entry on one host */
    uint32_t struct_size, kind;
    trl_str unit_id, image, revision, name;
    uint32_t count; /* in a delta 0 means: gone */
    uint32_t health;
    const trl_label *annotations;
    uint32_t n_annotations;
    uint32_t flags;
} trl_running;
#define TRL_RUNNING_HEALTH_ONLY                                                                    \
    1u /* delta: only health is news (unit_id, kind, health are set)                               \
        */
#define TRL_RUNNING_BUSY                                                                           \
    2u /* it is being changed to what was asked: count and marks prove nothing yet                 \
        */

#define TRL_REPORT_FULL    1u /* what is not listed is not there; else a delta               */
#define TRL_REPORT_STARTED 2u /* the host began anew: forget everything it ran               */
#define TRL_REPORT_LABELS                                                                          \
    4u                     /* labels, host_name and version are given (always so in a full one)    \
                            */
#define TRL_REPORT_BEAT 8u /* a heartbeat: its interval is measured                        */

typedef struct trl_report {
    uint32_t struct_size, flags;
    trl_str lattice, host_id, host_name, version;
    uint64_t uptime_s;
    int64_t seen_ns;         /* when it was true (monotonic) */
    const trl_label *labels; /* sorted by key */
    uint32_t n_labels;
    uint32_t entry_stride;
    const void *entries; /* trl_running */
    uint32_t n_entries;
    uint32_t reserved;
    trl_str traceparent; /* W3C trace context of the message that told it; or empty */
} trl_report;

#define TRL_CONFIG_ABSENT 1u /* known not to be there */
typedef struct trl_config_seen {
    uint32_t struct_size, flags;
    trl_str name;
    uint64_t hash; /* trl_config_hash() of the sorted map: helper.h */
} trl_config_seen;

/* host.observe/1 note codes */
#define TRL_NOTE_START_FAILED 1 /* unit_id on host: text is the host's error                    */
#define TRL_NOTE_LINK_FAILED  2 /* unit_id = source: text                                        */
#define TRL_NOTE_INFO         3
#define TRL_NOTE_BUSY         4 /* unit_id on host: it takes long and goes on; keep waiting        */

#define TRL_GONE_STOPPED     1 /* it said goodbye      */
#define TRL_GONE_UNREACHABLE 2 /* probes: no responder */

/* "host.observe/1", [loop]. The core copies what it keeps before returning. */
#define TRL_HOST_OBSERVE_V1 "host.observe/1"
typedef struct trl_host_observe_v1 {
    uint32_t struct_size, flags;
    void (*report)(void *ctx, const trl_report *r);
    void (*host_gone)(void *ctx, trl_str lattice, trl_str host_id, int32_t why);
    /* full != 0: these are all links; else each is put (n) with content. */
    void (*links)(void *ctx, trl_str lattice, const trl_link *links, uint32_t n, uint32_t stride,
                  int32_t full);
    /* One link is gone, by the host's delete key; target may be empty: unknown. */
    void (*link_gone)(void *ctx, trl_str lattice, const trl_link *key);
    void (*configs)(void *ctx, trl_str lattice, const trl_config_seen *configs, uint32_t n,
                    uint32_t stride);
    void (*note)(void *ctx, trl_str lattice, trl_str host_id, trl_str unit_id, int32_t code,
                 trl_str text);
    /* The lattice exists (seen on the bus). Idempotent. */
    void (*lattice_seen)(void *ctx, trl_str lattice);
    /* Our own link to the hosts went down (0) or came up (1). While it is down nothing ages. */
    void (*link_state)(void *ctx, int32_t up);
} trl_host_observe_v1;

/* What instances wrote. Without a cursor: the newest max_lines, or all since since_ms. */
typedef struct trl_log_query {
    uint32_t struct_size, flags;
    trl_str lattice;
    trl_str app;      /* value of the annotation wasmcloud.dev/appspec */
    trl_str unit_id;  /* only of this one; empty: of all */
    trl_str cursor;   /* of an earlier answer: what came after it */
    int64_t since_ms; /* UNIX time; 0: any */
    uint32_t max_lines, reserved;
} trl_log_query;

#define TRL_DRIVER_LINKS   1u /* has links and named configs */
#define TRL_DRIVER_RETRIES 2u /* tries a failed start again by itself, until told to stop */

typedef struct trl_driver_v1 {
    uint32_t struct_size, flags;
    uint64_t verbs; /* bit n: verb n is supported */
    /* done = accepted by the host, or over where the comment of the verb says so. err.msg is the
     * host's text. */
    void (*apply)(trl_inst *, trl_op *op, const trl_action *);
    /* Ask everyone in the lattice now: hosts (full reports), links (full). done when all answered
     * or timed out. Result: none. Also makes the driver follow the lattice from now on. */
    void (*resync)(trl_inst *, trl_op *op, trl_str lattice);
    /* Read named configs; done when each has been reported (present or absent) or failed. */
    void (*read_configs)(trl_inst *, trl_op *op, trl_str lattice, const trl_str *names, uint32_t n);
    /* Is it alive? TRL_OK (a full report was made), TRL_E_NORESPONDER, TRL_E_TIMEOUT. */
    void (*probe)(trl_inst *, trl_op *op, trl_str lattice, trl_str host_id);
    /* [pure] optional: 1 if the host could run the unit. */
    int32_t (*can_run)(trl_inst *, const trl_unit_view *, const trl_host_view *);
    /* [pure] optional: the image as the host will report it. Writes at most cap bytes to buf,
     * returns the length. NULL: unchanged. */
    size_t (*normal_image)(trl_inst *, uint32_t run_kind, trl_str image, char *buf, size_t cap);
    void (*cancel)(trl_inst *, trl_op *op);
    /* Optional. Result, JSON: {"lines":[{"at_ms","unit","instance","stream","text"}],"cursor"},
     * oldest first; stream is "out" or "err"; the cursor asks for what comes next. */
    void (*logs)(trl_inst *, trl_op *op, const trl_log_query *q);
    /* Optional. Result, JSON: {"instances":[{"app","unit","instance","state","pid","processes",
     * "cpu_ms","rss_bytes","fds","restarts","started_ms"}]}; app empty: of all. */
    void (*usage)(trl_inst *, trl_op *op, trl_str lattice, trl_str app);
} trl_driver_v1;

#ifdef __cplusplus
}
#endif
#endif
