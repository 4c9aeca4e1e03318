/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/loop.h"

#include "base/mem.h"
#include "plug/loop_priv.h"
#include "plug/must.h"

struct loop *loop_new(uint64_t seed) {
    struct loop *l = mem_zalloc(sizeof(*l));
    rng_seed(&l->rng, seed);
    plug_must(pthread_mutex_init(&l->lock, NULL) == 0, "a mutex can be made");
    return l;
}

struct loop *loop_create_virtual(int64_t start_ns, int64_t wall_ms, uint64_t seed) {
    struct loop *l = loop_new(seed);
    l->now_ns = start_ns;
    l->wall_ms = wall_ms - start_ns / 1000000;
    return l;
}

void loop_destroy(struct loop *l) {
    if (!l) {
        return;
    }
    plug_must(!l->running, "a loop is not destroyed while it runs");
    plug_must(l->n_timers == 0, "every timer is stopped before its loop is destroyed");
    plug_must(l->n_inbox == 0 && l->at_turn == l->n_turn,
              "every post has run before its loop is destroyed");
    if (l->uv) {
        loop_uv_destroy(l->uv);
    }
    pthread_mutex_destroy(&l->lock);
    mem_free(l->heap);
    mem_free(l->inbox);
    mem_free(l->turn);
    mem_free(l);
}

int64_t loop_now_ns(const struct loop *l) {
    return l->uv ? loop_uv_now_ns() : l->now_ns;
}

int64_t loop_wall_ms(const struct loop *l) {
    return l->uv ? loop_uv_wall_ms() : l->wall_ms + l->now_ns / 1000000;
}

struct rng *loop_rng(struct loop *l) {
    return &l->rng;
}

struct uv_loop_s *loop_uv(struct loop *l) {
    return l->uv ? loop_uv_raw(l->uv) : NULL;
}

void loop_post(struct loop *l, void (*fn)(void *arg), void *arg) {
    pthread_mutex_lock(&l->lock);
    l->inbox = mem_grow(l->inbox, &l->cap_inbox, l->n_inbox + 1, sizeof(*l->inbox));
    l->inbox[l->n_inbox++] = (struct loop_post_item){fn, arg};
    if (l->uv && !l->awake) {
        l->awake = true;
        loop_uv_wake(l->uv);
    }
    pthread_mutex_unlock(&l->lock);
}

bool loop_has_posts(struct loop *l) {
    pthread_mutex_lock(&l->lock);
    bool any = l->n_inbox > 0 || l->at_turn < l->n_turn;
    pthread_mutex_unlock(&l->lock);
    return any;
}

bool loop_turn_post(struct loop *l) {
    if (l->at_turn == l->n_turn) {
        pthread_mutex_lock(&l->lock);
        struct loop_post_item *items = l->turn;
        uint32_t cap = l->cap_turn;
        l->turn = l->inbox;
        l->cap_turn = l->cap_inbox;
        l->n_turn = l->n_inbox;
        l->inbox = items;
        l->cap_inbox = cap;
        l->n_inbox = 0;
        l->awake = l->n_turn > 0;
        pthread_mutex_unlock(&l->lock);
        l->at_turn = 0;
    }
    if (l->at_turn == l->n_turn) {
        return false;
    }
    struct loop_post_item it = l->turn[l->at_turn++];
    it.fn(it.arg);
    return true;
}

void loop_expect(struct loop *l, int64_t ns) {
    l->expects_until_ns = ns ? loop_now_ns(l) + ns : 0;
}

