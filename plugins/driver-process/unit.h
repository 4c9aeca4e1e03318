/* SPDX-License-Identifier: Apache-2.0
 *
 * A component or provider on this machine: what is wanted, and its processes ("runs"). Level
 * triggered: whatever happens, unit_soon() has unit_step() look at the whole and do the next thing.
 */
#ifndef DRIVER_PROCESS_UNIT_H
#define DRIVER_PROCESS_UNIT_H

#include "base.h"
#include "health.h"
#include "io.h"

enum run_state {
    RUN_LAUNCHING, /* on the pool */
    RUN_STARTING,  /* runs, not known to be ready */
    RUN_READY,
    RUN_STOPPING,
    RUN_ADOPTING /* its keeper was asked what it has */
};

/* What makes a process what it is; immutable, shared. */
struct want {
    unsigned refs;
    uint32_t kind; /* TRL_RUN_* */
    json_t *j;     /* {"kind","image","configs":[],"marks":{},"settings":{}} */
};
struct want *want_of(uint32_t kind, trl_str image, const trl_str *configs, uint32_t n_configs,
                     const trl_label *marks, uint32_t n_marks, trl_str settings, char *why,
                     size_t cap);        /* NULL with a text */
struct want *want_load(const json_t *j); /* NULL when it makes no sense */
struct want *want_ref(struct want *w);
void want_unref(struct want *w); /* NULL is fine */
static inline const char *want_image(const struct want *w) {
    return j_str(w->j, "image", "");
}
static inline const json_t *want_settings(const struct want *w) {
    return json_object_get(w->j, "settings");
}

struct launch;
struct rotation;

struct run { /* one process with its keeper */
    struct run *next;
    struct unit *unit;
    char *id; /* owned; its directory under runs/ */
    uint64_t fp;
    struct want *want;
    enum run_state state;
    int pid;
    int64_t started_ms; /* wall */
    int64_t ready_ns;
    struct watch sock;
    struct wake patience; /* while stopping: its keeper should have told the end by now */
    struct health health;
    char why[256];       /* it is stopped because of a failure; else empty */
    char *check_address; /* owned; its own listener, or NULL */
    char *dir;           /* owned; path of its directory, once it runs */
    int adopted, got_fds;
    uint64_t secrets;          /* hash of the references that its secrets are of; 0: it has none */
    struct launch *launch;     /* its secrets are on their way; else NULL */
    struct rotation *rotation; /* newer ones are */
    struct wake again;         /* a rotation that failed is tried then */
};

struct unit {
    struct unit *next;
    struct trl_inst *d;
    char *id;
    struct want *want, *back; /* back: where an update under way returns to; else NULL */
    uint32_t count, count_back;
    uint64_t fp;      /* of what is wanted now, configs and links included */
    uint64_t secrets; /* hash of its references to secrets */
    struct run *runs;
    struct ticket update, stop; /* ops that wait */
    struct wake again, words;   /* a step, soon or after a back-off; a word to the core */
    int64_t next_start_ns;
    unsigned fails, restarts;
    int lacks_secret; /* the failure that is told next: it comes up soon after that is there */
    char error[256];  /* of the last failure; empty when all is well */
    uint32_t told_count, told_health, told_flags;
    uint64_t told_hash; /* of image and marks */
    int told;           /* the core knows of it */
};

struct unit *unit_find(struct trl_inst *d, const char *id);
struct unit *unit_get(struct trl_inst *d, const char *id); /* made when missing */
/* w: taken. Nothing happens when it is what is wanted already. */
void unit_want(struct unit *u, struct want *w, uint32_t count);
void unit_soon(struct unit *u);
/* Configs or links of it may have changed. */
void unit_touch(struct unit *u);
void unit_failed(struct unit *u, struct run *r, const char *text);
void unit_ready(struct unit *u, struct run *r);
void unit_free(struct unit *u); /* without its runs */
void units_destroy(struct trl_inst *d);
uint32_t unit_running(const struct unit *u);                        /* what is reported */
const char *unit_app(const struct unit *u);                         /* by its mark; or empty */
int unit_is_of(const struct unit *u, trl_str lattice, trl_str app); /* app empty: any */
int unit_is_busy(const struct unit *u); /* not yet as wanted, and being worked on */

#endif
