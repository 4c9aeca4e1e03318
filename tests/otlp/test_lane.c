/* SPDX-License-Identifier: Apache-2.0
 *
 * A lane between a made-up core and a made-up client: what is sent when, again after failures, and
 * what is counted. Time stands still unless a test moves it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lane.h"

#define MS 1000000ll

struct core {
    trl_host host;
    struct conf conf;
    struct exporter x;
    char endpoint[16], resource[4];
    int64_t now_ns;
    uint64_t oldest, newest; /* of the ring: seq oldest + 1 .. newest */
    uint64_t old;            /* those up to here are of an earlier run */
    void (*on_more)(void *arg);
    void *more_arg;
    int64_t timer_ns; /* of the one timer; < 0: none */
    void (*on_timer)(void *arg);
    void *timer_arg;
    void (*posted)(void *arg);
    void *posted_arg;
    struct http_req *asked; /* under way */
    uint64_t random;
    unsigned warned, told;
    char said[1024];
    int finished;
};

static struct core *core; /* of the test that runs: http_post has no other way to it */

static void log_fn(void *ctx, int32_t level, trl_str msg, trl_str fields) {
    struct core *c = ctx;
    (void)fields;
    c->warned += level == TRL_LOG_WARN;
    c->told += level == TRL_LOG_INFO;
    snprintf(c->said, sizeof(c->said), "%.*s", (int)msg.len, msg.ptr);
}

static int32_t log_level_fn(void *ctx) {
    (void)ctx;
    return TRL_LOG_DEBUG;
}

static int64_t now_fn(void *ctx) {
    return ((struct core *)ctx)->now_ns;
}

static trl_status post_fn(void *ctx, void (*fn)(void *arg), void *arg) {
    struct core *c = ctx;
    assert_null(c->posted);
    c->posted = fn;
    c->posted_arg = arg;
    return TRL_OK;
}

static uint64_t timer_start_fn(void *ctx, int64_t delay_ns, void (*fn)(void *arg), void *arg) {
    struct core *c = ctx;
    assert_true(c->timer_ns < 0);
    c->timer_ns = delay_ns;
    c->on_timer = fn;
    c->timer_arg = arg;
    return 1;
}

static void timer_stop_fn(void *ctx, uint64_t id) {
    assert_int_equal(id, 1);
    ((struct core *)ctx)->timer_ns = -1;
}

static uint64_t random_fn(void *ctx) {
    return ((struct core *)ctx)->random;
}

static int64_t wall_fn(void *ctx) {
    (void)ctx;
    return 1700000000000;
}

static const trl_host_loop_v1 loop = {sizeof(loop),  0,         timer_start_fn,
                                      timer_stop_fn, random_fn, wall_fn};

static trl_cursor latest_fn(void *ctx) {
    return (trl_cursor){9, ((struct core *)ctx)->newest};
}

static uint64_t read_fn(void *ctx, trl_cursor *at, uint32_t max,
                        void (*fn)(void *arg, const trl_event *e), void *arg) {
    struct core *c = ctx;
    uint64_t missed = at->epoch && at->seq < c->oldest ? c->oldest - at->seq : 0;
    at->seq = at->seq < c->oldest ? c->oldest : at->seq;
    at->epoch = 9;
    for (; max && at->seq < c->newest; max--) {
        char json[32];
        at->seq++;
        snprintf(json, sizeof(json), "{\"n\":%u}", (unsigned)at->seq);
        trl_event e = {.struct_size = sizeof(e),
                       .seq = at->seq,
                       .wall_ms = at->seq <= c->old ? 5 : 1700000000000,
                       .kind = {"k", 1},
                       .json = trl_cstr(json)};
        fn(arg, &e);
    }
    return missed;
}

static uint64_t watch_fn(void *ctx, void (*on_more)(void *arg), void *arg) {
    struct core *c = ctx;
    c->on_more = on_more;
    c->more_arg = arg;
    return 1;
}

static void unwatch_fn(void *ctx, uint64_t id) {
    assert_int_equal(id, 1);
    ((struct core *)ctx)->on_more = NULL;
}

static const trl_host_events_v1 events = {sizeof(events), 0,        latest_fn,
                                          read_fn,        watch_fn, unwatch_fn};

/* In the place of curl_thread.c. */

int http_post(struct http *h, void (*fn)(void *arg), void *arg) {
    (void)h;
    fn(arg);
    return 0;
}

void http_submit(struct http *h, struct http_req *r) {
    (void)h;
    assert_null(core->asked);
    core->asked = r;
}

static void on_finished(void *arg) {
    ((struct core *)arg)->finished++;
}