static bool before(const struct loop_timer *a, const struct loop_timer *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

static void put(struct loop *l, uint32_t i, struct loop_timer *t) {
    l->heap[i] = t;
    t->index = i + 1;
}

static void sift_up(struct loop *l, uint32_t i) {
    struct loop_timer *t = l->heap[i];
    while (i > 0 && before(t, l->heap[(i - 1) / 2])) {
        put(l, i, l->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(l, i, t);
}

static void sift_down(struct loop *l, uint32_t i) {
    struct loop_timer *t = l->heap[i];
    for (;;) {
        uint32_t kid = 2 * i + 1;
        if (kid >= l->n_timers) {
            break;
        }
        if (kid + 1 < l->n_timers && before(l->heap[kid + 1], l->heap[kid])) {
            kid++;
        }
        if (!before(l->heap[kid], t)) {
            break;
        }
        put(l, i, l->heap[kid]);
        i = kid;
    }
    put(l, i, t);
}

static void heap_remove(struct loop *l, struct loop_timer *t) {
    uint32_t i = t->index - 1;
    struct loop_timer *last = l->heap[--l->n_timers];
    t->index = 0;
    if (last != t) {
        put(l, i, last);
        sift_up(l, i);
        sift_down(l, last->index - 1);
    }
}

void loop_timer_init(struct loop_timer *t, struct loop *l, void (*fn)(void *arg), void *arg) {
    *t = (struct loop_timer){.loop = l, .fn = fn, .arg = arg};
}

void loop_timer_start(struct loop_timer *t, int64_t delay_ns) {
    struct loop *l = t->loop;
    int64_t now = loop_now_ns(l);
    if (t->index) {
        heap_remove(l, t);
    }
    delay_ns = delay_ns < 0 ? 0 : delay_ns;
    t->due_ns = delay_ns > INT64_MAX - now ? INT64_MAX : now + delay_ns;
    t->seq = l->next_seq++;
    l->heap = mem_grow(l->heap, &l->cap_timers, l->n_timers + 1, sizeof(struct loop_timer *));
    put(l, l->n_timers++, t);
    sift_up(l, t->index - 1);
    /* The first one may be overdue: libuv counts whole milliseconds. Whoever is due, too, shall not
     * wait for that. */
    if (l->uv && (t->index == 1 || l->heap[0]->due_ns <= now)) {
        loop_uv_arm(l);
    }
}

void loop_timer_stop(struct loop_timer *t) {
    if (t->index) { /* a wake-up that finds nothing due is cheaper than re-arming here */
        heap_remove(t->loop, t);
    }
}

bool loop_timer_active(const struct loop_timer *t) {
    return t->index != 0;
}

bool loop_turn_timer(struct loop *l, int64_t now_ns, uint64_t limit_seq) {
    if (l->n_timers == 0 || l->heap[0]->due_ns > now_ns || l->heap[0]->seq >= limit_seq) {
        return false;
    }
    struct loop_timer *t = l->heap[0];
    heap_remove(l, t);
    t->fn(t->arg); /* t may be gone afterwards */
    return true;
}

bool loop_leave(struct loop *l) {
    if (l->until && !l->until_met && l->until(l->until_arg)) {
        l->until_met = true;
    }
    return l->stopped || l->until_met;
}

/* Everything that is due up to end_ns; the clock follows the timers. */
static void run_virtual(struct loop *l, int64_t end_ns) {
    while (!loop_leave(l)) {
        if (loop_turn_post(l)) {
            continue;
        }
        if (l->n_timers == 0 || l->heap[0]->due_ns > end_ns) {
            return;
        }
        if (l->heap[0]->due_ns > l->now_ns) {
            l->now_ns = l->heap[0]->due_ns;
        }
        loop_turn_timer(l, l->now_ns, UINT64_MAX);
    }
}

static void enter(struct loop *l) {
    plug_must(!l->running, "a loop is not run from one of its own callbacks");
    l->running = true;
}

static void leave(struct loop *l) {
    l->running = false;
    l->stopped = false;
}

void loop_run(struct loop *l) {
    enter(l);
    if (l->uv) {
        loop_uv_run(l);
    } else {
        run_virtual(l, INT64_MAX);
    }
    leave(l);
}

void loop_stop(struct loop *l) {
    l->stopped = true;
}

static void mark(void *arg) {
    *(bool *)arg = true;
}

static void run_uv_until(struct loop *l, int64_t timeout_ns) {
    bool expired = false;
    struct loop_timer guard;
    loop_timer_init(&guard, l, mark, &expired);
    loop_timer_start(&guard, timeout_ns);
    while (!expired && !loop_leave(l)) {
        loop_uv_run(l);
    }
    loop_timer_stop(&guard);
}

bool loop_run_until(struct loop *l, bool (*done)(void *arg), void *arg, int64_t timeout_ns) {
    enter(l);
    l->until = done;
    l->until_arg = arg;
    l->until_met = false;
    if (l->uv) {
        run_uv_until(l, timeout_ns);
    } else {
        int64_t end = timeout_ns > INT64_MAX - l->now_ns ? INT64_MAX : l->now_ns + timeout_ns;
        run_virtual(l, end);
        if (!l->until_met && !l->stopped && end != INT64_MAX) {
            l->now_ns = end;
        }
    }
    bool met = l->until_met || done(arg);
    l->until = NULL;
    l->until_met = false;
    leave(l);
    return met;
}

void loop_advance(struct loop *l, int64_t ns) {
    plug_must(!l->uv, "only a virtual loop can be advanced");
    enter(l);
    int64_t end = l->now_ns + ns;
    run_virtual(l, end);
    if (!l->stopped && end > l->now_ns) {
        l->now_ns = end;
    }
    leave(l);
}
