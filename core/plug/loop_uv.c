/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>
#include <uv.h>

#include "base/mem.h"
#include "plug/loop_priv.h"
#include "plug/must.h"

/* Rounds of posts that are run before libuv looks at its descriptors again. More than one, because
 * a request is often three posts long and a poll costs a system call. */
#define MAX_ROUNDS 16u

struct loop_uv {
    uv_loop_t loop;
    uv_async_t async; /* posts; keeps the loop alive */
    uv_timer_t timer; /* drives the whole heap */
    struct loop *owner;
    bool in_timers;
    bool alone; /* one processor: staying awake would only keep the others from theirs */
};

int64_t loop_uv_now_ns(void) {
    return (int64_t)uv_hrtime();
}

int64_t loop_uv_wall_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void loop_uv_wake(struct loop_uv *u) {
    uv_async_send(&u->async);
}

/* True when the loop must be left; what is still queued is picked up at the next run. */
static bool run_posts(struct loop_uv *u) {
    struct loop *l = u->owner;
    for (uint32_t round = 0; round < MAX_ROUNDS; round++) {
        do {
            if (!loop_turn_post(l)) {
                return false;
            }
            if (loop_leave(l)) {
                uv_async_send(&u->async);
                return true;
            }
        } while (l->at_turn < l->n_turn);
    }
    uv_async_send(&u->async);
    return false;
}

static void on_async(uv_async_t *a) {
    struct loop_uv *u = a->data;
    if (run_posts(u)) {
        uv_stop(&u->loop);
    }
}

static void on_timer(uv_timer_t *t) {
    struct loop_uv *u = t->data;
    struct loop *l = u->owner;
    int64_t now = loop_uv_now_ns();
    uint64_t limit = l->next_seq; /* what is started from here on has its own turn later */
    bool out = false;
    u->in_timers = true;
    while (!out && loop_turn_timer(l, now, limit)) {
        out = loop_leave(l) || run_posts(u);
    }
    u->in_timers = false;
    loop_uv_arm(l);
    if (out) {
        uv_stop(&u->loop);
    }
}

void loop_uv_arm(struct loop *l) {
    struct loop_uv *u = l->uv;
    if (u->in_timers) {
        return;
    }
    if (l->n_timers == 0) {
        uv_timer_stop(&u->timer);
        return;
    }
    int64_t wait = l->heap[0]->due_ns - loop_uv_now_ns();
    uint64_t ms = wait <= 0 ? 0 : ((uint64_t)wait + 999999u) / 1000000u;
    uv_update_time(&u->loop);
    uv_timer_start(&u->timer, on_timer, ms, 0);
}

static uv_run_mode how_to_wait(const struct loop *l) {
    bool awake = l->expects_until_ns && !l->uv->alone && l->expects_until_ns > loop_uv_now_ns();
    return awake ? UV_RUN_NOWAIT : UV_RUN_ONCE;
}

void loop_uv_run(struct loop *l) {
    struct loop_uv *u = l->uv;
    if (loop_leave(l)) {
        return;
    }
    if (l->until) {
        uv_run(&u->loop, how_to_wait(l));
        return;
    }
    while (!loop_leave(l)) {
        uv_run(&u->loop, how_to_wait(l));
    }
}

struct uv_loop_s *loop_uv_raw(struct loop_uv *u) {
    return &u->loop;
}

struct loop *loop_create_uv(uint64_t seed) {
    struct loop *l = loop_new(seed);
    struct loop_uv *u = mem_zalloc(sizeof(*u));
    u->owner = l;
    plug_must(uv_loop_init(&u->loop) == 0, "libuv can make a loop (descriptors left?)");
    plug_must(uv_async_init(&u->loop, &u->async, on_async) == 0, "libuv can make an async handle");
    plug_must(uv_timer_init(&u->loop, &u->timer) == 0, "libuv can make a timer");
    u->alone = uv_available_parallelism() < 2;
    u->async.data = u;
    u->timer.data = u;
    l->uv = u;
    return l;
}

void loop_uv_destroy(struct loop_uv *u) {
    uv_close((uv_handle_t *)&u->async, NULL);
    uv_close((uv_handle_t *)&u->timer, NULL);
    for (int i = 0; i < 3; i++) { /* close callbacks of our own handles */
        uv_run(&u->loop, UV_RUN_NOWAIT);
    }
    plug_must(uv_loop_close(&u->loop) == 0, "every libuv handle is closed before its loop");
    mem_free(u);
}
