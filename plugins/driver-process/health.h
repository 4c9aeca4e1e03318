/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of one process: asked again and again, told when it becomes ready, and when it has
 * failed for good (not ready within its grace, or `threshold` failures in a row afterwards).
 */
#ifndef DRIVER_PROCESS_HEALTH_H
#define DRIVER_PROCESS_HEALTH_H

#include "io.h"
#include "settings.h"

struct health {
    struct trl_inst *d;
    struct health_spec spec; /* texts borrowed from the process's want */
    const char *address;     /* borrowed */
    struct wake next, limit; /* the next check; the end of this one, or of the grace */
    struct watch sock;
    struct exec_job *exec;
    size_t sent;
    char answer[32];
    size_t n_answer;
    int64_t begun_ns;
    int64_t failures;
    int running, ready;
    char why[160]; /* of the last failure */
    void (*on_ready)(void *arg);
    void (*on_failed)(void *arg, const char *why);
    void *arg;
};

/* run_dir: of the process, for exec; borrowed. ready: it is so already (adopted). */
void health_start(struct health *h, struct trl_inst *d, struct health_spec spec,
                  const char *address, const char *run_dir, int ready);
void health_stop(struct health *h);
void health_notified(struct health *h); /* it said READY=1 */

#endif
