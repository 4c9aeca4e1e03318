/* SPDX-License-Identifier: Apache-2.0
 *
 * What loop.c (timers, posts, the virtual kind) and loop_uv.c (the kind over libuv) share.
 */
#ifndef TRELLIS_PLUG_LOOP_PRIV_H
#define TRELLIS_PLUG_LOOP_PRIV_H

#include <pthread.h>

#include "plug/loop.h"

struct loop_uv; /* the libuv half */

struct loop_post_item {
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    struct loop_uv *uv; /* NULL: virtual */
    struct rng rng;
    int64_t now_ns;  /* virtual only */
    int64_t wall_ms; /* virtual only: UNIX time at monotonic zero */

    struct loop_timer **heap; /* [n_timers], binary, by (due_ns, seq) */
    uint32_t n_timers, cap_timers;
    uint64_t next_seq;

    pthread_mutex_t lock; /* guards inbox and waking */
    struct loop_post_item *inbox;
    uint32_t n_inbox, cap_inbox;
    bool
        awake; /* a wake is under way or the inbox is being drained: posting needs no system call */

    struct loop_post_item *turn; /* taken from the inbox, being run */
    uint32_t n_turn, cap_turn, at_turn;

    int64_t expects_until_ns; /* something from another thread; 0: nothing */
    bool running, stopped;
    bool (*until)(void *arg); /* loop_run_until: checked after every turn */
    void *until_arg;
    bool until_met;
};

/* Runs one post. False: none is there. */
bool loop_turn_post(struct loop *l);
/* Runs the first timer that is due at now_ns and was started before limit_seq. */
bool loop_turn_timer(struct loop *l, int64_t now_ns, uint64_t limit_seq);
/* After a turn: must the loop be left? */
bool loop_leave(struct loop *l);

void loop_uv_wake(struct loop_uv *u); /* [any], under the loop's lock */
void loop_uv_arm(struct loop *l);     /* the first timer changed */
void loop_uv_run(struct loop *l);
void loop_uv_destroy(struct loop_uv *u);
struct uv_loop_s *loop_uv_raw(struct loop_uv *u);
int64_t loop_uv_now_ns(void);
int64_t loop_uv_wall_ms(void);

/* Shared by both constructors. */
struct loop *loop_new(uint64_t seed);

#endif
