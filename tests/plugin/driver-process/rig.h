/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver with a core that keeps what it hears; short ways to act on it.
 */
#ifndef TESTS_DRIVER_PROCESS_RIG_H
#define TESTS_DRIVER_PROCESS_RIG_H

#include "base/map.h"
#include "place.h"
#include "testkit.h"
#include "vault.h"

/* The end of a script: it runs until it is told to end. */
#define FOREVER "trap 'exit 0' TERM; while :; do sleep 600 & wait $!; done\n"

struct rig {
    struct place p;
    struct tk *tk;
    struct plug_inst *in;
    struct map counts;      /* unit -> count + 1 */
    struct map flags;       /* unit -> flags + 1 */
    struct map images;      /* unit -> owned image */
    struct map labels;      /* of the host: key -> owned value */
    char note[256];         /* of the last failure */
    uint32_t notes, failed; /* all; TRL_NOTE_START_FAILED */
    trl_status st;          /* of the last op */
    char msg[256];
    char *result; /* owned */
    bool done;
    struct rig_vault *vault; /* what host.secret_read/1 gives */
};

void rig_open(struct rig *r, const char *more);   /* more: of the configuration, as place_config */
void rig_reopen(struct rig *r, const char *more); /* stops and starts the driver */
void rig_open_again(struct rig *r, const char *more); /* after tk_close(r->tk, r->in) */
int rig_finish(struct rig *r); /* nothing may be left; how many checks failed */
uint32_t rig_count(struct rig *r, const char *unit);
bool rig_busy(struct rig *r, const char *unit);
/* Acts and waits for the end of the op. */
trl_status rig_scale(struct rig *r, const char *unit, const char *image, uint32_t n,
                     const char *settings);
trl_status rig_update(struct rig *r, const char *unit, const char *image, uint32_t n,
                      const char *settings);
trl_status rig_config(struct rig *r, const char *name, const char *json);
trl_status rig_do(struct rig *r, const trl_action *a);
trl_action rig_action(uint32_t verb, const char *unit, const char *image, uint32_t n);
/* Result in r->result. */
trl_status rig_logs(struct rig *r, const char *cursor, uint32_t lines);
trl_status rig_logs_since(struct rig *r, int64_t since_ms);
trl_status rig_usage(struct rig *r);
/* Conditions to wait for; each a failed check when it does not come true. */
void rig_wait_count(struct rig *r, const char *unit, uint32_t n); /* and not busy */
void rig_wait_failed(struct rig *r, uint32_t at_least);
/* That often, in the last 100 lines. A process is counted as it starts, before it has said a word.
 */
void rig_wait_logged(struct rig *r, const char *text, uint32_t times);
void rig_wait_file(struct rig *r, const char *name, const char *text); /* it contains that */
char *rig_file(struct rig *r, const char *name); /* owned; "" when there is none */
bool rig_file_has(struct rig *r, const char *name, const char *text);
void rig_until(struct rig *r, bool (*done)(struct rig *r, const void *arg), const void *arg);

#endif
