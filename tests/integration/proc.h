/* SPDX-License-Identifier: Apache-2.0
 *
 * A program of the test's own: started, watched by what it writes to stdout and stderr, ended.
 */
#ifndef TRELLIS_TESTS_PROC_H
#define TRELLIS_TESTS_PROC_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc {
    pid_t pid; /* 0: not running */
    int out;   /* its stdout and stderr; read by a thread */
    pthread_t reader;
    pthread_mutex_t lock; /* guards text, len, over */
    pthread_cond_t more;
    char *text; /* all it wrote */
    size_t len;
    bool over; /* it closed its end */
};

/* argv[0] is a path. The child dies with the test. */
void proc_start(struct proc *p, const char *const argv[]);
/* Waits until it wrote that text (n times). False: not in time, or it ended before. */
bool proc_wait(struct proc *p, const char *text, uint32_t n, int64_t timeout_ms);
uint32_t proc_count(struct proc *p, const char *text); /* how often it wrote that */
/* Sends the signal, reaps; the wait status. What it wrote goes to stderr when TEST_LOG is set. 0
 * when it is not running. */
int proc_end(struct proc *p, int signum);
/* Runs to the end; *ret_text: owned (free), what it wrote. The exit status, -1: not in time. */
int proc_run(const char *const argv[], int64_t timeout_ms, char **ret_text);
int64_t now_ms(void);
void pause_a_little(void); /* between two looks at a condition with a deadline */

/* Waits for a condition; fails the test when it does not come true. */
#define WAIT(cond, timeout_ms)                                                                     \
    do {                                                                                           \
        int64_t end_ms_ = now_ms() + (timeout_ms);                                                 \
        while (!(cond)) {                                                                          \
            if (now_ms() > end_ms_) {                                                              \
                fail_msg("not in %lld ms: %s", (long long)(timeout_ms), #cond);                    \
            }                                                                                      \
            pause_a_little();                                                                      \
        }                                                                                          \
    } while (0)

#endif