static void open_core(struct core *c) {
    memset(c, 0, sizeof(*c));
    core = c;
    c->timer_ns = -1;
    snprintf(c->endpoint, sizeof(c->endpoint), "http://h");
    snprintf(c->resource, sizeof(c->resource), "{}");
    c->host = (trl_host){
        .ctx = c, .log = log_fn, .log_level = log_level_fn, .now_ns = now_fn, .post = post_fn};
    c->conf = (struct conf){.endpoint = c->endpoint,
                            .timeout_ms = 1000,
                            .batch_ms = 20,
                            .batch_max = 4,
                            .retry_ms = 100,
                            .retry_max_ms = 1000};
    c->x = (struct exporter){.h = &c->host,
                             .conf = &c->conf,
                             .loop = &loop,
                             .events = &events,
                             .resource = c->resource,
                             .start_wall_ns = 1700000000000 * MS,
                             .live = 1,
                             .on_finished = on_finished,
                             .arg = c};
    for (int i = 0; i < N_SIGNALS; i++) {
        c->x.lanes[i].x = &c->x;
        c->x.lanes[i].signal = (enum signal)i;
    }
    c->x.lanes[EVENTS].on = 1;
}

static struct lane *lane_of(struct core *c) {
    return &c->x.lanes[EVENTS];
}

static void add(struct core *c, uint32_t n) {
    c->newest += n;
    if (c->on_more) {
        c->on_more(c->more_arg);
    }
}

static void fire(struct core *c) {
    assert_true(c->timer_ns >= 0);
    c->now_ns += c->timer_ns;
    c->timer_ns = -1;
    c->on_timer(c->timer_arg);
}

/* Which numbers are under way: "3 4 5". */
static const char *asked(struct core *c) {
    static const char mark[] = "\"intValue\":\"";
    size_t n = 0;
    c->said[0] = '\0';
    if (!c->asked) {
        return "nothing";
    }
    for (const char *p = strstr(c->asked->body, mark); p; p = strstr(p, mark)) {
        p += sizeof(mark) - 1;
        n += (size_t)snprintf(c->said + n, sizeof(c->said) - n, "%s%.*s", n ? " " : "",
                              (int)strcspn(p, "\""), p);
    }
    return c->said;
}

static void answer(struct core *c, trl_status st, long status, uint32_t retry_after_ms) {
    const struct http_answer a = {.st = st,
                                  .why = "it broke",
                                  .status = status,
                                  .retry_after_ms = retry_after_ms,
                                  .body = "{}",
                                  .len = 2};
    struct http_req *r = c->asked;
    assert_non_null(r);
    c->asked = NULL;
    free(r->path);
    free(r->body);
    r->path = r->body = NULL;
    r->on_done(r, &a);
    void (*fn)(void *) = c->posted;
    c->posted = NULL;
    fn(c->posted_arg);
}

static void batches(void **state) {
    struct core c;
    struct lane *l = (open_core(&c), lane_of(&c));
    (void)state;
    lane_start(l);
    assert_true(c.timer_ns < 0); /* nothing to do */
    add(&c, 1);
    assert_int_equal(c.timer_ns, 20 * MS);
    add(&c, 1);
    fire(&c);
    assert_string_equal(asked(&c), "1 2");
    add(&c, 9); /* while it is under way */
    assert_true(c.timer_ns < 0);
    answer(&c, TRL_OK, 200, 0);
    assert_int_equal(c.timer_ns, 0); /* as many as a batch do not wait */
    fire(&c);
    assert_string_equal(asked(&c), "3 4 5 6");
    answer(&c, TRL_OK, 200, 0);
    fire(&c);
    assert_string_equal(asked(&c), "7 8 9 10");
    answer(&c, TRL_OK, 200, 0);
    assert_int_equal(c.timer_ns, 20 * MS);
    add(&c, 3); /* now it is a batch */
    assert_int_equal(c.timer_ns, 0);
    fire(&c);
    answer(&c, TRL_OK, 200, 0);
    assert_int_equal(l->counts.sent, 14);
    assert_int_equal(c.warned + c.told, 0);
}

static void failures(void **state) {
    static const int64_t most_ms[] = {100, 200, 400, 800, 1000, 1000};
    struct core c;
    struct lane *l = (open_core(&c), lane_of(&c));
    (void)state;
    lane_start(l);
    add(&c, 3);
    fire(&c);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(asked(&c), "1 2 3");
        c.random = i % 2 ? UINT64_MAX : 0;
        answer(&c, TRL_E_UNAVAIL, 0, 0);
        assert_true(c.timer_ns <= most_ms[i] * MS && c.timer_ns >= most_ms[i] / 2 * MS);
        assert_int_equal(c.timer_ns == most_ms[i] * MS, i % 2 == 0);
        fire(&c);
    }
    assert_int_equal(c.warned, 1);
    answer(&c, TRL_OK, 503, 7000);
    assert_int_equal(c.timer_ns, 7000 * MS);
    fire(&c);
    answer(&c, TRL_OK, 503, 80000000);
    assert_int_equal(c.timer_ns, 900000 * MS);
    assert_int_equal(c.warned, 2); /* another trouble */
    add(&c, 9);
    assert_int_equal(c.timer_ns, 900000 * MS); /* more does not make it impatient */
    fire(&c);
    assert_string_equal(asked(&c), "1 2 3 4");
    answer(&c, TRL_OK, 200, 0);
    assert_int_equal(c.told, 1);
    assert_int_equal(l->counts.sent, 4);
    assert_int_equal(l->counts.failures, 8);
    assert_int_equal(l->counts.dropped + l->counts.missed, 0);
}

