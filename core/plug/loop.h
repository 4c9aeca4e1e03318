/* SPDX-License-Identifier: Apache-2.0
 *
 * The one loop of a control plane: timers, posts from other threads, turns. Two kinds with the same
 * behaviour: over libuv, and virtual (a clock that jumps to the next timer; single-threaded, so a
 * seed decides everything). The rest of the core knows no libuv.
 */
#ifndef TRELLIS_PLUG_LOOP_H
#define TRELLIS_PLUG_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rand.h"

struct loop;
struct uv_loop_s;

struct loop *loop_create_uv(uint64_t seed);
/* Starts at monotonic start_ns and UNIX time wall_ms. */
struct loop *loop_create_virtual(int64_t start_ns, int64_t wall_ms, uint64_t seed);
/* Every timer must be stopped and every post run. */
void loop_destroy(struct loop *l);

int64_t loop_now_ns(const struct loop *l);  /* [any] monotonic */
int64_t loop_wall_ms(const struct loop *l); /* [any] UNIX time, for stamps only */
struct rng *loop_rng(struct loop *l);       /* [loop] */
struct uv_loop_s *loop_uv(struct loop *l);  /* NULL when virtual */

/* [any] Runs fn(arg) in a later turn, in order of posting. */
void loop_post(struct loop *l, void (*fn)(void *arg), void *arg);
bool loop_has_posts(struct loop *l); /* [loop] Is anything posted that has not begun? */
/* [loop] Another thread posts something within that time: until then the loop stays awake, if there
 * are processors enough. 0: it has come. */
void loop_expect(struct loop *l, int64_t ns);

/* A timer is embedded in its owner. fn runs in its own turn; it may restart the timer. Timers of
 * one instant fire in order of starting. */
struct loop_timer {
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
    int64_t due_ns;
    uint64_t seq;
    uint32_t index; /* in the heap, + 1; 0: not started */
};
void loop_timer_init(struct loop_timer *t, struct loop *l, void (*fn)(void *arg), void *arg);
void loop_timer_start(struct loop_timer *t, int64_t delay_ns); /* restarts when started */
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_active(const struct loop_timer *t);

/* Runs until stop() or, when virtual, until nothing is left to do. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Runs until done(arg) is true or timeout_ns of the loop's time has passed; returns done(arg). */
bool loop_run_until(struct loop *l, bool (*done)(void *arg), void *arg, int64_t timeout_ns);
/* Virtual only: runs everything that is due up to now + ns, then sets the clock there. */
void loop_advance(struct loop *l, int64_t ns);

#endif