static void refusals(void **state) {
    struct core c;
    struct lane *l = (open_core(&c), lane_of(&c));
    (void)state;
    lane_start(l);
    add(&c, 3);
    fire(&c);
    answer(&c, TRL_OK, 400, 0);
    assert_int_equal(l->counts.dropped, 3);
    fire(&c); /* there is nothing more */
    assert_null(c.asked);
    assert_true(c.timer_ns < 0);
    add(&c, 1);
    assert_int_equal(c.timer_ns, 100 * MS);
    fire(&c);
    assert_string_equal(asked(&c), "4");
    answer(&c, TRL_OK, 200, 0);
    assert_int_equal(l->counts.sent, 1);
    assert_int_equal(c.warned, 1);
    assert_int_equal(c.told, 1);
}

static void what_the_ring_forgets(void **state) {
    struct core c;
    struct lane *l = (open_core(&c), lane_of(&c));
    (void)state;
    c.oldest = 100; /* before anybody looked: nobody's loss */
    c.newest = 101;
    lane_start(l);
    fire(&c);
    assert_string_equal(asked(&c), "101");
    answer(&c, TRL_E_TIMEOUT, 0, 0);
    assert_int_equal(l->counts.missed, 0);
    c.oldest = 150;
    c.newest = 152;
    for (int i = 0; i < 3; i++) { /* told once */
        fire(&c);
        assert_string_equal(asked(&c), "151 152");
        answer(&c, TRL_E_TIMEOUT, 0, 0);
        assert_int_equal(l->counts.missed, 50);
    }
    c.oldest = 151; /* of what was under way, too */
    fire(&c);
    assert_string_equal(asked(&c), "152");
    answer(&c, TRL_OK, 200, 0);
    assert_int_equal(l->counts.missed, 51);
    assert_int_equal(l->counts.sent, 1);
}

static void earlier_runs(void **state) {
    struct core c;
    struct lane *l = (open_core(&c), lane_of(&c));
    (void)state;
    c.newest = c.old = 1000;
    lane_start(l);
    fire(&c);
    assert_null(c.asked);
    add(&c, 2);
    fire(&c);
    assert_string_equal(asked(&c), "1001 1002");
    answer(&c, TRL_OK, 200, 0);
    assert_int_equal(l->counts.sent, 2);
}

static void the_end(void **state) {
    struct core c;
    struct lane *l = (open_core(&c), lane_of(&c));
    (void)state;
    lane_start(l);
    c.x.stopping = 1;
    lane_flush(l);
    assert_int_equal(l->finished, 1); /* nothing to send */
    open_core(&c);
    lane_start(l);
    add(&c, 6);
    c.x.stopping = 1;
    lane_flush(l);
    assert_true(c.timer_ns < 0);
    assert_null(c.on_more);
    assert_string_equal(asked(&c), "1 2 3 4");
    answer(&c, TRL_OK, 200, 0);
    assert_string_equal(asked(&c), "5 6");
    assert_int_equal(c.finished, 0);
    answer(&c, TRL_OK, 200, 0);
    assert_int_equal(c.finished, 1);
    assert_int_equal(l->counts.sent, 6);
    open_core(&c); /* a failure is not repeated */
    lane_start(l);
    add(&c, 1);
    fire(&c);
    c.x.stopping = 1;
    lane_flush(l);
    assert_int_equal(l->finished, 0);
    answer(&c, TRL_E_UNAVAIL, 0, 0);
    assert_int_equal(c.finished, 1);
    assert_null(c.asked);
    assert_true(c.timer_ns < 0);
}

static void troubles_that_are_shared(void **state) {
    struct core c;
    struct lane *l = (open_core(&c), lane_of(&c));
    struct lane *other = &c.x.lanes[LOGS];
    (void)state;
    other->on = 1;
    other->trouble = TRL_E_UNAVAIL;
    lane_start(l);
    add(&c, 1);
    fire(&c);
    answer(&c, TRL_E_UNAVAIL, 0, 0);
    assert_int_equal(c.warned, 0);
    fire(&c);
    answer(&c, TRL_OK, 200, 0);
    assert_int_equal(c.told, 0); /* the other one still has it */
    other->trouble = 0;
    add(&c, 1);
    fire(&c);
    answer(&c, TRL_OK, 404, 0);
    assert_int_equal(c.warned, 1);
    assert_non_null(strstr(c.said, "events are dropped: http://h/v1/logs answers 404"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches),
        cmocka_unit_test(failures),
        cmocka_unit_test(refusals),
        cmocka_unit_test(what_the_ring_forgets),
        cmocka_unit_test(earlier_runs),
        cmocka_unit_test(the_end),
        cmocka_unit_test(troubles_that_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
